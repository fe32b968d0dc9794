package chaos_test

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

	"tuma/internal/test/proctest"
)

// pod is a place for one process of ours: when the process dies, another one takes its place.
type pod struct {
	name, program string
	arguments     []string
	environment   []string

	process *proctest.Process
	frozen  bool
}

// chaos injects faults, and counts them.
type chaos struct {
	h   *harness
	rng *rand.Rand
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

// newChaos starts two workers, two pollers and a stream of the enqueuer. One worker's clock is
// ten minutes ahead, one poller's ten minutes behind.
func newChaos(h *harness, seed uint64, freeze time.Duration) *chaos {
	h.t.Helper()
	c := &chaos{
		h: h, rng: rand.New(rand.NewPCG(seed, 4711)), freeze: freeze, figures: map[string]int{},
	}
	ahead, behind := wrongWorker.Build(h.t), wrongPoller.Build(h.t)
	c.pods = []*pod{
		{name: "worker", program: h.program("./cmd/worker")},
		{name: "worker", program: ahead, environment: []string{proctest.ClockVariable + "=600"}},
		{name: "poller", program: h.program("./cmd/poller")},
		{name: "poller", program: behind, environment: []string{proctest.ClockVariable + "=-600"}},
		{name: "stream", program: h.program("./cmd/enqueuer"), arguments: []string{"stream"}},
	}
	for i, p := range c.pods {
		p.environment = append(p.environment, "TUMA_OPS_ADDR="+proctest.FreeAddr(h.t))
		if p.name == "poller" {
			p.environment = append(p.environment, "TUMA_CALLBACK_ADDR="+h.pollers.addrs[i-2])
		}
		c.start(p)
	}
	for _, p := range c.pods {
		p.process.WaitOutput("serving", testTimeout)
	}
	return c
}

func (c *chaos) start(p *pod) {
	p.process = proctest.Start(c.h.t, p.program, p.arguments,
		slices.Concat(c.h.environment, p.environment))
}

// fault is one kind of fault; weight says how often it is injected, beside the others.
type fault struct {
	name   string
	weight int
	do     func(context.Context)
}

// faults are all kinds of faults.
func (c *chaos) faults() []fault {
	redis, providers := c.h.toRedis, c.h.toProviders
	return []fault{
		{"processes killed", 6, func(context.Context) { c.kill(c.any()) }},
		{"processes frozen", 3, func(context.Context) { c.freezeOne(c.any()) }},
		{"rolling restarts", 1, func(context.Context) { c.roll() }},
		{"redis killed", 1, c.killRedis},
		{"redis frozen", 1, c.freezeRedis},
		{"connections to redis cut", 2, func(ctx context.Context) { c.cut(ctx, redis) }},
		{"redis slow", 1, func(ctx context.Context) { c.slow(ctx, redis, 30) }},
		{"connections to providers cut", 2, func(ctx context.Context) { c.cut(ctx, providers) }},
		{"providers slow", 1, func(ctx context.Context) { c.slow(ctx, providers, 700) }},
		{"answers of providers swallowed", 1, func(ctx context.Context) { c.swallow(ctx, providers) }},
		{"all tasks deleted", 2, func(context.Context) { c.forgetTasks() }},
	}
}

// run injects one fault after the other until the context ends; between makes the pauses. First
// everything happens once, however long that takes, in an order that the seed decides.
func (c *chaos) run(ctx context.Context, between time.Duration) {
	all := c.faults()
	var bag []fault
	for _, kind := range all {
		for range kind.weight {
			bag = append(bag, kind)
		}
	}
	first := c.rng.Perm(len(all))
	for wait(ctx, between/2+c.upTo(between)) || len(first) > 0 {
		next := bag[c.rng.IntN(len(bag))]
		if len(first) > 0 {
			next, first = all[first[0]], first[1:]
		}
		next.do(ctx)
		c.figures[next.name]++
	}
}

// heal ends all faults outside of the providers.
func (c *chaos) heal() {
	c.thaws.Wait()
	for _, p := range c.pods {
		if !p.process.Running() {
			c.start(p)
		}
	}
}

// upTo draws a time.
func (c *chaos) upTo(most time.Duration) time.Duration {
	return time.Duration(c.rng.Int64N(int64(most)))
}

// any draws a pod that is not frozen.
func (c *chaos) any() *pod {
	c.mu.Lock()
	defer c.mu.Unlock()
	var awake []*pod
	for _, p := range c.pods {
		if !p.frozen {
			awake = append(awake, p)
		}
	}
	if len(awake) == 0 {
		return c.pods[c.rng.IntN(len(c.pods))]
	}
	return awake[c.rng.IntN(len(awake))]
}

// kill ends a process without a word, and starts another.
func (c *chaos) kill(p *pod) {
	p.process.Kill()
	c.start(p)
}

// freezeOne stops a process where it stands. Meanwhile the others do what has to be done; then it
// goes on as if no time had passed.
func (c *chaos) freezeOne(p *pod) {
	process := p.process
	process.Stop()
	c.mu.Lock()
	p.frozen = true
	c.mu.Unlock()
	c.thaws.Go(func() {
		time.Sleep(c.freeze)
		process.Cont()
		c.mu.Lock()
		defer c.mu.Unlock()
		p.frozen = false
	})
}

// roll restarts one pod after the other politely, as a new version is brought out.
func (c *chaos) roll() {
	for _, p := range c.pods {
		c.mu.Lock()
		frozen := p.frozen
		c.mu.Unlock()
		if frozen {
			continue
		}
		p.process.Term()
		require.Contains(c.h.t, []int{0, 1}, p.process.Wait(testTimeout), "%s", p.process.Output())
		c.start(p)
	}
}

// killRedis loses every connection and what a script was doing, but nothing that was confirmed: the
// machine lives on, and with it what was written.
func (c *chaos) killRedis(ctx context.Context) {
	c.h.redis.Kill()
	wait(ctx, c.upTo(2*time.Second))
	c.h.redis.Restart()
}

func (c *chaos) freezeRedis(ctx context.Context) {
	c.h.redis.Pause()
	wait(ctx, c.upTo(4*time.Second))
	c.h.redis.Resume()
}

// cut ends all connections, and refuses new ones for a moment.
func (c *chaos) cut(ctx context.Context, proxy *toxiproxy.Proxy) {
	proxy.Stop()
	wait(ctx, c.upTo(2*time.Second))
	require.NoError(c.h.t, proxy.Start())
}

// slow delays every answer by about so many milliseconds.
func (c *chaos) slow(ctx context.Context, proxy *toxiproxy.Proxy, ms int) {
	c.toxic(ctx, proxy, fmt.Sprintf(
		`{"name":"it","type":"latency","attributes":{"latency":%d,"jitter":%d}}`, ms, ms))
}

// swallow takes all answers away and closes their connections a second later.
func (c *chaos) swallow(ctx context.Context, proxy *toxiproxy.Proxy) {
	c.toxic(ctx, proxy, `{"name":"it","type":"timeout","attributes":{"timeout":1000}}`)
}

// toxic spoils a proxy's connections for some seconds.
func (c *chaos) toxic(ctx context.Context, proxy *toxiproxy.Proxy, what string) {
	_, err := proxy.Toxics.AddToxicJson(strings.NewReader(what))
	require.NoError(c.h.t, err)
	wait(ctx, time.Second+c.upTo(3*time.Second))
	// Its end does not depend on the storm's.
	require.NoError(c.h.t, proxy.Toxics.RemoveToxic(context.Background(), "it"))
}

// forgetTasks deletes everything of asynq's.
func (c *chaos) forgetTasks() {
	ctx := c.h.t.Context()
	keys, err := c.h.rdb.Keys(ctx, "asynq:*").Result()
	if err == nil && len(keys) > 0 {
		err = c.h.rdb.Del(ctx, keys...).Err()
	}
	require.NoError(c.h.t, err)
}

// shown lists the figures by name.
func (c *chaos) shown() string {
	var text strings.Builder
	for _, h := range c.faults() {
		fmt.Fprintf(&text, "\n  %-32s %6d", h.name, c.figures[h.name])
	}
	return text.String()
}
