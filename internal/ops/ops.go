// Package ops serves what operators and orchestrators ask a process: alive, ready, metrics.
package ops

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net"
	"net/http"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/promhttp"
)

// readyTimeout bounds a readiness check, so that a silent Redis answers "not ready" and not
// nothing.
const readyTimeout = 2 * time.Second

// shutdownTimeout bounds the end of the server: its answers take milliseconds.
const shutdownTimeout = 2 * time.Second

// Checks are what readiness depends on.
type Checks interface {
	// Ready returns why the process cannot work, or nil.
	Ready(ctx context.Context) error
	// Warning says what works but should not stay so; empty when nothing.
	Warning() string
}

// Server is the operations listener of a process.
type Server struct {
	listener net.Listener
	server   *http.Server
}

// Listen opens the listener, so that a taken address is an error at the start. More routes may be
// given by path prefix.
func Listen(
	addr string, registry *prometheus.Registry, checks Checks, more map[string]http.Handler,
) (*Server, error) {
	listener, err := net.Listen("tcp", addr)
	if err != nil {
		return nil, fmt.Errorf("TUMA_OPS_ADDR: %w", err)
	}
	mux := http.NewServeMux()
	mux.HandleFunc("GET /healthz", func(w http.ResponseWriter, _ *http.Request) {
		answer(w, http.StatusOK, map[string]string{"status": "alive"})
	})
	mux.HandleFunc("GET /readyz", func(w http.ResponseWriter, r *http.Request) {
		ready(w, r, checks)
	})
	mux.Handle("GET /metrics", promhttp.HandlerFor(registry, promhttp.HandlerOpts{}))
	for prefix, handler := range more {
		mux.Handle(prefix, handler)
	}
	return &Server{listener, &http.Server{Handler: mux, ReadHeaderTimeout: 5 * time.Second}}, nil
}

// Addr returns the address that is listened on.
func (s *Server) Addr() string { return s.listener.Addr().String() }

// Run serves until the context ends, and returns when what was asked before that is answered, or
// after two seconds.
func (s *Server) Run(ctx context.Context) error {
	ended := make(chan struct{})
	stop := context.AfterFunc(ctx, func() {
		defer close(ended)
		ctx, cancel := context.WithTimeout(context.Background(), shutdownTimeout)
		defer cancel()
		if s.server.Shutdown(ctx) != nil {
			_ = s.server.Close() // Whoever still waits has waited long enough.
		}
	})
	err := s.server.Serve(s.listener)
	if !stop() {
		<-ended // Serve returns as soon as Shutdown has begun.
	}
	if !errors.Is(err, http.ErrServerClosed) {
		return fmt.Errorf("operations listener: %w", err)
	}
	return nil
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
