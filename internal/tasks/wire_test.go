package tasks_test

import (
	"context"
	"io"
	"net"
	"sync"
	"sync/atomic"
	"testing"

	"github.com/stretchr/testify/require"
)

// wireAction is what a wire does with one request to Redis.
type wireAction int

const (
	pass wireAction = iota
	// refuse answers with an error reply in Redis's place.
	refuse
	// lose lets Redis carry the request out, drops its reply and closes the connection.
	lose
)

// wire is a proxy in front of Redis that can lose replies, refuse requests, and be cut.
type wire struct {
	listener net.Listener
	target   string
	// judge decides on each request; nil passes everything. It is set before the wire is used.
	judge func(request []byte) wireAction
	down  atomic.Bool
	done  sync.WaitGroup

	mu    sync.Mutex
	conns map[net.Conn]struct{}
}

// newWire opens a wire to a Redis address; it closes with the test.
func newWire(t testing.TB, target string, judge func([]byte) wireAction) *wire {
	t.Helper()
	listener, err := new(net.ListenConfig).Listen(context.Background(), "tcp", "127.0.0.1:0")
	require.NoError(t, err)
	w := &wire{
		listener: listener, target: target, judge: judge, conns: map[net.Conn]struct{}{},
	}
	w.done.Go(w.accept)
	t.Cleanup(func() {
		_ = listener.Close()
		w.cut()
		w.done.Wait()
	})
	return w
}

func (w *wire) addr() string { return w.listener.Addr().String() }

// cut closes all connections and accepts no further ones until mend.
func (w *wire) cut() {
	w.down.Store(true)
	w.mu.Lock()
	defer w.mu.Unlock()
	for conn := range w.conns {
		_ = conn.Close()
	}
	clear(w.conns)
}

func (w *wire) mend() { w.down.Store(false) }

func (w *wire) accept() {
	for {
		client, err := w.listener.Accept()
		if err != nil {
			return
		}
		server, err := new(net.Dialer).DialContext(context.Background(), "tcp", w.target)
		if err != nil || !w.keep(client, server) {
			_ = client.Close()
			if server != nil {
				_ = server.Close()
			}
			continue
		}
		var lost atomic.Bool
		w.done.Go(func() { w.requests(client, server, &lost) })
		w.done.Go(func() { w.replies(client, server, &lost) })
	}
}

// keep notes the connections of one client unless the wire is cut.
func (w *wire) keep(conns ...net.Conn) bool {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.down.Load() {
		return false
	}
	for _, conn := range conns {
		w.conns[conn] = struct{}{}
	}
	return true
}

// requests carries what the client asks; go-redis writes one request at a time.
func (w *wire) requests(client, server net.Conn, lost *atomic.Bool) {
	defer func() { _ = server.Close() }()
	buffer := make([]byte, 1<<20)
	for {
		n, err := client.Read(buffer)
		if err != nil {
			return
		}
		verdict := pass
		if w.judge != nil {
			verdict = w.judge(buffer[:n])
		}
		switch verdict {
		case refuse:
			_, err = io.WriteString(client, "-MISCONF refused by the test\r\n")
		case lose:
			lost.Store(true)
			_, err = server.Write(buffer[:n])
		default:
			_, err = server.Write(buffer[:n])
		}
		if err != nil {
			return
		}
	}
}

// replies carries what Redis answers, until one is to be lost.
func (w *wire) replies(client, server net.Conn, lost *atomic.Bool) {
	defer func() { _ = client.Close() }()
	buffer := make([]byte, 64<<10)
	for {
		n, err := server.Read(buffer)
		if err != nil || lost.Load() {
			return
		}
		if _, err := client.Write(buffer[:n]); err != nil {
			return
		}
	}
}
