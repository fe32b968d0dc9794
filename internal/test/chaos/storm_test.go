package chaos_test

import (
	"context"
	"flag"
	"fmt"
	"maps"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"tuma/internal/sandbox"
	"tuma/internal/test/redistest"
)

var (
	minutes = flag.Float64("minutes", 0, "minutes of storm; 0 is the short one")
	seed    = flag.Uint64("seed", 1, "what breaks when, and who is asked for")
)

const (
	// shortStorm is enough for everything to happen at least once.
	shortStorm = 30 * time.Second
	// shortFreeze is longer than a request, its guard and the settle delay together.
	shortFreeze = submitTimeout + sendGuard + settleDelay + time.Second
	// longFreeze is longer than the lease after which asynq gives a task to somebody else, 30 s.
	longFreeze = 35 * time.Second
)

// hostile are the faults of the simulated providers: everything that they do wrong but paying
// twice, at about one request in ten.
var hostile = strings.ReplaceAll(`{"auth":{`+everyCall+`},"send":{"latency":"50ms",`+everyCall+`},
	"status":{`+everyCall+`,"partial":P,"unknown_codes":P,"reorder":1},
	"missing_lines":P,"half_processed":true,"slow_knowledge":"500ms","http_accepted":202,
	"http_refused":400,"query_shape":"data","jam":P,"reprocess":P,"late_reversal":P,"late_refund":P,
	"callbacks":{"duplicate":0.05,"lose":P,"early":0.05,"form":0.3,"jitter":"500ms",
		"reorder":true,"final_only":false}}`, "P", "0.01")

const everyCall = `"jitter":"50ms","hang_limit":"20s","hang_before":P,"lost_before":P,
	"error_before":P,"too_many":P,"redirect":P,"hang_after":P,"lost_after":P,"error_after":P,
	"broken_json":P,"cut_body":P,"wrong_types":P`

// kindly turns off every fault that a request can meet.
var kindly = strings.ReplaceAll(`{"auth":{`+noCall+`},"send":{"latency":"0s",`+noCall+`},
	"status":{`+noCall+`,"partial":0,"unknown_codes":0},"missing_lines":0,
	"callbacks":{"lose":0}}`, "P", "0")

const noCall = `"hang_before":P,"lost_before":P,"error_before":P,"too_many":P,"redirect":P,
	"hang_after":P,"lost_after":P,"error_after":P,"broken_json":P,"cut_body":P`

// TestStorm breaks everything at once, waits until it is quiet, lets people decide the rest, and
// compares the ledgers.
func TestStorm(t *testing.T) {
	t.Parallel()
	length, between, freeze := shortStorm, time.Second, shortFreeze
	if *minutes > 0 {
		length, between, freeze = time.Duration(*minutes*float64(time.Minute)), 2*time.Second, longFreeze
	}
	// With everysec a Redis that is killed while its disk is busy forgets what it has confirmed: that
	// is what docs/redis.md is about.
	h := newHarness(t, redistest.Start(t, redistest.WithConfig("appendfsync", "always")), hostile, "")
	h.open()
	c := newChaos(h, *seed, freeze)
	p := newProducers(h)

	began := time.Now()
	t.Logf("storm of %s, seed %d", length, *seed)
	ctx, end := context.WithTimeout(t.Context(), length)
	defer end()
	asked := make(chan struct{})
	go func() { defer close(asked); p.run(ctx, *seed) }()
	shown := make(chan struct{})
	go func() { defer close(shown); h.progress(ctx, p) }()
	c.run(ctx, between)
	c.heal()
	<-asked
	<-shown
	require.Empty(t, p.faults)
	t.Logf("calm after %s; %d recipients asked for", time.Since(began).Round(time.Second),
		p.recipients())

	h.faults("", kindly)
	a := newAccounts(h, p)
	a.settle()
	a.compare()
	t.Logf("figures of the storm:%s\n%s", c.shown(), a.shown())
	require.Zero(t, a.unexplained, "in doubt at Lipad without a reason to be left to people")
	for _, one := range c.faults() {
		require.NotZero(t, c.figures[one.name], one.name)
	}
}

// progress logs a line every ten seconds.
func (h *harness) progress(ctx context.Context, p *producers) {
	for began := time.Now(); wait(ctx, 10*time.Second); {
		line := "redis is away"
		if book, figures, err := h.book(); err == nil {
			line = fmt.Sprintf("%s; frozen %s", abridged(book), figures.Fenced.Round(time.Second))
		}
		h.t.Logf("%4.0f s: %d asked for; %s", time.Since(began).Seconds(), p.recipients(), line)
	}
}

// abridged sums a book over the providers.
func abridged(book map[string]int64) string {
	sums := map[string]int64{}
	for field, n := range book {
		_, status, _ := strings.Cut(field, " ")
		sums[status] += n
	}
	return fmt.Sprint(sums)[len("map"):]
}

// quiet is longer than everything that may still happen by itself once nothing is on its way.
const quiet = submitTimeout + sendGuard + settleDelay + 8*time.Second

// awaitQuiet waits until nothing moves by itself any more.
func (h *harness) awaitQuiet() {
	h.t.Helper()
	var last map[string]int64
	since, began := time.Now(), time.Now()
	for time.Now().Before(since.Add(quiet)) {
		time.Sleep(5 * glance)
		book, figures, err := h.book()
		require.NoError(h.t, err)
		moving := !maps.Equal(last, book) || figures.Jobs > 0 || figures.Fenced > 0
		for _, c := range figures.Channels {
			// Who waits behind a number in doubt is pending for moments, and waits on.
			moving = moving || c.Ready+c.InFlight > 0 || c.Paused > 0
		}
		for _, status := range []string{"submitted", "processing", "jammed", "reprocessing"} {
			moving = moving || book[sandbox.Lipad+" "+status] > 0
			moving = moving || book[sandbox.AfricasTalking+" "+status] > 0
		}
		if moving {
			last, since = book, time.Now()
		}
		require.True(h.t, time.Now().Before(began.Add(4*testTimeout)), "not quiet: %v", book)
	}
}
