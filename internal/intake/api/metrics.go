package api

import (
	"net/http"
	"strconv"
	"time"

	"github.com/prometheus/client_golang/prometheus"
)

// noRoute is the label of requests that fit no route.
const noRoute = "none"

// metrics counts requests. All its labels are known beforehand, and start at zero.
type metrics struct {
	requests *prometheus.CounterVec
	seconds  *prometheus.HistogramVec
}

func newMetrics(registry prometheus.Registerer, routes []route) *metrics {
	m := &metrics{
		requests: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "tuma_http_requests_total",
			Help: "Requests to the HTTP inlet, by route and answer.",
		}, []string{"route", "status"}),
		seconds: prometheus.NewHistogramVec(prometheus.HistogramOpts{
			Name:    "tuma_http_request_seconds",
			Help:    "How long requests to the HTTP inlet took, by route.",
			Buckets: prometheus.ExponentialBuckets(0.001, 2, 15), // Up to 16 seconds.
		}, []string{"route"}),
	}
	registry.MustRegister(m.requests, m.seconds)
	for _, route := range routes {
		m.seconds.WithLabelValues(route.pattern())
		for _, status := range route.answers {
			m.requests.WithLabelValues(route.pattern(), strconv.Itoa(status))
		}
	}
	for _, status := range []int{
		http.StatusForbidden, http.StatusNotFound, http.StatusMethodNotAllowed,
	} {
		m.requests.WithLabelValues(noRoute, strconv.Itoa(status))
	}
	return m
}

func (m *metrics) answered(route string, status int) {
	m.requests.WithLabelValues(route, strconv.Itoa(status)).Inc()
}

func (m *metrics) took(route route, time time.Duration) {
	m.seconds.WithLabelValues(route.pattern()).Observe(time.Seconds())
}
