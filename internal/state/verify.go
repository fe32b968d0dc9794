package state

import (
	"context"
	"fmt"
	"strconv"
	"time"

	"github.com/redis/go-redis/v9"
)

// Audit is what Verify counted.
type Audit struct {
	Disbursals, Recipients int
	// Drift has one line per difference; none means that the books balance.
	Drift []string
	// Overpaid counts recipients with a second effect.
	Overpaid int64
}

// Verify recounts every disbursal against the book of its page, page by page, each in one step, and
// then the books of all pages against the whole, so that it is exact while work goes on. The
// function progress is called after each page; it may be nil.
func (s *Store) Verify(ctx context.Context, progress func(page, pages int)) (Audit, error) {
	var audit Audit
	pages, err := s.client.ZRange(ctx, s.keys.plain("pages"), 0, -1).Result()
	if err != nil {
		return audit, fmt.Errorf("verify: %w", err)
	}
	for i, page := range append(pages, "0") {
		answer, err := s.run(ctx, s.client, "verify", page)
		if err != nil {
			return audit, err
		}
		r := asList(answer)
		audit.Disbursals += r.int(0)
		audit.Recipients += r.int(1)
		for j := range r.list(2) {
			audit.Drift = append(audit.Drift, r.list(2).text(j))
		}
		if progress != nil && i < len(pages) {
			progress(i+1, len(pages))
		}
	}
	audit.Overpaid, err = s.client.SCard(ctx, s.keys.plain("overpaid")).Result()
	if err != nil {
		return audit, fmt.Errorf("verify: %w", err)
	}
	return audit, nil
}

// digestAge is how long the digest of a forgotten reference still answers for it.
const digestAge = 365 * 24 * time.Hour

// Forget drops settled disbursals older than the retention, a few pages at a time, and returns how
// many. Their figures stay in the books, their references stay known for a year.
func (s *Store) Forget(ctx context.Context, pages int) (int, error) {
	edge, err := s.client.Time(ctx).Result()
	if err != nil {
		return 0, fmt.Errorf("forget: %w", err)
	}
	old, err := s.client.ZRangeByScore(ctx, s.keys.plain("pages"), &redis.ZRangeBy{
		Min: "-inf", Count: int64(pages),
		Max: strconv.FormatInt(edge.Add(-s.options.Retention).UnixMilli(), 10),
	}).Result()
	if err != nil {
		return 0, fmt.Errorf("forget: %w", err)
	}
	again := max(time.Second, min(s.options.Retention/10, 24*time.Hour))
	forgotten := 0
	for _, page := range old {
		answer, err := s.run(ctx, s.client, "forget", page, s.options.Retention.Milliseconds(),
			digestAge.Milliseconds(), again.Milliseconds())
		if err != nil {
			return forgotten, err
		}
		forgotten += asList(answer).int(0)
	}
	return forgotten, nil
}
