package listen

import (
	"context"
	"io"
	"net"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

// testTimeout only bounds a broken test on a busy machine.
const testTimeout = 2 * time.Minute

// echo answers with the length of the body, or says that it could not be read.
func echo(w http.ResponseWriter, r *http.Request) {
	body, err := io.ReadAll(r.Body)
	if err != nil {
		http.Error(w, err.Error(), http.StatusRequestEntityTooLarge)
		return
	}
	_, _ = io.WriteString(w, strings.Repeat("x", len(body)))
}

// serve runs a listener until the test ends.
func serve(t *testing.T, timeout time.Duration) *Server {
	t.Helper()
	server, err := Open(Options{
		Setting: "TUMA_TEST_ADDR", Addr: "127.0.0.1:0", Handler: http.HandlerFunc(echo),
		Timeout: timeout, Stop: time.Second,
	})
	require.NoError(t, err)
	ctx, cancel := context.WithCancel(context.Background())
	ended := make(chan error, 1)
	go func() { ended <- server.Run(ctx) }()
	t.Cleanup(func() {
		cancel()
		require.NoError(t, <-ended)
	})
	return server
}

func dial(t *testing.T, server *Server) net.Conn {
	t.Helper()
	conn, err := net.Dial("tcp", server.Addr())
	require.NoError(t, err)
	t.Cleanup(func() { _ = conn.Close() })
	require.NoError(t, conn.SetDeadline(time.Now().Add(testTimeout)))
	return conn
}

// say writes, and reads what comes until the other side is done.
func say(t *testing.T, conn net.Conn, text string) string {
	t.Helper()
	_, err := io.WriteString(conn, text)
	require.NoError(t, err)
	answer, err := io.ReadAll(conn)
	if timeout, ok := err.(net.Error); ok { //nolint:errorlint // A reset is an end, too.
		require.False(t, timeout.Timeout(), "it was not cut off")
	}
	return string(answer)
}

// TestASlowHeaderIsCutOff: whoever sends a header bit by bit holds a connection for seconds only.
func TestASlowHeaderIsCutOff(t *testing.T) {
	t.Parallel()
	conn := dial(t, serve(t, time.Hour))
	answer := say(t, conn, "POST / HTTP/1.1\r\nHost: h\r\nX-Slow: ")
	require.NotContains(t, answer, "200 OK")
}

func TestASlowBodyIsCutOff(t *testing.T) {
	t.Parallel()
	conn := dial(t, serve(t, 300*time.Millisecond))
	answer := say(t, conn, "POST / HTTP/1.1\r\nHost: h\r\nContent-Length: 10\r\n\r\nabc")
	require.NotContains(t, answer, "200 OK")
}

// TestAReaderWhoDoesNotReadIsCutOff asks for more than the sockets hold and reads nothing of it.
func TestAReaderWhoDoesNotReadIsCutOff(t *testing.T) {
	t.Parallel()
	server, err := Open(Options{
		Setting: "TUMA_TEST_ADDR", Addr: "127.0.0.1:0", Timeout: 300 * time.Millisecond,
		Stop: time.Second, Handler: http.NotFoundHandler(),
	})
	require.NoError(t, err)
	failed := make(chan error, 1)
	server.server.Handler = http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		piece := make([]byte, 1<<20)
		for {
			if _, err := w.Write(piece); err != nil {
				failed <- err
				return
			}
		}
	})
	ctx, cancel := context.WithCancel(context.Background())
	defer cancel()
	go func() { _ = server.Run(ctx) }()
	conn := dial(t, server)
	_, err = io.WriteString(conn, "GET / HTTP/1.1\r\nHost: h\r\n\r\n")
	require.NoError(t, err)
	select {
	case err := <-failed:
		require.Error(t, err)
	case <-time.After(testTimeout):
		t.Fatal("the answer was never given up")
	}
}

func TestLargeHeadersAndBodiesAreRefused(t *testing.T) {
	t.Parallel()
	server := serve(t, testTimeout)
	post := func(header string, size int) int {
		request, err := http.NewRequestWithContext(t.Context(), http.MethodPost,
			"http://"+server.Addr(), strings.NewReader(strings.Repeat("x", size)))
		require.NoError(t, err)
		request.Header.Set("X-Long", header)
		request.Close = true
		answer, err := http.DefaultTransport.RoundTrip(request)
		require.NoError(t, err)
		defer func() { _ = answer.Body.Close() }()
		return answer.StatusCode
	}
	require.Equal(t, http.StatusOK, post(strings.Repeat("h", 8<<10), maxBody))
	require.Equal(t, http.StatusRequestEntityTooLarge, post("", maxBody+1))
	require.Equal(t, http.StatusRequestHeaderFieldsTooLarge,
		post(strings.Repeat("h", maxHeader+16<<10), 1))
}

// TestConnectionsAreBounded: one more than the places waits until another has gone, and a listener
// that is full can still be closed.
func TestConnectionsAreBounded(t *testing.T) {
	t.Parallel()
	plain, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	listener := bounded(plain, 2)
	accepted := make(chan net.Conn, 3)
	ended := make(chan error, 1)
	go func() {
		for {
			conn, err := listener.Accept()
			if err != nil {
				ended <- err
				return
			}
			accepted <- conn
		}
	}()
	for range 3 {
		conn, err := net.Dial("tcp", plain.Addr().String())
		require.NoError(t, err)
		defer func() { _ = conn.Close() }()
	}
	first := <-accepted
	<-accepted
	time.Sleep(100 * time.Millisecond) // An occasion to accept it.
	require.Empty(t, accepted, "the third was accepted, too")
	require.NoError(t, first.Close())
	require.Error(t, first.Close(), "a second Close gives no second place")
	<-accepted
	require.NoError(t, listener.Close())
	require.ErrorIs(t, <-ended, net.ErrClosed)
}
