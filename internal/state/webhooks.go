package state

import (
	"context"
	"fmt"
	"strings"
	"time"

	"github.com/google/uuid"
)

// PublishedAt is when a result was written, by the clock of Redis; zero for what is no id.
func PublishedAt(result string) time.Time {
	ms, _, _ := strings.Cut(result, "-")
	return instant(ms)
}

// ResultByID reads one result; false when it is not on the stream any more.
func (s *Store) ResultByID(ctx context.Context, id string) (Result, bool, error) {
	entries, err := s.client.XRangeN(ctx, s.keys.results(), id, id, 1).Result()
	if err != nil {
		return Result{}, false, fmt.Errorf("read a result: %w", err)
	}
	if len(entries) == 0 {
		return Result{}, false, nil
	}
	return resultOf(entries[0]), true, nil
}

// LastResult is the id of the newest result that there ever was; "0-0" before the first.
func (s *Store) LastResult(ctx context.Context) (string, error) {
	info, err := s.client.XInfoStream(ctx, s.keys.results()).Result()
	if err != nil && strings.Contains(err.Error(), "no such key") {
		return "0-0", nil
	}
	if err != nil {
		return "", fmt.Errorf("read the last result: %w", err)
	}
	return info.LastGeneratedID, nil
}

// WebhookRead is what a process has read of the results for an endpoint.
type WebhookRead struct {
	// After is the cursor behind which it read, Last the last result that it read; Last is empty when
	// it read nothing.
	After, Last string
	// Results are those for the endpoint.
	Results []string
}

// Delivery is a result that was handed out for delivery to an endpoint.
type Delivery struct {
	Endpoint, Result string
	// Number is that of the hand-out, which is never given twice to an endpoint.
	Number int64
	// Tries are the tries that failed.
	Tries int
}

// WebhookDispatch is what came of a dispatch.
type WebhookDispatch struct {
	On bool
	// Cursor is the last result that was read for the endpoint; empty for a new endpoint.
	Cursor string
	// Waiting counts the results behind it that are not delivered, Free the deliveries more that may
	// be out.
	Waiting, Free int
	// Deliveries are handed out.
	Deliveries []Delivery
}

// DispatchWebhook takes over what was read for an endpoint, unless another process has done so, and
// hands out deliveries, so that at most slots are out. One that is not begun within lostAfter is
// handed out again.
func (s *Store) DispatchWebhook(
	ctx context.Context, endpoint string, read WebhookRead, slots int, lostAfter time.Duration,
) (WebhookDispatch, error) {
	args := []any{endpoint, read.After, read.Last, slots, lostAfter.Milliseconds()}
	for _, id := range read.Results {
		args = append(args, id)
	}
	answer, err := s.run(ctx, s.client, "webhookdispatch", args...)
	if err != nil {
		return WebhookDispatch{}, err
	}
	r := asList(answer)
	d := WebhookDispatch{On: r.int(0) == 1, Cursor: r.text(1), Waiting: r.int(2), Free: r.int(3)}
	for i := range r.list(4) {
		one := r.list(4).list(i)
		d.Deliveries = append(d.Deliveries, Delivery{
			Endpoint: endpoint, Result: one.text(0), Number: int64(one.int(1)), Tries: one.int(2),
		})
	}
	return d, nil
}

// WebhookTry is what came of beginning a try.
type WebhookTry string

// What may come of it.
const (
	// WebhookGo: the delivery is the caller's to make.
	WebhookGo WebhookTry = "go"
	// WebhookOff: the endpoint is off.
	WebhookOff WebhookTry = "off"
	// WebhookDone: the result does not wait any more.
	WebhookDone WebhookTry = "done"
	// WebhookSuperseded: it was handed out again, or has been tried.
	WebhookSuperseded WebhookTry = "superseded"
	// WebhookHeld: another process is at it.
	WebhookHeld WebhookTry = "held"
)

// TryWebhook begins a try under an id of its own, which takes at most so long; tries are those that
// failed before.
func (s *Store) TryWebhook(
	ctx context.Context, d Delivery, holder string, most time.Duration,
) (try WebhookTry, tries int, err error) {
	answer, err := s.run(ctx, s.client, "webhooktry", d.Endpoint, d.Result, d.Number, holder,
		most.Milliseconds())
	if err != nil {
		return "", 0, err
	}
	r := asList(answer)
	return WebhookTry(r.text(0)), r.int(1), nil
}

// WebhookOutcome is what a try came to.
type WebhookOutcome string

// What it may come to.
const (
	// WebhookDelivered: the endpoint has taken the result.
	WebhookDelivered WebhookOutcome = "delivered"
	// WebhookFailed: it has not, or nobody knows.
	WebhookFailed WebhookOutcome = "failed"
	// WebhookGone: the endpoint wants no more, and is switched off.
	WebhookGone WebhookOutcome = "gone"
	// WebhookMissing: the result was trimmed before it was delivered.
	WebhookMissing WebhookOutcome = "missing"
)

// WebhookAnswer is what is kept of a try.
type WebhookAnswer struct {
	Outcome WebhookOutcome
	// Pause is the time until the next try after a failure; one that fails GiveUpAfter after the first
	// was the last.
	Pause, GiveUpAfter time.Duration
	// Err says why it failed, without secrets and numbers.
	Err string
}

// WebhookFollowed is what follows on the answer to a try.
type WebhookFollowed string

// What may follow.
const (
	// WebhookTaken: the result waits no more.
	WebhookTaken WebhookFollowed = "delivered"
	// WebhookRetried: it is tried again later.
	WebhookRetried WebhookFollowed = "retried"
	// WebhookGaveUp: this was the last try.
	WebhookGaveUp WebhookFollowed = "given_up"
	// WebhookSwitchedOff: the endpoint is off from now on.
	WebhookSwitchedOff WebhookFollowed = "off"
	// WebhookMissed: the result was trimmed before it was delivered.
	WebhookMissed WebhookFollowed = "missed"
	// WebhookKnown: it waits no more, or this try is not the one that counts.
	WebhookKnown WebhookFollowed = "known"
)

// AnswerWebhook keeps what came of a try, and returns what follows.
func (s *Store) AnswerWebhook(
	ctx context.Context, d Delivery, a WebhookAnswer,
) (WebhookFollowed, error) {
	answer, err := s.run(ctx, s.client, "webhookanswer", d.Endpoint, d.Result, d.Number,
		string(a.Outcome), a.Pause.Milliseconds(), a.GiveUpAfter.Milliseconds(), a.Err)
	if err != nil {
		return "", err
	}
	text, _ := answer.(string)
	return WebhookFollowed(text), nil
}

// SwitchWebhookOn switches an endpoint on, and has tried again what was given up. It returns since
// when the endpoint was off, zero when it was on, and how many results are tried again.
func (s *Store) SwitchWebhookOn(
	ctx context.Context, endpoint string,
) (off time.Time, again int, err error) {
	id, err := uuid.NewV7()
	if err != nil {
		return off, 0, fmt.Errorf("make an id: %w", err)
	}
	answer, err := s.run(ctx, s.client, "webhookon", endpoint, id.String())
	if err != nil {
		return off, 0, err
	}
	r := asList(answer)
	if r.int(0) > 0 {
		off = time.UnixMilli(int64(r.int(0))).UTC()
	}
	return off, r.int(1), nil
}
