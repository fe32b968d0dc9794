package tasks

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/hibiken/asynq"
	"github.com/redis/go-redis/v9"
	"go.uber.org/zap"

	"tuma/internal/effect"
	"tuma/internal/state"
)

// sourceAsynq is the source of what asynq held and was no task for us.
const sourceAsynq = "asynq"

// foreign handles the tasks in a queue of ours that are not of its type: nothing may stand there,
// or be repeated, for ever. Disbursals are accepted wherever they are put; a trigger in the wrong
// queue is dropped, since the state makes another; the rest is kept for people, with the reason.
type foreign struct{ accept *Accept }

var _ asynq.Handler = foreign{}

// ProcessTask takes a task up that was put into the wrong queue.
func (f foreign) ProcessTask(ctx context.Context, t *asynq.Task) error {
	var err error
	switch t.Type() {
	case TypeAccept:
		err = f.accept.ProcessTask(ctx, t)
	case TypeSubmit, TypePoll, TypeDeliver:
		write(t, "dropped: a trigger in the wrong queue")
	default:
		err = f.accept.reject(ctx, t, sourceAsynq, fmt.Errorf(
			"type: %q is no task of ours; a disbursal is a %s", t.Type(), TypeAccept))
	}
	if err != nil {
		return &heldError{err}
	}
	return nil
}

// heldError is why a task failed that may be all that holds a disbursal: it is repeated until it
// works.
type heldError struct{ error }

// Unwrap returns the cause.
func (e *heldError) Unwrap() error { return e.error }

// Strays are the tasks of our queues that no server ever takes up by itself: asynq finds an active
// task by its lease alone, and a group only in servers that aggregate. They are put back into their
// queue, which changes nothing where they ran before; what cannot be is kept for people.
type Strays struct {
	Store  *state.Store
	Queues *Queues
	Log    *zap.Logger
}

const (
	// straysAtOnce bounds how many tasks of a queue one look reads, and groupsAtOnce its groups.
	straysAtOnce, groupsAtOnce = 200, 20
)

// Once looks at the queues of all providers, of disbursals and of queries.
func (s *Strays) Once(ctx context.Context) error {
	queues := s.Queues.queues
	pipe := s.Queues.rdb.Pipeline()
	active, groups := map[string]*redis.StringSliceCmd{}, map[string]*redis.StringSliceCmd{}
	sets := map[string]*redis.StringSliceCmd{}
	for _, queue := range queues {
		active[queue] = pipe.LRange(ctx, s.Queues.key(queue, "active"), -straysAtOnce, -1)
		groups[queue] = pipe.SMembers(ctx, s.Queues.key(queue, "groups"))
		sets[queue] = pipe.ZRange(ctx, s.Queues.key(queue, "aggregation_sets"), 0, groupsAtOnce-1)
	}
	if _, err := pipe.Exec(ctx); err != nil {
		return fmt.Errorf("look for stray tasks: %w", err)
	}
	now, err := s.Queues.rdb.Time(ctx).Result()
	var errs []error
	for _, queue := range queues {
		errs = append(errs, s.active(ctx, queue, active[queue].Val(), now),
			s.grouped(ctx, queue, groups[queue].Val()), s.cut(ctx, queue, sets[queue].Val()))
	}
	return errors.Join(append(errs, err)...)
}

// active takes the active tasks of a queue up that have no lease, and those that asynq cannot read:
// one of them keeps it from taking any of the queue up.
func (s *Strays) active(ctx context.Context, queue string, ids []string, now time.Time) error {
	if len(ids) == 0 {
		return nil
	}
	pipe := s.Queues.rdb.Pipeline()
	leases, messages := make([]*redis.FloatCmd, len(ids)), make([]*redis.StringCmd, len(ids))
	for i, id := range ids {
		leases[i] = pipe.ZScore(ctx, s.Queues.key(queue, "lease"), id)
		messages[i] = pipe.HGet(ctx, s.Queues.key(queue, "t:"+id), "msg")
	}
	if _, err := pipe.Exec(ctx); err != nil && !errors.Is(err, redis.Nil) {
		return fmt.Errorf("look at active tasks: %w", err)
	}
	for i, id := range ids {
		message, gone := messages[i].Val(), errors.Is(messages[i].Err(), redis.Nil)
		leased := leases[i].Err() == nil
		old := leased && leases[i].Val() < float64(now.Add(-orphanedAfter).Unix())
		var err error
		switch {
		case gone:
			err = s.lost(ctx, queue, id, "", "nothing is left of the task but its id "+id)
		case !leased || old:
			_, unreadable := asynq.NewInspectorFromRedisClient(s.Queues.rdb).
				GetTaskInfo(s.Queues.Name(queue), id)
			if unreadable != nil && !errors.Is(unreadable, asynq.ErrTaskNotFound) {
				err = s.lost(ctx, queue, id, message, "the task cannot be read: "+unreadable.Error())
			} else if !leased {
				err = s.move(ctx, queue, id, requeueActive, s.Queues.key(queue, "active"),
					s.Queues.key(queue, "lease"))
			}
		}
		if err != nil {
			return err
		}
	}
	return nil
}

// requeueActive puts an active task without a lease at the head of its queue, and dropActive ends
// one that nobody can run. Asynq takes and ends a task together with its lease, in one script, so
// none that runs is seen without. requeueGrouped takes a task out of a group, and requeueCut out of
// an aggregation set.
var (
	requeueActive = redis.NewScript(`
		if redis.call('ZSCORE', KEYS[2], ARGV[1]) then return 0 end
		if redis.call('LREM', KEYS[1], 0, ARGV[1]) == 0 then return 0 end
		redis.call('HSET', KEYS[3], 'state', 'pending')
		redis.call('RPUSH', KEYS[4], ARGV[1])
		return 1`)
	dropActive = redis.NewScript(`
		if redis.call('LREM', KEYS[1], 0, ARGV[1]) == 0 then return 0 end
		redis.call('ZREM', KEYS[2], ARGV[1])
		redis.call('DEL', KEYS[3])
		return 1`)
	requeueGrouped = redis.NewScript(`
		if redis.call('ZREM', KEYS[1], ARGV[1]) == 0 then return 0 end
		redis.call('HSET', KEYS[3], 'state', 'pending')
		redis.call('LPUSH', KEYS[4], ARGV[1])
		if redis.call('EXISTS', KEYS[1]) == 0 then
			redis.call('SREM', KEYS[2], KEYS[1]:match('}:g:(.*)'))
		end
		return 1`)
	requeueCut = redis.NewScript(`
		if redis.call('ZREM', KEYS[1], ARGV[1]) == 0 then return 0 end
		redis.call('HSET', KEYS[3], 'state', 'pending')
		redis.call('LPUSH', KEYS[4], ARGV[1])
		return 1`)
)

// move runs one of the scripts above on a task that stands in from and is known to index.
func (s *Strays) move(
	ctx context.Context, queue, id string, script *redis.Script, from, index string,
) error {
	moved := 0
	err := effect.Do(ctx, "trigger", func() (err error) {
		moved, err = script.Run(ctx, s.Queues.rdb, []string{
			from, index, s.Queues.key(queue, "t:"+id), s.Queues.key(queue, "pending"),
		}, id).Int()
		return err
	})
	if err != nil {
		return fmt.Errorf("take up a stray task: %w", err)
	}
	if moved == 1 {
		s.Log.Warn("stray task taken up", zap.String("queue", queue), zap.String("task", id))
	}
	return nil
}

// lost ends an active task that nobody can run. What it may have held is kept for people.
func (s *Strays) lost(ctx context.Context, queue, id, message, reason string) error {
	still, err := s.Queues.rdb.LRange(ctx, s.Queues.key(queue, "active"), 0, -1).Result()
	if err != nil {
		return fmt.Errorf("look at active tasks: %w", err)
	}
	exists, err := s.Queues.rdb.HExists(ctx, s.Queues.key(queue, "t:"+id), "msg").Result()
	if err != nil || !slices.Contains(still, id) || exists != (message != "") {
		return err // It ended since it was seen.
	}
	err = s.Store.Reject(ctx, state.Refusal{
		Job: message, Source: sourceAsynq, Err: "queue " + s.Queues.Name(queue) + ": " + reason,
	})
	if err != nil {
		return err
	}
	return s.move(ctx, queue, id, dropActive, s.Queues.key(queue, "active"),
		s.Queues.key(queue, "lease"))
}

// grouped puts the tasks of groups into their queue: no server of ours aggregates.
func (s *Strays) grouped(ctx context.Context, queue string, groups []string) error {
	for _, group := range groups[:min(len(groups), groupsAtOnce)] {
		key := s.Queues.key(queue, "g:"+group)
		ids, err := s.Queues.rdb.ZRange(ctx, key, 0, straysAtOnce-1).Result()
		if err != nil {
			return fmt.Errorf("look at groups of tasks: %w", err)
		}
		for _, id := range ids {
			err := s.move(ctx, queue, id, requeueGrouped, key, s.Queues.key(queue, "groups"))
			if err != nil {
				return err
			}
		}
	}
	return nil
}

// cut puts the tasks of aggregation sets into their queue: a server of somebody else's has cut them
// off their groups, and the one who cut them would be the only one to finish them. It may have put
// the tasks back into a group that asynq does not list any more, so the group is looked at, too.
func (s *Strays) cut(ctx context.Context, queue string, sets []string) error {
	index := s.Queues.key(queue, "aggregation_sets")
	for _, set := range sets {
		ids, err := s.Queues.rdb.ZRange(ctx, set, 0, straysAtOnce-1).Result()
		if err != nil {
			return fmt.Errorf("look at aggregation sets: %w", err)
		}
		for _, id := range ids {
			if err := s.move(ctx, queue, id, requeueCut, set, index); err != nil {
				return err
			}
		}
		if len(ids) == straysAtOnce {
			continue // The next look takes the rest.
		}
		if err := s.Queues.rdb.ZRem(ctx, index, set).Err(); err != nil {
			return fmt.Errorf("end an aggregation set: %w", err)
		}
		group := strings.TrimPrefix(set, s.Queues.key(queue, "g:"))
		if at := strings.LastIndexByte(group, ':'); at >= 0 {
			if err := s.grouped(ctx, queue, []string{group[:at]}); err != nil {
				return err
			}
		}
	}
	return nil
}
