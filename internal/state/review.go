package state

import (
	"context"
	"errors"
	"fmt"
	"iter"
	"maps"
	"slices"
	"strings"
	"time"

	"tuma/internal/airtime"
)

// ReviewQueue says why people are asked about a batch or recipient.
type ReviewQueue string

// The review queues.
const (
	// ReviewInDoubt: may or may not have been paid.
	ReviewInDoubt ReviewQueue = "in_doubt"
	// ReviewOverdue: open longer than the provider's OverdueAfter.
	ReviewOverdue ReviewQueue = "overdue"
	// ReviewOverpaid: a second effect was seen.
	ReviewOverpaid ReviewQueue = "overpaid"
	// ReviewMismatched: the provider says what cannot be right.
	ReviewMismatched ReviewQueue = "mismatched"
)

// ReviewItem is one thing that people may have to settle.
type ReviewItem struct {
	Queue ReviewQueue
	// Since is zero where nobody knows any more.
	Since time.Time
	// Batch is what it is about; for ReviewOverpaid and ReviewMismatched its member is the recipient,
	// and only its id, provider and members are set. Of an overpaid one whose disbursal Redis has
	// forgotten there is no phone number and no amount.
	Batch *Batch
	Why   airtime.Reason
}

// Concerned lists the members that the item is about.
func (c ReviewItem) Concerned() []Member {
	var list []Member
	for _, m := range c.Batch.Members {
		switch c.Queue {
		case ReviewInDoubt:
			if m.Here && m.Status == airtime.InDoubt {
				list = append(list, m)
			}
		case ReviewOverdue:
			if m.Here && !m.Status.Settled() && m.Status != airtime.InDoubt {
				list = append(list, m)
			}
		case ReviewOverpaid, ReviewMismatched:
			list = append(list, m)
		}
	}
	return list
}

// ReviewItems lists what is in doubt, overdue, overpaid and mismatched, oldest first within each.
func (s *Store) ReviewItems(ctx context.Context) ([]ReviewItem, error) {
	doubt, err := s.batchItems(ctx, ReviewInDoubt, "doubt")
	if err != nil {
		return nil, err
	}
	overdue, err := s.batchItems(ctx, ReviewOverdue, "overdue")
	if err != nil {
		return nil, err
	}
	items := slices.Concat(doubt, overdue)
	if err := s.addEvidence(ctx, items); err != nil {
		return nil, err
	}
	overpaid, err := s.overpaid(ctx)
	if err != nil {
		return nil, err
	}
	mismatched, err := s.mismatched(ctx)
	return slices.Concat(items, overpaid, mismatched), err
}

// batchItems makes a case of each batch of a ZSET that somebody is asked about.
func (s *Store) batchItems(
	ctx context.Context, queue ReviewQueue, key string,
) ([]ReviewItem, error) {
	entries, err := s.client.ZRangeWithScores(ctx, s.keys.plain(key), 0, -1).Result()
	if err != nil {
		return nil, fmt.Errorf("list %s: %w", queue, err)
	}
	var items []ReviewItem
	for _, entry := range entries {
		id, _ := entry.Member.(string)
		b, err := s.Load(ctx, id)
		if errors.Is(err, ErrNotFound) {
			continue
		}
		if err != nil {
			return nil, err
		}
		c := ReviewItem{queue, time.UnixMilli(int64(entry.Score)).UTC(), b, b.Why}
		if len(c.Concerned()) > 0 {
			items = append(items, c)
		}
	}
	return items, nil
}

// addEvidence adds reason and message to the open members of batches.
func (s *Store) addEvidence(ctx context.Context, items []ReviewItem) error {
	open := map[chunkPos][]*Member{}
	for _, c := range items {
		for i := range c.Batch.Members {
			if m := &c.Batch.Members[i]; m.Here && !m.Status.Settled() {
				open[m.at] = append(open[m.at], m)
			}
		}
	}
	rows, err := s.rowsAt(ctx, maps.Keys(open))
	for at, row := range rows {
		for _, m := range open[at] {
			m.Reason, m.Message = row.Reason, row.Message
		}
	}
	return err
}

// rowsAt reads the rows of recipients, each chunk once. Forgotten recipients have none.
func (s *Store) rowsAt(
	ctx context.Context, positions iter.Seq[chunkPos],
) (map[chunkPos]Row, error) {
	byChunk := map[string][]int{}
	for at := range positions {
		byChunk[at.chunk] = append(byChunk[at.chunk], at.pos)
	}
	found, why := map[chunkPos]Row{}, doubts{}
	for chunk, wanted := range byChunk {
		var rows []Row
		err := s.reportChunks(ctx, []string{chunk}, why, func(row Row) error {
			rows = append(rows, row)
			return nil
		})
		if err != nil {
			return nil, err
		}
		for _, pos := range wanted {
			if pos >= 1 && pos <= len(rows) {
				found[chunkPos{chunk, pos}] = rows[pos-1]
			}
		}
	}
	return found, nil
}

// itemOf makes an item of one recipient.
func itemOf(queue ReviewQueue, row Row) ReviewItem {
	m := Member{
		Recipient: airtime.Recipient{Phone: row.Phone, Amount: row.Amount},
		Reference: row.Reference, Status: row.Status, Here: true, name: row.name,
		position: row.position,
		Reason:   row.Reason, Message: row.Message,
	}
	b := &Batch{ID: row.Batch, Provider: row.Provider, Members: []Member{m}}
	return ReviewItem{queue, row.At, b, airtime.ReasonProvider}
}

// overpaid lists recipients with a second effect, one item each.
func (s *Store) overpaid(ctx context.Context) ([]ReviewItem, error) {
	fields, err := s.client.SMembers(ctx, s.keys.plain("overpaid")).Result()
	if err != nil {
		return nil, fmt.Errorf("list overpaid: %w", err)
	}
	rows, err := s.rowsOfFields(ctx, ReviewOverpaid, fields)
	if err != nil {
		return nil, err
	}
	var items []ReviewItem
	for _, field := range fields {
		if row, known := rows[field]; known {
			items = append(items, itemOf(ReviewOverpaid, row))
			continue
		}
		c, found, err := s.remembered(ctx, field)
		if err != nil {
			return nil, err
		}
		if found {
			items = append(items, c)
		}
	}
	return items, nil
}

// rowsOfFields reads the rows of recipients by their fields: "chunk position". "@reference
// position" is one that Redis has forgotten.
func (s *Store) rowsOfFields(
	ctx context.Context, queue ReviewQueue, fields []string,
) (map[string]Row, error) {
	positions := map[chunkPos]string{}
	for _, field := range fields {
		if strings.HasPrefix(field, "@") {
			continue
		}
		at, err := parseField(field)
		if err != nil {
			return nil, fmt.Errorf("list %s: %w", queue, err)
		}
		positions[at] = field
	}
	found, err := s.rowsAt(ctx, maps.Keys(positions))
	if err != nil {
		return nil, err
	}
	rows := map[string]Row{}
	for at, row := range found {
		rows[positions[at]] = row
	}
	return rows, nil
}

// remembered makes an item of a recipient of which Redis has forgotten all but the superseded
// evidence: "@reference position", or the position that it had. False if that has gone since, too.
func (s *Store) remembered(ctx context.Context, field string) (ReviewItem, bool, error) {
	lines, err := s.supersededOf(ctx, field)
	if err != nil {
		return ReviewItem{}, false, fmt.Errorf("list overpaid: %w", err)
	}
	if len(lines) == 0 {
		return ReviewItem{}, false, nil
	}
	at, err := parseField(field)
	if err != nil {
		return ReviewItem{}, false, fmt.Errorf("list overpaid: %w", err)
	}
	m := Member{Reason: airtime.ReasonProvider, position: at.pos - 1}
	if name, known := strings.CutPrefix(at.chunk, "@"); known {
		m.name, m.Reference = name, Shown(name)
	}
	batch := ""
	for _, line := range lines {
		if line.status != airtime.InDoubt { // Else it counts because of another one.
			batch, m.Status, m.ProviderReference = line.batch, line.status, line.reference
		}
	}
	m.Message = "accepted; Redis has forgotten its disbursal"
	if m.ProviderReference != "" {
		m.Message = "accepted as " + m.ProviderReference + "; Redis has forgotten its disbursal"
	}
	c := ReviewItem{Queue: ReviewOverpaid, Batch: &Batch{ID: batch}, Why: airtime.ReasonProvider}
	sent, err := s.Load(ctx, batch)
	if err == nil {
		c.Batch.Provider = sent.Provider
		if sent.Age > 0 {
			c.Since = sent.Read.Add(-sent.Age)
		}
	} else if !errors.Is(err, ErrNotFound) {
		return ReviewItem{}, false, err
	}
	c.Batch.Members = []Member{m}
	return c, true, nil
}

// mismatched lists recipients of whom a provider says what cannot be right, one item each.
func (s *Store) mismatched(ctx context.Context) ([]ReviewItem, error) {
	entries, err := s.client.ZRangeWithScores(ctx, s.keys.plain("mismatched"), 0, -1).Result()
	if err != nil {
		return nil, fmt.Errorf("list mismatched: %w", err)
	}
	if len(entries) == 0 {
		return nil, nil
	}
	fields := make([]string, len(entries))
	for i, entry := range entries {
		fields[i], _ = entry.Member.(string)
	}
	rows, err := s.rowsOfFields(ctx, ReviewMismatched, fields)
	if err != nil {
		return nil, err
	}
	texts, err := s.client.HMGet(ctx, s.keys.plain("disputes"), fields...).Result()
	if err != nil {
		return nil, fmt.Errorf("list mismatched: %w", err)
	}
	var items []ReviewItem
	for i, entry := range entries {
		text, _ := texts[i].(string)
		dispute := strings.SplitN(text, "\t", 3) // Batch, reason, message.
		row, found := rows[fields[i]]
		if !found || len(dispute) != 3 {
			continue
		}
		c := itemOf(ReviewMismatched, row)
		c.Since = time.UnixMilli(int64(entry.Score)).UTC()
		c.Batch.ID, c.Why = dispute[0], airtime.Reason(dispute[1])
		m := &c.Batch.Members[0]
		m.Reason, m.Message = c.Why, dispute[2]
		if c.Why == airtime.ReasonAmount {
			m.Message = "the provider names " + dispute[2]
		}
		items = append(items, c)
	}
	return items, nil
}
