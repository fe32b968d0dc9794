package sandbox

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

// client speaks to a simulator over a real connection, with its own reading of the wire.
type client struct {
	t     testing.TB
	sim   *Simulator
	base  string
	http  *http.Client
	token string
}

// reply is an answer as a client sees it; err is set when there was none to see.
type reply struct {
	status int
	header http.Header
	body   string
	err    error
}

// calm are default faults under which every recipient succeeds at the first status query.
func calm() Faults {
	f := DefaultFaults()
	f.Outcomes = Weights{Successful: 1}
	f.Pace.OpenPolls = 0
	return f
}

func newClient(t testing.TB, o Options) *client {
	t.Helper()
	sim := New(o)
	server := httptest.NewServer(sim)
	t.Cleanup(server.Close)
	t.Cleanup(sim.Close)
	c := &client{t: t, sim: sim, base: server.URL, http: &http.Client{
		// One connection a request: net/http would repeat a GET on a reused one by itself.
		Transport: &http.Transport{DisableKeepAlives: true},
		Timeout:   10 * time.Second,
		CheckRedirect: func(*http.Request, []*http.Request) error {
			return http.ErrUseLastResponse
		},
	}}
	c.authenticate()
	return c
}

func (c *client) do(method, path, body string) reply {
	c.t.Helper()
	return c.ask(method, path, body, "Content-Type: application/json", "x-access-token: "+c.token)
}

// ask makes a request with headers such as "Accept: application/json".
func (c *client) ask(method, path, body string, headers ...string) reply {
	c.t.Helper()
	request, err := http.NewRequest(method, c.base+path, strings.NewReader(body))
	require.NoError(c.t, err)
	for _, header := range headers {
		name, value, _ := strings.Cut(header, ": ")
		request.Header.Set(name, value)
	}
	response, err := c.http.Do(request)
	if err != nil {
		return reply{err: err}
	}
	defer response.Body.Close()
	read, err := io.ReadAll(response.Body)
	return reply{response.StatusCode, response.Header, string(read), err}
}

func (c *client) authenticate() {
	c.t.Helper()
	var answered struct {
		AccessToken string `json:"access_token"`
	}
	got := c.do("POST", "/v1/auth", `{"consumer_key":"k","consumer_secret":"s"}`)
	require.NoError(c.t, got.err)
	require.NoError(c.t, json.Unmarshal([]byte(got.body), &answered))
	c.token = answered.AccessToken
}

func (c *client) send(reference string, phones ...string) reply {
	c.t.Helper()
	return c.do("POST", "/v1/gw/airtime/send", sendBody(reference, phones...))
}

func sendBody(reference string, phones ...string) string {
	lines := make([]string, len(phones))
	for i, phone := range phones {
		lines[i] = fmt.Sprintf(`{"phone_number":%q,"amount":"10"}`, phone)
	}
	return fmt.Sprintf(`{"reference":%q,"recipients":[%s]}`, reference, strings.Join(lines, ","))
}

func (c *client) status(reference string) reply {
	c.t.Helper()
	return c.do("GET", "/v1/gw/airtime/"+reference+"/status", "")
}

// codes asks for the status and returns the code of each phone number.
func (c *client) codes(reference string) map[string]int {
	c.t.Helper()
	codes := map[string]int{}
	for _, line := range c.list(reference) {
		codes[line["phone_number"].(string)] = int(line["service_status"].(float64))
	}
	return codes
}

func (c *client) list(reference string) []map[string]any {
	c.t.Helper()
	got := c.status(reference)
	require.NoError(c.t, got.err)
	require.Equal(c.t, http.StatusOK, got.status, got.body)
	var lines []map[string]any
	require.NoError(c.t, json.Unmarshal([]byte(got.body), &lines), got.body)
	return lines
}

// changeOne changes the switches of one provider.
func (c *client) changeOne(provider string, change func(*Faults)) {
	c.t.Helper()
	f, err := c.sim.ProviderFaults(provider)
	require.NoError(c.t, err)
	change(&f)
	require.NoError(c.t, c.sim.SetProviderFaults(provider, f))
}

// totals are those of one provider.
func (c *client) totals(provider string) Totals {
	c.t.Helper()
	ledger, err := c.sim.ProviderLedger(provider)
	require.NoError(c.t, err)
	return ledger.Totals()
}

// entries are the ledger's, each as "reference phone times×".
func (c *client) entries() (all []string) {
	for e := range c.sim.Ledger().Entries() {
		all = append(all, fmt.Sprintf("%s %s %d×%s", e.Reference, e.PhoneNumber, e.TimesPaid,
			e.AmountPaid))
	}
	return all
}

// decode reads JSON into a generic value.
func decode[T any](t testing.TB, body string) T {
	t.Helper()
	var value T
	require.NoError(t, json.Unmarshal([]byte(body), &value), body)
	return value
}

func (c *client) change(change func(*Faults)) {
	c.t.Helper()
	f := c.sim.Faults()
	change(&f)
	require.NoError(c.t, c.sim.SetFaults(f))
}

// paid returns how often each phone number was paid, over all references.
func (c *client) paid() map[string]int {
	times := map[string]int{}
	for e := range c.sim.Ledger().Entries() {
		times[e.PhoneNumber] += e.TimesPaid
	}
	return times
}

// numbers returns n valid phone numbers, none of them magic.
func numbers(n int) []string {
	phones := make([]string, n)
	for i := range phones {
		phones[i] = fmt.Sprintf("2547%08d", i)
	}
	return phones
}

// testClock is a clock that tests move by hand.
type testClock struct {
	mu sync.Mutex
	at time.Time
}

func newTestClock() *testClock {
	return &testClock{at: time.Date(2026, 11, 21, 9, 0, 0, 0, time.UTC)}
}

func (c *testClock) now() time.Time {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.at
}

func (c *testClock) advance(d time.Duration) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.at = c.at.Add(d)
}

func (c *testClock) set(at time.Time) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.at = at
}

// discard is a response writer for benchmarks and in-process requests.
type discard struct {
	header http.Header
	status int
	size   int
}

func (d *discard) Header() http.Header { return d.header }

func (d *discard) WriteHeader(status int) { d.status = status }

func (d *discard) Write(p []byte) (int, error) {
	d.size += len(p)
	return len(p), nil
}

// inProcess makes a request that needs no connection.
func inProcess(method, path, token string, body []byte) *http.Request {
	r := httptest.NewRequest(method, path, bytes.NewReader(body))
	r.Header.Set("Content-Type", "application/json")
	r.Header.Set("x-access-token", token)
	return r
}
