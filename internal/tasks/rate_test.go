package tasks_test

import (
	"fmt"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"tuma/internal/airtime"
	"tuma/internal/redistest"
	"tuma/internal/state"
	"tuma/internal/tasks"
)

// paced gives Lipad a rate.
func paced(perSecond float64, burst int) func(*state.Options) {
	return func(o *state.Options) {
		o.Providers[0].Rate = state.Rate{PerSecond: perSecond, Burst: burst}
	}
}

// alone sends single recipients, so that each is a request.
func (r *rig) alone(t *testing.T, workers int) (stop func()) {
	t.Helper()
	stopping := make(chan struct{})
	var ends []func()
	for range workers {
		submit := r.submit(stopping)
		submit.MaxRecipients = 1
		ends = append(ends, r.serve(t, lipad, tasks.TypeSubmit, submit))
	}
	r.sweeper(t)
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
	const n, perSecond, burst = 30, 20, 2
	r := newRig(t, paced(perSecond, burst))
	began := time.Now()
	r.alone(t, 2)
	r.accept(t, disbursal("d", 0, n))
	r.all(t, "d", airtime.Submitted, n)
	arrivals := r.provider.times(send)
	require.Len(t, arrivals, n)
	require.GreaterOrEqual(t, arrivals[n-1].Sub(began), (n-burst-1)*time.Second/perSecond)
	require.Less(t, arrivals[n-1].Sub(arrivals[0]), 5*(n-burst)*time.Second/perSecond,
		"and not much slower")
	// A request takes a while from its claim to the provider, which may bring some closer together.
	const slack = 6
	for i := range arrivals {
		within := 0
		for j := i; j < n && arrivals[j].Sub(arrivals[i]) <= time.Second; j++ {
			within++
		}
		require.LessOrEqual(t, within, perSecond+burst+slack, "in the second from request %d", i)
	}
	require.Eventually(t, func() bool { return len(r.completed(t, lipad)) > 0 }, patience,
		10*time.Millisecond)
	require.LessOrEqual(t, len(r.completed(t, lipad)), n, "tasks")
	r.paidOnce(t, n)
}

// TestWaitingForTheRateAsksNothing: a worker rests until there is room, and does not ask for it.
func TestWaitingForTheRateAsksNothing(t *testing.T) {
	t.Parallel()
	own := redistest.Start(t)
	r := newRig(t, func(o *state.Options) {
		o.URL = own.URL()
		paced(4, 1)(o)
	})
	r.acceptSilently(t, disbursal("d", 0, 5))
	submit := r.submit(nil)
	submit.MaxRecipients = 1
	before := r.scripts(t)
	require.NoError(t, submit.ProcessTask(t.Context(), task(tasks.TypeSubmit, "{}")))
	require.Equal(t, 5, r.provider.sends())
	require.Less(t, r.scripts(t)-before, 60, "scripts in a second, for five requests")
}

// TestAWorkerThatWaitsForTheRateStopsAtOnce, since what waits is safe in the state.
func TestAWorkerThatWaitsForTheRateStopsAtOnce(t *testing.T) {
	t.Parallel()
	r := newRig(t, paced(0.1, 1)) // Ten seconds lie between two requests.
	stop := r.alone(t, 1)
	r.accept(t, disbursal("d", 0, 3))
	require.Eventually(t, func() bool {
		return r.statuses(t, "d")[airtime.Submitted] == 1
	}, patience, 10*time.Millisecond)
	time.Sleep(100 * time.Millisecond)
	began := time.Now()
	stop()
	require.Less(t, time.Since(began), 3*time.Second)
	require.Equal(t, 1, r.provider.sends())
	require.Equal(t, int64(2), r.statuses(t, "d")[airtime.Queued])
}

// TestARateThatIsUsedUpTakesNoTasks: the rest waits in the state, and not as a task that runs again
// and again.
func TestARateThatIsUsedUpTakesNoTasks(t *testing.T) {
	t.Parallel()
	r := newRig(t, paced(0.01, 1))
	r.alone(t, 1)
	for i := range 20 {
		r.accept(t, disbursal(fmt.Sprint("d", i), i, 1))
	}
	require.Eventually(t, func() bool { return r.provider.sends() == 1 }, patience,
		10*time.Millisecond)
	time.Sleep(2 * time.Second)
	require.Equal(t, 1, r.provider.sends())
	info, err := r.inspector.GetQueueInfo(r.queues.Name(lipad))
	require.NoError(t, err)
	require.LessOrEqual(t, info.Size+info.Completed, 8, "tasks in two seconds")
	require.Equal(t, int64(19), r.channel(t).Pending)
}
