package tasks_test

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"tuma/internal/airtime"
	"tuma/internal/providers"
	"tuma/internal/providers/catalog"
	"tuma/internal/providers/catalog/catalogtest"
	"tuma/internal/routing"
	"tuma/internal/sandbox"
	"tuma/internal/state"
	"tuma/internal/tasks"
)

const (
	talking  = "africastalking"
	sozuri   = "sozuri"
	quicksms = "quicksms"

	// Where their submissions and questions arrive.
	talkingSend = "/version1/airtime/send"
	talkingFind = "/query/transaction/find"
	sozuriSend  = "/api/v1/airtime/topup"
)

// fleet is a harness with all providers on, all of them real adapters to the simulator.
type fleet struct {
	*harness
	entries map[string]catalog.Entry
	rules   routing.Rules
	mu      sync.Mutex
	seen    []arrival
	// answer is asked before the simulator; true means that it has answered.
	answer func(http.ResponseWriter, arrival) bool
}

// arrival is one request at a provider.
type arrival struct {
	at        time.Time
	path, key string
	body      []byte
	// phones are the recipients, in the order of the request.
	phones []string
}

// newFleet builds a fleet on the shared Redis.
func newFleet(t *testing.T, change func(*state.Options)) *fleet {
	t.Helper()
	f := &fleet{}
	f.harness = newHarness(t, func(o *state.Options) {
		o.Providers = catalog.Known()
		if change != nil {
			change(o)
		}
	})
	f.entries = catalog.Build(f.client, catalogtest.Accounts(f.provider.base, fleetSecret)...)
	f.rules.Providers = map[string]providers.Capabilities{}
	for _, known := range catalog.Known() {
		f.rules.Providers[known.Name] = known
	}
	watch := f.watch
	f.provider.answer.Store(&watch)
	t.Cleanup(func() { f.leaksNothing(t) })
	return f
}

// fleetSecret is the credential at all providers.
const fleetSecret = "s3cret-of-the-fleet"

// leaksNothing looks for phone numbers and secrets in every log line and metric.
func (f *fleet) leaksNothing(t *testing.T) {
	t.Helper()
	var shown strings.Builder
	for _, entry := range f.logs.All() {
		fmt.Fprintln(&shown, entry.Message, entry.ContextMap())
	}
	families, err := f.registry.Gather()
	require.NoError(t, err)
	for _, family := range families {
		fmt.Fprintln(&shown, family)
	}
	require.NotRegexp(t, `\b(254|0)7\d{8}\b`, shown.String(), "a phone number was shown")
	require.NotContains(t, shown.String(), fleetSecret, "a secret was shown")
}

// steady keeps batch sizes from ramping up, for tests of something else.
func steady(o *state.Options) {
	for i := range o.Providers {
		o.Providers[i].RampsUp = false
	}
}

// watch notes what arrives and lets the test answer.
func (f *fleet) watch(w http.ResponseWriter, r *http.Request) bool {
	body, _ := io.ReadAll(r.Body)
	r.Body = io.NopCloser(bytes.NewReader(body))
	a := arrival{
		at: time.Now(), path: r.URL.Path, key: r.Header.Get("Idempotency-Key"), body: body,
	}
	form, _ := url.ParseQuery(string(body))
	var list []struct {
		PhoneNumber, Number string
	}
	_ = json.Unmarshal([]byte(form.Get("recipients")), &list)
	for _, one := range list {
		a.phones = append(a.phones, one.PhoneNumber+one.Number)
	}
	if r.URL.Path == talkingFind {
		a.key = r.URL.Query().Get("transactionId")
	}
	f.mu.Lock()
	f.seen = append(f.seen, a)
	answer := f.answer
	f.mu.Unlock()
	return answer != nil && answer(w, a)
}

// answering has the test answer instead of the simulator; the function may decline.
func (f *fleet) answering(answer func(http.ResponseWriter, arrival) bool) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.answer = answer
}

// at lists what has arrived at a path.
func (f *fleet) at(path string) []arrival {
	f.mu.Lock()
	defer f.mu.Unlock()
	var list []arrival
	for _, a := range f.seen {
		if a.path == path {
			list = append(list, a)
		}
	}
	return list
}

// sizes are the numbers of recipients in the requests that arrived at a path.
func (f *fleet) sizes(path string) []int {
	var list []int
	for _, a := range f.at(path) {
		list = append(list, len(a.phones))
	}
	return list
}

// carryOut has the simulator carry a request out, and throws its answer away.
func (f *fleet) carryOut(a arrival) {
	r := httptest.NewRequest(http.MethodPost, a.path, bytes.NewReader(a.body))
	r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	r.Header.Set("Idempotency-Key", a.key)
	r.Header.Set("apiKey", fleetSecret)
	r.Header.Set("Authorization", "Bearer "+fleetSecret)
	f.simulator.ServeHTTP(httptest.NewRecorder(), r)
}

// submitTo is the handler of one provider's queue.
func (f *fleet) submitTo(provider string, stopping <-chan struct{}) *tasks.Submit {
	submit := f.submit(stopping)
	submit.Entry = f.entries[provider]
	submit.Failover = tasks.Failover{Rules: f.rules, Entries: f.entries}
	return submit
}

// turnAt runs a provider's submit handler once.
func (f *fleet) turnAt(t *testing.T, provider string) {
	t.Helper()
	err := f.submitTo(provider, nil).ProcessTask(context.Background(),
		task(tasks.TypeSubmit, "{}"))
	require.NoError(t, err)
}

// workers starts the queues of some providers and a sweeper for them.
func (f *fleet) workers(t *testing.T, names ...string) {
	t.Helper()
	for _, name := range names {
		f.serve(t, name, tasks.TypeSubmit, f.submitTo(name, nil))
	}
	sweeper := &tasks.Sweeper{
		Store: f.store, Queues: f.queues, Providers: names, Interval: 50 * time.Millisecond,
		Log: f.log,
	}
	loop(t, sweeper.Run)
}

// serves starts the queues of some providers and of queries, and no loop beside them.
func (f *fleet) serves(t *testing.T, names ...string) {
	t.Helper()
	for _, name := range names {
		f.serve(t, name, tasks.TypeSubmit, f.submitTo(name, nil))
	}
	f.serve(t, tasks.QueuePoll, tasks.TypePoll, f.asking())
}

// asking is the handler of queries for the whole fleet.
func (f *fleet) asking() *tasks.Poll {
	poll := f.poll()
	poll.Entries, poll.Known = f.entries, f.rules.Providers
	return poll
}

// pollers starts the query queue and the loop that hands queries out.
func (f *fleet) pollers(t *testing.T) {
	t.Helper()
	f.serve(t, tasks.QueuePoll, tasks.TypePoll, f.asking())
	due := &tasks.Due{
		Store: f.store, Queues: f.queues, Log: f.log, Redeliver: 2 * time.Second,
	}
	loop(t, due.Run)
}

// disbursalTo is a disbursal to a provider, routed there or named by its producer.
func disbursalTo(provider, reference string, first, n int, routed bool) state.Disbursal {
	d := disbursal(reference, first, n)
	d.Provider, d.Given = provider, provider
	if routed {
		d.Given = ""
	}
	return d
}

// faulty changes the switches of one provider's simulator.
func (f *fleet) faulty(t *testing.T, provider string, change func(*sandbox.Faults)) {
	t.Helper()
	faults, err := f.simulator.ProviderFaults(provider)
	require.NoError(t, err)
	change(&faults)
	require.NoError(t, f.simulator.SetProviderFaults(provider, faults))
}

// rows reads the recipients of a disbursal.
func (h *harness) rows(t *testing.T, reference string) []state.Row {
	t.Helper()
	var rows []state.Row
	err := h.store.Report(context.Background(), state.KindDisbursal, reference,
		func(row state.Row) error {
			rows = append(rows, row)
			return nil
		})
	require.NoError(t, err)
	return rows
}

// balanced recounts the books.
func (h *harness) balanced(t *testing.T) {
	t.Helper()
	audit, err := h.store.Verify(context.Background(), nil)
	require.NoError(t, err)
	require.Empty(t, audit.Drift)
}

// channelOf reads the channel of a provider.
func (h *harness) channelOf(t *testing.T, provider string) state.Channel {
	t.Helper()
	channels, err := h.store.Channels(context.Background())
	require.NoError(t, err)
	for _, c := range channels {
		if c.Provider == provider {
			return c
		}
	}
	return state.Channel{}
}

// due waits for a number of queries to fall due, one after the other, and makes them.
func (f *fleet) due(t *testing.T, n int) {
	t.Helper()
	poll := f.asking()
	for range n {
		var polls []state.Poll
		require.Eventually(t, func() bool {
			var err error
			polls, _, err = f.store.Due(context.Background(), 1, time.Minute)
			require.NoError(t, err)
			return len(polls) == 1
		}, testTimeout, 5*time.Millisecond)
		payload, err := json.Marshal(map[string]any{
			"batch": polls[0].Batch, "provider": polls[0].Provider, "number": polls[0].Number,
		})
		require.NoError(t, err)
		err = poll.ProcessTask(context.Background(), task(tasks.TypePoll, string(payload)))
		require.NoError(t, err)
	}
}

// inDoubt is the number of recipients of a disbursal that are in doubt.
func (h *harness) inDoubt(t *testing.T, reference string) int64 {
	t.Helper()
	return h.statuses(t, reference)[airtime.InDoubt]
}
