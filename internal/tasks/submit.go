package tasks

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/cenkalti/backoff/v4"
	"github.com/hibiken/asynq"
	"go.uber.org/zap"

	"tuma/internal/airtime"
	"tuma/internal/providers"
	"tuma/internal/providers/catalog"
	"tuma/internal/state"
)

// turn is how long one trigger keeps a handler busy before it wakes the next.
const turn = 30 * time.Second

// tooLate is the least time that must be left for a request to be worth beginning.
const tooLate = 100 * time.Millisecond

// Submit handles batch:submit for one provider: claim, begin, send, record, until nothing is left.
type Submit struct {
	Store   *state.Store
	Queues  *Queues
	Entry   catalog.Entry
	Backoff Backoff
	Metrics *Metrics
	Log     *zap.Logger
	// Stopping is closed when the process shuts down: no further batch is claimed.
	Stopping <-chan struct{}
	Failover Failover
	IDs      IDs
}

var _ asynq.Handler = (*Submit)(nil)

// tally is what one turn achieved, for the dashboard.
type tally struct{ recipients, accepted, rejected, returned, inDoubt int }

func (t tally) String() string {
	text := fmt.Sprintf("%d: %d accepted, %d rejected", t.recipients, t.accepted, t.rejected)
	if t.returned > 0 {
		text += fmt.Sprintf(", %d returned", t.returned)
	}
	if t.inDoubt > 0 {
		text += fmt.Sprintf(", %d in doubt: paid or not, it is not known yet", t.inDoubt)
	}
	return text
}

// ProcessTask works until there is nothing to claim, for at most one turn.
func (s *Submit) ProcessTask(ctx context.Context, t *asynq.Task) error {
	var sum tally
	last, err := s.work(ctx, time.Now().Add(turn), &sum)
	if sum.recipients == 0 && last.Idle != "" {
		write(t, "nothing to send: %s", idleText(last))
	} else {
		write(t, "%s", sum)
	}
	return err
}

// idleText says for the dashboard why there was nothing to claim, and what goes on.
func idleText(c state.Claim) string {
	if c.Idle != state.IdlePaused || c.Wait <= 0 {
		return string(c.Idle)
	}
	return fmt.Sprintf("the channel is paused, and tried again in %s (enqueuer status says why)",
		c.Wait.Round(time.Second))
}

// work answers the last claim, in which nothing was found.
func (s *Submit) work(ctx context.Context, until time.Time, sum *tally) (state.Claim, error) {
	name := s.Entry.Capabilities.Name
	for {
		if s.stopping() || s.Queues.paused(ctx, name) {
			// Whoever starts or resumes finds the work by a sweep.
			return state.Claim{Idle: state.IdlePaused}, nil
		}
		token, err := s.IDs.next()
		if err != nil {
			return state.Claim{}, err
		}
		claim, err := s.Store.Claim(ctx, name, token, s.Entry.Capabilities.MaxRecipients)
		if err != nil {
			return state.Claim{}, err
		}
		s.Queues.Wake(ctx, claim.Wakeup)
		if claim.Idle == state.IdleRate && time.Now().Add(claim.Wait).Before(until) {
			s.rest(claim.Wait)
			continue
		}
		if claim.Batch == nil {
			return claim, nil
		}
		// From here on the batch is finished whatever happens to the task.
		recorded, err := s.send(context.WithoutCancel(ctx), claim.Batch, token)
		if err != nil {
			return state.Claim{}, err
		}
		sum.add(claim.Batch, recorded)
		if time.Now().After(until) {
			swept, err := s.Store.Sweep(ctx, name) // Its wakeup starts the next turn.
			s.Queues.Wake(ctx, swept.Wakeup)
			return state.Claim{}, err
		}
	}
}

func (t *tally) add(b *state.Batch, r state.Recorded) {
	t.recipients += len(b.Members)
	t.accepted += r.Accepted
	t.rejected += r.Rejected
	t.returned += r.Returned
	t.inDoubt += r.InDoubt
}

// rest waits until the provider's rate leaves room, or the process stops.
func (s *Submit) rest(wait time.Duration) {
	select {
	case <-s.Stopping:
	case <-time.After(wait):
	}
}

func (s *Submit) stopping() bool {
	select {
	case <-s.Stopping:
		return true
	default:
		return false
	}
}

// sending is one attempt of a batch: when BeginSend was asked for it, and new ids for two halves,
// should the provider refuse it as a whole.
type sending struct {
	batch    *state.Batch
	attempt  int
	asked    time.Time
	children state.Children
	// wire says how the request ended, once it was sent.
	wire string
}

// send takes one claimed batch through BEGIN SEND, POST and RECORD.
func (s *Submit) send(
	ctx context.Context, b *state.Batch, token string,
) (state.Recorded, error) {
	children, err := s.IDs.children() // Before the request: nothing may fail behind it.
	if err != nil {
		return state.Recorded{}, err
	}
	prepared, cancel := context.WithTimeout(ctx, s.Store.Options().ClaimTimeout/2)
	defer cancel()
	submission, err := s.Entry.Provider.Prepare(prepared, providers.Batch{
		ID: b.ID, Recipients: b.Recipients(), // break: submit-reference
	})
	if err != nil {
		return s.unprepared(ctx, b, token, children, prepareError(err))
	}
	now := sending{batch: b, attempt: b.Attempt + 1, children: children}
	s.Log.Debug("batch begins", zap.String("batch", b.ID), zap.Int("attempt", now.attempt),
		zap.String("provider", b.Provider), zap.Int("recipients", len(b.Members)))
	now.asked = time.Now()                        // break: submit-asked
	left, err := s.Store.BeginSend(ctx, b, token) // break: submit-begin
	var refused *state.RefusedError
	switch {
	case errors.As(err, &refused) && refused.Begun:
		return s.record(ctx, now, unsent(airtime.ReasonStorage))
	case errors.As(err, &refused) && refused.Why == "full":
		return s.release(ctx, b, token,
			&providers.PrepareError{Reason: airtime.ReasonStorage, Err: err})
	case errors.As(err, &refused):
		// It moved on: another process decides about it.
		return state.Recorded{}, nil // break: submit-refused
	case err != nil:
		// Perhaps begun; the sweep will ask the provider.
		return state.Recorded{}, err // break: submit-unanswered
	}
	// The deadline counts from before BeginSend was asked: our clock and Redis's may differ in
	// speed only, and the guard is for that.
	deadline := now.asked.Add(left)
	if time.Until(deadline) < tooLate {
		return s.record(ctx, now, unsent(airtime.ReasonLate))
	}
	wire, cancel := context.WithDeadline(ctx, deadline) // break: submit-deadline
	defer cancel()
	answer := submission.Send(wire) // break: submit-send
	now.wire = submission.Wire()
	s.Metrics.submitted(s.Entry.Capabilities.Name, answer, len(b.Members),
		time.Since(now.asked))
	return s.record(ctx, now, answer)
}

func unsent(reason airtime.Reason) providers.Answer {
	return providers.Answer{Verdict: airtime.Unsent, Reason: reason, Pause: reason}
}

// prepareError finds the reason in an error of Prepare.
func prepareError(err error) *providers.PrepareError {
	var prepare *providers.PrepareError
	if errors.As(err, &prepare) {
		return prepare
	}
	return &providers.PrepareError{Reason: airtime.ReasonConnect, Err: err}
}

// unprepared decides about a batch that could not be prepared: because of a recipient in it, or
// because of what the channel must wait for.
func (s *Submit) unprepared(
	ctx context.Context, b *state.Batch, token string, children state.Children,
	cause *providers.PrepareError,
) (state.Recorded, error) {
	if cause.Reason != airtime.ReasonBatchRefused {
		return s.release(ctx, b, token, cause)
	}
	step, wakeup, err := s.Store.Divide(ctx, b, token, cause.Err.Error(), children)
	if err != nil {
		return state.Recorded{}, err
	}
	s.Queues.Wake(ctx, wakeup)
	s.Log.Warn("batch could not be prepared", zap.String("batch", b.ID),
		zap.String("provider", b.Provider), zap.Int("recipients", len(b.Members)),
		zap.String("decision", string(step)), zap.Error(cause.Err))
	if step == state.Rejected {
		return state.Recorded{Rejected: len(b.Members)}, nil
	}
	return state.Recorded{Returned: len(b.Members)}, nil
}

// release gives a batch back that cannot be sent now and pauses the channel.
func (s *Submit) release(
	ctx context.Context, b *state.Batch, token string, cause *providers.PrepareError,
) (state.Recorded, error) {
	s.Log.Warn("batch released and channel paused", zap.String("batch", b.ID),
		zap.String("provider", b.Provider), zap.String("reason", string(cause.Reason)),
		zap.Error(cause.Err))
	return state.Recorded{Returned: len(b.Members)},
		s.Store.Release(ctx, b, token, cause.Reason, cause.RetryAfter)
}

// record stores an answer, trying for as long as the process lives: what the provider said exists
// nowhere else.
func (s *Submit) record(
	ctx context.Context, now sending, answer providers.Answer,
) (state.Recorded, error) {
	b := now.batch // break: record-answer
	a := state.Answer{
		Answer: answer, Batch: b, Attempt: now.attempt, Wire: now.wire,
		Children: now.children,
		Accepted: s.Entry.Capabilities.Accepted, NextPoll: s.Entry.Capabilities.OverdueAfter,
		Next: func(m *state.Member, reason airtime.Reason) string {
			return s.Failover.refused(m, b.Provider, reason)
		},
	}
	if s.Entry.Querier != nil {
		a.NextPoll = s.Backoff.Delay(1)
	}
	forever := backoff.NewExponentialBackOff(backoff.WithInitialInterval(50*time.Millisecond),
		backoff.WithMaxInterval(2*time.Second), backoff.WithMaxElapsedTime(0))
	recorded, err := backoff.RetryNotifyWithData(func() (state.Recorded, error) {
		a.Since = since(now.asked)
		recorded, err := s.Store.Record(ctx, a)
		if errors.Is(err, state.ErrClosed) { // break: record-closed
			err = backoff.Permanent(err) // The process has ended, but for this goroutine.
		}
		return recorded, err
	}, forever, func(err error, wait time.Duration) {
		s.Log.Error("answer not stored yet", zap.String("batch", b.ID),
			zap.Int("attempt", now.attempt), zap.String("provider", b.Provider),
			zap.Duration("wait", wait), zap.Error(err))
	})
	if err != nil {
		return recorded, err
	}
	for i := range recorded.Wakeups {
		s.Queues.Wake(ctx, &recorded.Wakeups[i])
	}
	s.Metrics.unmatched(b.Provider, recorded.Unmatched)
	for _, line := range answer.Lines {
		s.Metrics.odd(b.Provider, line.Sums)
	}
	s.noteRecorded(b, now.attempt, answer, recorded)
	return recorded, nil
}

// noteRecorded logs what an answer came to, and that it paused the channel.
func (s *Submit) noteRecorded(
	b *state.Batch, attempt int, answer providers.Answer, recorded state.Recorded,
) {
	_, reason := overall(answer, len(b.Members))
	message := answer.Message
	if len(answer.Lines) >= len(b.Members) {
		message = "" // It is about those whom the lines leave out.
	}
	s.Log.Info("batch recorded", zap.String("batch", b.ID), zap.Int("attempt", attempt),
		zap.String("provider", b.Provider), zap.Int("recipients", len(b.Members)),
		zap.Int("accepted", recorded.Accepted), zap.Int("rejected", recorded.Rejected),
		zap.Int("returned", recorded.Returned), zap.Int("in_doubt", recorded.InDoubt),
		zap.String("reason", string(reason)), zap.String("message", message),
		zap.Bool("stale", recorded.Stale))
	if answer.Pause != airtime.NoReason {
		s.Log.Warn("channel paused", zap.String("batch", b.ID), zap.String("provider", b.Provider),
			zap.String("reason", string(answer.Pause)), zap.Duration("wait", answer.RetryAfter))
	}
}

// since is the time that has passed, by the clock that has gone on further: the monotonic one
// stands still while the machine is suspended, and that of the wall can be set.
func since(began time.Time) time.Duration {
	now := time.Now()
	return max(0, now.Sub(began), now.Round(0).Sub(began.Round(0)))
}
