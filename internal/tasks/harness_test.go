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
	"tuma/internal/proctest"
	"tuma/internal/providers"
	"tuma/internal/providers/catalog"
	"tuma/internal/providers/catalog/catalogtest"
	"tuma/internal/redistest"
	"tuma/internal/sandbox"
	"tuma/internal/state"
	"tuma/internal/state/statetest"
	"tuma/internal/tasks"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(proctest.Suite{M: m, AtOnce: 12}) }

const lipad = "lipad"

// patience is how long a test waits for what should take a moment before it gives up.
const patience = 2 * time.Minute

// rig is one deployment in one process: a namespace on a real Redis, a simulated provider that
// counts its requests, and whatever servers and loops the test starts.
type rig struct {
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

// newRig builds a rig on the shared Redis.
func newRig(t testing.TB, change func(*state.Options)) *rig {
	t.Helper()
	url, namespace := redistest.Shared(t)
	o := state.Options{URL: url, Namespace: namespace, Providers: []providers.Capabilities{
		{Name: lipad, Code: 'L', Asks: providers.AskByBatch},
	}}
	quick(&o)
	if change != nil {
		change(&o)
	}
	r := &rig{options: o, backoff: tasks.Backoff{
		Initial: 20 * time.Millisecond, Max: 100 * time.Millisecond, Multiplier: 1.5,
	}}
	r.openRedis(t)
	r.openProvider(t)
	core, logs := observer.New(zap.DebugLevel)
	r.log, r.logs = zap.New(core), logs
	r.store = r.openStore(t, o)
	r.queues = r.openQueues(t, o)
	r.registry = prometheus.NewRegistry()
	r.metrics = tasks.NewMetrics(r.registry, []string{lipad})
	return r
}

func (r *rig) openRedis(t testing.TB) {
	t.Helper()
	rdb, err := state.Dial(r.options)
	require.NoError(t, err)
	r.rdb = rdb
	t.Cleanup(func() { require.NoError(t, rdb.Close()) })
	r.inspector = asynq.NewInspectorFromRedisClient(rdb)
}

func (r *rig) openProvider(t testing.TB) {
	t.Helper()
	faults := sandbox.DefaultFaults()
	faults.Outcomes = sandbox.Weights{Successful: 1}
	r.simulator = sandbox.New(sandbox.Options{Seed: 1, Faults: faults})
	r.provider = &front{next: r.simulator, arrivals: map[string][]time.Time{}}
	server := httptest.NewServer(r.provider)
	t.Cleanup(server.Close)
	r.provider.base = server.URL
	r.client = providers.NewClient(providers.ClientOptions{Timeout: r.options.SubmitTimeout})
	t.Cleanup(r.client.Close)
	r.entry = r.lipadAt(server.URL)
}

// lipadAt builds the real adapter for a base URL.
func (r *rig) lipadAt(base string) catalog.Entry {
	return catalog.Build(r.client, catalogtest.Accounts(base, "test", lipad)...)[lipad]
}

func (r *rig) openStore(t testing.TB, o state.Options) *state.Store {
	t.Helper()
	store, err := state.Open(context.Background(), o)
	require.NoError(t, err)
	t.Cleanup(func() { _ = store.Close() }) // A test may have closed it.
	return store
}

func (r *rig) openQueues(t testing.TB, o state.Options) *tasks.Queues {
	t.Helper()
	queues, err := tasks.OpenQueues(o, r.log)
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, queues.Close()) })
	return queues
}

// clocked has the time of the scripts stand still until the test lets it pass.
func (r *rig) clocked(t testing.TB) *statetest.Clock {
	t.Helper()
	var clock *statetest.Clock
	r.store, clock = statetest.Start(t, r.store, r.rdb)
	return clock
}

// submit is the handler of the rig's provider queue.
func (r *rig) submit(stopping <-chan struct{}) *tasks.Submit {
	return &tasks.Submit{
		Store: r.store, Queues: r.queues, Entry: r.entry, Backoff: r.backoff, Metrics: r.metrics,
		Log: r.log, Stopping: stopping,
	}
}

func (r *rig) poll() *tasks.Poll {
	return &tasks.Poll{
		Store: r.store, Queues: r.queues, Entries: map[string]catalog.Entry{lipad: r.entry},
		Known:   map[string]providers.Capabilities{lipad: r.entry.Capabilities},
		Backoff: r.backoff, Timeout: r.options.SubmitTimeout, Metrics: r.metrics, Log: r.log,
	}
}

// serve starts the asynq server of a queue and stops it with the test, or before by the function
// that it returns.
func (r *rig) serve(t testing.TB, queue, kind string, handler tasks.Handler) (stop func()) {
	t.Helper()
	return r.serveOn(t, r.options, queue, kind, handler)
}

func (r *rig) serveOn(
	t testing.TB, o state.Options, queue, kind string, handler tasks.Handler,
) (stop func()) {
	t.Helper()
	server, err := tasks.NewServer(tasks.ServerOptions{
		Redis: o, Queue: queue, Type: kind, Handler: handler, Accept: r.inlet(), Concurrency: 4,
		ShutdownTimeout: o.SubmitTimeout + 5*time.Second, Log: r.log,
	})
	require.NoError(t, err)
	require.NoError(t, server.Start())
	stop = sync.OnceFunc(server.Shutdown)
	t.Cleanup(stop)
	return stop
}

// worker starts the provider's queue and a sweeper; stop ends both as a process does.
func (r *rig) worker(t testing.TB) (stop func()) {
	t.Helper()
	stopping := make(chan struct{})
	shutdown := r.serve(t, lipad, tasks.TypeSubmit, r.submit(stopping))
	r.sweeper(t)
	stop = sync.OnceFunc(func() {
		close(stopping)
		shutdown()
	})
	t.Cleanup(stop)
	return stop
}

func (r *rig) sweeper(t testing.TB) {
	t.Helper()
	sweeper := &tasks.Sweeper{
		Store: r.store, Queues: r.queues, Providers: []string{lipad},
		Interval: 50 * time.Millisecond, Log: r.log,
	}
	loop(t, sweeper.Run)
}

// poller starts the query queue and the loop that hands queries out.
func (r *rig) poller(t testing.TB) {
	t.Helper()
	r.serve(t, tasks.QueuePoll, tasks.TypePoll, r.poll())
	due := &tasks.Due{
		Store: r.store, Queues: r.queues, Log: r.log, Redeliver: 2 * time.Second,
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
func (r *rig) accept(t testing.TB, d state.Disbursal) {
	t.Helper()
	inlet := tasks.Inlet{Store: r.store, Queues: r.queues}
	outcomes, err := inlet.Accept(context.Background(), []state.Disbursal{d})
	require.NoError(t, err)
	require.Equal(t, []state.Outcome{state.Accepted}, outcomes)
}

// acceptSilently hands a disbursal in without a trigger.
func (r *rig) acceptSilently(t testing.TB, d state.Disbursal) {
	t.Helper()
	_, err := r.store.Accept(context.Background(), []state.Disbursal{d})
	require.NoError(t, err)
}

// task makes a trigger as asynq would hand it to a handler; nobody reads its result.
func task(kind, payload string) *asynq.Task { return asynq.NewTask(kind, []byte(payload)) }

// turn runs the submit handler once, in the test's own goroutine.
func (r *rig) turn(t testing.TB) {
	t.Helper()
	err := r.submit(nil).ProcessTask(context.Background(), task(tasks.TypeSubmit, "{}"))
	require.NoError(t, err)
}

// statuses counts the recipients of a disbursal by status.
func (r *rig) statuses(t testing.TB, reference string) map[airtime.Status]int64 {
	t.Helper()
	summary, err := r.store.Summarize(context.Background(), state.KindDisbursal, reference)
	require.NoError(t, err)
	counts := map[airtime.Status]int64{}
	for status, totals := range summary.Statuses {
		counts[status] = totals.Recipients
	}
	return counts
}

// all waits until all n recipients of a disbursal have one status.
func (r *rig) all(t testing.TB, reference string, status airtime.Status, n int) {
	t.Helper()
	require.Eventually(t, func() bool {
		return r.statuses(t, reference)[status] == int64(n)
	}, patience, 10*time.Millisecond, "%s: not all became %s", reference, status)
}

// paidOnce wants the provider's ledger and our books to agree: n paid, nobody twice.
func (r *rig) paidOnce(t testing.TB, n int) {
	t.Helper()
	ledger := r.simulator.Ledger().Totals()
	require.Equal(t, n, ledger.Recipients.Paid)
	require.Zero(t, ledger.Recipients.Twice)
	for _, total := range r.simulator.Ledger().Phones() {
		require.Equal(t, 1, total.TimesPaid, "a phone number was paid under two references")
	}
	audit, err := r.store.Verify(context.Background(), nil)
	require.NoError(t, err)
	require.Empty(t, audit.Drift)
}

// channel reads the channel of the provider.
func (r *rig) channel(t testing.TB) state.Channel {
	t.Helper()
	figures, err := r.store.Stats(context.Background())
	require.NoError(t, err)
	for _, c := range figures.Channels {
		if c.Provider == lipad {
			return c
		}
	}
	return state.Channel{}
}

// completed lists the finished tasks of a queue.
func (r *rig) completed(t testing.TB, queue string) []*asynq.TaskInfo {
	t.Helper()
	list, err := r.inspector.ListCompletedTasks(r.queues.Name(queue), asynq.PageSize(1000))
	require.NoError(t, err)
	return list
}

// count returns the value of a counter; labels are pairs.
func (r *rig) count(t testing.TB, name string, labels ...string) float64 {
	t.Helper()
	families, err := r.registry.Gather()
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
