package state

import (
	"context"
	"fmt"
	"slices"
	"strings"
)

// SameRecipients reports whether a name means the same recipients, whichever of the kinds it is
// taken for: an import whose rows are all of the campaign of its name, and nobody else is.
func (s *Store) SameRecipients(ctx context.Context, name string, kinds []Kind) (bool, error) {
	var first []string
	var recipients int64
	for i, kind := range kinds {
		chunks, err := s.chunksOf(ctx, kind, name)
		if err != nil {
			return false, err
		}
		sum, err := s.Summarize(ctx, kind, name)
		if err != nil {
			return false, err
		}
		if i == 0 {
			first, recipients = chunks, sum.Recipients
		}
		// Of a chunk that another kind has, too, each may mean a part only.
		if sum.Recipients != recipients || !slices.Equal(chunks, first) {
			return false, nil
		}
	}
	return true, nil
}

// chunksOf lists the chunks that hold what a name means, in the order of their ids.
func (s *Store) chunksOf(ctx context.Context, kind Kind, name string) ([]string, error) {
	var chunks []string
	if kind != KindDisbursal {
		err := s.eachChunk(ctx, kind, name, 1000, func(ids []string) error {
			chunks = append(chunks, ids...)
			return nil
		})
		slices.Sort(chunks)
		return chunks, err
	}
	text, err := s.client.Get(ctx, s.keys.disbursal(name)).Result()
	if err != nil {
		return nil, fmt.Errorf("look up %s: %w", name, err)
	}
	if parts := strings.Fields(text); len(parts) > 1 { // Digest, chunk, …
		chunks = append(chunks, parts[1])
	}
	return chunks, nil
}
