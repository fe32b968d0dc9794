package tasks_test

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
	"tuma/internal/providers"
	"tuma/internal/providers/catalog"
	"tuma/internal/providers/catalog/catalogtest"
	"tuma/internal/redisconn"
	"tuma/internal/sandbox"
	"tuma/internal/state"
	"tuma/internal/state/statetest"
	"tuma/internal/tasks"
	"tuma/internal/test/proctest"
	"tuma/internal/test/redistest"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(proctest.Suite{M: m, AtOnce: 12}) }

const lipad = "lipad"

// testTimeout is how long a test waits for what should take a moment before it gives up.
const testTimeout = 2 * time.Minute

// harness is one deployment in one process: a namespace on a real Redis, a simulated provider that
// counts its requests, and whatever servers and loops the test starts.
type harness struct {
	options   state.Options
	rdb       redis.UniversalClient
	store     *state.Store
	queues    *tasks.Queues
	inspector *asynq.Inspector
	simulator *sandbox.Simulator
	client    *providers.Client
	entry     catalog.Entry
	registry  *prometheus.Registry
	metrics   *tasks.Metrics
	log       *zap.Logger
	logs      *observer.ObservedLogs
	backoff   tasks.Backoff
	// provider counts and may hold the requests at the provider.
	provider *front
}

// front stands before the simulator: it counts, and answers itself when told to.
type front struct {
	base string
	next http.Handler
	// answer is asked first; true means that it has answered.
	answer atomic.Pointer[func(http.ResponseWriter, *http.Request) bool]

	mu       sync.Mutex
	arrivals map[string][]time.Time // By path, the status path as "status".
}

func (f *front) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	kind := strings.TrimPrefix(r.URL.Path, "/v1/")
	if strings.HasSuffix(kind, "/status") {
		kind = "status"
	}
	f.mu.Lock()
	f.arrivals[kind] = append(f.arrivals[kind], time.Now())
	f.mu.Unlock()
	if answer := f.answer.Load(); answer != nil && (*answer)(w, r) {
		return
	}
	f.next.ServeHTTP(w, r)
}

func (f *front) sends() int   { return len(f.times(send)) }
func (f *front) queries() int { return len(f.times("status")) }

// send is the kind of a submission.
const send = "gw/airtime/send"

func (f *front) times(kind string) []time.Time {
	f.mu.Lock()
	defer f.mu.Unlock()
	return append([]time.Time(nil), f.arrivals[kind]...)
}

// instead answers the provider's requests of one kind, or none with nil.
func (f *front) instead(kind string, answer http.HandlerFunc) {
	if answer == nil {
		f.answer.Store(nil)
		return
	}
	match := func(w http.ResponseWriter, r *http.Request) bool {
		if !strings.HasSuffix(r.URL.Path, kind) {
			return false
		}
		answer(w, r)
		return true
	}
	f.answer.Store(&match)
}

// quick are durations that a test can wait for.
func quick(o *state.Options) {
	o.SubmitTimeout, o.Guard = 2*time.Second, 200*time.Millisecond
	o.SettleDelay = 200 * time.Millisecond
}

// newHarness builds a harness on the shared Redis.
func newHarness(t testing.TB, change func(*state.Options)) *harness {
	t.Helper()
	url, namespace := redistest.Shared(t)
	o := state.Options{
		Options: redisconn.Options{URL: url}, Namespace: namespace,
		Providers: []providers.Capabilities{{Name: lipad, Code: 'L', Asks: providers.AskByBatch}},
	}
	quick(&o)
	if change != nil {
		change(&o)
	}
	h := &harness{options: o, backoff: tasks.Backoff{
		Initial: 20 * time.Millisecond, Max: 100 * time.Millisecond, Multiplier: 1.5,
	}}
	h.openRedis(t)
	h.openProvider(t)
	core, logs := observer.New(zap.DebugLevel)
	h.log, h.logs = zap.New(core), logs
	h.store = h.openStore(t, o)
	h.queues = h.openQueues(t, o)
	h.registry = prometheus.NewRegistry()
	h.metrics = tasks.NewMetrics(h.registry, []string{lipad})
	return h
}

func (h *harness) openRedis(t testing.TB) {
	t.Helper()
	rdb, err := redisconn.Dial(h.options.Options)
	require.NoError(t, err)
	h.rdb = rdb
	t.Cleanup(func() { require.NoError(t, rdb.Close()) })
	h.inspector = asynq.NewInspectorFromRedisClient(rdb)
}

func (h *harness) openProvider(t testing.TB) {
	t.Helper()
	faults := sandbox.DefaultFaults()
	faults.Outcomes = sandbox.Weights{Successful: 1}
	h.simulator = sandbox.New(sandbox.Options{Seed: 1, Faults: faults})
	h.provider = &front{next: h.simulator, arrivals: map[string][]time.Time{}}
	server := httptest.NewServer(h.provider)
	t.Cleanup(server.Close)
	h.provider.base = server.URL
	h.client = providers.NewClient(providers.ClientOptions{Timeout: h.options.SubmitTimeout})
	t.Cleanup(h.client.Close)
	h.entry = h.lipadAt(server.URL)
}

// lipadAt builds the real adapter for a base URL.
func (h *harness) lipadAt(base string) catalog.Entry {
	return catalog.Build(h.client, catalogtest.Accounts(base, "test", lipad)...)[lipad]
}

func (h *harness) openStore(t testing.TB, o state.Options) *state.Store {
	t.Helper()
	store, err := state.Open(context.Background(), o)
	require.NoError(t, err)
	t.Cleanup(func() { _ = store.Close() }) // A test may have closed it.
	return store
}

func (h *harness) openQueues(t testing.TB, o state.Options) *tasks.Queues {
	t.Helper()
	queues, err := tasks.OpenQueues(o, h.log)
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, queues.Close()) })
	return queues
}

// clocked has the time of the scripts stand still until the test lets it pass.
func (h *harness) clocked(t testing.TB) *statetest.Clock {
	t.Helper()
	var clock *statetest.Clock
	h.store, clock = statetest.Start(t, h.store, h.rdb)
	return clock
}

// submit is the handler of the harness's provider queue.
func (h *harness) submit(stopping <-chan struct{}) *tasks.Submit {
	return &tasks.Submit{
		Store: h.store, Queues: h.queues, Entry: h.entry, Backoff: h.backoff, Metrics: h.metrics,
		Log: h.log, Stopping: stopping,
	}
}

func (h *harness) poll() *tasks.Poll {
	return &tasks.Poll{
		Store: h.store, Queues: h.queues, Entries: map[string]catalog.Entry{lipad: h.entry},
		Known:   map[string]providers.Capabilities{lipad: h.entry.Capabilities},
		Backoff: h.backoff, Timeout: h.options.SubmitTimeout, Metrics: h.metrics, Log: h.log,
	}
}

// serve starts the asynq server of a queue and stops it with the test, or before by the function
// that it returns.
func (h *harness) serve(t testing.TB, queue, kind string, handler tasks.Handler) (stop func()) {
	t.Helper()
	return h.serveOn(t, h.options, queue, kind, handler)
}

func (h *harness) serveOn(
	t testing.TB, o state.Options, queue, kind string, handler tasks.Handler,
) (stop func()) {
	t.Helper()
	server, err := tasks.NewServer(tasks.ServerOptions{
		Redis: o, Queue: queue, Type: kind, Handler: handler, Accept: h.inlet(), Concurrency: 4,
		ShutdownTimeout: o.SubmitTimeout + 5*time.Second, Log: h.log,
	})
	require.NoError(t, err)
	require.NoError(t, server.Start())
	stop = sync.OnceFunc(server.Shutdown)
	t.Cleanup(stop)
	return stop
}

// worker starts the provider's queue and a sweeper; stop ends both as a process does.
func (h *harness) worker(t testing.TB) (stop func()) {
	t.Helper()
	stopping := make(chan struct{})
	shutdown := h.serve(t, lipad, tasks.TypeSubmit, h.submit(stopping))
	h.sweeper(t)
	stop = sync.OnceFunc(func() {
		close(stopping)
		shutdown()
	})
	t.Cleanup(stop)
	return stop
}

func (h *harness) sweeper(t testing.TB) {
	t.Helper()
	sweeper := &tasks.Sweeper{
		Store: h.store, Queues: h.queues, Providers: []string{lipad},
		Interval: 50 * time.Millisecond, Log: h.log,
	}
	loop(t, sweeper.Run)
}

// poller starts the query queue and the loop that hands queries out.
func (h *harness) poller(t testing.TB) {
	t.Helper()
	h.serve(t, tasks.QueuePoll, tasks.TypePoll, h.poll())
	due := &tasks.Due{
		Store: h.store, Queues: h.queues, Log: h.log, Redeliver: 2 * time.Second,
	}
	loop(t, due.Run)
}

// loop runs a loop until the test ends.
func loop(t testing.TB, body func(context.Context) error) {
	t.Helper()
	ctx, cancel := context.WithCancel(context.Background())
	var done sync.WaitGroup
	done.Go(func() { _ = body(ctx) })
	t.Cleanup(func() {
		cancel()
		done.Wait()
	})
}

// disbursal makes one of n recipients whose phone numbers begin at the first-th.
func disbursal(reference string, first, n int) state.Disbursal {
	d := state.Disbursal{Reference: reference, Provider: lipad, Currency: "KES"}
	for i := range n {
		d.Recipients = append(d.Recipients, airtime.Recipient{
			Phone:  phone(first + i),
			Amount: airtime.Money{Minor: 1000, Currency: "KES"},
		})
	}
	return d
}

func phone(i int) airtime.MSISDN {
	return airtime.MSISDNFromE164(fmt.Sprintf("2547%08d", i))
}

// accept hands a disbursal in as the inlets do.
func (h *harness) accept(t testing.TB, d state.Disbursal) {
	t.Helper()
	inlet := tasks.Inlet{Store: h.store, Queues: h.queues}
	outcomes, err := inlet.Accept(context.Background(), []state.Disbursal{d})
	require.NoError(t, err)
	require.Equal(t, []state.Outcome{state.Accepted}, outcomes)
}

// acceptSilently hands a disbursal in without a trigger.
func (h *harness) acceptSilently(t testing.TB, d state.Disbursal) {
	t.Helper()
	_, err := h.store.Accept(context.Background(), []state.Disbursal{d})
	require.NoError(t, err)
}

// task makes a trigger as asynq would hand it to a handler; nobody reads its result.
func task(kind, payload string) *asynq.Task { return asynq.NewTask(kind, []byte(payload)) }

// turn runs the submit handler once, in the test's own goroutine.
func (h *harness) turn(t testing.TB) {
	t.Helper()
	err := h.submit(nil).ProcessTask(context.Background(), task(tasks.TypeSubmit, "{}"))
	require.NoError(t, err)
}

// statuses counts the recipients of a disbursal by status.
func (h *harness) statuses(t testing.TB, reference string) map[airtime.Status]int64 {
	t.Helper()
	summary, err := h.store.Summarize(context.Background(), state.KindDisbursal, reference)
	require.NoError(t, err)
	counts := map[airtime.Status]int64{}
	for status, totals := range summary.Statuses {
		counts[status] = totals.Recipients
	}
	return counts
}

// all waits until all n recipients of a disbursal have one status.
func (h *harness) all(t testing.TB, reference string, status airtime.Status, n int) {
	t.Helper()
	require.Eventually(t, func() bool {
		return h.statuses(t, reference)[status] == int64(n)
	}, testTimeout, 10*time.Millisecond, "%s: not all became %s", reference, status)
}

// paidOnce wants the provider's ledger and our books to agree: n paid, nobody twice.
func (h *harness) paidOnce(t testing.TB, n int) {
	t.Helper()
	ledger := h.simulator.Ledger().Totals()
	require.Equal(t, n, ledger.Recipients.Paid)
	require.Zero(t, ledger.Recipients.Twice)
	for _, total := range h.simulator.Ledger().Phones() {
		require.Equal(t, 1, total.TimesPaid, "a phone number was paid under two references")
	}
	audit, err := h.store.Verify(context.Background(), nil)
	require.NoError(t, err)
	require.Empty(t, audit.Drift)
}

// channel reads the channel of the provider.
func (h *harness) channel(t testing.TB) state.Channel {
	t.Helper()
	figures, err := h.store.Stats(context.Background())
	require.NoError(t, err)
	for _, c := range figures.Channels {
		if c.Provider == lipad {
			return c
		}
	}
	return state.Channel{}
}

// completed lists the finished tasks of a queue.
func (h *harness) completed(t testing.TB, queue string) []*asynq.TaskInfo {
	t.Helper()
	list, err := h.inspector.ListCompletedTasks(h.queues.Name(queue), asynq.PageSize(1000))
	require.NoError(t, err)
	return list
}

// count returns the value of a counter; labels are pairs.
func (h *harness) count(t testing.TB, name string, labels ...string) float64 {
	t.Helper()
	families, err := h.registry.Gather()
	require.NoError(t, err)
	for _, family := range families {
		if family.GetName() != name {
			continue
		}
		for _, metric := range family.GetMetric() {
			have := map[string]string{}
			for _, pair := range metric.GetLabel() {
				have[pair.GetName()] = pair.GetValue()
			}
			same := true
			for i := 0; i < len(labels); i += 2 {
				same = same && have[labels[i]] == labels[i+1]
			}
			if same {
				return metric.GetCounter().GetValue()
			}
		}
	}
	t.Fatalf("no metric %s%v", name, labels)
	return 0
}
