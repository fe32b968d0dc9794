package tasks

import (
	"context"
	"crypto/rand"
	"encoding/json"
	"fmt"
	mathrand "math/rand/v2"
	"slices"
	"time"

	"github.com/hibiken/asynq"
	"github.com/prometheus/client_golang/prometheus"
	"go.uber.org/zap"

	"tuma/internal/effect"
	"tuma/internal/state"
	"tuma/internal/webhook"
)

// webhookPauses are the pauses after the first failed tries of a delivery; after them it is the
// last one again and again, until webhookGiveUp after the first try. webhookJitter spreads them.
var webhookPauses = []time.Duration{
	5 * time.Second, 30 * time.Second, 2 * time.Minute, 10 * time.Minute, 30 * time.Minute,
	time.Hour, 3 * time.Hour,
}

const (
	webhookGiveUp = 3 * 24 * time.Hour
	webhookJitter = 0.1
	// webhookMargin is what a try takes beyond its request: reading the result, storing the answer.
	webhookMargin = 10 * time.Second
)

// WebhookPause is the pause after a failed try; tries are those that failed before.
func WebhookPause(tries int) time.Duration {
	pause := webhookPauses[min(tries, len(webhookPauses)-1)]
	spread := 1 + webhookJitter*(2*mathrand.Float64()-1) //nolint:gosec // No secret.
	return time.Duration(spread * float64(pause))
}

// Deliver handles webhook:deliver: post a result to an endpoint and store what came of it.
type Deliver struct {
	*Webhooks
	Metrics *WebhookMetrics
	// Pause is the pause after a failed try; WebhookPause when nil.
	Pause func(tries int) time.Duration
}

var _ asynq.Handler = (*Deliver)(nil)

// ProcessTask makes one delivery, and hands out what follows. A trigger that is not the latest of
// its result does nothing.
func (h *Deliver) ProcessTask(ctx context.Context, t *asynq.Task) error {
	var payload deliverPayload
	if err := json.Unmarshal(t.Payload(), &payload); err != nil {
		return fmt.Errorf("payload of %s: %w: %w", TypeDeliver, err, asynq.SkipRetry)
	}
	at := slices.IndexFunc(h.Endpoints, func(e *Endpoint) bool { return e.Name == payload.Endpoint })
	if at < 0 {
		write(t, "the endpoint is not in the settings of this poller")
		return nil
	}
	e := h.Endpoints[at]
	// Whoever cancels the task in the dashboard, or stops the poller, makes no failed try of it.
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), e.Sender.Timeout()+webhookMargin)
	defer cancel()
	text, err := h.deliver(ctx, e, state.Delivery{
		Endpoint: e.Name, Result: payload.Result, Number: payload.Number,
	})
	write(t, "%s", text)
	h.dispatch(ctx, e)
	return err
}

// notTried says in the dashboard why a task posts nothing.
var notTried = map[state.WebhookTry]string{
	state.WebhookOff:        "the endpoint is off",
	state.WebhookDone:       "delivered before, or given up",
	state.WebhookSuperseded: "superseded by a later task",
	state.WebhookHeld:       "another process is at it",
}

// deliver posts a result once; the text is for the dashboard.
func (h *Deliver) deliver(
	ctx context.Context, e *Endpoint, d state.Delivery,
) (string, error) {
	most := e.Sender.Timeout() + webhookMargin
	try, tries, err := h.Store.TryWebhook(ctx, d, rand.Text(), most)
	if err != nil || try != state.WebhookGo {
		return notTried[try], err
	}
	result, kept, err := h.Store.ResultByID(ctx, d.Result)
	if err != nil {
		return "", err
	}
	if !kept {
		h.Log.Warn("a result was trimmed before it was delivered", zap.String("endpoint", e.Name),
			zap.String("published", published(d.Result)))
		_, err = h.Store.AnswerWebhook(ctx, d, state.WebhookAnswer{Outcome: state.WebhookMissing})
		return "the result is not on the stream any more", err
	}
	body := webhook.Body(fieldsOf(&result)) // break: webhook-post
	var answer webhook.Answer
	began := time.Now()
	err = effect.Do(ctx, "webhook", func() error {
		answer = e.Sender.Send(ctx, d.Result, body)
		return nil
	})
	if err != nil {
		return "", err
	}
	took := time.Since(began)
	h.Metrics.posted(e.Name, answer.Outcome, took)
	followed, err := h.Store.AnswerWebhook(ctx, d, h.answerOf(answer, tries))
	h.note(e, &result, answer, followed)
	return fmt.Sprintf("%s in %s: %s", answer.Text, took.Round(time.Millisecond), followed), err
}

// fieldsOf are the fields of a result as its producer is to read them.
func fieldsOf(r *state.Result) map[string]string {
	fields := map[string]string{}
	for name, value := range r.Fields {
		fields[name] = value
	}
	fields["reference"] = r.Reference
	if r.Producer != "" {
		fields["producer"] = r.Producer
	}
	return fields
}

// answerOf is what is kept of an answer.
func (h *Deliver) answerOf(answer webhook.Answer, tries int) state.WebhookAnswer {
	pause := h.Pause
	if pause == nil {
		pause = WebhookPause
	}
	kept := state.WebhookAnswer{
		Outcome: state.WebhookFailed, Err: answer.Text, Pause: pause(tries), GiveUpAfter: webhookGiveUp,
	}
	switch answer.Outcome {
	case webhook.Delivered:
		kept = state.WebhookAnswer{Outcome: state.WebhookDelivered}
	case webhook.Gone:
		kept.Outcome = state.WebhookGone
	case webhook.Redirected, webhook.Refused, webhook.TimedOut, webhook.Unreachable,
		webhook.Forbidden, webhook.Unsigned:
	}
	return kept
}

// published is when a result was, for the log: its id has as many digits as a phone number.
func published(result string) string {
	return state.PublishedAt(result).Format(time.RFC3339Nano)
}

// note logs what changes at an endpoint, not each try.
func (h *Deliver) note(
	e *Endpoint, r *state.Result, answer webhook.Answer, followed state.WebhookFollowed,
) {
	fields := []zap.Field{
		zap.String("endpoint", e.Name), zap.String("published", published(r.ID)),
		zap.String("batch", r.Fields["batch"]), zap.String("answer", answer.Text),
	}
	switch followed {
	case state.WebhookSwitchedOff:
		h.Log.Error("webhook switched off: see enqueuer webhook", fields...)
	case state.WebhookGaveUp:
		h.Log.Error("webhook given up after three days: see enqueuer webhook", fields...)
	case state.WebhookRetried:
		if last := e.lastErr.Swap(&answer.Text); last == nil || *last != answer.Text {
			h.Log.Warn("webhook failed; it is tried again", fields...)
		}
	case state.WebhookMissed, state.WebhookKnown:
	case state.WebhookTaken:
		if e.lastErr.Swap(nil) != nil {
			h.Log.Info("webhook works again", zap.String("endpoint", e.Name))
		}
	}
}

// WebhookMetrics counts the requests to endpoints. All outcomes start at zero.
type WebhookMetrics struct {
	requests *prometheus.CounterVec
	seconds  *prometheus.HistogramVec
}

// NewWebhookMetrics registers the metrics for endpoints.
func NewWebhookMetrics(registry prometheus.Registerer, endpoints []*Endpoint) *WebhookMetrics {
	m := &WebhookMetrics{
		requests: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "tuma_webhook_requests_total",
			Help: "Requests to endpoints of webhooks, by outcome: delivered, gone (410), redirect, answer " +
				"(any other status), timeout, connection, address (not allowed) or secret.",
		}, []string{"endpoint", "outcome"}),
		seconds: prometheus.NewHistogramVec(prometheus.HistogramOpts{
			Name: "tuma_webhook_seconds", Help: "Time of a request to an endpoint of a webhook.",
			Buckets: []float64{.01, .025, .05, .1, .25, .5, 1, 2.5, 5, 10},
		}, []string{"endpoint"}),
	}
	registry.MustRegister(m.requests, m.seconds)
	for _, e := range endpoints {
		for _, outcome := range webhook.Outcomes() {
			m.requests.WithLabelValues(e.Name, string(outcome))
		}
		m.seconds.WithLabelValues(e.Name)
	}
	return m
}

func (m *WebhookMetrics) posted(endpoint string, outcome webhook.Outcome, took time.Duration) {
	m.requests.WithLabelValues(endpoint, string(outcome)).Inc()
	m.seconds.WithLabelValues(endpoint).Observe(took.Seconds())
}
