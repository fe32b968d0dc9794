package tasks_test

import (
	"context"
	"net/http"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"tuma/internal/airtime"
	"tuma/internal/state"
	"tuma/internal/tasks"
)

// forget deletes every key of asynq's that belongs to the harness's database.
func (h *harness) forget(t testing.TB) {
	t.Helper()
	keys, err := h.rdb.Keys(context.Background(), "asynq:*").Result()
	require.NoError(t, err)
	if len(keys) > 0 {
		require.NoError(t, h.rdb.Del(context.Background(), keys...).Err())
	}
}

func TestLostTriggersOnlyCostTime(t *testing.T) {
	t.Parallel()
	h := newHarness(t, func(o *state.Options) { o.MaxInFlight = 2 })
	forgotten := make(chan struct{})
	h.provider.instead(send, func(w http.ResponseWriter, q *http.Request) {
		<-forgotten
		h.simulator.ServeHTTP(w, q)
	})
	// Before anybody works, in the middle of submitting, and in the middle of asking.
	for i := range 4 {
		h.accept(t, disbursal(string(rune('a'+i)), 1000*i, 1000))
	}
	h.forget(t)
	h.worker(t)
	require.Eventually(t, func() bool { return h.provider.sends() > 0 }, testTimeout, time.Millisecond)
	h.forget(t)
	close(forgotten)
	h.poller(t)
	require.Eventually(t, func() bool { return h.provider.queries() > 0 }, testTimeout,
		time.Millisecond)
	h.forget(t)
	for i := range 4 {
		h.all(t, string(rune('a'+i)), airtime.Successful, 1000)
	}
	h.paidOnce(t, 4000)
}

func TestRepeatedTriggersAreHarmless(t *testing.T) {
	t.Parallel()
	h := newHarness(t, nil)
	h.accept(t, disbursal("d", 0, 50))
	for n := range 20 {
		h.queues.Wake(context.Background(),
			&state.Wakeup{Provider: lipad, Number: int64(100 + n)}, nil,
			&state.Wakeup{Provider: lipad, Number: int64(100 + n)})
	}
	h.worker(t)
	h.poller(t)
	h.all(t, "d", airtime.Successful, 50)
	require.Equal(t, 1, h.provider.sends())
	h.paidOnce(t, 50)
}

// TestNumbersThatWereGivenBeforeStillWake: after a failover the state gives numbers again that it
// has forgotten, while asynq still keeps the tasks that had them.
func TestNumbersThatWereGivenBeforeStillWake(t *testing.T) {
	t.Parallel()
	h := newHarness(t, nil)
	ctx := context.Background()
	h.serve(t, lipad, tasks.TypeSubmit, h.submit(nil))
	for round := range 3 {
		h.acceptSilently(t, disbursal(string(rune('a'+round)), round, 1))
		h.queues.Wake(ctx, &state.Wakeup{Provider: lipad, Number: 7})
		require.Eventually(t, func() bool {
			return len(h.completed(t, lipad)) == round+1
		}, testTimeout, time.Millisecond)
		require.Equal(t, round+1, h.provider.sends())
	}
	h.serve(t, tasks.QueuePoll, tasks.TypePoll, h.poll())
	for round := range 3 {
		require.NoError(t, h.queues.Poll(ctx, state.Poll{Batch: "b", Provider: lipad, Number: 2}))
		require.Eventually(t, func() bool {
			return len(h.completed(t, tasks.QueuePoll)) == round+1
		}, testTimeout, time.Millisecond)
	}
}

func TestTwoHandlersShareTheWork(t *testing.T) {
	t.Parallel()
	h := newHarness(t, func(o *state.Options) { o.MaxInFlight = 2 })
	var mu sync.Mutex
	out, most := 0, 0
	both := make(chan struct{})
	h.provider.instead(send, func(w http.ResponseWriter, q *http.Request) {
		mu.Lock()
		out++
		if most = max(most, out); most == 2 && h.provider.sends() == 2 {
			close(both)
		}
		mu.Unlock()
		<-both // The first waits for the second.
		h.simulator.ServeHTTP(w, q)
		mu.Lock()
		out--
		mu.Unlock()
	})
	for i := range 6 {
		h.acceptSilently(t, disbursal(string(rune('a'+i)), 1000*i, 1000))
	}
	var all sync.WaitGroup
	for range 3 {
		all.Go(func() {
			err := h.submit(nil).ProcessTask(context.Background(), task(tasks.TypeSubmit, "{}"))
			if err != nil {
				t.Error(err)
			}
		})
	}
	all.Wait()
	require.Equal(t, 2, most, "as many requests as slots, never more")
	require.Equal(t, 6, h.provider.sends())
	h.paidOnce(t, 6000)
}

func TestAPausedQueueStopsItsProvider(t *testing.T) {
	t.Parallel()
	h := newHarness(t, func(o *state.Options) { o.MaxInFlight = 1 })
	entered, leave := make(chan struct{}, 10), make(chan struct{})
	h.provider.instead(send, func(w http.ResponseWriter, q *http.Request) {
		entered <- struct{}{}
		<-leave
		h.simulator.ServeHTTP(w, q)
	})
	h.worker(t)
	for i := range 5 {
		h.accept(t, disbursal(string(rune('a'+i)), 1000*i, 1000))
	}
	<-entered
	require.NoError(t, h.inspector.PauseQueue(h.queues.Name(lipad)))
	close(leave)
	require.Eventually(t, func() bool { return len(h.completed(t, lipad)) > 0 }, testTimeout,
		5*time.Millisecond)
	require.Equal(t, 1, h.provider.sends(), "the batch on the wire was the last")
	require.NoError(t, h.inspector.UnpauseQueue(h.queues.Name(lipad)))
	require.Eventually(t, func() bool { return h.provider.sends() == 5 }, testTimeout,
		5*time.Millisecond)
}

// TestTriggersDoNotPileUp: nobody takes tasks from a paused queue, or while no worker runs, for
// days perhaps; the sweeps and the schedule go on.
func TestTriggersDoNotPileUp(t *testing.T) {
	t.Parallel()
	h := newHarness(t, nil)
	clock := h.clocked(t)
	ctx := context.Background()
	for n := range 100 {
		h.queues.Wake(ctx, &state.Wakeup{Provider: lipad, Number: int64(n + 1)})
	}
	waiting, err := h.inspector.GetQueueInfo(h.queues.Name(lipad))
	require.NoError(t, err)
	require.Less(t, waiting.Pending, 50)
	require.Positive(t, waiting.Pending)

	// A thousand batches are due again and again, and nobody asks.
	for i := range 30 {
		h.acceptSilently(t, disbursal(string(rune('a'+i)), i, 1))
		h.turn(t)
	}
	due := &tasks.Due{
		Store: h.store, Queues: h.queues, Log: h.log, Redeliver: time.Millisecond,
	}
	for range 120 {
		clock.Pass(25 * time.Millisecond)
		due.Once(ctx)
	}
	waiting, err = h.inspector.GetQueueInfo(h.queues.Name(tasks.QueuePoll))
	require.NoError(t, err)
	require.Positive(t, waiting.Pending)
	require.LessOrEqual(t, waiting.Pending, 240)
}

// TestAProviderThatIsOffIsStillSwept: it was taken out of the settings while a batch was claimed.
func TestAProviderThatIsOffIsStillSwept(t *testing.T) {
	t.Parallel()
	h := newHarness(t, func(o *state.Options) { o.ClaimTimeout = time.Millisecond })
	ctx := context.Background()
	h.acceptSilently(t, disbursal("a", 0, 1))
	_, err := h.store.Claim(ctx, lipad, "0190a1b2-0000-7000-8000-000000000001", 1)
	require.NoError(t, err)
	require.Equal(t, int64(1), h.channel(t).InFlight)
	sweeper := &tasks.Sweeper{Store: h.store, Queues: h.queues, Log: h.log}
	require.Eventually(t, func() bool {
		sweeper.Once(ctx)
		return h.channel(t).InFlight == 0
	}, testTimeout, time.Millisecond)
	require.Equal(t, int64(1), h.channel(t).Pending)
}
