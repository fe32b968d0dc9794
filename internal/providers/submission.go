package providers

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"sync/atomic"
	"time"

	"tuma/internal/airtime"
	"tuma/internal/effect"
)

// Submission is one request, ready to be written to the wire exactly once. Printing it in any way
// shows neither its headers nor its body: they hold credentials and phone numbers.
type Submission struct {
	client  *Client
	request *http.Request
	read    Reader
	sent    atomic.Bool
	wire    string
}

// Response is a provider's whole answer.
type Response struct {
	Status int
	Header http.Header
	// Body is empty when Truncated: half an answer proves nothing, so nobody gets to read it.
	Body []byte
	// Truncated is true when the body was cut, by the wire or by the client's limit.
	Truncated bool
	// RetryAfter is the wait that the Retry-After header asks for, at most MaxRetryAfter.
	RetryAfter time.Duration
}

// Reader turns a provider's answer into facts. It is asked before the classifier, because the body
// counts for more than the HTTP status; ok is false when the body says nothing that it understands,
// and then Classify decides.
type Reader func(Response) (answer Answer, ok bool)

// NewSubmission returns the POST of body to target, not sent yet. The body and the header belong to
// the submission from then on. An error is returned when target is not an absolute http(s) URL.
func (c *Client) NewSubmission(
	target string, header http.Header, body []byte, read Reader,
) (*Submission, error) {
	parsed, err := ParseBase(target)
	if err != nil {
		return nil, err
	}
	request := &http.Request{
		Method: http.MethodPost, URL: parsed, Host: parsed.Host, Header: header,
		Proto: "HTTP/1.1", ProtoMajor: 1, ProtoMinor: 1,
		Body: io.NopCloser(bytes.NewReader(body)), ContentLength: int64(len(body)),
		// GetBody stays nil: it is what would let net/http write the request a second time.
	}
	return &Submission{client: c, request: request, read: read}, nil
}

// ParseBase parses an absolute http or https URL. An error is returned for anything else; it does
// not repeat the text, which may hold a password.
func ParseBase(text string) (*url.URL, error) {
	parsed, err := url.Parse(text)
	if err != nil || parsed.Host == "" || (parsed.Scheme != "http" && parsed.Scheme != "https") {
		return nil, errors.New("base URL: want http(s)://host[:port]")
	}
	if parsed.User != nil {
		return nil, errors.New("base URL: a user or password does not belong in it; remove it")
	}
	return parsed, nil
}

// Send writes the request and reads the answer: at most one request on the wire, whatever happens.
// The adapter's reader decides first, then Classify. A second call writes nothing and returns an
// Unknown answer: only the first call knows what became of the request.
func (s *Submission) Send(ctx context.Context) Answer {
	if !s.sent.CompareAndSwap(false, true) {
		return Answer{
			Verdict: airtime.Unknown, Reason: airtime.ReasonSilent,
			Message: "this submission was sent before; nothing was written again",
		}
	}
	var outcome Outcome
	var response Response
	err := effect.Do(ctx, "submission", func() (err error) {
		outcome, response, err = s.client.submit(ctx, s.request)
		return err
	})
	s.wire = outcome.words()
	if response.Truncated {
		s.wire += ", body cut"
	}
	if err != nil {
		answer := Classify(outcome)
		answer.Message = err.Error()
		return answer
	}
	if s.read != nil {
		if answer, ok := s.read(response); ok {
			return answer
		}
	}
	answer := Classify(outcome)
	answer.Message = fmt.Sprintf("HTTP %d", response.Status)
	if response.Truncated {
		answer.Message += ", body cut"
	}
	return answer
}

// Wire says for people how the request of Send ended: "http 200", "timeout", "connection refused";
// empty where nothing is known of it.
func (s *Submission) Wire() string { return s.wire }

// Format prints the host only, for every verb: a log line of a submission leaks nothing.
func (s *Submission) Format(state fmt.State, _ rune) {
	_, _ = fmt.Fprintf(state, "submission to %s", s.request.URL.Host)
}
