package tasks

import (
	"context"
	"math/rand/v2"
	"slices"
	"sync/atomic"
	"time"

	"go.uber.org/zap"

	"tuma/internal/state"
)

// Due is the loop that hands out status queries at a steady pace, however many are due at once.
type Due struct {
	Store  *state.Store
	Queues *Queues
	Log    *zap.Logger
	// Redeliver is after how long a query without an answer counts as lost.
	Redeliver time.Duration

	handed  bool        // The last beat handed queries out, or too many waited.
	waiting atomic.Bool // A query was scheduled at the last beat.
}

// duePace is the interval of the loop, and dueBatch how many queries each beat hands out at most:
// at 1,000 recipients a batch that is 200,000 recipients a second and poller.
const (
	duePace  = 25 * time.Millisecond
	dueBatch = 5
	// dueWaiting is how many queries may wait in the queue before no more are handed out.
	dueWaiting = 40 * dueBatch
)

// Run hands out queries until the context ends.
func (d *Due) Run(ctx context.Context) error {
	every(ctx, duePace, func() { d.Once(ctx) })
	return nil
}

// Once hands out the queries of one beat, unless too many wait already. While none are handed out
// none are counted either.
func (d *Due) Once(ctx context.Context) {
	if d.handed && d.Queues.crowded(ctx, QueuePoll, dueWaiting) {
		return
	}
	polls, waiting, err := d.Store.Due(ctx, dueBatch, d.Redeliver)
	d.handed = len(polls) > 0
	d.waiting.Store(waiting || err != nil)
	for _, p := range polls {
		if err == nil {
			err = d.Queues.Poll(ctx, p)
		}
	}
	if err != nil && ctx.Err() == nil {
		d.Log.Warn("status queries not handed out; they are due again later", zap.Error(err))
	}
}

// Sweeper is the loop that mends what stopped processes left behind. Every worker and poller runs
// it; none leads.
type Sweeper struct {
	Store     *state.Store
	Queues    *Queues
	Providers []string
	Interval  time.Duration
	Log       *zap.Logger

	behind bool // Redis's clock was, when it was swept last.
}

// upkeep is how often streams are trimmed and old disbursals forgotten.
const upkeep = time.Minute

// forgetPages bounds what one upkeep forgets: about 50,000 recipients.
const forgetPages = 5

// Run sweeps until the context ends.
func (s *Sweeper) Run(ctx context.Context) error {
	var kept time.Time
	every(ctx, s.Interval, func() {
		s.Once(ctx)
		if time.Since(kept) > upkeep {
			kept = time.Now()
			s.upkeep(ctx)
		}
	})
	return nil
}

// Once sweeps each provider once, also those that were taken out of the settings: what they have on
// the wire ends like everybody else's.
func (s *Sweeper) Once(ctx context.Context) {
	used, err := s.Store.Providers(ctx)
	if err != nil && ctx.Err() == nil {
		s.Log.Warn("only the providers that are on here are swept", zap.Error(err))
	}
	names := slices.Concat(s.Providers, used)
	slices.Sort(names)
	for _, provider := range slices.Compact(names) {
		s.sweep(ctx, provider)
	}
	s.release(ctx)
	s.yield(ctx)
	strays := Strays{Store: s.Store, Queues: s.Queues, Log: s.Log}
	if err := strays.Once(ctx); err != nil && ctx.Err() == nil {
		s.Log.Warn("stray tasks not looked for; the next sweep does", zap.Error(err))
	}
}

// release queues who was held until now.
func (s *Sweeper) release(ctx context.Context) {
	released, err := s.Store.ReleaseDue(ctx)
	for i := range released.Wakeups {
		s.Queues.Wake(ctx, &released.Wakeups[i])
	}
	if released.Queued > 0 {
		s.Log.Info("held recipients released", zap.Int("recipients", released.Queued))
	}
	if err != nil && ctx.Err() == nil {
		s.Log.Warn("what is due not released; the next sweep tries again", zap.Error(err))
	}
}

// yield has streams make room while Redis gets full.
func (s *Sweeper) yield(ctx context.Context) {
	yielded, err := s.Store.Yield(ctx)
	for _, y := range yielded {
		s.Log.Warn("stream trimmed before its time: Redis gets full", zap.String("stream", y.Stream),
			zap.Int64("entries", y.Entries), zap.Int64("unread", y.Unread))
	}
	if err != nil && ctx.Err() == nil {
		s.Log.Warn("streams not trimmed; the next sweep tries again", zap.Error(err))
	}
}

func (s *Sweeper) sweep(ctx context.Context, provider string) {
	swept, err := s.Store.Sweep(ctx, provider)
	if err != nil {
		if ctx.Err() == nil {
			s.Log.Warn("sweep failed; the next one tries again", zap.Error(err))
		}
		return
	}
	s.Queues.Wake(ctx, swept.Wakeup)
	s.noteClock(swept.Behind)
	if swept.Returned > 0 || swept.InDoubt > 0 {
		s.Log.Info("sweep", zap.String("provider", provider), zap.Int("returned", swept.Returned),
			zap.Int("in_doubt", swept.InDoubt))
	}
}

// noteClock says when Redis's clock was set back, and when it has caught up.
func (s *Sweeper) noteClock(behind time.Duration) {
	switch {
	case behind > 0 && !s.behind:
		s.Log.Error("redis's clock is behind what it has shown before: nothing is sent again, given "+
			"back or taken for lost until it has caught up, for at most an hour",
			zap.Duration("behind", behind))
	case behind == 0 && s.behind:
		s.Log.Info("redis's clock is trusted again")
	}
	s.behind = behind > 0
}

func (s *Sweeper) upkeep(ctx context.Context) {
	trimmed, err := s.Store.TrimStreams(ctx)
	if err == nil && trimmed > 0 {
		s.Log.Info("streams trimmed", zap.Int64("entries", trimmed))
	}
	forgotten, forgetErr := s.Store.Forget(ctx, forgetPages)
	if forgetErr == nil && forgotten > 0 {
		s.Log.Info("settled disbursals forgotten", zap.Int("disbursals", forgotten))
	}
	for _, err := range []error{err, forgetErr} {
		if err != nil && ctx.Err() == nil {
			s.Log.Warn("upkeep failed; the next one tries again", zap.Error(err))
		}
	}
}

// every calls fn now and then at each interval, a little early or late so that processes started
// together do not stay together, until the context ends.
func every(ctx context.Context, interval time.Duration, fn func()) {
	for {
		fn()
		wait := time.Duration((0.9 + 0.2*rand.Float64()) * float64(interval))
		select {
		case <-ctx.Done():
			return
		case <-time.After(wait):
		}
	}
}
