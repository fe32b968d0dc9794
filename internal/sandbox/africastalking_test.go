package sandbox

import (
	"encoding/xml"
	"fmt"
	"net/http"
	"net/url"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

const (
	jsonType = "Content-Type: application/json"
	formType = "Content-Type: application/x-www-form-urlencoded"
	wantJSON = "Accept: application/json"
)

// atSend sends recipients, given as JSON, as the official clients do.
func (c *client) atSend(recipients string, headers ...string) reply {
	c.t.Helper()
	form := url.Values{"username": {"me"}, "recipients": {recipients}}
	all := append([]string{formType, wantJSON, "apiKey: key"}, headers...)
	return c.ask("POST", "/version1/airtime/send", form.Encode(), all...)
}

// atList is the JSON of recipients who get KES 10 each.
func atList(phones ...string) string {
	lines := make([]string, len(phones))
	for i, phone := range phones {
		lines[i] = fmt.Sprintf(`{"phoneNumber":"+%s","amount":"KES 10"}`, phone)
	}
	return "[" + strings.Join(lines, ",") + "]"
}

// atSaid is the answer to a send as a client reads it.
type atSaid struct {
	ErrorMessage, TotalAmount, TotalDiscount string
	NumSent                                  int
	Responses                                []struct {
		PhoneNumber, Amount, Discount, Status, RequestID, ErrorMessage string
	}
}

func (c *client) atSent(recipients string, headers ...string) atSaid {
	c.t.Helper()
	got := c.atSend(recipients, headers...)
	require.NoError(c.t, got.err)
	require.Equal(c.t, http.StatusCreated, got.status, got.body)
	return decode[atSaid](c.t, got.body)
}

func (c *client) atQuery(id string) reply {
	c.t.Helper()
	return c.ask("GET", "/query/transaction/find?username=me&transactionId="+id, "",
		"apiKey: key", wantJSON)
}

func TestAfricasTalkingAnswersAsRecorded(t *testing.T) {
	t.Parallel()
	c := newClient(t, Options{Faults: calm()})
	got := c.atSend(`[{"phoneNumber":"+254711000001","amount":"KES 690"},
		{"phoneNumber":"+254711000002","amount":"KES 5"},
		{"phoneNumber":"+254711000003","amount":"KES 38.67"},
		{"phoneNumber":"+254711000004","amount":"KES 1000"}]`, "Idempotency-Key: batch-1")
	require.Equal(t, http.StatusCreated, got.status)
	require.Equal(t, "application/json", got.header.Get("Content-Type"), "exactly, no charset")
	first := "ATQid_" + got.body[strings.Index(got.body, "ATQid_")+len("ATQid_"):][:32]
	require.Regexp(t, `^ATQid_[0-9a-f]{32}$`, first)
	ids := c.atIDs()
	require.JSONEq(t, `{"errorMessage":"None","numSent":3,"totalAmount":"KES 1728.6700",
		"totalDiscount":"KES 69.1400","responses":[
		{"amount":"KES 1000.0000","discount":"KES 40.0000","errorMessage":"None",
			"phoneNumber":"+254711000004","requestId":"`+ids["254711000004"]+`","status":"Sent"},
		{"amount":"KES 38.6700","discount":"KES 1.5400","errorMessage":"None",
			"phoneNumber":"+254711000003","requestId":"`+ids["254711000003"]+`","status":"Sent"},
		{"amount":"KES 690.0000","discount":"KES 27.6000","errorMessage":"None",
			"phoneNumber":"+254711000001","requestId":"`+ids["254711000001"]+`","status":"Sent"},
		{"amount":"KES 5.0000","discount":"0","errorMessage":"Value Outside The Allowed Limits",
			"phoneNumber":"+254711000002","requestId":"None","status":"Failed"}]}`, got.body)
	require.Equal(t, []string{
		"batch-1 254711000001 1×690.00", "batch-1 254711000003 1×38.67",
		"batch-1 254711000004 1×1000.00",
	}, c.entries())
}

// atIDs are the ids of the ledger by phone number.
func (c *client) atIDs() map[string]string {
	ids := map[string]string{}
	for e := range c.sim.Ledger().Entries() {
		ids[e.PhoneNumber] = e.RequestID
	}
	return ids
}

// TestAfricasTalkingTakesTheOfficialClientsBytes replays what the npm client sends, and JSON.
func TestAfricasTalkingTakesTheOfficialClientsBytes(t *testing.T) {
	t.Parallel()
	c := newClient(t, Options{Faults: calm()})
	npm := "recipients=%5B%7B%22phoneNumber%22%3A%22%2B254711000001%22%2C%22amount%22%3A%22KES+10.5" +
		"%22%7D%5D&maxNumRetry=2&username=sandbox"
	got := c.ask("POST", "/version1/airtime/send", npm, formType, "apikey: k",
		"accept: application/json", "idempotency-key: a")
	require.Equal(t, 1, decode[atSaid](t, got.body).NumSent, got.body)
	got = c.ask("POST", "/version1/airtime/send", `{"username":"sandbox","maxNumRetry":2,
		"recipients":[{"phoneNumber":"+254711000001","amount":"KES 10.5"}]}`, jsonType,
		"Apikey: k", wantJSON, "Idempotency-Key: b")
	require.Equal(t, 1, decode[atSaid](t, got.body).NumSent, got.body)
	require.Equal(t, []string{"a 254711000001 1×10.50", "b 254711000001 1×10.50"}, c.entries())
}

func TestAfricasTalkingAnswersXMLUnlessAskedForJSON(t *testing.T) {
	t.Parallel()
	c := newClient(t, Options{Faults: calm()})
	for key, accept := range map[string]string{"a": "*/*", "b": "application/xml", "c": ""} {
		got := c.atSend(atList("254711000000"), "Accept: "+accept, "Idempotency-Key: "+key)
		require.Equal(t, http.StatusCreated, got.status)
		require.Equal(t, "application/xml", got.header.Get("Content-Type"))
		require.True(t, strings.HasPrefix(got.body, `<?xml version="1.0"?>`), got.body)
		require.Contains(t, got.body, "<totalAmount>KES 10.0000</totalAmount>")
		require.NoError(t, xml.Unmarshal([]byte(got.body), new(atAnswer)))
	}
}

func TestAfricasTalkingCredentials(t *testing.T) {
	t.Parallel()
	c := newClient(t, Options{Faults: calm(), Credentials: map[string]string{"me": "key", "k": "s"}})
	refused := func(got reply) {
		t.Helper()
		require.Equal(t, http.StatusUnauthorized, got.status)
		require.Equal(t, "text/plain; charset=UTF-8", got.header.Get("Content-Type"))
		require.Equal(t, "The supplied authentication is invalid", got.body)
	}
	refused(c.atSend(atList("254711000000"), "apiKey: other"))
	refused(c.atSend(atList("254711000000"), "apiKey: "))
	refused(c.ask("GET", "/query/transaction/find?username=you&transactionId=x", "", "apiKey: key"))
	refused(c.ask("GET", "/version1/user?username=me", "", "apiKey: s"))
	require.Equal(t, 1, c.atSent(atList("254711000000")).NumSent)

	c.changeOne(AfricasTalking, func(f *Faults) { f.RefuseCredentials = true })
	refused(c.atSend(atList("254711000001")))
	c.changeOne(AfricasTalking, func(f *Faults) { f.RefuseCredentials, f.Secret = false, "new" })
	refused(c.atSend(atList("254711000001")))
	require.Equal(t, 1, c.atSent(atList("254711000001"), "apiKey: new").NumSent)
	require.Len(t, c.paid(), 2)
}

func TestAfricasTalkingRefusesBadRequestsInPlainText(t *testing.T) {
	t.Parallel()
	c := newClient(t, Options{Faults: calm()})
	for body, want := range map[string]string{
		"recipients=%5B%5D":          "missing required form field 'username'",
		"username=me":                "missing required form field 'recipients'",
		"username=me&recipients=x":   "malformed",
		"username=me&recipients=%7B": "malformed",
		"username=%zz":               "malformed",
	} {
		got := c.ask("POST", "/version1/airtime/send", body, formType, "apiKey: k", wantJSON)
		require.Equal(t, http.StatusBadRequest, got.status, body)
		require.Contains(t, got.header.Get("Content-Type"), "text/plain")
		require.Contains(t, got.body, want)
	}
	for _, kind := range []string{"text/plain", ""} {
		got := c.ask("POST", "/version1/airtime/send", "x", "Content-Type: "+kind, "apiKey: k")
		require.Equal(t, http.StatusBadRequest, got.status)
	}
	require.Empty(t, c.entries())
	require.Equal(t, 7, c.totals(AfricasTalking).Batches.Refused)
}

func TestAfricasTalkingFailsBadRecipientsAlone(t *testing.T) {
	t.Parallel()
	c := newClient(t, Options{Faults: calm()})
	c.changeOne(AfricasTalking, func(f *Faults) { f.RefuseSuffix = "7777" })
	for recipient, want := range map[string]string{
		`{"phoneNumber":{},"amount":"KES 10"}`:                 "InvalidPhoneNumber",
		`{"phoneNumber":254711000000,"amount":"KES 10"}`:       "InvalidPhoneNumber",
		`{"phoneNumber":null,"amount":"KES 10"}`:               "InvalidPhoneNumber",
		`{"amount":"KES 10"}`:                                  "InvalidPhoneNumber",
		`{"phoneNumber":"254711000000","amount":"KES 10"}`:     "InvalidPhoneNumber",
		`{"phoneNumber":"+25571","amount":"KES 10"}`:           "InvalidPhoneNumber",
		`{"phoneNumber":"+254711000000","amount":"KES 9.99"}`:  atLimits,
		`{"phoneNumber":"+254711000000","amount":"KES 10001"}`: atLimits,
		`{"phoneNumber":"+254711000000","amount":"USD 10"}`:    atLimits,
		`{"phoneNumber":"+254711000000","amount":10}`:          atLimits,
		`{"phoneNumber":"+254711000000"}`:                      atLimits,
		`{"phoneNumber":"+254711007777","amount":"KES 10"}`:    "UserNotFound",
		`{"phoneNumber":"+254715550721","amount":"KES 10"}`:    "UserNotFound",
	} {
		got := c.atSent("[" + recipient + "]")
		require.Equal(t, "Invalid Requests", got.ErrorMessage, recipient)
		require.Equal(t, "0", got.TotalAmount)
		require.Zero(t, got.NumSent)
		require.Len(t, got.Responses, 1)
		require.Equal(t, []string{"Failed", "None", want}, []string{
			got.Responses[0].Status, got.Responses[0].RequestID, got.Responses[0].ErrorMessage,
		}, recipient)
		mixed := c.atSent("["+recipient+","+atList("254722000000")[1:], "Idempotency-Key: "+recipient)
		require.Equal(t, "None", mixed.ErrorMessage)
		require.Equal(t, 1, mixed.NumSent)
		require.Equal(t, "Sent", mixed.Responses[0].Status, "failed lines come last")
	}
	require.Len(t, c.paid(), 1)
}

func TestAfricasTalkingRefusesARepeatedKeyAndPaysAgainAfterTheWindow(t *testing.T) {
	t.Parallel()
	clock := newTestClock()
	c := newClient(t, Options{Faults: calm(), Now: clock.now})
	for name, header := range map[string]string{"key": "Idempotency-Key: k", "body": "X-None: x"} {
		c.sim.Reset()
		clock.set(newTestClock().now())
		first := c.atSent(atList("254711000000"), header)
		require.Equal(t, 1, first.NumSent, name)
		clock.advance(5*time.Minute - 1)
		got := c.atSend(atList("254711000000"), header)
		require.Equal(t, http.StatusCreated, got.status)
		require.JSONEq(t, `{"errorMessage":"A duplicate request was received within the last 5 minutes",
			"numSent":0,"totalAmount":"0","totalDiscount":"0","responses":[]}`, got.body)
		require.Equal(t, map[string]int{"254711000000": 1}, c.paid())

		clock.advance(1)
		again := c.atSent(atList("254711000000"), header)
		require.Equal(t, 1, again.NumSent)
		require.NotEqual(t, first.Responses[0].RequestID, again.Responses[0].RequestID)
		require.Equal(t, map[string]int{"254711000000": 2}, c.paid())
		if name == "key" {
			require.Equal(t, 1, c.totals(AfricasTalking).Recipients.Twice)
			require.Equal(t, []string{"k 254711000000 2×20.00"}, c.entries())
			require.Equal(t, http.StatusOK, c.atQuery(again.Responses[0].RequestID).status)
			require.Equal(t, 2, c.totals(AfricasTalking).Batches.Repeated)
		}
	}
	c.changeOne(AfricasTalking, func(f *Faults) { f.RepeatWindow = 0 })
	require.Equal(t, 1, c.atSent(atList("254711000000"), "Idempotency-Key: k").NumSent)
}

func TestAfricasTalkingKeyIsFreeWhenNothingWasSent(t *testing.T) {
	t.Parallel()
	c := newClient(t, Options{Faults: calm()})
	for name, change := range map[string]func(*Faults, bool){
		atNotEnabled: func(f *Faults, on bool) { f.NotEnabled = on },
		atTrial:      func(f *Faults, on bool) { f.TrialLimit = on },
	} {
		c.changeOne(AfricasTalking, func(f *Faults) { change(f, true) })
		got := c.atSent(atList("254711000000"), "Idempotency-Key: "+name)
		require.Equal(t, name, got.ErrorMessage)
		require.Empty(t, got.Responses)
		c.changeOne(AfricasTalking, func(f *Faults) { change(f, false) })
		require.Equal(t, 1, c.atSent(atList("254711000000"), "Idempotency-Key: "+name).NumSent)
	}
	require.Zero(t, c.atSent(`[{"phoneNumber":"+254711000000","amount":"KES 1"}]`,
		"Idempotency-Key: k").NumSent)
	require.Equal(t, 1, c.atSent(atList("254711000000"), "Idempotency-Key: k").NumSent)
}

// TestAfricasTalkingPaysARepeatedKeyOnceInACrowd sends one key from many goroutines at once.
func TestAfricasTalkingPaysARepeatedKeyOnceInACrowd(t *testing.T) {
	t.Parallel()
	c := newClient(t, Options{Faults: calm()})
	var crowd sync.WaitGroup
	for range 16 {
		crowd.Go(func() { c.atSend(atList(numbers(20)...), "Idempotency-Key: k") })
	}
	crowd.Wait()
	totals := c.totals(AfricasTalking)
	require.Equal(t, 20, totals.Recipients.Paid)
	require.Zero(t, totals.Recipients.Twice)
	require.Equal(t, 15, totals.Batches.Repeated)
}

func TestAfricasTalkingWalletRunsDry(t *testing.T) {
	t.Parallel()
	c := newClient(t, Options{Faults: calm()})
	balance := func() string {
		return c.ask("GET", "/version1/user?username=me", "", "apiKey: key", wantJSON).body
	}
	require.JSONEq(t, `{"UserData":{"balance":"KES 1000000.00"}}`, balance())
	c.changeOne(AfricasTalking, func(f *Faults) { f.Balance = "25.50" })
	got := c.atSent(atList(numbers(3)...), "Idempotency-Key: k")
	require.Equal(t, 2, got.NumSent)
	require.Equal(t, "Insufficient Credit", got.Responses[2].ErrorMessage)
	require.JSONEq(t, `{"UserData":{"balance":"KES 5.50"}}`, balance())
	require.Equal(t, 2, c.totals(AfricasTalking).Recipients.Paid)
	c.changeOne(AfricasTalking, func(f *Faults) { f.Balance, f.Outcomes = "10", Weights{Failed: 1} })
	require.Equal(t, 1, c.atSent(atList("254711000000")).NumSent)
	require.JSONEq(t, `{"UserData":{"balance":"KES 10.00"}}`, balance(), "what failed is not debited")
}

func TestAfricasTalkingQueryShowsTheWayOfEachRecipient(t *testing.T) {
	t.Parallel()
	f := calm()
	f.Pace.OpenPolls, f.MagicNumbers = 2, true
	c := newClient(t, Options{Faults: f})
	c.atSent(atList("254711000000", "254715550603", "254715550604"))
	ids := c.atIDs()
	for range 5 { // each recipient has its own pace
		c.atQuery(ids["254715550604"])
	}
	for phone, words := range map[string][]string{
		"254711000000": {"Queued", "Sent", "Success", "Success"},
		"254715550603": {"Queued", "Sent", "Failed", "Failed"},
		"254715550604": {"Sent", "Sent"},
	} {
		for _, word := range words {
			got := c.atQuery(ids[phone])
			require.Equal(t, http.StatusOK, got.status)
			require.Equal(t, "application/json", got.header.Get("Content-Type"))
			require.Equal(t, `{"status":"`+word+`"}`, got.body, phone)
		}
	}
	for e := range c.sim.Ledger().Entries() {
		require.Contains(t, []int{602, 603, 604}, e.Status)
	}
}

func TestAfricasTalkingQuerySwitches(t *testing.T) {
	t.Parallel()
	clock := newTestClock()
	c := newClient(t, Options{Faults: calm(), Now: clock.now})
	id := c.atSent(atList("254711000000")).Responses[0].RequestID
	set := func(change func(*Faults)) { c.changeOne(AfricasTalking, change) }

	set(func(f *Faults) { f.Status.WrongTypes = NextRequests(1) })
	require.JSONEq(t, `{"status":null}`, c.atQuery(id).body)
	set(func(f *Faults) { f.Status.UnknownCodes = NextRequests(1) })
	require.JSONEq(t, `{"status":"Incomplete"}`, c.atQuery(id).body)
	require.JSONEq(t, `{"status":"Success"}`, c.atQuery(id).body)
	set(func(f *Faults) { f.QueryShape = QueryData })
	require.JSONEq(t, `{"errorMessage":"None","data":{"requestId":"`+id+`","amount":"KES 10.0000",
		"phoneNumber":"+254711000000","status":"Success"}}`, c.atQuery(id).body)
	set(func(f *Faults) { f.Status.WrongTypes = NextRequests(1) })
	require.Contains(t, c.atQuery(id).body, `"amount":10.00,`)

	require.Equal(t, http.StatusNotFound,
		c.ask("GET", "/query/transaction/find?username=me", "", "apiKey: key").status)
	unknown := []string{"", "None", "ATQid_x", "ATQid_" + strings.Repeat("0", 32), id[:37] + "9"}
	for mode, status := range map[string]int{
		UnknownIDNotFound: 404, UnknownIDText: 400, UnknownIDError: 200,
	} {
		set(func(f *Faults) { f.UnknownID = mode })
		for _, one := range unknown {
			got := c.atQuery(one)
			require.Equal(t, status, got.status, mode+one)
			require.Contains(t, got.body, "Transaction not found")
		}
	}
	set(func(f *Faults) { f.SlowKnowledge = Duration(time.Second) })
	require.Contains(t, c.atQuery(id).body, "not found")
	clock.advance(time.Second)
	require.Contains(t, c.atQuery(id).body, "Success")
}

func TestAfricasTalkingAnswerIsMistypedOrShort(t *testing.T) {
	t.Parallel()
	c := newClient(t, Options{Faults: calm()})
	c.changeOne(AfricasTalking, func(f *Faults) { f.Send.WrongTypes = NextRequests(1) })
	got := c.atSend(atList("254711000000"))
	require.Contains(t, got.body, `"numSent":"1"`)
	require.Contains(t, got.body, `"amount":10.00,`)
	c.changeOne(AfricasTalking, func(f *Faults) { f.MissingLines = NextRequests(1) })
	short := c.atSent(atList(numbers(100)...))
	require.Equal(t, 100, short.NumSent)
	require.InDelta(t, 50, len(short.Responses), 25)
	require.Equal(t, 101, c.totals(AfricasTalking).Recipients.Paid)
	require.Equal(t, map[string]int{"send.wrong_types": 1, "send.missing_lines": 1},
		c.totals(AfricasTalking).Faults)
	c.changeOne(AfricasTalking, func(f *Faults) { f.Auth.WrongTypes = NextRequests(1) })
	require.JSONEq(t, `{"UserData":{"balance":1000000.00}}`,
		c.ask("GET", "/version1/user?username=me", "", "apiKey: key").body)
}
