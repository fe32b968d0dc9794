package state

import (
	"cmp"
	"context"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"

	"tuma/internal/airtime"
	"tuma/internal/providers"
)

// Parked is a callback that fits no recipient, or waits for a query that confirms it.
type Parked struct {
	Callback
	// Since is when it came first.
	Since time.Time
}

// Parked lists the callbacks that are parked, the oldest first. They are tried again by themselves,
// and given up after nine days.
func (s *Store) Parked(ctx context.Context) ([]Parked, error) {
	records, err := s.client.HGetAll(ctx, s.keys.plain("parked")).Result()
	if err != nil {
		return nil, fmt.Errorf("read the parked callbacks: %w", err)
	}
	list := make([]Parked, 0, len(records))
	for _, record := range records {
		p, err := readParked(record)
		if err != nil {
			return list, fmt.Errorf("parked callback: %w", err)
		}
		list = append(list, p)
	}
	slices.SortFunc(list, func(a, b Parked) int {
		return cmp.Or(a.Since.Compare(b.Since),
			cmp.Compare(a.ProviderReference, b.ProviderReference))
	})
	return list, nil
}

// readParked reads a record as lua/commands/callback.lua writes it: ms of its arrival, provider,
// the provider's id, phone, amount in minor units, currency, status code, reason, message.
func readParked(record string) (Parked, error) {
	fields := strings.SplitN(record, "\t", 10)
	if len(fields) != 10 {
		return Parked{}, fmt.Errorf("%d fields, want 10", len(fields))
	}
	since, err := strconv.ParseInt(fields[0], 10, 64)
	if err != nil {
		return Parked{}, err
	}
	p := Parked{Since: time.UnixMilli(since).UTC(), Callback: Callback{
		Provider: fields[1], recordCode: fields[6], RecipientStatus: providers.RecipientStatus{
			ProviderReference: fields[2], Phone: airtime.MSISDNFromE164(fields[3]),
			Message: fields[8], Sums: providers.Sums{Discount: fields[9]},
		},
	}}
	if fields[4] != "" {
		minor, err := strconv.ParseInt(fields[4], 10, 64)
		if err != nil {
			return Parked{}, err
		}
		p.Amount = airtime.Money{Minor: minor, Currency: airtime.Currency(fields[5])}
	}
	if p.recordCode != "" {
		p.Status, err = airtime.StatusFromCode(p.recordCode[0])
	}
	return p, err
}
