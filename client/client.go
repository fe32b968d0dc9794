// Package client hands airtime disbursals in at Tuma's HTTP inlet, and reads what became of them.
//
// Every call is repeated until it is answered or its context ends: when no answer came, the answer
// was cut, or the inlet was away or full. That is safe, since a job has a reference: it is
// disbursed once, however often it comes. Make the reference where the decision to pay is made,
// store it before Send, and call Send again with the same job when it returned no answer.
//
// client.go sends requests and repeats them, calls.go has the calls, results.go reads results, and
// types.go what goes over the wire, as /openapi.yaml describes it.
package client

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"time"

	"github.com/cenkalti/backoff/v4"
)

const (
	// tryTimeout bounds one try, beside what the inlet is asked to wait.
	tryTimeout = 30 * time.Second
	// firstPause and longestPause are between two tries, unless the inlet says for how long.
	firstPause, longestPause = 250 * time.Millisecond, 30 * time.Second
	// maxAnswer bounds an answer, in bytes.
	maxAnswer = 64 << 20
)

// Client calls one inlet. Any number of goroutines may use it.
type Client struct {
	base, token string
	http        http.Client
	firstPause  time.Duration
}

// New makes a client of the inlet at a URL such as "https://tuma.example:8080". The token may be
// empty where the inlet has none.
func New(base, token string) (*Client, error) {
	u, err := url.Parse(base)
	if err != nil || u.Host == "" || u.Scheme != "http" && u.Scheme != "https" {
		return nil, fmt.Errorf("client: %q is not the URL of an inlet, such as "+
			"https://tuma.example:8080", base)
	}
	return &Client{
		base: strings.TrimSuffix(base, "/"), token: token, firstPause: firstPause,
		http: http.Client{CheckRedirect: func(*http.Request, []*http.Request) error {
			return http.ErrUseLastResponse // An inlet has none, and a job would not follow.
		}},
	}, nil
}

// Error is a refusal: the same request again would be refused again.
type Error struct {
	// Status is the HTTP status: 409 for a reference with other content, or one that is cancelled;
	// 422 for a job with faults; 404 for what is not there; 410 for results that were trimmed away.
	Status int
	// Texts say why; of a job with faults, each of them.
	Texts []string
}

// Error tells the status and all texts.
func (e *Error) Error() string {
	return fmt.Sprintf("refused (%d): %s", e.Status, strings.Join(e.Texts, "; "))
}

// call is one request, as often as it takes.
type call struct {
	method, path string
	query        url.Values
	body         any
	// wait is how long the inlet is asked to wait.
	wait time.Duration
}

// do sends a call until it is answered, and decodes the answer. An *Error is returned for a
// refusal; when the context ends, its error, with why the last try was not answered.
func (c *Client) do(ctx context.Context, asked call, answer any) error {
	var body []byte
	if asked.body != nil {
		var err error
		if body, err = json.Marshal(asked.body); err != nil {
			return fmt.Errorf("client: %w", err)
		}
	}
	pauses := backoff.NewExponentialBackOff(backoff.WithInitialInterval(c.firstPause),
		backoff.WithMaxInterval(longestPause), backoff.WithMaxElapsedTime(0))
	for {
		again, err := c.try(ctx, asked, body, answer)
		if err == nil || again < 0 {
			return err
		}
		select {
		case <-ctx.Done():
			return fmt.Errorf("client: not confirmed: %w (%w)", ctx.Err(), err)
		case <-time.After(max(again, pauses.NextBackOff())):
		}
	}
}

// final is the pause behind an answer that is the last word.
const final = -1

// try sends a call once. It returns how long to wait before the next try, at least: final when
// there is none.
func (c *Client) try(
	ctx context.Context, asked call, body []byte, answer any,
) (again time.Duration, err error) {
	ctx, cancel := context.WithTimeout(ctx, tryTimeout+asked.wait)
	defer cancel()
	target := c.base + asked.path
	if len(asked.query) > 0 {
		target += "?" + asked.query.Encode()
	}
	request, err := http.NewRequestWithContext(ctx, asked.method, target, bytes.NewReader(body))
	if err != nil {
		return final, fmt.Errorf("client: %w", err)
	}
	if c.token != "" {
		request.Header.Set("Authorization", "Bearer "+c.token)
	}
	if body != nil {
		request.Header.Set("Content-Type", "application/json")
	}
	got, err := c.http.Do(request)
	if err != nil {
		return 0, hideURL(err)
	}
	defer func() { _ = got.Body.Close() }() // It has been read.
	text, err := io.ReadAll(io.LimitReader(got.Body, maxAnswer))
	if err != nil {
		return 0, fmt.Errorf("the answer was cut: %w", err)
	}
	if got.StatusCode == http.StatusOK || got.StatusCode == http.StatusAccepted {
		if !json.Valid(text) {
			return 0, errors.New("the answer is not JSON")
		}
		if err := json.Unmarshal(text, answer); err != nil {
			return final, fmt.Errorf("client: the answer is not as it should be: %w", err)
		}
		return final, nil
	}
	return pauseAfter(got), refusal(got.StatusCode, text)
}

// hideURL takes the URL out of an error: its query may hold a phone number.
func hideURL(err error) error {
	var at *url.Error
	if errors.As(err, &at) {
		return at.Err
	}
	return err
}

// pauseAfter is how long to wait after a refusal, at least: final when it is the last word. What a
// proxy says in front of an inlet that is away is none.
func pauseAfter(got *http.Response) time.Duration {
	switch got.StatusCode {
	case http.StatusTooManyRequests, http.StatusInternalServerError, http.StatusBadGateway,
		http.StatusServiceUnavailable, http.StatusGatewayTimeout:
		seconds, err := strconv.Atoi(got.Header.Get("Retry-After"))
		if err != nil || seconds < 0 {
			return 0
		}
		return min(time.Duration(seconds)*time.Second, longestPause)
	}
	return final
}

// refusal reads why a request was refused.
func refusal(status int, text []byte) *Error {
	var said struct {
		Error  string   `json:"error"`
		Errors []string `json:"errors"`
	}
	if json.Unmarshal(text, &said) != nil || said.Error == "" && len(said.Errors) == 0 {
		return &Error{status, []string{http.StatusText(status)}}
	}
	if said.Error != "" {
		said.Errors = append(said.Errors, said.Error)
	}
	return &Error{status, said.Errors}
}
