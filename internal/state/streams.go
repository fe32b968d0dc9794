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
	// Job is the producer's job; of an entry with a fault, all its fields as JSON.
	Job string
	// Fault says why the entry holds no job, or more than one; empty when it holds one.
	Fault string
}

// OpenJobs makes the consumer group of the jobs stream, from its beginning. A stream that is nearly
// out of ids, because a producer chose one far ahead, is made anew once it is empty.
func (s *Store) OpenJobs(ctx context.Context) error {
	err := s.client.XGroupCreateMkStream(ctx, s.keys.jobs(), jobsGroup, "0").Err()
	if err == nil {
		return nil
	}
	if !strings.HasPrefix(err.Error(), "BUSYGROUP") {
		return fmt.Errorf("open jobs stream: %w", readable(err))
	}
	if err := s.renewJobs(ctx); err != nil {
		return fmt.Errorf("renew jobs stream: %w", readable(err))
	}
	return nil
}

// renewFrom is how far the last id of the jobs stream may be ahead of Redis's clock.
const renewFrom = time.Hour

// renewJobs replaces the jobs stream if its ids run far ahead and nothing is left on it. What comes
// in between undoes that, and the next call tries again.
func (s *Store) renewJobs(ctx context.Context) error {
	jobs := s.keys.jobs()
	err := s.client.Watch(ctx, func(tx *redis.Tx) error {
		now, err := tx.Time(ctx).Result()
		if err != nil {
			return err
		}
		info, err := tx.XInfoStream(ctx, jobs).Result()
		if err != nil || info.Length > 0 || aheadOf(info.LastGeneratedID, now) < renewFrom {
			return err
		}
		return effect.Do(ctx, "read jobs", func() error {
			_, err := tx.TxPipelined(ctx, func(pipe redis.Pipeliner) error {
				pipe.Del(ctx, jobs)
				pipe.XGroupCreateMkStream(ctx, jobs, jobsGroup, "0")
				return nil
			})
			return err
		})
	}, jobs)
	if errors.Is(err, redis.TxFailedErr) {
		return nil
	}
	return err
}

// aheadOf is how far a stream id is ahead of a clock; zero when it is not.
func aheadOf(id string, now time.Time) time.Duration {
	text, _, _ := strings.Cut(id, "-")
	ms, err := strconv.ParseUint(text, 10, 64)
	clock := uint64(max(0, now.UnixMilli())) //nolint:gosec // Not negative.
	if err != nil || ms <= clock {
		return 0
	}
	const most = uint64(math.MaxInt64 / time.Millisecond)
	return time.Duration(min(ms-clock, most)) * time.Millisecond //nolint:gosec // Not above most.
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
	// Not by the client's own method, which puts fields into a map: of one that came twice it would
	// drop the first.
	args := []any{"xreadgroup", "group", jobsGroup, consumer, "count", count}
	if block > 0 {
		args = append(args, "block", s.withinReply(block).Milliseconds())
	}
	args = append(args, "streams", s.keys.jobs(), ">")
	read := redis.NewCmd(ctx, args...)
	read.SetFirstKeyPos(int8(len(args) - 2))
	err = effect.Do(ctx, "read jobs", func() error { return s.client.Process(ctx, read) })
	if errors.Is(err, redis.Nil) {
		return nil, nil
	}
	if err != nil {
		return nil, fmt.Errorf("read jobs: %w", err)
	}
	switch streams := read.Val().(type) {
	case map[any]any: // RESP3: entries by stream.
		return entriesOf(streams[s.keys.jobs()])
	case []any: // RESP2: pairs of both.
		if pair := asList(streams[0]); len(pair) == 2 {
			return entriesOf(pair[1])
		}
	}
	return nil, errReply
}

// withinReply shortens a wait in Redis so that it ends before the client stops listening.
func (s *Store) withinReply(wait time.Duration) time.Duration {
	var limit time.Duration
	switch client := s.client.(type) {
	case *redis.Client:
		limit = client.Options().ReadTimeout
	case *redis.ClusterClient:
		limit = client.Options().ReadTimeout
	}
	if limit > 0 {
		return min(wait, limit/2)
	}
	return wait
}

// TakeOverJobs returns entries that another consumer read and left for longer than idle, and where
// to go on; "0-0" is the start and the end.
func (s *Store) TakeOverJobs(
	ctx context.Context, consumer string, count int, idle time.Duration, start string,
) ([]Entry, string, error) {
	claim := redis.NewCmd(ctx, "xautoclaim", s.keys.jobs(), jobsGroup, consumer,
		idle.Milliseconds(), start, "count", count)
	err := effect.Do(ctx, "take over jobs", func() error { return s.client.Process(ctx, claim) })
	if err != nil {
		return nil, "", fmt.Errorf("take over jobs: %w", err)
	}
	answer := asList(claim.Val())
	if len(answer) < 2 {
		return nil, "", errReply
	}
	entries, err := entriesOf(answer[1])
	return entries, answer.text(0), err
}

// errReply is returned when Redis answers in a shape that it never has.
var errReply = errors.New("redis answered with something that is no list of stream entries")

// entriesOf reads entries as Redis lists them: id, and fields and values in their order. Deleted
// ones, which old versions list as nothing, are left out.
func entriesOf(list any) ([]Entry, error) {
	items, ok := list.([]any)
	if !ok {
		return nil, errReply
	}
	entries := make([]Entry, 0, len(items))
	for _, item := range items {
		entry := asList(item)
		if item == nil || len(entry) == 2 && entry[1] == nil {
			continue
		}
		if len(entry) != 2 || entry.text(0) == "" {
			return nil, errReply
		}
		entries = append(entries, entryOf(entry.text(0), entry.list(1)))
	}
	return entries, nil
}

// entryOf finds the job among the fields of an entry.
func entryOf(id string, fields reply) Entry {
	entry, jobs := Entry{ID: id}, 0
	for i := 0; i+1 < len(fields); i += 2 {
		if fields.text(i) == "job" {
			jobs++
			entry.Job = fields.text(i + 1)
		}
	}
	switch jobs {
	case 1:
		return entry
	case 0:
		entry.Fault = `the entry has no field named "job"`
	default:
		entry.Fault = fmt.Sprintf(`the entry has the field "job" %d times: add an entry per job`, jobs)
	}
	entry.Job = fieldsJSON(fields)
	return entry
}

// fieldsJSON writes fields and values: an object, or a list where an object would hide some.
func fieldsJSON(fields reply) string {
	object := map[string]any{}
	for i := 0; i+1 < len(fields); i += 2 {
		object[fields.text(i)] = fields[i+1]
	}
	var all any = object
	if 2*len(object) < len(fields) {
		all = []any(fields)
	}
	text, _ := json.Marshal(all) // Texts: it cannot fail.
	return string(text)
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
// consumer group has not read and acknowledged, nor what an endpoint of a webhook needs.
func (s *Store) TrimStreams(ctx context.Context) (int64, error) {
	now, err := s.client.Time(ctx).Result()
	if err != nil {
		return 0, fmt.Errorf("trim streams: %w", err)
	}
	edge := strconv.FormatInt(now.Add(-s.options.StreamAge).UnixMilli(), 10) + "-0"
	var trimmed int64
	for _, stream := range []string{"results", "rejected"} {
		n, err := s.trimBelow(ctx, stream, edge)
		trimmed += n
		if err != nil {
			return trimmed, fmt.Errorf("trim streams: %w", err)
		}
	}
	return trimmed, nil
}

// trimBelow drops the entries of a stream below an id, but none that is needed.
func (s *Store) trimBelow(ctx context.Context, stream, edge string) (int64, error) {
	name := s.keys.plain(stream)
	floor, err := s.needed(ctx, name)
	if err != nil {
		return 0, err
	}
	if floor == "" || olderID(edge, floor) {
		floor = edge
	}
	last, err := s.client.XRevRangeN(ctx, name, "("+floor, "-", 1).Result()
	if err != nil || len(last) == 0 {
		return 0, err
	}
	return s.trimCounted(ctx, stream, last[0].ID)
}

// RejectedJob is an entry of the rejected stream.
type RejectedJob struct {
	// At is when it was rejected, as it was written then.
	At string
	Refusal
	// Bytes is how long the job was, of which Job may be the beginning only.
	Bytes int64
}

// RejectedJobs returns the newest entries of the rejected stream, the newest first.
func (s *Store) RejectedJobs(ctx context.Context, limit int) ([]RejectedJob, error) {
	entries, err := s.client.XRevRangeN(ctx, s.keys.rejected(), "+", "-", int64(limit)).Result()
	if err != nil {
		return nil, fmt.Errorf("read rejected jobs: %w", err)
	}
	jobs := make([]RejectedJob, len(entries))
	for i, entry := range entries {
		text := func(field string) string {
			value, _ := entry.Values[field].(string)
			return value
		}
		jobs[i] = RejectedJob{
			At: text("at"), Bytes: whole(entry.Values["bytes"]),
			Refusal: Refusal{Job: text("job"), Source: text("source"), Err: text("error")},
		}
		if jobs[i].Bytes == 0 {
			jobs[i].Bytes = int64(len(jobs[i].Job))
		}
	}
	return jobs, nil
}
