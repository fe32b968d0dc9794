package state

import (
	"context"
	"fmt"
	"slices"
	"time"

	"github.com/redis/go-redis/v9"

	"tuma/internal/airtime"
)

// Several stands for who submitted a campaign to which more than one did.
const Several = "several"

// Listed is an import or a campaign with where its recipients stand. Of Summary, Overdue and
// Cancelled are not filled in.
type Listed struct {
	Summary
	// At is when the import was opened, or the campaign first accepted.
	At time.Time
	// SubmittedBy is who submitted it, Unknown or Several.
	SubmittedBy string
}

// SettledRecipients counts those of whom nothing more is expected.
func (l Listed) SettledRecipients() (n int64) {
	for status, totals := range l.Statuses {
		if status.Settled() {
			n += totals.Recipients
		}
	}
	return n
}

// InStatus counts the recipients in the status of a name.
func (l Listed) InStatus(name string) (n int64) {
	for status, totals := range l.Statuses {
		if status.String() == name {
			n += totals.Recipients
		}
	}
	return n
}

// Requested is what was asked for, per currency in minor units.
func (l Listed) Requested() map[airtime.Currency]int64 {
	sums := map[airtime.Currency]int64{}
	for _, totals := range l.Statuses {
		for currency, minor := range totals.Amounts {
			sums[currency] += minor
		}
	}
	return sums
}

// List returns the newest imports or campaigns, at most limit of all kinds together, the newest
// first. They are listed as long as the state holds anything of them.
func (s *Store) List(ctx context.Context, limit int, kinds ...Kind) ([]Listed, error) {
	var list []Listed
	for _, kind := range kinds {
		found, err := s.newest(ctx, kind, limit)
		if err != nil {
			return nil, fmt.Errorf("list: %w", err)
		}
		list = append(list, found...)
	}
	slices.SortStableFunc(list, func(a, b Listed) int { return b.At.Compare(a.At) })
	list = list[:min(limit, len(list))]
	return list, s.fillIn(ctx, list)
}

// newest reads the names of the newest of a kind.
func (s *Store) newest(ctx context.Context, kind Kind, limit int) ([]Listed, error) {
	names, err := s.client.ZRevRangeWithScores(ctx, s.keys.plain(string(kind)+"s"), 0,
		int64(limit)-1).Result()
	if err != nil {
		return nil, err
	}
	list := make([]Listed, len(names))
	for i, z := range names {
		name, _ := z.Member.(string)
		list[i] = Listed{
			At: time.UnixMilli(int64(z.Score)).UTC(),
			Summary: Summary{
				Reference: Shown(name), Name: name, Kind: kind, Settled: true,
				Statuses: map[airtime.Status]Totals{},
			},
		}
	}
	return list, nil
}

// fillIn reads who submitted what is listed, and its books.
func (s *Store) fillIn(ctx context.Context, list []Listed) error {
	if len(list) == 0 {
		return nil
	}
	pipe := s.client.Pipeline()
	who, sums := make([]*redis.SliceCmd, len(list)), make([]*Summary, len(list))
	for i, l := range list {
		who[i] = pipe.HMGet(ctx, s.keys.named(string(l.Kind), l.Name), "submitted_by", "several")
		sums[i] = &list[i].Summary
	}
	if _, err := pipe.Exec(ctx); err != nil {
		return fmt.Errorf("list: %w", err)
	}
	for i := range list {
		by, _ := who[i].Val()[0].(string)
		list[i].SubmittedBy = submitter(by)
		if who[i].Val()[1] != nil {
			list[i].SubmittedBy = Several
		}
	}
	if err := s.addBooks(ctx, sums); err != nil {
		return fmt.Errorf("list: %w", err)
	}
	return nil
}
