package state

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"strings"

	"github.com/redis/go-redis/v9"

	"tuma/internal/effect"
	"tuma/internal/redisconn"
)

// yieldFrom is the share of maxmemory from which on streams make room: before intake stops.
const yieldFrom = AcceptLimit - 0.10

// budgets are the shares of maxmemory that streams keep when memory gets short, in the order in
// which they yield. The jobs are never trimmed, nor is what people decided.
var budgets = []struct {
	stream string
	share  float64
}{{"rejected", 0.05}, {"dead_letters", 0.05}, {"results", 0.25}}

const (
	// yieldBytes is about how much one step of yielding reads and drops, yieldEntries at most how
	// many entries, and yieldSteps bounds the steps of one call: about 200 MiB.
	yieldBytes   = 1 << 20
	yieldEntries = 1000
	yieldSteps   = 200
	// usageSamples is how many nodes of a stream are measured to estimate the others.
	usageSamples = 1000
)

// Yielded is what a stream gave up because Redis was getting full. Unread are those of the entries
// that a consumer group or an endpoint of a webhook still needed, or that neither reads.
type Yielded struct {
	Stream          string
	Entries, Unread int64
}

// Yield trims streams, oldest entries first, that hold more than their budget while memory is
// short. What is trimmed unread is counted: reports and the books have it still.
func (s *Store) Yield(ctx context.Context) ([]Yielded, error) {
	full, err := s.memoryNow(ctx)
	if err != nil || full.share() < yieldFrom {
		return nil, err
	}
	var list []Yielded
	for _, budget := range budgets {
		y, err := s.yield(ctx, budget.stream, int64(budget.share*float64(full.limit)))
		if y.Entries > 0 {
			list = append(list, y)
		}
		if err != nil {
			return list, fmt.Errorf("trim stream %s: %w", budget.stream, readable(err))
		}
	}
	return list, nil
}

// yield trims one stream down to a number of bytes, a little at a time.
func (s *Store) yield(ctx context.Context, name string, budget int64) (Yielded, error) {
	y, stream := Yielded{Stream: name}, s.keys.plain(name)
	for range yieldSteps {
		bytes, err := s.usage(ctx, stream)
		if err != nil || bytes <= budget {
			return y, err
		}
		entries, err := s.client.XLen(ctx, stream).Result()
		if err != nil {
			return y, err
		}
		some := min(yieldEntries, max(1, min(bytes-budget, yieldBytes)*entries/bytes))
		oldest, err := s.client.XRangeN(ctx, stream, "-", "+", some).Result()
		if err != nil || len(oldest) == 0 {
			return y, err
		}
		needed, err := s.needed(ctx, stream)
		if err != nil {
			return y, err
		}
		unread := int64(0)
		for _, entry := range oldest {
			if needed == "" || !olderID(entry.ID, needed) {
				unread++
			}
		}
		dropped, err := s.drop(ctx, name, oldest[len(oldest)-1].ID, unread)
		y.Entries, y.Unread = y.Entries+dropped, y.Unread+min(unread, dropped)
		if err != nil {
			return y, err
		}
	}
	return y, nil
}

// drop takes the entries up to one off a stream, counts those that were unread, and answers how
// many it took: another process may have been faster.
func (s *Store) drop(
	ctx context.Context, name, last string, unread int64,
) (dropped int64, err error) {
	// Room first: a full Redis takes the count only after that.
	dropped, err = s.trimCounted(ctx, name, last)
	if err != nil || min(unread, dropped) == 0 {
		return dropped, err
	}
	return dropped, effect.Do(ctx, "trim stream", func() error {
		return s.client.HIncrBy(ctx, s.keys.plain("yielded"), name, min(unread, dropped)).Err()
	})
}

// trimmedUnread counts the entries of a stream that made room before they were read.
func (s *Store) trimmedUnread(ctx context.Context, stream string) (int64, error) {
	n, err := s.client.HGet(ctx, s.keys.plain("yielded"), stream).Int64()
	if errors.Is(err, redis.Nil) {
		return 0, nil
	}
	return n, err
}

// needed is the first entry that some consumer group has not read and acknowledged, or that some
// endpoint of a webhook needs; empty without any.
func (s *Store) needed(ctx context.Context, stream string) (string, error) {
	groups, err := s.client.XInfoGroups(ctx, stream).Result()
	if err != nil && strings.Contains(err.Error(), "no such key") {
		return "", nil // No stream yet: nothing to protect.
	}
	if err != nil {
		return "", err
	}
	first := ""
	if stream == s.keys.results() {
		if first, err = s.webhooksNeed(ctx); err != nil {
			return "", err
		}
	}
	for _, g := range groups {
		next := nextID(g.LastDeliveredID)
		pending, err := s.client.XPending(ctx, stream, g.Name).Result()
		if err != nil {
			return "", err
		}
		if pending.Count > 0 && olderID(pending.Lower, next) {
			next = pending.Lower
		}
		if first == "" || olderID(next, first) {
			first = next
		}
	}
	return first, nil
}

// usage is how many bytes a key takes, as Redis estimates it; zero for a Redis that does not tell.
func (s *Store) usage(ctx context.Context, key string) (int64, error) {
	bytes, err := s.client.MemoryUsage(ctx, key, usageSamples).Result()
	if err != nil && redisconn.IsReply(err) {
		return 0, nil // No such key, no such command, or no permission.
	}
	return bytes, err
}

// jobsAtOnce bounds how many jobs one read brings: their bytes are in Redis twice while it answers.
func (s *Store) jobsAtOnce(ctx context.Context, most int) (int, error) {
	full, err := s.memoryNow(ctx)
	if err != nil || full.share() < yieldFrom/2 {
		return most, err
	}
	bytes, err := s.usage(ctx, s.keys.jobs())
	if err != nil {
		return 0, err
	}
	entries, err := s.client.XLen(ctx, s.keys.jobs()).Result()
	if err != nil || bytes == 0 {
		return most, err
	}
	room := max(int64(full.limit-full.used), 0) / 4
	return int(max(1, min(int64(most), room*entries/bytes))), nil
}

// Bounds of what is kept of a refused job, in bytes: the rest is with its producer.
const (
	refusedJobKept   = 64 << 10
	refusedErrorKept = 64 << 10
)

// fields are what the rejected stream keeps of a refusal.
func (r Refusal) fields(at string) []string {
	sum := sha256.Sum256([]byte(r.Job))
	reason := r.Err
	if len(reason) > refusedErrorKept {
		reason = fmt.Sprintf("%s… (%d bytes more)",
			strings.ToValidUTF8(reason[:refusedErrorKept], ""), len(reason)-refusedErrorKept)
	}
	return []string{
		"job", r.Job[:min(len(r.Job), refusedJobKept)], "bytes", fmt.Sprint(len(r.Job)),
		"hash", hex.EncodeToString(sum[:]), "source", r.Source, "error", reason, "at", at,
	}
}
