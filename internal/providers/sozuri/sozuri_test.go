package sozuri

import (
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/stretchr/testify/require"

	"tuma/internal/airtime"
	"tuma/internal/providers"
	"tuma/internal/providers/providertest"
)

const (
	testProject = "Law & Order"
	testAPIKey  = "project-key-7f3a"

	first  = "254711000100"
	second = "254711000101"
	paged  = "254725164293" // The number of the page.
)

// byDigits compares phone numbers in a way that shows which differ: the tests' numbers are
// nobody's.
var byDigits = cmp.Transformer("digits", func(m airtime.MSISDN) string { return m.Digits() })

func TestMain(m *testing.M) { providertest.Main(m) }

func text(s string) func() string { return func() string { return s } }

func newAt(base string, client *providers.Client) *Sozuri {
	return New(Options{
		BaseURL: base, Project: testProject, Client: client, APIKey: text(testAPIKey),
	})
}

// accepting is the answer that accepts those named; ids are numbers and texts by turns.
func accepting(named ...string) string {
	var lines []string
	for _, digits := range named {
		id := "49" + digits[len(digits)-3:]
		if digits[len(digits)-1]%2 == 0 {
			id = `"AIR-` + id + `"`
		}
		lines = append(lines, fmt.Sprintf(`{"number":%q,"amount":"KES 10","discount":"KES 0.00",`+
			`"status":"accepted","requestId":%s,"errorMessage":"none"}`, digits, id))
	}
	return fmt.Sprintf(`{"recipientsCount":%d,"totalAmount":21,"totalDiscount":"KES 0.00",`+
		`"responses":[%s]}`, len(named), strings.Join(lines, ","))
}

// digitsOf lists the numbers of a submission.
func digitsOf(submission []byte) []string {
	form, err := url.ParseQuery(string(submission))
	if err != nil {
		panic(err)
	}
	var recipients []struct{ Number string }
	if err := json.Unmarshal([]byte(form.Get("recipients")), &recipients); err != nil {
		panic(err)
	}
	var named []string
	for _, r := range recipients {
		named = append(named, strings.TrimPrefix(r.Number, "+"))
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
		Talk: func(_ []byte, said string) []byte {
			answer, err := json.Marshal(map[string]any{"data": map[string]string{"message": said}})
			if err != nil {
				panic(err)
			}
			return answer
		},
		Secrets: []string{testAPIKey},
		Lines: func(named []airtime.Recipient) (int, []byte) {
			var digits []string
			for _, r := range named {
				digits = append(digits, r.Phone.Digits())
			}
			return 200, []byte(accepting(digits...))
		},
		Callback: fixture(t, "callback.json"),
	})
}

// Every place of an answer that ends up in a text of ours.
func TestAnswersAreShownWithoutNumbersAndSecrets(t *testing.T) {
	t.Parallel()
	said := "to " + first + " with " + testAPIKey
	for _, body := range []string{
		fmt.Sprintf(`{"data":{"message":%q}}`, said),
		fmt.Sprintf(`{"status":"failed","errorMessage":%q}`, said),
		fmt.Sprintf(`{"responses":[{"number":%q,"errorMessage":%q}]}`, first, said),
		fmt.Sprintf(`{"responses":[{"number":%q,"status":%q}]}`, first, said),
	} {
		shown := fmt.Sprintf("%+v", answered(t, 1, 400, body))
		require.Contains(t, shown, "to •••100 with •••", body)
		require.NotContains(t, shown, first)
		require.NotContains(t, shown, testAPIKey)
	}
}

func fixture(t *testing.T, name string) string {
	t.Helper()
	content, err := os.ReadFile(filepath.Join("testdata", name))
	require.NoError(t, err)
	return string(content)
}

// answered sends recipients to a provider that gives one fixed answer.
func answered(t *testing.T, recipients, status int, body string) providers.Answer {
	t.Helper()
	return answeredBatch(t, providertest.Recipients(recipients), status, body)
}

func answeredBatch(
	t *testing.T, batch providers.Batch, status int, body string,
) providers.Answer {
	t.Helper()
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Retry-After", "3")
		w.WriteHeader(status)
		_, _ = io.WriteString(w, body)
	}))
	defer server.Close()
	submission, err := newAt(server.URL+"/", providertest.NewClient(t)).Prepare(t.Context(), batch)
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
	batch.Recipients[1].Amount.Minor = 100_50
	submission, err := newAt(server.URL, providertest.NewClient(t)).Prepare(t.Context(), batch)
	require.NoError(t, err)
	submission.Send(t.Context())
	require.Equal(t, http.MethodPost, got.Method)
	require.Equal(t, "/api/v1/airtime/topup", got.URL.Path)
	for header, want := range map[string]string{
		"Authorization": "Bearer " + testAPIKey, "Accept": "application/json",
		"Content-Type": "application/x-www-form-urlencoded",
	} {
		require.Equal(t, want, got.Header.Get(header), header)
	}
	require.NotContains(t, string(body), testAPIKey, "the key travels in the header only")
	require.Equal(t, "project=Law+%26+Order&recipients=%5B"+
		"%7B%22number%22%3A%22%2B254711000100%22%2C%22amount%22%3A%22KES+10%22%7D%2C"+
		"%7B%22number%22%3A%22%2B254711000101%22%2C%22amount%22%3A%22KES+100.50%22%7D%5D",
		string(body))
	form, err := url.ParseQuery(string(body))
	require.NoError(t, err)
	require.Equal(t, url.Values{
		"project": {"Law & Order"},
		"recipients": {`[{"number":"+254711000100","amount":"KES 10"},` +
			`{"number":"+254711000101","amount":"KES 100.50"}]`},
	}, form)
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
	for _, base := range []string{"", "sozuri.example", "ftp://127.0.0.1", "http://u:pw@h:1"} {
		_, err := newAt(base, providertest.NewClient(t)).Prepare(t.Context(), batch)
		requirePrepareError(t, err, airtime.ReasonAccountFault, "SOZURI_BASE_URL")
		require.NotContains(t, err.Error(), "pw")
	}
	o := Options{
		BaseURL: "http://127.0.0.1:1", Client: providertest.NewClient(t), APIKey: text(testAPIKey),
	}
	_, err := New(o).Prepare(t.Context(), batch)
	requirePrepareError(t, err, airtime.ReasonAccountFault, "SOZURI_PROJECT")
	o.Project = testProject
	for _, secret := range []string{"", "two words", "line\n", "naïve"} {
		o.APIKey = text(secret)
		_, err := New(o).Prepare(t.Context(), batch)
		requirePrepareError(t, err, airtime.ReasonCredentials, "SOZURI_API_KEY")
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

// The page's sample accepts one number twice, because it was sent twice. We never do: should it
// happen, the first id is kept and the other is shown.
func TestTheSampleOfThePage(t *testing.T) {
	t.Parallel()
	batch := providertest.Recipients(2)
	batch.Recipients[0].Phone = airtime.MSISDNFromE164(paged)
	answer := answeredBatch(t, batch, 200, fixture(t, "page.json"))
	want := providers.Answer{
		Verdict: airtime.Unknown, Reason: airtime.ReasonMissing, Message: "left out of the answer",
		Lines: []providers.Line{{
			Phone: airtime.MSISDNFromE164(paged), Verdict: airtime.Accepted,
			ProviderReference: "4971724", Message: "accepted twice, also as 5015342",
			Sums: providers.Sums{
				Amount: airtime.Money{Minor: 10_00, Currency: "KES"}, Discount: "0",
			},
		}},
	}
	require.Empty(t, cmp.Diff(want, answer, byDigits))
}

func TestCapabilities(t *testing.T) {
	t.Parallel()
	want := providers.Capabilities{
		Name: "sozuri", Code: 'S', MaxRecipients: 1000,
		Limits:   map[airtime.Currency]providers.Limit{"KES": {Min: 1000, Max: 500_000}},
		Networks: []airtime.Network{airtime.Safaricom, airtime.Airtel, airtime.Telkom},
		Accepted: airtime.Submitted, Asks: providers.AskNothing, Callbacks: true,
		RampsUp: true, OverdueAfter: 72 * time.Hour,
	}
	require.Empty(t, cmp.Diff(want, Capabilities()))
}
