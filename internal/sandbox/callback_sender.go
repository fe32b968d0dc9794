package sandbox

import (
	"bytes"
	"container/heap"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"strings"
	"sync"
	"time"
)

const (
	// queuesMax is how many callbacks are under way at a time.
	queuesMax = 16
	// postTimeout bounds one callback.
	postTimeout = 5 * time.Second
	// validateTimeout bounds the wait for a validation.
	validateTimeout = 3 * time.Second
	// triesMax and the pauses between tries, which begin with retryPause and double, bound how long
	// Lipad repeats a callback that is not answered with 200: about a minute.
	triesMax   = 8
	retryPause = 500 * time.Millisecond
	// answerMax bounds what is read of the answer to a callback.
	answerMax = 64 << 10
)

// CheckCallbacks says whether callbacks can be posted under a URL. ErrNotLoopback is returned when
// its host is not on loopback and allowRemote is false: callbacks show full phone numbers.
func CheckCallbacks(base string, allowRemote bool) error {
	u, err := url.Parse(base)
	if err != nil || u.Scheme != "http" && u.Scheme != "https" || u.Hostname() == "" ||
		u.RawQuery != "" || u.Fragment != "" {
		return errors.New("callbacks: want a URL such as http://127.0.0.1:8081/callbacks/TOKEN")
	}
	if allowRemote {
		return nil
	}
	address, err := net.ResolveIPAddr("ip", u.Hostname())
	if err != nil {
		return fmt.Errorf("callbacks: host %q: %w", u.Hostname(), err)
	}
	if !address.IP.IsLoopback() {
		return fmt.Errorf("callbacks: host %q: %w", u.Hostname(), ErrNotLoopback)
	}
	return nil
}

// callbackSender posts callbacks to Tuma. Those about one recipient are in one of its queues and
// are posted one at a time, in the order in which they are due. A nil callbackSender posts none.
type callbackSender struct {
	base   string
	client *http.Client
	queues [queuesMax]queue

	mu     sync.Mutex
	ctx    context.Context // of the loops over the queues; nil before the first
	cancel context.CancelFunc
	closed bool
	loops  sync.WaitGroup
}

func newCallbackSender(base string) *callbackSender {
	s := &callbackSender{
		base: strings.TrimSuffix(base, "/"),
		client: &http.Client{
			Transport: &http.Transport{MaxIdleConnsPerHost: queuesMax},
			Timeout:   postTimeout,
			CheckRedirect: func(*http.Request, []*http.Request) error {
				return http.ErrUseLastResponse
			},
		},
	}
	for i := range s.queues {
		s.queues[i].wake = make(chan struct{}, 1)
	}
	return s
}

// open lets a closed sender go on with the callbacks that are due.
func (s *callbackSender) open() {
	if s == nil {
		return
	}
	s.mu.Lock()
	s.closed = false
	s.mu.Unlock()
	s.start()
}

// start starts one loop per queue, unless the sender is closed, and returns the context of the
// posts.
func (s *callbackSender) start() context.Context {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.closed || s.cancel != nil {
		return s.ctx
	}
	s.ctx, s.cancel = context.WithCancel(context.Background())
	for i := range s.queues {
		s.loops.Go(func() { s.run(s.ctx, &s.queues[i]) })
	}
	return s.ctx
}

// close ends the posts under way and waits for the loops. The callbacks stay in the queues.
func (s *callbackSender) close() {
	if s == nil {
		return
	}
	s.mu.Lock()
	s.closed = true
	if s.cancel == nil {
		s.ctx, s.cancel = context.WithCancel(context.Background())
	}
	s.cancel()
	s.cancel = nil
	s.mu.Unlock()
	s.loops.Wait()
	s.client.CloseIdleConnections()
}

// discard empties the queues.
func (s *callbackSender) discard() {
	if s == nil {
		return
	}
	for i := range s.queues {
		s.queues[i].clear()
	}
}

// schedule puts a callback into its recipient's queue, to be posted after a delay.
func (s *callbackSender) schedule(d *delivery, after time.Duration) {
	d.due = time.Now().Add(after)
	s.queues[mix(d.batch.hash, d.recipient().phone)%queuesMax].push(d)
	s.start()
}

// run posts the callbacks of a queue when they are due, until ctx ends.
func (s *callbackSender) run(ctx context.Context, q *queue) {
	timer := time.NewTimer(0)
	defer timer.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-q.wake:
		case <-timer.C:
		}
		for ctx.Err() == nil {
			d, wait := q.next()
			if d == nil {
				timer.Reset(wait)
				break
			}
			s.deliver(ctx, d)
		}
	}
}

// deliver posts a callback, and schedules it again when it was not answered and its provider
// repeats.
func (s *callbackSender) deliver(ctx context.Context, d *delivery) {
	status, _, err := s.send(ctx, d.account.payload(d))
	d.tries++
	d.account.injector.countCallback(func(c *CallbackCounts) {
		c.Sent++
		if err != nil || status/100 != 2 {
			c.Unanswered++
		}
	})
	if status != http.StatusOK && d.tries < d.account.tries {
		s.schedule(d, retryPause<<(d.tries-1))
	}
}

// payload is the path and the body of a callback.
type payload struct {
	path string
	form bool // else JSON
	body []byte
}

// send posts a payload and returns the answer.
func (s *callbackSender) send(ctx context.Context, l payload) (status int, body []byte, err error) {
	request, err := http.NewRequestWithContext(ctx, http.MethodPost, s.base+l.path,
		bytes.NewReader(l.body))
	if err != nil {
		return 0, nil, err
	}
	request.Header.Set("Content-Type", "application/json")
	if l.form {
		request.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	}
	response, err := s.client.Do(request)
	if err != nil {
		return 0, nil, err
	}
	defer func() { _ = response.Body.Close() }()
	body, err = io.ReadAll(io.LimitReader(response.Body, answerMax))
	return response.StatusCode, body, err
}

// ask posts a validation and says whether it was answered with "Validated" in time.
func (s *callbackSender) ask(l payload) bool {
	ctx, cancel := context.WithTimeout(s.start(), validateTimeout)
	defer cancel()
	status, body, err := s.send(ctx, l)
	if err != nil || status != http.StatusOK {
		return false
	}
	var verdict struct {
		Status string `json:"status"`
	}
	return json.Unmarshal(body, &verdict) == nil && verdict.Status == "Validated"
}

// queue is a queue of callbacks by the time at which they are due.
type queue struct {
	wake chan struct{} // holds one

	mu     sync.Mutex
	queue  deliveryHeap
	pushed uint64
}

func (q *queue) push(d *delivery) {
	q.mu.Lock()
	q.pushed++
	d.sequence = q.pushed
	heap.Push(&q.queue, d)
	q.mu.Unlock()
	select {
	case q.wake <- struct{}{}:
	default:
	}
}

// next takes the first callback if it is due, or returns how long it is not.
func (q *queue) next() (due *delivery, wait time.Duration) {
	q.mu.Lock()
	defer q.mu.Unlock()
	if len(q.queue) == 0 {
		return nil, time.Hour
	}
	if wait := time.Until(q.queue[0].due); wait > 0 {
		return nil, wait
	}
	return heap.Pop(&q.queue).(*delivery), 0
}

func (q *queue) clear() {
	q.mu.Lock()
	defer q.mu.Unlock()
	q.queue = nil
}

// deliveryHeap is ordered by the due time, then by the order in which they were scheduled.
type deliveryHeap []*delivery

var _ heap.Interface = (*deliveryHeap)(nil)

func (h deliveryHeap) Len() int { return len(h) }

func (h deliveryHeap) Less(i, j int) bool {
	if h[i].due.Equal(h[j].due) {
		return h[i].sequence < h[j].sequence
	}
	return h[i].due.Before(h[j].due)
}

func (h deliveryHeap) Swap(i, j int) { h[i], h[j] = h[j], h[i] }

// Push adds at the end, for package heap.
func (h *deliveryHeap) Push(d any) { *h = append(*h, d.(*delivery)) }

// Pop takes from the end, for package heap.
func (h *deliveryHeap) Pop() any {
	last := len(*h) - 1
	d := (*h)[last]
	(*h)[last] = nil
	*h = (*h)[:last]
	return d
}
