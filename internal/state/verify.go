package state

import (
	"context"
	"fmt"
	"slices"
	"strconv"
	"time"

	"github.com/redis/go-redis/v9"
)

// Recount is what Verify counted.
type Recount struct {
	Disbursals, Recipients int
	// Drift has one line per difference; none means that the books balance.
	Drift []string
	// Overpaid counts recipients with a second effect.
	Overpaid int64
}

// Verify recounts every disbursal against the book of its page, page by page, each in one step, and
// then the books of the pages of each day against those of its campaigns, and of all pages against
// the whole, so that it is exact while work goes on. The function progress is called after each
// page; it may be nil.
func (s *Store) Verify(ctx context.Context, progress func(page, pages int)) (Recount, error) {
	var recount Recount
	pipe := s.client.Pipeline()
	pages := pipe.ZRange(ctx, s.keys.plain("pages"), 0, -1)
	days := pipe.SMembers(ctx, s.keys.plain("days"))
	overpaid := pipe.SCard(ctx, s.keys.plain("overpaid"))
	if _, err := pipe.Exec(ctx); err != nil {
		return recount, fmt.Errorf("verify: %w", err)
	}
	recount.Overpaid = overpaid.Val()
	for i, page := range pages.Val() {
		if err := s.recount(ctx, &recount, page, ""); err != nil {
			return recount, err
		}
		if progress != nil {
			progress(i+1, len(pages.Val()))
		}
	}
	for _, day := range slices.Sorted(slices.Values(days.Val())) {
		if err := s.recount(ctx, &recount, "", day); err != nil {
			return recount, err
		}
	}
	err := s.recount(ctx, &recount, "", "")
	return recount, err
}

// recount adds what the script finds of a page, else of a day, else of all.
func (s *Store) recount(ctx context.Context, sum *Recount, page, day string) error {
	answer, err := s.run(ctx, s.client, "verify", page, day)
	if err != nil {
		return err
	}
	r := asList(answer)
	sum.Disbursals += r.int(0)
	sum.Recipients += r.int(1)
	for i := range r.list(2) {
		sum.Drift = append(sum.Drift, r.list(2).text(i))
	}
	return nil
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
