package tasks

import (
	"context"
	"errors"
	"maps"
	"slices"
	"time"

	"go.uber.org/zap"

	"tuma/internal/providers/catalog"
	"tuma/internal/state"
)

// Floats is the loop that asks the providers that show our balance for it, and notes how fast the
// floats are spent. Every poller runs it; of those that look at about the same time, one asks.
type Floats struct {
	Store *state.Store
	// Entries are the providers that are on.
	Entries map[string]catalog.Entry
	// Timeout bounds one question.
	Timeout time.Duration
	Log     *zap.Logger
}

const (
	// floatPace is the interval of the loop. A provider limits how often it may be asked.
	floatPace = 5 * time.Minute
	// floatLeast is the least time between two looks, whoever looks: less than a short interval.
	floatLeast = floatPace * 4 / 5
)

// Run looks until the context ends.
func (f *Floats) Run(ctx context.Context) error {
	every(ctx, floatPace, func() { f.Once(ctx) })
	return nil
}

// Once asks each of these providers once, unless another process just has.
func (f *Floats) Once(ctx context.Context) {
	var accounts []state.FloatAccount
	for _, name := range f.names() {
		for currency := range f.Entries[name].Capabilities.Limits {
			accounts = append(accounts, state.FloatAccount{Provider: name, Currency: currency})
		}
	}
	look, first, err := f.Store.LookAtFloats(ctx, floatLeast, accounts)
	if err != nil && ctx.Err() == nil {
		f.Log.Warn("floats not looked at; the next look comes later", zap.Error(err))
	}
	if !first {
		return
	}
	for _, name := range f.names() {
		if err := f.ask(ctx, name, look); err != nil && ctx.Err() == nil {
			f.Log.Warn("balance not learnt; the last one stands", zap.String("provider", name),
				zap.Error(err))
		}
	}
}

// names lists the providers that show a balance.
func (f *Floats) names() []string {
	return slices.DeleteFunc(slices.Sorted(maps.Keys(f.Entries)), func(name string) bool {
		return f.Entries[name].Account == nil || !f.Entries[name].Capabilities.ShowsBalance
	})
}

// errNoBalance is returned when an answer names no balance that can be read, such as one below
// zero.
var errNoBalance = errors.New("the answer names no balance that can be read")

// ask asks one provider, and keeps what it says.
func (f *Floats) ask(ctx context.Context, name string, look state.FloatLook) error {
	asking, cancel := context.WithTimeout(ctx, f.Timeout)
	defer cancel()
	account, err := f.Entries[name].Account.CheckAccount(asking)
	if err != nil {
		return err
	}
	if account.Balance.Currency == "" {
		return errNoBalance
	}
	return f.Store.KeepBalance(ctx, look, name, account.Balance)
}
