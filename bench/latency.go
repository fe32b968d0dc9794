package main

import (
	"context"
	"fmt"
	"maps"
	"math/rand/v2"
	"slices"
	"time"

	"tuma/bench/figures"
)

const (
	// slow is what a provider takes that takes its time, and slowly the switch for it.
	slow   = 200 * time.Millisecond
	slowly = `{"send":{"latency":"200ms"}}`
	// rate is how many jobs a second the latency is measured at.
	rate = 5000
	// warm is how many jobs go ahead, so that connections and tokens are there.
	warm = 100
)

// millis is a duration as a figure of a goal.
func millis(d time.Duration) float64 { return float64(d) / float64(time.Millisecond) }

// watched starts a harness that takes jobs from the stream, notes what reaches the provider, seldom
// asks, and is warm.
func (b *bench) watched(
	ctx context.Context, faults string, environment ...string,
) (*harness, error) {
	h, err := b.newHarness(ctx, setting{
		watched: true, faults: faults,
		environment: append(environment, "TUMA_POLL_INITIAL=5s", "TUMA_POLL_MAX=10m"),
	})
	if err != nil {
		return nil, err
	}
	err = h.startAll(ctx, []string{"enqueuer", "stream"})
	if err == nil {
		err = h.warmUp(ctx)
	}
	if err != nil {
		h.close()
		return nil, err
	}
	return h, nil
}

// latency is how long a job takes to the provider's word, under load.
func latency(ctx context.Context, b *bench) (section, error) {
	h, err := b.watched(ctx, slowly, "TUMA_MAX_IN_FLIGHT=8")
	if err != nil {
		return section{}, err
	}
	defer h.close()
	jobs := b.size(100_000)
	used, begin := h.measure(), time.Now()
	pushed, err := h.pushSteadily(ctx, warm, jobs, rate)
	if err != nil {
		return section{}, err
	}
	pushing := time.Since(begin)
	if err := h.awaitSeen(ctx, warm+jobs); err != nil {
		return section{}, err
	}
	spent, took := h.measure().since(used), time.Since(begin)
	all := times(pushed, warm, h.watch.accepted)
	asked, err := h.ledger(warm + jobs)
	if err != nil {
		return section{}, err
	}
	t := table{head: []string{"percentile", "XADD to accepted", "XADD to POST"}}
	posts := times(pushed, warm, h.watch.posted)
	for _, share := range []float64{0.5, 0.9, 0.99, 0.999, 1} {
		t.add(figures.Percent(share), figures.Millis(figures.Percentile(all, share)),
			figures.Millis(figures.Percentile(posts, share)))
	}
	return section{
		about: fmt.Sprintf("%s jobs of one recipient each, %s pushed in a second, while Lipad takes "+
			"200 ms for each request; with TUMA_MAX_IN_FLIGHT=8, and status queries as by default. The "+
			"instants are noted by a proxy before the provider. Mean batch %s.",
			figures.Count(float64(jobs)), figures.Count(float64(jobs)/pushing.Seconds()),
			figures.Short(float64(jobs)/float64(asked.sends))),
		goals: []goal{
			atMost("p50 from XADD to accepted", millis(figures.Percentile(all, 0.5)), 320, " ms"),
			atMost("p99 from XADD to accepted", millis(figures.Percentile(all, 0.99)), 600, " ms"),
		},
		tables: []table{t, shares(spent, took, jobs)},
	}, nil
}

// warmUp sends a few jobs through a watched harness.
func (h *harness) warmUp(ctx context.Context) error {
	if err := h.push(ctx, 0, warm); err != nil {
		return err
	}
	return h.awaitSeen(ctx, warm)
}

// awaitSeen waits until the watch has seen the answers for as many recipients.
func (h *harness) awaitSeen(ctx context.Context, n int) error {
	return h.await(ctx, time.Hour, fmt.Sprintf("%d recipients are accepted", n),
		func() (bool, error) {
			seen, err := h.watch.seen()
			if err != nil {
				return false, err
			}
			return seen >= n, h.alive()
		})
}

// idle is how long a single job takes when there is nothing else, and what waiting for it costs.
func idle(ctx context.Context, b *bench) (section, error) {
	h, err := b.watched(ctx, "")
	if err != nil {
		return section{}, err
	}
	defer h.close()
	resting, rest, err := h.rest(ctx, max(5*time.Second, time.Duration(b.size(30))*time.Second))
	if err != nil {
		return section{}, err
	}
	var pushed []time.Time
	for i := range max(100, b.size(500)) {
		// Never in step with whoever looks for work at intervals.
		time.Sleep(20*time.Millisecond + rand.N(80*time.Millisecond))
		pushed = append(pushed, time.Now())
		if err := h.push(ctx, warm+i, 1); err != nil {
			return section{}, err
		}
		if err := h.awaitSeen(ctx, warm+i+1); err != nil {
			return section{}, err
		}
	}
	posts := times(pushed, warm, h.watch.posted)
	cost := table{head: []string{"process", "of a core while idle"}}
	for _, name := range slices.Sorted(maps.Keys(resting)) {
		if name != "bench" {
			cost.add(name, figures.Percent(float64(resting[name])/float64(rest)))
		}
	}
	return section{
		about: fmt.Sprintf("%d jobs of one recipient, each pushed 20 to 100 ms after the one before "+
			"was accepted; Lipad answers at once. A proxy before the provider notes when the POST "+
			"arrives. p90 %s, largest %s. What follows is used by processes that have nothing to do, "+
			"over %s, after %d recipients: the batches that they made are asked about meanwhile.",
			len(pushed), figures.Millis(figures.Percentile(posts, 0.9)),
			figures.Millis(figures.Percentile(posts, 1)), rest.Round(time.Second), warm),
		goals: []goal{
			atMost("p50 from XADD to POST", millis(figures.Percentile(posts, 0.5)), 20, " ms"),
			atMost("p99 from XADD to POST", millis(figures.Percentile(posts, 0.99)), 50, " ms"),
		},
		tables: []table{cost},
	}, nil
}

// rest does nothing for a while and returns what the processes used meanwhile.
func (h *harness) rest(ctx context.Context, long time.Duration) (usage, time.Duration, error) {
	used, begin := h.measure(), time.Now()
	select {
	case <-ctx.Done():
		return nil, 0, ctx.Err()
	case <-time.After(long):
	}
	return h.measure().since(used), time.Since(begin), h.alive()
}
