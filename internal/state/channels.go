package state

import (
	"context"
	"fmt"
	"strings"
	"time"

	"tuma/internal/airtime"
)

// Providers lists every provider that ever got a disbursal, on or off here.
func (s *Store) Providers(ctx context.Context) ([]string, error) {
	names, err := s.client.SMembers(ctx, s.keys.plain("providers")).Result()
	if err != nil {
		return nil, fmt.Errorf("list providers: %w", err)
	}
	return names, nil
}

// Pause pauses the channel to a provider for every process, with a reason. A zero length leaves
// the length to the state: it doubles with each pause that no acceptance came between.
func (s *Store) Pause(
	ctx context.Context, provider string, reason airtime.Reason, length time.Duration,
) error {
	_, err := s.run(ctx, s.client, "pause", provider, string(reason), length.Milliseconds())
	return err
}

// ManualPause is a pause of a channel by a person.
type ManualPause struct {
	// Since is when it began, and For how long ago that was, by Redis's clock.
	Since time.Time
	For   time.Duration
	// Who is the person that paused it, Note why.
	Who, Note string
}

func manualPause(since int, who, note string, ago time.Duration) *ManualPause {
	if since == 0 {
		return nil
	}
	return &ManualPause{
		Since: time.UnixMilli(int64(since)).UTC(), For: ago, Who: who, Note: note,
	}
}

// PauseChannel pauses the channel of a provider for every process until a person resumes it: no
// request that has not begun is sent. It returns the pause that stands then, and whether it is this
// one; an earlier one stays as it is.
func (s *Store) PauseChannel(
	ctx context.Context, provider, who, note string,
) (*ManualPause, bool, error) {
	r, err := s.switchChannel(ctx, provider, "pause", who, note)
	return manualPause(r.int(1), r.text(2), r.text(3), 0), r.int(0) == 1, err
}

// ResumeChannel ends a manual pause, and no other. It returns the pause that was, nil when there
// was none, and the wakeup that work asks for.
func (s *Store) ResumeChannel(
	ctx context.Context, provider, who, note string,
) (*ManualPause, *Wakeup, error) {
	r, err := s.switchChannel(ctx, provider, "resume", who, note)
	return manualPause(r.int(1), r.text(2), r.text(3), 0), wakeupOf(provider, r.int(4)), err
}

func (s *Store) switchChannel(
	ctx context.Context, provider, what, who, note string,
) (reply, error) {
	answer, err := s.decide(ctx, "pausebyperson", who, provider, what, clean(note),
		s.options.MaxInFlight)
	if err != nil {
		return make(reply, 5), err // Of a failed call nothing is known.
	}
	return asList(answer), nil
}

// QueuePause is what the state knows of a pause of a queue in the asynq dashboard.
type QueuePause struct {
	Paused bool
	seen   string // As it is stored.
}

// QueuePauses returns what is known of the queues that were ever paused in the dashboard.
func (s *Store) QueuePauses(ctx context.Context) (map[string]QueuePause, error) {
	kept, err := s.client.HGetAll(ctx, s.keys.plain("queuepauses")).Result()
	if err != nil {
		return nil, fmt.Errorf("read pauses of queues: %w", err)
	}
	pauses := map[string]QueuePause{}
	for queue, seen := range kept {
		pauses[queue] = QueuePause{Paused: strings.HasPrefix(seen, "1 "), seen: seen}
	}
	return pauses, nil
}

// NoteQueuePause keeps in the audit that a queue was paused or resumed, and by whom, unless it is
// known, or another pause or resumption is since known was read.
func (s *Store) NoteQueuePause(
	ctx context.Context, queue string, known QueuePause, paused bool, who string,
) error {
	_, err := s.decide(ctx, "queuepause", who, queue, flag(paused), known.seen)
	return err
}
