package storm_test

import (
	"context"
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"sync"
	"time"

	toxiproxy "github.com/Shopify/toxiproxy/v2"
	"github.com/stretchr/testify/require"

	"tuma/internal/proctest"
)

// pod is a place for one process of ours: when the process dies, another one takes its place.
type pod struct {
	name, program string
	arguments     []string
	environment   []string

	process *proctest.Process
	frozen  bool
}

// weather is what breaks, and the figures of what broke.
type weather struct {
	w    *harness
	dice *rand.Rand
	// freeze is how long a process is frozen: longer than a request, guard and settle delay, and in
	// a long storm longer than asynq's lease.
	freeze time.Duration
	pods   []*pod

	thaws   sync.WaitGroup
	mu      sync.Mutex // of frozen
	figures map[string]int
}

var (
	wrongWorker = &proctest.Variant{
		Name: "wrong-worker", Command: "./cmd/worker", Edits: proctest.WrongClock(), Slow: true,
	}
	wrongPoller = &proctest.Variant{
		Name: "wrong-poller", Command: "./cmd/poller", Edits: proctest.WrongClock(), Slow: true,
	}
)

// newWeather starts two workers, two pollers and a stream of the enqueuer. One worker's clock is
// ten minutes ahead, one poller's ten minutes behind.
func newWeather(h *harness, seed uint64, freeze time.Duration) *weather {
	h.t.Helper()
	f := &weather{
		w: h, dice: rand.New(rand.NewPCG(seed, 4711)), freeze: freeze, figures: map[string]int{},
	}
	ahead, behind := wrongWorker.Build(h.t), wrongPoller.Build(h.t)
	f.pods = []*pod{
		{name: "worker", program: h.program("./cmd/worker")},
		{name: "worker", program: ahead, environment: []string{proctest.ClockVariable + "=600"}},
		{name: "poller", program: h.program("./cmd/poller")},
		{name: "poller", program: behind, environment: []string{proctest.ClockVariable + "=-600"}},
		{name: "stream", program: h.program("./cmd/enqueuer"), arguments: []string{"stream"}},
	}
	for i, p := range f.pods {
		p.environment = append(p.environment, "TUMA_OPS_ADDR="+proctest.FreeAddr(h.t))
		if p.name == "poller" {
			p.environment = append(p.environment, "TUMA_CALLBACK_ADDR="+h.pollers.addrs[i-2])
		}
		f.start(p)
	}
	for _, p := range f.pods {
		p.process.WaitOutput("serving", patience)
	}
	return f
}

func (f *weather) start(p *pod) {
	p.process = proctest.Start(f.w.t, p.program, p.arguments,
		slices.Concat(f.w.environment, p.environment))
}

// happening is something that breaks; weight says how often, beside the others.
type happening struct {
	name   string
	weight int
	do     func(context.Context)
}

// happenings are everything that can break.
func (f *weather) happenings() []happening {
	redis, providers := f.w.toRedis, f.w.toProviders
	return []happening{
		{"processes killed", 6, func(context.Context) { f.kill(f.any()) }},
		{"processes frozen", 3, func(context.Context) { f.freezeOne(f.any()) }},
		{"rolling restarts", 1, func(context.Context) { f.roll() }},
		{"redis killed", 1, f.killRedis},
		{"redis frozen", 1, f.freezeRedis},
		{"connections to redis cut", 2, func(ctx context.Context) { f.cut(ctx, redis) }},
		{"redis slow", 1, func(ctx context.Context) { f.slow(ctx, redis, 30) }},
		{"connections to providers cut", 2, func(ctx context.Context) { f.cut(ctx, providers) }},
		{"providers slow", 1, func(ctx context.Context) { f.slow(ctx, providers, 700) }},
		{"answers of providers swallowed", 1, func(ctx context.Context) { f.swallow(ctx, providers) }},
		{"all tasks deleted", 2, func(context.Context) { f.forgetTasks() }},
	}
}

// rage breaks one thing after the other until the context ends; between makes the pauses. First
// everything happens once, however long that takes, in an order that the seed decides.
func (f *weather) rage(ctx context.Context, between time.Duration) {
	all := f.happenings()
	var bag []happening
	for _, h := range all {
		for range h.weight {
			bag = append(bag, h)
		}
	}
	first := f.dice.Perm(len(all))
	for wait(ctx, between/2+f.upTo(between)) || len(first) > 0 {
		h := bag[f.dice.IntN(len(bag))]
		if len(first) > 0 {
			h, first = all[first[0]], first[1:]
		}
		h.do(ctx)
		f.figures[h.name]++
	}
}

// calm ends everything that was wrong outside of the providers.
func (f *weather) calm() {
	f.thaws.Wait()
	for _, p := range f.pods {
		if !p.process.Running() {
			f.start(p)
		}
	}
}

// upTo draws a time.
func (f *weather) upTo(most time.Duration) time.Duration {
	return time.Duration(f.dice.Int64N(int64(most)))
}

// any draws a pod that is not frozen.
func (f *weather) any() *pod {
	f.mu.Lock()
	defer f.mu.Unlock()
	var awake []*pod
	for _, p := range f.pods {
		if !p.frozen {
			awake = append(awake, p)
		}
	}
	if len(awake) == 0 {
		return f.pods[f.dice.IntN(len(f.pods))]
	}
	return awake[f.dice.IntN(len(awake))]
}

// kill ends a process without a word, and starts another.
func (f *weather) kill(p *pod) {
	p.process.Kill()
	f.start(p)
}

// freezeOne stops a process where it stands. Meanwhile the others do what has to be done; then it
// goes on as if no time had passed.
func (f *weather) freezeOne(p *pod) {
	process := p.process
	process.Stop()
	f.mu.Lock()
	p.frozen = true
	f.mu.Unlock()
	f.thaws.Go(func() {
		time.Sleep(f.freeze)
		process.Cont()
		f.mu.Lock()
		defer f.mu.Unlock()
		p.frozen = false
	})
}

// roll restarts one pod after the other politely, as a new version is brought out.
func (f *weather) roll() {
	for _, p := range f.pods {
		f.mu.Lock()
		frozen := p.frozen
		f.mu.Unlock()
		if frozen {
			continue
		}
		p.process.Term()
		require.Contains(f.w.t, []int{0, 1}, p.process.Wait(patience), "%s", p.process.Output())
		f.start(p)
	}
}

// killRedis loses every connection and what a script was doing, but nothing that was confirmed: the
// machine lives on, and with it what was written.
func (f *weather) killRedis(ctx context.Context) {
	f.w.redis.Kill()
	wait(ctx, f.upTo(2*time.Second))
	f.w.redis.Restart()
}

func (f *weather) freezeRedis(ctx context.Context) {
	f.w.redis.Pause()
	wait(ctx, f.upTo(4*time.Second))
	f.w.redis.Resume()
}

// cut ends all connections, and refuses new ones for a moment.
func (f *weather) cut(ctx context.Context, proxy *toxiproxy.Proxy) {
	proxy.Stop()
	wait(ctx, f.upTo(2*time.Second))
	require.NoError(f.w.t, proxy.Start())
}

// slow delays every answer by about so many milliseconds.
func (f *weather) slow(ctx context.Context, proxy *toxiproxy.Proxy, ms int) {
	f.toxic(ctx, proxy, fmt.Sprintf(
		`{"name":"it","type":"latency","attributes":{"latency":%d,"jitter":%d}}`, ms, ms))
}

// swallow takes all answers away and closes their connections a second later.
func (f *weather) swallow(ctx context.Context, proxy *toxiproxy.Proxy) {
	f.toxic(ctx, proxy, `{"name":"it","type":"timeout","attributes":{"timeout":1000}}`)
}

// toxic spoils a proxy's connections for some seconds.
func (f *weather) toxic(ctx context.Context, proxy *toxiproxy.Proxy, what string) {
	_, err := proxy.Toxics.AddToxicJson(strings.NewReader(what))
	require.NoError(f.w.t, err)
	wait(ctx, time.Second+f.upTo(3*time.Second))
	// Its end does not depend on the storm's.
	require.NoError(f.w.t, proxy.Toxics.RemoveToxic(context.Background(), "it"))
}

// forgetTasks deletes everything of asynq's.
func (f *weather) forgetTasks() {
	ctx := f.w.t.Context()
	keys, err := f.w.rdb.Keys(ctx, "asynq:*").Result()
	if err == nil && len(keys) > 0 {
		err = f.w.rdb.Del(ctx, keys...).Err()
	}
	require.NoError(f.w.t, err)
}

// shown lists the figures by name.
func (f *weather) shown() string {
	var text strings.Builder
	for _, h := range f.happenings() {
		fmt.Fprintf(&text, "\n  %-32s %6d", h.name, f.figures[h.name])
	}
	return text.String()
}
