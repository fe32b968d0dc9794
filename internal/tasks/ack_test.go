package tasks_test

import (
	"bytes"
	"context"
	"strconv"
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

// firstAck refuses the first acknowledgement of a finished task.
func firstAck() func([]byte) fate {
	var refused atomic.Bool
	return func(request []byte) fate {
		ack := bytes.Contains(request, []byte(":completed\r\n")) &&
			bytes.Contains(request, []byte(":lease\r\n"))
		if ack && refused.CompareAndSwap(false, true) {
			return refuse
		}
		return pass
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
		o := throughWire(t, r, firstAck())
		client, err := state.Dial(o)
		require.NoError(t, err)
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
		require.Equal(t, int64(2), r.runs(t, &handler), "asynq has mended this: drop the hook")
	})
	t.Run("our client", func(t *testing.T) {
		t.Parallel()
		r := newRig(t, nil)
		var handler counter
		r.serveOn(t, throughWire(t, r, firstAck()), lipad, tasks.TypeSubmit, &handler)
		require.Equal(t, int64(1), r.runs(t, &handler))
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

// runs enqueues a task, lets the first repetition of its acknowledgement pass, lets its lease run
// out, starts a second server (a server recovers what was lost when it starts), and returns how
// often the handler has run.
func (r *rig) runs(t testing.TB, handler *counter) int64 {
	t.Helper()
	r.queues.Ring(context.Background(), &state.Ring{Provider: lipad, Number: 1})
	require.Eventually(t, func() bool { return handler.runs.Load() == 1 }, patience,
		10*time.Millisecond)
	time.Sleep(7 * time.Second) // asynq repeats every five seconds.
	lease := "asynq:{" + r.queues.Name(lipad) + "}:lease"
	err := r.rdb.ZAddXX(context.Background(), lease, redis.Z{
		Score: float64(time.Now().Add(-2 * time.Minute).Unix()), Member: "lipad:1",
	}).Err()
	require.NoError(t, err)
	r.serve(t, lipad, tasks.TypeSubmit, handler)
	deadline := time.Now().Add(9 * time.Second) // A second, and the forwarder's five.
	for handler.runs.Load() < 2 && time.Now().Before(deadline) {
		if len(r.completed(t, lipad)) > 0 {
			break // Acknowledged: nothing can bring it back.
		}
		time.Sleep(20 * time.Millisecond)
	}
	return handler.runs.Load()
}
