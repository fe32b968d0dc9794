package lipad

import (
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/stretchr/testify/require"

	"tuma/internal/airtime"
	"tuma/internal/providers"
	"tuma/internal/providers/providertest"
)

const batchID = "0199a6a4-7c1e-7d2b-8a51-5f2f6f0c1a11"

// byDigits compares phone numbers in a way that shows which differ: the tests' numbers are
// nobody's.
var byDigits = cmp.Transformer("digits", func(m airtime.MSISDN) string { return m.Digits() })

// received is one request as the server saw it.
type received struct {
	method, path, body string
	header             http.Header
}

// lipadServer is an adapter with a provider that issues token-1, token-2 and so on and does as
// told.
type lipadServer struct {
	*Lipad
	clock *clock

	mu                 sync.Mutex
	auths, sends, asks []received
	authReply          func(n int) (status int, body string) // n counts from 1.
	sendReply          func(token, body string) (status int, answer string)
	askReply           func(token string) (status int, answer string)
	authGate           chan struct{} // When set, token requests wait for it.
}

// clock is a clock that tests advance.
type clock struct {
	mu sync.Mutex
	at time.Time
}

func (c *clock) now() time.Time {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.at
}

func (c *clock) advance(d time.Duration) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.at = c.at.Add(d)
}

func newLipad(t *testing.T) *lipadServer {
	t.Helper()
	p := &lipadServer{clock: &clock{at: time.Now()}}
	p.authReply = func(n int) (int, string) {
		return 200, fmt.Sprintf(`{"access_token":"token-%d","expiresIn":3600}`, n)
	}
	p.sendReply = func(_, body string) (int, string) { return 200, string(accepting([]byte(body))) }
	p.askReply = func(string) (int, string) { return 200, `[]` }
	server := httptest.NewServer(p)
	t.Cleanup(server.Close)
	client := providertest.NewClient(t)
	t.Cleanup(client.Close)
	p.Lipad = New(Options{
		BaseURL: server.URL + "/", Client: client, Now: p.clock.now,
		ConsumerKey: text(testKey), ConsumerSecret: text(testSecret),
	})
	return p
}

// ServeHTTP records the request and answers as told.
func (p *lipadServer) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	body, _ := io.ReadAll(r.Body)
	seen := received{method: r.Method, path: r.URL.Path, body: string(body), header: r.Header}
	token := r.Header.Get(headerToken)
	if r.URL.Path == pathAuth && p.authGate != nil {
		<-p.authGate
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	var status int
	var answer string
	switch r.URL.Path {
	case pathAuth:
		p.auths = append(p.auths, seen)
		status, answer = p.authReply(len(p.auths))
	case pathSend:
		p.sends = append(p.sends, seen)
		status, answer = p.sendReply(token, string(body))
	default:
		p.asks = append(p.asks, seen)
		status, answer = p.askReply(token)
	}
	w.Header().Set("Retry-After", "3")
	w.WriteHeader(status)
	if status != http.StatusNoContent {
		_, _ = io.WriteString(w, answer)
	}
}

// answer fixes what sends are answered with.
func (p *lipadServer) answer(status int, body string) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.sendReply = func(string, string) (int, string) { return status, body }
}

// reported fixes what questions are answered with.
func (p *lipadServer) reported(status int, body string) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.askReply = func(string) (int, string) { return status, body }
}

// revoke makes the server refuse every token but those named.
func (p *lipadServer) revoke(status int, good ...string) {
	p.mu.Lock()
	defer p.mu.Unlock()
	let := func(token string) bool {
		for _, g := range good {
			if g == token {
				return true
			}
		}
		return false
	}
	p.sendReply = func(token, body string) (int, string) {
		if !let(token) {
			return status, `{"message":"invalid token"}`
		}
		return 200, string(accepting([]byte(body)))
	}
	p.askReply = func(token string) (int, string) {
		if !let(token) {
			return status, `{"message":"invalid token"}`
		}
		return 200, `[]`
	}
}

// send prepares and sends two recipients. The server's Retry-After is left out of the answer.
func (p *lipadServer) send(t *testing.T) providers.Answer {
	t.Helper()
	submission, err := p.Prepare(t.Context(), providertest.TwoRecipients())
	require.NoError(t, err)
	answer := submission.Send(t.Context())
	answer.RetryAfter = 0
	return answer
}

func (p *lipadServer) authCount() int {
	p.mu.Lock()
	defer p.mu.Unlock()
	return len(p.auths)
}

func fixture(tb testing.TB, name string) string {
	tb.Helper()
	text, err := os.ReadFile(filepath.Join("testdata", name))
	require.NoError(tb, err)
	return string(text)
}

// BenchmarkDecodeStatus reads the status of 1,000 recipients.
func BenchmarkDecodeStatus(b *testing.B) {
	var body strings.Builder
	for i := range 1000 {
		_, _ = fmt.Fprintf(&body, `,{"phone_number":"254711%06d","amount":10,"service_status":602,`+
			`"external_reference":%q,"provider_reference":"%d","correlation_id":"GHCRODJAPX6I",`+
			`"message":"Airtime request processed successfully"}`, i, batchID, 2611175+i)
	}
	text := []byte("[" + body.String()[1:] + "]")
	b.SetBytes(int64(len(text)))
	b.ReportAllocs()
	for b.Loop() {
		reported, err := decodeStatus(text, batchID, testToken)
		if err != nil || len(reported.Lines) != 1000 {
			b.Fatal(err, len(reported.Lines))
		}
	}
}

// BenchmarkEncodeSend writes the request of 1,000 recipients.
func BenchmarkEncodeSend(b *testing.B) {
	batch := providers.Batch{ID: batchID}
	for i := range 1000 {
		batch.Recipients = append(batch.Recipients, airtime.Recipient{
			Phone:  airtime.MSISDNFromE164(fmt.Sprintf("254711%06d", i)),
			Amount: airtime.Money{Minor: 10_50, Currency: "KES"},
		})
	}
	b.ReportAllocs()
	for b.Loop() {
		if _, err := appendSend(batch); err != nil {
			b.Fatal(err)
		}
	}
}
