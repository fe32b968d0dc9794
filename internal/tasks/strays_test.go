package tasks_test

import (
	"fmt"
	"testing"
	"time"

	"github.com/hibiken/asynq"
	"github.com/redis/go-redis/v9"
	"github.com/stretchr/testify/require"

	"tuma/internal/state"
	"tuma/internal/tasks"
)

// strayRig has disbursal:accept tasks in places where asynq leaves them for ever. The task of each
// place holds the disbursal of that name.
type strayRig struct {
	*rig
	client *asynq.Client
}

func (r *strayRig) key(queue, what string) string {
	return "asynq:{" + r.queues.Name(queue) + "}:" + what
}

func (r *strayRig) enqueue(t *testing.T, queue, kind, name string, options ...asynq.Option) {
	t.Helper()
	_, err := r.client.Enqueue(task(kind, job(name, len(name)*100, 1)), append(options,
		asynq.TaskID(name), asynq.Queue(r.queues.Name(queue)))...)
	require.NoError(t, err)
}

// take makes a waiting task active, as a server does that takes it.
func (r *strayRig) take(t *testing.T, queue, name string, lease *time.Time) {
	t.Helper()
	ctx := t.Context()
	require.NoError(t, r.rdb.LRem(ctx, r.key(queue, "pending"), 1, name).Err())
	require.NoError(t, r.rdb.LPush(ctx, r.key(queue, "active"), name).Err())
	require.NoError(t, r.rdb.HSet(ctx, r.key(queue, "t:"+name), "state", "active").Err())
	if lease != nil {
		require.NoError(t, r.rdb.ZAdd(ctx, r.key(queue, "lease"),
			redis.Z{Score: float64(lease.Unix()), Member: name}).Err())
	}
}

// cut moves a task of a group into an aggregation set, as a server that aggregates does before it
// stops.
func (r *strayRig) cut(t *testing.T, queue, group, name string) {
	t.Helper()
	ctx, set := t.Context(), r.key(queue, "g:"+group+":0190a1b2-0000-4000-8000-000000000001")
	require.NoError(t, r.rdb.ZRem(ctx, r.key(queue, "g:"+group), name).Err())
	require.NoError(t, r.rdb.ZAdd(ctx, set, redis.Z{Score: 1, Member: name}).Err())
	require.NoError(t, r.rdb.ZAdd(ctx, r.key(queue, "aggregation_sets"),
		redis.Z{Score: 1, Member: set}).Err())
}

// TestWhatOnlyAsynqHoldsIsTakenUp, wherever it stands, or is kept on the rejected stream.
func TestWhatOnlyAsynqHoldsIsTakenUp(t *testing.T) {
	t.Parallel()
	r := &strayRig{rig: newRig(t, nil)}
	r.client = asynq.NewClientFromRedisClient(r.rdb)
	long := time.Now().Add(-time.Hour)

	r.enqueue(t, tasks.QueueDisbursals, tasks.TypeAccept, "no-lease")
	r.take(t, tasks.QueueDisbursals, "no-lease", nil)
	r.enqueue(t, tasks.QueueDisbursals, tasks.TypeAccept, "in-a-group", asynq.Group("g"))
	r.enqueue(t, tasks.QueueDisbursals, tasks.TypeAccept, "in-an-aggregation-set",
		asynq.Group("h"))
	r.cut(t, tasks.QueueDisbursals, "h", "in-an-aggregation-set")
	r.enqueue(t, tasks.QueueDisbursals, tasks.TypeAccept, "in-an-unlisted-group", asynq.Group("h"))
	require.NoError(t, r.rdb.SRem(t.Context(), r.key(tasks.QueueDisbursals, "groups"), "h").Err())
	r.enqueue(t, lipad, tasks.TypeAccept, "in-another-queue")
	r.enqueue(t, tasks.QueueDisbursals, "disbursal:acept", "another-type")
	r.enqueue(t, tasks.QueueDisbursals, tasks.TypeAccept, "payload-gone")
	require.NoError(t, r.rdb.Del(t.Context(),
		r.key(tasks.QueueDisbursals, "t:payload-gone")).Err())
	r.enqueue(t, tasks.QueueDisbursals, tasks.TypeAccept, "unreadable")
	r.take(t, tasks.QueueDisbursals, "unreadable", &long)
	require.NoError(t, r.rdb.HSet(t.Context(), r.key(tasks.QueueDisbursals, "t:unreadable"), "msg",
		"no protobuf").Err())

	r.worker(t)
	r.serve(t, tasks.QueueDisbursals, tasks.TypeAccept, r.inlet())
	for _, name := range []string{
		"no-lease", "in-a-group", "in-an-aggregation-set", "in-an-unlisted-group", "in-another-queue",
	} {
		require.Eventually(t, func() bool {
			held, err := r.store.Summarize(t.Context(), state.KindDisbursal, name)
			return err == nil && held.Recipients == 1
		}, patience, 5e6, name)
	}
	want := map[string]string{
		"type": job("another-type", 1200, 1), "nothing is left": "", "cannot be read": "no protobuf",
	}
	require.Eventually(t, func() bool { return len(r.rejected(t)) >= len(want) }, patience, 5e6)
	for _, entry := range r.rejected(t) {
		require.Equal(t, "asynq", entry["source"], entry)
		found := false
		for reason, kept := range want {
			if fmt.Sprint(entry["job"]) == kept {
				require.Contains(t, entry["error"], reason)
				found = true
			}
		}
		require.True(t, found, entry)
	}
	require.Eventually(t, func() bool {
		n := r.rdb.LLen(t.Context(), r.key(tasks.QueueDisbursals, "active")).Val() +
			r.rdb.SCard(t.Context(), r.key(tasks.QueueDisbursals, "groups")).Val() +
			r.rdb.ZCard(t.Context(), r.key(tasks.QueueDisbursals, "aggregation_sets")).Val()
		return n == 0
	}, patience, 5e6)
}
