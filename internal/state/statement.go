package state

import (
	"cmp"
	"context"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/redis/go-redis/v9"

	"tuma/internal/airtime"
)

// StatementLine says what became of all recipients that were accepted on one day for one campaign
// and are, or were last, at one provider: Requested is the sum of the amounts below it, which are
// in minor units of the currency.
type StatementLine struct {
	// Day is the day of acceptance, in the time zone of the store, as 2026-11-30.
	Day      string
	Provider string
	Currency airtime.Currency
	// Campaign is as people see it, empty for none.
	Campaign   string
	Recipients int64
	Requested  int64
	// Paid are the successful, and the unconfirmed, of whom the provider will not tell more.
	Paid      int64
	Failed    int64
	Reversed  int64
	Refunded  int64
	InDoubt   int64
	Rejected  int64
	Cancelled int64
	// Open are all others: nothing is settled, and nothing is in doubt.
	Open int64
	// Discount is what the provider took off for the paid, in units of airtime.DiscountScale. It is no
	// part of Requested.
	Discount int64
}

// Plus returns the line with the figures of another one of its currency added.
func (l StatementLine) Plus(other StatementLine) StatementLine {
	l.Recipients += other.Recipients
	l.Requested += other.Requested
	l.Paid += other.Paid
	l.Failed += other.Failed
	l.Reversed += other.Reversed
	l.Refunded += other.Refunded
	l.InDoubt += other.InDoubt
	l.Rejected += other.Rejected
	l.Cancelled += other.Cancelled
	l.Open += other.Open
	l.Discount += other.Discount
	return l
}

// amount is where a line has the money of those in a status.
func (l *StatementLine) amount(status airtime.Status) *int64 {
	amounts := map[airtime.Status]*int64{
		airtime.Successful: &l.Paid, airtime.Unconfirmed: &l.Paid, airtime.Failed: &l.Failed,
		airtime.Reversed: &l.Reversed, airtime.Refunded: &l.Refunded, airtime.InDoubt: &l.InDoubt,
		airtime.Rejected: &l.Rejected, airtime.Cancelled: &l.Cancelled,
	}
	if amount, named := amounts[status]; named {
		return amount
	}
	return &l.Open
}

// add adds what a book says of a status.
func (l *StatementLine) add(b booked) error {
	if b.word == requested {
		l.Recipients += b.recipients
		l.Requested += b.minor
		return nil
	}
	status, err := airtime.ParseStatus(b.word)
	if err != nil {
		return err
	}
	*l.amount(status) += b.minor
	if discounted(status) {
		l.Discount += b.units
	}
	return nil
}

// Statement calls fn for every line of a month in the time zone of the store, by day, provider,
// currency and campaign. Each book is read at once, so that a line always adds up. What the state
// has forgotten is in it.
func (s *Store) Statement(
	ctx context.Context, year int, month time.Month, fn func(StatementLine) error,
) error {
	days, err := s.client.SMembers(ctx, s.keys.plain("days")).Result()
	if err != nil {
		return fmt.Errorf("statement: %w", err)
	}
	slices.Sort(days)
	for _, day := range days {
		if !strings.HasPrefix(day, fmt.Sprintf("%04d-%02d-", year, int(month))) {
			continue
		}
		lines, err := s.statementOf(ctx, day)
		if err != nil {
			return fmt.Errorf("statement of %s: %w", day, err)
		}
		for _, line := range lines {
			if err := fn(line); err != nil {
				return err
			}
		}
	}
	return nil
}

// statementOf reads the lines of a day.
func (s *Store) statementOf(ctx context.Context, day string) ([]StatementLine, error) {
	campaigns, err := s.client.SMembers(ctx, s.keys.named("daycampaigns", day)).Result()
	if err != nil {
		return nil, err
	}
	pipe := s.client.Pipeline()
	books := make([]*redis.MapStringStringCmd, len(campaigns))
	for i, campaign := range campaigns {
		books[i] = pipe.HGetAll(ctx, s.keys.dayBook(day, campaign))
	}
	if _, err := pipe.Exec(ctx); err != nil {
		return nil, err
	}
	var lines []StatementLine
	for i, campaign := range campaigns {
		found, err := linesOfBook(books[i].Val())
		if err != nil {
			return nil, err
		}
		for _, line := range found {
			line.Day, line.Campaign = day, Shown(campaign)
			lines = append(lines, *line)
		}
	}
	slices.SortFunc(lines, func(a, b StatementLine) int {
		return cmp.Or(cmp.Compare(a.Provider, b.Provider), cmp.Compare(a.Currency, b.Currency),
			cmp.Compare(a.Campaign, b.Campaign))
	})
	return lines, nil
}

// linesOfBook reads a book: a line for each provider and currency that have recipients in it.
func linesOfBook(stored map[string]string) (map[string]*StatementLine, error) {
	list, err := readBook(stored)
	if err != nil {
		return nil, err
	}
	lines := map[string]*StatementLine{}
	for _, b := range list {
		of := b.provider + " " + string(b.currency)
		if lines[of] == nil {
			lines[of] = &StatementLine{Provider: b.provider, Currency: b.currency}
		}
		if err := lines[of].add(b); err != nil {
			return nil, fmt.Errorf("book: %w", err)
		}
	}
	for of, line := range lines {
		if line.Recipients == 0 { // They all went on to another provider.
			delete(lines, of)
		}
	}
	return lines, nil
}
