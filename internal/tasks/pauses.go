package tasks

import (
	"context"
	"slices"
	"time"

	"go.uber.org/zap"

	"tuma/internal/state"
)

// ByDashboard is who pauses and resumes queues in the dashboard: it does not tell persons apart.
const ByDashboard = "dashboard"

// PauseWatch is the loop that keeps in the audit which queues were paused and resumed in the
// dashboard. Several may run: each change is kept once. What is undone between two looks is not
// seen.
type PauseWatch struct {
	Store    *state.Store
	Queues   *Queues
	Interval time.Duration
	Log      *zap.Logger
}

// Run looks until the context ends.
func (p *PauseWatch) Run(ctx context.Context) error {
	every(ctx, p.Interval, func() {
		if err := p.Queues.NotePauses(ctx, p.Store, ByDashboard); err != nil && ctx.Err() == nil {
			p.Log.Warn("pauses of queues not kept in the audit; tried again", zap.Error(err))
		}
	})
	return nil
}

// NotePauses keeps in the audit which of the named queues, or of all, were paused or resumed since
// it was looked last, and who did it.
func (q *Queues) NotePauses(
	ctx context.Context, s *state.Store, who string, names ...string,
) error {
	known, err := s.QueuePauses(ctx) // Before the queues: a change meanwhile is not undone.
	if err != nil {
		return err
	}
	sizes, err := q.Sizes(ctx)
	if err != nil {
		return err
	}
	for _, size := range sizes {
		was := known[size.Queue]
		if size.Paused == was.Paused || len(names) > 0 && !slices.Contains(names, size.Queue) {
			continue
		}
		if err := s.NoteQueuePause(ctx, size.Queue, was, size.Paused, who); err != nil {
			return err
		}
	}
	return nil
}
