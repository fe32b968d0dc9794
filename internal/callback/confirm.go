package callback

import (
	"context"
	"slices"
	"time"

	"go.uber.org/zap"
	"golang.org/x/sync/errgroup"

	"tuma/internal/providers"
	"tuma/internal/state"
)

const (
	// pace is the interval of looking for callbacks to be tried again.
	pace = 200 * time.Millisecond
	// retriesAtOnce is how many are tried at once, and questionsAtOnce how many of them are
	// asked about at the same time.
	retriesAtOnce   = 100
	questionsAtOnce = 8
	// insist is how long a callback that says more than the answer to a query counts as ahead of it.
	// After that the answer counts, and the ordinary queries go on.
	insist = 10 * time.Minute
)

// Run tries parked callbacks again until the context ends.
func (r *Receiver) Run(ctx context.Context) error {
	ticks := time.NewTicker(pace)
	defer ticks.Stop()
	for {
		if err := r.Round(ctx); err != nil && ctx.Err() == nil {
			r.o.Log.Warn("parked callbacks not read; tried again", zap.Error(err))
		}
		select {
		case <-ctx.Done():
			return nil
		case <-ticks.C:
		}
	}
}

// Round tries each parked callback once that is due.
func (r *Receiver) Round(ctx context.Context) error {
	due, err := r.o.Store.DueCallbacks(ctx, retriesAtOnce, 2*r.o.QueryTimeout, r.confirm()...)
	if err != nil {
		return err
	}
	var all errgroup.Group
	all.SetLimit(questionsAtOnce)
	for _, k := range due {
		all.Go(func() error {
			result, err := r.retry(ctx, k)
			if err != nil {
				return err
			}
			if result.Outcome != state.CallbackParked {
				r.o.Metrics.took(k.Provider, string(result.Outcome))
			}
			r.note(k.Provider, result)
			return nil
		})
	}
	return all.Wait()
}

// toConfirm reports whether a query decides about the callbacks of a provider.
func (r *Receiver) toConfirm(provider string) bool {
	return r.o.Entries[provider].Capabilities.Asks == providers.AskByRecipient &&
		!slices.Contains(r.o.Trusted, provider)
}

// confirm lists the providers whose callbacks a query decides about.
func (r *Receiver) confirm() (names []string) {
	for name := range r.o.Entries {
		if r.toConfirm(name) {
			names = append(names, name)
		}
	}
	return names
}

// retry applies one parked callback: what the provider answers when it is asked about the id, or
// the callback itself where that cannot be asked or is trusted.
func (r *Receiver) retry(ctx context.Context, k state.DueCallback) (state.CallbackResult, error) {
	entry, on := r.o.Entries[k.Provider]
	switch {
	case !on:
		return r.o.Store.Park(ctx, k.Callback) // Another process may know the provider.
	case !r.toConfirm(k.Provider):
		return r.o.Store.Apply(ctx, k.Callback)
	case !k.Ask:
		return r.o.Store.Park(ctx, k.Callback) // It fits no recipient yet.
	}
	line, found := r.ask(ctx, entry.Querier, k)
	ahead := found && k.Status.Settled() && !line.Status.Settled() && k.Age < insist
	if !found || !line.Status.Valid() || ahead { // break: confirmed
		return r.o.Store.Park(ctx, k.Callback)
	}
	confirmed := k.Callback
	confirmed.Status = line.Status
	if line.Message != "" {
		confirmed.Message = line.Message
	}
	if line.Discount != "" {
		confirmed.Discount = line.Discount
	}
	if line.Amount.Currency != "" {
		confirmed.Amount = line.Amount // What the provider answers counts for more.
	}
	return r.o.Store.Apply(ctx, confirmed)
}

// ask asks the provider about the id that a callback names.
func (r *Receiver) ask(
	ctx context.Context, querier providers.Querier, k state.DueCallback,
) (providers.RecipientStatus, bool) {
	ctx, cancel := context.WithTimeout(ctx, r.o.QueryTimeout)
	defer cancel()
	report, err := querier.Query(ctx, providers.Question{Recipients: []providers.Asked{
		{Phone: k.Phone, ProviderReference: k.ProviderReference},
	}})
	r.o.Metrics.asked(k.Provider, err == nil && len(report.Lines) > 0)
	if err != nil || len(report.Lines) == 0 {
		return providers.RecipientStatus{}, false
	}
	return report.Lines[0], true
}
