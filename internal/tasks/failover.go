package tasks

import (
	"context"
	"time"

	"go.uber.org/zap"

	"tuma/internal/airtime"
	"tuma/internal/providers/catalog"
	"tuma/internal/routing"
	"tuma/internal/state"
)

// Failover finds the next provider for recipients that one provider surely does not pay.
type Failover struct {
	Rules routing.Rules
	// Entries are the providers that are on: nobody is moved to one that this deployment cannot
	// reach.
	Entries map[string]catalog.Entry
}

// refused returns the provider that takes a refused recipient, empty for none.
func (f Failover) refused(m *state.Member, provider string, reason airtime.Reason) string {
	if !m.Routed {
		return ""
	}
	return f.Rules.AfterRefusal(m.Campaign, m.Recipient, provider, reason, f.on)
}

func (f Failover) on(provider string) bool {
	_, on := f.Entries[provider]
	return on
}

// Rerouter is the loop that moves recipients from paused channels to others, where a rule says so.
type Rerouter struct {
	Store    *state.Store
	Queues   *Queues
	Failover Failover
	Interval time.Duration
	Log      *zap.Logger
}

// reroutePage is about how many recipients are looked at in one step.
const reroutePage = 2000

// Run moves recipients until the context ends.
func (r *Rerouter) Run(ctx context.Context) error {
	if _, any := r.Failover.Rules.MovesAfter(); !any {
		<-ctx.Done()
		return nil
	}
	every(ctx, r.Interval, func() {
		if err := r.Once(ctx); err != nil && ctx.Err() == nil {
			r.Log.Warn("recipients at paused channels not moved; tried again", zap.Error(err))
		}
	})
	return nil
}

// Once walks the queues of all channels that paused by themselves. A person who stops a channel has
// not said that its recipients should be sent elsewhere: they stay.
func (r *Rerouter) Once(ctx context.Context) error {
	channels, err := r.Store.Channels(ctx)
	if err != nil {
		return err
	}
	paused := map[string]bool{}
	for _, c := range channels {
		paused[c.Provider] = c.Paused > 0 || c.Manual != nil
	}
	least, _ := r.Failover.Rules.MovesAfter()
	for _, c := range channels {
		// Both times are Redis's own, so no pod's clock plays a part.
		if c.Paused == 0 || c.Manual != nil || c.PausedFor < least {
			continue
		}
		if err := r.channel(ctx, c, paused); err != nil {
			return err
		}
	}
	return nil
}

// channel walks the queue of one paused provider.
func (r *Rerouter) channel(
	ctx context.Context, c state.Channel, paused map[string]bool,
) error {
	open := func(provider string) bool { return r.Failover.on(provider) && !paused[provider] }
	total := 0
	for next := 0; next != -1 && ctx.Err() == nil; {
		list, after, err := r.Store.Stranded(ctx, c.Provider, next, reroutePage)
		if err != nil {
			return err
		}
		next = after
		var onward []state.Onward
		for _, s := range list {
			to := r.Failover.Rules.AfterPause(s.Campaign, s.Recipient, c.Provider, c.PausedFor, open)
			if to != "" {
				onward = append(onward, state.Onward{Stranded: s, Provider: to})
			}
		}
		moved, wakeups, err := r.Store.Reroute(ctx, c.Provider, onward)
		if err != nil {
			return err
		}
		for i := range wakeups {
			r.Queues.Wake(ctx, &wakeups[i])
		}
		total += moved
	}
	if total > 0 {
		r.Log.Info("moved to other providers while the channel is paused",
			zap.String("provider", c.Provider), zap.Int("recipients", total))
	}
	return nil
}
