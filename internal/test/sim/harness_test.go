package sim_test

import (
	"context"
	"encoding/binary"
	"fmt"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"github.com/google/uuid"
	"github.com/hibiken/asynq"
	"github.com/prometheus/client_golang/prometheus"
	"github.com/redis/go-redis/v9"
	"go.uber.org/zap"

	"tuma/internal/callback"
	"tuma/internal/effect"
	"tuma/internal/providers"
	"tuma/internal/providers/catalog"
	"tuma/internal/providers/catalog/catalogtest"
	"tuma/internal/redisconn"
	"tuma/internal/sandbox"
	"tuma/internal/state"
	"tuma/internal/state/statetest"
	"tuma/internal/tasks"
)

const (
	namespace = "sim"
	token     = "token-of-the-path"
	// slots is how many handlers run at once, each in a process of its own.
	slots = 6
)

// background is the context of what the simulation asks itself.
var background = context.Background()

// variants are the durations and rates of the state.
var variants = []state.Options{
	{SubmitTimeout: 30 * time.Second, Guard: time.Minute, SettleDelay: time.Minute},
	{SubmitTimeout: 10 * time.Second, Guard: 5 * time.Second, SettleDelay: 20 * time.Second},
	{SubmitTimeout: 20 * time.Second, Guard: 40 * time.Second, SettleDelay: 10 * time.Second},
	{SubmitTimeout: 20 * time.Second, Guard: time.Second, SettleDelay: 45 * time.Second},
}

// knownProviders are what the state knows of all providers; the last variant has rates.
func knownProviders(variant int) []providers.Capabilities {
	known := catalog.Known()
	for i := range known {
		if variant == len(variants)-1 {
			known[i].Rate = providers.Rate{PerSecond: 0.5, Burst: 3}
		}
	}
	return known
}

// The metrics are needed to run the handlers; no check reads them.
var (
	taskMetrics     = tasks.NewMetrics(prometheus.NewRegistry(), sandbox.Providers())
	callbackMetrics = callback.NewMetrics(prometheus.NewRegistry(), sandbox.Providers())
)

// harness runs one scenario.
type harness struct {
	*plan
	fixture *fixture
	// muted are the steps that are left out, to find a shorter scenario.
	muted map[int]bool

	options  [2]state.Options
	stores   [2]*state.Store
	queues   [2]*tasks.Queues
	rdb      redis.UniversalClient
	client   *providers.Client
	pods     [slots]*pod
	simulate *sandbox.Simulator

	mu       sync.Mutex // Of calls, log and violations.
	calls    []*call
	log      []string
	broken   []string
	current  *actor
	actors   int
	inEffect atomic.Bool
	ids      atomic.Uint64
	began    time.Time
	// now is the time as the provider's clock shows it, scriptsTime what the scripts' clock shows.
	now         atomic.Int64
	scriptsTime int64

	// slowest is the most that lies between two queries about a batch.
	slowest time.Duration

	seen  history
	posts map[string]int
	// begun is, by recipient, the attempt that its last sending is.
	begun map[string]string
	// deadlines are those of the last requests that were posted, by batch, in ms.
	deadlines map[string]int64
	late      []late
	// doubles counts requests that were repeated on their way.
	doubles int
	// marked is, by cancel mark, how many ids there were when it was set.
	marked map[string]uint64
	// decided counts the outcomes of effects.
	decided int
	// erased are the numbers that were erased, by what stands for them, and toErase those that a
	// person wanted to have erased, in that order.
	erased  map[string]string
	toErase []string
	// hooks are the endpoints of webhooks, inspector reads the tasks about them.
	hooks     []*hook
	inspector *asynq.Inspector
	// conflicts counts jobs with other content under a known reference that were done with.
	conflicts int
	// excused are the providers of which an answer got lost on our side.
	excused map[string]bool
	// triggers that ran before, to be repeated.
	past []trigger
	// scheduled are queries that stood in the dashboard for later.
	scheduled []trigger
	// resubmitted counts, by person, how often a person decided: unpaid, send again.
	resubmitted map[recipient]int
	// delivered are the callbacks that were answered with 200: provider, reference and number.
	delivered map[string]bool
	// paused are the queues that an operator has paused, upset the providers that were changed.
	paused, upset map[string]bool
}

// pod is one process: its handlers, with tokens of its own, for as long as it lives.
type pod struct {
	number   int
	running  *actor
	entries  map[string]catalog.Entry
	receiver *callback.Receiver
}

// newHarness builds a harness inside of a bubble.
func newHarness(p *plan, f *fixture, muted map[int]bool, simulator *sandbox.Simulator) *harness {
	h := &harness{
		plan: p, fixture: f, muted: muted, simulate: simulator, posts: map[string]int{},
		begun:       map[string]string{},
		resubmitted: map[recipient]int{}, delivered: map[string]bool{}, paused: map[string]bool{},
		upset: map[string]bool{}, marked: map[string]uint64{},
		excused: map[string]bool{}, deadlines: map[string]int64{},
		seen: newHistory(), slowest: 10 * time.Minute, erased: map[string]string{},
	}
	time.Sleep(p.begin)
	h.began = time.Now()
	for i := range h.stores {
		o := variants[p.variant]
		o.URL, o.Namespace, o.AllowVolatile = f.redisURL, namespace, true
		o.MaxInFlight, o.Providers = p.inFlight[i], knownProviders(p.variant)
		o.Rules = guardRules
		store, err := state.Open(background, o)
		must(err)
		h.stores[i], h.options[i] = store.Edited(f.edit), store.Options()
		h.queues[i], err = tasks.OpenQueues(o, zap.NewNop())
		must(err)
	}
	var err error
	h.rdb, err = redisconn.Dial(h.options[0].Options)
	must(err)
	must(h.rdb.FlushDB(background).Err())
	h.client = providers.NewClient(providers.ClientOptions{Timeout: h.options[0].SubmitTimeout})
	for i := range h.pods {
		h.pods[i] = &pod{number: i}
		h.revive(h.pods[i])
	}
	h.sync()
	h.openHooks()
	if p.float {
		h.setFloats()
	}
	effect.Intercept(h.intercept)
	return h
}

// close ends everything that still runs.
func (h *harness) close() {
	for _, p := range h.pods {
		if p.running != nil {
			h.kill(p.running)
		}
	}
	h.pass(time.Hour) // Whoever sleeps wakes up, finds itself dead and ends.
	effect.Intercept(nil)
	h.client.Close()
	for _, k := range h.hooks {
		k.Sender.Close()
	}
	for i := range h.stores {
		must(h.queues[i].Close())
		must(h.stores[i].Close())
	}
	must(h.rdb.Close())
}

// revive gives a pod the memory of a process that has just begun.
func (h *harness) revive(p *pod) {
	p.running = nil
	p.entries = entriesAt(h.fixture.base(), h.client)
	if asked := p.entries[lipad]; !h.resendSame {
		asked.Capabilities.ResendSame = false
		p.entries[lipad] = asked
	}
	for name := range p.entries {
		if !slices.Contains(h.providers, name) {
			delete(p.entries, name)
		}
	}
	var trusted []string
	if h.trustLipad {
		trusted = []string{lipad}
	}
	p.receiver = callback.New(callback.Options{
		Store: oneDue{h.stores[p.number%2]}, Entries: p.entries, Trusted: trusted,
		Token: func() string { return token }, QueryTimeout: h.options[0].SubmitTimeout,
		Metrics: callbackMetrics, Log: zap.NewNop(),
	})
}

// oneDue hands out one parked callback at a time: several would be asked about at the same time,
// and the order in which they get answers would not be that of the seed.
type oneDue struct{ *state.Store }

func (s oneDue) DueCallbacks(
	ctx context.Context, _ int, lease time.Duration, confirm ...string,
) ([]state.DueCallback, error) {
	return s.Store.DueCallbacks(ctx, 1, lease, confirm...)
}

// entriesAt builds the real adapters for one base URL.
func entriesAt(base string, client *providers.Client) map[string]catalog.Entry {
	entries := catalog.Build(client, catalogtest.Accounts(base, "secret")...)
	at := entries[talking]
	at.Querier = oneByOne{at.Querier}
	entries[talking] = at
	return entries
}

// oneByOne asks about one recipient after the other, for the same reason, and stops where the
// adapter stops.
type oneByOne struct{ providers.Querier }

func (o oneByOne) Query(
	ctx context.Context, question providers.Question,
) (providers.ProviderStatus, error) {
	var all providers.ProviderStatus
	var failed error
	for _, asked := range question.Recipients {
		one, err := o.Querier.Query(ctx, providers.Question{
			BatchID: question.BatchID, Recipients: []providers.Asked{asked},
		})
		all.Lines, all.Unmatched = append(all.Lines, one.Lines...), all.Unmatched+one.Unmatched
		if err != nil {
			failed = err
		}
		if ctx.Err() != nil {
			break
		}
	}
	if all.Known = len(all.Lines) > 0; all.Known {
		return all, nil
	}
	return all, failed
}

// sync sets the clocks of the scripts and of the providers to the simulated time.
func (h *harness) sync() {
	now := time.Now()
	h.now.Store(now.UnixNano())
	if ms := now.UnixMilli(); ms != h.scriptsTime {
		h.scriptsTime = ms
		must(statetest.Set(background, h.rdb, namespace, ms))
	}
}

func (h *harness) key(kind, name string) string {
	key := "{" + namespace + "}:" + kind
	if name != "" {
		key += ":" + name
	}
	return key
}

// newID makes an id as uuid.NewV7 does, from the simulated time and the seed.
func (h *harness) newID() (uuid.UUID, error) {
	n := h.ids.Add(1)
	var id uuid.UUID
	binary.BigEndian.PutUint64(id[:8], uint64(time.Now().UnixMilli())<<16|0x7000|n&0xfff)
	binary.BigEndian.PutUint64(id[8:], newChance(h.seed, n<<8).Uint64()>>2|1<<63)
	return id, nil
}

// logf adds a line to the log of the run.
func (h *harness) logf(format string, values ...any) {
	at := time.Since(h.began).Truncate(time.Millisecond)
	h.note(fmt.Sprintf("%10s  ", at) + fmt.Sprintf(format, values...))
}

func (h *harness) note(line string) {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.log = append(h.log, line)
}

// violated notes that the scenario went wrong; the first time counts.
func (h *harness) violated(format string, values ...any) {
	text := fmt.Sprintf(format, values...)
	h.mu.Lock()
	defer h.mu.Unlock()
	h.broken = append(h.broken, text)
	h.log = append(h.log, "            !! "+text)
}

func (h *harness) failed() bool {
	h.mu.Lock()
	defer h.mu.Unlock()
	return len(h.broken) > 0
}

// must ends the run when the simulation itself cannot go on.
func must(err error) {
	if err != nil {
		panic(fmt.Sprintf("simulation: %v", err))
	}
}
