package state

import (
	"context"
	"fmt"
	"math"
	"slices"
	"strconv"
	"strings"
	"time"

	"tuma/internal/airtime"
)

// Channel is the road to one provider as all processes see it.
type Channel struct {
	Provider string
	// Pending counts entries that wait to be claimed, Ready whole batches, Held entries whose
	// number is in doubt there.
	Pending, Ready, Held int64
	// InFlight counts batches that are claimed or on the wire.
	InFlight int64
	// Paused is how long the channel stays paused, and PauseReason why.
	Paused      time.Duration
	PauseReason airtime.Reason
	// Since is when the pause began, zero when the channel is neither paused nor probed.
	Since time.Time
	// Probing says that one request at a time finds out whether the provider works again.
	Probing bool
	// Largest is the most recipients that a batch may have while sizes climb; zero without bound.
	Largest int
}

// Figures is what operators watch.
type Figures struct {
	// Book maps "provider currency status" and the same with " minor" to recipients and money.
	Book     map[string]int64
	Channels []Channel
	// Due counts batches on the schedule, Doubt, Overdue and Overpaid what people may have to
	// settle.
	Due, Doubt, Overdue, Overpaid int64
	// Jobs and Rejected are the lengths of these streams.
	Jobs, Rejected int64
	// Kept counts callbacks that fit nobody yet, Dropped those that were given up, Unplaced bodies
	// that nobody could read.
	Kept, Dropped, Unplaced int64
	// Frozen is how long claiming stays frozen after Redis was restarted.
	Frozen time.Duration
}

// Figures reads what operators watch. It costs a few reads, whatever the number of recipients.
func (s *Store) Figures(ctx context.Context) (Figures, error) {
	var f Figures
	now, err := s.client.Time(ctx).Result()
	if err != nil {
		return f, fmt.Errorf("read figures: %w", err)
	}
	pipe := s.client.Pipeline()
	book := pipe.HGetAll(ctx, s.keys.book())
	providers := pipe.SMembers(ctx, s.keys.plain("providers"))
	due := pipe.ZCard(ctx, s.keys.plain("due"))
	doubt := pipe.ZCard(ctx, s.keys.plain("doubt"))
	overdue := pipe.ZCard(ctx, s.keys.plain("overdue"))
	overpaid := pipe.SCard(ctx, s.keys.plain("overpaid"))
	jobs := pipe.XLen(ctx, s.keys.jobs())
	rejected := pipe.XLen(ctx, s.keys.rejected())
	kept := pipe.HLen(ctx, s.keys.plain("kept"))
	unplaced := pipe.XLen(ctx, s.keys.plain("unplaced"))
	state := pipe.HMGet(ctx, s.keys.state(), "frozen_until", "callbacks_dropped")
	if _, err := pipe.Exec(ctx); err != nil {
		return f, fmt.Errorf("read figures: %w", err)
	}
	f.Book = make(map[string]int64, len(book.Val()))
	for field, figure := range book.Val() {
		if f.Book[field], err = strconv.ParseInt(figure, 10, 64); err != nil {
			return f, fmt.Errorf("read figures: %s: %w", field, err)
		}
	}
	f.Due, f.Doubt, f.Overdue, f.Overpaid = due.Val(), doubt.Val(), overdue.Val(), overpaid.Val()
	f.Jobs, f.Rejected = jobs.Val(), rejected.Val()
	f.Kept, f.Unplaced = kept.Val(), unplaced.Val()
	f.Dropped = whole(state.Val()[1])
	f.Frozen = untilMillis(now, state.Val()[0])
	f.Channels, err = s.channels(ctx, now, providers.Val())
	return f, err
}

// Channels reads the roads to all providers that ever got a disbursal, by name.
func (s *Store) Channels(ctx context.Context) ([]Channel, error) {
	now, err := s.client.Time(ctx).Result()
	if err != nil {
		return nil, fmt.Errorf("read channels: %w", err)
	}
	providers, err := s.client.SMembers(ctx, s.keys.plain("providers")).Result()
	if err != nil {
		return nil, fmt.Errorf("read channels: %w", err)
	}
	return s.channels(ctx, now, providers)
}

func (s *Store) channels(
	ctx context.Context, now time.Time, providers []string,
) ([]Channel, error) {
	slices.Sort(providers)
	channels := make([]Channel, len(providers))
	for i, provider := range providers {
		var err error
		if channels[i], err = s.channel(ctx, now, provider); err != nil {
			return nil, err
		}
	}
	return channels, nil
}

func (s *Store) channel(ctx context.Context, now time.Time, provider string) (Channel, error) {
	pipe := s.client.Pipeline()
	pending := pipe.LLen(ctx, s.keys.pending(provider))
	ready := pipe.LLen(ctx, s.keys.named("ready", provider))
	held := pipe.LLen(ctx, s.keys.named("held", provider))
	slots := pipe.ZCard(ctx, s.keys.slots(provider))
	record := pipe.HMGet(ctx, s.keys.channel(provider), "paused_until", "pause_reason",
		"paused_since", "probing", "climb")
	if _, err := pipe.Exec(ctx); err != nil {
		return Channel{}, fmt.Errorf("read channel %s: %w", provider, err)
	}
	c := Channel{
		Provider: provider, Pending: pending.Val(), Ready: ready.Val(), Held: held.Val(),
		InFlight: slots.Val(), Paused: untilMillis(now, record.Val()[0]),
	}
	if since := whole(record.Val()[2]); since > 0 {
		c.Since = time.UnixMilli(since).UTC()
		reason, _ := record.Val()[1].(string)
		c.PauseReason, c.Probing = airtime.Reason(reason), whole(record.Val()[3]) == 1
	}
	for _, p := range s.options.Providers {
		if p.Name == provider && p.Climbs {
			c.Largest = int(math.Pow10(int(whole(record.Val()[4]))))
		}
	}
	return c, nil
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
