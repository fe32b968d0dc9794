package sandbox

import (
	"encoding/json"
	"net/http"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

func TestLedgerOverHTTP(t *testing.T) {
	t.Parallel()
	f := calm()
	f.Repeat = RepeatPay
	c := newClient(t, Options{Faults: f})
	c.send("a", "254711000000", "254715550603")
	c.send("b", "254711000000", "254715550605")
	c.send("b", "254711000000", "254715550605") // the nightmare: both are paid again
	c.send("c", "0711")
	c.change(func(f *Faults) { f.Send.LostAfter = NextRequests(1) })
	require.Error(t, c.send("d", "254722000000").err)
	for range 4 {
		c.status("b")
	}

	require.JSONEq(t, `{
		"provider": "lipad",
		"recipients": {"accepted": 5, "paid": 4, "paid_twice": 2, "unpaid": 1, "returned": 1,
			"phone_numbers": 4},
		"totals": {"KES": "60.00"}, "returned": {"KES": "20.00"},
		"statuses": {"600": 3, "602": 1, "605": 1},
		"batches": {"accepted": 3, "refused": 1, "repeated": 1},
		"requests": {"auth": 1, "send": 5, "status": 4},
		"lost": {"before": 0, "after": 1}, "faults": {"send.lost_after": 1}
	}`, c.do("GET", "/sandbox/ledger?provider=lipad", "").body)

	got := c.do("GET", "/sandbox/ledger/recipients", "")
	require.Equal(t, "application/jsonl; charset=utf-8", got.header.Get("Content-Type"))
	line := func(reference, phone, times, amount, status string) string {
		return `{"provider":"lipad","reference":"` + reference + `","phone_number":"` + phone +
			`","currency":"KES","amount":"10.00","times_paid":` + times + `,"amount_paid":"` +
			amount + `","status":` + status + "}\n"
	}
	require.Equal(t, line("a", "254711000000", "1", "10.00", "600")+
		line("a", "254715550603", "0", "0.00", "600")+
		line("b", "254711000000", "2", "20.00", "602")+
		line("b", "254715550605", "2", "20.00", "605")+
		line("d", "254722000000", "1", "10.00", "600"), got.body)

	require.Equal(t, `{"provider":"lipad","phone_number":"254711000000",`+
		`"references":["a","b"],"times_paid":3,`+
		`"amount_paid":"30.00"}`,
		strings.Split(c.do("GET", "/sandbox/ledger/phones", "").body, "\n")[0])
}

func TestEntryCanBeReadBack(t *testing.T) {
	t.Parallel()
	c := newClient(t, Options{Faults: calm()})
	c.do("POST", "/v1/gw/airtime/send",
		`{"reference":"r","recipients":[{"phone_number":"254711000000","amount":"0.05"}]}`)
	var e Entry
	body := c.do("GET", "/sandbox/ledger/recipients", "").body
	require.NoError(t, json.Unmarshal([]byte(body), &e))
	require.Equal(t, Entry{
		Provider: Lipad, Reference: "r", PhoneNumber: "254711000000", Currency: Currency,
		Amount: 5, TimesPaid: 1, AmountPaid: 5, Status: 600,
	}, e)
	require.ErrorContains(t, json.Unmarshal([]byte(`{"amount":"1,50"}`), &e), "want a decimal")
}

func TestAmountsAreWrittenAsEncodersWriteNumbers(t *testing.T) {
	t.Parallel()
	for text, want := range map[string]string{
		"10": "10", "10.5": "10.5", "10.50": "10.5", "10.05": "10.05", "0.01": "0.01",
		"010": "10", "1000000.00": "1000000",
	} {
		value, err := parseCents(text)
		require.NoError(t, err)
		require.Equal(t, want, string(appendNumber(nil, value)))
	}
}

func TestFaultsOverHTTP(t *testing.T) {
	t.Parallel()
	c := newClient(t, Options{})
	faults := func(method, body string, status int) Faults {
		t.Helper()
		got := c.do(method, "/sandbox/faults", body)
		require.Equal(t, status, got.status, got.body)
		read, err := ParseFaults([]byte(c.do("GET", "/sandbox/faults", "").body))
		require.NoError(t, err)
		return read
	}
	want := DefaultFaults()
	want.Send.LostAfter, want.Jam = NextRequests(3), 0.5
	require.Equal(t, want, faults("PUT", `{"send":{"lost_after":{"next":3}},"jam":0.5}`, 200))

	want.Send.CutBody = Sometimes(0.1) // PATCH keeps the rest
	require.Equal(t, want, faults("PATCH", `{"send":{"cut_body":0.1}}`, 200))

	require.Equal(t, want, faults("PUT", `{"sned":{}}`, 422), "nothing changes")
	require.Equal(t, want, faults("PATCH", `{"jam":2,"repeat":"x"}`, 422))
	got := c.do("PATCH", "/sandbox/faults", `{"jam":0.9,"reprocess":3,"repeat":"x"}`)
	require.JSONEq(t, `{"errors":["repeat: want one of reject, replay, pay, not \"x\"",
		"reprocess: want a probability from 0 to 1, not 3",
		"jam and reprocess together: want a probability from 0 to 1, not 3.9"]}`, got.body)

	require.Equal(t, DefaultFaults(), faults("PUT", `{}`, 200), "PUT replaces")
}

func TestReset(t *testing.T) {
	t.Parallel()
	c := newClient(t, Options{Faults: calm()})
	c.change(func(f *Faults) { f.Send.LostAfter = NextRequests(2) })
	require.Error(t, c.send("r", "254711000000").err)
	require.Equal(t, http.StatusNoContent, c.do("POST", "/sandbox/reset", "").status)
	require.Equal(t, calm(), c.sim.Faults())
	totals := c.sim.Ledger().Totals()
	require.Zero(t, totals.Recipients)
	require.Zero(t, totals.Batches)
	require.Empty(t, totals.Faults)
	require.Zero(t, totals.Requests["send"])
	require.Contains(t, c.send("r", "254711000000").body, "720", "the token is good still")
}

func TestLostAnswersAreListed(t *testing.T) {
	t.Parallel()
	f := calm()
	f.Send.LostBefore, f.Send.TooMany = NextRequests(1), NextRequests(1)
	f.Send.CutBody, f.MissingLines = NextRequests(1), NextRequests(1)
	c := newClient(t, Options{Faults: f})
	phones := numbers(2)
	for _, provider := range Providers() {
		for _, reference := range []string{"lost", "too many", "cut", "missing", "well"} {
			c.sendTo(provider, reference, phones...)
		}
	}
	got := map[string]int{}
	for line := range strings.Lines(c.do("GET", "/sandbox/ledger/lost", "").body) {
		one := decode[Lost](t, line)
		require.Contains(t, phones, one.PhoneNumber)
		require.Equal(t, Cents(10_00), one.Amount)
		got[one.Provider+" "+one.Fault]++
	}
	for _, provider := range Providers() {
		require.Equal(t, 2, got[provider+" "+lostBefore], "also what was not processed")
		require.Equal(t, 2, got[provider+" "+cutBody])
		delete(got, provider+" "+lostBefore)
		delete(got, provider+" "+cutBody)
	}
	for fault, n := range got { // Lipad's answers name no recipient, so none can be left out.
		require.NotContains(t, fault, Lipad)
		require.Contains(t, fault, missingLines)
		require.Positive(t, n)
	}
	require.Len(t, got, 3)
	c.do("POST", "/sandbox/reset", "")
	require.Empty(t, c.sim.Ledger().Lost())
}
