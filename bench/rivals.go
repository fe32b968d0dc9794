package main

import (
	"context"
	"encoding/json"
	"flag"
	"fmt"
	"os"
	"time"

	"tuma/bench/figures"
	"tuma/bench/floor"
	"tuma/bench/peer"
)

// rivals are the programs that Tuma is held against. Each runs as a process of its own, from this
// very binary: `bench floor -redis … -provider …`.
var rivals = map[string]func(context.Context, []string) error{
	"floor": runFloor, "peer": runPeer,
}

// achieved is what both rivals print.
type achieved struct {
	Recipients int           `json:"recipients"`
	Took       time.Duration `json:"took"`
	// spent is what the processes have used.
	spent usage
}

func (a achieved) rate() float64 { return float64(a.Recipients) / a.Took.Seconds() }

// rivalFlags are the flags that both have.
func rivalFlags(name string) (flags *flag.FlagSet, redis, provider *string, n, width *int) {
	flags = flag.NewFlagSet(name, flag.ContinueOnError)
	redis = flags.String("redis", "", "host:port of Redis")
	provider = flags.String("provider", "", "base URL of the simulated provider")
	n = flags.Int("recipients", 0, "how many")
	width = flags.Int("width", 1, "how many batches or tasks at once")
	return flags, redis, provider, n, width
}

func runFloor(ctx context.Context, arguments []string) error {
	flags, redis, provider, n, width := rivalFlags("floor")
	if err := flags.Parse(arguments); err != nil {
		return err
	}
	result, err := floor.Run(ctx, floor.Options{
		Redis: *redis, Provider: *provider, Recipients: *n, Loops: *width,
	})
	if err != nil {
		return err
	}
	return json.NewEncoder(os.Stdout).Encode(result)
}

func runPeer(ctx context.Context, arguments []string) error {
	flags, redis, provider, n, width := rivalFlags("peer")
	if err := flags.Parse(arguments); err != nil {
		return err
	}
	result, err := peer.Run(ctx, peer.Options{
		Redis: *redis, Provider: *provider, Recipients: *n, Concurrency: *width,
	})
	if err != nil {
		return err
	}
	return json.NewEncoder(os.Stdout).Encode(result)
}

// rival runs one of them in a harness of its own.
func (b *bench) rival(
	ctx context.Context, name string, recipients, width int,
) (a achieved, err error) {
	h, err := b.newHarness(ctx, setting{})
	if err != nil {
		return a, err
	}
	defer h.close()
	own, err := os.Executable()
	if err != nil {
		return a, fmt.Errorf("find this program: %w", err)
	}
	used := h.measure()
	p, err := h.launch(name, own, []string{
		name, "-redis", h.redis, "-provider", h.provider, "-recipients", fmt.Sprint(recipients),
		"-width", fmt.Sprint(width),
	}, nil)
	if err != nil {
		return a, err
	}
	select {
	case <-p.Done():
	case <-ctx.Done():
		return a, ctx.Err()
	}
	if err := json.Unmarshal([]byte(p.Output()), &a); err != nil {
		return a, fmt.Errorf("%s: %s", name, p.Output())
	}
	a.spent = h.measure().since(used)
	_, err = h.ledger(a.Recipients)
	return a, err
}

// contest tries several widths with fewer recipients and runs the best one in full.
func (b *bench) contest(
	ctx context.Context, name, unit string, recipients int, widths []int,
) (section, achieved, error) {
	trial := table{head: []string{unit, "recipients/s in a trial"}}
	best, bestRate := 0, 0.0
	for _, width := range widths {
		a, err := b.rival(ctx, name, recipients/5, width)
		if err != nil {
			return section{}, achieved{}, fmt.Errorf("%s %d: %w", unit, width, err)
		}
		trial.add(fmt.Sprint(width), figures.Count(a.rate()))
		if a.rate() > bestRate {
			best, bestRate = width, a.rate()
		}
	}
	a, err := b.rival(ctx, name, recipients, best)
	if err != nil {
		return section{}, a, err
	}
	s := section{tables: []table{trial, shares(a.spent, a.Took, a.Recipients)}}
	s.about = fmt.Sprintf("%s recipients with the best of them, %d: %s a second.",
		figures.Count(float64(a.Recipients)), best, figures.Count(a.rate()))
	return s, a, nil
}

// floorScenario measures the least that any program must do.
func floorScenario(ctx context.Context, b *bench) (section, error) {
	s, a, err := b.contest(ctx, "floor", "loops", b.size(1_000_000), []int{1, 2, 4})
	if err != nil {
		return s, err
	}
	b.floor, b.floorCPU = a.rate(), a.spent.sum()/time.Duration(a.Recipients)
	s.about = "`bench/floor`: a loop that packs 1,000 recipients, writes them to Redis in one " +
		"value, posts them, asks once, and writes the outcomes and 1,000 stream entries with the " +
		"fields of the results stream. No queue, no guard, no book; a crash loses everything. " +
		s.about
	return s, nil
}

// peerScenario measures what a team would build first.
func peerScenario(ctx context.Context, b *bench) (section, error) {
	s, a, err := b.contest(ctx, "peer", "concurrency", b.size(50_000), []int{8, 32, 128})
	if err != nil {
		return s, err
	}
	b.peer = a.rate()
	s.about = "`bench/peer`: one asynq task for each recipient, whose handler posts it, asks once " +
		"and stores the outcome. Four goroutines enqueue while the server works; measured from the " +
		"first task enqueued to the last outcome stored. It has no guard either: a task that runs " +
		"twice pays twice. " + s.about
	return s, nil
}
