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

// postman posts callbacks. Each recipient's go through one of its queues, one at a time and in the
// order in which they are due. A nil postman has nobody to post to.
type postman struct {
	base   string
	client *http.Client
	queues [queuesMax]queue

	mu     sync.Mutex
	ctx    context.Context // of the walkers; nil before the first
	cancel context.CancelFunc
	closed bool
	walks  sync.WaitGroup
}

func newPostman(base string) *postman {
	p := &postman{
		base: strings.TrimSuffix(base, "/"),
		client: &http.Client{
			Transport: &http.Transport{MaxIdleConnsPerHost: queuesMax},
			Timeout:   postTimeout,
			CheckRedirect: func(*http.Request, []*http.Request) error {
				return http.ErrUseLastResponse
			},
		},
	}
	for i := range p.queues {
		p.queues[i].wake = make(chan struct{}, 1)
	}
	return p
}

// open lets a closed postman go on with what is due.
func (p *postman) open() {
	if p == nil {
		return
	}
	p.mu.Lock()
	p.closed = false
	p.mu.Unlock()
	p.start()
}

// start has the queues walked, unless the postman is closed, and returns the context of the posts.
func (p *postman) start() context.Context {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.closed || p.cancel != nil {
		return p.ctx
	}
	p.ctx, p.cancel = context.WithCancel(context.Background())
	for i := range p.queues {
		p.walks.Go(func() { p.walk(p.ctx, &p.queues[i]) })
	}
	return p.ctx
}

// close ends the posts under way and waits until the queues are left. What is due stays in them.
func (p *postman) close() {
	if p == nil {
		return
	}
	p.mu.Lock()
	p.closed = true
	if p.cancel == nil {
		p.ctx, p.cancel = context.WithCancel(context.Background())
	}
	p.cancel()
	p.cancel = nil
	p.mu.Unlock()
	p.walks.Wait()
	p.client.CloseIdleConnections()
}

// forget throws away what is not posted yet.
func (p *postman) forget() {
	if p == nil {
		return
	}
	for i := range p.queues {
		p.queues[i].clear()
	}
}

// hand puts a callback into its recipient's queue, to be posted after a while.
func (p *postman) hand(n *notice, after time.Duration) {
	n.due = time.Now().Add(after)
	p.queues[mix(n.batch.hash, n.recipient().phone)%queuesMax].push(n)
	p.start()
}

// walk posts what falls due in a queue until ctx ends.
func (p *postman) walk(ctx context.Context, l *queue) {
	timer := time.NewTimer(0)
	defer timer.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-l.wake:
		case <-timer.C:
		}
		for ctx.Err() == nil {
			n, wait := l.next()
			if n == nil {
				timer.Reset(wait)
				break
			}
			p.deliver(ctx, n)
		}
	}
}

// deliver posts a callback, and hands it in again when its provider repeats it.
func (p *postman) deliver(ctx context.Context, n *notice) {
	status, _, err := p.send(ctx, n.account.letter(n))
	n.tries++
	n.account.board.note(func(c *CallbackCounts) {
		c.Sent++
		if err != nil || status/100 != 2 {
			c.Unanswered++
		}
	})
	if status != http.StatusOK && n.tries < n.account.tries {
		p.hand(n, retryPause<<(n.tries-1))
	}
}

// letter is the content of a callback.
type letter struct {
	path string
	form bool // else JSON
	body []byte
}

// send posts a letter and returns the answer.
func (p *postman) send(ctx context.Context, l letter) (status int, body []byte, err error) {
	request, err := http.NewRequestWithContext(ctx, http.MethodPost, p.base+l.path,
		bytes.NewReader(l.body))
	if err != nil {
		return 0, nil, err
	}
	request.Header.Set("Content-Type", "application/json")
	if l.form {
		request.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	}
	response, err := p.client.Do(request)
	if err != nil {
		return 0, nil, err
	}
	defer func() { _ = response.Body.Close() }()
	body, err = io.ReadAll(io.LimitReader(response.Body, answerMax))
	return response.StatusCode, body, err
}

// ask posts a validation and says whether it was answered with "Validated" in time.
func (p *postman) ask(l letter) bool {
	ctx, cancel := context.WithTimeout(p.start(), validateTimeout)
	defer cancel()
	status, body, err := p.send(ctx, l)
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
	queue  notices
	pushed uint64
}

func (l *queue) push(n *notice) {
	l.mu.Lock()
	l.pushed++
	n.turn = l.pushed
	heap.Push(&l.queue, n)
	l.mu.Unlock()
	select {
	case l.wake <- struct{}{}:
	default:
	}
}

// next takes the first callback if it is due, or returns how long it is not.
func (l *queue) next() (due *notice, wait time.Duration) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if len(l.queue) == 0 {
		return nil, time.Hour
	}
	if wait := time.Until(l.queue[0].due); wait > 0 {
		return nil, wait
	}
	return heap.Pop(&l.queue).(*notice), 0
}

func (l *queue) clear() {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.queue = nil
}

// notices are a heap: first what is due first, then what was handed in first.
type notices []*notice

var _ heap.Interface = (*notices)(nil)

func (q notices) Len() int { return len(q) }

func (q notices) Less(i, j int) bool {
	if q[i].due.Equal(q[j].due) {
		return q[i].turn < q[j].turn
	}
	return q[i].due.Before(q[j].due)
}

func (q notices) Swap(i, j int) { q[i], q[j] = q[j], q[i] }

// Push adds at the end, for package heap.
func (q *notices) Push(n any) { *q = append(*q, n.(*notice)) }

// Pop takes from the end, for package heap.
func (q *notices) Pop() any {
	last := len(*q) - 1
	n := (*q)[last]
	(*q)[last] = nil
	*q = (*q)[:last]
	return n
}
