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
	"tuma/internal/redisconn"
	"tuma/internal/state"
)

// Task types and the queues that are not named after a provider.
const (
	TypeAccept = "disbursal:accept"
	TypeSubmit = "batch:submit"
	TypePoll   = "batch:poll"
	// TypeDeliver posts a result to an endpoint of a producer.
	TypeDeliver = "webhook:deliver"

	QueueDisbursals = "disbursals"
	QueuePoll       = "poll"
	QueueWebhooks   = "webhooks"
)

// readable is how long a finished task stays in the dashboard. No other task gets its id, so this
// is for readers only.
const readable = 10 * time.Minute

// Queues is the connection to asynq of one process.
type Queues struct {
	namespace string
	queues    []string // All of ours, without the namespace.
	rdb       redis.UniversalClient
	client    *asynq.Client
	log       *zap.Logger
}

// OpenQueues connects to the Redis of the state.
func OpenQueues(options state.Options, log *zap.Logger) (*Queues, error) {
	rdb, err := redisconn.Dial(options.Options)
	if err != nil {
		return nil, err
	}
	queues := []string{QueueDisbursals, QueuePoll, QueueWebhooks}
	for _, p := range options.Providers {
		queues = append(queues, p.Name)
	}
	return &Queues{
		namespace: options.Namespace, queues: queues, rdb: rdb,
		client: asynq.NewClientFromRedisClient(rdb), log: log,
	}, nil
}

// Close closes the connection.
func (q *Queues) Close() error { return q.rdb.Close() }

// Name returns the asynq name of a queue: the plain one in the default namespace, so that producers
// need to know one word only, and a prefixed one elsewhere, because asynq shares its keys.
func (q *Queues) Name(queue string) string { return QueueName(q.namespace, queue) }

// key is the key under which asynq keeps something of a queue: its pending tasks, say.
func (q *Queues) key(queue, what string) string {
	return "asynq:{" + q.Name(queue) + "}:" + what
}

// QueueName is Name without a connection.
func QueueName(namespace, queue string) string {
	if namespace == "" || namespace == "tuma" {
		return queue
	}
	return namespace + "-" + queue
}

// enqueue adds a trigger. One that still waits or runs under its id is as good as a new one, and
// one that is only scheduled, to show that it will come, is due now. One that has ended, and is
// only kept for readers, is no trigger: a Redis that has forgotten the last seconds gives numbers
// out that it gave before, so the trigger gets an id that nobody has had.
func (q *Queues) enqueue(ctx context.Context, queue, kind, id string, payload []byte) error {
	task := asynq.NewTask(kind, payload)
	err := effect.Do(ctx, "trigger", func() error {
		_, err := q.client.EnqueueContext(ctx, task, q.options(queue, id)...)
		return err
	})
	if !errors.Is(err, asynq.ErrTaskIDConflict) {
		return err
	}
	ended := false
	err = effect.Do(ctx, "trigger", func() (err error) {
		ended, err = q.expedite(ctx, queue, id)
		return err
	})
	if err != nil || !ended {
		return err
	}
	return q.enqueue(ctx, queue, kind, id+"-"+strings.ToLower(rand.Text()), payload)
}

// options are those of every trigger.
func (q *Queues) options(queue, id string) []asynq.Option {
	return []asynq.Option{
		asynq.Queue(q.Name(queue)), asynq.TaskID(id), asynq.MaxRetry(1),
		asynq.Timeout(5 * time.Minute), asynq.Retention(readable),
	}
}

// expediteScript puts a scheduled task into its queue, as asynq does at its time, and returns the
// state of any other.
var expediteScript = redis.NewScript(`
	if redis.call('ZREM', KEYS[2], ARGV[1]) == 0 then
		return redis.call('HGET', KEYS[1], 'state')
	end
	redis.call('HSET', KEYS[1], 'state', 'pending', 'pending_since', ARGV[2])
	redis.call('LPUSH', KEYS[3], ARGV[1])
	return 'pending'`)

// expedite has a task run now that is scheduled for later, and reports whether it has ended, so
// that nobody will run it.
func (q *Queues) expedite(ctx context.Context, queue, id string) (ended bool, err error) {
	is, err := expediteScript.Run(ctx, q.rdb, []string{
		q.key(queue, "t:"+id), q.key(queue, "scheduled"), q.key(queue, "pending"),
	}, id, time.Now().UnixNano()).Text()
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
