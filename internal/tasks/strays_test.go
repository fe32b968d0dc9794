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

// strayHarness has disbursal:accept tasks in places where asynq leaves them for ever. The task of
// each place holds the disbursal of that name.
type strayHarness struct {
	*harness
	client *asynq.Client
}

func (h *strayHarness) key(queue, what string) string {
	return "asynq:{" + h.queues.Name(queue) + "}:" + what
}

func (h *strayHarness) enqueue(t *testing.T, queue, kind, name string, options ...asynq.Option) {
	t.Helper()
	_, err := h.client.Enqueue(task(kind, job(name, len(name)*100, 1)), append(options,
		asynq.TaskID(name), asynq.Queue(h.queues.Name(queue)))...)
	require.NoError(t, err)
}

// take makes a waiting task active, as a server does that takes it.
func (h *strayHarness) take(t *testing.T, queue, name string, lease *time.Time) {
	t.Helper()
	ctx := t.Context()
	require.NoError(t, h.rdb.LRem(ctx, h.key(queue, "pending"), 1, name).Err())
	require.NoError(t, h.rdb.LPush(ctx, h.key(queue, "active"), name).Err())
	require.NoError(t, h.rdb.HSet(ctx, h.key(queue, "t:"+name), "state", "active").Err())
	if lease != nil {
		require.NoError(t, h.rdb.ZAdd(ctx, h.key(queue, "lease"),
			redis.Z{Score: float64(lease.Unix()), Member: name}).Err())
	}
}

// cut moves a task of a group into an aggregation set, as a server that aggregates does before it
// stops.
func (h *strayHarness) cut(t *testing.T, queue, group, name string) {
	t.Helper()
	ctx, set := t.Context(), h.key(queue, "g:"+group+":0190a1b2-0000-4000-8000-000000000001")
	require.NoError(t, h.rdb.ZRem(ctx, h.key(queue, "g:"+group), name).Err())
	require.NoError(t, h.rdb.ZAdd(ctx, set, redis.Z{Score: 1, Member: name}).Err())
	require.NoError(t, h.rdb.ZAdd(ctx, h.key(queue, "aggregation_sets"),
		redis.Z{Score: 1, Member: set}).Err())
}

// TestWhatOnlyAsynqHoldsIsTakenUp, wherever it stands, or is kept on the rejected stream.
func TestWhatOnlyAsynqHoldsIsTakenUp(t *testing.T) {
	t.Parallel()
	h := &strayHarness{harness: newHarness(t, nil)}
	h.client = asynq.NewClientFromRedisClient(h.rdb)
	long := time.Now().Add(-time.Hour)

	h.enqueue(t, tasks.QueueDisbursals, tasks.TypeAccept, "no-lease")
	h.take(t, tasks.QueueDisbursals, "no-lease", nil)
	h.enqueue(t, tasks.QueueDisbursals, tasks.TypeAccept, "in-a-group", asynq.Group("g"))
	h.enqueue(t, tasks.QueueDisbursals, tasks.TypeAccept, "in-an-aggregation-set",
		asynq.Group("h"))
	h.cut(t, tasks.QueueDisbursals, "h", "in-an-aggregation-set")
	h.enqueue(t, tasks.QueueDisbursals, tasks.TypeAccept, "in-an-unlisted-group", asynq.Group("h"))
	require.NoError(t, h.rdb.SRem(t.Context(), h.key(tasks.QueueDisbursals, "groups"), "h").Err())
	h.enqueue(t, lipad, tasks.TypeAccept, "in-another-queue")
	h.enqueue(t, tasks.QueueDisbursals, "disbursal:acept", "another-type")
	h.enqueue(t, tasks.QueueDisbursals, tasks.TypeAccept, "payload-gone")
	require.NoError(t, h.rdb.Del(t.Context(),
		h.key(tasks.QueueDisbursals, "t:payload-gone")).Err())
	h.enqueue(t, tasks.QueueDisbursals, tasks.TypeAccept, "unreadable")
	h.take(t, tasks.QueueDisbursals, "unreadable", &long)
	require.NoError(t, h.rdb.HSet(t.Context(), h.key(tasks.QueueDisbursals, "t:unreadable"), "msg",
		"no protobuf").Err())

	h.worker(t)
	h.serve(t, tasks.QueueDisbursals, tasks.TypeAccept, h.inlet())
	for _, name := range []string{
		"no-lease", "in-a-group", "in-an-aggregation-set", "in-an-unlisted-group", "in-another-queue",
	} {
		require.Eventually(t, func() bool {
			held, err := h.store.Summarize(t.Context(), state.KindDisbursal, name)
			return err == nil && held.Recipients == 1
		}, testTimeout, 5e6, name)
	}
	want := map[string]string{
		"type": job("another-type", 1200, 1), "nothing is left": "", "cannot be read": "no protobuf",
	}
	require.Eventually(t, func() bool { return len(h.rejected(t)) >= len(want) }, testTimeout, 5e6)
	for _, entry := range h.rejected(t) {
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
		n := h.rdb.LLen(t.Context(), h.key(tasks.QueueDisbursals, "active")).Val() +
			h.rdb.SCard(t.Context(), h.key(tasks.QueueDisbursals, "groups")).Val() +
			h.rdb.ZCard(t.Context(), h.key(tasks.QueueDisbursals, "aggregation_sets")).Val()
		return n == 0
	}, testTimeout, 5e6)
}
