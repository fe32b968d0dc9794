package tasks_test

import (
	"context"
	"encoding/json"
	"fmt"
	"testing"
	"time"

	"github.com/hibiken/asynq"
	"github.com/redis/go-redis/v9"
	"github.com/stretchr/testify/require"

	"tuma/internal/airtime"
	"tuma/internal/providers"
	"tuma/internal/state"
	"tuma/internal/tasks"
)

// mirrorHarness has batches at the provider that are asked about in an hour, and what shows that.
type mirrorHarness struct {
	*harness
	due    *tasks.Due
	mirror *tasks.Mirror
}

func newMirrorHarness(t *testing.T) *mirrorHarness {
	t.Helper()
	h := &mirrorHarness{harness: newHarness(t, nil)}
	h.backoff = tasks.Backoff{Initial: time.Hour, Max: time.Hour, Multiplier: 1}
	h.due = &tasks.Due{Store: h.store, Queues: h.queues, Log: h.log, Redeliver: time.Minute}
	h.mirror = &tasks.Mirror{Store: h.store, Queues: h.queues, Due: h.due, Log: h.log}
	return h
}

// send sends a disbursal of n recipients, and has the dashboard show its query.
func (h *mirrorHarness) send(t *testing.T, reference string, first, n int) {
	t.Helper()
	h.acceptSilently(t, disbursal(reference, first, n))
	h.turn(t)
	h.look(t)
}

func (h *mirrorHarness) look(t *testing.T) {
	t.Helper()
	h.due.Once(t.Context())
	h.mirror.Once(t.Context())
}

func (h *mirrorHarness) queue() string { return h.queues.Name(tasks.QueuePoll) }

func (h *mirrorHarness) scheduled(t *testing.T) []*asynq.TaskInfo {
	t.Helper()
	list, err := h.inspector.ListScheduledTasks(h.queue(), asynq.PageSize(2000))
	if err != nil {
		require.ErrorIs(t, err, asynq.ErrQueueNotFound)
	}
	return list
}

// run runs a task in the dashboard, and returns what becomes of it.
func (h *mirrorHarness) run(t *testing.T, id string) string {
	t.Helper()
	before, err := h.inspector.GetTaskInfo(h.queue(), id)
	require.NoError(t, err)
	require.NoError(t, h.inspector.RunTask(h.queue(), id))
	var info *asynq.TaskInfo
	require.Eventually(t, func() bool {
		info, err = h.inspector.GetTaskInfo(h.queue(), id)
		return err == nil && info.State == asynq.TaskStateCompleted &&
			info.CompletedAt.Compare(before.CompletedAt) >= 0
	}, testTimeout, time.Millisecond)
	return string(info.Result)
}

// batch finds the batch of the only shown query.
func (h *mirrorHarness) batch(t *testing.T) string {
	t.Helper()
	list := h.scheduled(t)
	require.Len(t, list, 1)
	var payload struct{ Batch string }
	require.NoError(t, json.Unmarshal(list[0].Payload, &payload))
	return payload.Batch
}

// settle has the provider say that all recipients of a batch of three were paid.
func (h *mirrorHarness) settle(t *testing.T, batch string) {
	t.Helper()
	b, err := h.store.Load(t.Context(), batch)
	require.NoError(t, err)
	var lines []providers.RecipientStatus
	for _, m := range b.Members {
		lines = append(lines, providers.RecipientStatus{Phone: m.Phone, Status: airtime.Successful})
	}
	_, err = h.store.Observe(t.Context(), b, lines, true, state.PollSchedule{})
	require.NoError(t, err)
}

// TestWhatWaitsStandsInTheDashboard, in words; who runs it there brings the query forward, once.
func TestWhatWaitsStandsInTheDashboard(t *testing.T) {
	t.Parallel()
	h := newMirrorHarness(t)
	h.send(t, "d", 0, 3)
	h.look(t) // A second look, or another poller, adds nothing.
	list := h.scheduled(t)
	require.Len(t, list, 1)
	var payload map[string]any
	require.NoError(t, json.Unmarshal(list[0].Payload, &payload))
	batch := fmt.Sprint(payload["batch"])
	require.Equal(t, batch+":1", list[0].ID)
	require.Equal(t, tasks.TypePoll, list[0].Type)
	for field, want := range map[string]any{
		"provider": lipad, "recipients": 3., "open": 3., "attempt": 1., "number": 1.,
	} {
		require.Equal(t, want, payload[field], field)
	}
	_, err := time.Parse(time.RFC3339Nano, fmt.Sprint(payload["since"]))
	require.NoError(t, err)
	due, err := time.Parse(time.RFC3339Nano, fmt.Sprint(payload["due"]))
	require.NoError(t, err)
	require.Equal(t, (due.UnixMilli()+999)/1000, list[0].NextProcessAt.Unix())

	h.serve(t, tasks.QueuePoll, tasks.TypePoll, h.poll())
	require.Contains(t, h.run(t, list[0].ID), "changed")
	require.Equal(t, 1, h.provider.queries())
	require.Contains(t, h.run(t, list[0].ID), "answered")
	require.Equal(t, 1, h.provider.queries(), "once")

	h.look(t)
	require.Equal(t, batch+":2", h.scheduled(t)[0].ID, "the next one")
	require.Contains(t, h.run(t, batch+":2"), "less than a minute ago")
	require.Equal(t, 1, h.provider.queries())
	h.settle(t, batch)
	h.look(t)
	require.Empty(t, h.scheduled(t), "nothing is open")
}

// TestLostAndOldScheduledQueriesChangeNothing: the schedule is the state's.
func TestLostAndOldScheduledQueriesChangeNothing(t *testing.T) {
	t.Parallel()
	h := newMirrorHarness(t)
	ctx := t.Context()
	h.send(t, "d", 0, 3)
	batch := h.batch(t)
	due := func() float64 {
		score, err := h.rdb.ZScore(ctx, "{"+h.options.Namespace+"}:due", batch).Result()
		require.NoError(t, err)
		return score
	}
	was := due()
	h.forget(t)
	h.look(t)
	// Asynq's own list does not find a queue that was deleted, until its processes start again.
	require.NoError(t, h.rdb.SAdd(ctx, "asynq:queues", h.queue()).Err())
	require.Equal(t, batch+":1", h.scheduled(t)[0].ID, "it is shown again")
	require.InDelta(t, was, due(), 0)

	// A callback brings the query forward: the task that shows it at its old time does nothing, and
	// neither do tasks of a producer that stand there.
	_, err := h.store.Hint(ctx, batch, providers.RecipientStatus{})
	require.NoError(t, err)
	_, err = asynq.NewClientFromRedisClient(h.rdb).Enqueue(task("strange", "{}"),
		asynq.Queue(h.queue()), asynq.ProcessIn(2*time.Hour), asynq.TaskID("theirs"))
	require.NoError(t, err)
	stop := h.serve(t, tasks.QueuePoll, tasks.TypePoll, h.poll())
	require.Contains(t, h.run(t, batch+":1"), "its time has moved")
	require.Zero(t, h.provider.queries())
	require.Eventually(t, func() bool {
		h.look(t)
		return h.provider.queries() == 1
	}, testTimeout, 5*time.Millisecond)
	stop()
	h.settle(t, batch)
	h.look(t)
	require.Len(t, h.scheduled(t), 1)
	require.Equal(t, "theirs", h.scheduled(t)[0].ID)
}

// TestAShownQueryIsMadeWhenItIsDue, not when asynq looks at what it has scheduled.
func TestAShownQueryIsMadeWhenItIsDue(t *testing.T) {
	t.Parallel()
	h := newMirrorHarness(t)
	clock := h.clocked(t)
	h.due.Store, h.mirror.Store = h.store, h.store
	h.send(t, "d", 0, 3)
	batch := h.batch(t)
	clock.Pass(100 * time.Minute)
	h.due.Once(t.Context())
	require.Empty(t, h.scheduled(t), "the scheduled task is the trigger")
	h.serve(t, tasks.QueuePoll, tasks.TypePoll, h.poll())
	require.Eventually(t, func() bool {
		return len(h.completed(t, tasks.QueuePoll)) == 1
	}, testTimeout,
		time.Millisecond)
	require.Equal(t, batch+":1", h.completed(t, tasks.QueuePoll)[0].ID)
	require.Equal(t, 1, h.provider.queries())
}

// TestAThousandQueriesAreShown of however many wait: the next ones.
func TestAThousandQueriesAreShown(t *testing.T) {
	t.Parallel()
	h := newMirrorHarness(t)
	ctx := context.Background()
	key := func(kind string) string { return "{" + h.options.Namespace + "}:" + kind }
	h.send(t, "d", 0, 1)
	pipe, start := h.rdb.Pipeline(), time.Now()
	for i := range 1100 {
		id := fmt.Sprintf("0190a1b2-0000-7000-8000-%012d", i)
		pipe.HSet(ctx, key("batch:"+id), "provider", lipad, "state", "open", "n", 1, "open", 1)
		pipe.ZAdd(ctx, key("due"), redis.Z{
			Score: float64(start.UnixMilli() + int64(2000+i)*1000), Member: id,
		})
	}
	_, err := pipe.Exec(ctx)
	require.NoError(t, err)
	h.look(t)
	list := h.scheduled(t)
	require.Len(t, list, 1000)
	for _, info := range list {
		require.Less(t, info.NextProcessAt.Unix(), start.Unix()+3002, "the soonest")
	}
}

// TestWhileNothingWaitsNothingIsRead: a poller without work does not look for what to show.
func TestWhileNothingWaitsNothingIsRead(t *testing.T) {
	t.Parallel()
	h := newMirrorHarness(t)
	h.due.Once(t.Context())
	nothing := &tasks.Mirror{Due: h.due} // It would panic if it read anything.
	nothing.Once(t.Context())
	h.send(t, "d", 0, 1)
	require.Panics(t, func() { nothing.Once(t.Context()) })
}

// TestTwoPollersShowOneTask of each query.
func TestTwoPollersShowOneTask(t *testing.T) {
	t.Parallel()
	h := newMirrorHarness(t)
	h.send(t, "d", 0, 3)
	other := *h.mirror
	require.NoError(t, h.inspector.DeleteTask(h.queue(), h.batch(t)+":1"))
	for range 3 {
		other.Once(t.Context())
		h.mirror.Once(t.Context())
	}
	require.Len(t, h.scheduled(t), 1)
	require.Zero(t, h.logs.FilterMessageSnippet("not shown").Len())
}
