package tasks

import (
	"context"
	"errors"
	"time"

	"github.com/hibiken/asynq"
	"github.com/redis/go-redis/v9"
	"go.uber.org/zap"

	"tuma/internal/state"
)

// Task types and the queues that are not named after a provider.
const (
	TypeAccept = "disbursal:accept"
	TypeSubmit = "batch:submit"
	TypePoll   = "batch:poll"

	QueueDisbursals = "disbursals"
	QueuePoll       = "poll"
)

// readable is how long a finished task stays in the dashboard. Task ids are never used again, so
// this is for readers only.
const readable = 10 * time.Minute

// Queues is the connection to asynq of one process.
type Queues struct {
	namespace string
	rdb       redis.UniversalClient
	client    *asynq.Client
	log       *zap.Logger
}

// OpenQueues connects to the Redis of the state.
func OpenQueues(options state.Options, log *zap.Logger) (*Queues, error) {
	rdb, err := state.Dial(options, nil)
	if err != nil {
		return nil, err
	}
	return &Queues{
		namespace: options.Namespace, rdb: rdb, client: asynq.NewClientFromRedisClient(rdb), log: log,
	}, nil
}

// Close closes the connection.
func (q *Queues) Close() error { return q.rdb.Close() }

// Name returns the asynq name of a queue: the plain one in the default namespace, so that producers
// need to know one word only, and a prefixed one elsewhere, because asynq shares its keys.
func (q *Queues) Name(queue string) string { return QueueName(q.namespace, queue) }

// QueueName is Name without a connection.
func QueueName(namespace, queue string) string {
	if namespace == "" || namespace == "tuma" {
		return queue
	}
	return namespace + "-" + queue
}

// enqueue adds a trigger. One that is there already is as good as a new one: the id is only reused
// when a reply was lost and this very call had stored it.
func (q *Queues) enqueue(ctx context.Context, queue, kind, id string, payload []byte) error {
	_, err := q.client.EnqueueContext(ctx, asynq.NewTask(kind, payload),
		asynq.Queue(q.Name(queue)), asynq.TaskID(id), asynq.MaxRetry(1),
		asynq.Timeout(5*time.Minute), asynq.Retention(readable))
	if errors.Is(err, asynq.ErrTaskIDConflict) {
		return nil
	}
	return err
}

// paused reports whether an operator paused a queue in the dashboard. When Redis does not answer
// the queue counts as paused: nothing is lost by waiting.
func (q *Queues) paused(ctx context.Context, queue string) bool {
	n, err := q.rdb.Exists(ctx, "asynq:{"+q.Name(queue)+"}:paused").Result()
	return err != nil || n > 0
}

// serverConnection is a client for asynq servers. asynq cancels the context of an acknowledgement
// before it repeats it, so that a failed one could never succeed and the task would run again; the
// hook gives such commands a context of their own.
func serverConnection(options state.Options) (redis.UniversalClient, error) {
	rdb, err := state.Dial(options, nil)
	if err != nil {
		return nil, err
	}
	rdb.AddHook(detach{})
	return rdb, nil
}

// detach lets scripts run although their context was cancelled.
type detach struct{}

var _ redis.Hook = detach{}

// detached is how long an acknowledgement with a cancelled context may take.
const detached = 5 * time.Second

// DialHook changes nothing.
func (detach) DialHook(next redis.DialHook) redis.DialHook { return next }

// ProcessPipelineHook changes nothing: asynq acknowledges with scripts.
func (detach) ProcessPipelineHook(next redis.ProcessPipelineHook) redis.ProcessPipelineHook {
	return next
}

// ProcessHook detaches scripts whose context was cancelled.
func (detach) ProcessHook(next redis.ProcessHook) redis.ProcessHook {
	return func(ctx context.Context, cmd redis.Cmder) error {
		script := cmd.Name() == "evalsha" || cmd.Name() == "eval"
		if !script || !errors.Is(ctx.Err(), context.Canceled) {
			return next(ctx, cmd)
		}
		ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), detached)
		defer cancel()
		return next(ctx, cmd)
	}
}
