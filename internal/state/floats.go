package state

import (
	"cmp"
	"context"
	"fmt"
	"slices"
	"time"

	"tuma/internal/airtime"
)

const (
	// floatWindow is of what time the pace of a float is, and floatShortest the least that says
	// anything about one.
	floatWindow   = time.Hour
	floatShortest = time.Minute
)

// Float is what is left at a provider in a currency. Amounts are in minor units.
type Float struct {
	Provider string
	Currency airtime.Currency
	// Balance is the last known one, At when it was that, and Age how long ago by Redis's clock.
	Balance int64
	At      time.Time
	Age     time.Duration
	// Who is the person that said so, and Note why; empty for the provider itself.
	Who, Note string
	// Spent is what has been queued since, and what was queued or on the wire then, less what came
	// back: below zero when that was more. Queued is what of it waits to be sent.
	Spent, Queued int64
	// PerHour is what was spent an hour lately; zero where that is not known, or less came in.
	PerHour int64
}

// Left is what of the balance nobody has been queued for; below zero when there is too little.
func (f Float) Left() int64 { return f.Balance - f.Spent }

// RunsDry is in how long nothing is left, at the pace of the last hour; false without one.
func (f Float) RunsDry() (time.Duration, bool) {
	switch left := f.Left(); {
	case left <= 0:
		return 0, true
	case f.PerHour <= 0:
		return 0, false
	default:
		hours := float64(left) / float64(f.PerHour)
		if hours > float64(longestForecast/time.Hour) {
			return 0, false
		}
		return time.Duration(hours * float64(time.Hour)), true
	}
}

// longestForecast is from when on a pace of one hour says nothing.
const longestForecast = 365 * 24 * time.Hour

// Floats returns what is left where a balance is known, by provider and currency.
func (s *Store) Floats(ctx context.Context) ([]Float, error) {
	answer, err := s.run(ctx, s.client, "floats", floatWindow.Milliseconds(),
		floatShortest.Milliseconds())
	if err != nil {
		return nil, err
	}
	list := make([]Float, len(asList(answer)))
	for i, item := range asList(answer) {
		r := asList(item)
		list[i] = Float{
			Provider: r.text(0), Currency: airtime.Currency(r.text(1)), Balance: whole(r[2]),
			At: time.UnixMilli(int64(r.int(3))).UTC(), Age: millis(r.int(4)), Who: r.text(5),
			Note: r.text(6), Spent: whole(r[7]), Queued: whole(r[8]), PerHour: whole(r[9]),
		}
	}
	slices.SortFunc(list, func(a, b Float) int {
		return cmp.Or(cmp.Compare(a.Provider, b.Provider), cmp.Compare(a.Currency, b.Currency))
	})
	return list, nil
}

// SetFloat keeps the balance at a provider that a person has seen there just now.
func (s *Store) SetFloat(
	ctx context.Context, provider string, balance airtime.Money, who, note string,
) error {
	_, err := s.decide(ctx, "floatset", who, provider, string(balance.Currency), balance.Minor,
		balance.String(), clean(note), 0, 0)
	return err
}

// FloatAccount is an account whose balance may be asked for.
type FloatAccount struct {
	Provider string
	Currency airtime.Currency
}

// FloatLook is what the book had when a process began to ask for balances: what is debited later
// counts as spent, whether the balance has it or not.
type FloatLook struct {
	at      int
	debited map[FloatAccount]string
}

// LookAtFloats notes the pace of the floats, and begins to ask for the balances of some accounts.
// It is false when another process has done so more recently than least.
func (s *Store) LookAtFloats(
	ctx context.Context, least time.Duration, accounts []FloatAccount,
) (FloatLook, bool, error) {
	args := []any{least.Milliseconds(), floatWindow.Milliseconds()}
	for _, a := range accounts {
		args = append(args, string(a.Currency)+" "+a.Provider)
	}
	answer, err := s.run(ctx, s.client, "floatlook", args...)
	if err != nil || len(asList(answer)) == 0 {
		return FloatLook{}, false, err
	}
	look := FloatLook{at: asList(answer).int(0), debited: map[FloatAccount]string{}}
	for i, a := range accounts {
		look.debited[a] = asList(answer).text(i + 1)
	}
	return look, true, nil
}

// KeepBalance keeps the balance that a provider names, since a look, unless a later one is known.
// An error is returned for one in a currency in which it pays nobody.
func (s *Store) KeepBalance(
	ctx context.Context, look FloatLook, provider string, balance airtime.Money,
) error {
	debited, known := look.debited[FloatAccount{provider, balance.Currency}]
	if !known {
		return fmt.Errorf("the balance is in %s, in which %s pays nobody", balance.Currency, provider)
	}
	_, err := s.run(ctx, s.client, "floatset", "", "", "", provider, string(balance.Currency),
		balance.Minor, balance.String(), "", look.at, debited)
	return err
}

// Shortage is a float of which more is needed than is left.
type Shortage struct {
	Float
	// Needed is what is to be paid, in minor units.
	Needed int64
}

// String says it for people; it ends without a full stop.
func (s Shortage) String() string {
	money := func(minor int64) string {
		return airtime.Money{Minor: minor, Currency: s.Currency}.String()
	}
	return s.Provider + " needs " + money(s.Needed) + ", and " + money(s.Left()) + " is left there"
}

// Shortages lists the accounts that need more than is left there, by what each needs. An account
// whose balance is not known needs nothing.
func (s *Store) Shortages(
	ctx context.Context, needed map[FloatAccount]int64,
) ([]Shortage, error) {
	floats, err := s.Floats(ctx)
	var list []Shortage
	for _, f := range floats {
		need := needed[FloatAccount{f.Provider, f.Currency}]
		if need > 0 && need > f.Left() {
			list = append(list, Shortage{f, need})
		}
	}
	return list, err
}

// ImportedFor returns what the state holds of an import already, by account.
func (s *Store) ImportedFor(ctx context.Context, imported string) (map[FloatAccount]int64, error) {
	stored, err := s.client.HGetAll(ctx, s.keys.named("importbook", imported)).Result()
	if err != nil {
		return nil, fmt.Errorf("read what import %s holds: %w", imported, err)
	}
	book, err := readBook(stored)
	held := map[FloatAccount]int64{}
	for _, b := range book {
		if b.word == requested {
			held[FloatAccount{b.provider, b.currency}] += b.minor
		}
	}
	return held, err
}
