package providers

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"go.uber.org/goleak"

	"tuma/internal/airtime"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// local refuses every address that is not on the loopback.
func local(_, address string, _ syscall.RawConn) error {
	host, _, err := net.SplitHostPort(address)
	if ip := net.ParseIP(host); err != nil || !ip.IsLoopback() {
		return syscall.EACCES
	}
	return nil
}

func newClient(t *testing.T) *Client {
	t.Helper()
	c := NewClient(ClientOptions{Timeout: 5 * time.Second, Dialer: &net.Dialer{Control: local}})
	t.Cleanup(c.Close)
	return c
}

// post makes a submission with the header that makes net/http take a POST for repeatable.
func post(t *testing.T, c *Client, target string) *Submission {
	t.Helper()
	header := http.Header{"Idempotency-Key": {"k-1"}}
	accept := func(r Response) (Answer, bool) {
		return Answer{Verdict: airtime.Accepted}, string(r.Body) == "ok"
	}
	s, err := c.NewSubmission(target, header, []byte(`{"money":1}`), accept)
	require.NoError(t, err)
	require.Nil(t, s.request.GetBody, "it is what would let net/http write a request again")
	return s
}

// worstServer answers the first request of each connection and ends the connection at the worst
// moment of the next: when its first byte, its headers or all of it have arrived.
type worstServer struct {
	net.Listener
	requests, conns atomic.Int32
	all             sync.WaitGroup
}

func newWorstServer(t *testing.T, stage int) *worstServer {
	t.Helper()
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	s := &worstServer{Listener: listener}
	s.all.Go(func() {
		for {
			conn, err := listener.Accept()
			if err != nil {
				return
			}
			s.conns.Add(1)
			s.all.Go(func() { s.serve(conn, stage) })
		}
	})
	t.Cleanup(func() { _ = listener.Close(); s.all.Wait() })
	return s
}

func (s *worstServer) serve(conn net.Conn, stage int) {
	defer conn.Close()
	_ = conn.SetDeadline(time.Now().Add(3 * time.Second))
	if !s.read(conn) {
		return
	}
	_, _ = io.WriteString(conn, "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok")
	switch stage {
	case 0: // Close at once: the client may be about to write.
	case 1: // Close at the first byte.
		if n, _ := conn.Read(make([]byte, 1)); n > 0 {
			s.requests.Add(1)
		}
	default: // Read all of it, then close without a word.
		s.read(conn)
	}
}

func (s *worstServer) read(conn net.Conn) bool {
	var got []byte
	for buf := make([]byte, 4096); ; {
		n, err := conn.Read(buf)
		got = append(got, buf[:n]...)
		if n > 0 && len(got) == n {
			s.requests.Add(1)
		}
		if err != nil {
			return false
		}
		if n := len(got); n > 0 && got[n-1] == '}' {
			return true
		}
	}
}

// net/http would repeat these POSTs on a connection that died, because of the Idempotency-Key.
func TestNoRequestIsRepeatedWhereverTheServerCloses(t *testing.T) {
	t.Parallel()
	for stage := range 3 {
		s := newWorstServer(t, stage)
		c := newClient(t)
		for i := range 20 {
			answer := post(t, c, "http://"+s.Addr().String()).Send(t.Context())
			require.Equal(t, airtime.Accepted, answer.Verdict, answer)
			require.EqualValues(t, i+1, s.requests.Load())
			require.EqualValues(t, i+1, s.conns.Load(), "a fresh connection each")
		}
	}
}

// Should somebody switch connection reuse on, the gate still lets no request through a second time:
// a reused connection cannot be written to, and the verdict is truthful.
func TestTheGateHoldsEvenWhenConnectionsAreReused(t *testing.T) {
	t.Parallel()
	for stage := range 3 {
		s := newWorstServer(t, stage)
		c := newClient(t)
		c.submissions.DisableKeepAlives = false
		for range 10 {
			before := s.requests.Load()
			answer := post(t, c, "http://"+s.Addr().String()).Send(t.Context())
			switch answer.Verdict {
			case airtime.Unsent:
				require.Equal(t, before, s.requests.Load())
			default:
				require.Equal(t, airtime.Accepted, answer.Verdict, answer)
				require.Equal(t, before+1, s.requests.Load())
			}
		}
	}
}

// The reason for fresh connections, shown on net/http itself: with a body that can be rewound, an
// Idempotency-Key and a reused connection, one request becomes two.
func TestPlainNetHTTPDoesRepeat(t *testing.T) {
	t.Parallel()
	s := newWorstServer(t, 2)
	transport := &http.Transport{}
	defer transport.CloseIdleConnections()
	for range 2 {
		body := func() (io.ReadCloser, error) {
			return io.NopCloser(newReader(`{"money":1}`)), nil
		}
		r, err := http.NewRequestWithContext(
			t.Context(), http.MethodPost, "http://"+s.Addr().String(), newReader(`{"money":1}`))
		require.NoError(t, err)
		r.GetBody, r.ContentLength = body, int64(len(`{"money":1}`))
		r.Header.Set("Idempotency-Key", "k-1")
		response, err := transport.RoundTrip(r)
		require.NoError(t, err)
		_, _ = io.Copy(io.Discard, response.Body)
		_ = response.Body.Close()
	}
	require.EqualValues(t, 3, s.requests.Load(), "two requests were made, three arrived")
}

func newReader(text string) io.Reader { return &textReader{text} }

type textReader struct{ rest string }

func (r *textReader) Read(p []byte) (int, error) {
	n := copy(p, r.rest)
	r.rest = r.rest[n:]
	if n == 0 {
		return 0, io.EOF
	}
	return n, nil
}

func TestTooLateWhileConnecting(t *testing.T) {
	t.Parallel()
	// A listener that nobody accepts from connects but never completes a handshake.
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	defer listener.Close()
	target := "https://" + listener.Addr().String()

	c := NewClient(ClientOptions{
		Timeout: time.Minute, ConnectTimeout: 300 * time.Millisecond,
		Dialer: &net.Dialer{Control: local},
	})
	answer := post(t, c, target).Send(t.Context())
	require.Equal(t, airtime.ReasonConnect, answer.Reason, "the provider had its full time")
	require.Equal(t, airtime.Unsent, answer.Verdict)

	ctx, cancel := context.WithDeadline(t.Context(), time.Now().Add(30*time.Millisecond))
	defer cancel()
	c = NewClient(ClientOptions{
		Timeout: time.Minute, ConnectTimeout: time.Minute, Dialer: &net.Dialer{Control: local},
	})
	answer = post(t, c, target).Send(ctx)
	require.Equal(t, airtime.ReasonLate, answer.Reason, "we came too late to blame the provider")
	require.Equal(t, airtime.Unsent, answer.Verdict)
	require.Equal(t, airtime.NoReason, answer.Pause)
}

func TestTheClientsTimeoutBoundsASubmission(t *testing.T) {
	t.Parallel()
	server := httptest.NewServer(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
		_, _ = io.Copy(io.Discard, r.Body)
		<-r.Context().Done()
	}))
	defer server.Close()
	c := NewClient(ClientOptions{
		Timeout: time.Second, Dialer: &net.Dialer{Control: local},
	})
	answer := post(t, c, server.URL).Send(context.Background())
	require.Equal(t, airtime.Unknown, answer.Verdict)
	require.Equal(t, airtime.ReasonTimeout, answer.Reason)
}

func TestAskReusesConnectionsAndFollowsNothing(t *testing.T) {
	t.Parallel()
	var paths []string
	conns := map[string]bool{}
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		paths = append(paths, r.URL.Path)
		conns[r.RemoteAddr] = true
		http.SetCookie(w, &http.Cookie{Name: "a", Value: "b"})
		if r.Header.Get("Cookie") != "" {
			paths = append(paths, "cookie")
		}
		http.Redirect(w, r, "/elsewhere", http.StatusTemporaryRedirect)
	}))
	defer server.Close()
	c := newClient(t)
	for range 3 {
		r, err := http.NewRequest(http.MethodGet, server.URL+"/here", nil)
		require.NoError(t, err)
		response, err := c.Ask(t.Context(), r)
		require.NoError(t, err)
		require.Equal(t, http.StatusTemporaryRedirect, response.Status)
	}
	require.Equal(t, []string{"/here", "/here", "/here"}, paths)
	require.Len(t, conns, 1)
}

func TestAskNamesWhyThereIsNoAnswer(t *testing.T) {
	t.Parallel()
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path == "/slow" {
			<-r.Context().Done()
			return
		}
		conn, _, _ := w.(http.Hijacker).Hijack()
		_, _ = io.WriteString(conn, "254711000111\r\n\r\n")
		_ = conn.Close()
	}))
	defer server.Close()
	closed, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	require.NoError(t, closed.Close())
	cases := map[string]airtime.Reason{
		server.URL + "/slow":               airtime.ReasonTimeout,
		server.URL + "/garbage":            airtime.ReasonUnreadable,
		"http://" + closed.Addr().String(): airtime.ReasonConnect,
		"http://192.0.2.1":                 airtime.ReasonConnect, // Refused by the test's dialer.
	}
	for target, want := range cases {
		c := NewClient(ClientOptions{
			Timeout: time.Second, Dialer: &net.Dialer{Control: local},
		})
		r, err := http.NewRequest(http.MethodGet, target, nil)
		require.NoError(t, err)
		_, err = c.Ask(t.Context(), r)
		var failed *TransportError
		require.ErrorAs(t, err, &failed, target)
		require.Equal(t, want, failed.Reason, target)
		require.NotContains(t, err.Error(), "254711000111")
	}
}

func TestOldTLSIsRefused(t *testing.T) {
	t.Parallel()
	server := httptest.NewUnstartedServer(http.NotFoundHandler())
	server.TLS = &tls.Config{MinVersion: tls.VersionTLS10, MaxVersion: tls.VersionTLS11}
	server.Config.ErrorLog = nil
	server.StartTLS()
	defer server.Close()
	pool := x509.NewCertPool()
	pool.AddCert(server.Certificate())
	c := NewClient(ClientOptions{
		Timeout: time.Second, Dialer: &net.Dialer{Control: local},
		TLS: &tls.Config{RootCAs: pool, MinVersion: tls.VersionTLS10},
	})
	answer := post(t, c, server.URL).Send(t.Context())
	require.Equal(t, airtime.Unsent, answer.Verdict)
	require.Equal(t, airtime.ReasonConnect, answer.Reason)
}

func TestProxiesFromTheEnvironmentAreNotUsed(t *testing.T) {
	t.Parallel()
	c := newClient(t)
	require.Nil(t, c.submissions.Proxy)
	require.Nil(t, c.questions.Proxy)
	require.True(t, c.submissions.DisableKeepAlives)
}

func TestNewSubmissionWantsAnAbsoluteURL(t *testing.T) {
	t.Parallel()
	c := newClient(t)
	for _, target := range []string{
		"", "/x", "host:1/x", "ftp://h/x", "http://u:pw@h/x", "http://",
	} {
		_, err := c.NewSubmission(target, http.Header{}, nil, nil)
		require.ErrorContains(t, err, "base URL", target)
		require.NotContains(t, err.Error(), "pw")
	}
}

func TestAClientWithoutATimeoutIsRefused(t *testing.T) {
	t.Parallel()
	require.Panics(t, func() { NewClient(ClientOptions{}) })
}
