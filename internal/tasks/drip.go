package tasks

import (
	"context"
	"time"

	"go.uber.org/zap"

	"tuma/internal/state"
)

// Drip is the loop that brings back to the queues whom a pause or the rate of a campaign withheld.
// Every worker and poller runs it; none leads.
type Drip struct {
	Store  *state.Store
	Queues *Queues
	Log    *zap.Logger
}

// dripPace is the interval of the loop: the rate of a campaign is one of seconds.
const dripPace = time.Second

// Run brings them back until the context ends.
func (d *Drip) Run(ctx context.Context) error {
	every(ctx, dripPace, func() { d.Once(ctx) })
	return nil
}

// Once brings back those who may go now.
func (d *Drip) Once(ctx context.Context) {
	wakeups, err := d.Store.Drip(ctx)
	for i := range wakeups {
		d.Queues.Wake(ctx, &wakeups[i])
	}
	if err != nil && ctx.Err() == nil {
		d.Log.Warn("who was withheld not brought back to the queues; tried again", zap.Error(err))
	}
}
