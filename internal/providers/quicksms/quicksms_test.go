package quicksms

import (
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/stretchr/testify/require"

	"tuma/internal/airtime"
	"tuma/internal/providers"
	"tuma/internal/providers/providertest"
)

const (
	testKey   = "app-key-7f3a"
	testToken = "app-token-91bc"

	first  = "254711000100"
	second = "254711000101"
)

// byDigits compares phone numbers in a way that shows which differ: the tests' numbers are
// nobody's.
var byDigits = cmp.Transformer("digits", func(m airtime.MSISDN) string { return m.Digits() })

func TestMain(m *testing.M) { providertest.Main(m) }

func text(s string) func() string { return func() string { return s } }

func newAt(base string, client *providers.Client) *QuickSMS {
	return New(Options{
		BaseURL: base, Client: client, AppKey: text(testKey), AppToken: text(testToken),
	})
}

// requestID is the id that the tests' provider gives to a number.
func requestID(digits string) string { return "10" + digits[len(digits)-3:] }

// accepting is the answer that accepts those named.
func accepting(named ...string) string {
	var lines []string
	for _, digits := range named {
		lines = append(lines, fmt.Sprintf(`{"recipient":%q,"amount":10,"code":201,"discount":0.4,`+
			`"message":"queued for disbursal","request_id":%s}`, digits, requestID(digits)))
	}
	return fmt.Sprintf(`{"code":200,"message":"Total:%d Success:%d Failed:0","results":[%s]}`,
		len(named), len(named), strings.Join(lines, ","))
}

// digitsOf lists the numbers of a submission.
func digitsOf(submission []byte) []string {
	var sent struct {
		Recipients []struct{ Recipient string }
	}
	if err := json.Unmarshal(submission, &sent); err != nil {
		panic(err)
	}
	var named []string
	for _, r := range sent.Recipients {
		named = append(named, r.Recipient)
	}
	return named
}

func TestConformance(t *testing.T) {
	t.Parallel()
	providertest.Run(t, providertest.Suite{
		New: func(base string, client *providers.Client) providers.Provider {
			return newAt(base, client)
		},
		Path: pathSend,
		Accept: func(submission []byte) (int, []byte) {
			return 200, []byte(accepting(digitsOf(submission)...))
		},
		Talk: func(submission []byte, said string) []byte {
			var results []any
			for _, digits := range digitsOf(submission) {
				results = append(results,
					map[string]any{"recipient": digits, "code": 400, "message": said})
			}
			answer, err := json.Marshal(map[string]any{"message": said, "results": results})
			if err != nil {
				panic(err)
			}
			return answer
		},
		Secrets: []string{testKey, testToken},
		Batch:   providertest.Recipients(2), // Whole shillings only.
		Lines: func(named []airtime.Recipient) (int, []byte) {
			var digits []string
			for _, r := range named {
				digits = append(digits, r.Phone.Digits())
			}
			return 200, []byte(accepting(digits...))
		},
		// The platform's errors are JSON or plain text, and come before any recipient is looked at.
		TextRefuses: func(status int) bool {
			return status >= 400 && status <= 499 &&
				status != 408 && status != 409 && status != 425
		},
	})
}

// answered sends two recipients to a provider that gives one fixed answer.
func answered(t *testing.T, status int, body string) providers.Answer {
	t.Helper()
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Retry-After", "3")
		w.WriteHeader(status)
		_, _ = io.WriteString(w, body)
	}))
	defer server.Close()
	submission, err := newAt(server.URL+"/", providertest.NewClient(t)).
		Prepare(t.Context(), providertest.Recipients(2))
	require.NoError(t, err)
	answer := submission.Send(t.Context())
	answer.RetryAfter = 0
	return answer
}

func TestPrepareWritesTheDocumentedRequest(t *testing.T) {
	t.Parallel()
	var got *http.Request
	var body []byte
	server := httptest.NewServer(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
		got = r
		body, _ = io.ReadAll(r.Body)
	}))
	defer server.Close()
	batch := providertest.Recipients(2)
	batch.Recipients[1].Amount.Minor = 10_000_00
	submission, err := newAt(server.URL, providertest.NewClient(t)).Prepare(t.Context(), batch)
	require.NoError(t, err)
	submission.Send(t.Context())
	require.Equal(t, `{"recipients":[{"recipient":"254711000100","amount":10},`+
		`{"recipient":"254711000101","amount":10000}]}`, string(body))
	require.Equal(t, http.MethodPost, got.Method)
	require.Equal(t, "/api/v3/airtime/send", got.URL.Path)
	for header, want := range map[string]string{
		"App-Key": testKey, "App-Token": testToken,
		"Content-Type": "application/json", "Accept": "application/json",
	} {
		require.Equal(t, want, got.Header.Get(header), header)
	}
}

func TestPrepareRefusesWhatMustNotReachTheWire(t *testing.T) {
	t.Parallel()
	cases := map[string]func(b *providers.Batch){
		"the id is empty": func(b *providers.Batch) { b.ID = "" },
		"0 recipients":    func(b *providers.Batch) { b.Recipients = nil },
		"1001 recipients": func(b *providers.Batch) { *b = providertest.Recipients(1001) },
		"recipients[1].phone_number: twice": func(b *providers.Batch) {
			b.Recipients[1].Phone = b.Recipients[0].Phone
		},
		"recipients[1].phone_number: missing": func(b *providers.Batch) {
			b.Recipients[1].Phone = airtime.MSISDN{}
		},
		"recipients[0].currency": func(b *providers.Batch) { b.Recipients[0].Amount.Currency = "UGX" },
		"recipients[0].amount":   func(b *providers.Batch) { b.Recipients[0].Amount.Minor = 0 },
		"whole shillings":        func(b *providers.Batch) { b.Recipients[0].Amount.Minor = 10_50 },
	}
	for want, spoil := range cases {
		batch := providertest.Recipients(2)
		spoil(&batch)
		_, err := newAt("http://127.0.0.1:1", providertest.NewClient(t)).Prepare(t.Context(), batch)
		requirePrepareError(t, err, airtime.ReasonBatchRefused, want)
	}
}

func TestPrepareSaysWhichSettingIsWrong(t *testing.T) {
	t.Parallel()
	batch := providertest.Recipients(1)
	for _, base := range []string{"", "quicksms.example", "ftp://127.0.0.1", "http://u:pw@h:1"} {
		_, err := newAt(base, providertest.NewClient(t)).Prepare(t.Context(), batch)
		requirePrepareError(t, err, airtime.ReasonAccountFault, "QUICKSMS_BASE_URL")
		require.NotContains(t, err.Error(), "pw")
	}
	for _, secret := range []string{"", "two words", "line\n", "naïve"} {
		o := Options{
			BaseURL: "http://127.0.0.1:1", Client: providertest.NewClient(t),
			AppKey: text(testKey), AppToken: text(secret),
		}
		_, err := New(o).Prepare(t.Context(), batch)
		requirePrepareError(t, err, airtime.ReasonCredentials, "QUICKSMS_APP_TOKEN")
		o.AppKey, o.AppToken = o.AppToken, o.AppKey
		_, err = New(o).Prepare(t.Context(), batch)
		requirePrepareError(t, err, airtime.ReasonCredentials, "QUICKSMS_APP_KEY")
		if secret != "" {
			require.NotContains(t, err.Error(), secret)
		}
	}
}

func requirePrepareError(t *testing.T, err error, reason airtime.Reason, want string) {
	t.Helper()
	var refused *providers.PrepareError
	require.ErrorAs(t, err, &refused, want)
	require.Equal(t, reason, refused.Reason, want)
	require.ErrorContains(t, err, want)
}

// The page masks its numbers: with real ones in their place everybody is accepted, although the
// total speaks of one recipient; as it stands the answer names nobody.
func TestTheSampleOfThePage(t *testing.T) {
	t.Parallel()
	page, err := os.ReadFile("testdata/page.json")
	require.NoError(t, err)
	sample := strings.Replace(string(page), "2547XXXXXXXX", second, 1)
	sample = strings.Replace(sample, "2547XXXXXXXX", first, 1)
	line := func(digits, id string) providers.Line {
		return providers.Line{
			Phone: airtime.MSISDNFromE164(digits), Verdict: airtime.Accepted,
			ProviderReference: id, Message: "queued for disbursal",
			Sums: providers.Sums{
				Amount: airtime.Money{Minor: 100_00, Currency: "KES"}, Discount: "0.4",
			},
		}
	}
	want := providers.Answer{
		Verdict: airtime.Unknown, Reason: airtime.ReasonMissing,
		Message: "left out of the answer: Total:1 Success:1 Failed:0",
		Lines:   []providers.Line{line(second, "10990"), line(first, "10991")},
	}
	require.Empty(t, cmp.Diff(want, answered(t, 200, sample), byDigits))

	want.Lines = nil
	require.Empty(t, cmp.Diff(want, answered(t, 200, string(page)), byDigits))
}

func TestCapabilities(t *testing.T) {
	t.Parallel()
	want := providers.Capabilities{
		Name: "quicksms", Code: 'Q', MaxRecipients: 1000, WholeUnits: true,
		Limits:   map[airtime.Currency]providers.Limit{"KES": {Min: 1000, Max: 1_000_000}},
		Accepted: airtime.Unconfirmed, Asks: providers.AskNothing,
		RampsUp: true,
	}
	require.Empty(t, cmp.Diff(want, Capabilities()))
}
