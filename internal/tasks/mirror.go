package tasks

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"time"

	"github.com/hibiken/asynq"
	"github.com/redis/go-redis/v9"
	"go.uber.org/zap"

	"tuma/internal/effect"
	"tuma/internal/state"
)

// Mirror is the loop that shows the next status queries as scheduled tasks, so that the dashboard
// says what waits. The schedule is the state's: a task that is lost changes nothing, and one that
// comes early, late or twice finds out from the state whether its query is still to be made.
// Several may run: the ids of their tasks are the same.
type Mirror struct {
	Store  *state.Store
	Queues *Queues
	// Due knows whether any query waits: while none does, nothing is read.
	Due      *Due
	Interval time.Duration
	Log      *zap.Logger

	left bool // Tasks stood there after the last look.
}

// mirrored is how many queries are shown at most.
const mirrored = 1000

// Run mirrors until the context ends.
func (m *Mirror) Run(ctx context.Context) error {
	every(ctx, m.Interval, func() { m.Once(ctx) })
	return nil
}

// Once brings the scheduled tasks in line with the schedule.
func (m *Mirror) Once(ctx context.Context) {
	if !m.Due.waiting.Load() && !m.left {
		return
	}
	if err := m.align(ctx); err != nil && ctx.Err() == nil {
		m.Log.Warn("scheduled queries not shown in the dashboard; they are made all the same",
			zap.Error(err))
	}
}

// align takes tasks away whose query was made or has moved, and adds those that are missing. The
// tasks are read before the schedule: what another process adds meanwhile is not taken for old.
func (m *Mirror) align(ctx context.Context) error {
	shown, err := m.Queues.scheduled(ctx, QueuePoll)
	if err != nil {
		return err
	}
	polls, err := m.Store.Upcoming(ctx, mirrored)
	if err != nil {
		return err
	}
	m.left = len(polls) > 0
	var missing []state.Poll
	for _, p := range polls {
		if id := pollID(p); shown[id] == shownAt(p).Unix() {
			delete(shown, id)
		} else if shownAt(p).After(time.Now()) { // Else asynq would run it at once.
			missing = append(missing, p)
		}
	}
	if err := m.Queues.unschedule(ctx, QueuePoll, TypePoll, shown); err != nil {
		return err
	}
	for _, p := range missing {
		if err := m.Queues.schedule(ctx, p); err != nil {
			return err
		}
	}
	return nil
}

// shownAt is when the task of a query is to run: asynq counts in seconds, and the query must be due
// by then.
func shownAt(p state.Poll) time.Time {
	return p.Due.Add(time.Second - time.Millisecond).Truncate(time.Second)
}

// scheduled reads the ids of the scheduled tasks of a queue, and when they are to run (s).
func (q *Queues) scheduled(ctx context.Context, queue string) (map[string]int64, error) {
	list, err := q.rdb.ZRangeWithScores(ctx, q.key(queue, "scheduled"), 0, 2*mirrored).Result()
	if err != nil {
		return nil, fmt.Errorf("read scheduled tasks: %w", err)
	}
	ids := make(map[string]int64, len(list))
	for _, entry := range list {
		id, _ := entry.Member.(string)
		ids[id] = int64(entry.Score)
	}
	return ids, nil
}

// schedule adds the task of a query that is not due yet. Whatever has its id is as good.
func (q *Queues) schedule(ctx context.Context, p state.Poll) error {
	payload, err := json.Marshal(pollPayload(p))
	if err != nil {
		return fmt.Errorf("encode poll: %w", err)
	}
	err = effect.Do(ctx, "mirror", func() error {
		_, err := q.client.EnqueueContext(ctx, asynq.NewTask(TypePoll, payload),
			append(q.options(QueuePoll, pollID(p)), asynq.ProcessAt(shownAt(p)))...)
		return err
	})
	if errors.Is(err, asynq.ErrTaskIDConflict) {
		return nil
	}
	return err
}

// unscheduleScript deletes scheduled tasks of one type. A message of asynq's begins with its type:
// a byte for the field, one for the length, and the text.
var unscheduleScript = redis.NewScript(`
	for i = 3, #ARGV do
		local task = ARGV[2] .. ARGV[i]
		local message = redis.call('HGET', task, 'msg') or ''
		if message:sub(3, 2 + #ARGV[1]) == ARGV[1] and redis.call('ZREM', KEYS[1], ARGV[i]) == 1 then
			redis.call('DEL', task)
		end
	end`)

// unschedule deletes those of the scheduled tasks that are of a type.
func (q *Queues) unschedule(
	ctx context.Context, queue, kind string, ids map[string]int64,
) error {
	if len(ids) == 0 {
		return nil
	}
	args := []any{kind, q.key(queue, "t:")}
	for id := range ids {
		args = append(args, id)
	}
	err := effect.Do(ctx, "mirror", func() error {
		return unscheduleScript.Run(ctx, q.rdb, []string{q.key(queue, "scheduled")}, args...).Err()
	})
	if err != nil && !errors.Is(err, redis.Nil) {
		return fmt.Errorf("take old scheduled tasks away: %w", err)
	}
	return nil
}
