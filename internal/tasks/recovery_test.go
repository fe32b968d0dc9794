package tasks_test

import (
	"context"
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/stretchr/testify/require"

	"tuma/internal/config"
	"tuma/internal/state"
	"tuma/internal/state/statetest"
	"tuma/internal/tasks"
)

// asDelivered makes a harness with the times as they are delivered, and its clock.
func asDelivered(t *testing.T) (*harness, *statetest.Clock, *config.Config) {
	t.Helper()
	c, err := config.Load(func(string) string { return "" }, nil)
	require.NoError(t, err)
	h := newHarness(t, func(o *state.Options) {
		o.SubmitTimeout, o.Guard = c.SubmitTimeout, c.SendGuard
		o.SettleDelay, o.ClaimTimeout = c.SettleDelay, c.ClaimTimeout
	})
	h.backoff = tasks.Backoff{
		Initial: c.PollInitial, Max: c.PollMax, Multiplier: c.PollMultiplier,
	}
	return h, h.clocked(t), c
}

// until lets time pass until something is so, with a sweep whenever the latest one is due, and
// returns how long that took by the clock of the scripts.
func (h *harness) until(
	t *testing.T, clock *statetest.Clock, interval time.Duration, so func() bool,
) time.Duration {
	t.Helper()
	const step = time.Second / 2
	due := &tasks.Due{
		Store: h.store, Queues: h.queues, Log: h.log, Redeliver: 2*h.options.SubmitTimeout +
			h.options.Guard,
	}
	var passed, swept time.Duration
	for !so() {
		require.Less(t, passed, time.Hour)
		passed += step
		rounds := []func(context.Context){due.Once}
		if passed-swept >= interval+interval/10 { // They may be a tenth late.
			swept, rounds = passed, append(rounds, h.sweep(lipad))
		}
		h.beats(t, clock, 1, step, rounds...)
	}
	return passed
}

// TestWorkGoesOnInTimeWithoutTasks deletes everything of asynq's: what waits is sent, and who is
// open asked about, within the 15 seconds that docs/guarantees.md promises.
func TestWorkGoesOnInTimeWithoutTasks(t *testing.T) {
	t.Parallel()
	h, clock, c := asDelivered(t)
	h.serve(t, lipad, tasks.TypeSubmit, h.submit(nil))
	h.serve(t, tasks.QueuePoll, tasks.TypePoll, h.poll())
	h.accept(t, disbursal("before", 0, 25))
	h.quiet(t)
	require.Equal(t, 1, h.provider.sends())
	h.acceptSilently(t, disbursal("after", 100, 25))
	h.forget(t)
	took := h.until(t, clock, c.SweepInterval, func() bool {
		return h.provider.sends() > 1 && h.provider.queries() > 0
	})
	require.LessOrEqual(t, took, 15*time.Second)
}

// TestBatchesOfADeadWorkerMoveOnInTime: a worker dies with a request on the wire. Its batch is in
// doubt, to be asked about, within a minute of the deadline of the request.
func TestBatchesOfADeadWorkerMoveOnInTime(t *testing.T) {
	t.Parallel()
	h, clock, c := asDelivered(t)
	h.acceptSilently(t, disbursal("d", 0, 25))
	token, err := uuid.NewV7()
	require.NoError(t, err)
	claim, err := h.store.Claim(t.Context(), lipad, token.String(), 1000)
	require.NoError(t, err)
	left, err := h.store.BeginSend(t.Context(), claim.Batch, token.String())
	require.NoError(t, err)
	took := h.until(t, clock, c.SweepInterval, func() bool { return h.inDoubt(t, "d") == 25 })
	require.Greater(t, took, left, "nobody moves it on while the request may be on the wire")
	require.LessOrEqual(t, took, left+time.Minute)
}
