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
func (a *acks) refuseFirst(request []byte) fate {
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
		r := newRig(t, nil)
		o := throughWire(t, r, new(acks).refuseFirst)
		client, err := state.Dial(o)
		require.NoError(t, err)
		var tried tries
		client.AddHook(&tried)
		server := asynq.NewServerFromRedisClient(client, asynq.Config{
			Queues: map[string]int{r.queues.Name(lipad): 1}, LogLevel: asynq.FatalLevel,
		})
		mux := asynq.NewServeMux()
		var handler counter
		mux.Handle(tasks.TypeSubmit, &handler)
		require.NoError(t, server.Start(mux))
		t.Cleanup(func() {
			server.Shutdown()
			require.NoError(t, client.Close())
		})
		require.Equal(t, int64(2), r.runs(t, &handler, &tried.acks),
			"asynq has mended this: drop the hook")
	})
	t.Run("our client", func(t *testing.T) {
		t.Parallel()
		r := newRig(t, nil)
		var handler counter
		var seen acks
		r.serveOn(t, throughWire(t, r, seen.refuseFirst), lipad, tasks.TypeSubmit, &handler)
		require.Equal(t, int64(1), r.runs(t, &handler, &seen))
	})
}

// throughWire returns the rig's options with a wire in front of its Redis.
func throughWire(t testing.TB, r *rig, judge func([]byte) fate) state.Options {
	t.Helper()
	o, _ := r.onWire(t, judge)
	return o
}

// onWire is throughWire that also returns the wire.
func (r *rig) onWire(t testing.TB, judge func([]byte) fate) (state.Options, *wire) {
	t.Helper()
	parsed, err := redis.ParseURL(r.options.URL)
	require.NoError(t, err)
	w := newWire(t, parsed.Addr, judge)
	o := r.options
	o.URL = "redis://" + w.addr() + "/" + strconv.Itoa(parsed.DB)
	return o, w
}

// runs enqueues a task, lets a repetition of its acknowledgement pass, lets its lease run out,
// starts a second server (a server recovers what was lost when it starts), and returns how often
// the handler has run.
func (r *rig) runs(t testing.TB, handler *counter, seen *acks) int64 {
	t.Helper()
	r.queues.Wake(context.Background(), &state.Wakeup{Provider: lipad, Number: 1})
	require.Eventually(t, func() bool { return seen.times.Load() >= 2 }, patience, time.Millisecond)
	lease := "asynq:{" + r.queues.Name(lipad) + "}:lease"
	err := r.rdb.ZAddXX(context.Background(), lease, redis.Z{
		Score: float64(time.Now().Add(-2 * time.Minute).Unix()), Member: "lipad:1",
	}).Err()
	require.NoError(t, err)
	r.serve(t, lipad, tasks.TypeSubmit, handler)
	require.Eventually(t, func() bool { // What is acknowledged, nothing can bring back.
		return handler.runs.Load() == 2 || len(r.completed(t, lipad)) > 0
	}, patience, 20*time.Millisecond)
	return handler.runs.Load()
}
