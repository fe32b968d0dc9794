package sandbox

import (
	"context"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"go.uber.org/goleak"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

func TestListenRefusesOtherMachines(t *testing.T) {
	t.Parallel()
	for _, addr := range []string{":0", "0.0.0.0:0", "[::]:0", "192.0.2.1:0"} {
		_, err := Listen(addr, false)
		require.ErrorIs(t, err, ErrNotLoopback, addr)
		require.ErrorContains(t, err, addr)
	}
	for _, addr := range []string{"127.0.0.1:0", "localhost:0", "127.0.0.2:0"} {
		listener, err := Listen(addr, false)
		require.NoError(t, err, addr)
		require.NoError(t, listener.Close())
	}
	listener, err := Listen("0.0.0.0:0", true)
	require.NoError(t, err)
	require.NoError(t, listener.Close())
	_, err = Listen("127.0.0.1", false)
	require.ErrorContains(t, err, "missing port")
}

// TestServeStopsWhileRequestsHang also shows that a provider may go away and come back with the
// same ledger.
func TestServeStopsWhileRequestsHang(t *testing.T) {
	t.Parallel()
	f := calm()
	f.Send.Latency = Duration(time.Minute)
	f.Status.HangBefore = Sometimes(1)
	sim := New(Options{Faults: f})
	for round := range 2 {
		listener, err := Listen("127.0.0.1:0", false)
		require.NoError(t, err)
		ctx, stop := context.WithCancel(t.Context())
		done := make(chan error, 1)
		go func() { done <- sim.Serve(ctx, listener) }()
		answers := make(chan error, 2)
		for _, request := range hangingRequests(t, "http://"+listener.Addr().String()) {
			go func() {
				transport := &http.Transport{DisableKeepAlives: true}
				response, err := (&http.Client{Transport: transport}).Do(request)
				if err == nil {
					err = response.Body.Close()
				}
				answers <- err
			}()
		}
		require.Eventually(t, func() bool {
			requests := sim.Ledger().Totals().Requests
			return requests["send"] == round+1 && requests["status"] == round+1
		}, 2*time.Minute, time.Millisecond)
		stop()
		require.NoError(t, <-done)
		first, second := <-answers, <-answers
		require.NotEqual(t, first == nil, second == nil, "the latency ends in an answer")
	}
	require.Equal(t, 2, sim.Ledger().Totals().Requests["send"])
}

func hangingRequests(t *testing.T, base string) []*http.Request {
	t.Helper()
	send, err := http.NewRequest("POST", base+"/v1/gw/airtime/send", strings.NewReader("{}"))
	require.NoError(t, err)
	status, err := http.NewRequest("GET", base+"/v1/gw/airtime/r/status", nil)
	require.NoError(t, err)
	return []*http.Request{send, status}
}

func TestServeReportsAFailedListener(t *testing.T) {
	t.Parallel()
	listener, err := Listen("127.0.0.1:0", false)
	require.NoError(t, err)
	require.NoError(t, listener.Close())
	require.ErrorContains(t, New(Options{}).Serve(t.Context(), listener), "serve: ")
}
