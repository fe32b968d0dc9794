package doctor

import (
	"context"
	"fmt"
	"slices"
	"time"

	"tuma/internal/cli"
	"tuma/internal/state"
)

// webhookLate is how long a result may wait for its delivery.
const webhookLate = time.Hour

// webhooks looks at the deliveries to endpoints of producers.
func (r *runner) webhooks(ctx context.Context) error {
	stats, err := r.watched(ctx)
	if err != nil {
		return err
	}
	for i := range stats.Webhooks {
		r.webhook(&stats.Webhooks[i])
	}
	for _, w := range r.Config.Webhooks {
		if !slices.ContainsFunc(stats.Webhooks, func(at state.Webhook) bool {
			return at.Endpoint == w.Name
		}) {
			r.warn("webhook "+w.Name+" is in the settings here, and no poller has it",
				"start the pollers with this TUMA_CONFIG: they deliver")
		}
	}
	if r.sound() {
		r.ok("%s", cli.Plural(len(stats.Webhooks), "endpoint"))
	}
	return nil
}

// webhook looks at one endpoint.
func (r *runner) webhook(w *state.Webhook) {
	switch {
	case !w.Off.IsZero():
		r.fail(fmt.Sprintf("webhook %s is off since %s: %s", w.Endpoint, w.Off.Format(time.RFC3339),
			w.Why), "ask the producer, then enqueuer webhook on "+w.Endpoint+
			"; or take it out of TUMA_CONFIG")
	case w.Oldest > webhookLate:
		r.warn(fmt.Sprintf("webhook %s: a result has waited for %s; the last error: %s", w.Endpoint,
			about(w.Oldest), orNone(w.Err)), "ask the producer; it is tried again by itself, for three days")
	}
	if len(w.Listed) > 0 {
		r.warn(fmt.Sprintf("webhook %s: %s given up after three days", w.Endpoint,
			cli.Plural(len(w.Listed), "result")), "enqueuer webhook on "+w.Endpoint+
			" tries them again, when the endpoint works")
	}
}

func orNone(text string) string {
	if text == "" {
		return "none"
	}
	return text
}
