package main

import (
	"context"
	"fmt"
	"maps"
	"slices"
	"time"

	"tuma/internal/app"
	"tuma/internal/cli"
	"tuma/internal/state"
	"tuma/internal/tasks"
)

// overview is what keeps disbursals from moving: where the channels stand, who works, and which
// queues somebody paused in the asynq dashboard.
type overview struct {
	stats state.Stats
	// controls are those of campaigns, by their names in the state.
	controls map[string]state.CampaignControl
	queues   map[string]tasks.QueueStatus // Of the providers with channels, and of the queries.
}

func readOverview(ctx context.Context, a *app.App) (*overview, error) {
	stats, err := a.Store.Stats(ctx)
	if err != nil {
		return nil, err
	}
	names := []string{tasks.QueuePoll}
	for _, c := range stats.Channels {
		names = append(names, c.Provider)
	}
	queues, err := a.Queues.Inspect(ctx, names)
	if err != nil {
		return nil, err
	}
	controls, err := a.Store.CampaignControls(ctx)
	if err != nil {
		return nil, err
	}
	s := &overview{stats: stats, controls: controls, queues: map[string]tasks.QueueStatus{}}
	for _, q := range queues {
		s.queues[q.Queue] = q
	}
	return s, nil
}

func (s *overview) queuePaused(queue string) bool { return s.queues[queue].Paused }

// idle reports whether nobody takes tasks of a queue; false where the Redis user may not see it.
func (s *overview) idle(queue string) bool {
	q := s.queues[queue]
	return !q.Hidden && len(q.Servers) == 0
}

// unserved reports whether no worker takes what is queued for a provider.
func (s *overview) unserved(c state.Channel) bool { return c.Unserved() || s.idle(c.Provider) }

// blockers says what keeps disbursals from moving: one line per cause.
func (s *overview) blockers(at func(time.Time) string) []string {
	var lines []string
	if s.stats.Fenced > 0 {
		lines = append(lines, "claiming is fenced for "+seconds(s.stats.Fenced)+
			" more: Redis was restarted, and a request may be on the wire")
	}
	for _, c := range s.stats.Channels {
		lines = append(lines, s.blocks(c, at)...)
	}
	for _, name := range slices.Sorted(maps.Keys(s.controls)) {
		lines = append(lines, describeControl(name, s.controls[name], at)...)
	}
	if s.stats.Due+s.stats.Parked == 0 {
		return lines
	}
	switch {
	case s.queuePaused(tasks.QueuePoll):
		lines = append(lines, "the queue poll is paused in the asynq dashboard: no process asks "+
			"for the status of payments; resume it with enqueuer channel resume poll")
	case s.idle(tasks.QueuePoll):
		lines = append(lines, "no poller runs: no process asks for the status of payments")
	}
	return lines
}

// blocks says what keeps the recipients of one channel.
func (s *overview) blocks(c state.Channel, at func(time.Time) string) []string {
	var lines []string
	say := func(format string, values ...any) {
		lines = append(lines, fmt.Sprintf(c.Provider+format, values...))
	}
	if c.Manual != nil {
		say(" is paused %s; it lasts until enqueuer channel resume %s", describePause(c.Manual, at),
			c.Provider)
	}
	switch {
	case c.Paused > 0:
		say(" is paused for %s more: %s", seconds(c.Paused), orUnknown(c.PauseReason))
	case c.HalfOpen:
		say(" was paused: %s; one recipient at a time is sent until it works again",
			orUnknown(c.PauseReason))
	}
	waits := c.Pending+c.Ready > 0
	switch {
	case !waits:
	case s.queuePaused(c.Provider):
		say(": its queue is paused in the asynq dashboard; resume it with enqueuer channel resume %s",
			c.Provider)
	case s.unserved(c):
		say(": no worker takes what is queued there; does one run, and has it the provider's " +
			"credentials?")
	}
	if c.Blocked > 0 {
		say(": %s held back, because the number is in doubt there", cli.Plural(c.Blocked, "recipient"))
	}
	return lines
}

// describePause says who paused a channel, since when and why: "by amina since …: note".
func describePause(p *state.ManualPause, at func(time.Time) string) string {
	text := fmt.Sprintf("by %s since %s", p.Who, at(p.Since))
	if p.Note != "" {
		text += ": " + p.Note
	}
	return text
}
