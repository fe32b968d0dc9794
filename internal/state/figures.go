package state

import (
	"context"
	"fmt"
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
	state := pipe.HMGet(ctx, s.keys.state(), "frozen_until")
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
	f.Frozen = untilMillis(now, state.Val()[0])
	for _, provider := range providers.Val() {
		channel, err := s.channel(ctx, now, provider)
		if err != nil {
			return f, err
		}
		f.Channels = append(f.Channels, channel)
	}
	return f, nil
}

func (s *Store) channel(ctx context.Context, now time.Time, provider string) (Channel, error) {
	pipe := s.client.Pipeline()
	pending := pipe.LLen(ctx, s.keys.pending(provider))
	ready := pipe.LLen(ctx, s.keys.named("ready", provider))
	held := pipe.LLen(ctx, s.keys.named("held", provider))
	slots := pipe.ZCard(ctx, s.keys.slots(provider))
	record := pipe.HMGet(ctx, s.keys.channel(provider), "paused_until", "pause_reason")
	if _, err := pipe.Exec(ctx); err != nil {
		return Channel{}, fmt.Errorf("read channel %s: %w", provider, err)
	}
	c := Channel{
		Provider: provider, Pending: pending.Val(), Ready: ready.Val(), Held: held.Val(),
		InFlight: slots.Val(), Paused: untilMillis(now, record.Val()[0]),
	}
	if reason, ok := record.Val()[1].(string); ok && c.Paused > 0 {
		c.PauseReason = airtime.Reason(reason)
	}
	return c, nil
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
