package tasks_test

import (
	"net/http"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"tuma/internal/airtime"
	"tuma/internal/state"
	"tuma/internal/test/redistest"
)

func TestShutdownFinishesTheRequestOnTheWire(t *testing.T) {
	t.Parallel()
	h := newHarness(t, func(o *state.Options) { o.MaxInFlight = 1 })
	entered, leave := make(chan struct{}, 10), make(chan struct{})
	h.provider.instead(send, func(w http.ResponseWriter, q *http.Request) {
		entered <- struct{}{}
		<-leave
		h.simulator.ServeHTTP(w, q)
	})
	stop := h.worker(t)
	h.accept(t, disbursal("first", 0, 1000))
	<-entered
	h.accept(t, disbursal("second", 1000, 1000))
	var stopped atomic.Bool
	var stops sync.WaitGroup
	stops.Go(func() {
		stop()
		stopped.Store(true)
	})
	time.Sleep(300 * time.Millisecond) // It has an occasion to stop too early.
	early := stopped.Load()
	close(leave)
	stops.Wait()
	require.False(t, early, "it did not wait for the answer")
	require.Equal(t, map[airtime.Status]int64{airtime.Submitted: 1000}, h.statuses(t, "first"))
	require.Equal(t, map[airtime.Status]int64{airtime.Queued: 1000}, h.statuses(t, "second"))
	require.Zero(t, h.channel(t).InFlight, "its slot is free again")
	require.Equal(t, 1, h.provider.sends())

	h.worker(t)
	h.all(t, "second", airtime.Submitted, 1000)
	h.paidOnce(t, 2000)
}

func TestAStoppingWorkerClaimsNothing(t *testing.T) {
	t.Parallel()
	h := newHarness(t, nil)
	h.acceptSilently(t, disbursal("d", 0, 1))
	stopping := make(chan struct{})
	close(stopping)
	require.NoError(t, h.submit(stopping).ProcessTask(t.Context(), task("batch:submit", "{}")))
	require.Zero(t, h.provider.sends())
	require.Equal(t, int64(1), h.channel(t).Pending)
}

// TestACancelledTaskFinishesItsRequest: "cancel" in the dashboard ends the trigger, never a payment
// that is on the wire.
func TestACancelledTaskFinishesItsRequest(t *testing.T) {
	t.Parallel()
	// A cancel reaches the tasks of that id in all databases of a server: not the shared one.
	own := redistest.Start(t)
	h := newHarness(t, func(o *state.Options) { o.URL = own.URL() })
	entered, leave := make(chan struct{}, 1), make(chan struct{})
	h.provider.instead(send, func(w http.ResponseWriter, q *http.Request) {
		entered <- struct{}{}
		<-leave
		h.simulator.ServeHTTP(w, q)
	})
	h.worker(t)
	h.accept(t, disbursal("d", 0, 10))
	<-entered
	active, err := h.inspector.ListActiveTasks(h.queues.Name(lipad))
	require.NoError(t, err)
	require.Len(t, active, 1)
	require.NoError(t, h.inspector.CancelProcessing(active[0].ID))
	require.Eventually(t, func() bool {
		list, err := h.inspector.ListActiveTasks(h.queues.Name(lipad))
		require.NoError(t, err)
		return len(list) == 0
	}, testTimeout, time.Millisecond)
	close(leave)
	h.all(t, "d", airtime.Submitted, 10)
	require.Equal(t, 1, h.provider.sends())
	require.Zero(t, h.channel(t).InFlight)
}
