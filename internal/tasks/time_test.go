package tasks_test

import (
	"context"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"tuma/internal/state/statetest"
	"tuma/internal/tasks"
)

// quiet waits until no task of the harness waits or is worked on.
func (h *harness) quiet(t testing.TB) {
	t.Helper()
	require.Eventually(t, func() bool {
		queues, err := h.inspector.Queues()
		require.NoError(t, err)
		busy := 0
		for _, queue := range queues {
			info, err := h.inspector.GetQueueInfo(queue)
			require.NoError(t, err)
			busy += info.Pending + info.Active
		}
		return busy == 0
	}, testTimeout, time.Millisecond)
}

// beats lets time pass in n steps. After each it does once what processes do in loops, and waits
// until whatever that has triggered is done. So it depends on no machine what happens in that time.
func (h *harness) beats(
	t testing.TB, c *statetest.Clock, n int, step time.Duration, once ...func(context.Context),
) {
	t.Helper()
	for range n {
		c.Pass(step)
		for _, do := range once {
			do(context.Background())
		}
		h.quiet(t)
	}
}

// sweep returns one round of a sweeper for some providers.
func (h *harness) sweep(names ...string) func(context.Context) {
	sweeper := &tasks.Sweeper{
		Store: h.store, Queues: h.queues, Providers: names, Log: h.log,
	}
	return sweeper.Once
}

// handOut returns one round of the loop that hands queries out.
func (h *harness) handOut() func(context.Context) {
	due := &tasks.Due{Store: h.store, Queues: h.queues, Log: h.log, Redeliver: 2 * time.Second}
	return due.Once
}

// goesOn lets time pass as it does, ten times as fast, until the test ends.
func (h *harness) goesOn(t testing.TB, c *statetest.Clock) {
	loop(t, func(ctx context.Context) error {
		for ctx.Err() == nil {
			c.Pass(100 * time.Millisecond)
			time.Sleep(10 * time.Millisecond)
		}
		return nil
	})
}
