package tasks_test

import (
	"bytes"
	"context"
	"strconv"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/hibiken/asynq"
	"github.com/redis/go-redis/v9"
	"github.com/stretchr/testify/require"

	"tuma/internal/redisconn"
	"tuma/internal/state"
	"tuma/internal/tasks"
)

// counter is a handler that counts its runs.
type counter struct{ runs atomic.Int64 }

func (c *counter) ProcessTask(context.Context, *asynq.Task) error {
	c.runs.Add(1)
	return nil
}

// acks counts the acknowledgements of finished tasks.
type acks struct{ times atomic.Int64 }

// refuseFirst refuses the first one on a wire, and counts there.
func (a *acks) refuseFirst(request []byte) wireAction {
	ack := bytes.Contains(request, []byte(":completed\r\n")) &&
		bytes.Contains(request, []byte(":lease\r\n"))
	if ack && a.times.Add(1) == 1 {
		return refuse
	}
	return pass
}

// tries counts those that a client tries, be it that they never reach the wire.
type tries struct{ acks }

func (*tries) DialHook(next redis.DialHook) redis.DialHook { return next }

func (*tries) ProcessPipelineHook(next redis.ProcessPipelineHook) redis.ProcessPipelineHook {
	return next
}

func (a *tries) ProcessHook(next redis.ProcessHook) redis.ProcessHook {
	return func(ctx context.Context, cmd redis.Cmder) error {
		text := cmd.String()
		if strings.Contains(text, ":completed ") && strings.Contains(text, ":lease ") {
			a.times.Add(1)
		}
		return next(ctx, cmd)
	}
}

// TestAFailedAcknowledgementIsRepeated: asynq repeats a failed acknowledgement every five seconds
// with a context that it has cancelled itself. With a plain client all of them fail, and when the
// lease has run out the handler runs again; with ours the first repetition succeeds.
func TestAFailedAcknowledgementIsRepeated(t *testing.T) {
	t.Parallel()
	t.Run("plain client", func(t *testing.T) {
		t.Parallel()
		h := newHarness(t, nil)
		o := throughWire(t, h, new(acks).refuseFirst)
		client, err := redisconn.Dial(o.Options)
		require.NoError(t, err)
		var tried tries
		client.AddHook(&tried)
		server := asynq.NewServerFromRedisClient(client, asynq.Config{
			Queues: map[string]int{h.queues.Name(lipad): 1}, LogLevel: asynq.FatalLevel,
		})
		mux := asynq.NewServeMux()
		var handler counter
		mux.Handle(tasks.TypeSubmit, &handler)
		require.NoError(t, server.Start(mux))
		t.Cleanup(func() {
			server.Shutdown()
			require.NoError(t, client.Close())
		})
		require.Equal(t, int64(2), h.runs(t, &handler, &tried.acks),
			"asynq has mended this: drop the hook")
	})
	t.Run("our client", func(t *testing.T) {
		t.Parallel()
		h := newHarness(t, nil)
		var handler counter
		var seen acks
		h.serveOn(t, throughWire(t, h, seen.refuseFirst), lipad, tasks.TypeSubmit, &handler)
		require.Equal(t, int64(1), h.runs(t, &handler, &seen))
	})
}

// throughWire returns the harness's options with a wire in front of its Redis.
func throughWire(t testing.TB, h *harness, judge func([]byte) wireAction) state.Options {
	t.Helper()
	o, _ := h.onWire(t, judge)
	return o
}

// onWire is throughWire that also returns the wire.
func (h *harness) onWire(t testing.TB, judge func([]byte) wireAction) (state.Options, *wire) {
	t.Helper()
	parsed, err := redis.ParseURL(h.options.URL)
	require.NoError(t, err)
	w := newWire(t, parsed.Addr, judge)
	o := h.options
	o.URL = "redis://" + w.addr() + "/" + strconv.Itoa(parsed.DB)
	return o, w
}

// runs enqueues a task, lets a repetition of its acknowledgement pass, lets its lease run out,
// starts a second server (a server recovers what was lost when it starts), and returns how often
// the handler has run.
func (h *harness) runs(t testing.TB, handler *counter, seen *acks) int64 {
	t.Helper()
	h.queues.Wake(context.Background(), &state.Wakeup{Provider: lipad, Number: 1})
	require.Eventually(t, func() bool { return seen.times.Load() >= 2 }, testTimeout, time.Millisecond)
	lease := "asynq:{" + h.queues.Name(lipad) + "}:lease"
	err := h.rdb.ZAddXX(context.Background(), lease, redis.Z{
		Score: float64(time.Now().Add(-2 * time.Minute).Unix()), Member: "lipad:1",
	}).Err()
	require.NoError(t, err)
	h.serve(t, lipad, tasks.TypeSubmit, handler)
	require.Eventually(t, func() bool { // What is acknowledged, nothing can bring back.
		return handler.runs.Load() == 2 || len(h.completed(t, lipad)) > 0
	}, testTimeout, 20*time.Millisecond)
	return handler.runs.Load()
}
