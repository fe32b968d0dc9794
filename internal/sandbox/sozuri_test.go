package sandbox

import (
	"fmt"
	"net/http"
	"net/url"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

// sozuriSend sends recipients, given as JSON, as the page's samples do.
func (c *client) sozuriSend(recipients string, headers ...string) reply {
	c.t.Helper()
	form := url.Values{"project": {"me"}, "recipients": {recipients}}
	all := append([]string{formType, wantJSON, "Authorization: Bearer key"}, headers...)
	return c.ask("POST", "/api/v1/airtime/topup", form.Encode(), all...)
}

// sozuriLines is the JSON of recipients who get KES 10 each.
func sozuriLines(phones ...string) string {
	lines := make([]string, len(phones))
	for i, phone := range phones {
		lines[i] = fmt.Sprintf(`{"number":%q,"amount":"KES 10"}`, phone)
	}
	return "[" + strings.Join(lines, ",") + "]"
}

const sozuriSample = `{"recipientsCount":2,"totalAmount":21,"totalDiscount":"KES 0.00",
	"responses":[{"number":"254725164293","amount":"KES 10","discount":"KES 0.00","status":"accepted",
		"requestId":%d,"errorMessage":"none"},
	{"number":"254725164293","amount":"KES 11","discount":"KES 0.00","status":"accepted",
		"requestId":%d,"errorMessage":"none"}]}`

// TestSozuriAnswersItsSamples replays the samples of the page; only the ids differ.
func TestSozuriAnswersItsSamples(t *testing.T) {
	t.Parallel()
	c := newClient(t, Options{Faults: calm()})
	both := `[{"number":"+254725164293","amount":"KES 10"},
		{"number":"0725164293","amount":"KES 11"}]`
	php := url.Values{"project": {"Law"}, "recipients": {both}, "apiKey": {"YOUR_PROJECT_API_KEY"}}
	got := c.ask("POST", "/api/v1/airtime/topup", php.Encode(), formType, wantJSON)
	require.Equal(t, http.StatusOK, got.status)
	require.JSONEq(t, fmt.Sprintf(sozuriSample, 4971724, 4971725), got.body)
	require.Equal(t, []string{"request-1 254725164293 2×21.00"}, c.entries())

	raw := "project=Law&recipients=%5B%7B%22number%22%3A%22%2B254725164293%22%2C%22amount%22" +
		"%3A%22KES%2010%22%7D%5D&apiKey=YOUR_PROJECT_API_KEY"
	got = c.ask("POST", "/api/v1/airtime/topup", raw, formType, wantJSON)
	require.Equal(t, http.StatusOK, got.status)
	require.Contains(t, got.body, `"requestId":4971726`)

	got = c.ask("POST", "/api/v1/airtime/topup", `{"project":"Law","recipients":`+both+`}`,
		jsonType, "Authorization: Bearer k")
	require.JSONEq(t, fmt.Sprintf(sozuriSample, 4971727, 4971728), got.body)

	c.changeOne(Sozuri, func(f *Faults) { f.Send.WrongTypes = NextRequests(1) })
	require.JSONEq(t, `{"recipientsCount":"1","totalAmount":"KES 10","totalDiscount":"KES 0.00",
		"responses":[{"number":"254725164293","amount":"KES 10","discount":"KES 0.00",
		"status":"accepted","requestId":"4971729","errorMessage":"none"}]}`,
		c.sozuriSend(sozuriLines("254725164293")).body)
	got = c.sozuriSend(`[{"number":"0725164293","amount":"KES 100.50"}]`)
	require.Contains(t, got.body, `"totalAmount":100.5,`)
	require.Contains(t, got.body, `"amount":"KES 100.50"`)
}

func sozuriRequestError(message string) string {
	return `{"data":{"message":"` + message + `"}}`
}

func TestSozuriRequestErrors(t *testing.T) {
	t.Parallel()
	c := newClient(t, Options{Faults: calm(), Credentials: map[string]string{"me": "key", "k": "s"}})
	send := func(project, recipients, key string) reply {
		form := url.Values{"project": {project}, "recipients": {recipients}, "apiKey": {key}}
		return c.ask("POST", "/api/v1/airtime/topup", form.Encode(), formType)
	}
	good := sozuriLines("254711000000")
	many := sozuriLines(numbers(1001)...)
	for name, row := range map[string]struct {
		got    reply
		status int
		want   string
	}{
		"unknown":   {send("you", good, "key"), 404, "Unknown project."},
		"nobody":    {send("", good, "key"), 404, "Unknown project."},
		"wrong key": {send("me", good, "other"), 401, "Unauthenticated."},
		"no key":    {send("me", good, ""), 401, "Unauthenticated."},
		"bearer":    {c.sozuriSend(good, "Authorization: Bearer x"), 401, "Unauthenticated."},
		"too many":  {send("me", many, "key"), 400, "Error. Exceeded maximum allowed recipients"},
		"none":      {send("me", "[]", "key"), 400, sozuriMismatch},
		"no list":   {send("me", "x", "key"), 400, sozuriMismatch},
	} {
		require.Equal(t, row.status, row.got.status, name)
		require.JSONEq(t, sozuriRequestError(row.want), row.got.body, name)
	}
	got := c.ask("POST", "/api/v1/airtime/topup", "x", "Content-Type: text/plain")
	require.Equal(t, http.StatusBadRequest, got.status)
	c.changeOne(Sozuri, func(f *Faults) { f.RefuseCredentials = true })
	require.Equal(t, http.StatusUnauthorized, c.sozuriSend(good).status)
	require.Empty(t, c.entries())
}

func TestSozuriBadRecipientRefusesTheRequest(t *testing.T) {
	t.Parallel()
	for recipient, want := range map[string]string{
		`{"number":"07110000","amount":"KES 10"}`:        "Invalid recipient number",
		`{"number":"+255711000000","amount":"KES 10"}`:   "Invalid recipient number",
		`{"number":254711000000,"amount":"KES 10"}`:      "Invalid recipient number",
		`{"amount":"KES 10"}`:                            "Invalid recipient number",
		`{"number":"0711000000","amount":"KES 5000.01"}`: sozuriTooMuch,
		`{"number":"0711000000","amount":"KES 9"}`:       sozuriTooLittle,
		`{"number":"0711000000","amount":"10"}`:          sozuriTooLittle,
		`{"number":"0711007777","amount":"KES 10"}`:      "unsupported mobile network",
	} {
		t.Run(recipient, func(t *testing.T) {
			t.Parallel()
			c := newClient(t, Options{Faults: calm()})
			c.changeOne(Sozuri, func(f *Faults) { f.RefuseSuffix, f.Balance = "7777", "9000" })
			envelope := `{"status":"failed","errorMessage":"` + want + `"}`
			batch := `[{"number":"0722000000","amount":"KES 10"},` + recipient +
				`,{"number":"0733000000","amount":"KES 10"}]`
			for _, list := range []string{"[" + recipient + "]", batch} {
				got := c.sozuriSend(list)
				require.Equal(t, http.StatusBadRequest, got.status)
				require.JSONEq(t, envelope, got.body)
			}
			require.Empty(t, c.entries())
			require.Equal(t, 2, c.totals(Sozuri).Batches.Refused)

			c.changeOne(Sozuri, func(f *Faults) { f.HalfProcessed = true })
			got := c.sozuriSend(batch)
			require.Equal(t, http.StatusBadRequest, got.status)
			require.JSONEq(t, envelope, got.body)
			require.Equal(t, map[string]int{"254722000000": 1}, c.paid(), "those before the bad one")
			f, err := c.sim.ProviderFaults(Sozuri)
			require.NoError(t, err)
			require.Equal(t, "8990.00", f.Balance)
		})
	}
}

func TestSozuriFailsAMagicNumberAlone(t *testing.T) {
	t.Parallel()
	c := newClient(t, Options{Faults: calm()})
	got := decode[sozuriAnswer](t, c.sozuriSend(sozuriLines("254715550721", "0722000000")).body)
	require.Equal(t, sozuriLine{
		Number: "254715550721", Amount: "KES 10", Discount: "KES 0.00", Status: "failed",
		ErrorMessage: sozuriFailed,
	}, got.Responses[0])
	require.Equal(t, map[string]int{"254722000000": 1}, c.paid())
}

func TestSozuriNeedsItsFloor(t *testing.T) {
	t.Parallel()
	c := newClient(t, Options{Faults: calm()})
	poor := sozuriRequestError(sozuriPoor)
	for _, row := range []struct {
		balance string
		phones  int
		left    string
		paid    int
	}{
		{"49.99", 1, "49.99", 0},
		{"50", 6, "50", 0},
		{"50", 5, "0.00", 5},
		{"60", 1, "50.00", 1},
	} {
		c.sim.Reset()
		c.changeOne(Sozuri, func(f *Faults) { f.Balance = row.balance })
		got := c.sozuriSend(sozuriLines(numbers(row.phones)...))
		if row.paid == 0 {
			require.Equal(t, http.StatusBadRequest, got.status)
			require.JSONEq(t, poor, got.body)
		}
		require.Len(t, c.paid(), row.paid)
		f, err := c.sim.ProviderFaults(Sozuri)
		require.NoError(t, err)
		require.Equal(t, row.left, f.Balance)
	}
}

func TestSozuriLeavesLinesOut(t *testing.T) {
	t.Parallel()
	c := newClient(t, Options{Faults: calm()})
	c.changeOne(Sozuri, func(f *Faults) { f.MissingLines = NextRequests(1) })
	got := decode[sozuriAnswer](t, c.sozuriSend(sozuriLines(numbers(100)...)).body)
	require.InDelta(t, 100, got.RecipientsCount, 0)
	require.InDelta(t, 50, len(got.Responses), 25)
	require.Len(t, c.paid(), 100)
}
