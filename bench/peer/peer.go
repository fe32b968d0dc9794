// Package peer is what a team would build first: one asynq task for each recipient, whose handler
// posts it, asks what became of it and stores the outcome. It has none of the guards: a task that
// runs twice pays twice. Its settings are chosen to be its best.
package peer

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strconv"
	"sync/atomic"
	"time"

	"github.com/hibiken/asynq"
	"github.com/redis/go-redis/v9"
	"golang.org/x/sync/errgroup"
)

const (
	typePay = "recipient:pay"
	// producers is how many goroutines enqueue at the same time.
	producers = 4
	// look is how often an idle server looks for tasks: asynq's default of a second would leave it
	// idle whenever it overtakes the producers.
	look = 5 * time.Millisecond
)

// Options say what to do; all are required.
type Options struct {
	// Redis is host:port, Provider the base URL of a simulated Lipad.
	Redis, Provider string
	// Recipients is how many there are, Concurrency how many tasks run at once.
	Recipients, Concurrency int
}

// Result is what a run achieved.
type Result struct {
	Recipients int           `json:"recipients"`
	Took       time.Duration `json:"took"`
}

// Rate is recipients a second.
func (r Result) Rate() float64 { return float64(r.Recipients) / r.Took.Seconds() }

// Run enqueues everybody while the server is at work, and returns when the last outcome is stored.
// An error is returned when a task cannot be enqueued, when one fails, or when ctx ends.
func Run(ctx context.Context, o Options) (Result, error) {
	p := &payer{
		base: o.Provider, all: int64(o.Recipients), done: make(chan struct{}),
		failed: make(chan error, 1),
		http: &http.Client{Transport: &http.Transport{
			MaxIdleConnsPerHost: o.Concurrency, MaxIdleConns: o.Concurrency,
		}},
		rdb: redis.NewClient(&redis.Options{Addr: o.Redis, PoolSize: o.Concurrency}),
	}
	defer func() { _ = p.rdb.Close() }() // Everything that counts has been answered.
	defer p.http.CloseIdleConnections()
	begin := time.Now()
	if err := p.authenticate(ctx); err != nil {
		return Result{}, err
	}
	server := asynq.NewServer(asynq.RedisClientOpt{Addr: o.Redis}, asynq.Config{
		Concurrency: o.Concurrency, LogLevel: asynq.ErrorLevel, TaskCheckInterval: look,
	})
	mux := asynq.NewServeMux()
	mux.HandleFunc(typePay, p.pay)
	if err := server.Start(mux); err != nil {
		return Result{}, fmt.Errorf("start the server: %w", err)
	}
	defer server.Shutdown()
	if err := enqueue(ctx, o); err != nil {
		return Result{}, err
	}
	select {
	case <-p.done:
		return Result{Recipients: o.Recipients, Took: time.Since(begin)}, nil
	case err := <-p.failed:
		return Result{}, err
	case <-ctx.Done():
		return Result{}, fmt.Errorf("%d of %d paid: %w", p.paid.Load(), o.Recipients, ctx.Err())
	}
}

// payment is the payload of a task.
type payment struct {
	Reference string `json:"reference"`
	Phone     string `json:"phone_number"`
	Amount    string `json:"amount"`
}

// enqueue makes one task for each recipient.
func enqueue(ctx context.Context, o Options) error {
	client := asynq.NewClient(asynq.RedisClientOpt{Addr: o.Redis})
	defer func() { _ = client.Close() }() // Everything that counts has been answered.
	var taken atomic.Int64
	group, ctx := errgroup.WithContext(ctx)
	for range producers {
		group.Go(func() error {
			for n := taken.Add(1); n <= int64(o.Recipients); n = taken.Add(1) {
				payload, err := json.Marshal(payment{
					Reference: fmt.Sprintf("peer-%08d", n), Phone: strconv.FormatInt(254700000000+n, 10),
					Amount: strconv.FormatInt(10+n%50, 10),
				})
				if err != nil {
					return fmt.Errorf("encode task %d: %w", n, err)
				}
				_, err = client.EnqueueContext(ctx, asynq.NewTask(typePay, payload),
					asynq.MaxRetry(0))
				if err != nil {
					return fmt.Errorf("enqueue task %d: %w", n, err)
				}
			}
			return nil
		})
	}
	return group.Wait()
}

// payer handles the tasks.
type payer struct {
	base, token string
	http        *http.Client
	rdb         *redis.Client
	all         int64
	paid        atomic.Int64
	done        chan struct{}
	failed      chan error
}

// pay takes one recipient all the way.
func (p *payer) pay(ctx context.Context, t *asynq.Task) error {
	err := p.payOne(ctx, t.Payload())
	if err != nil {
		select {
		case p.failed <- err:
		default: // The first one is enough.
		}
		return err
	}
	if p.paid.Add(1) == p.all {
		close(p.done)
	}
	return nil
}

func (p *payer) payOne(ctx context.Context, payload []byte) error {
	var one payment
	if err := json.Unmarshal(payload, &one); err != nil {
		return fmt.Errorf("payload: %w", err)
	}
	body, err := json.Marshal(map[string]any{
		"reference": one.Reference,
		"recipients": []map[string]string{
			{"phone_number": one.Phone, "amount": one.Amount},
		},
	})
	if err != nil {
		return fmt.Errorf("send: %w", err)
	}
	var sent struct {
		Code int `json:"response_code"`
	}
	if err := p.do(ctx, http.MethodPost, "/v1/gw/airtime/send", body, &sent); err != nil {
		return fmt.Errorf("send: %w", err)
	}
	if sent.Code != 720 {
		return fmt.Errorf("send: refused with %d", sent.Code)
	}
	var lines []struct {
		Status int `json:"service_status"`
	}
	path := "/v1/gw/airtime/" + one.Reference + "/status"
	if err := p.do(ctx, http.MethodGet, path, nil, &lines); err != nil {
		return fmt.Errorf("status: %w", err)
	}
	if len(lines) != 1 {
		return errors.New("status: the answer has not one line")
	}
	if err := p.rdb.Set(ctx, "outcome:"+one.Reference, lines[0].Status, 0).Err(); err != nil {
		return fmt.Errorf("store the outcome: %w", err)
	}
	return nil
}

// authenticate fetches the token.
func (p *payer) authenticate(ctx context.Context) error {
	const credentials = `{"consumer_key":"bench","consumer_secret":"bench"}`
	var answer struct {
		Token string `json:"access_token"`
	}
	if err := p.do(ctx, http.MethodPost, "/v1/auth", []byte(credentials), &answer); err != nil {
		return fmt.Errorf("token: %w", err)
	}
	p.token = answer.Token
	return nil
}

func (p *payer) do(ctx context.Context, method, path string, body []byte, into any) error {
	request, err := http.NewRequestWithContext(ctx, method, p.base+path, bytes.NewReader(body))
	if err != nil {
		return err
	}
	request.Header.Set("Content-Type", "application/json")
	request.Header.Set("X-Access-Token", p.token)
	answer, err := p.http.Do(request)
	if err != nil {
		return err
	}
	defer func() { _ = answer.Body.Close() }() // It has been read to its end.
	text, err := io.ReadAll(answer.Body)
	if err != nil {
		return err
	}
	if answer.StatusCode != http.StatusOK {
		return fmt.Errorf("HTTP %s", answer.Status)
	}
	return json.Unmarshal(text, into)
}
