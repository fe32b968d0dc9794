// Package lipad is the adapter for Lipad. A send is accepted or refused as a whole by its
// response_code, whatever the HTTP status, and the status of each recipient is asked for by our own
// reference.
package lipad

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"strings"
	"time"

	"tuma/internal/airtime"
	"tuma/internal/providers"
)

const (
	name          = "lipad"
	maxRecipients = 1000
	pathAuth      = "/v1/auth"
	pathSend      = "/v1/gw/airtime/send"
	pathStatus    = "/v1/gw/airtime/%s/status"
	headerToken   = "x-access-token"
)

// Options are what an adapter needs; all but Called and Now are required.
type Options struct {
	// BaseURL is scheme, host and port.
	BaseURL string
	// ConsumerKey and ConsumerSecret are asked at every renewal: a mounted secret may change.
	ConsumerKey    func() string
	ConsumerSecret func() string
	Client         *providers.Client
	// Called is how messages call a setting; nil is as the variable.
	Called func(key string) string
	// Now is the clock that token lives are measured with; time.Now when nil.
	Now func() time.Time
}

// Lipad submits batches and asks how they stand. It may be used by many goroutines.
type Lipad struct {
	o      Options
	tokens *tokens
}

var (
	_ providers.Provider = (*Lipad)(nil)
	_ providers.Querier  = (*Lipad)(nil)
)

// New returns the adapter. Nothing is asked of the provider before the first Prepare or Query.
func New(o Options) *Lipad {
	if o.Now == nil {
		o.Now = time.Now
	}
	o.BaseURL = strings.TrimRight(o.BaseURL, "/")
	o.Called = providers.CalledAs(o.Called, name)
	return &Lipad{o: o, tokens: &tokens{o: o}}
}

// Capabilities is Lipad's row of the catalog. Lipad documents no limits of the amount; these guard
// against a slipped decimal point, and the caller may set others.
func Capabilities() providers.Capabilities {
	return providers.Capabilities{
		Name: name, Code: 'L', MaxRecipients: maxRecipients,
		Limits: map[airtime.Currency]providers.Limit{
			"KES": {Min: 10_00, Max: 10_000_00},
		},
		Accepted: airtime.Submitted, Asks: providers.AskByBatch, ResendSame: true,
		OverdueAfter: 24 * time.Hour,
	}
}

// String names the provider; it holds no credential.
func (l *Lipad) String() string { return name }

// GoString names the provider; it holds no credential.
func (l *Lipad) GoString() string { return name }

// Prepare encodes the batch and sees to the token. A *PrepareError is returned when the batch is
// not one that Lipad can be sent, or when there is no token.
func (l *Lipad) Prepare(
	ctx context.Context, batch providers.Batch,
) (*providers.Submission, error) {
	if err := check(batch); err != nil {
		return nil, &providers.PrepareError{Reason: airtime.ReasonBatchRefused, Err: err}
	}
	body, err := appendSend(batch)
	if err != nil {
		return nil, &providers.PrepareError{Reason: airtime.ReasonBatchRefused, Err: err}
	}
	tok, err := l.tokens.get(ctx)
	if err != nil {
		return nil, err
	}
	header := http.Header{
		"Content-Type": {"application/json"}, "Accept": {"application/json"},
	}
	header.Set(headerToken, tok.text)
	read := func(r providers.Response) (providers.Answer, bool) { return l.read(batch.ID, tok, r) }
	submission, err := l.o.Client.NewSubmission(l.o.BaseURL+pathSend, header, body, read)
	if err != nil {
		return nil, &providers.PrepareError{
			Reason: airtime.ReasonAccountFault,
			Err:    fmt.Errorf("%s: %w", l.o.Called(providers.KeyBaseURL), err),
		}
	}
	return submission, nil
}

// check refuses what must not reach the wire: the callers have checked it before, and money is
// worth a second look.
func check(batch providers.Batch) error {
	if batch.ID == "" {
		return errors.New("batch: the id is empty")
	}
	if n := len(batch.Recipients); n < 1 || n > maxRecipients {
		return fmt.Errorf("batch: %d recipients; Lipad takes 1 to %d", n, maxRecipients)
	}
	seen := make(map[airtime.MSISDN]struct{}, len(batch.Recipients))
	for i, r := range batch.Recipients {
		_, repeated := seen[r.Phone]
		switch {
		case r.Phone == airtime.MSISDN{}:
			return fmt.Errorf("recipients[%d].phone_number: missing", i)
		case repeated:
			return fmt.Errorf("recipients[%d].phone_number: twice in one batch", i)
		case r.Amount.Currency != "KES":
			return fmt.Errorf("recipients[%d].currency: Lipad takes KES only", i)
		case r.Amount.Minor <= 0:
			return fmt.Errorf("recipients[%d].amount: not above zero", i)
		}
		seen[r.Phone] = struct{}{}
	}
	return nil
}

// read is the reader of a submission's answer.
func (l *Lipad) read(
	batchID string, tok *token, r providers.Response,
) (providers.Answer, bool) {
	if answer, ok := readBody(batchID, tok.text, r); ok {
		tok.sent.Store(true)
		return answer, true
	}
	answer := providers.Classify(r.Outcome())
	if answer.Reason != airtime.ReasonCredentials {
		return providers.Answer{}, false
	}
	// A token that has worked before has gone stale, and the next Prepare fetches a new one. A
	// fresh one that is refused means that our account may not send: that pauses the channel.
	if tok.sent.Load() {
		answer.Pause = airtime.NoReason
	}
	l.tokens.drop(tok)
	answer.Message = fmt.Sprintf("HTTP %d", r.Status)
	return answer, true
}

// readBody decides by the response_code; the HTTP status of either is undocumented. ok is false
// when the body is no answer of Lipad, or when the HTTP status says that we were not let in.
func readBody(batchID, secret string, r providers.Response) (answer providers.Answer, ok bool) {
	var body sendAnswer
	if err := providers.DecodeObject(r.Body, &body); err != nil || body.Code.Trimmed() == "" {
		return answer, false
	}
	if !sameReference(body.Reference, batchID) {
		return providers.Answer{
			Verdict: airtime.Unknown, Reason: airtime.ReasonUnreadable,
			Message: "the answer names another reference than ours",
		}, true
	}
	switch body.Code.Trimmed() {
	case codeAccepted:
		return providers.Answer{
			Verdict: airtime.Accepted, Message: providers.Clean(string(body.Description), secret),
		}, true
	case codeInvalid:
		return providers.Answer{
			Verdict: airtime.Refused, Reason: airtime.ReasonBatchRefused,
			Message: providers.Clean(string(body.Description), secret),
		}, true
	}
	answer = providers.Classify(r.Outcome())
	answer.Message = body.describe(secret)
	return answer, answer.Reason != airtime.ReasonCredentials
}

// Query asks where a batch stands. An empty list, and a 404 in Lipad's own words, mean that Lipad
// does not know the reference. A *QueryError is returned for everything that says nothing; a
// refused token is renewed once first.
func (l *Lipad) Query(
	ctx context.Context, question providers.Question,
) (providers.ProviderStatus, error) {
	batchID := question.BatchID
	for renewed := false; ; renewed = true {
		tok, err := l.tokens.get(ctx)
		if err != nil {
			return providers.ProviderStatus{}, queryError(batchID, err)
		}
		response, err := l.ask(ctx, batchID, tok)
		if err != nil {
			return providers.ProviderStatus{}, queryError(batchID, err)
		}
		refused := providers.StatusReason(response.Status) == airtime.ReasonCredentials
		if refused {
			l.tokens.drop(tok)
		}
		if !refused || renewed {
			return readStatus(batchID, tok.text, response)
		}
	}
}

func (l *Lipad) ask(
	ctx context.Context, batchID string, tok *token,
) (providers.Response, error) {
	target := l.o.BaseURL + fmt.Sprintf(pathStatus, url.PathEscape(batchID))
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, target, nil)
	if err != nil {
		return providers.Response{}, errors.New(l.o.Called(providers.KeyBaseURL) + " is not a URL")
	}
	request.Header.Set("Accept", "application/json")
	request.Header.Set(headerToken, tok.text)
	return l.o.Client.Ask(ctx, request)
}

// readStatus decides what an answer to a status query says.
func readStatus(
	batchID, secret string, r providers.Response,
) (providers.ProviderStatus, error) {
	nothing := &providers.QueryError{
		Reason: providers.StatusReason(r.Status), RetryAfter: r.RetryAfter,
	}
	success := r.Status >= 200 && r.Status <= 299
	switch {
	case r.Truncated:
		nothing.Err = fmt.Errorf("batch %s: HTTP %d, body cut", batchID, r.Status)
	case success:
		reported, err := decodeStatus(r.Body, batchID, secret)
		if err == nil {
			return reported, nil
		}
		nothing.Err = fmt.Errorf("batch %s: HTTP %d: %w", batchID, r.Status, err)
	case r.Status == http.StatusNotFound && deniesReference(r.Body, batchID):
		return providers.ProviderStatus{}, nil
	default:
		nothing.Err = fmt.Errorf("batch %s: HTTP %d", batchID, r.Status) // break: query-failed
	}
	return providers.ProviderStatus{}, nothing
}

// queryError wraps a failure to ask at all.
func queryError(batchID string, err error) error {
	out := &providers.QueryError{
		Reason: providers.TransportReason(err), Err: fmt.Errorf("batch %s: %w", batchID, err),
	}
	if refused := (*providers.PrepareError)(nil); errors.As(err, &refused) {
		out.Reason, out.RetryAfter = refused.Reason, refused.RetryAfter
	}
	return out
}
