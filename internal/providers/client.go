package providers

import (
	"bytes"
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptrace"
	"syscall"
	"time"

	"tuma/internal/airtime"
	"tuma/internal/effect"
)

// The client's bounds.
const (
	// MaxBody is the largest answer read, in bytes: the statuses of 1,000 recipients take a tenth.
	MaxBody = 4 << 20

	maxHeader      = 64 << 10
	maxConnectTime = 10 * time.Second
	idlePerHost    = 16
	idleTime       = 30 * time.Second
	writeBuffer    = 64 << 10 // A request of 1,000 recipients leaves in one write.
	tlsSessions    = 64
)

// ClientOptions are the settings of a client; only Timeout is needed.
type ClientOptions struct {
	// Timeout bounds one request from the dial to the last byte of the answer. It must be positive.
	Timeout time.Duration
	// ConnectTimeout bounds the dial and the TLS handshake together: 10 s or half of Timeout,
	// whichever is less, when zero.
	ConnectTimeout time.Duration
	// TLS is a base configuration, for tests with their own certificate authority. At least TLS 1.2
	// is always asked for.
	TLS *tls.Config
	// Dialer is a base dialer, for tests that must not leave the host.
	Dialer *net.Dialer
	// Now is the clock that Retry-After dates are compared with; time.Now when nil.
	Now func() time.Time
}

// Client carries requests to providers. It follows no redirect, keeps no cookie, uses no proxy, and
// never sends anything twice by itself; it may be used by many goroutines.
//
// Submissions get a fresh connection each. net/http (transport.go, shouldRetryRequest) never
// repeats a request on a connection that was not used before, a nil GetBody forbids it on any
// other, and the gate stops it in any case. Reusing connections would be as safe, but a provider
// that closes an idle connection at the moment of the write would put a thousand recipients in
// doubt; a TLS handshake (resumed where the provider can) costs far less. Questions and tokens are
// harmless to repeat and do reuse connections.
type Client struct {
	timeout     time.Duration
	connectTime time.Duration
	dialer      net.Dialer
	tls         *tls.Config
	now         func() time.Time
	submissions *http.Transport
	questions   *http.Transport
}

// NewClient returns a client. It panics when Timeout is not positive: a request without a bound
// could be on the wire after everybody has stopped looking.
func NewClient(o ClientOptions) *Client {
	if o.Timeout <= 0 {
		panic("providers: ClientOptions.Timeout must be positive")
	}
	c := &Client{timeout: o.Timeout, connectTime: o.ConnectTimeout, now: o.Now}
	if c.now == nil {
		c.now = time.Now
	}
	if c.connectTime <= 0 {
		c.connectTime = min(maxConnectTime, o.Timeout/2)
	}
	if o.Dialer != nil {
		c.dialer = *o.Dialer
	}
	c.dialer.Control = boundUnacknowledged(o.Timeout, c.dialer.Control)
	c.tls = &tls.Config{}
	if o.TLS != nil {
		c.tls = o.TLS.Clone()
	}
	c.tls.MinVersion = max(c.tls.MinVersion, tls.VersionTLS12)
	c.tls.NextProtos = []string{"http/1.1"}
	c.tls.ClientSessionCache = tls.NewLRUClientSessionCache(tlsSessions)
	c.submissions, c.questions = c.transport(), c.transport()
	c.submissions.DisableKeepAlives = true
	c.submissions.DisableCompression = true
	c.submissions.DialContext = c.dialGated
	c.submissions.DialTLSContext = c.dialGatedTLS
	return c
}

// transport returns the settings that both kinds of request share. HTTP/1.1 only: an HTTP/2
// connection is shared and has its own rules of repeating.
func (c *Client) transport() *http.Transport {
	protocols := new(http.Protocols)
	protocols.SetHTTP1(true)
	return &http.Transport{
		Proxy: nil, Protocols: protocols,
		DialContext: c.dial, DialTLSContext: c.dialTLS,
		MaxIdleConnsPerHost: idlePerHost, IdleConnTimeout: idleTime,
		MaxResponseHeaderBytes: maxHeader, WriteBufferSize: writeBuffer,
	}
}

// Close ends the idle connections.
func (c *Client) Close() {
	c.submissions.CloseIdleConnections()
	c.questions.CloseIdleConnections()
}

// Timeout is the bound of one request.
func (c *Client) Timeout() time.Duration { return c.timeout }

// submit writes the request once and reads the answer. The error is nil exactly when the outcome
// is Answered; its text is fit to be shown.
func (c *Client) submit(ctx context.Context, r *http.Request) (Outcome, Response, error) {
	ctx, cancel := context.WithTimeout(ctx, c.timeout)
	defer cancel()
	if err := ctx.Err(); err != nil {
		return Outcome{Progress: TooLate}, Response{}, fmt.Errorf("%w: %w", errGateLate, err)
	}
	deadline, _ := ctx.Deadline()
	g := &gate{deadline: deadline, now: time.Now}
	defer g.finish()
	// The request runs on a context of its own, so that giving up first shuts the gate and only
	// then closes the connection.
	inner, stop := context.WithCancelCause(context.WithoutCancel(ctx))
	defer stop(nil)
	defer context.AfterFunc(ctx, func() {
		g.abandon()
		stop(context.Cause(ctx))
	})()
	response, err := c.submissions.RoundTrip(r.WithContext(armOnConnect(inner, g)))
	if err != nil {
		state := g.seal()
		outcome := Outcome{
			Progress: progress(ctx, state), Refused: errors.Is(err, syscall.ECONNREFUSED),
		}
		return outcome, Response{}, shown(err, state == gateOpen)
	}
	answer := c.readResponse(response)
	return answer.Outcome(), answer, nil
}

// armOnConnect attaches the gate to the connection that the transport chose for the request. That
// is reported before anything is written to it.
func armOnConnect(ctx context.Context, g *gate) context.Context {
	return httptrace.WithClientTrace(ctx, &httptrace.ClientTrace{
		GotConn: func(info httptrace.GotConnInfo) {
			if conn, ok := info.Conn.(*gatedConn); ok && !info.Reused {
				g.attach(conn)
			}
		},
	})
}

// progress tells how far a failed request came.
func progress(ctx context.Context, state gateState) Progress {
	over := ctx.Err() != nil
	switch {
	case state == gateOpen && over:
		return TimedOut
	case state == gateOpen:
		return Broken
	case state == gateLate || over:
		return TooLate
	default:
		return NotConnected
	}
}

// TransportError is returned when a question got no HTTP answer.
type TransportError struct {
	// Reason is ReasonConnect, ReasonTimeout or, when the connection broke, ReasonUnreadable.
	Reason airtime.Reason
	Err    error
}

// Error returns the cause; it holds no secret and no phone number.
func (e *TransportError) Error() string { return e.Err.Error() }

// Unwrap returns the cause.
func (e *TransportError) Unwrap() error { return e.Err }

// shown returns err when its text can be shown. Once a server has our request, net/http may quote
// in an error what the server sent, and that may be our request; only errors of the network are
// sure not to.
func shown(err error, written bool) error {
	if netErr := net.Error(nil); !written || errors.As(err, &netErr) {
		return errors.New(Clean(err.Error()))
	}
	for _, plain := range []error{
		io.ErrUnexpectedEOF, io.EOF, context.Canceled, context.DeadlineExceeded,
	} {
		if errors.Is(err, plain) {
			return fmt.Errorf("no answer: %w", plain)
		}
	}
	return errors.New("no answer that is HTTP")
}

// Ask sends a request that moves no money (a token, a question) and reads the answer, whatever its
// status. It may be repeated by net/http on a connection that was closed meanwhile. A
// *TransportError is returned when there was no answer.
func (c *Client) Ask(ctx context.Context, r *http.Request) (Response, error) {
	ctx, cancel := context.WithTimeout(ctx, c.timeout)
	defer cancel()
	connected := false
	trace := &httptrace.ClientTrace{GotConn: func(httptrace.GotConnInfo) { connected = true }}
	var response Response
	err := effect.Do(ctx, "question", func() error {
		answer, err := c.questions.RoundTrip(r.WithContext(httptrace.WithClientTrace(ctx, trace)))
		if err == nil {
			response = c.readResponse(answer)
		}
		return err
	})
	if err == nil {
		return response, nil
	}
	reason := airtime.ReasonConnect
	switch {
	case ctx.Err() != nil:
		reason = airtime.ReasonTimeout
	case connected:
		reason = airtime.ReasonUnreadable
	}
	return Response{}, &TransportError{Reason: reason, Err: shown(err, connected)}
}

func (c *Client) readResponse(r *http.Response) Response {
	defer r.Body.Close()
	out := Response{
		Status: r.StatusCode, Header: r.Header, RetryAfter: retryAfter(r.Header, c.now()),
	}
	if r.StatusCode == http.StatusSwitchingProtocols { // Its "body" is the connection itself.
		out.Truncated = true
		return out
	}
	var body bytes.Buffer
	if r.ContentLength > 0 && r.ContentLength <= MaxBody {
		body.Grow(int(r.ContentLength) + bytes.MinRead)
	}
	n, err := body.ReadFrom(io.LimitReader(r.Body, MaxBody+1))
	if err != nil || n > MaxBody {
		out.Truncated = true
		return out
	}
	out.Body = unmarked(body.Bytes())
	return out
}

func (c *Client) dial(ctx context.Context, network, address string) (net.Conn, error) {
	ctx, cancel := context.WithTimeout(ctx, c.connectTime)
	defer cancel()
	return c.dialer.DialContext(ctx, network, address)
}

func (c *Client) dialTLS(ctx context.Context, network, address string) (net.Conn, error) {
	conn, _, err := c.handshake(ctx, network, address)
	if err != nil {
		return nil, err
	}
	return conn, nil
}

func (c *Client) dialGated(ctx context.Context, network, address string) (net.Conn, error) {
	conn, err := c.dial(ctx, network, address)
	if err != nil {
		return nil, err
	}
	tcp, _ := conn.(*net.TCPConn)
	return &gatedConn{Conn: conn, tcp: tcp}, nil
}

func (c *Client) dialGatedTLS(ctx context.Context, network, address string) (net.Conn, error) {
	conn, tcp, err := c.handshake(ctx, network, address)
	if err != nil {
		return nil, err
	}
	return &gatedConn{Conn: conn, tcp: tcp}, nil
}

// handshake dials and completes TLS within one connect timeout.
func (c *Client) handshake(
	ctx context.Context, network, address string,
) (*tls.Conn, *net.TCPConn, error) {
	ctx, cancel := context.WithTimeout(ctx, c.connectTime)
	defer cancel()
	raw, err := c.dialer.DialContext(ctx, network, address)
	if err != nil {
		return nil, nil, err
	}
	config := c.tls.Clone()
	if config.ServerName == "" {
		config.ServerName, _, _ = net.SplitHostPort(address)
	}
	conn := tls.Client(raw, config)
	if err := conn.HandshakeContext(ctx); err != nil {
		_ = raw.Close()
		return nil, nil, fmt.Errorf("TLS handshake: %w", err)
	}
	tcp, _ := raw.(*net.TCPConn)
	return conn, tcp, nil
}

// control is the hook that a net.Dialer calls on a socket before it connects.
type control = func(network, address string, raw syscall.RawConn) error

// boundUnacknowledged makes the kernel give up on bytes that the peer has not acknowledged for
// limit, so that a request cannot arrive long after its sender stopped waiting for it.
func boundUnacknowledged(limit time.Duration, next control) control {
	return func(network, address string, raw syscall.RawConn) error {
		if next != nil {
			if err := next(network, address, raw); err != nil {
				return err
			}
		}
		var failed error
		if err := raw.Control(func(fd uintptr) { failed = setUserTimeout(fd, limit) }); err != nil {
			return err
		}
		return failed
	}
}
