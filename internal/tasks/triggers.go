package tasks

import (
	"context"
	"encoding/json"
	"fmt"
	"strconv"
	"time"

	"go.uber.org/zap"

	"tuma/internal/state"
)

// submitPayload and pollPayload are what triggers carry: no money and no phone number.
type submitPayload struct {
	Provider string `json:"provider"`
	Wakeup   int64  `json:"wakeup"`
}

type pollPayload struct {
	Batch    string `json:"batch"`
	Provider string `json:"provider"`
	Number   int    `json:"number"`
	// What follows is for whoever reads the dashboard.
	Recipients int       `json:"recipients"`
	Open       int       `json:"open"`
	Attempt    int       `json:"attempt"`
	Since      time.Time `json:"since,omitzero"`
	// Due is set in the task of a query that has not been handed out yet.
	Due time.Time `json:"due,omitzero"`
}

// wakeupsWaiting is how many triggers of a provider may wait: each keeps a handler busy until
// nothing is left, and wakes the next.
const wakeupsWaiting = 16

// Wake triggers a worker for each wakeup that is not nil. A trigger that cannot be enqueued is only
// logged: the next sweep wakes one again.
func (q *Queues) Wake(ctx context.Context, wakeups ...*state.Wakeup) {
	for _, r := range wakeups {
		if r == nil || q.crowded(ctx, r.Provider, wakeupsWaiting) {
			continue
		}
		payload, err := json.Marshal(submitPayload{Provider: r.Provider, Wakeup: r.Number})
		if err == nil {
			id := r.Provider + ":" + strconv.FormatInt(r.Number, 10)
			err = q.enqueue(ctx, r.Provider, TypeSubmit, id, payload)
		}
		if err != nil {
			q.log.Warn("trigger not enqueued; the next sweep wakes one again",
				zap.String("provider", r.Provider), zap.Error(err))
		}
	}
}

// Poll triggers a status query.
func (q *Queues) Poll(ctx context.Context, p state.Poll) error {
	payload, err := json.Marshal(pollPayload(p))
	if err != nil {
		return fmt.Errorf("encode poll: %w", err)
	}
	return q.enqueue(ctx, QueuePoll, TypePoll, pollID(p), payload)
}

// pollID is the id of the task of a status query.
func pollID(p state.Poll) string { return p.Batch + ":" + strconv.Itoa(p.Number) }

// Inlet hands disbursals to the state and wakes the workers.
type Inlet struct {
	Store  *state.Store
	Queues *Queues
}

// Accept is state.Store.Accept followed by the wakeups that it asks for.
func (i Inlet) Accept(
	ctx context.Context, disbursals []state.Disbursal,
) ([]state.Outcome, error) {
	accepted, err := i.Store.Accept(ctx, disbursals)
	if err != nil {
		return nil, err
	}
	for r := range accepted.Wakeups {
		i.Queues.Wake(ctx, &accepted.Wakeups[r])
	}
	return accepted.Outcomes, nil
}
