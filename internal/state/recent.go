package state

import (
	"context"
	"fmt"
	"time"
)

// Recent calls fn with everybody who was accepted within an age, oldest first: the recipients of
// some disbursals at a time, and the import that they came with, if any. It reads the whole of that
// time, in bounded memory; progress is told how much of it is read.
func (s *Store) Recent(
	ctx context.Context, age time.Duration, progress func(done, total int64),
	fn func(imported string, rows []Row) error,
) error {
	now, err := s.client.Time(ctx).Result()
	if err != nil {
		return fmt.Errorf("read what was accepted: %w", err)
	}
	since := now.Add(-age)
	pages, err := s.client.ZRangeWithScores(ctx, s.keys.plain("pages"), 0, -1).Result()
	if err != nil {
		return fmt.Errorf("read what was accepted: %w", err)
	}
	// A page is filled until the next one is begun.
	for len(pages) > 1 && int64(pages[1].Score) < since.UnixMilli() {
		pages = pages[1:]
	}
	for i, page := range pages {
		name, _ := page.Member.(string)
		if err := s.recentPage(ctx, name, since, fn); err != nil {
			return fmt.Errorf("read what was accepted: %w", err)
		}
		progress(int64(i+1), int64(len(pages)))
	}
	return nil
}

// recentPage is Recent for one page, which is read at once: a page is bounded.
func (s *Store) recentPage(
	ctx context.Context, page string, since time.Time, fn func(string, []Row) error,
) error {
	chunks, err := s.client.LRange(ctx, s.keys.named("page", page), 0, -1).Result()
	if err != nil || len(chunks) == 0 {
		return err
	}
	read, err := s.readChunks(ctx, chunks)
	if err != nil {
		return err
	}
	for i, chunk := range read {
		h, found := headOf(chunk.fields["head"])
		if found && h.accepted.Before(since) {
			continue
		}
		rows, err := s.rowsOf(ctx, chunk)
		if err != nil {
			return fmt.Errorf("chunk %s: %w", chunks[i], err)
		}
		if err := fn(h.imported, rows); err != nil {
			return err
		}
	}
	return nil
}
