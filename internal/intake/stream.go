package intake

import (
	"context"
	"errors"
	"time"

	"github.com/cenkalti/backoff/v4"
	"go.uber.org/zap"

	"tuma/internal/state"
)

const (
	// readCount is how many entries of the jobs stream are read at once.
	readCount = 1000
	// readBlock is how long a read waits for entries: a stop takes no longer than that.
	readBlock = time.Second
	// takeOverIdle is how long an entry must have lain at a consumer that is taken for dead.
	takeOverIdle = 30 * time.Second
	// takeOverEvery is the interval of looking for such entries.
	takeOverEvery = 10 * time.Second
	// stepTimeout bounds one call to the state, so that a silent Redis does not hold up a stop.
	stepTimeout = 15 * time.Second
	// finishTimeout bounds the steps that are repeated after the stop; what is not done by then
	// stays on the stream for another consumer.
	finishTimeout = 5 * time.Second
	// retryMax is the longest pause between two tries; while Redis is full it is fullPause.
	retryMax  = 5 * time.Second
	fullPause = time.Second
)

// SourceStream is the source of jobs that are refused from the jobs stream.
const SourceStream = "stream"

// Jobs is the jobs stream as the state offers it.
type Jobs interface {
	OpenJobs(ctx context.Context) error
	ReadJobs(
		ctx context.Context, consumer string, count int, block time.Duration,
	) ([]state.Entry, error)
	TakeOverJobs(
		ctx context.Context, consumer string, count int, idle time.Duration, start string,
	) ([]state.Entry, string, error)
	Reject(ctx context.Context, refusals ...state.Refusal) error
	AckJobs(ctx context.Context, ids []string) error
}

var _ Jobs = (*state.Store)(nil)

// Stream consumes the jobs stream. An entry leaves it only after the state holds its disbursal or
// its refusal; until then any crash hands it to another consumer, and accepting twice is the same
// as once.
type Stream struct {
	Jobs Jobs
	// Accept takes disbursals of together at most state.MaxRecipients recipients.
	Accept func(context.Context, []state.Disbursal) ([]state.Outcome, error)
	Rules  Rules
	// Consumer is this consumer's name in the group; no other has it.
	Consumer string
	// Count is told of every job with the word of what became of it: an outcome, or Invalid.
	Count func(what string, jobs int)
	Log   *zap.Logger

	failing string // The cause of the last failure, while it lasts.
}

// Invalid is the word for jobs that break a rule.
const Invalid = "invalid"

// Run consumes until the context ends, and finishes what it has read. It returns nil: whatever goes
// wrong is repeated.
func (s *Stream) Run(ctx context.Context) error {
	var opened bool
	var tookOver time.Time
	waits := newWaits()
	for ctx.Err() == nil {
		err := s.round(ctx, opened, &tookOver)
		opened = err == nil
		if err != nil {
			s.pause(ctx, err, waits)
			continue
		}
		s.recovered()
		waits.Reset()
	}
	return nil
}

// round opens the stream if need be, looks after dead consumers now and then, and reads once.
func (s *Stream) round(ctx context.Context, opened bool, tookOver *time.Time) error {
	due := time.Since(*tookOver) > takeOverEvery
	if !opened || due {
		if err := s.Jobs.OpenJobs(ctx); err != nil {
			return err
		}
	}
	if due {
		if err := s.takeOver(ctx); err != nil {
			return err
		}
		*tookOver = time.Now()
	}
	entries, err := s.Jobs.ReadJobs(ctx, s.Consumer, readCount, readBlock)
	if err != nil {
		return err
	}
	s.take(ctx, entries)
	return nil
}

// takeOver takes what dead consumers have left, page by page.
func (s *Stream) takeOver(ctx context.Context) error {
	for next := "0-0"; ctx.Err() == nil; {
		entries, after, err := s.Jobs.TakeOverJobs(ctx, s.Consumer, readCount, takeOverIdle, next)
		if err != nil {
			return err
		}
		if len(entries) > 0 {
			s.Log.Info("taking over jobs that a consumer has left", zap.Int("jobs", len(entries)))
		}
		s.take(ctx, entries)
		if next = after; next == "0-0" {
			break
		}
	}
	return nil
}

// acceptance is the disbursals and refusals that go to the state in one step.
type acceptance struct {
	ids        []string // Of all its entries.
	disbursals []state.Disbursal
	jobs       []string // As received, one per disbursal.
	recipients int
	refusals   []state.Refusal
}

// take decodes entries and delivers them in steps.
func (s *Stream) take(ctx context.Context, entries []state.Entry) {
	var p acceptance
	for _, entry := range entries {
		disbursal, err := s.decode(entry)
		if err == nil && p.recipients+len(disbursal.Recipients) > state.MaxRecipients {
			s.deliver(ctx, &p)
			p = acceptance{}
		}
		p.ids = append(p.ids, entry.ID)
		if err != nil {
			p.refusals = append(p.refusals, refusal(entry.Job, err))
			s.Count(Invalid, 1)
			continue
		}
		p.disbursals = append(p.disbursals, disbursal)
		p.jobs = append(p.jobs, entry.Job)
		p.recipients += len(disbursal.Recipients)
	}
	s.deliver(ctx, &p)
}

func (s *Stream) decode(entry state.Entry) (state.Disbursal, error) {
	if entry.Fault != "" {
		return state.Disbursal{}, Faults{entry.Fault}
	}
	return DecodeJob([]byte(entry.Job), s.Rules)
}

func refusal(job string, err error) state.Refusal {
	return state.Refusal{Job: job, Source: SourceStream, Err: err.Error()}
}

// deliver accepts, then keeps what is refused, then acknowledges: in this order, so that a crash
// anywhere loses nothing.
func (s *Stream) deliver(ctx context.Context, p *acceptance) {
	if len(p.ids) == 0 {
		return
	}
	var outcomes []state.Outcome
	done := s.persist(ctx, func(ctx context.Context) (err error) {
		outcomes, err = s.Accept(ctx, p.disbursals)
		return err
	})
	if !done {
		return
	}
	for i, outcome := range outcomes {
		word := outcome.String()
		if outcome == state.Refused {
			word = Invalid
		}
		s.Count(word, 1)
		if err := outcome.Refusal(&p.disbursals[i]); err != nil {
			p.refusals = append(p.refusals, refusal(p.jobs[i], err))
		}
	}
	s.note(p)
	done = s.persist(ctx, func(ctx context.Context) error {
		return s.Jobs.Reject(ctx, p.refusals...)
	})
	if done {
		s.persist(ctx, func(ctx context.Context) error { return s.Jobs.AckJobs(ctx, p.ids) })
	}
}

// note logs the result of a step.
func (s *Stream) note(p *acceptance) {
	if len(p.disbursals) > 0 {
		s.Log.Info("jobs decided", zap.String("entry", p.ids[0]), zap.Int("jobs", len(p.ids)),
			zap.String("reference", p.disbursals[0].Reference), zap.Int("recipients", p.recipients),
			zap.Int("refused", len(p.refusals)))
	}
	if len(p.refusals) > 0 {
		s.Log.Warn("jobs refused; they are on the rejected stream", zap.String("entry", p.ids[0]),
			zap.Int("jobs", len(p.refusals)))
	}
}

// persist repeats a step until it succeeds. Some time after the stop it gives up, which loses
// nothing: the entries are still on the stream.
func (s *Stream) persist(ctx context.Context, step func(context.Context) error) bool {
	until, cancel := context.WithCancel(context.WithoutCancel(ctx))
	defer cancel()
	stop := context.AfterFunc(ctx, func() {
		select {
		case <-until.Done():
		case <-time.After(finishTimeout):
			cancel()
		}
	})
	defer stop()
	waits := newWaits()
	for {
		err := timed(until, step)
		if err == nil {
			s.recovered()
			return true
		}
		if until.Err() != nil {
			s.Log.Warn("stopped before all jobs were accepted; they stay on the stream",
				zap.Error(err))
			return false
		}
		s.pause(until, err, waits)
	}
}

func timed(ctx context.Context, step func(context.Context) error) error {
	ctx, cancel := context.WithTimeout(ctx, stepTimeout)
	defer cancel()
	return step(ctx)
}

func newWaits() *backoff.ExponentialBackOff {
	return backoff.NewExponentialBackOff(backoff.WithInitialInterval(100*time.Millisecond),
		backoff.WithMaxInterval(retryMax), backoff.WithMaxElapsedTime(0))
}

// pause waits after a failure and logs it once, however often it repeats.
func (s *Stream) pause(ctx context.Context, err error, waits *backoff.ExponentialBackOff) {
	wait, cause := waits.NextBackOff(), "redis"
	if errors.Is(err, state.ErrFull) {
		wait, cause = fullPause, "full"
	}
	if s.failing != cause && ctx.Err() == nil {
		s.failing = cause
		s.Log.Warn("jobs wait; trying again until it works", zap.Error(err))
	}
	select {
	case <-ctx.Done():
	case <-time.After(wait):
	}
}

func (s *Stream) recovered() {
	if s.failing != "" {
		s.failing = ""
		s.Log.Info("jobs are taken again")
	}
}
