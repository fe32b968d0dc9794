package api

import (
	"bytes"
	"context"
	"errors"
	"io"
	"net/http"
	"sync"
	"time"

	"golang.org/x/time/rate"
)

// What one producer may ask, so that it never stands in another's way.
const (
	requestsPerSecond = 200
	requestsBurst     = 400
	// requestsInHand is how many of its requests are worked on at once.
	requestsInHand = 64
	// turnLimit is how long a request waits for its turn.
	turnLimit = time.Second
	// bodiesInHand is how many of its bodies are read at once, and bytesInHand how many bytes of them
	// are held until they are answered.
	bodiesInHand = 128
	bytesInHand  = 16 << 20
	// readersInHand is how many of its requests wait for results at once.
	readersInHand = 16
)

const (
	// allReadersInHand is how many requests of all producers wait for results together: each has a
	// connection, of which the listener has about twice as many.
	allReadersInHand = 500
	// allBytesInHand is how many bytes of bodies all producers hold together; it bounds memory.
	allBytesInHand = 64 << 20
	// A body must have come after bodyGrace and a second for each bodyPace bytes of it.
	bodyGrace = 5 * time.Second
	bodyPace  = 16 << 10
)

// limits bound what producers ask, each by itself, and the memory of all together.
type limits struct {
	perSecond rate.Limit
	burst     int
	grace     time.Duration
	allBytes  int

	mu        sync.Mutex // Guards what follows, and the shares.
	bytes     int        // Held by all.
	readers   int        // Of all.
	producers map[string]*share
}

// share is what one producer has in hand.
type share struct {
	rate   *rate.Limiter
	turns  chan struct{} // Holds one value per request in hand.
	bodies int
	bytes  int
	// readers are requests that wait for results.
	readers int
}

func newLimits() *limits {
	return &limits{
		perSecond: requestsPerSecond, burst: requestsBurst, grace: bodyGrace,
		allBytes: allBytesInHand, producers: map[string]*share{},
	}
}

// of is the share of a producer. The caller holds the lock.
func (l *limits) of(producer string) *share {
	s := l.producers[producer]
	if s == nil {
		s = &share{
			rate:  rate.NewLimiter(l.perSecond, l.burst),
			turns: make(chan struct{}, requestsInHand),
		}
		l.producers[producer] = s
	}
	return s
}

// allow charges a producer for one request, and reports whether it may have it.
func (l *limits) allow(producer string) bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.of(producer).rate.Allow()
}

// enter waits for a turn of the producer's, though not long, and whether or not the client is still
// there: its body has been read. Whoever got a turn calls leave.
func (l *limits) enter(ctx context.Context, producer string) (leave func(), entered bool) {
	l.mu.Lock()
	turns := l.of(producer).turns
	l.mu.Unlock()
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), turnLimit)
	defer cancel()
	select {
	case turns <- struct{}{}:
		return func() { <-turns }, true
	case <-ctx.Done():
		return nil, false
	}
}

// begin takes note that a body of a producer is read, if there is room for it.
func (l *limits) begin(producer string) bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	s := l.of(producer)
	if s.bodies >= bodiesInHand {
		return false
	}
	s.bodies++
	return true
}

// hold takes room for bytes of a producer's body, or gives it back.
func (l *limits) hold(producer string, n int) bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	s := l.of(producer)
	if n > 0 && (s.bytes+n > bytesInHand || l.bytes+n > l.allBytes) {
		return false
	}
	s.bytes += n
	l.bytes += n
	return true
}

// await takes note that a request of a producer waits for results, if there is room for it.
func (l *limits) await(producer string) bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	s := l.of(producer)
	if s.readers >= readersInHand || l.readers >= allReadersInHand {
		return false
	}
	s.readers++
	l.readers++
	return true
}

// awaited takes note that it waits no longer.
func (l *limits) awaited(producer string) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.of(producer).readers--
	l.readers--
}

// ended takes note that a body has been read.
func (l *limits) ended(producer string) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.of(producer).bodies--
}

// readBody reads a body whole, before its request takes a turn: one that comes slowly, or never to
// its end, keeps nobody waiting. Only the bytes that have come count, and they must keep coming.
// errBusy is returned when there is no room for them. Release gives their room back.
func (l *limits) readBody(
	w http.ResponseWriter, r *http.Request, producer string,
) (release func(), err error) {
	if !l.begin(producer) {
		return nil, errBusy
	}
	defer l.ended(producer)
	held := 0
	release = func() { l.hold(producer, -held) }
	deadline := func(at time.Time) {
		// A writer that has no connection, such as a test's, has no deadline.
		_ = http.NewResponseController(w).SetReadDeadline(at)
	}
	defer func() { deadline(time.Now().Add(requestTimeout)) }() // What the listener has set.
	var body bytes.Buffer
	for began := time.Now(); ; {
		deadline(began.Add(l.grace + time.Duration(body.Len())*time.Second/bodyPace))
		n, err := io.CopyN(&body, r.Body, bodyPace)
		if !l.hold(producer, int(n)) {
			release()
			return nil, errBusy
		}
		held += int(n)
		switch {
		case errors.Is(err, io.EOF):
			r.Body = io.NopCloser(&body)
			return release, nil
		case err != nil:
			release()
			return nil, err
		}
	}
}
