// Package ops serves the operations address of a process: /healthz, /readyz (ops.go) and /metrics.
// state.go collects the metrics that are read from the state; descriptions.go names and describes
// them.
package ops

import (
	"context"
	"encoding/json"
	"net/http"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/promhttp"

	"tuma/internal/listen"
)

// readyTimeout bounds a readiness check, so that a silent Redis answers "not ready" and not
// nothing.
const readyTimeout = 2 * time.Second

// requestTimeout bounds one request: a scrape, or a page of the dashboard about long queues.
const requestTimeout = 30 * time.Second

// shutdownTimeout bounds the end of the server: its answers take milliseconds.
const shutdownTimeout = 2 * time.Second

// Checks are what readiness depends on.
type Checks interface {
	// Ready returns why the process cannot work, or nil.
	Ready(ctx context.Context) error
	// Warning says what works but should not stay so; empty when nothing.
	Warning() string
}

// Listen opens the operations listener, so that a taken address is an error at the start. Metrics
// tell amounts: they are served by address, as localhost and under the host names. More routes may
// be given by path prefix, and decide for themselves.
func Listen(
	addr string, hosts []string, registry *prometheus.Registry, checks Checks,
	more map[string]http.Handler,
) (*listen.Server, error) {
	mux := http.NewServeMux()
	mux.HandleFunc("GET /healthz", func(w http.ResponseWriter, _ *http.Request) {
		answer(w, http.StatusOK, map[string]string{"status": "alive"})
	})
	mux.HandleFunc("GET /readyz", func(w http.ResponseWriter, r *http.Request) {
		ready(w, r, checks)
	})
	metrics := promhttp.HandlerFor(registry, promhttp.HandlerOpts{})
	mux.Handle("GET /metrics", listen.Hosts(hosts, "TUMA_OPS_HOSTS", metrics))
	for prefix, handler := range more {
		mux.Handle(prefix, handler)
	}
	return listen.Open(listen.Options{
		Setting: "TUMA_OPS_ADDR", Addr: addr, Handler: mux, Timeout: requestTimeout,
		Stop: shutdownTimeout,
	})
}

func ready(w http.ResponseWriter, r *http.Request, checks Checks) {
	ctx, cancel := context.WithTimeout(r.Context(), readyTimeout)
	defer cancel()
	if err := checks.Ready(ctx); err != nil {
		answer(w, http.StatusServiceUnavailable,
			map[string]string{"status": "not ready", "error": err.Error()})
		return
	}
	body := map[string]string{"status": "ready"}
	if warning := checks.Warning(); warning != "" {
		body["warning"] = warning
	}
	answer(w, http.StatusOK, body)
}

func answer(w http.ResponseWriter, status int, body map[string]string) {
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(status)
	_ = json.NewEncoder(w).Encode(body) // The client has gone if this fails.
}
