package webhook

import (
	"bytes"
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"strconv"
	"syscall"
	"time"

	"tuma/internal/airtime"
)

const (
	// Timeout bounds one request, from the look-up of the name to the head of the answer.
	Timeout = 10 * time.Second

	maxHeader   = 64 << 10
	maxErr      = 300
	drained     = 4 << 10 // Bytes of an answer that are read, so that its connection is used again.
	idlePerHost = 8
	idleTime    = 30 * time.Second
)

// Outcome is what a request came to; the words are labels of metrics.
type Outcome string

// What it may come to. Whatever is neither Delivered nor Gone is tried again.
const (
	// Delivered: any 2xx.
	Delivered Outcome = "delivered"
	// Gone: 410, the endpoint wants no more.
	Gone Outcome = "gone"
	// Redirected: 3xx, which is never followed.
	Redirected Outcome = "redirect"
	// Refused: any other answer.
	Refused Outcome = "answer"
	// TimedOut: no answer in time.
	TimedOut Outcome = "timeout"
	// Unreachable: no connection, or one that broke.
	Unreachable Outcome = "connection"
	// Forbidden: the name leads to an address that is not allowed.
	Forbidden Outcome = "address"
	// Unsigned: the secret could not be read.
	Unsigned Outcome = "secret"
)

// Outcomes are all of them.
func Outcomes() []Outcome {
	return []Outcome{
		Delivered, Gone, Redirected, Refused, TimedOut, Unreachable, Forbidden, Unsigned,
	}
}

// Answer is what came of a request.
type Answer struct {
	Outcome Outcome
	// Text says it for people: HTTP 500, or why there was no answer. It shows no secret, no number and
	// nothing of what the endpoint wrote.
	Text string
}

// SenderOptions are the settings of a Sender.
type SenderOptions struct {
	// URL is the endpoint's, as ParseURL returns it.
	URL *url.URL
	// Secret returns the text of the secrets as it is now.
	Secret func() string
	// AllowPrivate allows addresses of this machine and of private networks.
	AllowPrivate bool
	// Timeout bounds one request; Timeout when zero.
	Timeout time.Duration
	// TLS is a base configuration, for tests with their own certificate authority.
	TLS *tls.Config
}

// Sender posts to one endpoint. It follows no redirect and uses no proxy; it may be used by many
// goroutines.
type Sender struct {
	options   SenderOptions
	transport *http.Transport
	client    *http.Client
}

// NewSender returns a sender.
func NewSender(o SenderOptions) *Sender {
	if o.Timeout == 0 {
		o.Timeout = Timeout
	}
	s := &Sender{options: o}
	dialer := &net.Dialer{Control: func(_, address string, _ syscall.RawConn) error {
		return check(o.URL, o.AllowPrivate, address)
	}}
	protocols := new(http.Protocols)
	protocols.SetHTTP1(true)
	s.transport = &http.Transport{
		Proxy: nil, Protocols: protocols, DialContext: dialer.DialContext, TLSClientConfig: o.TLS,
		MaxIdleConnsPerHost: idlePerHost, IdleConnTimeout: idleTime, MaxResponseHeaderBytes: maxHeader,
		DisableCompression: true,
	}
	s.client = &http.Client{
		Transport: s.transport,
		CheckRedirect: func(*http.Request, []*http.Request) error {
			return http.ErrUseLastResponse
		},
	}
	return s
}

// Close ends the idle connections.
func (s *Sender) Close() { s.transport.CloseIdleConnections() }

// Timeout is the bound of one request.
func (s *Sender) Timeout() time.Duration { return s.options.Timeout }

// Send posts a body once under an id.
func (s *Sender) Send(ctx context.Context, id string, body []byte) Answer {
	secrets, err := ParseSecrets(s.options.Secret())
	if err != nil {
		return Answer{Unsigned, "secret_file " + err.Error()}
	}
	ctx, cancel := context.WithTimeout(ctx, s.options.Timeout)
	defer cancel()
	request, err := http.NewRequestWithContext(ctx, http.MethodPost, s.options.URL.String(),
		bytes.NewReader(body))
	if err != nil {
		return Answer{Unreachable, "the request could not be made"}
	}
	now := time.Now()
	request.Header.Set("Content-Type", "application/json")
	request.Header.Set("User-Agent", "tuma")
	request.Header.Set(HeaderID, id)
	request.Header.Set(HeaderTimestamp, strconv.FormatInt(now.Unix(), 10))
	request.Header.Set(HeaderSignature, secrets.Sign(id, now, body))
	response, err := s.client.Do(request)
	if err != nil {
		return s.failed(ctx, err)
	}
	// A short answer is read, so that its connection can be used again; its head counts in any case.
	if 0 < response.ContentLength && response.ContentLength <= drained {
		_, _ = io.Copy(io.Discard, response.Body)
	}
	_ = response.Body.Close()
	return answerOf(response.StatusCode)
}

// answerOf says what a status means.
func answerOf(status int) Answer {
	text := fmt.Sprintf("HTTP %d", status)
	switch {
	case status >= 200 && status < 300:
		return Answer{Delivered, text}
	case status == http.StatusGone:
		return Answer{Gone, text + ": the endpoint wants no more"}
	case status >= 300 && status < 400:
		return Answer{Redirected, text + ": redirects are not followed"}
	default:
		return Answer{Refused, text}
	}
}

// failed says why there was no answer. The URL stays out: it may hold what only the producer knows.
func (s *Sender) failed(ctx context.Context, err error) Answer {
	var of *url.Error
	if errors.As(err, &of) {
		err = of.Err
	}
	text := airtime.MaskText(err.Error())
	if len(text) > maxErr {
		text = text[:maxErr]
	}
	var timeout net.Error
	switch {
	case errors.Is(err, ErrAddress):
		return Answer{Forbidden, text}
	case ctx.Err() != nil, errors.As(err, &timeout) && timeout.Timeout():
		return Answer{TimedOut, "no answer within " + s.options.Timeout.String()}
	default:
		return Answer{Unreachable, text}
	}
}
