package sandbox

import (
	"encoding/json"
	"fmt"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/stretchr/testify/require"
)

func TestAnswersAreThoseOfThePage(t *testing.T) {
	t.Parallel()
	c := newClient(t, Options{Faults: calm()})

	got := c.do("POST", "/v1/auth", `{"consumer_key":"k","consumer_secret":"s"}`)
	require.Equal(t, http.StatusOK, got.status)
	require.Regexp(t, `^\{"access_token":"[0-9a-f]{32}","expiresIn":3600\}$`, got.body)

	got = c.do("POST", "/v1/gw/airtime/send", `{"reference":"r/1 \"x\"","recipients":[
		{"phone_number":"254711000000","amount":"10"},
		{"phone_number":"254715550603","amount":"50.50"}]}`)
	require.Equal(t, http.StatusOK, got.status)
	require.Equal(t, "application/json; charset=utf-8", got.header.Get("Content-Type"))
	require.Equal(t, `{"reference":"r/1 \"x\"","response_code":720,`+
		`"response_description":"Airtime request has been accepted for processing"}`, got.body)

	lines := c.list("r%2F1%20%22x%22")
	for _, line := range lines {
		require.Regexp(t, `^[A-Z2-7]{12}$`, line["correlation_id"])
		delete(line, "correlation_id")
	}
	require.Regexp(t, `^\d{10}$`, lines[0]["provider_reference"])
	delete(lines[0], "provider_reference")
	require.Empty(t, cmp.Diff([]map[string]any{
		{
			"phone_number": "254711000000", "amount": 10.0, "service_status": 602.0,
			"external_reference": `r/1 "x"`, "message": "Airtime request processed successfully",
		},
		{
			"phone_number": "254715550603", "amount": 50.5, "service_status": 603.0,
			"external_reference": `r/1 "x"`, "message": "Invalid phone number",
			"provider_reference": nil,
		},
	}, lines))
}

func TestBadRequestIsRefusedWholeAndLeavesTheReferenceFree(t *testing.T) {
	t.Parallel()
	good := `{"phone_number":"254711000000","amount":"10"}`
	many := strings.TrimSuffix(strings.Repeat(good+",", 1001), ",")
	for name, body := range map[string]string{
		"no reference":         `{"reference":"","recipients":[` + good + `]}`,
		"reference number":     `{"reference":7,"recipients":[` + good + `]}`,
		"no recipients":        `{"reference":"r","recipients":[]}`,
		"too many recipients":  `{"reference":"r","recipients":[` + many + `]}`,
		"phone with plus":      recipient721(`{"phone_number":"+25471100000","amount":"10"}`),
		"phone local":          recipient721(`{"phone_number":"0711000000","amount":"10"}`),
		"phone short":          recipient721(`{"phone_number":"25471100000","amount":"10"}`),
		"phone letters":        recipient721(`{"phone_number":"25471100000x","amount":"10"}`),
		"phone foreign":        recipient721(`{"phone_number":"255711000000","amount":"10"}`),
		"phone number":         recipient721(`{"phone_number":254711000000,"amount":"10"}`),
		"phone missing":        recipient721(`{"amount":"10"}`),
		"phone magic":          recipient721(`{"phone_number":"254715550721","amount":"10"}`),
		"amount number":        recipient721(`{"phone_number":"254711000001","amount":10}`),
		"amount zero":          recipient721(`{"phone_number":"254711000001","amount":"0.00"}`),
		"amount negative":      recipient721(`{"phone_number":"254711000001","amount":"-1"}`),
		"amount exponent":      recipient721(`{"phone_number":"254711000001","amount":"1e3"}`),
		"amount three places":  recipient721(`{"phone_number":"254711000001","amount":"1.005"}`),
		"amount point only":    recipient721(`{"phone_number":"254711000001","amount":"10."}`),
		"amount with currency": recipient721(`{"phone_number":"254711000001","amount":"KES 10"}`),
		"amount missing":       recipient721(`{"phone_number":"254711000001"}`),
		"amount huge":          recipient721(`{"phone_number":"254711000001","amount":"1000001"}`),
		"field unknown":        recipient721(`{"phone_number":"254711000001","amount":"1","x":1}`),
		"phone repeated":       recipient721(good),
		"not JSON":             `reference=r`,
		"two values":           sendBody("r", "254711000000") + `{}`,
		"cut short":            sendBody("r", "254711000000")[:50],
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			c := newClient(t, Options{Faults: calm()})
			// The pooled request of a good send must not lend its values to a bad one.
			c.send("earlier", numbers(3)...)
			got := c.do("POST", "/v1/gw/airtime/send", body)
			require.Equal(t, http.StatusOK, got.status)
			require.Contains(t, got.body, `"response_code":721,"response_description":"Valid`)
			require.Len(t, c.paid(), 3, "only the earlier request")
			require.Equal(t, 1, c.sim.Ledger().Totals().Batches.Refused)
			require.Contains(t, c.send("r", "254711000000").body, `"response_code":720`)
		})
	}
}

// recipient721 is a request whose second recipient is the bad one.
func recipient721(bad string) string {
	return `{"reference":"r","recipients":[{"phone_number":"254711000000","amount":"10"},` +
		bad + `]}`
}

func TestContentTypeIsRequired(t *testing.T) {
	t.Parallel()
	sim := New(Options{Faults: calm()})
	r := inProcess("POST", "/v1/gw/airtime/send", sim.tokens.issue(time.Now(), time.Hour),
		[]byte(sendBody("r", "254711000000")))
	r.Header.Set("Content-Type", "text/plain")
	sim.ServeHTTP(&discard{header: http.Header{}}, r)
	require.Equal(t, 1, sim.Ledger().Totals().Batches.Refused)
}

func TestUnauthorised(t *testing.T) {
	t.Parallel()
	clock := newTestClock()
	c := newClient(t, Options{
		Faults: calm(), Now: clock.now, Credentials: map[string]string{"k": "s"},
	})
	for _, body := range []string{
		`{"consumer_key":"k","consumer_secret":"wrong"}`,
		`{"consumer_key":"other","consumer_secret":"s"}`,
		`{"consumer_key":"other","consumer_secret":""}`,
		`{"consumer_key":"","consumer_secret":""}`,
	} {
		got := c.do("POST", "/v1/auth", body)
		require.Equal(t, http.StatusUnauthorized, got.status, body)
		require.True(t, json.Valid([]byte(got.body)))
	}
	require.Equal(t, http.StatusBadRequest, c.do("POST", "/v1/auth", `{"a":1}`).status)

	good := c.token
	for _, token := range []string{"", "unknown"} {
		c.token = token
		require.Equal(t, http.StatusUnauthorized, c.send("r", "254711000000").status)
		require.Equal(t, http.StatusUnauthorized, c.status("r").status)
	}
	c.token = good
	clock.advance(time.Hour - time.Second)
	require.Equal(t, http.StatusOK, c.send("r", "254711000000").status)
	clock.advance(time.Second)
	got := c.send("r2", "254711000000")
	require.Equal(t, http.StatusUnauthorized, got.status)
	require.True(t, json.Valid([]byte(got.body)))
	require.Equal(t, map[string]int{"254711000000": 1}, c.paid())
}

func TestTokenLifeShorterThanClaimed(t *testing.T) {
	t.Parallel()
	f, clock := calm(), newTestClock()
	f.ExpiresIn, f.TokenLife = Duration(100*time.Minute), Duration(time.Minute)
	c := newClient(t, Options{Faults: f, Now: clock.now})
	got := c.do("POST", "/v1/auth", `{"consumer_key":"k","consumer_secret":"s"}`)
	require.Contains(t, got.body, `"expiresIn":6000`)
	clock.advance(time.Minute)
	require.Equal(t, http.StatusUnauthorized, c.send("r", "254711000000").status)
}

func TestTokensAreBounded(t *testing.T) {
	t.Parallel()
	kept := newTokens(1)
	now := time.Now()
	first := kept.issue(now, time.Hour)
	for range tokensMax {
		kept.issue(now, time.Hour)
	}
	require.Len(t, kept.ends, tokensMax)
	require.False(t, kept.valid(first, now))
}

func TestRepeatedReference(t *testing.T) {
	t.Parallel()
	for _, row := range []struct {
		repeat   string
		code     int
		paid     map[string]int
		total    Cents
		batches  BatchCounts
		paidMore int
	}{
		{
			RepeatReject, 721,
			map[string]int{"254711000000": 1},
			1000,
			BatchCounts{Accepted: 1, Refused: 1, Repeated: 1},
			0,
		},
		{
			RepeatReplay, 720,
			map[string]int{"254711000000": 1},
			1000,
			BatchCounts{Accepted: 1, Repeated: 1},
			0,
		},
		{
			RepeatPay, 720,
			map[string]int{"254711000000": 2, "254722000000": 1},
			3550,
			BatchCounts{Accepted: 1, Repeated: 1},
			1,
		},
	} {
		t.Run(row.repeat, func(t *testing.T) {
			t.Parallel()
			f := calm()
			f.Repeat = row.repeat
			c := newClient(t, Options{Faults: f})
			require.Contains(t, c.send("r", "254711000000").body, "720")
			got := c.do("POST", "/v1/gw/airtime/send", `{"reference":"r","recipients":[
				{"phone_number":"254711000000","amount":"15.50"},
				{"phone_number":"254722000000","amount":"10"}]}`)
			require.Contains(t, got.body, fmt.Sprintf(`"response_code":%d`, row.code))
			require.Equal(t, row.paid, c.paid())
			totals := c.sim.Ledger().Totals()
			require.Equal(t, row.total, totals.Totals[Currency])
			require.Equal(t, row.batches, totals.Batches)
			require.Equal(t, row.paidMore, totals.Recipients.Twice)
		})
	}
}

func TestRepeatedReferenceNamesItsReason(t *testing.T) {
	t.Parallel()
	c := newClient(t, Options{Faults: calm()})
	c.send("r", "254711000000")
	require.Equal(t, `{"reference":"r","response_code":721,`+
		`"response_description":"Validation Failed: reference already used"}`,
		c.send("r", "254711000000").body)
}

func TestUnknownReference(t *testing.T) {
	t.Parallel()
	c := newClient(t, Options{Faults: calm()})
	for _, row := range []struct {
		mode   string
		status int
		body   string
	}{
		{UnknownNotFound, 404, `{"error":"reference not found"}`},
		{UnknownEmpty, 200, `[]`},
		{
			UnknownObject, 200, `{"reference":"nobody","response_code":722,` +
				`"response_description":"Reference not found"}`,
		},
	} {
		c.change(func(f *Faults) { f.UnknownReference = row.mode })
		got := c.status("nobody")
		require.Equal(t, row.status, got.status, row.mode)
		require.Equal(t, row.body, got.body, row.mode)
	}
}

func TestSlowKnowledge(t *testing.T) {
	t.Parallel()
	f, clock := calm(), newTestClock()
	f.SlowKnowledge = Duration(5 * time.Second)
	c := newClient(t, Options{Faults: f, Now: clock.now})
	c.send("r", "254711000000")
	clock.advance(5*time.Second - 1)
	require.Equal(t, http.StatusNotFound, c.status("r").status)
	require.Contains(t, c.send("r", "254711000000").body, "721", "the reference is taken already")
	clock.advance(1)
	require.Equal(t, map[string]int{"254711000000": 602}, c.codes("r"))
}

func TestRefusalSwitches(t *testing.T) {
	t.Parallel()
	c := newClient(t, Options{Faults: calm()})
	c.change(func(f *Faults) { f.RefuseAll = true })
	require.Contains(t, c.send("r", "254711000000").body, `{"reference":"r","response_code":721`)
	c.change(func(f *Faults) { f.RefuseAll, f.RefuseSuffix = false, "0007" })
	require.Contains(t, c.send("r", "254711000000", "254711000007").body, `"response_code":721`)
	require.Empty(t, c.paid())
	require.Contains(t, c.send("r", "254711000000").body, `"response_code":720`)
}

func TestHTTPStatusOfAnswers(t *testing.T) {
	t.Parallel()
	c := newClient(t, Options{Faults: calm()})
	for i, status := range []int{200, 201, 202, 400} {
		c.change(func(f *Faults) { f.HTTPAccepted, f.HTTPRefused = status, status })
		got := c.send(fmt.Sprint(i), "254711000000")
		require.Equal(t, status, got.status)
		require.Contains(t, got.body, `"response_code":720`)
		got = c.send(fmt.Sprint(i), "254711000000")
		require.Equal(t, status, got.status)
		require.Contains(t, got.body, `"response_code":721`)
	}
}

func TestNewPanicsOnInvalidFaults(t *testing.T) {
	t.Parallel()
	f := DefaultFaults()
	f.Repeat = "sometimes"
	require.PanicsWithValue(t, "sandbox: invalid faults: "+
		`repeat: want one of reject, replay, pay, not "sometimes"`, func() { New(Options{Faults: f}) })
}
