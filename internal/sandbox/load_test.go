package sandbox

import (
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"
	"runtime"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

// TestHostileCrowdIsPaidOnce sends from many goroutines at once, repeating what was not answered,
// while others read the ledger and turn switches; every reference must be paid exactly once.
func TestHostileCrowdIsPaidOnce(t *testing.T) {
	t.Parallel()
	f := HostileFaults()
	f.Outcomes = Weights{Successful: 1}
	for _, call := range []*CallFaults{&f.Auth, &f.Send.CallFaults, &f.Status.CallFaults} {
		call.Jitter, call.HangLimit = Duration(time.Millisecond), Duration(time.Millisecond)
	}
	f.SlowKnowledge, f.Send.ExpireToken, f.Status.ExpireToken = 0, Never(), Never()
	sim := New(Options{Seed: 3, Faults: f})
	token := sim.tokens.issue(time.Now(), time.Hour)

	const senders, references, size = 8, 20, 10
	phones := numbers(size)
	var crowd, watchers sync.WaitGroup
	stop := make(chan struct{})
	watchers.Go(func() { watch(sim, stop) })
	for sender := range senders {
		crowd.Go(func() {
			for n := range references {
				reference := fmt.Sprintf("%d-%d", sender, n)
				for range 20 { // until an accepted or repeated one is almost certain
					serveQuietly(sim, inProcess("POST", "/v1/gw/airtime/send", token,
						[]byte(sendBody(reference, phones...))))
					serveQuietly(sim, inProcess("GET",
						"/v1/gw/airtime/"+reference+"/status", token, nil))
				}
			}
		})
	}
	crowd.Wait()
	close(stop)
	watchers.Wait()
	totals := sim.Ledger().Totals()
	require.Equal(t, senders*references*size, totals.Recipients.Paid)
	require.Zero(t, totals.Recipients.Twice)
	require.Equal(t, Cents(senders*references*size*1000), totals.Totals[Currency])
	require.Equal(t, senders*references, totals.Batches.Accepted)
	for _, phone := range sim.Ledger().Phones() {
		require.Equal(t, senders*references, phone.TimesPaid)
	}
}

// watch reads and turns everything that others may touch at the same time.
func watch(sim *Simulator, stop <-chan struct{}) {
	for {
		select {
		case <-stop:
			return
		default:
			sim.Ledger().Totals()
			f := sim.Faults()
			f.Status.Partial = Sometimes(0.2)
			_ = sim.SetFaults(f)
			runtime.Gosched()
		}
	}
}

// serveQuietly serves a request whose connection may be dropped.
func serveQuietly(sim *Simulator, r *http.Request) {
	defer func() {
		thrown := recover()
		err, isError := thrown.(error)
		if thrown != nil && (!isError || !errors.Is(err, http.ErrAbortHandler)) {
			panic(thrown)
		}
	}()
	sim.ServeHTTP(httptest.NewRecorder(), r)
}

func TestReaderMayStopEarly(t *testing.T) {
	t.Parallel()
	c := newClient(t, Options{Faults: calm()})
	c.send("a", numbers(10)...)
	c.send("b", numbers(10)...)
	read := 0
	for range c.sim.Ledger().Entries() {
		if read++; read == 12 {
			break
		}
	}
	require.Equal(t, 12, read)
}

// BenchmarkSendAndStatus measures the simulator alone: one send of 1,000 recipients and one status
// query for them, without a connection.
func BenchmarkSendAndStatus(b *testing.B) {
	sim := New(Options{})
	token := sim.tokens.issue(time.Now(), time.Hour)
	bodies := benchmarkBodies()
	b.ReportAllocs()
	b.ResetTimer()
	for n := range b.N {
		w := &discard{header: http.Header{}}
		sim.ServeHTTP(w, inProcess("POST", "/v1/gw/airtime/send", token, bodies(n)))
		path := fmt.Sprintf("/v1/gw/airtime/%036d/status", n)
		sim.ServeHTTP(w, inProcess("GET", path, token, nil))
	}
	b.ReportMetric(float64(b.N)*1000/b.Elapsed().Seconds(), "recipients/s")
}

// BenchmarkOverTheWire is the same with a connection and a client in the way.
func BenchmarkOverTheWire(b *testing.B) {
	c := newClient(b, Options{})
	c.http.Transport = &http.Transport{}
	defer c.http.CloseIdleConnections()
	bodies := benchmarkBodies()
	b.ResetTimer()
	for n := range b.N {
		c.do("POST", "/v1/gw/airtime/send", string(bodies(n)))
		c.status(fmt.Sprintf("%036d", n))
	}
	b.ReportMetric(float64(b.N)*1000/b.Elapsed().Seconds(), "recipients/s")
}

// BenchmarkLedger counts the totals of a million recipients.
func BenchmarkLedger(b *testing.B) {
	const batches = 1000
	sim := New(Options{})
	token := sim.tokens.issue(time.Now(), time.Hour)
	bodies := benchmarkBodies()
	for n := range batches {
		sim.ServeHTTP(&discard{header: http.Header{}},
			inProcess("POST", "/v1/gw/airtime/send", token, bodies(n)))
	}
	runtime.GC()
	var memory runtime.MemStats
	runtime.ReadMemStats(&memory)
	b.ResetTimer()
	for range b.N {
		if got := sim.Ledger().Totals().Recipients.Accepted; got != batches*1000 {
			b.Fatalf("want a million recipients, not %d", got)
		}
	}
	b.ReportMetric(float64(memory.HeapAlloc)/(1<<20), "MiB-held")
}

// benchmarkBodies gives requests of 1,000 recipients that differ in their reference only.
func benchmarkBodies() func(n int) []byte {
	body := []byte(sendBody(fmt.Sprintf("%036d", 0), numbers(1000)...))
	const at = len(`{"reference":"`)
	return func(n int) []byte {
		copy(body[at:], fmt.Sprintf("%036d", n))
		return body
	}
}
