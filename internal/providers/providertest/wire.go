package providertest

import (
	"bytes"
	"context"
	"crypto/tls"
	"fmt"
	"io"
	"net"
	"net/http"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"tuma/internal/airtime"
	"tuma/internal/providers"
)

const (
	soon    = time.Second     // Longer than a request on the loopback takes to be written.
	hanging = 5 * time.Second // Longer than any test waits.
)

// runNormal checks the provider at its best, and that the same batch is the same bytes.
func runNormal(t *testing.T, s Suite) {
	for _, secure := range []bool{false, true} {
		h := newHarness(t, s, secure)
		h.requireVerdict(t, airtime.Accepted, h.send(t))
		h.requireVerdict(t, airtime.Accepted, h.send(t))
		require.NotEmpty(t, h.bodies[0])
		require.Equal(t, string(h.bodies[0]), string(h.bodies[1]), "same batch, same bytes")
		h.set(func(rw http.ResponseWriter, r *http.Request, body []byte) {
			rw.WriteHeader(http.StatusEarlyHints) // An interim answer is no answer.
			h.accept(rw, r, body)
		})
		h.requireVerdict(t, airtime.Accepted, h.send(t))
	}
}

// runNotConnected checks that failing to connect is Unsent, and that nothing reaches the wire.
func runNotConnected(t *testing.T, s Suite) {
	t.Run("refused dial", func(t *testing.T) {
		h := newHarness(t, s, false)
		submission := h.prepare(t)
		h.server.Close()
		answer := submission.Send(t.Context())
		h.requireVerdict(t, airtime.Unsent, answer)
		require.Equal(t, airtime.ReasonConnect, answer.Reason)
		require.Equal(t, airtime.ReasonConnect, answer.Pause)
		require.Zero(t, h.posts())
	})
	t.Run("unknown host", func(t *testing.T) {
		h := newHarness(t, s, false)
		h.provider = s.New("http://provider.invalid", h.client)
		require.Equal(t, airtime.ReasonConnect, h.requireUnsent(t).Reason)
	})
	t.Run("certificate not trusted", func(t *testing.T) {
		h := newHarness(t, s, true, func(o *providers.ClientOptions) { o.TLS = &tls.Config{} })
		require.Equal(t, airtime.ReasonConnect, h.requireUnsent(t).Reason)
		require.Zero(t, h.posts())
	})
	t.Run("handshake refused", func(t *testing.T) {
		h := newHarness(t, s, true)
		submission := h.prepare(t)
		h.brokenTLS.Store(true)
		answer := submission.Send(t.Context())
		h.requireVerdict(t, airtime.Unsent, answer)
		require.Equal(t, airtime.ReasonConnect, answer.Pause)
		require.Zero(t, h.posts())
	})
	t.Run("handshake without end", func(t *testing.T) {
		h := newHarness(t, s, false, func(o *providers.ClientOptions) { o.ConnectTimeout = soon })
		h.provider = s.New("https://"+silentListener(t), h.client)
		h.requireUnsent(t)
	})
	t.Run("time over before the connection", func(t *testing.T) {
		h := newHarness(t, s, false)
		submission := h.prepare(t)
		ctx, cancel := context.WithDeadline(t.Context(), time.Now().Add(-time.Second))
		defer cancel()
		answer := submission.Send(ctx)
		h.requireVerdict(t, airtime.Unsent, answer)
		require.Equal(t, airtime.ReasonLate, answer.Reason)
		require.Zero(t, h.posts())
	})
}

// silentListener accepts connections and says nothing.
func silentListener(t *testing.T) string {
	t.Helper()
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	var open sync.WaitGroup
	open.Go(func() {
		for {
			conn, err := listener.Accept()
			if err != nil {
				return
			}
			open.Go(func() { _, _ = io.Copy(io.Discard, conn); _ = conn.Close() })
		}
	})
	t.Cleanup(func() { _ = listener.Close(); open.Wait() })
	return listener.Addr().String()
}

// runNoAnswer checks that whatever ends a request after it may have been written is Unknown.
func runNoAnswer(t *testing.T, s Suite) {
	t.Run("timeout after the write", func(t *testing.T) {
		h := newHarness(t, s, false)
		h.set(hang(nil))
		answer := h.sendWithin(t, soon)
		require.Equal(t, airtime.ReasonTimeout, answer.Reason)
		require.Equal(t, 1, h.posts())
	})
	t.Run("timeout within the answer", func(t *testing.T) {
		h := newHarness(t, s, false)
		h.set(hang(func(body []byte) []byte {
			status, answer := s.Accept(body)
			return []byte(rawAnswer(status, answer[:len(answer)/2], len(answer)))
		}))
		h.sendWithin(t, soon)
		require.Equal(t, 1, h.posts())
	})
	t.Run("stopped by the caller", func(t *testing.T) {
		h := newHarness(t, s, false)
		submission := h.prepare(t)
		ctx, cancel := context.WithCancel(t.Context())
		defer cancel()
		wait := hang(nil)
		h.set(func(rw http.ResponseWriter, r *http.Request, body []byte) {
			cancel()
			wait(rw, r, body)
		})
		h.requireVerdict(t, airtime.Unknown, submission.Send(ctx))
		require.Equal(t, 1, h.posts())
	})
	for _, reset := range []bool{false, true} {
		t.Run(fmt.Sprintf("cut after the request, reset=%t", reset), func(t *testing.T) {
			h := newHarness(t, s, false)
			h.set(cut("", reset))
			h.requireVerdict(t, airtime.Unknown, h.send(t))
		})
		t.Run(fmt.Sprintf("cut within the request, reset=%t", reset), func(t *testing.T) {
			h := newHarness(t, s, false)
			h.setEarly(func(rw http.ResponseWriter, _ *http.Request) { end(rw, "", reset) })
			h.requireVerdict(t, airtime.Unknown, h.send(t))
		})
	}
	t.Run("cut within the headers", func(t *testing.T) {
		h := newHarness(t, s, false)
		for _, raw := range []string{
			"H", "HTTP/1.1 20", "HTTP/1.1 200 OK\r\n", "HTTP/1.1 200 OK\r\nContent-Le",
			"HTTP/1.1 100 Continue\r\n\r\n", "HTTP/1.1 103 Early Hints\r\n\r\n", "garbage\r\n\r\n",
		} {
			h.set(cut(raw, false))
			h.requireVerdict(t, airtime.Unknown, h.send(t), raw)
		}
	})
}

// hang is the behaviour of writing what raw makes of the request, and then nothing until the client
// is gone.
func hang(raw func(body []byte) []byte) behaviour {
	return func(rw http.ResponseWriter, _ *http.Request, body []byte) {
		conn, _, err := rw.(http.Hijacker).Hijack()
		if err != nil {
			panic(err)
		}
		defer conn.Close()
		if raw != nil {
			_, _ = conn.Write(raw(body))
		}
		_ = conn.SetReadDeadline(time.Now().Add(hanging))
		_, _ = io.Copy(io.Discard, conn)
	}
}

// sendWithin sends with little time; the answer must be Unknown.
func (h *harness) sendWithin(t *testing.T, limit time.Duration) providers.Answer {
	t.Helper()
	submission := h.prepare(t)
	ctx, cancel := context.WithTimeout(t.Context(), limit)
	defer cancel()
	answer := submission.Send(ctx)
	h.requireVerdict(t, airtime.Unknown, answer)
	return answer
}

// runOnce checks that nothing makes one submission two requests.
func runOnce(t *testing.T, s Suite) {
	t.Run("redirects are not followed", func(t *testing.T) {
		h := newHarness(t, s, false)
		for _, status := range []int{301, 302, 303, 307, 308} {
			h.set(func(rw http.ResponseWriter, r *http.Request, _ []byte) {
				rw.Header().Set("Location", r.URL.Path)
				rw.WriteHeader(status)
			})
			h.requireVerdict(t, airtime.Unknown, h.send(t), status)
		}
	})
	t.Run("a second Send writes nothing", func(t *testing.T) {
		h := newHarness(t, s, false)
		submission := h.prepare(t)
		verdicts := make([]airtime.Verdict, 8)
		var all sync.WaitGroup
		for i := range verdicts {
			all.Go(func() { verdicts[i] = submission.Send(t.Context()).Verdict })
		}
		all.Wait()
		require.Equal(t, 1, h.posts())
		for _, verdict := range verdicts {
			require.NotEqual(t, airtime.Unsent, verdict, "who did not send cannot know")
		}
	})
	t.Run("connections are not used twice", func(t *testing.T) {
		h := newHarness(t, s, false)
		for range 5 {
			h.requireVerdict(t, airtime.Accepted, h.send(t))
		}
		h.mu.Lock()
		defer h.mu.Unlock()
		require.Len(t, h.conns, 5)
	})
	for _, moment := range []string{"before", "while", "after"} {
		t.Run("a connection that ends "+moment+" the second answer", func(t *testing.T) {
			runSecondUse(t, s, moment)
		})
	}
	t.Run("a server that closes after its answer", func(t *testing.T) {
		h := newHarness(t, s, false)
		h.set(func(rw http.ResponseWriter, _ *http.Request, body []byte) {
			status, answer := s.Accept(body)
			end(rw, rawAnswer(status, answer, len(answer)), true)
		})
		for range 5 {
			// A reset may overtake the answer; it may never make a second request.
			verdict := h.send(t).Verdict
			require.Contains(t, []airtime.Verdict{airtime.Accepted, airtime.Unknown}, verdict)
		}
	})
}

// runSecondUse answers the first request of every connection and keeps the connection, but ends it
// at the next. There net/http repeats a POST of its own accord, if it has an Idempotency-Key and a
// body that can be rewound. Beside the adapter's own requests, some with that header are sent.
func runSecondUse(t *testing.T, s Suite, moment string) {
	h := newHarness(t, s, false)
	h.set(func(rw http.ResponseWriter, r *http.Request, body []byte) {
		status, answer := s.Accept(body)
		if h.usesOf(r) == 1 {
			reply(rw, status, "application/json", answer)
			return
		}
		whole := rawAnswer(status, answer, len(answer))
		written := map[string]int{"before": 0, "while": len(whole) / 2, "after": len(whole)}
		end(rw, whole[:written[moment]], true)
	})
	for range 5 {
		h.requireVerdict(t, airtime.Accepted, h.send(t))
	}
	header := http.Header{"Idempotency-Key": {s.Batch.ID}}
	for range 5 {
		before := h.posts()
		submission, err := h.client.NewSubmission(
			h.server.URL+s.Path, header.Clone(), bytes.Clone(h.bodies[0]), nil)
		require.NoError(t, err)
		submission.Send(t.Context())
		require.Equal(t, before+1, h.posts(), "one Send is one request on the wire")
	}
}

// usesOf counts the submissions that came on the connection of r.
func (h *harness) usesOf(r *http.Request) int {
	h.mu.Lock()
	defer h.mu.Unlock()
	return h.conns[r.RemoteAddr]
}
