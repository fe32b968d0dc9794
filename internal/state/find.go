package state

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"iter"
	"maps"
	"math"
	"slices"
	"strings"

	"github.com/redis/go-redis/v9"

	"tuma/internal/airtime"
)

// Search says who is looked for: those who match any of the three texts that are not zero.
type Search struct {
	Phone airtime.MSISDN
	// ID is the producer's own id of a recipient, ProviderReference a provider's.
	ID, ProviderReference string
	// Producer is whose own are looked at; empty for everybody.
	Producer string
	// After is where an earlier answer ended; empty for the beginning.
	After string
	// Limit is how many recipients are returned at most; zero means all.
	Limit int
}

// SearchFor looks for a text as a phone number, in any way of writing it, or what stands for one
// that was erased, as an id and as a provider's reference.
func SearchFor(text string) Search {
	q := Search{ID: text, ProviderReference: text}
	if phone, err := airtime.ParseMSISDN(text); err == nil {
		q.Phone = phone
	} else if erased, ok := airtime.ParseErased(text); ok {
		q.Phone = erased
	}
	return q
}

// fingerprints are those of the texts that are looked for.
func (q Search) fingerprints() []fingerprint {
	var list []fingerprint
	for _, text := range []string{q.Phone.Digits(), q.ID, q.ProviderReference} {
		if f := fingerprintOf(text); text != "" && !slices.Contains(list, f) {
			list = append(list, f)
		}
	}
	return list
}

// matches reports whether a recipient is looked for.
func (q Search) matches(r Row) bool {
	return !q.Phone.IsZero() && r.Phone == q.Phone || q.ID != "" && r.ID == q.ID ||
		q.ProviderReference != "" && r.ProviderReference == q.ProviderReference
}

// within reports whether a stored text may hold what is looked for.
func (q Search) within(text string) bool {
	for _, wanted := range []string{q.Phone.Digits(), q.ID, q.ProviderReference} {
		if wanted != "" && strings.Contains(text, wanted) {
			return true
		}
	}
	return false
}

// place is where a found recipient stands: newest first by pages, then by the time of acceptance.
type place struct {
	page, accepted int64
	chunkPos
}

func (p place) compare(other place) int {
	return cmp.Or(cmp.Compare(other.page, p.page), cmp.Compare(other.accepted, p.accepted),
		strings.Compare(p.chunk, other.chunk), cmp.Compare(p.pos, other.pos))
}

// String spells it for Search.After.
func (p place) String() string {
	return cursor{[3]int64{p.page, p.accepted, int64(p.pos)}, p.chunk}.String()
}

func parsePlace(text string) (place, error) {
	c, err := parseCursor(text)
	return place{c.numbers[0], c.numbers[1], chunkPos{c.chunk, int(c.numbers[2])}}, err
}

// found is a recipient with its place.
type found struct {
	place
	row Row
}

// Find returns recipients, newest by acceptance first, and where to go on, empty at the end.
// ErrCursor is returned when Search.After is not such a place.
func (s *Store) Find(ctx context.Context, q Search) (rows []Row, next string, err error) {
	after := place{page: math.MaxInt64}
	if q.After != "" {
		if after, err = parsePlace(q.After); err != nil {
			return nil, "", err
		}
	}
	second, err := s.secondEffects(ctx, q.ProviderReference)
	if err != nil {
		return nil, "", fmt.Errorf("find: %w", err)
	}
	pages, err := s.pagesWith(ctx, q, maps.Keys(second))
	if err != nil {
		return nil, "", fmt.Errorf("find: %w", err)
	}
	for _, page := range pages {
		if pageNumber(page) > after.page {
			continue
		}
		list, err := s.findInPage(ctx, page, q, second[page])
		if err != nil {
			return nil, "", fmt.Errorf("find: %w", err)
		}
		for _, f := range list {
			switch {
			case f.compare(after) <= 0:
			case q.Limit > 0 && len(rows) == q.Limit:
				return rows, after.String(), nil
			default:
				rows, after = append(rows, f.row), f.place
			}
		}
	}
	return rows, "", nil
}

// secondEffects lists by pages who is known by a provider's reference in a batch that they have
// left.
func (s *Store) secondEffects(
	ctx context.Context, reference string,
) (map[string]map[chunkPos]bool, error) {
	if reference == "" {
		return nil, nil
	}
	fields, err := s.client.HGetAll(ctx, s.keys.plain("superseded")).Result()
	if err != nil {
		return nil, err
	}
	pages := map[string]map[chunkPos]bool{}
	for field, text := range fields {
		lines, err := readSuperseded(text)
		if err != nil {
			return nil, err
		}
		if !slices.ContainsFunc(lines, func(s superseded) bool { return s.reference == reference }) {
			continue
		}
		at, err := parseField(field)
		if err != nil {
			return nil, err
		}
		text, err := s.client.HGet(ctx, s.keys.chunk(at.chunk), "head").Result()
		if errors.Is(err, redis.Nil) {
			continue // Redis has forgotten its disbursal.
		}
		head, known := headOf(text)
		if err != nil || !known {
			return nil, fmt.Errorf("stored head of chunk %s: %w", at.chunk, err)
		}
		if pages[head.page] == nil {
			pages[head.page] = map[chunkPos]bool{}
		}
		pages[head.page][at] = true
	}
	return pages, nil
}

// pagesAtOnce is how many pages are asked about together.
const pagesAtOnce = 256

// pagesWith lists the pages that have the fingerprint of what is looked for, and some more: each
// once, the newest first.
func (s *Store) pagesWith(ctx context.Context, q Search, more iter.Seq[string]) ([]string, error) {
	names, err := s.candidates(ctx, q)
	if err != nil {
		return nil, err
	}
	names = slices.AppendSeq(names, more)
	slices.Sort(names)
	names = slices.Compact(names)
	newestFirst(names)
	return names, nil
}

// candidates lists the pages that have the fingerprint of what is looked for.
func (s *Store) candidates(ctx context.Context, q Search) ([]string, error) {
	names, err := s.client.ZRange(ctx, s.keys.plain("pages"), 0, -1).Result()
	if err != nil {
		return nil, err
	}
	var pages []string
	prints := q.fingerprints()
	for names := range slices.Chunk(names, pagesAtOnce) {
		pipe := s.client.Pipeline()
		var reads []*redis.StringCmd
		for _, name := range names {
			for _, f := range prints {
				key := s.keys.named("fingerprints", name+":"+string(f.digit))
				reads = append(reads, pipe.Get(ctx, key))
			}
		}
		if _, err := pipe.Exec(ctx); err != nil && !errors.Is(err, redis.Nil) {
			return nil, err
		}
		for i, read := range reads {
			if prints[i%len(prints)].has(read.Val()) {
				pages = append(pages, names[i/len(prints)])
			}
		}
	}
	return pages, nil
}

// findInPage lists who is looked for in one page, and who is among the second effects there.
func (s *Store) findInPage(
	ctx context.Context, page string, q Search, second map[chunkPos]bool,
) ([]found, error) {
	chunks, err := s.client.LRange(ctx, s.keys.named("page", page), 0, -1).Result()
	if err != nil || len(chunks) == 0 {
		return nil, err
	}
	if chunks, err = s.chunksWith(ctx, chunks, q); err != nil {
		return nil, err
	}
	for at := range second {
		if !slices.Contains(chunks, at.chunk) {
			chunks = append(chunks, at.chunk)
		}
	}
	var list []found
	why := doubts{}
	for _, id := range chunks {
		pos := 0
		err := s.reportChunks(ctx, []string{id}, why, func(r Row) error {
			pos++
			own := q.Producer == "" || strings.HasPrefix(r.name, q.Producer+ownMark)
			if own && (q.matches(r) || second[chunkPos{id, pos}]) {
				list = append(list, found{
					place{pageNumber(page), r.Accepted.UnixMilli(), chunkPos{id, pos}}, r,
				})
			}
			return nil
		})
		if err != nil {
			return nil, err
		}
	}
	slices.SortFunc(list, func(a, b found) int { return a.compare(b.place) })
	return list, nil
}

// chunksWith lists the chunks that may hold what is looked for.
func (s *Store) chunksWith(ctx context.Context, chunks []string, q Search) ([]string, error) {
	pipe := s.client.Pipeline()
	texts := make([][]interface{ Val() string }, len(chunks))
	words := make([]*redis.StringSliceCmd, len(chunks))
	for i, id := range chunks {
		if !q.Phone.IsZero() {
			texts[i] = append(texts[i], pipe.HGet(ctx, s.keys.chunk(id), "content"))
		}
		if q.ID != "" {
			texts[i] = append(texts[i], pipe.Get(ctx, s.keys.named("recipientids", id)))
		}
		if q.ProviderReference != "" {
			words[i] = pipe.HVals(ctx, s.keys.chunk(id))
		}
	}
	if _, err := pipe.Exec(ctx); err != nil && !errors.Is(err, redis.Nil) {
		return nil, err
	}
	var list []string
	for i, id := range chunks {
		there := words[i] != nil && slices.ContainsFunc(words[i].Val(), q.within)
		for _, text := range texts[i] {
			there = there || q.within(text.Val())
		}
		if there {
			list = append(list, id)
		}
	}
	return list, nil
}
