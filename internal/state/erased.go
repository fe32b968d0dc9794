package state

import (
	"context"
	"slices"
	"strconv"

	"tuma/internal/airtime"
	"tuma/internal/providers"
)

// erasedNumbers is what stands for numbers that are erased.
type erasedNumbers struct {
	// Numbers are zero while no number was erased.
	numbers []airtime.MSISDN
	// days are the last days, as the indexes of callbacks number them, the newest first.
	days []string
}

// erased returns what stands for numbers that are erased. A new key is kept if there is none yet;
// without one none is made.
func (s *Store) erased(
	ctx context.Context, newKey string, phones []airtime.MSISDN,
) (erasedNumbers, error) {
	args := []any{newKey}
	for _, phone := range phones {
		args = append(args, phone.Digits())
	}
	answer, err := s.run(ctx, s.client, "erased", args...)
	if err != nil {
		return erasedNumbers{}, err
	}
	r := asList(answer)
	var list erasedNumbers
	for i := range phones {
		list.numbers = append(list.numbers, airtime.MSISDNFromE164(r.text(2+i)))
	}
	for back := range r.int(1) + 1 {
		list.days = append(list.days, strconv.Itoa(r.int(0)-back))
	}
	return list, nil
}

// Renamed returns what a provider says about members of a batch with what stands for their numbers
// where these were erased.
func (s *Store) Renamed(
	ctx context.Context, b *Batch, lines []providers.RecipientStatus,
) ([]providers.RecipientStatus, error) {
	if !slices.ContainsFunc(b.Members, func(m Member) bool { return m.Phone.Erased() }) {
		return lines, nil
	}
	phones := make([]airtime.MSISDN, len(lines))
	for i, line := range lines {
		phones[i] = line.Phone
	}
	erased, err := s.erased(ctx, "", phones)
	if err != nil {
		return nil, err
	}
	positions, renamed := b.positions(), slices.Clone(lines)
	for i := range renamed {
		if _, there := positions[erased.numbers[i]]; there {
			renamed[i].Phone = erased.numbers[i]
		}
	}
	return renamed, nil
}
