package state

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/redis/go-redis/v9"

	"tuma/internal/effect"
)

// Webhook is where the deliveries to one endpoint stand.
type Webhook struct {
	Endpoint string
	// Cursor is the last result that was read for it; Waiting counts those that were read and not
	// delivered, Out those among them that are on the way.
	Cursor       string
	Waiting, Out int64
	// First is the first of those that wait; empty without any.
	First string
	// Oldest is how long ago the first result was published that is not delivered, those that were
	// not read yet included; zero without any.
	Oldest time.Duration
	// Off is since when it is off, zero while it is on, OffFor how long ago that was, and Why why.
	Off    time.Time
	OffFor time.Duration
	Why    string
	// Err is the last error, ErrAt when it was, DeliveredAt when a result was delivered last.
	Err                string
	ErrAt, DeliveredAt time.Time
	// GivenUp counts the results that were given up, and Missed those that were trimmed before they
	// were delivered, both since the beginning; Listed are those given up that can be tried again.
	GivenUp, Missed int64
	Listed          []string
	// Seen is how long ago a poller had it in its settings.
	Seen time.Duration
}

// Webhooks reads where the endpoints stand that any poller ever had, by name. It costs a few reads
// for each.
func (s *Store) Webhooks(ctx context.Context) ([]Webhook, error) {
	seen, err := s.client.ZRangeWithScores(ctx, s.keys.plain("webhooks"), 0, -1).Result()
	if err != nil {
		return nil, fmt.Errorf("read webhooks: %w", err)
	}
	if len(seen) == 0 {
		return nil, nil
	}
	now, err := s.client.Time(ctx).Result()
	if err != nil {
		return nil, fmt.Errorf("read webhooks: %w", err)
	}
	list := make([]Webhook, len(seen))
	for i, z := range seen {
		name, _ := z.Member.(string)
		if list[i], err = s.webhook(ctx, name, now); err != nil {
			return nil, fmt.Errorf("read webhook %s: %w", name, err)
		}
		list[i].Seen = max(0, now.Sub(time.UnixMilli(int64(z.Score))))
	}
	slices.SortFunc(list, func(a, b Webhook) int { return strings.Compare(a.Endpoint, b.Endpoint) })
	return list, nil
}

func (s *Store) webhook(ctx context.Context, name string, now time.Time) (Webhook, error) {
	pipe := s.client.Pipeline()
	hash := pipe.HGetAll(ctx, s.keys.named("webhook", name))
	waiting := pipe.ZCard(ctx, s.keys.named("webhookwaiting", name))
	out := pipe.ZCard(ctx, s.keys.named("webhookout", name))
	first := pipe.ZRange(ctx, s.keys.named("webhookwaiting", name), 0, 0)
	listed := pipe.ZRange(ctx, s.keys.named("webhookgivenup", name), 0, -1)
	if _, err := pipe.Exec(ctx); err != nil {
		return Webhook{}, err
	}
	h := hash.Val()
	w := Webhook{
		Endpoint: name, Cursor: h["cursor"], Waiting: waiting.Val(), Out: out.Val(), Why: h["why"],
		Off: instant(h["off"]), Err: h["error"], ErrAt: instant(h["error_at"]),
		DeliveredAt: instant(h["delivered_at"]), GivenUp: whole(h["given_up"]),
		Missed: whole(h["missed"]), Listed: listed.Val(),
	}
	if !w.Off.IsZero() {
		w.OffFor = max(0, now.Sub(w.Off))
	}
	if len(first.Val()) > 0 {
		w.First = first.Val()[0]
		w.Oldest = ageOfEntry(w.First, now)
		return w, nil
	}
	var err error
	if w.Cursor != "" {
		w.Oldest, err = s.firstAfter(ctx, s.keys.results(), "("+w.Cursor, now)
	}
	return w, err
}

// instant reads a stored time (ms); zero when there is none.
func instant(stored string) time.Time {
	if n := whole(stored); n > 0 {
		return time.UnixMilli(n).UTC()
	}
	return time.Time{}
}

const (
	// webhookHolds is for how long a result that an endpoint still needs stays on the stream, and
	// webhookGone after how long an endpoint that no poller has in its settings needs none.
	webhookHolds, webhookGone = 30 * 24 * time.Hour, 24 * time.Hour
)

// webhookNames are the endpoints that a poller had in its settings lately.
func (s *Store) webhookNames(ctx context.Context, now time.Time) ([]string, error) {
	return s.client.ZRangeByScore(ctx, s.keys.plain("webhooks"), &redis.ZRangeBy{
		Min: fmt.Sprint(now.Add(-webhookGone).UnixMilli()), Max: "+inf",
	}).Result()
}

// webhooksNeed is the first result that some endpoint still needs; empty when none does.
func (s *Store) webhooksNeed(ctx context.Context) (string, error) {
	now, err := s.client.Time(ctx).Result()
	if err != nil {
		return "", err
	}
	names, err := s.webhookNames(ctx, now)
	if err != nil {
		return "", err
	}
	first := ""
	for _, name := range names {
		id, err := s.webhookNeeds(ctx, name)
		if err != nil {
			return "", err
		}
		if id != "" && (first == "" || olderID(id, first)) {
			first = id
		}
	}
	bound := fmt.Sprint(now.Add(-webhookHolds).UnixMilli()) + "-0"
	if first != "" && olderID(first, bound) {
		first = bound
	}
	return first, nil
}

// webhookNeeds is the first result that an endpoint needs; empty for one that has read nothing.
func (s *Store) webhookNeeds(ctx context.Context, name string) (string, error) {
	cursor, err := s.client.HGet(ctx, s.keys.named("webhook", name), "cursor").Result()
	if errors.Is(err, redis.Nil) {
		return "", nil
	}
	if err != nil {
		return "", err
	}
	first, err := s.client.ZRange(ctx, s.keys.named("webhookwaiting", name), 0, 0).Result()
	if err != nil || len(first) == 0 {
		return nextID(cursor), err
	}
	ms, _, _ := strings.Cut(first[0], "-") // Those of one ms are in no order.
	return ms + "-0", nil
}

// trimCounted takes the entries up to one off a stream, and counts the results that endpoints had
// not read by then.
func (s *Store) trimCounted(ctx context.Context, stream, last string) (int64, error) {
	var missed map[string]int64
	if stream == "results" {
		var err error
		if missed, err = s.missedBefore(ctx, nextID(last)); err != nil {
			return 0, err
		}
	}
	trimmed, err := s.trim(ctx, stream, last)
	for name, n := range missed {
		if err != nil || trimmed == 0 {
			break
		}
		err = effect.Do(ctx, "trim stream", func() error {
			return s.client.HIncrBy(ctx, s.keys.named("webhook", name), "missed", n).Err()
		})
	}
	return trimmed, err
}

// missedBefore counts the results before one that endpoints have not read, for whomever they are.
func (s *Store) missedBefore(ctx context.Context, floor string) (map[string]int64, error) {
	now, err := s.client.Time(ctx).Result()
	if err != nil {
		return nil, err
	}
	names, err := s.webhookNames(ctx, now)
	if err != nil {
		return nil, err
	}
	missed := map[string]int64{}
	for _, name := range names {
		cursor, err := s.client.HGet(ctx, s.keys.named("webhook", name), "cursor").Result()
		if err != nil && !errors.Is(err, redis.Nil) {
			return nil, err
		}
		for err == nil && olderID(nextID(cursor), floor) {
			unread, err := s.client.XRangeN(ctx, s.keys.results(), "("+cursor, "("+floor,
				yieldEntries).Result()
			if err != nil {
				return nil, err
			}
			if len(unread) == 0 {
				break
			}
			missed[name] += int64(len(unread))
			cursor = unread[len(unread)-1].ID
		}
	}
	return missed, nil
}
