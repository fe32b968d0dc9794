package tasks

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/hibiken/asynq"
	"github.com/redis/go-redis/v9"

	"tuma/internal/redisconn"
)

// QueueStatus is where one queue stands.
type QueueStatus struct {
	// Queue is its name without the namespace, Name the one that asynq knows it by.
	Queue, Name string
	Paused      bool
	// Waiting counts tasks that a server would take now, Archived those that were given up.
	Waiting, Archived int64
	// Orphaned counts tasks that a server took and left behind, and that no other has taken up.
	Orphaned int
	// Servers are the processes that take tasks there, as host:pid.
	Servers []string
	// Hidden says that the Redis user may not see the servers.
	Hidden bool
}

const (
	// orphanedAfter is how long after the end of its lease a task counts as left behind: asynq looks
	// for such tasks once a minute, for leases that ended half a minute before.
	orphanedAfter = 3 * time.Minute
	// activeShown bounds how many active tasks are looked at.
	activeShown = 1000
)

// Inspect reads where queues stand.
func (q *Queues) Inspect(ctx context.Context, queues []string) ([]QueueStatus, error) {
	servers, err := asynq.NewInspectorFromRedisClient(q.rdb).Servers()
	hidden := err != nil && redisconn.Forbidden(err)
	if err != nil && !hidden {
		return nil, fmt.Errorf("list asynq servers: %w", err)
	}
	now, err := q.rdb.Time(ctx).Result()
	if err != nil {
		return nil, fmt.Errorf("inspect queues: %w", err)
	}
	statuses := make([]QueueStatus, len(queues))
	for i, queue := range queues {
		if statuses[i], err = q.inspect(ctx, queue, now); err != nil {
			return nil, fmt.Errorf("inspect queue %s: %w", queue, err)
		}
		statuses[i].Hidden = hidden
		for _, server := range servers {
			if _, serves := server.Queues[statuses[i].Name]; serves && server.Status == "active" {
				statuses[i].Servers = append(statuses[i].Servers,
					fmt.Sprintf("%s:%d", server.Host, server.PID))
			}
		}
	}
	return statuses, nil
}

func (q *Queues) inspect(
	ctx context.Context, queue string, now time.Time,
) (QueueStatus, error) {
	status := QueueStatus{Queue: queue, Name: q.Name(queue)}
	pipe := q.rdb.Pipeline()
	paused := pipe.Exists(ctx, q.key(queue, "paused"))
	waiting := pipe.LLen(ctx, q.key(queue, "pending"))
	archived := pipe.ZCard(ctx, q.key(queue, "archived"))
	active := pipe.LRange(ctx, q.key(queue, "active"), 0, activeShown-1)
	_, err := pipe.Exec(ctx)
	if err != nil {
		return status, err
	}
	status.Paused = paused.Val() > 0
	status.Waiting, status.Archived = waiting.Val(), archived.Val()
	status.Orphaned, err = q.orphaned(ctx, queue, active.Val(), now)
	return status, err
}

// orphaned counts the active tasks without a lease, or with one that ended long ago.
func (q *Queues) orphaned(
	ctx context.Context, queue string, active []string, now time.Time,
) (int, error) {
	edge := float64(now.Add(-orphanedAfter).Unix())
	count := 0
	for _, id := range active {
		lease, err := q.rdb.ZScore(ctx, q.key(queue, "lease"), id).Result()
		switch {
		case errors.Is(err, redis.Nil): // It may have ended since the list was read.
			still, err := q.rdb.LRange(ctx, q.key(queue, "active"), 0, activeShown-1).Result()
			if err != nil {
				return 0, err
			}
			if slices.Contains(still, id) {
				count++
			}
		case err != nil:
			return 0, err
		case lease < edge:
			count++
		}
	}
	return count, nil
}

// Enqueuing are the commands of whoever enqueues on a queue, and Serving those of its servers
// beside them, as an argument of state.Store.Denied.
func (q *Queues) Enqueuing(queue string) [][]any {
	key := q.key(queue, "doctor")
	return [][]any{
		{"exists", key},
		{"hset", key, "f", "x"},
		{"lpush", key, "x"},
		{"llen", key},
		{"sadd", "asynq:queues", "x"},
	}
}

// Serving are the commands of a queue's servers; see Enqueuing.
func (q *Queues) Serving(queue string) [][]any {
	key := q.key(queue, "doctor")
	return [][]any{
		{"rpoplpush", key, key},
		{"lrem", key, 0, "x"},
		{"incr", key},
		{"expire", key, 1},
		{"expireat", key, 1},
		{"setex", key, 1, "x"},
		{"zremrangebyscore", key, 0, 0},
		{"zremrangebyrank", key, 0, 0},
	}
}
