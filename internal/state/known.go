package state

import (
	"context"
	"fmt"
	"slices"
	"strings"

	"github.com/redis/go-redis/v9"
)

// knownPages and knownChunks bound what Known reads: the last pages, and the last chunks of each.
const (
	knownPages  = 2
	knownChunks = 200
)

// Name is a name of the state and what it belongs to.
type Name struct {
	Kind Kind
	Name string
}

// Known lists the names of what was accepted last, newest first, each once. It reads a bounded
// part of the state in three round trips, so older names may be missing: it is for suggestions.
func (s *Store) Known(ctx context.Context) ([]Name, error) {
	pages, err := s.client.ZRange(ctx, s.keys.plain("pages"), -knownPages, -1).Result()
	if err != nil || len(pages) == 0 {
		return nil, wrapKnown(err)
	}
	slices.Reverse(pages)
	lists := s.client.Pipeline()
	tails := make([]*redis.StringSliceCmd, len(pages))
	for i, page := range pages {
		tails[i] = lists.LRange(ctx, s.keys.named("page", page), -knownChunks, -1)
	}
	if _, err := lists.Exec(ctx); err != nil {
		return nil, wrapKnown(err)
	}
	reads := s.client.Pipeline()
	var chunks []*redis.SliceCmd
	for _, tail := range tails {
		ids := tail.Val()
		for i := len(ids) - 1; i >= 0; i-- {
			chunks = append(chunks, reads.HMGet(ctx, s.keys.chunk(ids[i]), "head", "refs"))
		}
	}
	if len(chunks) == 0 {
		return nil, nil
	}
	if _, err := reads.Exec(ctx); err != nil {
		return nil, wrapKnown(err)
	}
	return namesOf(chunks), nil
}

func wrapKnown(err error) error {
	if err != nil {
		err = fmt.Errorf("list known names: %w", err)
	}
	return err
}

// namesOf collects the names in the heads and references of chunks, each once.
func namesOf(chunks []*redis.SliceCmd) []Name {
	var names []Name
	seen := map[Name]bool{{}: true}
	add := func(kind Kind, name string) {
		found := Name{kind, name}
		if name != "" && !seen[found] {
			seen[found] = true
			names = append(names, found)
		}
	}
	for _, read := range chunks {
		values := read.Val()
		if len(values) != 2 {
			continue
		}
		text, _ := values[0].(string)
		h, found := headOf(text)
		if !found {
			continue // Forgotten since.
		}
		add(KindImport, h.imported)
		add(KindCampaign, h.campaign)
		refs, _ := values[1].(string)
		for i, word := range strings.Fields(refs) {
			if i%2 == 0 { // Reference, recipients, …
				add(KindDisbursal, word)
			}
		}
	}
	return names
}
