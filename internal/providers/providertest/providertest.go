// Package providertest is the conformance suite that every provider adapter passes. It speaks HTTP
// to the adapter over real connections on the loopback and misbehaves in every way the wire allows.
// The rule it enforces: a recipient is Unsent only when surely nothing reached the provider's
// business logic; in every ambiguous case it is Unknown; and one Send is one request on the wire.
package providertest

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/http"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"go.uber.org/goleak"

	"tuma/internal/airtime"
	"tuma/internal/providers"
)

// Suite describes an adapter to the conformance suite. The fields up to Secrets are needed, the
// others where they apply.
type Suite struct {
	// New builds the adapter for a provider at baseURL.
	New func(baseURL string, client *providers.Client) providers.Provider
	// Path is the URL path of a submission.
	Path string
	// Accept returns the answer that accepts every recipient of a submission.
	Accept func(submission []byte) (status int, answer []byte)
	// Talk returns an answer in the provider's own shape that refuses a submission with text.
	Talk func(submission []byte, text string) []byte
	// Secrets are the credentials that New and Other use; none may ever be shown.
	Secrets []string

	// Other answers what is no submission (a token request, for example).
	Other http.HandlerFunc
	// Batch is what is submitted; two Kenyan recipients when empty.
	Batch providers.Batch
	// Lines returns the answer that accepts these recipients, one line each and in this order, of a
	// provider that answers line by line. The id in a line depends on the phone number alone.
	Lines func(named []airtime.Recipient) (status int, answer []byte)
	// TextRefuses reports whether a text/plain body under this HTTP status is the provider's way of
	// saying that it looked at nothing, whatever the text. Nil means that no status is.
	TextRefuses func(status int) bool
	// AskedByRecipient says that questions name the provider's own ids (AskByRecipient): then no
	// answer whatsoever may mean that a batch is not known.
	AskedByRecipient bool
	// Callback and Validation are samples of what a CallbackReader and a ValidationReader read: JSON
	// objects of scalars as the provider sends them.
	Callback, Validation string
}

// Main runs a package's tests and fails when goroutines are left over. Call it from TestMain.
func Main(m *testing.M) { goleak.VerifyTestMain(m) }

// Run runs the whole suite.
func Run(t *testing.T, s Suite) {
	t.Helper()
	if len(s.Batch.Recipients) == 0 {
		s.Batch = TwoRecipients()
	}
	if s.Other == nil {
		s.Other = http.NotFound
	}
	t.Run("normal", func(t *testing.T) { t.Parallel(); runNormal(t, s) })
	t.Run("not connected", func(t *testing.T) { t.Parallel(); runNotConnected(t, s) })
	t.Run("no answer", func(t *testing.T) { t.Parallel(); runNoAnswer(t, s) })
	t.Run("bad answer", func(t *testing.T) { t.Parallel(); runBadAnswer(t, s) })
	t.Run("once", func(t *testing.T) { t.Parallel(); runOnce(t, s) })
	t.Run("leaks", func(t *testing.T) { t.Parallel(); runLeaks(t, s) })
	t.Run("query", func(t *testing.T) { t.Parallel(); runQuery(t, s) })
	if s.Lines != nil {
		t.Run("lines", func(t *testing.T) { t.Parallel(); runLines(t, s) })
	}
	t.Run("callbacks", func(t *testing.T) { t.Parallel(); runCallbacks(t, s) })
}

// TwoRecipients is a batch of two Kenyan numbers, KES 10 and KES 50.50.
func TwoRecipients() providers.Batch {
	return providers.Batch{
		ID: "0199a6a4-7c1e-7d2b-8a51-5f2f6f0c1a11",
		Recipients: []airtime.Recipient{
			{
				Phone:  airtime.MSISDNFromE164("254711000111"),
				Amount: airtime.Money{Minor: 10_00, Currency: "KES"},
			},
			{
				Phone:  airtime.MSISDNFromE164("254722000222"),
				Amount: airtime.Money{Minor: 50_50, Currency: "KES"},
			},
		},
	}
}

// LocalDialer returns a dialer that reaches the loopback only: it refuses any other address and
// answers no name lookup.
func LocalDialer() *net.Dialer {
	return &net.Dialer{
		Control: func(_, address string, _ syscall.RawConn) error {
			host, _, err := net.SplitHostPort(address)
			if ip := net.ParseIP(host); err != nil || ip == nil || !ip.IsLoopback() {
				return fmt.Errorf("test: %s is not on the loopback", address)
			}
			return nil
		},
		Resolver: &net.Resolver{
			PreferGo: true,
			Dial: func(context.Context, string, string) (net.Conn, error) {
				return nil, errors.New("test: no name lookups")
			},
		},
	}
}

// NewClient returns a client for tests that cannot leave the host; change may alter its options.
func NewClient(t *testing.T, change ...func(*providers.ClientOptions)) *providers.Client {
	t.Helper()
	options := providers.ClientOptions{Timeout: 10 * time.Second, Dialer: LocalDialer()}
	for _, f := range change {
		f(&options)
	}
	client := providers.NewClient(options)
	t.Cleanup(client.Close)
	return client
}

// VerdictOf returns what an answer means for a recipient.
func VerdictOf(answer providers.Answer, phone airtime.MSISDN) airtime.Verdict {
	for _, line := range answer.Lines {
		if line.Phone == phone {
			return line.Verdict
		}
	}
	return answer.Verdict
}

// requireVerdict checks that the answer means want for every recipient of the suite's batch.
func (h *harness) requireVerdict(
	t *testing.T, want airtime.Verdict, answer providers.Answer, why ...any,
) {
	t.Helper()
	for _, r := range h.suite.Batch.Recipients {
		require.Equal(t, want.String(), VerdictOf(answer, r.Phone).String(),
			fmt.Sprint(why...), " ", answer)
	}
}

// requireUnsent checks a first hand-over that failed before the wire: either Prepare said so or
// the answer does.
func (h *harness) requireUnsent(t *testing.T) providers.Answer {
	t.Helper()
	submission, err := h.provider.Prepare(t.Context(), h.suite.Batch)
	if err != nil {
		var refused *providers.PrepareError
		require.ErrorAs(t, err, &refused)
		require.NotEmpty(t, refused.Reason)
		h.requireNoLeak(t, err.Error())
		return providers.Answer{Verdict: airtime.Unsent, Reason: refused.Reason}
	}
	answer := submission.Send(t.Context())
	h.requireVerdict(t, airtime.Unsent, answer)
	h.requireNoLeak(t, answer.Message)
	return answer
}
