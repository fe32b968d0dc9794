package state

import (
	"context"
	"fmt"
	"strconv"
	"time"

	"github.com/redis/go-redis/v9"

	"tuma/internal/airtime"
	"tuma/internal/effect"
	"tuma/internal/providers"
)

const (
	// hintGap is the least time between two queries that callbacks bring forward for one batch.
	hintGap = 3 * time.Second
	// parkedRetry is after how long a parked callback is tried again at first.
	parkedRetry = time.Second
	// maxParked is how many callbacks are parked; then those that were tried most go, and are counted.
	maxParked = 20000
	// questionsPerSecond is how many queries confirm the callbacks of one provider, over all
	// processes; half the provider's rate where that is less.
	questionsPerSecond = 50
)

// Hint says that a callback about a batch came: its query is brought forward, one query in a few
// seconds however many hints come. What was said is for people only. It reports whether the state
// has the batch.
func (s *Store) Hint(
	ctx context.Context, batch string, said providers.RecipientStatus,
) (bool, error) {
	code := "-"
	if said.Status.Valid() {
		code = string(said.Status.Code())
	}
	answer, err := s.run(ctx, s.client, "hint", batch, hintGap.Milliseconds(), said.Phone.Digits(),
		code)
	if err != nil {
		return false, err
	}
	found, _ := answer.(int64)
	return found == 1, nil
}

// Callback is what a provider reported about one recipient by itself.
type Callback struct {
	Provider string
	providers.RecipientStatus
	// record is the name of its record when it was parked, recordCode the status code there.
	record, recordCode string
}

// CallbackOutcome says what the state did with a callback.
type CallbackOutcome string

// The outcomes of callbacks.
const (
	// CallbackApplied: the recipient's status moved.
	CallbackApplied CallbackOutcome = "applied"
	// CallbackUnchanged: the status did not change: a duplicate, or an older fact.
	CallbackUnchanged CallbackOutcome = "unchanged"
	// CallbackKept: it fits no recipient yet, or is to be confirmed first.
	CallbackParked CallbackOutcome = "parked"
	// CallbackDropped: it was parked for more than a week, and is given up.
	CallbackDropped CallbackOutcome = "dropped"
)

// CallbackResult is the outcome of a callback and what it showed.
type CallbackResult struct {
	Outcome CallbackOutcome
	Batch   string
	// OtherAmount is true when the callback names another amount than was sent, OtherNumber when its
	// id belongs to a recipient with another number: then it is parked, for people.
	OtherAmount, OtherNumber bool
	// Overpaid counts second effects found by this call.
	Overpaid int
}

// Apply applies a callback to the recipient that it means, or parks it until it fits one: found by
// the provider's id, or else by phone number and amount if exactly this one recipient of the number
// is on its way there and in doubt. ErrFull is returned when it had to be parked and Redis is close
// to its maxmemory.
func (s *Store) Apply(ctx context.Context, c Callback) (CallbackResult, error) {
	return s.callback(ctx, c, true)
}

// Park parks a callback that does not count before a query has confirmed it. ErrFull is returned
// when Redis is close to its maxmemory.
func (s *Store) Park(ctx context.Context, c Callback) (CallbackResult, error) {
	return s.callback(ctx, c, false)
}

func (s *Store) callback(ctx context.Context, c Callback, apply bool) (CallbackResult, error) {
	code, minor := "", ""
	if c.Status.Valid() {
		code = string(c.Status.Code())
	}
	if c.Amount.Currency != "" {
		minor = strconv.FormatInt(c.Amount.Minor, 10)
	}
	room := s.room(ctx, AcceptLimit)
	answer, err := s.run(ctx, s.client, "callback", c.Provider, clean(c.ProviderReference),
		c.Phone.Digits(), minor, string(c.Amount.Currency), code, string(airtime.ReasonOf(c.Status)),
		clean(c.Message), flag(apply), flag(room == nil), c.record, parkedRetry.Milliseconds(), maxParked,
		c.recordCode, c.Discount)
	if err != nil {
		return CallbackResult{}, err
	}
	r := asList(answer)
	if r.text(0) == "full" {
		return CallbackResult{}, room
	}
	return CallbackResult{
		Outcome: CallbackOutcome(r.text(0)), Batch: r.text(1), OtherAmount: r.int(2) == 1,
		OtherNumber: r.int(2) == 2, Overpaid: r.int(3),
	}, nil
}

// DueCallback is a parked callback that is tried again.
type DueCallback struct {
	Callback
	Age time.Duration
	// Ask is true when a query about it is charged: the provider is asked, once.
	Ask bool
}

// DueCallbacks hands out parked callbacks that are to be tried again, those first that are to be
// confirmed by a query and fit a recipient; of them no more than may be asked about now. Confirm
// are the providers whose callbacks a query decides about. One that is not passed to Apply again
// within the lease is handed out again.
func (s *Store) DueCallbacks(
	ctx context.Context, limit int, lease time.Duration, confirm ...string,
) ([]DueCallback, error) {
	args := []any{limit, lease.Milliseconds(), questionsPerSecond}
	for _, provider := range confirm {
		args = append(args, provider)
	}
	answer, err := s.run(ctx, s.client, "duecallbacks", args...)
	if err != nil {
		return nil, err
	}
	var list []DueCallback
	for _, item := range asList(answer) {
		r := asList(item)
		parked, err := readParked(r.text(1))
		if err != nil {
			return list, fmt.Errorf("parked callback: %w", err)
		}
		parked.record = r.text(0)
		list = append(list, DueCallback{
			Callback: parked.Callback, Age: millis(r.int(2)), Ask: r.int(3) == 1,
		})
	}
	return list, nil
}

// Validate reports whether a payment is to a recipient that is on the wire at that provider with
// this amount: once per recipient and attempt.
func (s *Store) Validate(
	ctx context.Context, provider string, v providers.Validation,
) (bool, error) {
	answer, err := s.run(ctx, s.client, "validate", provider, clean(v.ID), v.Phone.Digits(),
		v.Amount.Minor, string(v.Amount.Currency))
	if err != nil {
		return false, err
	}
	ours, _ := answer.(int64)
	return ours == 1, nil
}

// maxDeadLetters is how many dead letters there are at most.
const maxDeadLetters = 1000

// maxDeadLetterBody is how much of the body of one is stored, in bytes.
const maxDeadLetterBody = 4096

// DeadLetter stores the body of a callback that could not be read or matched, for people: the
// latest maxDeadLetters of them are on the stream {namespace}:dead_letters.
func (s *Store) DeadLetter(ctx context.Context, provider, why string, body []byte) error {
	if err := s.room(ctx, AcceptLimit); err != nil {
		return err
	}
	err := effect.Do(ctx, "dead letter", func() error {
		return s.client.XAdd(ctx, &redis.XAddArgs{
			Stream: s.keys.plain("dead_letters"), MaxLen: maxDeadLetters, Approx: true,
			Values: []any{
				"provider", provider, "why", why,
				"body", string(body[:min(len(body), maxDeadLetterBody)]),
			},
		}).Err()
	})
	if err != nil {
		return fmt.Errorf("store a dead letter: %w", err)
	}
	return nil
}
