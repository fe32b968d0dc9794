package sandbox

import (
	"fmt"
	"net/http"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

func (c *client) quickSend(recipients string, headers ...string) reply {
	c.t.Helper()
	all := append([]string{jsonType, "App-Key: me", "App-Token: key"}, headers...)
	return c.ask("POST", "/api/v3/airtime/send", `{"recipients":[`+recipients+`]}`, all...)
}

func quickLine(phone string, amount any) string {
	return fmt.Sprintf(`{"recipient":%q,"amount":%v}`, phone, amount)
}

func TestQuickSMSAnswersAsItsPage(t *testing.T) {
	t.Parallel()
	c := newClient(t, Options{Faults: calm()})
	got := c.quickSend(quickLine("254711000001", 100) + "," + quickLine("254711000002", 100))
	require.Equal(t, http.StatusOK, got.status)
	require.Equal(t, "application/json", got.header.Get("Content-Type"))
	require.JSONEq(t, `{"code":200,"message":"Total:2 Success:2 Failed:0","results":[
		{"recipient":"254711000001","amount":100,"code":201,"discount":0.4,
			"message":"queued for disbursal","request_id":10990},
		{"recipient":"254711000002","amount":100,"code":201,"discount":0.4,
			"message":"queued for disbursal","request_id":10991}]}`, got.body)
	c.quickSend(quickLine("254711000001", 10))
	require.Equal(t, []string{
		"request-1 254711000001 1×100.00", "request-1 254711000002 1×100.00",
		"request-2 254711000001 1×10.00",
	}, c.entries())
	require.Equal(t, map[string]int{"auth": 0, "send": 2, "status": 0},
		c.totals(QuickSMS).Requests)
}

func TestQuickSMSRefusesRecipientsAlone(t *testing.T) {
	t.Parallel()
	c := newClient(t, Options{Faults: calm()})
	c.changeOne(QuickSMS, func(f *Faults) { f.RefuseSuffix = "7777" })
	good := quickLine("254711000000", 10)
	for line, code := range map[string]int{
		quickLine("254711000001", "10.50"):   422,
		quickLine("254711000001", "10.0"):    422,
		quickLine("254711000001", `"10"`):    422,
		quickLine("254711000001", 9):         422,
		quickLine("254711000001", 10001):     422,
		quickLine("254711000001", "1e2"):     422,
		quickLine("254711000001", -10):       422,
		`{"recipient":"254711000001"}`:       422,
		quickLine("+254711000001", 10):       1003,
		quickLine("0711000001", 10):          1003,
		quickLine("254711007777", 10):        1003,
		quickLine("254715550721", 10):        1003,
		`{"recipient":{},"amount":10}`:       1003,
		`{"recipient":711000001,"amount":1}`: 1003,
	} {
		got := decode[struct {
			Code    int
			Message string
			Results []map[string]any
		}](t, c.quickSend(line+","+good).body)
		require.Equal(t, 200, got.Code)
		require.Equal(t, "Total:2 Success:1 Failed:1", got.Message)
		require.InDelta(t, code, got.Results[0]["code"], 0, line)
		require.NotContains(t, got.Results[0], "request_id")
		require.InDelta(t, 201, got.Results[1]["code"], 0)
	}
	require.Equal(t, map[string]int{"254711000000": 14}, c.paid())
}

func TestQuickSMSRefusesWholeRequests(t *testing.T) {
	t.Parallel()
	c := newClient(t, Options{Faults: calm(), Credentials: map[string]string{"me": "key", "k": "s"}})
	good := quickLine("254711000000", 10)
	refused := func(status int, got reply) {
		t.Helper()
		require.Equal(t, status, got.status)
		require.NotEmpty(t, decode[map[string]string](t, got.body)["message"])
	}
	for _, header := range []string{
		"App-Token: other", "App-Token: ", "App-Key: you", "App-Key: ",
	} {
		refused(http.StatusUnauthorized, c.quickSend(good, header))
	}
	refused(http.StatusBadRequest, c.quickSend(""))
	refused(http.StatusBadRequest,
		c.quickSend(strings.Repeat(good+",", recipientsMax)+good))
	refused(http.StatusBadRequest, c.quickSend(good, "Content-Type: text/plain"))
	refused(http.StatusBadRequest, c.quickSend(good+"]"))

	// A new App-Token ends the ones before.
	c.changeOne(QuickSMS, func(f *Faults) { f.Secret = "new" })
	refused(http.StatusUnauthorized, c.quickSend(good))
	c.changeOne(QuickSMS, func(f *Faults) { f.RefuseCredentials = true })
	refused(http.StatusUnauthorized, c.quickSend(good, "App-Token: new"))
	require.Empty(t, c.paid())
	c.changeOne(QuickSMS, func(f *Faults) { f.RefuseCredentials = false })
	require.Equal(t, http.StatusOK, c.quickSend(good, "App-Token: new").status)
	require.Len(t, c.paid(), 1)
}

func TestQuickSMSSwitches(t *testing.T) {
	t.Parallel()
	c := newClient(t, Options{Faults: calm()})
	c.changeOne(QuickSMS, func(f *Faults) { f.Balance, f.Send.WrongTypes = "15", NextRequests(1) })
	got := c.quickSend(quickLine("254711000001", 10) + "," + quickLine("254711000001", 10))
	require.JSONEq(t, `{"code":"200","message":"Total:2 Success:1 Failed:1","results":[
		{"recipient":"254711000001","amount":10,"code":"201","discount":0.04,
			"message":"queued for disbursal","request_id":"10990"},
		{"recipient":"254711000001","amount":10,"code":"1004",
			"message":"Insufficient credit balance"}]}`, got.body)
	f, err := c.sim.ProviderFaults(QuickSMS)
	require.NoError(t, err)
	require.Equal(t, "5.00", f.Balance)

	c.changeOne(QuickSMS, func(f *Faults) { f.Balance, f.MissingLines = "", NextRequests(1) })
	response := c.quickSend(quickLine("254711000001", 10)).body
	require.JSONEq(t, `{"code":200,"message":"Total:1 Success:1 Failed:0","results":[]}`, response)
	require.Equal(t, map[string]int{"254711000001": 2}, c.paid())
}

// TestPhoneTwiceInOneRequestIsPaidTwice at all three providers that let it pass.
func TestPhoneTwiceInOneRequestIsPaidTwice(t *testing.T) {
	t.Parallel()
	c := newClient(t, Options{Faults: calm()})
	line := quickLine("254711000000", 10)
	c.quickSend(line + "," + line + "," + quickLine("254722000000", 10))
	c.atSend(atList("254711000000", "254711000000"), "Idempotency-Key: k")
	c.sozuriSend(sozuriLines("0711000000", "+254711000000"))
	require.Equal(t, []string{
		"k 254711000000 2×20.00", "request-1 254711000000 2×20.00",
		"request-1 254722000000 1×10.00", "request-1 254711000000 2×20.00",
	}, c.entries())
	for _, name := range Providers()[1:] {
		require.Equal(t, 1, c.totals(name).Recipients.Twice, name)
	}
	require.Equal(t, 3, c.sim.Ledger().Totals().Recipients.Twice)
}
