package tasks

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"strconv"
	"sync/atomic"
	"time"

	"go.uber.org/zap"

	"tuma/internal/state"
	"tuma/internal/webhook"
)

// Endpoint is where results of a producer are posted to.
type Endpoint struct {
	Name string
	// Wants reports whether a result of a producer and campaign is for it.
	Wants  func(producer, campaign string) bool
	Sender *webhook.Sender

	lastErr atomic.Pointer[string] // The last error that was logged; nil while it works.
}

const (
	// WebhookSlots is how many deliveries to one endpoint may be out, over all pollers. A poller runs
	// as many handlers for each endpoint, so that those of one that hangs never fill it.
	WebhookSlots = 8
	// webhookPace is the interval of the loop that looks for new results.
	webhookPace = 500 * time.Millisecond
	// webhookLost is after how long a delivery that was handed out and not begun counts as lost.
	webhookLost = 30 * time.Second
	// webhookRead is how many results are read at once for an endpoint, and webhookWaiting how many
	// may wait for it before no more are read: what waits beyond that waits on the stream.
	webhookRead, webhookWaiting = 100, 10_000
)

// Webhooks hands out the deliveries to endpoints. The cursors and what waits are in the state; a
// task that is lost costs the time after which it counts as lost.
type Webhooks struct {
	Store     *state.Store
	Queues    *Queues
	Endpoints []*Endpoint
	// Lost is after how long a delivery counts as lost; half a minute when zero.
	Lost time.Duration
	Log  *zap.Logger
}

// Run hands out deliveries until the context ends.
func (w *Webhooks) Run(ctx context.Context) error {
	every(ctx, webhookPace, func() { w.Once(ctx) })
	return nil
}

// Once hands out what is due at every endpoint, unless too many tasks wait already.
func (w *Webhooks) Once(ctx context.Context) {
	if w.Queues.crowded(ctx, QueueWebhooks, int64(4*WebhookSlots*len(w.Endpoints))) {
		return
	}
	for _, e := range w.Endpoints {
		w.dispatch(ctx, e)
	}
}

// dispatch hands out what is due at one endpoint, and reads on while more may be out.
func (w *Webhooks) dispatch(ctx context.Context, e *Endpoint) {
	d, err := w.handOut(ctx, e, state.WebhookRead{})
	for err == nil && d.On && d.Free > 0 && d.Waiting < webhookWaiting {
		var read state.WebhookRead
		if read, err = w.read(ctx, e, d.Cursor); err != nil || read.Last == "" {
			break
		}
		cursor := d.Cursor
		if d, err = w.handOut(ctx, e, read); d.Cursor == cursor {
			break
		}
	}
	if err != nil && ctx.Err() == nil {
		w.Log.Warn("webhooks not handed out; the next look does", zap.String("endpoint", e.Name),
			zap.Error(err))
	}
}

// read reads the results behind a cursor, and picks those for the endpoint. A new endpoint begins
// behind the newest result.
func (w *Webhooks) read(
	ctx context.Context, e *Endpoint, cursor string,
) (read state.WebhookRead, err error) {
	if cursor == "" {
		read.Last, err = w.Store.LastResult(ctx)
		return read, err
	}
	page, err := w.Store.ResultsAfter(ctx, cursor, webhookRead)
	if errors.Is(err, state.ErrTrimmed) { // It is counted, and listed as missed.
		page, err = w.Store.ResultsAfter(ctx, "", webhookRead)
	}
	read.After = cursor
	for _, r := range page.Results {
		read.Last = r.ID
		if e.Wants(r.Producer, r.Fields["campaign"]) {
			read.Results = append(read.Results, r.ID)
		}
	}
	return read, err
}

// handOut gives the state what was read, and enqueues a task for each delivery that it hands out.
func (w *Webhooks) handOut(
	ctx context.Context, e *Endpoint, read state.WebhookRead,
) (state.WebhookDispatch, error) {
	lost := w.Lost
	if lost == 0 {
		lost = webhookLost
	}
	d, err := w.Store.DispatchWebhook(ctx, e.Name, read, WebhookSlots, lost)
	for _, delivery := range d.Deliveries {
		if err == nil {
			err = w.Queues.deliver(ctx, delivery)
		}
	}
	return d, err
}

// deliverPayload names a result: the dashboard shows no number of a recipient.
type deliverPayload struct {
	Endpoint string `json:"endpoint"`
	Result   string `json:"result"`
	Number   int64  `json:"number"`
	// What follows is for whoever reads the dashboard.
	FailedTries int       `json:"failed_tries"`
	Published   time.Time `json:"published"`
}

// deliver triggers a delivery.
func (q *Queues) deliver(ctx context.Context, d state.Delivery) error {
	payload, err := json.Marshal(deliverPayload{
		Endpoint: d.Endpoint, Result: d.Result, Number: d.Number, FailedTries: d.Tries,
		Published: state.PublishedAt(d.Result),
	})
	if err != nil {
		return fmt.Errorf("encode delivery: %w", err)
	}
	id := d.Endpoint + ":" + strconv.FormatInt(d.Number, 10)
	return q.enqueue(ctx, QueueWebhooks, TypeDeliver, id, payload)
}
