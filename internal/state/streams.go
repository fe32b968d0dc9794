package state

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"math"
	"strconv"
	"strings"
	"time"

	"github.com/redis/go-redis/v9"

	"tuma/internal/effect"
)

// jobsGroup is the consumer group of the jobs stream.
const jobsGroup = "enqueuer"

// Entry is one entry of the jobs stream.
type Entry struct {
	ID string
	// Job is the producer's job; of an entry without a field named job, all its fields as JSON.
	Job string
	// Nameless is set when the entry has no field named job.
	Nameless bool
}

// OpenJobs makes the consumer group of the jobs stream, from its beginning.
func (s *Store) OpenJobs(ctx context.Context) error {
	err := s.client.XGroupCreateMkStream(ctx, s.keys.jobs(), jobsGroup, "0").Err()
	if err != nil && !strings.HasPrefix(err.Error(), "BUSYGROUP") {
		return fmt.Errorf("open jobs stream: %w", readable(err))
	}
	return nil
}

// ReadJobs returns new entries for a consumer, at most count, after waiting for them at most block.
// ErrFull is returned, and nothing is read, when Redis is close to its maxmemory.
func (s *Store) ReadJobs(
	ctx context.Context, consumer string, count int, block time.Duration,
) ([]Entry, error) {
	err := s.room(ctx, AcceptLimit)
	if err == nil {
		count, err = s.jobsAtOnce(ctx, count)
	}
	if err != nil {
		return nil, err
	}
	var streams []redis.XStream
	err = effect.Do(ctx, "read jobs", func() (err error) {
		streams, err = s.client.XReadGroup(ctx, &redis.XReadGroupArgs{
			Group: jobsGroup, Consumer: consumer, Streams: []string{s.keys.jobs(), ">"},
			Count: int64(count), Block: block,
		}).Result()
		return err
	})
	if errors.Is(err, redis.Nil) {
		return nil, nil
	}
	if err != nil {
		return nil, fmt.Errorf("read jobs: %w", err)
	}
	var entries []Entry
	for _, stream := range streams {
		entries = append(entries, entriesOf(stream.Messages)...)
	}
	return entries, nil
}

// TakeOverJobs returns entries that another consumer read and left for longer than idle, and where
// to go on; "0-0" is the start and the end.
func (s *Store) TakeOverJobs(
	ctx context.Context, consumer string, count int, idle time.Duration, start string,
) ([]Entry, string, error) {
	var messages []redis.XMessage
	var next string
	err := effect.Do(ctx, "take over jobs", func() (err error) {
		messages, next, err = s.client.XAutoClaim(ctx, &redis.XAutoClaimArgs{
			Stream: s.keys.jobs(), Group: jobsGroup, Consumer: consumer, MinIdle: idle,
			Start: start, Count: int64(count),
		}).Result()
		return err
	})
	if err != nil {
		return nil, "", fmt.Errorf("take over jobs: %w", err)
	}
	return entriesOf(messages), next, nil
}

func entriesOf(messages []redis.XMessage) []Entry {
	entries := make([]Entry, len(messages))
	for i, m := range messages {
		job, named := m.Values["job"].(string)
		if !named {
			fields, _ := json.Marshal(m.Values) // Texts by text: it cannot fail.
			job = string(fields)
		}
		entries[i] = Entry{ID: m.ID, Job: job, Nameless: !named}
	}
	return entries
}

// AckJobs acknowledges and deletes entries that the state holds or has rejected.
func (s *Store) AckJobs(ctx context.Context, ids []string) error {
	if len(ids) == 0 {
		return nil
	}
	err := effect.Do(ctx, "acknowledge jobs", func() error {
		pipe := s.client.TxPipeline()
		pipe.XAck(ctx, s.keys.jobs(), jobsGroup, ids...)
		pipe.XDel(ctx, s.keys.jobs(), ids...)
		_, err := pipe.Exec(ctx)
		return err
	})
	if err != nil {
		return fmt.Errorf("acknowledge jobs: %w", err)
	}
	return nil
}

// Refusal is a job that could not be accepted.
type Refusal struct {
	// Job is the job as it was received, Source where from, Err why not.
	Job, Source, Err string
}

// Reject keeps jobs that could not be accepted on the rejected stream.
func (s *Store) Reject(ctx context.Context, refusals ...Refusal) error {
	if len(refusals) == 0 {
		return nil
	}
	if _, err := s.Yield(ctx); err != nil {
		return fmt.Errorf("keep rejected jobs: %w", err)
	}
	pipe := s.client.Pipeline()
	at := time.Now().UTC().Format(time.RFC3339Nano)
	for _, r := range refusals {
		pipe.XAdd(ctx, &redis.XAddArgs{Stream: s.keys.rejected(), Values: r.fields(at)})
	}
	err := effect.Do(ctx, "reject jobs", func() error {
		_, err := pipe.Exec(ctx)
		return err
	})
	if err != nil {
		return fmt.Errorf("keep rejected jobs: %w", readable(err))
	}
	return nil
}

// TrimStreams drops results and rejections older than their age, but nothing that the slowest
// consumer group has not read and acknowledged.
func (s *Store) TrimStreams(ctx context.Context) (int64, error) {
	now, err := s.client.Time(ctx).Result()
	if err != nil {
		return 0, fmt.Errorf("trim streams: %w", err)
	}
	edge := strconv.FormatInt(now.Add(-s.options.StreamAge).UnixMilli(), 10) + "-0"
	var trimmed int64
	for _, stream := range []string{s.keys.results(), s.keys.rejected()} {
		floor, err := s.needed(ctx, stream)
		if err != nil {
			return trimmed, fmt.Errorf("trim streams: %w", err)
		}
		if floor == "" || olderID(edge, floor) {
			floor = edge
		}
		var n int64
		err = effect.Do(ctx, "trim stream", func() (err error) {
			n, err = s.client.XTrimMinID(ctx, stream, floor).Result()
			return err
		})
		if err != nil {
			return trimmed, fmt.Errorf("trim streams: %w", err)
		}
		trimmed += n
	}
	return trimmed, nil
}

// nextID is the stream id behind another.
func nextID(id string) string {
	ms, sequence, _ := strings.Cut(id, "-")
	n, err := strconv.ParseUint(sequence, 10, 64)
	if err != nil || n == math.MaxUint64 {
		return id // One entry too few is trimmed.
	}
	return ms + "-" + strconv.FormatUint(n+1, 10)
}

// olderID compares two stream ids.
func olderID(a, b string) bool {
	am, as, _ := strings.Cut(a, "-")
	bm, bs, _ := strings.Cut(b, "-")
	if am != bm {
		return len(am) < len(bm) || (len(am) == len(bm) && am < bm)
	}
	return len(as) < len(bs) || (len(as) == len(bs) && as < bs)
}
