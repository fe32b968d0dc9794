package state

import (
	"context"
	"fmt"
	"time"

	"github.com/google/uuid"

	"tuma/internal/airtime"
)

// Withdrawal is what a cancel achieved.
type Withdrawal struct {
	// Withdrawn counts recipients that are cancelled, TooLate those on the wire or beyond.
	Withdrawn, TooLate int
}

// cancelStep is how many chunks one cancel script walks: at most 5,000 recipients. Each takes a
// result, and Redis serves nothing else meanwhile.
const cancelStep = 5

// Cancel puts the lasting mark on a disbursal, import or campaign, before it counts, and withdraws
// what is not on the wire. Later disbursals under the name are refused.
func (s *Store) Cancel(ctx context.Context, kind Kind, name string) (Withdrawal, error) {
	var total Withdrawal
	cancel := func(chunks []string) error {
		args := []any{string(kind), name}
		for _, chunk := range chunks {
			args = append(args, chunk)
		}
		answer, err := s.run(ctx, s.client, "cancel", args...)
		if err != nil {
			return err
		}
		total.Withdrawn += asList(answer).int(0)
		total.TooLate += asList(answer).int(1)
		return nil
	}
	err := cancel(nil) // The mark stands before anything else is withdrawn.
	if err == nil && kind != KindDisbursal {
		err = s.eachChunk(ctx, kind, name, cancelStep, cancel)
	}
	return total, err
}

// eachChunk calls fn with the chunks of an import or campaign, step by step.
func (s *Store) eachChunk(
	ctx context.Context, kind Kind, name string, step int, fn func([]string) error,
) error {
	list := s.keys.named(string(kind)+"chunks", name)
	for start := 0; ; start += step {
		chunks, err := s.client.LRange(ctx, list, int64(start), int64(start+step-1)).Result()
		if err != nil {
			return fmt.Errorf("list %s %s: %w", kind, Shown(name), err)
		}
		if len(chunks) == 0 {
			return nil
		}
		if err := fn(chunks); err != nil {
			return err
		}
	}
}

// PersonPause is a person's pause of a channel.
type PersonPause struct {
	// Since is when it began, and For how long ago that was, by Redis's clock.
	Since time.Time
	For   time.Duration
	// Who paused it, and why.
	Who, Note string
}

func personPause(since int, who, note string, ago time.Duration) *PersonPause {
	if since == 0 {
		return nil
	}
	return &PersonPause{
		Since: time.UnixMilli(int64(since)).UTC(), For: ago, Who: who, Note: note,
	}
}

// PauseByPerson pauses the channel to a provider for every process until a person resumes it:
// nothing that has not begun is sent. It returns the pause that stands then, and whether it is this
// one; an earlier one stays as it is.
func (s *Store) PauseByPerson(
	ctx context.Context, provider, who, note string,
) (*PersonPause, bool, error) {
	r, err := s.pauseByPerson(ctx, provider, "pause", who, note)
	return personPause(r.int(1), r.text(2), r.text(3), 0), r.int(0) == 1, err
}

// ResumeByPerson ends a person's pause, and no other. It returns the pause that was, nil when there
// was none, and the wakeup that work asks for.
func (s *Store) ResumeByPerson(
	ctx context.Context, provider, who, note string,
) (*PersonPause, *Wakeup, error) {
	r, err := s.pauseByPerson(ctx, provider, "resume", who, note)
	return personPause(r.int(1), r.text(2), r.text(3), 0), wakeupOf(provider, r.int(4)), err
}

func (s *Store) pauseByPerson(
	ctx context.Context, provider, what, who, note string,
) (reply, error) {
	id, err := uuid.NewV7()
	if err != nil {
		return make(reply, 5), fmt.Errorf("%s %s: %w", what, provider, err)
	}
	answer, err := s.run(ctx, s.client, "pausebyperson", provider, what, clean(who), clean(note),
		id.String(), s.options.MaxInFlight)
	if err != nil {
		return make(reply, 5), err // Of a failed call nothing is known.
	}
	return asList(answer), nil
}

// Decision is what a person says about a recipient.
type Decision struct {
	Paid bool
	// Resubmit puts an unpaid recipient back in the queue.
	Resubmit bool
	// Who and Evidence are kept with the decision.
	Who, Evidence string
}

// Resolution names a recipient and what the person saw of it: the word is about that sending and
// that amount, and about no later one.
type Resolution struct {
	// Reference is its disbursal's name in the state.
	Reference string
	// Position is the recipient's index in its disbursal, as Row gives it.
	Position int
	Seen     airtime.Status
	// Batch is the batch that it stood in, empty for none, and Attempt the last sending of the batch
	// then, which counts for a recipient in doubt.
	Batch   string
	Attempt int
	Amount  airtime.Money
}

// Resolve takes a person's word about recipients, all or none. ErrMoved is returned when one of
// them is not as it was listed, or is not open to a person's word; ErrEarly while its request may
// still have an effect.
func (s *Store) Resolve(ctx context.Context, decision Decision, list []Resolution) (int, error) {
	verdict := "unpaid"
	if decision.Paid {
		verdict = "paid"
	}
	id, err := uuid.NewV7() // go-redis may repeat the call: a replay is told by this id.
	if err != nil {
		return 0, fmt.Errorf("resolve: %w", err)
	}
	args := []any{
		verdict, flag(decision.Resubmit), clean(decision.Who), clean(decision.Evidence),
		id.String(),
	}
	for _, r := range list {
		args = append(args, r.Reference, r.Position, string(r.Seen.Code()), r.Batch, r.Attempt,
			r.Amount.Minor)
	}
	answer, err := s.run(ctx, s.client, "resolve", args...)
	if err != nil {
		return 0, err
	}
	reply := asList(answer)
	switch reply.text(0) {
	case "resolved":
		return reply.int(1), nil
	case "early":
		return 0, fmt.Errorf("recipient %s of %s: %w: try again in %s", reply.text(2),
			Shown(reply.text(1)), ErrEarly, millis(reply.int(3)).Round(time.Second))
	default:
		return 0, fmt.Errorf("recipient %s of %s: %w: its %s is another now", reply.text(2),
			Shown(reply.text(1)), ErrMoved, reply.text(3))
	}
}

// Resolution names the member of this batch for Resolve, as it was seen.
func (b *Batch) Resolution(m Member) Resolution {
	return Resolution{
		Reference: m.name, Position: m.position, Seen: m.Status, Batch: b.ID,
		Attempt: b.Attempt, Amount: m.Amount,
	}
}
