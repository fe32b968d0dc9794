package providertest

import (
	"bytes"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"io"
	"log"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"sync/atomic"
	"testing"

	"github.com/stretchr/testify/require"

	"tuma/internal/providers"
)

// behaviour is what the server does with a submission whose body it has read.
type behaviour func(w http.ResponseWriter, r *http.Request, body []byte)

// harness is one adapter and its provider.
type harness struct {
	suite    Suite
	server   *httptest.Server
	client   *providers.Client
	provider providers.Provider

	behave atomic.Pointer[behaviour]
	// other, once set, takes the place of the suite's Other.
	other atomic.Pointer[http.HandlerFunc]
	// early, once set, is given the request before its body is read.
	early atomic.Pointer[http.HandlerFunc]
	// brokenTLS, once set, makes every further handshake fail.
	brokenTLS atomic.Bool

	mu     sync.Mutex
	bodies [][]byte
	conns  map[string]int // Submissions per connection.
}

// newHarness starts a provider; secure gives it TLS.
func newHarness(
	t *testing.T, s Suite, secure bool, change ...func(*providers.ClientOptions),
) *harness {
	t.Helper()
	h := &harness{suite: s, conns: map[string]int{}}
	h.set(h.accept)
	h.server = httptest.NewUnstartedServer(http.HandlerFunc(h.serve))
	h.server.Config.ErrorLog = log.New(io.Discard, "", 0)
	if secure {
		h.server.TLS = &tls.Config{
			GetConfigForClient: func(*tls.ClientHelloInfo) (*tls.Config, error) {
				if h.brokenTLS.Load() {
					return nil, errors.New("handshake refused by the test")
				}
				return nil, nil
			},
		}
		h.server.StartTLS()
		pool := x509.NewCertPool()
		pool.AddCert(h.server.Certificate())
		trust := func(o *providers.ClientOptions) { o.TLS = &tls.Config{RootCAs: pool} }
		change = append([]func(*providers.ClientOptions){trust}, change...)
	} else {
		h.server.Start()
	}
	t.Cleanup(h.server.Close)
	h.client = NewClient(t, change...)
	t.Cleanup(h.client.Close)
	h.provider = s.New(h.server.URL, h.client)
	return h
}

func (h *harness) set(b behaviour) { h.behave.Store(&b) }

func (h *harness) setEarly(early http.HandlerFunc) { h.early.Store(&early) }

func (h *harness) serve(rw http.ResponseWriter, r *http.Request) {
	if r.URL.Path != h.suite.Path {
		if other := h.other.Load(); other != nil {
			(*other)(rw, r)
			return
		}
		h.suite.Other(rw, r)
		return
	}
	if early := h.early.Load(); early != nil {
		h.record(r, nil)
		(*early)(rw, r)
		return
	}
	body, _ := io.ReadAll(r.Body)
	h.record(r, body)
	(*h.behave.Load())(rw, r, body)
}

func (h *harness) record(r *http.Request, body []byte) {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.bodies = append(h.bodies, body)
	h.conns[r.RemoteAddr]++
}

// posts counts the submissions that reached the server.
func (h *harness) posts() int {
	h.mu.Lock()
	defer h.mu.Unlock()
	return len(h.bodies)
}

// accept is the behaviour of a provider at its best.
func (h *harness) accept(rw http.ResponseWriter, _ *http.Request, body []byte) {
	status, answer := h.suite.Accept(body)
	reply(rw, status, "application/json", answer)
}

func reply(rw http.ResponseWriter, status int, kind string, body []byte) {
	rw.Header().Set("Content-Type", kind)
	rw.WriteHeader(status)
	_, _ = rw.Write(body)
}

// replies is the behaviour of giving one fixed answer.
func replies(status int, kind, body string) behaviour {
	return func(rw http.ResponseWriter, _ *http.Request, _ []byte) {
		reply(rw, status, kind, []byte(body))
	}
}

// cut is the behaviour of writing raw bytes and ending the connection, with a reset if so wished.
func cut(raw string, reset bool) behaviour {
	return func(rw http.ResponseWriter, _ *http.Request, _ []byte) { end(rw, raw, reset) }
}

// end takes the connection over, writes raw and closes it.
func end(rw http.ResponseWriter, raw string, reset bool) {
	conn, _, err := rw.(http.Hijacker).Hijack()
	if err != nil {
		panic(err)
	}
	_, _ = io.WriteString(conn, raw)
	if tcp, ok := conn.(*net.TCPConn); ok && reset {
		_ = tcp.SetLinger(0)
	}
	_ = conn.Close()
}

// rawAnswer spells an HTTP answer whose Content-Length claims length bytes.
func rawAnswer(status int, body []byte, length int) string {
	return fmt.Sprintf("HTTP/1.1 %d X\r\nContent-Type: application/json\r\n"+
		"Content-Length: %d\r\n\r\n%s", status, length, body)
}

// prepare prepares the suite's batch, which must succeed.
func (h *harness) prepare(t *testing.T) *providers.Submission {
	t.Helper()
	submission, err := h.provider.Prepare(t.Context(), h.suite.Batch)
	require.NoError(t, err)
	return submission
}

// send prepares and sends, and checks that exactly one request reached the server.
func (h *harness) send(t *testing.T) providers.Answer {
	t.Helper()
	submission := h.prepare(t)
	before := h.posts()
	answer := submission.Send(t.Context())
	require.Equal(t, before+1, h.posts(), "one Send is one request on the wire")
	h.requireNoLeak(t, fmt.Sprintf("%v %+v", answer, answer))
	return answer
}

// requireNoLeak checks that a text shows no secret and no full phone number, in any of the ways in
// which a request spells them.
func (h *harness) requireNoLeak(t *testing.T, text string) {
	t.Helper()
	for _, secret := range h.suite.Secrets {
		require.NotContains(t, text, secret)
	}
	squeezed := strings.NewReplacer(" ", "", "-", "").Replace(text)
	for _, r := range h.suite.Batch.Recipients {
		digits := r.Phone.Digits()
		require.NotContains(t, squeezed, digits)
		require.NotContains(t, squeezed, digits[3:], "the national number")
	}
}

// dump spells a whole request, headers and body, as a server might quote it.
func dump(r *http.Request, body []byte) string {
	var text bytes.Buffer
	_, _ = fmt.Fprintf(&text, "%s %s ", r.Method, r.URL)
	for name, values := range r.Header {
		_, _ = fmt.Fprintf(&text, "%s: %s ", name, strings.Join(values, ","))
	}
	text.Write(body)
	return text.String()
}
