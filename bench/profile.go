package main

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"time"

	"tuma/bench/figures"
)

// shown is how many functions or commands are listed for each process.
const shown = 10

// profile is a bulk import by programs that take CPU profiles: where the time goes.
func profile(ctx context.Context, b *bench) (section, error) {
	if err := b.buildProfiled(); err != nil {
		return section{}, err
	}
	folder := b.profiles
	if folder == "" {
		folder = filepath.Join(b.folder, "profiles")
	}
	if err := os.MkdirAll(folder, 0o700); err != nil {
		return section{}, fmt.Errorf("-profile: %w", err)
	}
	h, err := b.newHarness(ctx, setting{profile: folder})
	if err != nil {
		return section{}, err
	}
	defer h.close()
	if err := h.startAll(ctx); err != nil {
		return section{}, err
	}
	o, err := h.importFile(ctx, "profile", 0, b.size(1_000_000))
	if err != nil {
		return section{}, err
	}
	s := section{about: fmt.Sprintf("Where the time goes in bulk: the ten functions of each process "+
		"in which most of it is spent (flat), then the ten of our own with all that they call (cum), "+
		"and the ten commands of Redis, of which those that scripts call are part of evalsha, too, by "+
		"the clock. With profiles on, %s recipients a second.",
		figures.Count(o.rate()))}
	commands, err := h.commands(ctx)
	if err != nil {
		return s, err
	}
	s.tables = []table{shares(o.spent, o.took, o.recipients), commands}
	for _, name := range []string{"worker", "poller", "sandbox"} { // They write their profiles.
		if err := h.stop(name); err != nil {
			return s, err
		}
	}
	for _, name := range []string{"enqueuer", "worker", "poller", "sandbox"} {
		text, err := top(ctx, filepath.Join(b.profiled, name), filepath.Join(folder, name+".pprof"))
		if err != nil {
			return s, fmt.Errorf("profile of the %s: %w", name, err)
		}
		s.blocks = append(s.blocks, name+"\n\n"+text)
	}
	return s, nil
}

// top lists the functions in which most of a profile was spent, then ours with what they call.
func top(ctx context.Context, program, file string) (string, error) {
	flat, err := pprof(ctx, program, file)
	if err != nil {
		return "", err
	}
	ours, err := pprof(ctx, "-cum", "-show=^tuma/", program, file)
	return flat + "\n\n" + ours, err
}

// pprof runs `go tool pprof -top` and returns its list.
func pprof(ctx context.Context, arguments ...string) (string, error) {
	all := append([]string{"tool", "pprof", "-top", "-nodecount=" + strconv.Itoa(shown)},
		arguments...)
	text, err := exec.CommandContext(ctx, "go", all...).Output()
	if exit := new(exec.ExitError); errors.As(err, &exit) {
		return "", fmt.Errorf("go tool pprof: %w\n%s", err, exit.Stderr)
	}
	if err != nil {
		return "", fmt.Errorf("go tool pprof: %w", err)
	}
	_, list, _ := strings.Cut(string(text), "\nShowing nodes") // Before it is what differs each time.
	return strings.TrimSpace("Showing nodes" + list), nil
}

// commands lists the commands of Redis that took the most time.
func (h *harness) commands(ctx context.Context) (table, error) {
	t := table{head: []string{"Redis command", "calls", "time", "each"}}
	text, err := h.rdb.Info(ctx, "commandstats").Result()
	if err != nil {
		return t, fmt.Errorf("read the commands of Redis: %w", err)
	}
	type stat struct {
		calls int
		spent time.Duration
	}
	all := map[string]stat{}
	for line := range strings.Lines(text) {
		var one stat
		var micros int64
		name, figures, _ := strings.Cut(strings.TrimPrefix(line, "cmdstat_"), ":")
		if _, err := fmt.Sscanf(figures, "calls=%d,usec=%d,", &one.calls, &micros); err != nil {
			continue // A heading.
		}
		one.spent = time.Duration(micros) * time.Microsecond
		all[name] = one
	}
	names := slices.SortedFunc(maps.Keys(all), func(a, b string) int {
		return int(all[b].spent - all[a].spent)
	})
	for _, name := range names[:min(shown, len(names))] {
		one := all[name]
		t.add(name, figures.Count(float64(one.calls)), figures.Seconds(one.spent),
			figures.Short(float64(one.spent)/float64(time.Microsecond)/float64(one.calls))+" µs")
	}
	return t, nil
}
