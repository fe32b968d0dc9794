package lipad

import (
	"encoding/json"
	"fmt"
	"net/http"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/stretchr/testify/require"

	"tuma/internal/airtime"
	"tuma/internal/providers"
	"tuma/internal/providers/providertest"
)

const (
	testKey    = "consumer-key-7f3a"
	testSecret = "consumer-secret-91bc"
	testToken  = "tok.e-n_42"
)

func TestMain(m *testing.M) { providertest.Main(m) }

func text(s string) func() string { return func() string { return s } }

func newAt(base string, client *providers.Client) *Lipad {
	return New(Options{
		BaseURL: base, Client: client,
		ConsumerKey: text(testKey), ConsumerSecret: text(testSecret),
	})
}

// accepting is Lipad's answer of acceptance to a submission.
func accepting(submission []byte) []byte {
	var sent struct {
		Reference string `json:"reference"`
	}
	if err := json.Unmarshal(submission, &sent); err != nil {
		panic(err)
	}
	return fmt.Appendf(nil, `{"reference":%q,"response_code":720,`+
		`"response_description":"Airtime request has been accepted for processing"}`,
		sent.Reference)
}

func TestConformance(t *testing.T) {
	t.Parallel()
	providertest.Run(t, providertest.Suite{
		New: func(base string, client *providers.Client) providers.Provider {
			return newAt(base, client)
		},
		Path: pathSend,
		Other: func(w http.ResponseWriter, r *http.Request) {
			if r.URL.Path != pathAuth {
				http.NotFound(w, r)
				return
			}
			_, _ = fmt.Fprintf(w, `{"access_token":%q,"expiresIn":3600}`, testToken)
		},
		Accept: func(submission []byte) (int, []byte) { return 200, accepting(submission) },
		Callback: `{"phone_number":"254711000111","amount":10,"service_status":602,` +
			`"external_reference":"da091c64-07d6-4a7c-9a9f-e0134869166c",` +
			`"provider_reference":"2611175","correlation_id":"GHCRODJAPX6I","message":"ok"}`,
		Talk: func(_ []byte, said string) []byte {
			answer, err := json.Marshal(map[string]any{
				"response_code": 721, "response_description": said,
			})
			if err != nil {
				panic(err)
			}
			return answer
		},
		Secrets: []string{testKey, testSecret, testToken},
	})
}

func TestPrepareWritesTheDocumentedRequest(t *testing.T) {
	t.Parallel()
	body, err := appendSend(providertest.TwoRecipients())
	require.NoError(t, err)
	require.Equal(t, `{"reference":"0199a6a4-7c1e-7d2b-8a51-5f2f6f0c1a11","recipients":[`+
		`{"phone_number":"254711000111","amount":"10"},`+
		`{"phone_number":"254722000222","amount":"50.50"}]}`, string(body))

	p := newLipad(t)
	require.Equal(t, airtime.Accepted, p.send(t).Verdict)
	sent := p.sends[0]
	require.Equal(t, http.MethodPost, sent.method)
	require.Equal(t, "/v1/gw/airtime/send", sent.path)
	require.Equal(t, "token-1", sent.header.Get("x-access-token"))
	require.Equal(t, "application/json", sent.header.Get("Content-Type"))
	require.Equal(t, string(body), sent.body)
	auth := p.auths[0]
	require.Equal(t, "/v1/auth", auth.path)
	require.JSONEq(t, `{"consumer_key":"`+testKey+`","consumer_secret":"`+testSecret+`"}`,
		auth.body)
}

func TestPrepareRefusesWhatMustNotReachTheWire(t *testing.T) {
	t.Parallel()
	two := providertest.TwoRecipients
	cases := map[string]func(b *providers.Batch){
		"no id":         func(b *providers.Batch) { b.ID = "" },
		"no recipients": func(b *providers.Batch) { b.Recipients = nil },
		"too many": func(b *providers.Batch) {
			b.Recipients = make([]airtime.Recipient, maxRecipients+1)
		},
		"twice":    func(b *providers.Batch) { b.Recipients[1].Phone = b.Recipients[0].Phone },
		"no phone": func(b *providers.Batch) { b.Recipients[1].Phone = airtime.MSISDN{} },
		"currency": func(b *providers.Batch) { b.Recipients[0].Amount.Currency = "UGX" },
		"zero":     func(b *providers.Batch) { b.Recipients[0].Amount.Minor = 0 },
	}
	for name, spoil := range cases {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			p := newLipad(t)
			batch := two()
			spoil(&batch)
			_, err := p.Prepare(t.Context(), batch)
			var refused *providers.PrepareError
			require.ErrorAs(t, err, &refused)
			require.Equal(t, airtime.ReasonBatchRefused, refused.Reason)
			require.Empty(t, p.auths, "refused before anything is asked")
		})
	}
}

func TestPrepareSaysThatTheBaseURLIsWrong(t *testing.T) {
	t.Parallel()
	client := providertest.NewClient(t)
	for _, base := range []string{
		"", "lipad.example", "ftp://127.0.0.1", "http://u:pw@127.0.0.1:1", ":",
	} {
		_, err := newAt(base, client).Prepare(t.Context(), providertest.TwoRecipients())
		var refused *providers.PrepareError
		require.ErrorAs(t, err, &refused, base)
		require.NotContains(t, err.Error(), "pw")
		_, err = newAt(base, client).Query(t.Context(), providers.Question{BatchID: "x"})
		require.Error(t, err)
	}
}

func TestTheResponseCodeDecidesWhateverTheHTTPStatus(t *testing.T) {
	t.Parallel()
	const ours = "0199a6a4-7c1e-7d2b-8a51-5f2f6f0c1a11"
	cases := []struct {
		body    string
		verdict airtime.Verdict
		reason  airtime.Reason
		message string
	}{
		{`{"response_code":720,"response_description":"ok"}`, airtime.Accepted, "", "ok"},
		{`{"response_code":"720","reference":"` + ours + `"}`, airtime.Accepted, "", ""},
		{` {"response_code":" 720 ","reference":null}`, airtime.Accepted, "", ""},
		{
			`{"response_code":721,"response_description":"Validation Failed"}`, airtime.Refused,
			airtime.ReasonBatchRefused, "Validation Failed",
		},
		{
			`{"response_code":720,"reference":"other"}`, airtime.Unknown,
			airtime.ReasonUnreadable, "the answer names another reference than ours",
		},
		{
			`{"response_code":721,"reference":"other"}`, airtime.Unknown,
			airtime.ReasonUnreadable, "the answer names another reference than ours",
		},
	}
	p := newLipad(t)
	for _, c := range cases {
		for _, status := range []int{200, 201, 202, 400, 401, 404, 422, 429, 500, 503} {
			p.answer(status, c.body)
			got := p.send(t)
			want := providers.Answer{Verdict: c.verdict, Reason: c.reason, Message: c.message}
			require.Empty(t, cmp.Diff(want, got), "HTTP %d %s", status, c.body)
		}
	}
}

func TestAnUnknownResponseCodeIsUnknown(t *testing.T) {
	t.Parallel()
	p := newLipad(t)
	const body = `{"response_code":799,"response_description":"Insufficient float 0711000111"}`
	for status, want := range map[int]airtime.Verdict{
		200: airtime.Unknown, 400: airtime.Unknown, 409: airtime.Unknown, 500: airtime.Unknown,
		401: airtime.Unsent, 429: airtime.Unsent,
	} {
		p.answer(status, body)
		got := p.send(t)
		require.Equal(t, want, got.Verdict, status)
		if status != 401 {
			require.Equal(t, "response_code 799: Insufficient float •••111", got.Message)
		}
	}
}

func TestStatusOfTheDocumentedList(t *testing.T) {
	t.Parallel()
	p := newLipad(t)
	p.reported(200, fixture(t, "status.json"))
	got, err := p.Query(t.Context(), providers.Question{BatchID: batchID})
	require.NoError(t, err)
	want := providers.ProviderStatus{Known: true, Lines: []providers.RecipientStatus{
		{
			Phone: airtime.MSISDNFromE164("254718192689"), Status: airtime.Successful,
			ProviderReference: "2611175", Message: "Airtime request processed successfully",
			Sums: providers.Sums{Amount: airtime.Money{Minor: 10_00, Currency: "KES"}},
		},
		{
			Phone: airtime.MSISDNFromE164("254722000000"), Status: airtime.Failed,
			ProviderReference: "ABC123XYZ", Message: "Invalid phone number",
			Sums: providers.Sums{Amount: airtime.Money{Minor: 50_00, Currency: "KES"}},
		},
	}}
	require.Empty(t, cmp.Diff(want, got, byDigits))
	require.Equal(t, "/v1/gw/airtime/"+batchID+"/status", p.asks[0].path)
	require.Equal(t, "token-1", p.asks[0].header.Get("x-access-token"))
}

func TestStatusIsReadLeniently(t *testing.T) {
	t.Parallel()
	got, err := decodeStatus([]byte(fixture(t, "status_lenient.json")), batchID, testToken)
	require.NoError(t, err)
	line := func(
		digits string, status airtime.Status, ref, message, code string,
	) providers.RecipientStatus {
		return providers.RecipientStatus{
			Phone: airtime.MSISDNFromE164(digits), Status: status,
			ProviderReference: ref, Message: message, Code: code,
		}
	}
	want := providers.ProviderStatus{Known: true, Unmatched: 7, Lines: []providers.RecipientStatus{
		line("254711000001", airtime.Submitted, "12345678901234567890", "", ""),
		line("254711000002", airtime.Processing, "", "", ""),
		line("254711000003", airtime.Jammed, "1.50", "", ""),
		line("254711000004", airtime.Reprocessing, "", "call •••004 now", ""),
		line("254711000005", airtime.Reversed, "", "7", ""),
		line("254711000006", airtime.Refunded, "", "", ""),
		line("254711000007", 0, "xéy", "", "699"),
		line("254711000008", airtime.Successful, "", "later and higher", ""),
	}}
	require.Empty(t, cmp.Diff(want, got, byDigits))
}

func TestStatusOfAnswersThatAreNoList(t *testing.T) {
	t.Parallel()
	p := newLipad(t)
	cases := []struct {
		status int
		body   string
		known  bool
		reason airtime.Reason // Of the error; empty when there is none.
	}{
		{200, `[]`, false, ""},
		{404, ` [] `, false, ""},
		{404, `{"error":"reference not found"}`, false, ""},
		{404, `{"message":"No request with this Reference"}`, false, ""},
		{404, `{"response_code":722,"reference":"` + batchID + `"}`, false, ""},
		// What gateways say in front of Lipad: Kong, Spring, Azure, a page, nothing.
		{404, `{"message":"no Route matched with those values"}`, false, airtime.ReasonUnreadable},
		{
			404, `{"status":404,"error":"Not Found","path":"/v1/gw/airtime/` + batchID + `/status"}`,
			false, airtime.ReasonUnreadable,
		},
		{404, `{"statusCode":404,"message":"Resource not found"}`, false, airtime.ReasonUnreadable},
		{404, `{"message":"not found"}`, false, airtime.ReasonUnreadable},
		{404, ``, false, airtime.ReasonUnreadable},
		{404, `[`, false, airtime.ReasonUnreadable},
		{404, `not found`, false, airtime.ReasonUnreadable},
		{404, ` <html>no route</html>`, false, airtime.ReasonUnreadable},
		{404, `{"response_code":720}`, false, airtime.ReasonUnreadable},
		{404, `{"response_code":722,"reference":"another"}`, false, airtime.ReasonUnreadable},
		{200, ``, false, airtime.ReasonUnreadable},
		{200, `null`, false, airtime.ReasonUnreadable},
		{200, `{"response_code":720}`, false, airtime.ReasonUnreadable},
		{
			200, `{"response_code":799,"response_description":"who?"}`, false,
			airtime.ReasonUnreadable,
		},
		{200, `[{"phone_number":"254711000111"`, false, airtime.ReasonUnreadable},
		{200, `[]]`, false, airtime.ReasonUnreadable},
		{200, `[{"phone_number":"254711000111","service_status":602,` +
			`"external_reference":"other"}]`, true, ""},
		{400, `[]`, false, airtime.ReasonUnreadable},
		{403, `[]`, false, airtime.ReasonCredentials},
		{429, ``, false, airtime.ReasonRateLimited},
		{503, `[]`, false, airtime.ReasonServerError},
	}
	for _, c := range cases {
		p.reported(c.status, c.body)
		got, err := p.Query(t.Context(), providers.Question{BatchID: batchID})
		require.Equal(t, c.known, got.Known, c.body)
		require.Empty(t, got.Lines)
		if c.reason == "" {
			require.NoError(t, err, c.body)
			continue
		}
		var nothing *providers.QueryError
		require.ErrorAs(t, err, &nothing, "HTTP %d %s", c.status, c.body)
		require.Equal(t, c.reason, nothing.Reason)
	}
}

func TestLongTextsAreCut(t *testing.T) {
	t.Parallel()
	long := make([]byte, 500)
	for i := range long {
		long[i] = 'a'
	}
	body := fmt.Sprintf(`[{"phone_number":"254711000111","service_status":%q,`+
		`"provider_reference":%q,"message":%q}]`, long, long, long)
	got, err := decodeStatus([]byte(body), batchID, testToken)
	require.NoError(t, err)
	require.Empty(t, got.Lines[0].ProviderReference, "a part of an id names nobody")
	require.Len(t, got.Lines[0].Message, providers.MaxMessage)
	require.Len(t, got.Lines[0].Code, maxCode)
}

func TestEveryDocumentedStatusIsInTheTable(t *testing.T) {
	t.Parallel()
	require.Len(t, statuses, 8)
	for code := 600; code <= 607; code++ {
		status, ok := statuses[fmt.Sprint(code)]
		require.True(t, ok, code)
		require.True(t, status.Effect(), "every status says that Lipad took it")
	}
}

func TestCapabilities(t *testing.T) {
	t.Parallel()
	got := Capabilities()
	want := providers.Capabilities{
		Name: "lipad", Code: 'L', MaxRecipients: 1000,
		Limits:   map[airtime.Currency]providers.Limit{"KES": {Min: 1000, Max: 1_000_000}},
		Accepted: airtime.Submitted, Asks: providers.AskByBatch, ResendSame: true,
		OverdueAfter: 24 * time.Hour,
	}
	require.Empty(t, cmp.Diff(want, got))
}
