package listen

import (
	"context"
	"net/http"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"go.uber.org/zap"

	"tuma/internal/logs"
)

// Bounds of the answers to wrong secrets. Whoever has the right one is never made to wait, so that
// guessing shuts no one out, also behind a proxy that all share.
const (
	wrongDelay   = time.Second
	wrongWaiting = 32
	wrongPace    = time.Minute
)

// WrongSecrets counts and slows the answers to requests with a wrong password or token. A nil one
// does neither.
type WrongSecrets struct {
	listener string
	count    prometheus.Counter
	log      *zap.Logger
	waiting  chan struct{} // Holds one value per request that waits for its answer.
}

// NewWrongSecrets returns what counts and slows at one listener: dashboard, http or callbacks. The
// counter is tuma_wrong_secrets_total.
func NewWrongSecrets(
	listener string, registry prometheus.Registerer, log *zap.Logger,
) *WrongSecrets {
	count := prometheus.NewCounter(prometheus.CounterOpts{
		Name:        "tuma_wrong_secrets_total",
		Help:        "Requests with a wrong password or token, by listener.",
		ConstLabels: prometheus.Labels{"listener": listener},
	})
	registry.MustRegister(count)
	return &WrongSecrets{
		listener: listener, count: count, log: logs.Summed(log, wrongPace),
		waiting: make(chan struct{}, wrongWaiting),
	}
}

// Seen takes note of a wrong secret and returns when the request may be answered: a second later,
// or at once while wrongWaiting others wait.
func (s *WrongSecrets) Seen(r *http.Request) {
	if s == nil {
		return
	}
	s.count.Inc()
	s.log.Warn("a request had a wrong password or token", zap.String("listener", s.listener))
	select {
	case s.waiting <- struct{}{}:
		defer func() { <-s.waiting }()
		sleep(r.Context(), wrongDelay)
	default:
	}
}

// sleep returns after the time, or when the client has gone.
func sleep(ctx context.Context, d time.Duration) {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
	case <-ctx.Done():
	}
}
