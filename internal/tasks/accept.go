package tasks

import (
	"context"
	"errors"
	"fmt"

	"github.com/hibiken/asynq"
	"go.uber.org/zap"

	"tuma/internal/intake"
	"tuma/internal/state"
)

// Accept handles disbursal:accept: the inlet for Go services that speak asynq.
type Accept struct {
	Inlet Inlet
	Rules intake.Rules
}

var _ asynq.Handler = (*Accept)(nil)

// ProcessTask accepts the jobs of a payload or keeps them on the rejected stream. An error is
// returned, so that asynq repeats the task, only when the state could not be reached or is full.
func (a *Accept) ProcessTask(ctx context.Context, t *asynq.Task) error {
	disbursals, err := intake.DecodeJobs(t.Payload(), a.Rules)
	if err != nil {
		return a.reject(ctx, t, TypeAccept, err)
	}
	outcomes, err := a.Inlet.Accept(ctx, disbursals)
	if err != nil {
		return err // break: job-not-stored
	}
	counts := map[state.Outcome]int{}
	var refused []error
	for i, outcome := range outcomes {
		counts[outcome]++
		if err := outcome.Refusal(&disbursals[i]); err != nil {
			refused = append(refused, err)
		}
	}
	if len(refused) == len(outcomes) {
		return a.reject(ctx, t, TypeAccept, errors.Join(refused...))
	}
	if len(refused) > 0 {
		if err := a.keep(ctx, t, TypeAccept, errors.Join(refused...)); err != nil {
			return err
		}
	}
	write(t, "%d: %d accepted, %d known, %d refused", len(outcomes), counts[state.Accepted],
		counts[state.Same], len(refused))
	if len(disbursals) > 0 {
		a.Inlet.Queues.log.Info("jobs decided", taskField(ctx),
			zap.String("reference", disbursals[0].Reference), zap.Int("jobs", len(disbursals)),
			zap.Int("accepted", counts[state.Accepted]), zap.Int("known", counts[state.Same]),
			zap.Int("refused", len(refused)))
	}
	return nil
}

// taskField names the task that is being worked on.
func taskField(ctx context.Context) zap.Field {
	id, _ := asynq.GetTaskID(ctx) // Empty outside of a task.
	return zap.String("task", id)
}

// keep keeps a payload on the rejected stream.
func (a *Accept) keep(
	ctx context.Context, t *asynq.Task, source string, reason error,
) error {
	return a.Inlet.Store.Reject(ctx, state.Refusal{
		Job: string(t.Payload()), Source: source, Err: reason.Error(),
	})
}

// reject finishes a payload of which nothing is taken.
func (a *Accept) reject(
	ctx context.Context, t *asynq.Task, source string, reason error,
) error {
	if err := a.keep(ctx, t, source, reason); err != nil {
		return err
	}
	write(t, "refused: %s", reason)
	a.Inlet.Queues.log.Warn("jobs refused; they are on the rejected stream", taskField(ctx),
		zap.NamedError("cause", reason))
	return nil
}

// write puts a result on the task for readers of the dashboard. Losing it changes nothing.
func write(t *asynq.Task, format string, args ...any) {
	if w := t.ResultWriter(); w != nil {
		_, _ = fmt.Fprintf(w, format, args...)
	}
}
