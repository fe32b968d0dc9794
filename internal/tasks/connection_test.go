package tasks

import (
	"context"
	"testing"
	"testing/synctest"
	"time"

	"github.com/redis/go-redis/v9"
	"github.com/stretchr/testify/require"
)

// reply is an answer of Redis that is an error.
type reply string

func (r reply) Error() string { return string(r) }
func (reply) RedisError()     {}

// TestARefusalTakesItsTime: a Redis that is full answers every fetch with an error, and asynq asks
// again at once. Whatever is no refusal takes none.
func TestARefusalTakesItsTime(t *testing.T) {
	t.Parallel()
	for name, row := range map[string]struct {
		command string
		err     error
		takes   time.Duration
	}{
		"full":            {"evalsha", reply("OOM command not allowed"), 200 * time.Millisecond},
		"no script":       {"evalsha", reply("NOSCRIPT no matching script"), 0},
		"nothing there":   {"eval", redis.Nil, 0},
		"another command": {"get", reply("OOM command not allowed"), 0},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				ctx := context.Background()
				process := steady{}.ProcessHook(func(context.Context, redis.Cmder) error {
					return row.err
				})
				began := time.Now()
				require.Equal(t, row.err, process(ctx, redis.NewCmd(ctx, row.command)))
				require.Equal(t, row.takes, time.Since(began))
			})
		})
	}
}
