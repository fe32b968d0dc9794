// Package listen runs HTTP listeners: opened at once, bounded in time, size and number of
// connections (bound.go), and stopped after the requests in progress. hosts.go checks the Host
// header, secrets.go slows down clients that guess passwords.
package listen

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/http"
	"time"
)

// Bounds of every listener. A client that sends or takes slower than this is cut off.
const (
	headerTimeout = 5 * time.Second
	idleTimeout   = time.Minute
	maxHeader     = 16 << 10
	// maxBody bounds what a handler may read of a request that it does not bound itself, in bytes.
	maxBody = 4 << 20
	// maxConnections is how many connections are served at once; more wait to be accepted.
	maxConnections = 1000
)

// Options are the settings of a listener; all are needed but Stopping.
type Options struct {
	// Setting is the variable that the address comes from, for errors.
	Setting string
	Addr    string
	Handler http.Handler
	// Timeout bounds reading one request, and from its header on writing the answer.
	Timeout time.Duration
	// Stop is how long requests in hand may take when the listener is stopped.
	Stop time.Duration
	// Stopping is called when the listener is stopped, for requests that would wait longer.
	Stopping func()
}

// Server is an open listener.
type Server struct {
	setting  string
	listener net.Listener
	server   *http.Server
	stop     time.Duration
}

// Open opens the listener, so that a taken address is an error at the start.
func Open(o Options) (*Server, error) {
	listener, err := net.Listen("tcp", o.Addr)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", o.Setting, err)
	}
	server := &http.Server{
		Handler: http.MaxBytesHandler(o.Handler, maxBody), ReadHeaderTimeout: headerTimeout,
		ReadTimeout: o.Timeout, WriteTimeout: o.Timeout, IdleTimeout: idleTimeout,
		MaxHeaderBytes: maxHeader,
	}
	if o.Stopping != nil {
		server.RegisterOnShutdown(o.Stopping)
	}
	return &Server{o.Setting, bounded(listener, maxConnections), server, o.Stop}, nil
}

// Addr returns the address that is listened on.
func (s *Server) Addr() string { return s.listener.Addr().String() }

// Run serves until the context ends, and returns when what was asked before that is answered, or
// has taken too long.
func (s *Server) Run(ctx context.Context) error {
	ended := make(chan struct{})
	stop := context.AfterFunc(ctx, func() {
		defer close(ended)
		ctx, cancel := context.WithTimeout(context.Background(), s.stop)
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
		return fmt.Errorf("%s: %w", s.setting, err)
	}
	return nil
}
