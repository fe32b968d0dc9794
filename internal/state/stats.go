package state

import (
	"context"
	"fmt"
	"math"
	"strconv"
	"strings"
	"time"

	"github.com/redis/go-redis/v9"

	"tuma/internal/airtime"
)

// Channel is the state of the channel of one provider, for all processes.
type Channel struct {
	Provider string
	// Pending counts entries that wait to be claimed, Ready whole batches, Blocked entries whose
	// number is in doubt there.
	Pending, Ready, Blocked int64
	// Withheld counts entries that the controls of their campaigns withhold.
	Withheld int64
	// InFlight counts batches that are claimed or on the wire.
	InFlight int64
	// Open counts batches with recipients that are not settled, and Oldest is how long ago the
	// oldest recipient was accepted that is not settled, queued ones included; zero without any. In
	// a batch, those that have settled count as long as another has not.
	Open   int64
	Oldest time.Duration
	// Paused is how long the channel stays paused, and PauseReason why.
	Paused      time.Duration
	PauseReason airtime.Reason
	// Since is when the pause began, zero when the channel is neither paused nor probed, and
	// PausedFor how long ago that was by Redis's clock.
	Since     time.Time
	PausedFor time.Duration
	// Manual is the pause by a person, which lasts until a person ends it and stands beside the
	// other; nil when there is none.
	Manual *ManualPause
	// Waiting is how long triggers have waited for a worker to ask for work there.
	Waiting time.Duration
	// HalfOpen says that one request at a time finds out whether the provider works again.
	HalfOpen bool
	// Largest is the most recipients that a batch may have while sizes ramp up; zero without bound.
	Largest int
}

// unservedAfter is after how long with work and without anybody asking for it a channel counts as
// unserved: every sweep wakes a worker for it.
const unservedAfter = time.Minute

// Unserved reports whether work waits there and no worker has the provider's credentials, or none
// runs at all. While requests are out no worker is woken, and none need ask.
func (c Channel) Unserved() bool {
	waits := c.Pending+c.Ready > 0 && c.Paused == 0 && c.Manual == nil && c.InFlight == 0
	return waits && c.Waiting > unservedAfter
}

// Stats is what operators watch.
type Stats struct {
	// Book maps "provider currency status" and the same with " minor" and " discount" to recipients,
	// money, and discounts in units of airtime.DiscountScale, these without zeros.
	Book     map[string]int64
	Channels []Channel
	// Due counts batches on the schedule, Doubt, Overdue and Overpaid what people may have to
	// settle.
	Due, Doubt, Overdue, Overpaid int64
	// Mismatched counts recipients of whom a provider says what cannot be right, and MismatchedFor is
	// for how long the first of them has been listed.
	Mismatched    int64
	MismatchedFor time.Duration
	// DoubtFor and OverdueFor are for how long the first of these batches has been there.
	DoubtFor, OverdueFor time.Duration
	// Jobs and Rejected are the lengths of these streams, Streams more about them and the results.
	Jobs, Rejected int64
	Streams        []Stream
	// Times are how long batches took.
	Times []Times
	// Floats are what is left at the providers whose balance is known.
	Floats []Float
	// Webhooks are the endpoints that a poller had in its settings lately.
	Webhooks []Webhook
	// Memory is the share of maxmemory that Redis uses; zero without a maxmemory.
	Memory float64
	// Parked counts callbacks that fit no recipient yet, Dropped those that were given up, DeadLetters
	// bodies that nobody could read.
	Parked, Dropped, DeadLetters int64
	// Fenced is how long claiming stays fenced after Redis was restarted.
	Fenced time.Duration
	// Behind is by how much Redis's clock is behind the highest time that it has shown; zero unless
	// that is more than a second. Nothing is sent again and nothing expires meanwhile.
	Behind time.Duration
}

// Stats reads what operators watch. It costs a few reads, whatever the number of recipients.
func (s *Store) Stats(ctx context.Context) (Stats, error) {
	var f Stats
	pipe := s.client.Pipeline()
	book := pipe.HGetAll(ctx, s.keys.book())
	times := pipe.HGetAll(ctx, s.keys.plain("times"))
	due := pipe.ZCard(ctx, s.keys.plain("due"))
	doubt := pipe.ZCard(ctx, s.keys.plain("doubt"))
	overdue := pipe.ZCard(ctx, s.keys.plain("overdue"))
	overpaid := pipe.SCard(ctx, s.keys.plain("overpaid"))
	mismatched := pipe.ZCard(ctx, s.keys.plain("mismatched"))
	mismatchedFor := pipe.ZRangeWithScores(ctx, s.keys.plain("mismatched"), 0, 0)
	doubtFor := pipe.ZRangeWithScores(ctx, s.keys.plain("doubt"), 0, 0)
	overdueFor := pipe.ZRangeWithScores(ctx, s.keys.plain("overdue"), 0, 0)
	parked := pipe.HLen(ctx, s.keys.plain("parked"))
	deadLetters := pipe.XLen(ctx, s.keys.plain("dead_letters"))
	state := pipe.HMGet(ctx, s.keys.state(), "fenced_until", "callbacks_dropped", "clock")
	// Last, so that what others write meanwhile is never ahead of it.
	clock := pipe.Time(ctx)
	if _, err := pipe.Exec(ctx); err != nil {
		return f, fmt.Errorf("read figures: %w", err)
	}
	now := clock.Val()
	var err error
	if f.Book, err = figuresOf(book.Val()); err != nil {
		return f, err
	}
	took, err := wholes(times.Val())
	if err != nil {
		return f, err
	}
	f.Times = s.timesOf(took)
	f.Due, f.Doubt, f.Overdue, f.Overpaid = due.Val(), doubt.Val(), overdue.Val(), overpaid.Val()
	f.DoubtFor, f.OverdueFor = sinceFirst(now, doubtFor.Val()), sinceFirst(now, overdueFor.Val())
	f.Mismatched, f.MismatchedFor = mismatched.Val(), sinceFirst(now, mismatchedFor.Val())
	f.Parked, f.DeadLetters = parked.Val(), deadLetters.Val()
	f.Dropped = whole(state.Val()[1])
	f.Fenced = untilMillis(now, state.Val()[0])
	if behind := untilMillis(now, state.Val()[2]); behind > time.Second {
		f.Behind = behind
	}
	if f.Streams, err = s.streams(ctx, now); err != nil {
		return f, err
	}
	f.Jobs, f.Rejected = f.Streams[0].Entries, f.Streams[2].Entries
	full, err := s.memoryNow(ctx)
	if err != nil {
		return f, err
	}
	f.Memory = full.share()
	webhooks, err := s.Webhooks(ctx)
	if err != nil {
		return f, err
	}
	for _, w := range webhooks {
		if w.Seen < webhookGone {
			f.Webhooks = append(f.Webhooks, w)
		}
	}
	if f.Floats, err = s.Floats(ctx); err != nil {
		return f, err
	}
	f.Channels, err = s.Channels(ctx)
	return f, err
}

func wholes(stored map[string]string) (map[string]int64, error) {
	figures := make(map[string]int64, len(stored))
	for field, figure := range stored {
		n, err := strconv.ParseInt(figure, 10, 64)
		if err != nil {
			return nil, fmt.Errorf("read figures: %s: %w", field, err)
		}
		figures[field] = n
	}
	return figures, nil
}

// sinceFirst is how long ago the first of a sorted set of instants (ms) was.
func sinceFirst(now time.Time, first []redis.Z) time.Duration {
	if len(first) == 0 {
		return 0
	}
	return max(0, now.Sub(time.UnixMilli(int64(first[0].Score))))
}

// Channels reads the channels of all providers that ever got a disbursal, by name.
func (s *Store) Channels(ctx context.Context) ([]Channel, error) {
	answer, err := s.run(ctx, s.client, "channels")
	if err != nil {
		return nil, err
	}
	channels := make([]Channel, len(asList(answer)))
	for i, item := range asList(answer) {
		r := asList(item)
		c := Channel{
			Provider: r.text(0), Pending: int64(r.int(1)), Ready: int64(r.int(2)),
			Blocked: int64(r.int(3)), InFlight: int64(r.int(4)), Paused: millis(r.int(5)),
			PauseReason: airtime.Reason(r.text(6)), PausedFor: millis(r.int(7)),
			HalfOpen: r.int(8) == 1, Waiting: millis(r.int(10)), Open: int64(r.int(12)),
			Oldest: millis(r.int(13)),
		}
		if began := r.int(11); began > 0 {
			c.Since = time.UnixMilli(int64(began)).UTC()
		}
		c.Manual = manualPause(r.int(14), r.text(15), r.text(16), millis(r.int(17)))
		c.Withheld = int64(r.int(18))
		for _, p := range s.options.Providers {
			if p.Name == c.Provider && p.RampsUp {
				c.Largest = int(math.Pow10(r.int(9)))
			}
		}
		channels[i] = c
	}
	return channels, nil
}

// whole reads a stored whole number; zero when there is none.
func whole(stored any) int64 {
	text, _ := stored.(string)
	n, _ := strconv.ParseInt(text, 10, 64)
	return n
}

// untilMillis is the time left until a stored instant; zero when it has passed or is not set.
func untilMillis(now time.Time, stored any) time.Duration {
	text, _ := stored.(string)
	ms, err := strconv.ParseFloat(strings.TrimSpace(text), 64)
	if err != nil {
		return 0
	}
	return max(0, time.UnixMilli(int64(ms)).Sub(now))
}
