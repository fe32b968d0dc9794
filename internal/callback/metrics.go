package callback

import (
	"github.com/prometheus/client_golang/prometheus"

	"tuma/internal/providers"
	"tuma/internal/state"
)

// Results of callbacks, beside state.CallbackOutcome.
const (
	hinted       = "hinted"       // It brought a query forward, which decides.
	ignored      = "ignored"      // It concerns another product.
	unreadable   = "unreadable"   // Its body says nothing; a dead letter.
	unmatched    = "unmatched"    // It names no batch or recipient of ours; a dead letter.
	unauthorised = "unauthorised" // Its token, key or sender is wrong.
	refused      = "refused"      // It could not be stored.
)

// Answers to a provider that asks before it pays.
const (
	validationGiven       = "validated"
	validationRefused     = "refused"
	validationUnreadable  = "unreadable"
	validationUnavailable = "unavailable"
)

// Metrics counts callbacks. All labels start at zero.
type Metrics struct {
	callbacks     *prometheus.CounterVec
	validations   *prometheus.CounterVec
	confirmations *prometheus.CounterVec
	amounts       *prometheus.CounterVec
	numbers       *prometheus.CounterVec
	misses        prometheus.Counter
	oddSums       *prometheus.CounterVec
}

// NewMetrics registers the metrics for the providers that are on.
func NewMetrics(registry prometheus.Registerer, names []string) *Metrics {
	counter := func(name, help string, labels ...string) *prometheus.CounterVec {
		c := prometheus.NewCounterVec(prometheus.CounterOpts{Name: name, Help: help},
			append([]string{"provider"}, labels...))
		registry.MustRegister(c)
		return c
	}
	m := &Metrics{
		callbacks: counter("tuma_callbacks_total",
			"Callbacks received or tried again, by result.", "result"),
		validations: counter("tuma_validations_total",
			"Questions of providers before they pay, by the answer.", "answer"),
		confirmations: counter("tuma_callback_queries_total",
			"Queries that confirm callbacks, by whether they were answered.", "answered"),
		amounts: counter("tuma_callback_amount_mismatches_total",
			"Callbacks that name another amount than was sent."),
		numbers: counter("tuma_callback_number_mismatches_total",
			"Callbacks whose id belongs to a recipient with another number; they are parked."),
		oddSums: counter("tuma_callback_odd_sums_total",
			"Amounts and discounts in callbacks that could not be read as such; the rest counts.",
			"field"),
	}
	m.misses = prometheus.NewCounter(prometheus.CounterOpts{
		Name: "tuma_callbacks_misaddressed_total",
		Help: "Requests with our token at an address that is none: reports of a provider are lost.",
	})
	registry.MustRegister(m.misses)
	for _, name := range names {
		for _, word := range []string{
			hinted, ignored, unreadable, unmatched, unauthorised, refused,
			string(state.CallbackApplied), string(state.CallbackUnchanged),
			string(state.CallbackParked), string(state.CallbackDropped),
		} {
			m.callbacks.WithLabelValues(name, word)
		}
		for _, answer := range []string{
			validationGiven, validationRefused, validationUnreadable, validationUnavailable,
		} {
			m.validations.WithLabelValues(name, answer)
		}
		m.confirmations.WithLabelValues(name, "true")
		m.confirmations.WithLabelValues(name, "false")
		m.amounts.WithLabelValues(name)
		m.numbers.WithLabelValues(name)
		m.oddSums.WithLabelValues(name, "amount")
		m.oddSums.WithLabelValues(name, "discount")
	}
	return m
}

func (m *Metrics) took(provider, what string) {
	m.callbacks.WithLabelValues(provider, what).Inc()
}

func (m *Metrics) validated(provider, answer string) {
	m.validations.WithLabelValues(provider, answer).Inc()
}

func (m *Metrics) asked(provider string, answered bool) {
	word := "false"
	if answered {
		word = "true"
	}
	m.confirmations.WithLabelValues(provider, word).Inc()
}

func (m *Metrics) otherAmount(provider string) { m.amounts.WithLabelValues(provider).Inc() }

func (m *Metrics) odd(provider string, sums providers.Sums) {
	if sums.OddAmount {
		m.oddSums.WithLabelValues(provider, "amount").Inc()
	}
	if sums.OddDiscount {
		m.oddSums.WithLabelValues(provider, "discount").Inc()
	}
}

func (m *Metrics) otherNumber(provider string) { m.numbers.WithLabelValues(provider).Inc() }
