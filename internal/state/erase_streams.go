package state

import (
	"context"
	"maps"
	"slices"
)

// eachOnStream calls fn with every entry of a stream, the oldest first.
func (s *Store) eachOnStream(
	ctx context.Context, stream string, fn func(id string, fields map[string]string) error,
) error {
	for start := "-"; ; {
		page, err := s.client.XRangeN(ctx, stream, start, "+", yieldEntries).Result()
		if err != nil || len(page) == 0 {
			return err
		}
		for _, entry := range page {
			fields := make(map[string]string, len(entry.Values))
			for name, value := range entry.Values {
				fields[name], _ = value.(string)
			}
			if err := fn(entry.ID, fields); err != nil {
				return err
			}
		}
		start = "(" + page[len(page)-1].ID
	}
}

// entriesWith lists the entries of a stream in which the number stands.
func (e *Erasure) entriesWith(ctx context.Context, stream string) (ids []string, err error) {
	return ids, e.s.eachOnStream(ctx, e.s.keys.plain(stream),
		func(id string, fields map[string]string) error {
			if e.anyIn(fields) {
				ids = append(ids, id)
			}
			return nil
		})
}

// lookForResults finds the results of the number, and those among them that no reader needs any
// more: a result cannot be changed where it is, and a copy would be another result.
func (e *Erasure) lookForResults(ctx context.Context) error {
	read, err := e.s.readUpTo(ctx)
	if err != nil {
		return err
	}
	givenUp, err := e.s.givenUp(ctx)
	if err != nil {
		return err
	}
	last := ""
	err = e.s.eachOnStream(ctx, e.s.keys.results(), func(id string, f map[string]string) error {
		own := f["producer"] != ""
		delete(f, "reference") // Names stay: see Names.
		delete(f, "campaign")
		delete(f, "provider_reference")
		if !e.anyIn(f) {
			return nil
		}
		// Nobody knows how far a producer has read its own over HTTP.
		if !own && !givenUp[id] && olderID(id, read) {
			e.results = append(e.results, id)
		} else {
			last = id
			e.Kept++
		}
		return nil
	})
	if err != nil {
		return err
	}
	e.Results = len(e.results)
	if last != "" {
		e.KeptUntil = PublishedAt(last).Add(e.s.options.StreamAge)
	}
	return nil
}

// readUpTo is the first result that some reader may need: all before it have been read and
// acknowledged. Where no reader is known it is the first of all.
func (s *Store) readUpTo(ctx context.Context) (string, error) {
	there, err := s.client.Exists(ctx, s.keys.results()).Result()
	if err != nil || there == 0 {
		return "0-0", err
	}
	groups, err := s.client.XInfoGroups(ctx, s.keys.results()).Result()
	if err != nil || len(groups) == 0 {
		return "0-0", err
	}
	return s.needed(ctx, s.keys.results())
}

// givenUp are the results that endpoints of webhooks were given up for, which can be tried again.
func (s *Store) givenUp(ctx context.Context) (map[string]bool, error) {
	webhooks, err := s.Webhooks(ctx)
	ids := map[string]bool{}
	for _, w := range webhooks {
		for _, id := range w.Listed {
			ids[id] = true
		}
	}
	return ids, err
}

// inEntries lists what is to be changed in entries of a stream that nobody reads by their ids.
func (e *Erasure) inEntries(stream string, ids []string) func(context.Context) ([]edit, error) {
	return func(ctx context.Context) ([]edit, error) {
		var edits []edit
		for _, id := range ids {
			entries, err := e.s.client.XRange(ctx, e.s.keys.plain(stream), id, id).Result()
			if err != nil {
				return nil, err
			}
			for _, entry := range entries {
				for _, field := range slices.Sorted(maps.Keys(entry.Values)) {
					text, _ := entry.Values[field].(string)
					edits = append(edits, edit{"entry", stream, id, field, text, e.replaced(text)})
				}
			}
		}
		return changing(edits), nil
	}
}

// inResults takes results off their stream, but for those that are not there any more.
func (e *Erasure) inResults(ids []string) func(context.Context) ([]edit, error) {
	return func(ctx context.Context) ([]edit, error) {
		var edits []edit
		for _, id := range ids {
			_, there, err := e.s.ResultByID(ctx, id)
			if err != nil {
				return nil, err
			}
			if there {
				edits = append(edits, edit{"entry_gone", "results", id, "", "there", ""})
			}
		}
		return edits, nil
	}
}
