package e2e_test

import (
	"math/rand/v2"
	"net/http"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"tuma/internal/sandbox"
	"tuma/internal/test/proctest"
)

// TestKilledPodsWithFourProviders kills random workers and pollers while all four providers are
// busy and send callbacks, some of them early, twice and in any order.
func TestKilledPodsWithFourProviders(t *testing.T) {
	t.Parallel()
	h := newHarness(t, setup{
		four: true, batch: 20, config: byNetwork,
		faults: `{"send":{"latency":"100ms","jitter":"200ms"},"callbacks":{"duplicate":0.2,` +
			`"early":0.2,"reorder":true,"jitter":"500ms","form":0.5,"validate":true}}`,
	})
	f := h.fleet(2)
	path, wanted := fourFile(t, "killed", 0, 300)
	importing := h.start(cmdEnqueuer, "import", path, "--reference", "killed")
	for range 12 {
		time.Sleep(time.Duration(200+rand.IntN(300)) * time.Millisecond)
		f.replace(rand.IntN(len(f.pods)))
	}
	require.Equal(t, 0, importing.Wait(testTimeout), importing.Output())
	h.awaitQuiet()
	h.requireNobodyTwice()
	h.lateCallbacks(h.report("killed")) // Those that came while no poller was there at all.
	h.resolveByLedger()
	h.finished(wanted, "killed")
}

// TestKeptCallbackOfADeadPoller lets a callback come before the answer to its send, which is lost,
// and kills the poller that has kept it. Another one applies it when it fits.
func TestKeptCallbackOfADeadPoller(t *testing.T) {
	t.Parallel()
	h := newHarness(t, setup{
		four:   true,
		faults: `{"outcomes":{"successful":1},"send":{"hang_after":{"next":1}},"callbacks":{"early":1}}`,
	})
	h.start(cmdWorker)
	dead := h.start(cmdPoller)
	dead.WaitOutput("serving", testTimeout)
	jobs, wanted := makeJobs("kept", 1, 1)
	jobs[0].Provider = sandbox.Sozuri
	h.accept(jobs)
	h.await("a callback is kept", func() bool {
		return h.rdb.HLen(t.Context(), "{tuma}:parked").Val() == 1
	})
	dead.Kill()
	require.Equal(t, map[string]int64{"sozuri sending": 1}, h.book())
	h.start(cmdPoller)
	require.Equal(t, map[string]int{"successful": 1}, h.finished(wanted, "kept"))
	require.Equal(t, 1, h.of(sandbox.Sozuri).Callbacks.Sent)
	require.Equal(t, 1, h.of(sandbox.Sozuri).Lost.After)
}

// The samples of the providers' own pages, as they stand there but for letters in the numbers.
const (
	lipadAuth = `{"consumer_key": "your_key", "consumer_secret": "your_secret"}`
	lipadSend = `{"reference": "da091c64-07d6-4a7c-9a9f-e0134869166c", "recipients": [
		{"phone_number": "254711000000", "amount": "10"},
		{"phone_number": "254722000000", "amount": "50"}]}`
	quickSend = `{"recipients": [{"recipient": "254711000000", "amount": 100},
		{"recipient": "254722000000", "amount": 100}]}`
	sozuriSend = `project=Law&recipients=%5B%7B%22number%22%3A%22%2B254725164293%22%2C` +
		`%22amount%22%3A%22KES%2010%22%7D%5D&apiKey=YOUR_PROJECT_API_KEY`
	atRecipients = `[{"phoneNumber":"+254711000111","amount":"KES 10"},` +
		`{"phoneNumber":"+254733000222","amount":"KES 20"}]`

	lipadCallback = `{"phone_number": "254711000000", "amount": 10, "service_status": 602,
		"external_reference": "REFERENCE", "provider_reference": "2611175",
		"correlation_id": "GHCRODJAPX6I", "message": "Airtime request processed successfully"}`
	sozuriCallback = `{"number": "254725164293", "amount": "KES 1000.00", "requestId": "5015342",
		"discount": "KES 0.00", "status": "success", "type": "airtimeDelivery",
		"description": "success", "timestamp": "1603713484"}`
	atStatus = `{"phoneNumber": "+254711000111", "description": "Airtime Delivered Successfully",
		"status": "Success", "requestId": "ATQid_a1b2c3d4e5f60718293a4b5c6d7e8f90",
		"discount": "KES 0.6000", "value": "KES 100.0000"}`
	atValidation = `{"transactionId": "ATXid_5d0b6f1c9e8a4f7b2c3d",
		"phoneNumber": "+254711000111", "sourceIpAddress": "127.12.32.24", "currencyCode": "KES",
		"amount": 500.00}`
)

const (
	inJSON = "application/json"
	inForm = "application/x-www-form-urlencoded"
)

// by makes a request of a sample with the headers of its page and returns the answer.
func (h *harness) by(method, path, media, body string, headers ...string) string {
	h.t.Helper()
	request, err := http.NewRequestWithContext(h.t.Context(), method, h.providers+path,
		strings.NewReader(body))
	require.NoError(h.t, err)
	request.Header.Set("Content-Type", media)
	request.Header.Set("Accept", inJSON)
	for _, header := range headers {
		name, value, _ := strings.Cut(header, ": ")
		request.Header.Set(name, value)
	}
	answer, err := http.DefaultClient.Do(request)
	require.NoError(h.t, err)
	defer func() { _ = answer.Body.Close() }()
	var text strings.Builder
	require.NoError(h.t, answer.Write(&text))
	require.Equal(h.t, 2, answer.StatusCode/100, text.String())
	_, body, _ = strings.Cut(text.String(), "\r\n\r\n")
	return body
}

// TestTheSimulatorTakesTheSampleRequests sends the requests of the pages by hand.
func TestTheSimulatorTakesTheSampleRequests(t *testing.T) {
	t.Parallel()
	h := newHarness(t, setup{})
	said := h.by(http.MethodPost, "/v1/auth", inJSON, lipadAuth)
	_, token, _ := strings.Cut(said, `"access_token":"`)
	token, _, _ = strings.Cut(token, `"`)
	said = h.by(http.MethodPost, "/v1/gw/airtime/send", inJSON, lipadSend, "x-access-token: "+token)
	require.Contains(t, said, `"response_code":720`)
	said = h.by(http.MethodGet, "/v1/gw/airtime/da091c64-07d6-4a7c-9a9f-e0134869166c/status", inJSON,
		"", "x-access-token: "+token)
	require.Equal(t, 2, strings.Count(said, `"service_status":`))
	said = h.by(http.MethodPost, "/api/v3/airtime/send", inJSON, quickSend, "App-Key: a",
		"App-Token: b")
	require.Contains(t, said, `"message":"Total:2 Success:2 Failed:0"`)
	said = h.by(http.MethodPost, "/api/v1/airtime/topup", inForm, sozuriSend)
	require.Contains(t, said, `"status":"accepted","requestId":4971724,"errorMessage":"none"`)
	said = h.by(http.MethodPost, "/version1/airtime/send", inForm,
		url.Values{"username": {"MyUsername"}, "recipients": {atRecipients}}.Encode(),
		"apiKey: MyAPIKey")
	require.Contains(t, said, `"numSent":2`)
	for provider, theirs := range h.ledger().Providers {
		require.NotZero(t, theirs.Recipients.Accepted, provider)
	}
}

// jobTo is a job of one recipient for one provider.
func jobTo(provider, reference, phone, amount string) job {
	return job{
		Reference: reference, Campaign: "samples", Provider: provider,
		Recipients: []jobRecipient{{phone, amount}},
	}
}

// TestThePollerTakesTheSampleCallbacks posts the callbacks of the pages to a running poller, first
// about nobody, then about recipients of whom the provider's own answer was lost.
func TestThePollerTakesTheSampleCallbacks(t *testing.T) {
	t.Parallel()
	// No send ever arrives: nothing but the callbacks of this test can settle anybody.
	h := newHarness(t, setup{four: true, faults: `{"send":{"lost_before":1}}`})
	h.start(cmdPoller).WaitOutput("serving", testTimeout)
	form, err := url.ParseQuery("phoneNumber=%2B254711000111&status=Success&value=KES+100.0000" +
		"&requestId=ATQid_a1b2c3d4e5f60718293a4b5c6d7e8f90&description=Delivered&discount=KES+0.6")
	require.NoError(t, err)
	nobody := strings.ReplaceAll(lipadCallback, "REFERENCE", "da091c64-07d6-4a7c-9a9f-e0134869166c")
	for _, row := range []struct{ path, media, body, answer string }{
		{"/lipad", inJSON, nobody, "OK"},
		{"/sozuri", inJSON, strings.ReplaceAll(sozuriCallback, "5015342", "4971724"), "OK"},
		{"/africastalking/status", inJSON, atStatus, "OK"},
		{"/africastalking/status", inForm, form.Encode(), "OK"},
		{"/africastalking/validation", inJSON, atValidation, `{"status":"Failed"}`},
	} {
		status, text := h.call(row.path, row.media, row.body)
		require.Equal(t, http.StatusOK, status, "%s: %s", row.path, text)
		require.Equal(t, row.answer, strings.TrimSpace(text), row.path)
	}
	require.Equal(t, int64(1), h.rdb.XLen(t.Context(), "{tuma}:dead_letters").Val(), "Lipad's")
	require.Equal(t, int64(2), h.rdb.HLen(t.Context(), "{tuma}:parked").Val(), "two ids")

	h.start(cmdWorker)
	h.accept([]job{
		jobTo(sandbox.Sozuri, "s", "254725164293", "1000"),
		jobTo(sandbox.AfricasTalking, "a", "254711000111", "500"),
		jobTo(sandbox.Lipad, "l", "254711000000", "10"),
	})
	h.await("all are in doubt", func() bool {
		book := h.book()
		return book["sozuri in_doubt"]+book["africastalking in_doubt"]+book["lipad in_doubt"] == 3
	})
	status, text := h.call("/africastalking/validation", inJSON, atValidation)
	require.Equal(t, http.StatusOK, status)
	require.JSONEq(t, `{"status":"Validated"}`, text)
	status, _ = h.call("/sozuri", inJSON, sozuriCallback)
	require.Equal(t, http.StatusOK, status)
	for _, r := range h.report("s") {
		require.Equal(t, "successful", r.Status)
		require.Equal(t, "5015342", r.ProviderReference)
	}
	before := h.of(sandbox.Lipad).Requests["status"]
	batch := h.report("l")[0].Batch
	status, _ = h.call("/lipad", inJSON, strings.ReplaceAll(lipadCallback, "REFERENCE", batch))
	require.Equal(t, http.StatusOK, status)
	h.await("the query was brought forward", func() bool {
		return h.of(sandbox.Lipad).Requests["status"] > before
	})
	require.NotEqual(t, "successful", h.report("l")[0].Status, "Lipad itself says otherwise")
}

// TestAStrangerIsNotFound posts to the listener without its token.
func TestAStrangerIsNotFound(t *testing.T) {
	t.Parallel()
	h := newHarness(t, setup{four: true})
	address := proctest.FreeAddr(t)
	h.run(proctest.Build(t, cmdPoller), []string{"TUMA_CALLBACK_ADDR=" + address}).
		WaitOutput("serving", testTimeout)
	for _, token := range []string{"wrong", callbackToken + "x", "%20"} {
		answer, err := http.Post("http://"+address+"/callbacks/"+token+"/sozuri", inJSON,
			strings.NewReader(sozuriCallback))
		require.NoError(t, err)
		require.NoError(t, answer.Body.Close())
		require.Equal(t, http.StatusNotFound, answer.StatusCode)
	}
	require.Zero(t, h.rdb.Exists(t.Context(), "{tuma}:parked").Val())
}
