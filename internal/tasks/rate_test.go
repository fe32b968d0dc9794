package tasks_test

import (
	"fmt"
	"net/http"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"tuma/internal/airtime"
	"tuma/internal/providers"
	"tuma/internal/state"
	"tuma/internal/tasks"
	"tuma/internal/test/redistest"
)

// paced gives Lipad a rate.
func paced(perSecond float64, burst int) func(*state.Options) {
	return func(o *state.Options) {
		o.Providers[0].Rate = providers.Rate{PerSecond: perSecond, Burst: burst}
	}
}

// alone sends single recipients, so that each is a request.
func (h *harness) alone(t *testing.T, workers int) (stop func()) {
	t.Helper()
	stopping := make(chan struct{})
	var ends []func()
	for range workers {
		submit := h.submit(stopping)
		submit.Entry.Capabilities.MaxRecipients = 1
		ends = append(ends, h.serve(t, lipad, tasks.TypeSubmit, submit))
	}
	h.sweeper(t)
	return func() {
		close(stopping)
		for _, end := range ends {
			end()
		}
	}
}

// TestRequestsLeaveAtTheProvidersRate, from two workers together, and triggers do not pile up.
func TestRequestsLeaveAtTheProvidersRate(t *testing.T) {
	t.Parallel()
	const n, perSecond, burst = 20, 100, 2
	h := newHarness(t, paced(perSecond, burst))
	clock := h.clocked(t)
	var allowed, over atomic.Int64
	allowed.Store(burst)
	h.provider.instead(send, func(w http.ResponseWriter, q *http.Request) {
		if int64(h.provider.sends()) > allowed.Load() {
			over.Add(1)
		}
		h.simulator.ServeHTTP(w, q)
	})
	h.accept(t, disbursal("d", 0, n))
	h.alone(t, 2)
	for sent := burst; sent < n; sent++ {
		h.all(t, "d", airtime.Submitted, sent)
		allowed.Add(1)
		clock.Pass(time.Second / perSecond)
	}
	h.all(t, "d", airtime.Submitted, n)
	require.Zero(t, over.Load(), "requests that left before their time")
	clock.Pass(time.Second)
	h.quiet(t)
	require.NotEmpty(t, h.completed(t, lipad))
	require.LessOrEqual(t, len(h.completed(t, lipad)), n, "tasks")
	h.paidOnce(t, n)
}

// TestWaitingForTheRateAsksNothing: a worker rests until there is room, and does not ask for it.
func TestWaitingForTheRateAsksNothing(t *testing.T) {
	t.Parallel()
	own := redistest.Start(t)
	h := newHarness(t, func(o *state.Options) {
		o.URL = own.URL()
		paced(4, 1)(o)
	})
	h.acceptSilently(t, disbursal("d", 0, 5))
	submit := h.submit(nil)
	submit.Entry.Capabilities.MaxRecipients = 1
	before := h.scripts(t)
	require.NoError(t, submit.ProcessTask(t.Context(), task(tasks.TypeSubmit, "{}")))
	require.Equal(t, 5, h.provider.sends())
	require.Less(t, h.scripts(t)-before, 60, "scripts for five requests")
}

// TestAWorkerThatWaitsForTheRateStopsAtOnce, since what waits is safe in the state.
func TestAWorkerThatWaitsForTheRateStopsAtOnce(t *testing.T) {
	t.Parallel()
	h := newHarness(t, paced(0.1, 1)) // Ten seconds lie between two requests.
	stop := h.alone(t, 1)
	h.accept(t, disbursal("d", 0, 3))
	h.all(t, "d", airtime.Submitted, 1)
	stop()
	require.Len(t, h.completed(t, lipad), 1, "a task that was waited for in vain is pending again")
	require.Equal(t, 1, h.provider.sends())
	require.Equal(t, int64(2), h.statuses(t, "d")[airtime.Queued])
}

// TestARateThatIsUsedUpTakesNoTasks: the rest waits in the state, and not as a task that runs again
// and again.
func TestARateThatIsUsedUpTakesNoTasks(t *testing.T) {
	t.Parallel()
	h := newHarness(t, paced(0.01, 1))
	clock := h.clocked(t)
	submit := h.submit(nil)
	submit.Entry.Capabilities.MaxRecipients = 1
	h.serve(t, lipad, tasks.TypeSubmit, submit)
	for i := range 20 {
		h.accept(t, disbursal(fmt.Sprint("d", i), i, 1))
	}
	h.beats(t, clock, 40, 50*time.Millisecond, h.sweep(lipad))
	require.Equal(t, 1, h.provider.sends())
	info, err := h.inspector.GetQueueInfo(h.queues.Name(lipad))
	require.NoError(t, err)
	require.LessOrEqual(t, info.Size+info.Completed, 8, "tasks in two seconds")
}
