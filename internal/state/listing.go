package state

import (
	"cmp"
	"context"
	"fmt"
	"slices"
	"strconv"
	"strings"

	"tuma/internal/airtime"
)

// DisbursalsAsked says which disbursals are listed.
type DisbursalsAsked struct {
	// Producer is whose own they are; empty for all.
	Producer string
	// Campaign is theirs as the producer says it; empty for any.
	Campaign string
	// After is where the page before ended; empty for the newest.
	After string
	Limit int
}

// Disbursals lists disbursals, newest first, and where the next page begins; empty behind the last.
// ErrCursor is returned for an After that is none.
func (s *Store) Disbursals(
	ctx context.Context, asked DisbursalsAsked,
) (list []Summary, next string, err error) {
	w, err := s.walkOf(ctx, asked)
	if err != nil {
		return nil, "", err
	}
	for {
		chunk, err := w.chunk(ctx)
		if err != nil {
			return nil, "", fmt.Errorf("list disbursals: %w", err)
		}
		if chunk == "" {
			return list, "", s.markCancelled(ctx, list)
		}
		if len(list) == asked.Limit {
			return list, w.at.String(), s.markCancelled(ctx, list)
		}
		sums, err := s.summaries(ctx, chunk)
		if err != nil {
			return nil, "", err
		}
		sums = sums[min(w.at.skip, len(sums)):]
		some := min(len(sums), asked.Limit-len(list))
		list = append(list, sums[:some]...)
		w.at.skip += some
		if some == len(sums) {
			w.at.index, w.at.skip = w.at.index-1, 0
		}
	}
}

// summaries are those of the disbursals of a chunk, the last one first; none if it is forgotten.
func (s *Store) summaries(ctx context.Context, chunk string) (list []Summary, err error) {
	err = s.reportChunks(ctx, []string{chunk}, doubts{}, func(r Row) error {
		if len(list) == 0 || list[len(list)-1].Name != r.name {
			list = append(list, Summary{
				Reference: r.Reference, Name: r.name, Kind: KindDisbursal, Settled: true,
				Statuses: map[airtime.Status]Totals{},
			})
		}
		sum := &list[len(list)-1]
		sum.add(r.Status, 1, r.Amount.Currency, r.Amount.Minor)
		return sum.addDiscount(r)
	})
	slices.Reverse(list)
	return list, err
}

// markCancelled says of summaries of disbursals whether a cancel mark stands.
func (s *Store) markCancelled(ctx context.Context, list []Summary) error {
	if len(list) == 0 {
		return nil
	}
	names := make([]string, len(list))
	for i := range list {
		names[i] = string(KindDisbursal) + " " + list[i].Name
	}
	marks, err := s.client.HMGet(ctx, s.keys.plain("cancelled"), names...).Result()
	if err != nil {
		return fmt.Errorf("list disbursals: %w", err)
	}
	for i, mark := range marks {
		list[i].Cancelled = mark != nil
	}
	return nil
}

// listPlace is where a list of disbursals goes on: behind so many disbursals of a chunk, which is
// at an index of a page of chunks, or of the only list of them. Older chunks are only ever taken
// out of it, so that none has a higher index later.
type listPlace struct {
	page, index int64
	skip        int
	chunk       string
}

// String spells a place.
func (p listPlace) String() string {
	return cursor{[3]int64{p.page, p.index, int64(p.skip)}, p.chunk}.String()
}

func parseListPlace(text string) (listPlace, error) {
	c, err := parseCursor(text)
	return listPlace{c.numbers[0], c.numbers[1], int(c.numbers[2]), c.chunk}, err
}

// walk goes through chunks, newest first.
type walk struct {
	store *Store
	// pages are those that are left, the newest first; of a single list there are none.
	pages []string
	// list has the chunks of the page, or is the only list.
	list string
	at   listPlace
	// ids are chunks of the list from an index on.
	ids   []string
	first int64
}

// walkStep is how many names of chunks are read at once.
const walkStep = 200

// walkOf begins where an earlier page ended, or at the newest chunk.
func (s *Store) walkOf(ctx context.Context, asked DisbursalsAsked) (*walk, error) {
	w := &walk{store: s}
	switch {
	case asked.Campaign != "":
		w.list = s.keys.named("campaignchunks", Own(asked.Producer, asked.Campaign))
	case asked.Producer != "":
		w.list = s.keys.named("producerchunks", asked.Producer)
	default:
		pages, err := s.pagesDown(ctx)
		if err != nil {
			return nil, err
		}
		w.pages = pages
	}
	if asked.After == "" {
		return w, w.begin(ctx)
	}
	at, err := parseListPlace(asked.After)
	if err != nil {
		return nil, err
	}
	if w.list == "" {
		for len(w.pages) > 0 && pageNumber(w.pages[0]) > at.page {
			w.pages = w.pages[1:]
		}
		if len(w.pages) == 0 || pageNumber(w.pages[0]) != at.page {
			return w, w.begin(ctx) // The page is forgotten: on with the one before.
		}
		w.list, w.pages = s.keys.named("page", w.pages[0]), w.pages[1:]
	}
	w.at = at
	return w, w.find(ctx)
}

// pagesDown are the pages of all chunks, newest first.
func (s *Store) pagesDown(ctx context.Context) ([]string, error) {
	pages, err := s.client.ZRange(ctx, s.keys.plain("pages"), 0, -1).Result()
	if err != nil {
		return nil, fmt.Errorf("list disbursals: %w", err)
	}
	newestFirst(pages)
	return pages, nil
}

// newestFirst sorts pages.
func newestFirst(pages []string) {
	slices.SortFunc(pages, func(a, b string) int { return cmp.Compare(pageNumber(b), pageNumber(a)) })
}

// pageNumber is the number of a page, which stands behind its day: they rise over all days.
func pageNumber(page string) int64 {
	n, err := strconv.ParseInt(page[strings.LastIndex(page, ".")+1:], 10, 64)
	if err != nil {
		return 0
	}
	return n
}

// begin goes to the newest chunk of the list, or of the next page where there is none.
func (w *walk) begin(ctx context.Context) error {
	if w.list == "" {
		if len(w.pages) == 0 {
			w.at.index = -1
			return nil
		}
		w.at.page, w.list = pageNumber(w.pages[0]), w.store.keys.named("page", w.pages[0])
		w.pages = w.pages[1:]
	}
	length, err := w.store.client.LLen(ctx, w.list).Result()
	w.at.index, w.at.skip, w.ids = length-1, 0, nil
	return err
}

// find goes to where the chunk of the place is now. If it is forgotten, the place stays where it
// is: some chunks may come again, and none is left out.
func (w *walk) find(ctx context.Context) error {
	length, err := w.store.client.LLen(ctx, w.list).Result()
	if err != nil {
		return err
	}
	w.at.index = min(w.at.index, length-1) // Whoever asks may have made it up.
	asked := w.at
	for w.at.index >= 0 {
		id, err := w.id(ctx)
		if err != nil {
			return err
		}
		if id == asked.chunk {
			return nil
		}
		w.at.index--
	}
	w.at = asked
	w.at.skip = 0
	return nil
}

// chunk is the one at the place, or empty behind the last of all.
func (w *walk) chunk(ctx context.Context) (string, error) {
	for {
		if w.at.index >= 0 {
			id, err := w.id(ctx)
			if err != nil || id != "" {
				w.at.chunk = id
				return id, err
			}
			w.at.index-- // The list has become shorter.
			continue
		}
		if len(w.pages) == 0 {
			return "", nil
		}
		w.list = ""
		if err := w.begin(ctx); err != nil {
			return "", err
		}
	}
}

// id is the chunk at the index; empty if the list is shorter.
func (w *walk) id(ctx context.Context) (string, error) {
	at := w.at.index - w.first
	if w.ids == nil || at < 0 || at >= int64(len(w.ids)) {
		w.first = max(0, w.at.index-walkStep+1)
		ids, err := w.store.client.LRange(ctx, w.list, w.first, w.at.index).Result()
		if err != nil {
			return "", err
		}
		w.ids, at = ids, w.at.index-w.first
	}
	if at >= int64(len(w.ids)) {
		return "", nil
	}
	return w.ids[at], nil
}
