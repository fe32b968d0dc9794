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
	"tuma/internal/state"
	"tuma/internal/tasks"
)

// mirrorRig has batches at the provider that are asked about in an hour, and what shows that.
type mirrorRig struct {
	*rig
	due    *tasks.Due
	mirror *tasks.Mirror
}

func newMirrorRig(t *testing.T) *mirrorRig {
	t.Helper()
	r := &mirrorRig{rig: newRig(t, nil)}
	r.backoff = tasks.Backoff{Initial: time.Hour, Max: time.Hour, Multiplier: 1}
	r.due = &tasks.Due{Store: r.store, Queues: r.queues, Log: r.log, Redeliver: time.Minute}
	r.mirror = &tasks.Mirror{Store: r.store, Queues: r.queues, Due: r.due, Log: r.log}
	return r
}

// send sends a disbursal of n recipients, and has the dashboard show its query.
func (r *mirrorRig) send(t *testing.T, reference string, first, n int) {
	t.Helper()
	r.acceptSilently(t, disbursal(reference, first, n))
	r.turn(t)
	r.look(t)
}

func (r *mirrorRig) look(t *testing.T) {
	t.Helper()
	r.due.Once(t.Context())
	r.mirror.Once(t.Context())
}

func (r *mirrorRig) queue() string { return r.queues.Name(tasks.QueuePoll) }

func (r *mirrorRig) scheduled(t *testing.T) []*asynq.TaskInfo {
	t.Helper()
	list, err := r.inspector.ListScheduledTasks(r.queue(), asynq.PageSize(2000))
	if err != nil {
		require.ErrorIs(t, err, asynq.ErrQueueNotFound)
	}
	return list
}

// run runs a task in the dashboard, and returns what becomes of it.
func (r *mirrorRig) run(t *testing.T, id string) string {
	t.Helper()
	before, err := r.inspector.GetTaskInfo(r.queue(), id)
	require.NoError(t, err)
	require.NoError(t, r.inspector.RunTask(r.queue(), id))
	var info *asynq.TaskInfo
	require.Eventually(t, func() bool {
		info, err = r.inspector.GetTaskInfo(r.queue(), id)
		return err == nil && info.State == asynq.TaskStateCompleted &&
			info.CompletedAt.Compare(before.CompletedAt) >= 0
	}, patience, time.Millisecond)
	return string(info.Result)
}

// batch finds the batch of the only shown query.
func (r *mirrorRig) batch(t *testing.T) string {
	t.Helper()
	list := r.scheduled(t)
	require.Len(t, list, 1)
	var payload struct{ Batch string }
	require.NoError(t, json.Unmarshal(list[0].Payload, &payload))
	return payload.Batch
}

// settle has the provider say that all recipients of a batch of three were paid.
func (r *mirrorRig) settle(t *testing.T, batch string) {
	t.Helper()
	var facts []state.Observation
	for i := range 3 {
		facts = append(facts, state.Observation{Position: i, Status: airtime.Successful})
	}
	_, err := r.store.Observe(t.Context(), batch, facts, true, state.PollSchedule{})
	require.NoError(t, err)
}

// TestWhatWaitsStandsInTheDashboard, in words; who runs it there brings the query forward, once.
func TestWhatWaitsStandsInTheDashboard(t *testing.T) {
	t.Parallel()
	r := newMirrorRig(t)
	r.send(t, "d", 0, 3)
	r.look(t) // A second look, or another poller, adds nothing.
	list := r.scheduled(t)
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

	r.serve(t, tasks.QueuePoll, tasks.TypePoll, r.poll())
	require.Contains(t, r.run(t, list[0].ID), "changed")
	require.Equal(t, 1, r.provider.queries())
	require.Contains(t, r.run(t, list[0].ID), "answered")
	require.Equal(t, 1, r.provider.queries(), "once")

	r.look(t)
	require.Equal(t, batch+":2", r.scheduled(t)[0].ID, "the next one")
	require.Contains(t, r.run(t, batch+":2"), "less than a minute ago")
	require.Equal(t, 1, r.provider.queries())
	r.settle(t, batch)
	r.look(t)
	require.Empty(t, r.scheduled(t), "nothing is open")
}

// TestLostAndOldScheduledQueriesChangeNothing: the schedule is the state's.
func TestLostAndOldScheduledQueriesChangeNothing(t *testing.T) {
	t.Parallel()
	r := newMirrorRig(t)
	ctx := t.Context()
	r.send(t, "d", 0, 3)
	batch := r.batch(t)
	due := func() float64 {
		score, err := r.rdb.ZScore(ctx, "{"+r.options.Namespace+"}:due", batch).Result()
		require.NoError(t, err)
		return score
	}
	was := due()
	r.forget(t)
	r.look(t)
	// Asynq's own list does not find a queue that was deleted, until its processes start again.
	require.NoError(t, r.rdb.SAdd(ctx, "asynq:queues", r.queue()).Err())
	require.Equal(t, batch+":1", r.scheduled(t)[0].ID, "it is shown again")
	require.InDelta(t, was, due(), 0)

	// A callback brings the query forward: the task that shows it at its old time does nothing, and
	// neither do tasks of a producer that stand there.
	_, err := r.store.Hint(ctx, batch)
	require.NoError(t, err)
	_, err = asynq.NewClientFromRedisClient(r.rdb).Enqueue(task("strange", "{}"),
		asynq.Queue(r.queue()), asynq.ProcessIn(2*time.Hour), asynq.TaskID("theirs"))
	require.NoError(t, err)
	stop := r.serve(t, tasks.QueuePoll, tasks.TypePoll, r.poll())
	require.Contains(t, r.run(t, batch+":1"), "its time has moved")
	require.Zero(t, r.provider.queries())
	require.Eventually(t, func() bool {
		r.look(t)
		return r.provider.queries() == 1
	}, patience, 5*time.Millisecond)
	stop()
	r.settle(t, batch)
	r.look(t)
	require.Len(t, r.scheduled(t), 1)
	require.Equal(t, "theirs", r.scheduled(t)[0].ID)
}

// TestAShownQueryIsMadeWhenItIsDue, not when asynq looks at what it has scheduled.
func TestAShownQueryIsMadeWhenItIsDue(t *testing.T) {
	t.Parallel()
	r := newMirrorRig(t)
	clock := r.clocked(t)
	r.due.Store, r.mirror.Store = r.store, r.store
	r.send(t, "d", 0, 3)
	batch := r.batch(t)
	clock.Pass(100 * time.Minute)
	r.due.Once(t.Context())
	require.Empty(t, r.scheduled(t), "the scheduled task is the trigger")
	r.serve(t, tasks.QueuePoll, tasks.TypePoll, r.poll())
	require.Eventually(t, func() bool { return len(r.completed(t, tasks.QueuePoll)) == 1 }, patience,
		time.Millisecond)
	require.Equal(t, batch+":1", r.completed(t, tasks.QueuePoll)[0].ID)
	require.Equal(t, 1, r.provider.queries())
}

// TestAThousandQueriesAreShown of however many wait: the next ones.
func TestAThousandQueriesAreShown(t *testing.T) {
	t.Parallel()
	r := newMirrorRig(t)
	ctx := context.Background()
	key := func(kind string) string { return "{" + r.options.Namespace + "}:" + kind }
	r.send(t, "d", 0, 1)
	pipe, start := r.rdb.Pipeline(), time.Now()
	for i := range 1100 {
		id := fmt.Sprintf("0190a1b2-0000-7000-8000-%012d", i)
		pipe.HSet(ctx, key("batch:"+id), "provider", lipad, "state", "open", "n", 1, "open", 1)
		pipe.ZAdd(ctx, key("due"), redis.Z{
			Score: float64(start.UnixMilli() + int64(2000+i)*1000), Member: id,
		})
	}
	_, err := pipe.Exec(ctx)
	require.NoError(t, err)
	r.look(t)
	list := r.scheduled(t)
	require.Len(t, list, 1000)
	for _, info := range list {
		require.Less(t, info.NextProcessAt.Unix(), start.Unix()+3002, "the soonest")
	}
}

// TestWhileNothingWaitsNothingIsRead: a poller without work does not look for what to show.
func TestWhileNothingWaitsNothingIsRead(t *testing.T) {
	t.Parallel()
	r := newMirrorRig(t)
	r.due.Once(t.Context())
	nothing := &tasks.Mirror{Due: r.due} // It would panic if it read anything.
	nothing.Once(t.Context())
	r.send(t, "d", 0, 1)
	require.Panics(t, func() { nothing.Once(t.Context()) })
}

// TestTwoPollersShowOneTask of each query.
func TestTwoPollersShowOneTask(t *testing.T) {
	t.Parallel()
	r := newMirrorRig(t)
	r.send(t, "d", 0, 3)
	other := *r.mirror
	require.NoError(t, r.inspector.DeleteTask(r.queue(), r.batch(t)+":1"))
	for range 3 {
		other.Once(t.Context())
		r.mirror.Once(t.Context())
	}
	require.Len(t, r.scheduled(t), 1)
	require.Zero(t, r.logs.FilterMessageSnippet("not shown").Len())
}
