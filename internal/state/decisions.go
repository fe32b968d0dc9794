package state

import (
	"context"
	"fmt"
	"time"

	"tuma/internal/airtime"
)

// Decision is what a person decides about a recipient.
type Decision struct {
	Paid bool
	// Resubmit puts an unpaid recipient back in the queue.
	Resubmit bool
	// Who and Evidence are kept with the decision, in the audit with numbers masked.
	Who, Evidence string
}

// Resolution names a recipient and what the person saw of it: the decision is about that sending
// and that amount, and about no later one.
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

// Resolve applies a person's decision to recipients, all or none. ErrMoved is returned when one of
// them is not as it was listed, or is not open to a decision; ErrEarly while its request may still
// have an effect.
func (s *Store) Resolve(ctx context.Context, decision Decision, list []Resolution) (int, error) {
	verdict := "unpaid"
	if decision.Paid {
		verdict = "paid"
	}
	args := []any{verdict, flag(decision.Resubmit), clean(decision.Evidence)}
	for _, r := range list {
		args = append(args, r.Reference, r.Position, string(r.Seen.Code()), r.Batch, r.Attempt,
			r.Amount.Minor)
	}
	answer, err := s.decide(ctx, "resolve", decision.Who, args...)
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
