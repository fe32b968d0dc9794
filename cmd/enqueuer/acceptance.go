package main

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"time"

	"github.com/cenkalti/backoff/v4"
	"golang.org/x/sync/errgroup"

	"tuma/internal/cli"
	"tuma/internal/intake"
	"tuma/internal/state"
	"tuma/internal/tasks"
)

const (
	// callsInFlight is how many Accept calls are under way: one round trip per thousand recipients
	// would leave Redis idle most of the time.
	callsInFlight = 4
	// retryLimit is how long a Redis that does not answer is tried again.
	retryLimit = 2 * time.Minute
	// callTimeout bounds one call with all its repetitions inside the client.
	callTimeout = 15 * time.Second
	// fullPause is the interval of trying again while Redis is full.
	fullPause = time.Second
	// notesEvery is how often a wait is explained.
	notesEvery = 10 * time.Second
	// conflictsNamed is how many conflicting references are named.
	conflictsNamed = 20
)

// errInterrupted is returned when a person stopped the import.
var errInterrupted = errors.New("interrupted")

// tally counts what was done with recipients.
type tally struct {
	accepted, known int64
	// conflicts are the first conflicting references.
	conflicts     []string
	conflictCount int
}

// refusedCode is the exit code when something was refused on the way in: 5 promises that nothing
// was accepted.
func (t *tally) refusedCode() int {
	if t.accepted+t.known > 0 {
		return cli.ExitFailed
	}
	return cli.ExitRefused
}

// acceptance hands a plan's disbursals to the state.
type acceptance struct {
	inlet    tasks.Inlet
	progress *progress
	total    int64

	mu    sync.Mutex // Guards tally and noted.
	tally *tally
	noted time.Time
}

// run accepts everything, several calls at once. When the context ends, the calls in flight are
// finished and no other begins.
func (a *acceptance) run(ctx context.Context, plan *intake.Plan) error {
	calls, running := errgroup.WithContext(ctx)
	calls.SetLimit(callsInFlight)
	var group []state.Disbursal
	size := 0
	push := func() {
		ready := group
		group, size = nil, 0
		calls.Go(func() error { return a.accept(running, ready) })
	}
	err := plan.Disbursals(func(d state.Disbursal) error {
		if running.Err() != nil {
			return errInterrupted // Or the error of a call, which Wait returns.
		}
		if size+len(d.Recipients) > state.MaxRecipients {
			push()
		}
		group, size = append(group, d), size+len(d.Recipients)
		return nil
	})
	if err == nil && len(group) > 0 {
		push()
	}
	if failed := calls.Wait(); failed != nil {
		err = failed
	}
	return a.explain(err)
}

// explain says how far an import came that did not come to its end.
func (a *acceptance) explain(err error) error {
	if err == nil {
		return nil
	}
	err = fmt.Errorf("%w: %d of %s are accepted", err, a.tally.accepted+a.tally.known,
		cli.Plural(a.total, "recipient"))
	if errors.Is(err, state.ErrCancelled) {
		return cli.Exit(a.tally.refusedCode(), err)
	}
	return fmt.Errorf("%w; the same command continues", err)
}

// accept hands over one group and counts.
func (a *acceptance) accept(ctx context.Context, group []state.Disbursal) error {
	var outcomes []state.Outcome
	err := a.persist(ctx, func(ctx context.Context) (err error) {
		outcomes, err = a.inlet.Accept(ctx, group)
		return err
	})
	if err != nil {
		return err
	}
	a.mu.Lock()
	defer a.mu.Unlock()
	for i, outcome := range outcomes {
		recipients := int64(len(group[i].Recipients))
		refused := outcome.Refusal(&group[i])
		switch {
		case outcome == state.Accepted:
			a.tally.accepted += recipients
		case refused == nil:
			a.tally.known += recipients
		case errors.Is(refused, state.ErrConflict):
			a.tally.conflictCount++
			if len(a.tally.conflicts) < conflictsNamed {
				a.tally.conflicts = append(a.tally.conflicts, group[i].Reference)
			}
		default:
			err = refused
		}
	}
	a.progress.set(a.tally.accepted+a.tally.known, a.total)
	return err
}

// persist repeats a step that the state can take twice: as long as Redis is full, and for some time
// while it does not answer. A step that has begun is finished although the context ends.
func (a *acceptance) persist(ctx context.Context, step func(context.Context) error) error {
	waits := backoff.NewExponentialBackOff(backoff.WithInitialInterval(200*time.Millisecond),
		backoff.WithMaxInterval(5*time.Second), backoff.WithMaxElapsedTime(retryLimit))
	for ctx.Err() == nil {
		err := finished(ctx, step)
		var wait time.Duration
		switch {
		case err == nil, errors.Is(err, state.ErrConflict), errors.Is(err, state.ErrCancelled):
			return err
		case errors.Is(err, state.ErrFull):
			waits.Reset()
			wait = fullPause
			a.note("waiting: %s", err)
		default:
			if wait = waits.NextBackOff(); wait == backoff.Stop {
				return fmt.Errorf("gave up after %s: %w", retryLimit, err)
			}
			a.note("trying again: %s", err)
		}
		select {
		case <-ctx.Done():
		case <-time.After(wait):
		}
	}
	return errInterrupted
}

// finished runs a step on a context that does not end with the caller's.
func finished(ctx context.Context, step func(context.Context) error) error {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), callTimeout)
	defer cancel()
	return step(ctx)
}

// note explains a wait, now and then.
func (a *acceptance) note(format string, args ...any) {
	a.mu.Lock()
	defer a.mu.Unlock()
	if now := time.Now(); now.Sub(a.noted) >= notesEvery {
		a.noted = now
		a.progress.note(format, args...)
	}
}
