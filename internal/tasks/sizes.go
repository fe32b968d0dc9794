package tasks

import (
	"context"
	"fmt"

	"github.com/redis/go-redis/v9"
)

// QueueSize is how many tasks of a queue are in each of asynq's states.
type QueueSize struct {
	// Queue is its name without the namespace.
	Queue string
	// Paused says that somebody paused it in the dashboard.
	Paused bool
	// Tasks has the words pending, active, scheduled, retry, archived and completed.
	Tasks map[string]int64
}

// taskStates are asynq's states: whether the tasks are kept in a list, else in a sorted set.
var taskStates = map[string]bool{
	"pending": true, "active": true,
	"scheduled": false, "retry": false, "archived": false, "completed": false,
}

// Sizes reads the sizes of the queues of all providers, of disbursals and of queries, in one round
// trip. asynq's own statistics measure the memory of tasks, too, which takes Redis long.
func (q *Queues) Sizes(ctx context.Context) ([]QueueSize, error) {
	pipe := q.rdb.Pipeline()
	counts := make([]map[string]*redis.IntCmd, len(q.queues))
	paused := make([]*redis.IntCmd, len(q.queues))
	for i, queue := range q.queues {
		paused[i], counts[i] = pipe.Exists(ctx, q.key(queue, "paused")), map[string]*redis.IntCmd{}
		for word, list := range taskStates {
			if list {
				counts[i][word] = pipe.LLen(ctx, q.key(queue, word))
			} else {
				counts[i][word] = pipe.ZCard(ctx, q.key(queue, word))
			}
		}
	}
	if _, err := pipe.Exec(ctx); err != nil {
		return nil, fmt.Errorf("read the sizes of queues: %w", err)
	}
	sizes := make([]QueueSize, len(q.queues))
	for i, queue := range q.queues {
		sizes[i] = QueueSize{Queue: queue, Paused: paused[i].Val() == 1, Tasks: map[string]int64{}}
		for word, count := range counts[i] {
			sizes[i].Tasks[word] = count.Val()
		}
	}
	return sizes, nil
}
