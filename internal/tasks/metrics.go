package tasks

import (
	"errors"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"tuma/internal/airtime"
	"tuma/internal/providers"
)

// What a status query came to.
const (
	known   = "known"
	unknown = "unknown"
	failed  = "failed"
)

// The fields of a provider's sums.
const (
	fieldAmount   = "amount"
	fieldDiscount = "discount"
)

// Metrics counts what workers and pollers do with providers. All reasons start at zero.
type Metrics struct {
	submissions    *prometheus.CounterVec
	verdicts       *prometheus.CounterVec
	submitSeconds  *prometheus.HistogramVec
	batchSizes     *prometheus.HistogramVec
	queries        *prometheus.CounterVec
	querySeconds   *prometheus.HistogramVec
	unmatchedLines *prometheus.CounterVec
	unknownCodes   *prometheus.CounterVec
	settledTotal   *prometheus.CounterVec
	oddSums        *prometheus.CounterVec
}

// NewMetrics registers the metrics for the providers that are on.
func NewMetrics(registry prometheus.Registerer, names []string) *Metrics {
	counter := func(name, help string, labels ...string) *prometheus.CounterVec {
		c := prometheus.NewCounterVec(prometheus.CounterOpts{Name: name, Help: help}, labels)
		registry.MustRegister(c)
		return c
	}
	histogram := func(
		name, help string, buckets []float64, labels ...string,
	) *prometheus.HistogramVec {
		h := prometheus.NewHistogramVec(prometheus.HistogramOpts{
			Name: name, Help: help, Buckets: buckets,
		}, labels)
		registry.MustRegister(h)
		return h
	}
	seconds := []float64{.01, .025, .05, .1, .25, .5, 1, 2.5, 5, 10, 30}
	m := &Metrics{
		submissions: counter("tuma_submissions_total",
			"Requests sent to a provider, by the verdict with the most evidence of an effect, and its "+
				"reason.", "provider", "verdict", "reason"),
		verdicts: counter("tuma_verdicts_total",
			"What answers to requests meant for their recipients, each counted.",
			"provider", "verdict", "reason"),
		submitSeconds: histogram("tuma_submission_seconds",
			"Time from begin send to the answer, by the verdict of tuma_submissions_total.",
			seconds, "provider", "verdict"),
		batchSizes: histogram("tuma_submission_recipients", "Recipients of a request.",
			[]float64{1, 2, 5, 10, 20, 50, 100, 200, 500, 1000}, "provider"),
		queries: counter("tuma_queries_total",
			"Status queries, by outcome: known, unknown, or the reason of a failure.",
			"provider", "outcome"),
		querySeconds: histogram("tuma_query_seconds",
			"Time of a status query, by outcome: known, unknown or failed.",
			seconds, "provider", "outcome"),
		unmatchedLines: counter("tuma_unmatched_lines_total",
			"Answer lines that fit no recipient of the batch or could not be read.", "provider"),
		unknownCodes: counter("tuma_unrecognised_statuses_total",
			"Answer lines with a status code that we do not know; the recipient stays open.",
			"provider"),
		settledTotal: counter("tuma_settled_total", "Recipients settled by queries.", "provider"),
		oddSums: counter("tuma_odd_sums_total",
			"Amounts and discounts in answers that could not be read as such; the recipient's verdict "+
				"or status counts all the same.", "provider", "field"),
	}
	for _, name := range names {
		m.startAtZero(name)
	}
	return m
}

func (m *Metrics) startAtZero(name string) {
	for _, verdict := range airtime.Verdicts() {
		for _, reason := range append(airtime.Reasons(), airtime.NoReason) {
			m.submissions.WithLabelValues(name, verdict.String(), string(reason))
			m.verdicts.WithLabelValues(name, verdict.String(), string(reason))
		}
	}
	for _, verdict := range airtime.Verdicts() {
		m.submitSeconds.WithLabelValues(name, verdict.String())
	}
	for _, outcome := range []string{known, unknown} {
		m.queries.WithLabelValues(name, outcome)
		m.querySeconds.WithLabelValues(name, outcome)
	}
	m.querySeconds.WithLabelValues(name, failed)
	for _, reason := range airtime.Reasons() {
		m.queries.WithLabelValues(name, string(reason))
	}
	m.batchSizes.WithLabelValues(name)
	m.unmatchedLines.WithLabelValues(name)
	m.unknownCodes.WithLabelValues(name)
	m.settledTotal.WithLabelValues(name)
	m.oddSums.WithLabelValues(name, fieldAmount)
	m.oddSums.WithLabelValues(name, fieldDiscount)
}

// overall is the verdict and reason of an answer as a whole: that of the recipient with the most
// evidence of an effect.
func overall(a providers.Answer, recipients int) (airtime.Verdict, airtime.Reason) {
	verdict, reason := a.Verdict, a.Reason
	for i, line := range a.Lines {
		first := i == 0 && len(a.Lines) >= recipients // The default stands for nobody.
		if first || providers.Evidence(line.Verdict) > providers.Evidence(verdict) {
			verdict, reason = line.Verdict, line.Reason
		}
	}
	return verdict, reason
}

func (m *Metrics) submitted(
	provider string, a providers.Answer, recipients int, took time.Duration,
) {
	verdict, reason := overall(a, recipients)
	m.submissions.WithLabelValues(provider, verdict.String(), string(reason)).Inc()
	for _, line := range a.Lines {
		m.verdicts.WithLabelValues(provider, line.Verdict.String(), string(line.Reason)).Inc()
	}
	rest := max(0, recipients-len(a.Lines))
	m.verdicts.WithLabelValues(provider, a.Verdict.String(), string(a.Reason)).Add(float64(rest))
	m.submitSeconds.WithLabelValues(provider, verdict.String()).Observe(took.Seconds())
	m.batchSizes.WithLabelValues(provider).Observe(float64(recipients))
}

func (m *Metrics) queried(
	provider string, reported providers.ProviderStatus, err error, took time.Duration,
) {
	outcome, class := unknown, unknown
	var cause *providers.QueryError
	switch {
	case errors.As(err, &cause):
		outcome, class = string(cause.Reason), failed
	case err != nil:
		outcome, class = string(airtime.ReasonUnreadable), failed
	case reported.Known:
		outcome, class = known, known
	}
	m.queries.WithLabelValues(provider, outcome).Inc()
	m.querySeconds.WithLabelValues(provider, class).Observe(took.Seconds())
	m.unmatched(provider, reported.Unmatched)
}

func (m *Metrics) unmatched(provider string, lines int) {
	m.unmatchedLines.WithLabelValues(provider).Add(float64(lines))
}

func (m *Metrics) unrecognised(provider string, lines int) {
	m.unknownCodes.WithLabelValues(provider).Add(float64(lines))
}

// odd counts what stands where an amount or a discount belongs and is none.
func (m *Metrics) odd(provider string, sums providers.Sums) {
	if sums.OddAmount {
		m.oddSums.WithLabelValues(provider, fieldAmount).Inc()
	}
	if sums.OddDiscount {
		m.oddSums.WithLabelValues(provider, fieldDiscount).Inc()
	}
}

func (m *Metrics) settled(provider string, recipients int) {
	m.settledTotal.WithLabelValues(provider).Add(float64(recipients))
}
