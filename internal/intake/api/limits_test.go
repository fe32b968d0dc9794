package api

import (
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

func TestTurnsAreEachProducersOwn(t *testing.T) {
	t.Parallel()
	i := embedded(t)
	var leave func()
	for range requestsInHand {
		var entered bool
		leave, entered = i.limits.enter(t.Context(), "shop")
		require.True(t, entered)
	}
	full := i.post(job("r-1", "10"))
	require.Equal(t, http.StatusServiceUnavailable, full.Code)
	require.Equal(t, "1", full.Header().Get("Retry-After"))
	require.Zero(t, i.booked(t))
	require.Equal(t, http.StatusAccepted,
		i.post(job("r-1", "10"), "Authorization", "Bearer bank-new").Code, "another's turns")
	leave()
	require.Equal(t, http.StatusAccepted, i.post(job("r-1", "10")).Code)
	require.Len(t, i.limits.producers["shop"].turns, requestsInHand-1, "it was not given back")
}

// beginPost posts a body of which only the beginning comes.
func beginPost(t *testing.T, server *httptest.Server, sent int) net.Conn {
	t.Helper()
	conn, err := net.Dial("tcp", server.Listener.Addr().String())
	require.NoError(t, err)
	t.Cleanup(func() { _ = conn.Close() })
	_, err = fmt.Fprintf(conn, "POST %s HTTP/1.1\r\nHost: h\r\nAuthorization: Bearer shop-token\r\n"+
		"Content-Length: %d\r\n\r\n%s", disbursalsPath, maxBody, strings.Repeat(" ", sent))
	require.NoError(t, err)
	return conn
}

// reading is how many bodies of shop are being read, and how many bytes are held of them.
func (l *limits) reading() (bodies, bytes int) {
	l.mu.Lock()
	defer l.mu.Unlock()
	s := l.of("shop")
	return s.bodies, s.bytes
}

// TestSlowBodiesKeepNobodyWaiting: a producer whose bodies never end has no turn with them, and
// neither another nor, up to a number, itself is kept waiting.
func TestSlowBodiesKeepNobodyWaiting(t *testing.T) {
	t.Parallel()
	i := embedded(t)
	i.limits.grace = time.Hour
	server := httptest.NewServer(i)
	defer server.Close()
	await := func(bodies int) {
		require.Eventually(t, func() bool {
			now, _ := i.limits.reading()
			return now == bodies
		}, time.Minute, 5*time.Millisecond)
	}
	var conns []net.Conn
	for range requestsInHand {
		conns = append(conns, beginPost(t, server, 10))
	}
	await(requestsInHand)
	for n := range 40 {
		answer := i.post(job(fmt.Sprint("r-", n), "10"), "Authorization", "Bearer bank-new")
		require.Equal(t, http.StatusAccepted, answer.Code)
	}
	require.Equal(t, http.StatusAccepted, i.post(job("r-1", "10")).Code)
	for range bodiesInHand - requestsInHand {
		conns = append(conns, beginPost(t, server, 10))
	}
	await(bodiesInHand)
	require.Equal(t, http.StatusServiceUnavailable, i.post(job("r-2", "10")).Code)
	require.Equal(t, http.StatusAccepted,
		i.post(job("r-x", "10"), "Authorization", "Bearer bank-new").Code)
	for _, conn := range conns {
		require.NoError(t, conn.Close())
	}
	await(0)
	_, held := i.limits.reading()
	require.Zero(t, held, "bytes were not given back")
	require.Equal(t, http.StatusAccepted, i.post(job("r-2", "10")).Code)
}

// TestBodiesHaveABudgetOfBytes: what has come of bodies that are not answered is bounded, over all.
func TestBodiesHaveABudgetOfBytes(t *testing.T) {
	t.Parallel()
	i := embedded(t)
	i.limits.grace, i.limits.allBytes = time.Hour, 4*bodyPace
	server := httptest.NewServer(i)
	defer server.Close()
	conn := beginPost(t, server, 4*bodyPace)
	require.Eventually(t, func() bool {
		_, held := i.limits.reading()
		return held == 4*bodyPace
	}, time.Minute, 5*time.Millisecond)
	busy := i.post(job("r-1", "10"), "Authorization", "Bearer bank-new")
	require.Equal(t, http.StatusServiceUnavailable, busy.Code)
	require.NoError(t, conn.Close())
	require.Eventually(t, func() bool {
		_, held := i.limits.reading()
		return held == 0
	}, time.Minute, 5*time.Millisecond)
	require.Equal(t, http.StatusAccepted, i.post(job("r-1", "10")).Code)
}

// TestABodyMustKeepComing: one that stops is cut off long before the request's own end.
func TestABodyMustKeepComing(t *testing.T) {
	t.Parallel()
	i := embedded(t)
	i.limits.grace = 50 * time.Millisecond
	server := httptest.NewServer(i)
	defer server.Close()
	conn := beginPost(t, server, 10)
	require.NoError(t, conn.SetDeadline(time.Now().Add(time.Minute)))
	answer, err := io.ReadAll(conn)
	require.NoError(t, err, "it was not cut off")
	require.Contains(t, string(answer), "400 Bad Request")
	require.Zero(t, i.booked(t))
}
