package ops

import (
	"context"
	"strings"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"tuma/internal/airtime"
	"tuma/internal/state"
)

// Figures exports what the state knows, read when Prometheus asks. It is the same from every
// process of a namespace.
type Figures struct {
	Store *state.Store
}

var _ prometheus.Collector = Figures{}

func describe(name, help string, labels ...string) *prometheus.Desc {
	return prometheus.NewDesc("tuma_"+name, help, labels, nil)
}

var (
	recipientsDesc = describe("recipients",
		"Recipients per provider, currency and status, since the beginning.",
		"provider", "currency", "status")
	amountDesc = describe("amount_minor",
		"Money per provider, currency and status, in minor units, since the beginning.",
		"provider", "currency", "status")
	pendingDesc = describe("pending_entries", "Entries waiting to be claimed.", "provider")
	readyDesc   = describe("ready_batches", "Batches waiting to be sent as they are.", "provider")
	heldDesc    = describe("held_entries", "Entries held back: their number is in doubt.", "provider")
	flightDesc  = describe("in_flight_batches", "Batches claimed or on the wire.", "provider")
	pausedDesc  = describe("channel_paused_seconds", "How long a channel stays paused.", "provider",
		"reason")
	probingDesc = describe("channel_probing",
		"1 while one request at a time finds out whether a paused channel works again.", "provider")
	unservedDesc = describe("channel_unserved", "1 while work waits and no worker takes it.",
		"provider")
	largestDesc = describe("batch_recipients_limit",
		"Most recipients of a request while sizes climb after an unknown.", "provider")
	keptDesc     = describe("kept_callbacks", "Callbacks that fit nobody yet or wait to be confirmed.")
	droppedDesc  = describe("dropped_callbacks", "Kept callbacks that were given up, for ever.")
	unplacedDesc = describe("unplaced_callbacks", "Bodies kept for people that nobody could read.")
	dueDesc      = describe("due_batches", "Batches on the schedule of status queries.")
	doubtDesc    = describe("in_doubt_batches", "Batches with recipients in doubt.")
	overdueDesc  = describe("overdue_batches", "Batches open beyond the provider's patience.")
	overpaidDesc = describe("overpaid_recipients", "Recipients with a second effect.")
	jobsDesc     = describe("jobs_entries", "Entries on the jobs stream.")
	rejectedDesc = describe("rejected_entries", "Entries on the rejected stream.")
	frozenDesc   = describe("frozen_seconds", "How long claiming stays frozen after a Redis restart.")
	upDesc       = describe("state_up", "1 if the state could be read.")
)

// Describe sends nothing: which labels there are depends on the state.
func (Figures) Describe(chan<- *prometheus.Desc) {}

// Collect reads the figures. When Redis does not answer, tuma_state_up is 0 and the rest is left
// out.
func (f Figures) Collect(to chan<- prometheus.Metric) {
	ctx, cancel := context.WithTimeout(context.Background(), readyTimeout)
	defer cancel()
	gauge := func(desc *prometheus.Desc, value float64, labels ...string) {
		to <- prometheus.MustNewConstMetric(desc, prometheus.GaugeValue, value, labels...)
	}
	figures, err := f.Store.Figures(ctx)
	if err != nil {
		gauge(upDesc, 0)
		return
	}
	gauge(upDesc, 1)
	for field, value := range figures.Book {
		words := strings.Fields(field)
		desc := recipientsDesc
		if len(words) == 4 {
			desc = amountDesc
		}
		gauge(desc, float64(value), words[0], words[1], words[2])
	}
	for _, c := range figures.Channels {
		gauge(pendingDesc, float64(c.Pending), c.Provider)
		gauge(readyDesc, float64(c.Ready), c.Provider)
		gauge(heldDesc, float64(c.Held), c.Provider)
		gauge(flightDesc, float64(c.InFlight), c.Provider)
		reason := airtime.NoReason
		if c.Paused > 0 {
			reason = c.PauseReason
		}
		gauge(pausedDesc, c.Paused.Seconds(), c.Provider, string(reason))
		gauge(probingDesc, flag(c.Probing), c.Provider)
		gauge(unservedDesc, flag(c.Unserved()), c.Provider)
		if c.Largest > 0 {
			gauge(largestDesc, float64(c.Largest), c.Provider)
		}
	}
	gauge(keptDesc, float64(figures.Kept))
	gauge(droppedDesc, float64(figures.Dropped))
	gauge(unplacedDesc, float64(figures.Unplaced))
	gauge(dueDesc, float64(figures.Due))
	gauge(doubtDesc, float64(figures.Doubt))
	gauge(overdueDesc, float64(figures.Overdue))
	gauge(overpaidDesc, float64(figures.Overpaid))
	gauge(jobsDesc, float64(figures.Jobs))
	gauge(rejectedDesc, float64(figures.Rejected))
	gauge(frozenDesc, figures.Frozen.Round(time.Millisecond).Seconds())
}

func flag(set bool) float64 {
	if set {
		return 1
	}
	return 0
}
