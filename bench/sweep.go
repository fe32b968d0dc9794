package main

import (
	"context"
	"fmt"
	"time"

	"tuma/bench/figures"
	"tuma/bench/floor"
)

// durability is bulk on a Redis that keeps what it confirms.
func durability(ctx context.Context, b *bench) (section, error) {
	s := section{about: "The same import with an append-only file. Without one, a Redis that " +
		"crashes has forgotten who was paid: Tuma refuses to start on it unless told otherwise."}
	t := table{head: []string{"appendfsync", "recipients/s", "of no persistence", "redis CPU"}}
	var base float64
	for _, fsync := range []string{"", "everysec", "always"} {
		o, err := b.bulkRun(ctx, setting{fsync: fsync}, b.size(500_000))
		if err != nil {
			return s, fmt.Errorf("appendfsync %q: %w", fsync, err)
		}
		if fsync == "" {
			base, fsync = o.rate(), "no file"
		}
		t.add(fsync, figures.Count(o.rate()), figures.Short(figures.Ratio(o.rate(), base)),
			figures.Seconds(o.spent["redis"]))
	}
	s.tables = []table{t}
	return s, nil
}

// growth holds the cost of a recipient of a large file against that of a small one.
func growth(ctx context.Context, b *bench) (section, error) {
	s := section{about: "Time on a processor of all processes for each recipient, by the size of " +
		"the file. Small files are imported several times, one after the other, after a first one that " +
		"is not counted."}
	t := table{head: []string{"recipients", "imports", "µs CPU per recipient", "recipients/s"}}
	var costs []float64
	for size := 10_000; size <= b.size(1_000_000); size *= 10 {
		files := max(1, min(10, 300_000/size))
		o, err := b.imports(ctx, size, files)
		if err != nil {
			return s, fmt.Errorf("%d recipients: %w", size, err)
		}
		costs = append(costs, float64(o.spent.sum())/float64(o.recipients))
		t.add(figures.Count(float64(size)), fmt.Sprint(files),
			perRecipient(o.spent.sum(), o.recipients), figures.Count(o.rate()))
	}
	spread := figures.Spread(costs)
	s.goals = []goal{atMost("dearest above cheapest, as a share of it", spread, 0.15, "")}
	s.tables = []table{t}
	return s, nil
}

// imports imports files of a size one after the other, in one harness, and adds up what they took.
func (b *bench) imports(ctx context.Context, size, files int) (sum outcome, err error) {
	h, err := b.newHarness(ctx, setting{})
	if err != nil {
		return sum, err
	}
	defer h.close()
	if err := h.startAll(ctx); err != nil {
		return sum, err
	}
	const warm = 1000
	if _, err := h.importFile(ctx, "warm", 0, warm); err != nil {
		return sum, err
	}
	sum.spent = usage{}
	for i := range files {
		o, err := h.importFile(ctx, fmt.Sprintf("file-%d", i), warm+i*size, size)
		if err != nil {
			return sum, err
		}
		sum.recipients += o.recipients
		sum.took += o.took
		for name, spent := range o.spent {
			sum.spent[name] += spent
		}
	}
	return sum, nil
}

// scaling shows what workers and requests on the wire bring when the provider takes its time.
func scaling(ctx context.Context, b *bench) (section, error) {
	s := section{about: "Recipients a second that Lipad has accepted while it takes 200 ms for each " +
		"request, by TUMA_MAX_IN_FLIGHT (over all workers) and workers. The bound is max in flight " +
		"times 1,000 recipients in 200 ms."}
	workers := []int{1, 2, 4}
	t := table{head: []string{"in flight", "bound", "1 worker", "2 workers", "4 workers"}}
	for _, flight := range []int{4, 16, 64} {
		row := []string{fmt.Sprint(flight), figures.Count(float64(flight*floor.Batch) / slow.Seconds())}
		for _, n := range workers {
			rate, err := b.scaled(ctx, flight, n)
			if err != nil {
				return s, fmt.Errorf("%d in flight, %d workers: %w", flight, n, err)
			}
			row = append(row, figures.Count(rate))
		}
		t.add(row...)
	}
	s.tables = []table{t}
	return s, nil
}

// rounds is how often each request slot is used at least: fewer would measure the beginning and the
// end.
const rounds = 5

// scaled is one run of scaling: everybody is queued before the workers start.
func (b *bench) scaled(ctx context.Context, flight, workers int) (float64, error) {
	h, err := b.newHarness(ctx, setting{
		faults:      slowly,
		environment: []string{fmt.Sprintf("TUMA_MAX_IN_FLIGHT=%d", flight)},
	})
	if err != nil {
		return 0, err
	}
	defer h.close()
	recipients := max(b.size(200_000), rounds*flight*floor.Batch)
	path, err := h.writeCSV("scaling", 0, recipients)
	if err != nil {
		return 0, err
	}
	if _, err := h.enqueuer(ctx, "import", path, "--reference", "scaling"); err != nil {
		return 0, err
	}
	for range workers {
		if err := h.start(ctx, "worker"); err != nil {
			return 0, err
		}
	}
	// From the first request on: how long workers take to start is no throughput.
	var begin time.Time
	err = h.awaitBook(ctx, "accepted", recipients, func(c counts) int {
		if begin.IsZero() && c.accepted() > 0 {
			begin = time.Now().Add(-slow)
		}
		return c.accepted()
	})
	if err != nil {
		return 0, err
	}
	return float64(recipients) / time.Since(begin).Seconds(), nil
}
