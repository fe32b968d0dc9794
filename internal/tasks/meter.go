package tasks

import (
	"errors"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"tuma/internal/airtime"
	"tuma/internal/providers"
)

// Meter counts what workers and pollers do with providers. All reasons start at zero.
type Meter struct {
	submissions   *prometheus.CounterVec
	submitSeconds *prometheus.HistogramVec
	queries       *prometheus.CounterVec
	querySeconds  *prometheus.HistogramVec
	unplacedLines *prometheus.CounterVec
	unknownCodes  *prometheus.CounterVec
	settledTotal  *prometheus.CounterVec
}

// NewMeter registers the metrics for the providers that are on.
func NewMeter(registry prometheus.Registerer, names []string) *Meter {
	counter := func(name, help string, labels ...string) *prometheus.CounterVec {
		c := prometheus.NewCounterVec(prometheus.CounterOpts{Name: name, Help: help}, labels)
		registry.MustRegister(c)
		return c
	}
	seconds := func(name, help string) *prometheus.HistogramVec {
		h := prometheus.NewHistogramVec(prometheus.HistogramOpts{
			Name: name, Help: help, Buckets: []float64{.01, .025, .05, .1, .25, .5, 1, 2.5, 5, 10, 30},
		}, []string{"provider"})
		registry.MustRegister(h)
		return h
	}
	m := &Meter{
		submissions: counter("tuma_submissions_total",
			"Requests sent to a provider, by verdict and reason.", "provider", "verdict", "reason"),
		submitSeconds: seconds("tuma_submission_seconds", "Time from begin send to the answer."),
		queries: counter("tuma_queries_total",
			"Status queries, by outcome: known, unknown, or the reason of a failure.",
			"provider", "outcome"),
		querySeconds: seconds("tuma_query_seconds", "Time of a status query."),
		unplacedLines: counter("tuma_unplaced_lines_total",
			"Answer lines that fit no recipient of the batch or could not be read.", "provider"),
		unknownCodes: counter("tuma_unrecognised_statuses_total",
			"Answer lines with a status code that we do not know; the recipient stays open.",
			"provider"),
		settledTotal: counter("tuma_settled_total", "Recipients settled by queries.", "provider"),
	}
	for _, name := range names {
		m.startAtZero(name)
	}
	return m
}

func (m *Meter) startAtZero(name string) {
	for _, verdict := range airtime.Verdicts() {
		m.submissions.WithLabelValues(name, verdict.String(), "")
		for _, reason := range airtime.Reasons() {
			m.submissions.WithLabelValues(name, verdict.String(), string(reason))
		}
	}
	m.queries.WithLabelValues(name, "known")
	m.queries.WithLabelValues(name, "unknown")
	for _, reason := range airtime.Reasons() {
		m.queries.WithLabelValues(name, string(reason))
	}
	m.submitSeconds.WithLabelValues(name)
	m.querySeconds.WithLabelValues(name)
	m.unplacedLines.WithLabelValues(name)
	m.unknownCodes.WithLabelValues(name)
	m.settledTotal.WithLabelValues(name)
}

func (m *Meter) submitted(provider string, a providers.Answer, took time.Duration) {
	m.submissions.WithLabelValues(provider, a.Verdict.String(), string(a.Reason)).Inc()
	m.submitSeconds.WithLabelValues(provider).Observe(took.Seconds())
}

func (m *Meter) queried(
	provider string, standing providers.Standing, err error, took time.Duration,
) {
	outcome := "unknown"
	var failed *providers.QueryError
	switch {
	case errors.As(err, &failed):
		outcome = string(failed.Reason)
	case err != nil:
		outcome = string(airtime.ReasonUnreadable)
	case standing.Known:
		outcome = "known"
	}
	m.queries.WithLabelValues(provider, outcome).Inc()
	m.querySeconds.WithLabelValues(provider).Observe(took.Seconds())
	m.unplaced(provider, standing.Unplaced)
}

func (m *Meter) unplaced(provider string, lines int) {
	m.unplacedLines.WithLabelValues(provider).Add(float64(lines))
}

func (m *Meter) unrecognised(provider string) { m.unknownCodes.WithLabelValues(provider).Inc() }

func (m *Meter) settled(provider string, recipients int) {
	m.settledTotal.WithLabelValues(provider).Add(float64(recipients))
}
