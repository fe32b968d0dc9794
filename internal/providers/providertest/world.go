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

// world is one adapter and its provider.
type world struct {
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

// newWorld starts a provider; secure gives it TLS.
func newWorld(
	t *testing.T, s Suite, secure bool, change ...func(*providers.ClientOptions),
) *world {
	t.Helper()
	w := &world{suite: s, conns: map[string]int{}}
	w.set(w.accept)
	w.server = httptest.NewUnstartedServer(http.HandlerFunc(w.serve))
	w.server.Config.ErrorLog = log.New(io.Discard, "", 0)
	if secure {
		w.server.TLS = &tls.Config{
			GetConfigForClient: func(*tls.ClientHelloInfo) (*tls.Config, error) {
				if w.brokenTLS.Load() {
					return nil, errors.New("handshake refused by the test")
				}
				return nil, nil
			},
		}
		w.server.StartTLS()
		pool := x509.NewCertPool()
		pool.AddCert(w.server.Certificate())
		trust := func(o *providers.ClientOptions) { o.TLS = &tls.Config{RootCAs: pool} }
		change = append([]func(*providers.ClientOptions){trust}, change...)
	} else {
		w.server.Start()
	}
	t.Cleanup(w.server.Close)
	w.client = NewClient(t, change...)
	t.Cleanup(w.client.Close)
	w.provider = s.New(w.server.URL, w.client)
	return w
}

func (w *world) set(b behaviour) { w.behave.Store(&b) }

func (w *world) setEarly(h http.HandlerFunc) { w.early.Store(&h) }

func (w *world) serve(rw http.ResponseWriter, r *http.Request) {
	if r.URL.Path != w.suite.Path {
		if other := w.other.Load(); other != nil {
			(*other)(rw, r)
			return
		}
		w.suite.Other(rw, r)
		return
	}
	if early := w.early.Load(); early != nil {
		w.record(r, nil)
		(*early)(rw, r)
		return
	}
	body, _ := io.ReadAll(r.Body)
	w.record(r, body)
	(*w.behave.Load())(rw, r, body)
}

func (w *world) record(r *http.Request, body []byte) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.bodies = append(w.bodies, body)
	w.conns[r.RemoteAddr]++
}

// posts counts the submissions that reached the server.
func (w *world) posts() int {
	w.mu.Lock()
	defer w.mu.Unlock()
	return len(w.bodies)
}

// accept is the behaviour of a provider at its best.
func (w *world) accept(rw http.ResponseWriter, _ *http.Request, body []byte) {
	status, answer := w.suite.Accept(body)
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
func (w *world) prepare(t *testing.T) *providers.Submission {
	t.Helper()
	submission, err := w.provider.Prepare(t.Context(), w.suite.Batch)
	require.NoError(t, err)
	return submission
}

// send prepares and sends, and checks that exactly one request reached the server.
func (w *world) send(t *testing.T) providers.Answer {
	t.Helper()
	submission := w.prepare(t)
	before := w.posts()
	answer := submission.Send(t.Context())
	require.Equal(t, before+1, w.posts(), "one Send is one request on the wire")
	w.requireNoLeak(t, fmt.Sprintf("%v %+v", answer, answer))
	return answer
}

// requireNoLeak checks that a text shows no secret and no full phone number, in any of the ways in
// which a request spells them.
func (w *world) requireNoLeak(t *testing.T, text string) {
	t.Helper()
	for _, secret := range w.suite.Secrets {
		require.NotContains(t, text, secret)
	}
	squeezed := strings.NewReplacer(" ", "", "-", "").Replace(text)
	for _, r := range w.suite.Batch.Recipients {
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
