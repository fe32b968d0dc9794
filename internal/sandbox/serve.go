package sandbox

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/http"
	"time"
)

// shutdownMax bounds the end of Serve. Latencies and hangs end at once, so that what is left is
// the writing of answers.
const shutdownMax = 5 * time.Second

// ErrNotLoopback is returned when a listener would be reachable from other machines and that was
// not asked for: the simulator accepts any credentials and shows full phone numbers.
var ErrNotLoopback = errors.New("not a loopback address")

// Listen opens addr ("host:port") for Serve. ErrNotLoopback is returned when the address is not on
// loopback and allowRemote is false.
func Listen(addr string, allowRemote bool) (net.Listener, error) {
	resolved, err := net.ResolveTCPAddr("tcp", addr)
	if err != nil {
		return nil, fmt.Errorf("address %q: %w", addr, err)
	}
	if !allowRemote && !resolved.IP.IsLoopback() {
		return nil, fmt.Errorf("address %q: %w", addr, ErrNotLoopback)
	}
	// The resolved address, not the name: a name might resolve otherwise the second time.
	listener, err := net.ListenTCP("tcp", resolved)
	if err != nil {
		return nil, fmt.Errorf("simulator: %w", err)
	}
	return listener, nil
}

// Serve answers on the listener until ctx ends, then finishes the requests it has and closes. No
// callback is sent after it. It may be called again afterwards, with another listener: ledgers,
// faults and callbacks that are due stay, as with a provider that was down for a while. An error is
// returned when the listener fails, or when requests did not finish within five seconds.
func (s *Simulator) Serve(ctx context.Context, listener net.Listener) error {
	s.open()
	s.sender.open()
	defer s.sender.close()
	server := &http.Server{Handler: s, ReadHeaderTimeout: 10 * time.Second}
	failed := make(chan error, 1)
	go func() { failed <- server.Serve(listener) }()
	select {
	case err := <-failed:
		return fmt.Errorf("serve: %w", err)
	case <-ctx.Done():
	}
	s.release()
	s.sender.close() // First, as sends may be waiting for callbacks.
	bounded, cancel := context.WithTimeout(context.WithoutCancel(ctx), shutdownMax)
	defer cancel()
	if err := server.Shutdown(bounded); err != nil {
		return fmt.Errorf("shut down: %w", errors.Join(err, server.Close()))
	}
	return nil
}
