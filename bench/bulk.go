package main

import (
	"context"
	"fmt"
	"maps"
	"slices"
	"time"

	"tuma/bench/figures"
)

// outcome is what a run of Tuma from the first recipient in to the last one settled has taken.
type outcome struct {
	recipients int
	took       time.Duration
	spent      usage
	asked      requests
	tasks      int
	mallocs    map[string]float64
}

func (o outcome) rate() float64 { return float64(o.recipients) / o.took.Seconds() }

// measured runs feed, waits until all recipients have settled, and measures from the one to the
// other. The processes must run already.
func (h *harness) measured(
	ctx context.Context, before, recipients int, feed func() error,
) (outcome, error) {
	allocated, err := h.mallocs()
	if err != nil {
		return outcome{}, err
	}
	used, begin := h.measure(), time.Now()
	if err := feed(); err != nil {
		return outcome{}, err
	}
	if err := h.awaitBook(ctx, "settled", before+recipients, counts.settled); err != nil {
		return outcome{}, err
	}
	o := outcome{recipients: recipients, took: time.Since(begin), spent: h.measure().since(used)}
	if o.mallocs, err = h.mallocs(); err != nil {
		return outcome{}, err
	}
	for name := range o.mallocs {
		o.mallocs[name] -= allocated[name]
	}
	if o.asked, err = h.ledger(before + recipients); err != nil {
		return outcome{}, err
	}
	o.tasks, err = h.tasks(ctx)
	return o, err
}

// importFile runs `enqueuer import` on a file of as many recipients and measures until they have
// settled.
func (h *harness) importFile(
	ctx context.Context, name string, first, recipients int,
) (outcome, error) {
	path, err := h.writeCSV(name, first, recipients)
	if err != nil {
		return outcome{}, err
	}
	return h.measured(ctx, first, recipients, func() error {
		_, err := h.enqueuer(ctx, "import", path, "--reference", name)
		return err
	})
}

// bulkRun is one import in a harness of its own.
func (b *bench) bulkRun(ctx context.Context, s setting, recipients int) (outcome, error) {
	h, err := b.newHarness(ctx, s)
	if err != nil {
		return outcome{}, err
	}
	defer h.close()
	if err := h.startAll(ctx); err != nil {
		return outcome{}, err
	}
	return h.importFile(ctx, "bulk", 0, recipients)
}

// bulk is the main job: a file, from `enqueuer import` to the last recipient settled.
func bulk(ctx context.Context, b *bench) (section, error) {
	o, err := b.bulkRun(ctx, setting{}, b.size(1_000_000))
	if err != nil {
		return section{}, err
	}
	s := section{about: fmt.Sprintf("%s recipients in one file, from the start of `enqueuer import` "+
		"until the last one has settled, with one worker and one poller; Lipad answers at once and "+
		"has settled everybody by the first query. %s recipients a second, %s.",
		figures.Count(float64(o.recipients)), figures.Count(o.rate()), figures.Seconds(o.took))}
	s.goals = append(b.ratios(o.rate(), 0.30, 20),
		// A tenth more than full batches, and as many triggers for them as there are queries.
		atMost("send requests per recipient", o.each(o.asked.sends), 0.0011, ""),
		atMost("asynq tasks per recipient", o.each(o.tasks), 0.0022, ""))
	s.tables = []table{shares(o.spent, o.took, o.recipients)}
	s.costs = b.costs(o)
	return s, nil
}

// smallRun is jobs of one recipient each on the stream, in a harness of its own.
func (b *bench) smallRun(ctx context.Context, s setting, jobs int) (outcome, error) {
	h, err := b.newHarness(ctx, s)
	if err != nil {
		return outcome{}, err
	}
	defer h.close()
	if err := h.startAll(ctx, []string{"enqueuer", "stream"}); err != nil {
		return outcome{}, err
	}
	return h.measured(ctx, 0, jobs, func() error { return h.pushAll(ctx, jobs) })
}

// small is the same for producers that push one recipient at a time.
func small(ctx context.Context, b *bench) (section, error) {
	jobs := b.size(200_000)
	o, err := b.smallRun(ctx, setting{}, jobs)
	if err != nil {
		return section{}, err
	}
	s := section{about: fmt.Sprintf("%s jobs of one recipient each, from the first XADD until the "+
		"last one has settled, with one `enqueuer stream`, one worker and one poller. %s recipients "+
		"a second, %s. The mean batch is over all requests, those of the beginning and the end too.",
		figures.Count(float64(jobs)), figures.Count(o.rate()), figures.Seconds(o.took))}
	mean := figures.Ratio(float64(jobs), float64(o.asked.sends))
	s.goals = append(b.ratios(o.rate(), 0.10, 7), atLeast("recipients in a mean batch", mean, 500, ""))
	s.tables = []table{shares(o.spent, o.took, jobs)}
	s.costs = b.costs(o)
	return s, nil
}

// ratios holds a rate against the floor and the peer.
func (b *bench) ratios(rate, ofFloor, ofPeer float64) []goal {
	floor := atLeast("share of the floor", figures.Ratio(rate, b.floor), ofFloor, "")
	peer := atLeast("times the peer", figures.Ratio(rate, b.peer), ofPeer, "")
	floor.open, peer.open = b.floor == 0, b.peer == 0
	return []goal{floor, peer}
}

// each is a count for each recipient.
func (o outcome) each(n int) float64 { return float64(n) / float64(o.recipients) }

// costs are what a recipient costs beside time.
func (b *bench) costs(o outcome) [][]string {
	rows := [][]string{
		{"send requests", figures.Short(o.each(o.asked.sends))},
		{"status requests", figures.Short(o.each(o.asked.polls))},
		{"asynq tasks", figures.Short(o.each(o.tasks))},
	}
	for _, name := range slices.Sorted(maps.Keys(o.mallocs)) {
		allocations := o.mallocs[name] / float64(o.recipients)
		rows = append(rows, []string{"allocations of the " + name, figures.Short(allocations)})
	}
	each := o.spent.sum() / time.Duration(o.recipients)
	rows = append(rows, []string{"CPU of all processes", perRecipient(each, 1) + " µs"})
	if b.floorCPU > 0 {
		share := figures.Short(figures.Ratio(float64(b.floorCPU), float64(each)))
		rows = append(rows, []string{"CPU of the floor, as a share of that", share})
	}
	return rows
}
