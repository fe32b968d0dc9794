package tasks

import (
	"context"
	"errors"
	"strings"
	"time"

	"github.com/redis/go-redis/v9"

	"tuma/internal/redisconn"
)

// serverConnection is a client for asynq servers, with a hook against three of asynq's habits.
//
// It cancels the context of an acknowledgement before it repeats it, so that a failed one could
// never succeed and the task would run again: such commands get a context of their own. And it asks
// for the next task at once when Redis answers with an error (full, read-only, loading), which
// takes a core of ours and of Redis's just when that is in trouble: such answers take their time.
// And it puts the tasks of an old aggregation set back into their group without listing the group,
// where nobody finds them any more: Strays takes them up instead.
func serverConnection(options redisconn.Options) (redis.UniversalClient, error) {
	rdb, err := redisconn.Dial(options)
	if err != nil {
		return nil, err
	}
	rdb.AddHook(steady{})
	return rdb, nil
}

// steady is the hook of serverConnection.
type steady struct{}

var _ redis.Hook = steady{}

const (
	// detached is how long an acknowledgement with a cancelled context may take.
	detached = 5 * time.Second
	// refusedPause is how long the answer to a refused script is held back.
	refusedPause = 200 * time.Millisecond
)

// DialHook changes nothing.
func (steady) DialHook(next redis.DialHook) redis.DialHook { return next }

// ProcessPipelineHook changes nothing: asynq works with scripts.
func (steady) ProcessPipelineHook(next redis.ProcessPipelineHook) redis.ProcessPipelineHook {
	return next
}

// ProcessHook detaches scripts whose context was cancelled and holds refusals back.
func (steady) ProcessHook(next redis.ProcessHook) redis.ProcessHook {
	return func(ctx context.Context, cmd redis.Cmder) error {
		if cmd.Name() != "evalsha" && cmd.Name() != "eval" {
			return next(ctx, cmd)
		}
		if reclaims(cmd) {
			return nil
		}
		if errors.Is(ctx.Err(), context.Canceled) {
			own, cancel := context.WithTimeout(context.WithoutCancel(ctx), detached)
			defer cancel()
			ctx = own
		}
		err := next(ctx, cmd)
		if refusal(err) {
			select {
			case <-ctx.Done():
			case <-time.After(refusedPause):
			}
		}
		return err
	}
}

// reclaims reports whether a script is the one that puts tasks of aggregation sets back: the only
// one whose first key is their index.
func reclaims(cmd redis.Cmder) bool {
	args := cmd.Args()
	if len(args) < 4 {
		return false
	}
	key, _ := args[3].(string)
	return strings.HasSuffix(key, ":aggregation_sets")
}

// refusal reports whether Redis answered with an error; "nothing there" and "send me the script"
// are none.
func refusal(err error) bool {
	var reply redis.Error
	return errors.As(err, &reply) && !errors.Is(err, redis.Nil) &&
		!redis.HasErrorPrefix(err, "NOSCRIPT")
}
