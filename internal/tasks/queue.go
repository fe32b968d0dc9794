package tasks

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/hibiken/asynq"
	"github.com/redis/go-redis/v9"
	"go.uber.org/zap"

	"tuma/internal/effect"
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

// readable is how long a finished task stays in the dashboard. No other task gets its id, so this
// is for readers only.
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
	rdb, err := state.Dial(options)
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

// key is the key under which asynq keeps something of a queue: its pending tasks, say.
func (q *Queues) key(queue, what string) string { return queueKey(q.namespace, queue, what) }

// queueKey is key without a connection.
func queueKey(namespace, queue, what string) string {
	return "asynq:{" + QueueName(namespace, queue) + "}:" + what
}

// QueueName is Name without a connection.
func QueueName(namespace, queue string) string {
	if namespace == "" || namespace == "tuma" {
		return queue
	}
	return namespace + "-" + queue
}

// enqueue adds a trigger. One that still waits or runs under its id is as good as a new one. One
// that has ended, and is only kept for readers, is not: a Redis that has forgotten the last seconds
// gives numbers out that it gave before, so the trigger gets an id that nobody has had.
func (q *Queues) enqueue(ctx context.Context, queue, kind, id string, payload []byte) error {
	err := effect.Do(ctx, "trigger", func() error {
		_, err := q.client.EnqueueContext(ctx, asynq.NewTask(kind, payload),
			asynq.Queue(q.Name(queue)), asynq.TaskID(id), asynq.MaxRetry(1),
			asynq.Timeout(5*time.Minute), asynq.Retention(readable))
		return err
	})
	if !errors.Is(err, asynq.ErrTaskIDConflict) {
		return err
	}
	ended, err := q.ended(ctx, queue, id)
	if err != nil || !ended {
		return err
	}
	return q.enqueue(ctx, queue, kind, id+"-"+strings.ToLower(rand.Text()), payload)
}

// ended reports whether the task of an id is done, and nobody will run it.
func (q *Queues) ended(ctx context.Context, queue, id string) (bool, error) {
	is, err := q.rdb.HGet(ctx, q.key(queue, "t:"+id), "state").Result()
	if errors.Is(err, redis.Nil) {
		return true, nil // It has gone since.
	}
	return is == asynq.TaskStateCompleted.String() || is == asynq.TaskStateArchived.String(), err
}

// crowded reports whether at least limit tasks wait in a queue. Nobody takes them while the queue
// is paused or all workers are down, and one trigger more would then do nothing but fill Redis.
func (q *Queues) crowded(ctx context.Context, queue string, limit int64) bool {
	n, err := q.rdb.LLen(ctx, q.key(queue, "pending")).Result()
	return err == nil && n >= limit
}

// Resume takes away the pause of a queue that somebody set in the dashboard, and says whether there
// was one. It also ends that of a queue which asynq itself does not know any more: of those the
// dashboard and asynq's own command say only that they are not found.
func (q *Queues) Resume(ctx context.Context, queue string) (bool, error) {
	n, err := q.rdb.Del(ctx, q.key(queue, "paused")).Result()
	if err != nil {
		return false, fmt.Errorf("resume the queue %s: %w", q.Name(queue), err)
	}
	return n > 0, nil
}

// paused reports whether an operator paused a queue in the dashboard. When Redis does not answer
// the queue counts as paused: nothing is lost by waiting.
func (q *Queues) paused(ctx context.Context, queue string) bool {
	n, err := q.rdb.Exists(ctx, q.key(queue, "paused")).Result()
	return err != nil || n > 0
}
