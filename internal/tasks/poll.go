package tasks

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"time"

	"github.com/google/uuid"
	"github.com/hibiken/asynq"
	"go.uber.org/zap"

	"tuma/internal/airtime"
	"tuma/internal/providers"
	"tuma/internal/providers/catalog"
	"tuma/internal/state"
)

// Poll handles batch:poll: ask the provider about a batch and store what it says.
type Poll struct {
	Store   *state.Store
	Queues  *Queues
	Entries map[string]catalog.Entry
	Backoff Backoff
	Timeout time.Duration
	// ResendSame permits a second sending with the same reference where the provider allows it.
	ResendSame bool
	Meter      *Meter
	Log        *zap.Logger
}

var _ asynq.Handler = (*Poll)(nil)

// ProcessTask asks about one batch. A trigger that is not the latest of its batch does nothing.
func (p *Poll) ProcessTask(ctx context.Context, t *asynq.Task) error {
	var payload pollPayload
	if err := json.Unmarshal(t.Payload(), &payload); err != nil {
		return fmt.Errorf("payload of %s: %w: %w", TypePoll, err, asynq.SkipRetry)
	}
	b, err := p.Store.Load(ctx, payload.Batch)
	if errors.Is(err, state.ErrNotFound) {
		write(t, "the batch has been forgotten")
		return nil
	}
	if err != nil {
		return err
	}
	if b.Polls != payload.Number {
		write(t, "superseded by query %d", b.Polls)
		return nil
	}
	result, err := p.ask(ctx, b)
	write(t, "%s", result)
	return err
}

// ask makes the query and stores the answer; the text is for the dashboard.
func (p *Poll) ask(ctx context.Context, b *state.Batch) (string, error) {
	entry := p.Entries[b.Provider]
	rhythm := state.Rhythm{
		Poll: b.Polls, Next: p.Backoff.Delay(b.Polls + 1), Slow: p.Backoff.Max,
		Patience: entry.Capabilities.Patience,
	}
	if entry.Querier == nil {
		rhythm.Patience = 24 * time.Hour
		_, err := p.Store.Observe(ctx, b.ID, nil, false, rhythm)
		return b.Provider + " is not configured here, or cannot be asked", err
	}
	asked := time.Now()
	query, cancel := context.WithTimeout(ctx, p.Timeout)
	defer cancel()
	standing, err := entry.Querier.Query(query, providers.Question{BatchID: b.ID})
	p.Meter.queried(b.Provider, standing, err, time.Since(asked))
	switch {
	case err != nil:
		p.Log.Warn("status query failed; it is repeated", zap.String("batch", b.ID),
			zap.String("provider", b.Provider), zap.Error(err))
		var failed *providers.QueryError
		if errors.As(err, &failed) {
			rhythm.Next = max(rhythm.Next, failed.RetryAfter)
			rhythm.Slow = max(rhythm.Slow, failed.RetryAfter)
		}
		observed, stored := p.Store.Observe(ctx, b.ID, nil, false, rhythm)
		return fmt.Sprintf("no answer, next query in %s", observed.Next.Round(time.Second)), stored
	case !standing.Known:
		return p.notKnown(ctx, b, entry, rhythm)
	default:
		return p.observe(ctx, b, standing, rhythm)
	}
}

func (p *Poll) notKnown(
	ctx context.Context, b *state.Batch, entry catalog.Entry, rhythm state.Rhythm,
) (string, error) {
	children, err := newChildren()
	if err != nil {
		return "", err
	}
	resend := p.ResendSame && entry.Capabilities.ResendSame
	decision, ring, err := p.Store.NotKnown(ctx, b, resend, children, rhythm)
	if err != nil {
		return "", err
	}
	p.Queues.Ring(ctx, ring)
	if decision != state.KeepAsking {
		p.Log.Info("batch not known to the provider", zap.String("batch", b.ID),
			zap.String("provider", b.Provider), zap.String("decision", string(decision)))
	}
	return "not known to the provider: " + string(decision), nil
}

func newChildren() (state.Children, error) {
	var children state.Children
	for i := range children {
		id, err := uuid.NewV7()
		if err != nil {
			return children, fmt.Errorf("make a batch id: %w", err)
		}
		children[i] = id.String()
	}
	return children, nil
}

func (p *Poll) observe(
	ctx context.Context, b *state.Batch, standing providers.Standing, rhythm state.Rhythm,
) (string, error) {
	positions := positionsOf(b)
	facts := make([]state.Observation, 0, len(standing.Lines))
	for _, line := range standing.Lines {
		position, ours := positions[line.Phone]
		switch {
		case !ours:
			p.Meter.unplaced(b.Provider, 1)
		case !line.Status.Valid():
			p.Meter.unrecognised(b.Provider)
		default:
			facts = append(facts, state.Observation{
				Position: position, Status: line.Status, Reason: reasonOf(line.Status),
				ProviderReference: line.ProviderReference, Message: line.Message,
			})
		}
	}
	observed, err := p.Store.Observe(ctx, b.ID, facts, true, rhythm)
	if err != nil {
		return "", err
	}
	if observed.Overpaid > 0 {
		p.Log.Error("second effect seen: see enqueuer indoubt list", zap.String("batch", b.ID),
			zap.Int("recipients", observed.Overpaid))
	}
	p.Meter.settled(b.Provider, observed.Settled)
	return fmt.Sprintf("%d: %d changed, %d settled, %d open", len(b.Members), observed.Changed,
		observed.Settled, observed.Open), nil
}

// reasonOf is the reason of a status that the provider reports.
func reasonOf(s airtime.Status) airtime.Reason {
	if s == airtime.Failed || s == airtime.Reversed || s == airtime.Refunded {
		return airtime.ReasonProvider
	}
	return airtime.NoReason
}
