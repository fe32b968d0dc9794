package callback_test

import (
	"context"
	"fmt"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/hibiken/asynq"
	"github.com/prometheus/client_golang/prometheus"
	"github.com/redis/go-redis/v9"
	"github.com/stretchr/testify/require"
	"go.uber.org/goleak"
	"go.uber.org/zap"
	"go.uber.org/zap/zaptest/observer"

	"tuma/internal/airtime"
	"tuma/internal/callback"
	"tuma/internal/providers"
	"tuma/internal/providers/catalog"
	"tuma/internal/providers/catalog/catalogtest"
	"tuma/internal/redisconn"
	"tuma/internal/state"
	"tuma/internal/state/statetest"
	"tuma/internal/tasks"
	"tuma/internal/test/proctest"
	"tuma/internal/test/redistest"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(proctest.Suite{M: m, AtOnce: 12}) }

const (
	lipad  = "lipad"
	at     = "africastalking"
	sozuri = "sozuri"

	// The two routes of Africa's Talking; the others are named after their provider.
	atStatus     = "africastalking/status"
	atValidation = "africastalking/validation"

	// Secrets that must be seen nowhere.
	token  = "t0ken-of-the-path"
	apiKey = "k3y-at-the-provider"

	// testTimeout is how long a test waits for what should take a moment.
	testTimeout = 2 * time.Minute
)

// harness is a poller's callbacks in one process: a namespace on a real Redis, the real adapters,
// and providers that answer as documented.
type harness struct {
	options  state.Options
	store    *state.Store
	rdb      redis.UniversalClient
	queues   *tasks.Queues
	vendor   *vendor
	entries  map[string]catalog.Entry
	settings callback.Options
	handler  http.Handler
	registry *prometheus.Registry
	metrics  *tasks.Metrics
	log      *zap.Logger
	logs     *observer.ObservedLogs
	token    atomic.Pointer[string]
}

// newHarness builds a harness on the shared Redis.
func newHarness(t *testing.T, change func(*callback.Options)) *harness {
	t.Helper()
	redisURL, namespace := redistest.Shared(t)
	return newHarnessAt(t, redisURL, namespace, 2*time.Second, change)
}

// whileRedisRestarts is how long a request may take while its test restarts Redis.
const whileRedisRestarts = 20 * time.Second

// newHarnessAt is newHarness on a Redis of the test's own; submit is how long a request may take.
func newHarnessAt(
	t *testing.T, redisURL, namespace string, submit time.Duration,
	change func(*callback.Options),
) *harness {
	t.Helper()
	h := &harness{options: state.Options{
		Options: redisconn.Options{URL: redisURL}, Namespace: namespace, Providers: knownProviders(),
		SubmitTimeout: submit, Guard: 200 * time.Millisecond,
	}}
	core, logs := observer.New(zap.DebugLevel)
	h.log, h.logs = zap.New(core), logs
	h.store = h.openStore(t)
	rdb, err := redisconn.Dial(h.options.Options)
	require.NoError(t, err)
	h.rdb = rdb
	t.Cleanup(func() { require.NoError(t, rdb.Close()) })
	h.queues, err = tasks.OpenQueues(h.options, h.log)
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, h.queues.Close()) })
	h.vendor = newVendor(t)
	client := providers.NewClient(providers.ClientOptions{Timeout: h.options.SubmitTimeout})
	t.Cleanup(client.Close)
	h.entries = entriesAt(h.vendor.base, client)
	h.registry = prometheus.NewRegistry()
	h.metrics = tasks.NewMetrics(h.registry, []string{lipad, at, sozuri})
	first := token
	h.token.Store(&first)
	h.settings = callback.Options{
		Store: h.store, Entries: h.entries, QueryTimeout: time.Second, Log: h.log,
		Token:   func() string { return *h.token.Load() },
		Metrics: callback.NewMetrics(h.registry, []string{lipad, at, sozuri}),
	}
	if change != nil {
		change(&h.settings)
	}
	h.handler = callback.New(h.settings).Handler()
	t.Cleanup(func() { h.leaksNothing(t) })
	return h
}

// knownProviders are what the state knows of all providers. Batches do not ramp up: a test sends
// everybody at once.
func knownProviders() []providers.Capabilities {
	known := catalog.Known()
	for i := range known {
		known[i].RampsUp = false
	}
	return known
}

// entriesAt builds the real adapters for one base URL.
func entriesAt(base string, client *providers.Client) map[string]catalog.Entry {
	return catalog.Build(client, catalogtest.Accounts(base, apiKey, lipad, at, sozuri)...)
}

func (h *harness) openStore(t *testing.T) *state.Store {
	t.Helper()
	store, err := state.Open(context.Background(), h.options)
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, store.Close()) })
	return store
}

// clocked has the time of the scripts stand still until the test lets it pass.
func (h *harness) clocked(t *testing.T) *statetest.Clock {
	t.Helper()
	var clock *statetest.Clock
	h.store, clock = statetest.Start(t, h.store, h.rdb)
	h.settings.Store = h.store
	h.handler = callback.New(h.settings).Handler()
	return clock
}

// rounds lets time pass in n steps, and does after each what the loop does.
func (h *harness) rounds(t *testing.T, c *statetest.Clock, n int, step time.Duration) {
	t.Helper()
	receiver := callback.New(h.settings)
	for range n {
		c.Pass(step)
		require.NoError(t, receiver.Round(context.Background()))
	}
}

// run starts the loop that tries kept callbacks again; stop ends it as a process does.
func (h *harness) run(t *testing.T, o callback.Options) (stop func()) {
	t.Helper()
	ctx, cancel := context.WithCancel(context.Background())
	var done sync.WaitGroup
	receiver := callback.New(o)
	done.Go(func() { _ = receiver.Run(ctx) })
	stop = sync.OnceFunc(func() {
		cancel()
		done.Wait()
	})
	t.Cleanup(stop)
	return stop
}

// phonePattern finds a full phone number.
const phonePattern = `\b(254|0)7\d{8}\b`

// leaksNothing looks for phone numbers and secrets in every log line and metric.
func (h *harness) leaksNothing(t *testing.T) {
	t.Helper()
	var shown strings.Builder
	for _, entry := range h.logs.All() {
		fmt.Fprintln(&shown, entry.Message, entry.ContextMap())
	}
	families, err := h.registry.Gather()
	require.NoError(t, err)
	for _, family := range families {
		fmt.Fprintln(&shown, family)
	}
	require.NotRegexp(t, phonePattern, shown.String(), "a phone number was shown")
	for _, secret := range []string{token, apiKey} {
		require.NotContains(t, shown.String(), secret, "a secret was shown")
	}
}

// post sends a callback and returns the answer.
func (h *harness) post(path, mediaType, body string) *httptest.ResponseRecorder {
	request := httptest.NewRequest(http.MethodPost, path, strings.NewReader(body))
	request.Header.Set("Content-Type", mediaType)
	recorder := httptest.NewRecorder()
	h.handler.ServeHTTP(recorder, request)
	return recorder
}

const (
	asJSON = "application/json"
	asForm = "application/x-www-form-urlencoded"
)

// tell posts a JSON callback that must be taken.
func (h *harness) tell(t *testing.T, route, body string) {
	t.Helper()
	answer := h.post("/callbacks/"+token+"/"+route, asJSON, body)
	require.Equal(t, http.StatusOK, answer.Code, answer.Body)
	require.Equal(t, "OK", answer.Body.String())
}

func phone(i int) airtime.MSISDN {
	return airtime.MSISDNFromE164(fmt.Sprintf("2547%08d", i))
}

// disbursal makes one of n recipients of KES 10 whose phone numbers begin at the first-th.
func disbursal(provider, reference string, first, n int) state.Disbursal {
	d := state.Disbursal{Reference: reference, Provider: provider, Currency: "KES"}
	for i := range n {
		d.Recipients = append(d.Recipients, airtime.Recipient{
			Phone: phone(first + i), Amount: airtime.Money{Minor: 10_00, Currency: "KES"},
		})
	}
	return d
}

func (h *harness) accept(t *testing.T, d state.Disbursal) {
	t.Helper()
	inlet := tasks.Inlet{Store: h.store, Queues: h.queues}
	outcomes, err := inlet.Accept(context.Background(), []state.Disbursal{d})
	require.NoError(t, err)
	require.Equal(t, []state.Outcome{state.Accepted}, outcomes)
}

// send runs one turn of a provider's worker in the test's own goroutine.
func (h *harness) send(t *testing.T, provider string) {
	t.Helper()
	submit := &tasks.Submit{
		Store: h.store, Queues: h.queues, Entry: h.entries[provider], Metrics: h.metrics, Log: h.log,
		Backoff: tasks.Backoff{Initial: time.Hour, Max: time.Hour, Multiplier: 1},
	}
	err := submit.ProcessTask(context.Background(), asynq.NewTask(tasks.TypeSubmit, []byte("{}")))
	require.NoError(t, err)
}

// query makes the queries that are due and returns how many those were.
func (h *harness) query(t *testing.T) int {
	t.Helper()
	ctx := context.Background()
	poll := &tasks.Poll{
		Store: h.store, Queues: h.queues, Entries: h.entries, Timeout: time.Second, Metrics: h.metrics,
		Known:   map[string]providers.Capabilities{lipad: h.entries[lipad].Capabilities},
		Backoff: tasks.Backoff{Initial: time.Hour, Max: time.Hour, Multiplier: 1}, Log: h.log,
	}
	due, _, err := h.store.Due(ctx, 100, time.Minute)
	require.NoError(t, err)
	for _, p := range due {
		payload := fmt.Sprintf(`{"batch":%q,"provider":%q,"number":%d}`, p.Batch, p.Provider, p.Number)
		err := poll.ProcessTask(ctx, asynq.NewTask(tasks.TypePoll, []byte(payload)))
		require.NoError(t, err)
	}
	return len(due)
}

// rows reads the recipients of a disbursal.
func (h *harness) rows(t *testing.T, reference string) []state.Row {
	t.Helper()
	var rows []state.Row
	err := h.store.Report(context.Background(), state.KindDisbursal, reference,
		func(r state.Row) error {
			rows = append(rows, r)
			return nil
		})
	require.NoError(t, err)
	return rows
}

// is wants all recipients of a disbursal to have one status.
func (h *harness) is(t *testing.T, reference string, status airtime.Status) {
	t.Helper()
	for _, row := range h.rows(t, reference) {
		require.Equal(t, status, row.Status, "%s of %s", row.Phone, reference)
	}
}

// becomes waits until all recipients of a disbursal have one status.
func (h *harness) becomes(t *testing.T, reference string, status airtime.Status) {
	t.Helper()
	require.Eventually(t, func() bool {
		for _, row := range h.rows(t, reference) {
			if row.Status != status {
				return false
			}
		}
		return true
	}, testTimeout, 10*time.Millisecond, "%s: not all became %s", reference, status)
}

func (h *harness) figures(t *testing.T) state.Stats {
	t.Helper()
	figures, err := h.store.Stats(context.Background())
	require.NoError(t, err)
	return figures
}

// balanced recounts the books.
func (h *harness) balanced(t *testing.T) {
	t.Helper()
	audit, err := h.store.Verify(context.Background(), nil)
	require.NoError(t, err)
	require.Empty(t, audit.Drift)
}

// count returns the value of a counter whose labels have these values, in the order of their names.
func (h *harness) count(t *testing.T, name string, values ...string) int {
	t.Helper()
	families, err := h.registry.Gather()
	require.NoError(t, err)
	for _, family := range families {
		for _, metric := range family.GetMetric() {
			var have []string
			for _, pair := range metric.GetLabel() {
				have = append(have, pair.GetValue())
			}
			if family.GetName() == name && strings.Join(have, " ") == strings.Join(values, " ") {
				return int(metric.GetCounter().GetValue())
			}
		}
	}
	t.Fatalf("no metric %s%v", name, values)
	return 0
}
