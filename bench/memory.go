package main

import (
	"context"
	"fmt"
	"time"

	"tuma/bench/figures"
)

// footprint is what one recipient takes in Redis at each stage, in bytes.
type footprint struct{ queued, accepted, settled, results, queues float64 }

func (f footprint) open() float64 { return max(f.queued, f.accepted) }

// memory is what a recipient takes in Redis.
func memory(ctx context.Context, b *bench) (section, error) {
	s := section{about: "Bytes of Redis for each recipient: values, keys and their tables, without " +
		"buffers of connections and what the allocator keeps. The results stream is for consumers " +
		"and trimmed by age; asynq's finished tasks stay for ten minutes, for the dashboard. Both " +
		"are shown by themselves and are not part of the other figures."}
	bulk, err := b.footprint(ctx, b.size(1_000_000), func(h *harness, n int) error {
		path, err := h.writeCSV("memory", 0, n)
		if err != nil {
			return err
		}
		_, err = h.enqueuer(ctx, "import", path, "--reference", "memory")
		return err
	})
	if err != nil {
		return s, fmt.Errorf("bulk: %w", err)
	}
	single, err := b.footprint(ctx, b.size(200_000), func(h *harness, n int) error {
		if err := h.start(ctx, "enqueuer", "stream"); err != nil {
			return err
		}
		return h.pushAll(ctx, n)
	})
	if err != nil {
		return s, fmt.Errorf("single jobs: %w", err)
	}
	t := table{head: []string{"", "queued", "accepted", "settled", "results stream", "asynq"}}
	for _, row := range []struct {
		name string
		footprint
	}{{"in bulk", bulk}, {"as single jobs", single}} {
		t.add(row.name, figures.Short(row.queued), figures.Short(row.accepted),
			figures.Short(row.settled), figures.Short(row.results), figures.Short(row.queues))
	}
	s.tables = []table{t}
	s.costs = [][]string{
		{"Redis, open, in bulk", figures.Short(bulk.open()) + " bytes"},
		{"Redis, settled, in bulk", figures.Short(bulk.settled) + " bytes"},
		{"Redis, open, as a single job", figures.Short(single.open()) + " bytes"},
		{"Redis, settled, as a single job", figures.Short(single.settled) + " bytes"},
		{"Redis, entry of the results stream", figures.Short(bulk.results) + " bytes"},
	}
	s.goals = []goal{
		atMost("open, in bulk", bulk.open(), 150, " bytes"),
		atMost("open, as single jobs", single.open(), 350, " bytes"),
		atMost("settled, in bulk", bulk.settled, 120, " bytes"),
	}
	return s, nil
}

// footprint feeds recipients into a harness without a worker, then lets a worker and at last a
// poller at them, and measures after each.
func (b *bench) footprint(
	ctx context.Context, recipients int, feed func(*harness, int) error,
) (f footprint, err error) {
	h, err := b.newHarness(ctx, setting{})
	if err != nil {
		return f, err
	}
	defer h.close()
	base, err := h.memory(ctx)
	if err != nil {
		return f, err
	}
	each := func(bytes int64) float64 { return float64(bytes) / float64(recipients) }
	stage := func(into *float64, what string, count func(counts) int) error {
		if err := h.awaitBook(ctx, what, recipients, count); err != nil {
			return err
		}
		if err := h.calm(ctx); err != nil {
			return err
		}
		all, err := h.memory(ctx)
		if err != nil {
			return err
		}
		results, queues, err := h.apart(ctx)
		*into = each(all - base - results - queues)
		f.results, f.queues = each(results), each(queues)
		return err
	}
	if err := feed(h, recipients); err != nil {
		return f, err
	}
	everybody := func(c counts) (n int) {
		for _, recipients := range c {
			n += recipients
		}
		return n
	}
	if err := stage(&f.queued, "queued", everybody); err != nil {
		return f, err
	}
	if err := h.start(ctx, "worker"); err != nil {
		return f, err
	}
	if err := stage(&f.accepted, "accepted", counts.accepted); err != nil {
		return f, err
	}
	if err := h.start(ctx, "poller"); err != nil {
		return f, err
	}
	return f, stage(&f.settled, "settled", counts.settled)
}

// calm waits until the jobs stream is empty and what the last scripts left behind has been freed.
func (h *harness) calm(ctx context.Context) error {
	err := h.await(ctx, time.Minute, "the jobs stream is empty", func() (bool, error) {
		n, err := h.rdb.XLen(ctx, "{tuma}:jobs").Result()
		return n == 0, err
	})
	if err != nil {
		return err
	}
	_, _, err = h.rest(ctx, time.Second)
	return err
}

// apart is what the results stream and asynq's keys hold, in bytes.
func (h *harness) apart(ctx context.Context) (results, queues int64, err error) {
	if results, err = h.size(ctx, "{tuma}:results"); err != nil {
		return 0, 0, err
	}
	queues, err = h.sizes(ctx, "asynq:*")
	return results, queues, err
}

// sizes is what the keys hold whose names match, in bytes.
func (h *harness) sizes(ctx context.Context, pattern string) (sum int64, err error) {
	keys := h.rdb.Scan(ctx, 0, pattern, 1000).Iterator()
	for keys.Next(ctx) {
		size, err := h.size(ctx, keys.Val())
		if err != nil {
			return 0, err
		}
		sum += size
	}
	if err := keys.Err(); err != nil {
		return 0, fmt.Errorf("read the keys %s: %w", pattern, err)
	}
	return sum, nil
}

// recount is how long people wait for the books and the report.
func recount(ctx context.Context, b *bench) (section, error) {
	h, err := b.newHarness(ctx, setting{})
	if err != nil {
		return section{}, err
	}
	defer h.close()
	if err := h.startAll(ctx); err != nil {
		return section{}, err
	}
	recipients := b.size(1_000_000)
	if _, err := h.importFile(ctx, "recount", 0, recipients); err != nil {
		return section{}, err
	}
	s := section{about: fmt.Sprintf("`enqueuer verify` and `enqueuer report` on %s settled "+
		"recipients, with worker and poller idle beside them.", figures.Count(float64(recipients)))}
	for _, arguments := range [][]string{
		{"verify"}, {"report", "recount", "-o", h.folder + "/report.csv"},
	} {
		begin := time.Now()
		p, err := h.enqueuer(ctx, arguments...)
		if err != nil {
			return s, err
		}
		took, megabytes := time.Since(begin), float64(p.peak())/(1<<20)
		s.goals = append(s.goals, atMost(arguments[0]+": time", took.Seconds(), 30, " s"),
			atMost(arguments[0]+": memory", megabytes, 100, " MiB"))
	}
	return s, nil
}
