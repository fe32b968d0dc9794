package main

import (
	"context"
	"fmt"
	"time"

	"tuma/bench/figures"
	"tuma/bench/floor"
)

const (
	// openPolls is for how many queries everybody stays at 601.
	openPolls = 30
	// bin is the time over which queries are counted for the largest second.
	bin = 250 * time.Millisecond
)

// wait is what recipients cost that stay open for long, and what happens when nobody has asked
// about them for an hour.
func wait(ctx context.Context, b *bench) (section, error) {
	h, err := b.newHarness(ctx, setting{
		faults:      fmt.Sprintf(`{"pace":{"open_polls":%d}}`, openPolls),
		environment: []string{"TUMA_POLL_INITIAL=500ms", "TUMA_POLL_MAX=1s"},
	})
	if err != nil {
		return section{}, err
	}
	defer h.close()
	if err := h.start(ctx, "worker"); err != nil {
		return section{}, err
	}
	recipients := b.size(1_000_000)
	path, err := h.writeCSV("wait", 0, recipients)
	if err != nil {
		return section{}, err
	}
	if _, err := h.enqueuer(ctx, "import", path, "--reference", "wait"); err != nil {
		return section{}, err
	}
	if err := h.awaitBook(ctx, "accepted", recipients, counts.accepted); err != nil {
		return section{}, err
	}
	if _, _, err := h.rest(ctx, 2*time.Second); err != nil { // Now every batch is due.
		return section{}, err
	}
	if err := h.start(ctx, "poller"); err != nil {
		return section{}, err
	}
	used, begin := h.measure(), time.Now()
	storm, err := h.queries(ctx, recipients/floor.Batch)
	if err != nil {
		return section{}, err
	}
	if err := h.awaitBook(ctx, "settled", recipients, counts.settled); err != nil {
		return section{}, err
	}
	spent, took := h.measure().since(used), time.Since(begin)
	asked, err := h.ledger(recipients)
	if err != nil {
		return section{}, err
	}
	return waited(recipients, asked, storm, spent, took), nil
}

// waited writes down what wait has found.
func waited(
	recipients int, asked requests, storm []float64, spent usage, took time.Duration,
) section {
	largest, peak := figures.Peak(storm)
	each := float64(spent["poller"]) / float64(asked.polls*floor.Batch)
	cost := table{head: []string{"poller CPU", ""}}
	cost.add("per recipient and query", figures.Short(each/1000)+" µs")
	cost.add("per recipient over all its queries", perRecipient(spent["poller"], recipients)+" µs")
	// Everybody at the slowest pace of the defaults: one query in ten minutes.
	slowest := each * 1e6 / float64(10*time.Minute)
	cost.add("one million open at the slowest pace (10 min)", figures.Percent(slowest)+" of a core")
	return section{
		about: fmt.Sprintf("%s recipients stay at 601 for %d queries, then settle; queries are at "+
			"most a second apart (TUMA_POLL_MAX=1s), so that hours fit into minutes: %s. Before that "+
			"no poller runs until every batch is due, as an outage of an hour leaves them. The "+
			"largest second is counted by quarters, from the poller's start until it has asked as "+
			"often as there are batches: %s queries a second at most.",
			figures.Count(float64(recipients)), openPolls, figures.Seconds(took),
			figures.Count(largest/bin.Seconds())),
		goals: []goal{
			atMost("status requests per recipient", float64(asked.polls)/float64(recipients), 0.04, ""),
			atMost("largest second after an outage, of the mean", peak, 3, ""),
		},
		tables: []table{cost, shares(spent, took, recipients)},
	}
}

// queries counts status queries in each bin until there were as many.
func (h *harness) queries(ctx context.Context, until int) (bins []float64, err error) {
	before := 0.0
	for before < float64(until) {
		select {
		case <-ctx.Done():
			return nil, ctx.Err()
		case <-time.After(bin):
		}
		total, err := h.metric("poller", "tuma_queries_total")
		if err != nil {
			return nil, err
		}
		if total > 0 {
			bins = append(bins, total-before)
		}
		before = total
	}
	return bins, nil
}
