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
		sheets, err := s.sheetsOf(ctx, kind, name)
		if err != nil {
			return false, err
		}
		sum, err := s.Summarize(ctx, kind, name)
		if err != nil {
			return false, err
		}
		if i == 0 {
			first, recipients = sheets, sum.Recipients
		}
		// Of a sheet that another kind has, too, each may mean a part only.
		if sum.Recipients != recipients || !slices.Equal(sheets, first) {
			return false, nil
		}
	}
	return true, nil
}

// sheetsOf lists the sheets that hold what a name means, in the order of their ids.
func (s *Store) sheetsOf(ctx context.Context, kind Kind, name string) ([]string, error) {
	var sheets []string
	if kind != KindDisbursal {
		err := s.eachSheet(ctx, kind, name, 1000, func(ids []string) error {
			sheets = append(sheets, ids...)
			return nil
		})
		slices.Sort(sheets)
		return sheets, err
	}
	text, err := s.client.Get(ctx, s.keys.disbursal(name)).Result()
	if err != nil {
		return nil, fmt.Errorf("look up %s: %w", name, err)
	}
	if parts := strings.Fields(text); len(parts) > 1 { // Digest, sheet, …
		sheets = append(sheets, parts[1])
	}
	return sheets, nil
}
