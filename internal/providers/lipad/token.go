package lipad

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"sync"
	"sync/atomic"
	"time"

	"tuma/internal/airtime"
	"tuma/internal/providers"
)

const (
	shortLife = time.Minute    // Of a token that does not say how long it lives.
	maxLife   = 24 * time.Hour // Longer promises are not believed.
	maxMargin = time.Minute
)

// token is one access token. Its holders compare the pointer, so that four requests refused with
// the same old token cause one renewal.
type token struct {
	text    string
	expires time.Time
	// issued is when Lipad says that it answered; zero when it does not say.
	issued time.Time
	// sent is set once a send was answered with this token; only then may a later refusal mean
	// that it has gone stale rather than that our account is not allowed to send.
	sent atomic.Bool
}

// tokens fetches the token once for everybody who waits for it.
type tokens struct {
	o Options

	mu      sync.Mutex
	current *token
	flight  *flight
}

// flight is one fetch that is under way.
type flight struct {
	done  chan struct{}
	token *token
	err   error
}

// get returns a token that lives, fetching one if need be. The fetch belongs to all who wait: the
// end of one caller's context ends only that caller's waiting. A *PrepareError is returned when
// there is no token.
func (t *tokens) get(ctx context.Context) (*token, error) {
	t.mu.Lock()
	if t.current != nil && t.o.Now().Before(t.current.expires) {
		defer t.mu.Unlock()
		return t.current, nil
	}
	f := t.flight
	if f == nil {
		f = &flight{done: make(chan struct{})}
		t.flight = f
		go t.fly(context.WithoutCancel(ctx), f)
	}
	t.mu.Unlock()
	select {
	case <-f.done:
		return f.token, f.err
	case <-ctx.Done():
		return nil, &providers.PrepareError{
			Reason: airtime.ReasonLate,
			Err:    fmt.Errorf("wait for the access token: %w", context.Cause(ctx)),
		}
	}
}

// drop forgets a token that was refused, unless it has been replaced already.
func (t *tokens) drop(refused *token) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.current == refused {
		t.current = nil
	}
}

func (t *tokens) fly(ctx context.Context, f *flight) {
	f.token, f.err = t.fetch(ctx)
	t.mu.Lock()
	if f.err == nil {
		t.current = f.token
	}
	t.flight = nil
	t.mu.Unlock()
	close(f.done)
}

// fetch asks for a token; the client's timeout bounds it. What the provider says when it refuses is
// not repeated: the answer may quote our credentials.
func (t *tokens) fetch(ctx context.Context) (*token, error) {
	body, err := json.Marshal(struct {
		Key    string `json:"consumer_key"`
		Secret string `json:"consumer_secret"`
	}{t.o.ConsumerKey(), t.o.ConsumerSecret()})
	if err != nil {
		return nil, authError(airtime.ReasonCredentials, "encode", err)
	}
	request, err := http.NewRequestWithContext(
		ctx, http.MethodPost, t.o.BaseURL+pathAuth, bytes.NewReader(body))
	if err != nil {
		return nil, authError(airtime.ReasonAccountFault, "build the request",
			errors.New(t.o.Called(providers.KeyBaseURL)+" is not a URL; want http(s)://host[:port]"))
	}
	request.Header.Set("Content-Type", "application/json")
	request.Header.Set("Accept", "application/json")
	asked := t.o.Now() // The life counts from before the request: a slow answer must not add to it.
	response, err := t.o.Client.Ask(ctx, request)
	if err != nil {
		return nil, authError(providers.TransportReason(err), "ask", err)
	}
	if response.Status < 200 || response.Status > 299 {
		e := authError(authReason(response.Status), "ask",
			fmt.Errorf("HTTP %d", response.Status))
		e.RetryAfter = response.RetryAfter
		return nil, e
	}
	var answer tokenAnswer
	err = providers.DecodeObject(response.Body, &answer)
	if err != nil || !providers.HeaderSafe(string(answer.AccessToken)) {
		return nil, authError(airtime.ReasonUnreadable, "read",
			errors.New("HTTP 2xx without a usable access_token"))
	}
	return &token{
		text: string(answer.AccessToken), expires: asked.Add(answer.life()), issued: response.At(),
	}, nil
}

func authError(reason airtime.Reason, step string, err error) *providers.PrepareError {
	return &providers.PrepareError{
		Reason: reason, Err: fmt.Errorf("lipad access token: %s: %w", step, err),
	}
}

// authReason names a refusal of the token request: what is not the provider's trouble is taken to
// be our credentials.
func authReason(status int) airtime.Reason {
	switch {
	case status == http.StatusTooManyRequests:
		return airtime.ReasonRateLimited
	case status >= 500:
		return airtime.ReasonServerError
	case status >= 400:
		return airtime.ReasonCredentials
	case status >= 300:
		return airtime.ReasonConnect // A redirect: the base URL is wrong.
	default:
		return airtime.ReasonUnreadable
	}
}
