package state

import (
	"context"
	"fmt"
	"strconv"

	"github.com/redis/go-redis/v9"
)

// MaxRate is the highest rate of a campaign, in recipients a second; a higher one bounds nothing.
const MaxRate = 1e6

// CampaignControl is what people have decided about how a campaign is sent.
type CampaignControl struct {
	// Pause is the pause that stands; nil when there is none.
	Pause *ManualPause
	// PerSecond is how many recipients a second may be drawn for batches; zero without bound.
	PerSecond float64
	// RateBy is who set that, and RateNote why.
	RateBy, RateNote string
}

// IsSet reports whether there is a pause or a rate.
func (c CampaignControl) IsSet() bool { return c.Pause != nil || c.PerSecond > 0 }

// rateText spells a rate; empty for none.
func rateText(perSecond float64) string {
	if perSecond == 0 {
		return ""
	}
	return strconv.FormatFloat(perSecond, 'f', -1, 64)
}

// PauseCampaign lets nobody of a campaign be drawn for a batch until a person resumes it. It
// returns the pause that stands then, and whether it is this one; an earlier one stays as it is.
func (s *Store) PauseCampaign(
	ctx context.Context, name, who, note string,
) (*ManualPause, bool, error) {
	r, err := s.control(ctx, name, "pause", 0, who, note)
	return manualPause(r.int(1), r.text(2), r.text(3), 0), r.int(0) == 1, err
}

// ResumeCampaign ends a pause by a person. It returns the pause that was, nil when there was none.
// Drip brings back whom it withheld.
func (s *Store) ResumeCampaign(
	ctx context.Context, name, who, note string,
) (*ManualPause, error) {
	r, err := s.control(ctx, name, "resume", 0, who, note)
	return manualPause(r.int(1), r.text(2), r.text(3), 0), err
}

// SetCampaignRate lets so many recipients of a campaign be drawn for batches each second, at most
// those of two seconds at once; zero lifts it. It returns the rate before, and whether this is
// another one.
func (s *Store) SetCampaignRate(
	ctx context.Context, name string, perSecond float64, who, note string,
) (float64, bool, error) {
	r, err := s.control(ctx, name, "rate", perSecond, who, note)
	before, _ := strconv.ParseFloat(r.text(4), 64)
	return before, r.int(0) == 1, err
}

func (s *Store) control(
	ctx context.Context, name, what string, perSecond float64, who, note string,
) (reply, error) {
	answer, err := s.decide(ctx, "campaign", who, name, what, rateText(perSecond), clean(note))
	if err != nil {
		return make(reply, 5), err // Of a failed call nothing is known.
	}
	return asList(answer), nil
}

// CampaignControls returns what stands of that, by the names of the campaigns in the state.
func (s *Store) CampaignControls(ctx context.Context) (map[string]CampaignControl, error) {
	names, err := s.client.SMembers(ctx, s.keys.plain("controlled")).Result()
	if err != nil {
		return nil, fmt.Errorf("list controls of campaigns: %w", err)
	}
	pipe, reads := s.client.Pipeline(), map[string]*redis.MapStringStringCmd{}
	for _, name := range names {
		reads[name] = pipe.HGetAll(ctx, s.keys.named("control", name))
	}
	if _, err := pipe.Exec(ctx); err != nil {
		return nil, fmt.Errorf("read controls of campaigns: %w", err)
	}
	controls := map[string]CampaignControl{}
	for name, read := range reads {
		fields := read.Val()
		c := CampaignControl{RateBy: fields["rate_by"], RateNote: fields["rate_note"]}
		c.PerSecond, _ = strconv.ParseFloat(fields["rate"], 64)
		c.Pause = manualPause(int(whole(fields["paused"])), fields["paused_by"],
			fields["paused_note"], 0)
		if c.IsSet() {
			controls[name] = c
		}
	}
	return controls, nil
}

const (
	// dripStep is how many entries one script brings back at most.
	dripStep = 1000
	// mostDripSteps bounds the steps of one call.
	mostDripSteps = 50
)

// Drip brings those back to the queues whom the controls of their campaigns let through now. Every
// process calls it every second; none leads. Without controls it is one question.
func (s *Store) Drip(ctx context.Context) ([]Wakeup, error) {
	found, err := s.client.Exists(ctx, s.keys.plain("controlled")).Result()
	if err != nil {
		return nil, fmt.Errorf("look for controls of campaigns: %w", err)
	}
	var wakeups []Wakeup
	for more, step := found == 1, 0; more && step < mostDripSteps; step++ {
		answer, err := s.run(ctx, s.client, "drip", dripStep, s.options.MaxInFlight)
		if err != nil {
			return wakeups, err
		}
		more = asList(answer).int(0) == 1
		wakeups = append(wakeups, wakeupsOf(asList(answer).list(1))...)
	}
	return wakeups, nil
}
