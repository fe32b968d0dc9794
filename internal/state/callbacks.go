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
	// keptRetry is after how long a callback that fits nothing is tried again at first.
	keptRetry = time.Second
	// maxKept is how many callbacks are kept; then those that were tried most go, and are counted.
	maxKept = 20000
	// questionsPerSecond is how many queries confirm the callbacks of one provider, over all
	// processes; half the provider's rate where that is less.
	questionsPerSecond = 50
)

// Hint says that something happened to a batch: its query is brought forward, one query in a few
// seconds however many hints come. It reports whether the state has the batch.
func (s *Store) Hint(ctx context.Context, batch string) (bool, error) {
	answer, err := s.run(ctx, s.client, "hint", batch, hintGap.Milliseconds())
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
	// kept is the name of its record if it was kept before, and keptCode the status code there.
	kept, keptCode string
}

// Placed is what became of a callback.
type Placed string

// The words of Placed.
const (
	// CallbackApplied: the recipient's status moved.
	CallbackApplied Placed = "applied"
	// CallbackUnchanged: the recipient stands where it stood: a duplicate, or older news.
	CallbackUnchanged Placed = "unchanged"
	// CallbackKept: it fits no recipient yet, or is to be confirmed first.
	CallbackKept Placed = "kept"
	// CallbackDropped: it has fitted nobody for more than a week.
	CallbackDropped Placed = "dropped"
)

// Placement is what became of a callback and of its recipient.
type Placement struct {
	Placed Placed
	Batch  string
	// OtherAmount is true when the callback names another amount than was sent, OtherNumber when its
	// id belongs to somebody of another number: then it is kept, for people.
	OtherAmount, OtherNumber bool
	// Overpaid counts second effects found by this call.
	Overpaid int
}

// Apply applies a callback to the recipient that it means, or keeps it until it fits one: found by
// the provider's id, or else by phone number and amount if exactly this one recipient of the number
// is on its way there and in doubt. ErrFull is returned when it had to be kept and Redis is close
// to its maxmemory.
func (s *Store) Apply(ctx context.Context, c Callback) (Placement, error) {
	return s.callback(ctx, c, true)
}

// Keep stores a callback that is not believed before a query has confirmed it. ErrFull is returned
// when Redis is close to its maxmemory.
func (s *Store) Keep(ctx context.Context, c Callback) (Placement, error) {
	return s.callback(ctx, c, false)
}

func (s *Store) callback(ctx context.Context, c Callback, apply bool) (Placement, error) {
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
		clean(c.Message), flag(apply), flag(room == nil), c.kept, keptRetry.Milliseconds(), maxKept,
		c.keptCode, c.Discount)
	if err != nil {
		return Placement{}, err
	}
	r := asList(answer)
	if r.text(0) == "full" {
		return Placement{}, room
	}
	return Placement{
		Placed: Placed(r.text(0)), Batch: r.text(1), OtherAmount: r.int(2) == 1,
		OtherNumber: r.int(2) == 2, Overpaid: r.int(3),
	}, nil
}

// Kept is a callback that is tried again.
type Kept struct {
	Callback
	Age time.Duration
	// Ask is true when a query about it is charged: the provider is asked, once.
	Ask bool
}

// Kept hands out callbacks that are to be tried again, those first that are to be confirmed by a
// query and fit somebody; of them no more than may be asked about now. Confirm are the providers
// whose callbacks a query decides about. One that is not passed to Apply again within
// the lease is handed out again.
func (s *Store) Kept(
	ctx context.Context, limit int, lease time.Duration, confirm ...string,
) ([]Kept, error) {
	args := []any{limit, lease.Milliseconds(), questionsPerSecond}
	for _, provider := range confirm {
		args = append(args, provider)
	}
	answer, err := s.run(ctx, s.client, "kept", args...)
	if err != nil {
		return nil, err
	}
	var list []Kept
	for _, item := range asList(answer) {
		r := asList(item)
		parked, err := readParked(r.text(1))
		if err != nil {
			return list, fmt.Errorf("kept callback: %w", err)
		}
		parked.kept = r.text(0)
		list = append(list, Kept{
			Callback: parked.Callback, Age: millis(r.int(2)), Ask: r.int(3) == 1,
		})
	}
	return list, nil
}

// Validate reports whether a payment is to somebody whom we have on the wire at that provider with
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

// maxUnplaced is how many bodies that nobody could read are kept for people.
const maxUnplaced = 1000

// maxUnplacedBody is how much of such a body is kept, in bytes.
const maxUnplacedBody = 4096

// Unplaced keeps what a provider sent and nobody could read, for people: the latest maxUnplaced of
// them, on the stream {namespace}:unplaced.
func (s *Store) Unplaced(ctx context.Context, provider, why string, body []byte) error {
	if err := s.room(ctx, AcceptLimit); err != nil {
		return err
	}
	err := effect.Do(ctx, "keep unplaced", func() error {
		return s.client.XAdd(ctx, &redis.XAddArgs{
			Stream: s.keys.plain("unplaced"), MaxLen: maxUnplaced, Approx: true,
			Values: []any{
				"provider", provider, "why", why,
				"body", string(body[:min(len(body), maxUnplacedBody)]),
			},
		}).Err()
	})
	if err != nil {
		return fmt.Errorf("keep a callback: %w", err)
	}
	return nil
}
