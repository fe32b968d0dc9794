package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"time"
)

// options are the flags.
type options struct {
	scenarios, page, profiles string
	// divisor is what the numbers of recipients are divided by: 1, or 10 in a quick run.
	divisor  int
	out, log io.Writer
}

// scenario is one part of the page.
type scenario struct {
	name string
	run  func(context.Context, *bench) (section, error)
}

// scenarios are all parts, in the order of the page: those before bulk are what it is held against.
func scenarios() []scenario {
	return []scenario{
		{"floor", floorScenario},
		{"peer", peerScenario},
		{"bulk", bulk},
		{"small", small},
		{"latency", latency},
		{"idle", idle},
		{"wait", wait},
		{"memory", memory},
		{"scaling", scaling},
		{"durability", durability},
		{"guards", guards},
		{"recount", recount},
		{"find", find},
		{"growth", growth},
		{"profile", profile},
	}
}

func scenarioNames() string {
	var names []string
	for _, s := range scenarios() {
		names = append(names, s.name)
	}
	return strings.Join(names, ", ")
}

// needed are the scenarios that others are held against.
var needed = map[string][]string{"bulk": {"floor", "peer"}, "small": {"floor", "peer"}}

// choose reads the list of scenarios and adds what they are held against, and the profile if it is
// to be kept.
func choose(list string, keepProfile bool) ([]scenario, error) {
	all := scenarios()
	if list == "all" {
		return all, nil
	}
	var names []string
	for name := range strings.SplitSeq(list, ",") {
		name = strings.TrimSpace(name)
		if !slices.ContainsFunc(all, func(s scenario) bool { return s.name == name }) {
			return nil, fmt.Errorf("-scenarios: %q is not one of all, %s", name, scenarioNames())
		}
		names = append(append(names, name), needed[name]...)
	}
	if keepProfile {
		names = append(names, "profile")
	}
	return slices.DeleteFunc(all, func(s scenario) bool {
		return !slices.Contains(names, s.name)
	}), nil
}

// bench is one run of the benchmarks.
type bench struct {
	options
	folder string
	// programs and profiled are the folders of what was built; the second is empty until needed.
	programs, profiled string
	// floor and peer are recipients a second, floorCPU is the time on a processor of the floor for
	// one recipient; zero until measured.
	floor, peer float64
	floorCPU    time.Duration
}

// newBench builds the programs.
func newBench(o options) (*bench, error) {
	folder, err := os.MkdirTemp("", "tuma-bench-")
	if err != nil {
		return nil, fmt.Errorf("make a folder for the benchmarks: %w", err)
	}
	b := &bench{options: o, folder: folder, programs: filepath.Join(folder, "bin")}
	if err := build(b.programs, false); err != nil {
		b.close()
		return nil, err
	}
	return b, nil
}

// close removes what was built.
func (b *bench) close() { _ = os.RemoveAll(b.folder) }

// logf tells the person at the terminal.
func (b *bench) logf(format string, arguments ...any) {
	fmt.Fprintf(b.log, "bench: "+format+"\n", arguments...)
}

// size is how many recipients a scenario has.
func (b *bench) size(full int) int { return full / b.divisor }

// limit bounds one scenario.
func (b *bench) limit() time.Duration {
	if b.divisor > 1 {
		return 5 * time.Minute
	}
	return 20 * time.Minute
}

// run runs the chosen scenarios and writes the page. An error is returned when any of them has no
// figures; the others are on the page all the same.
func (b *bench) run(ctx context.Context) error {
	chosen, err := choose(b.scenarios, b.profiles != "")
	if err != nil {
		return err
	}
	p := page{
		command: b.command(), machine: machine(), settings: sensible, began: time.Now(),
		quick: b.divisor > 1,
	}
	p.begin(b.out)
	var faults error
	for _, s := range chosen {
		found, err := b.one(ctx, s)
		p.sections = append(p.sections, found)
		if err != nil {
			faults = errors.Join(faults, fmt.Errorf("%s: %w", s.name, err))
		}
		found.write(b.out)
		if ctx.Err() != nil {
			return errors.Join(faults, ctx.Err()) // Interrupted: half a page is none.
		}
	}
	p.conclude(b.out)
	if b.page != "" {
		faults = errors.Join(faults, b.save(p))
	}
	return faults
}

// one runs one scenario within its limit.
func (b *bench) one(ctx context.Context, s scenario) (section, error) {
	b.logf("%s …", s.name)
	begin := time.Now()
	bounded, cancel := context.WithTimeout(ctx, b.limit())
	defer cancel()
	found, err := s.run(bounded, b)
	found.name = s.name
	if errors.Is(bounded.Err(), context.DeadlineExceeded) {
		err = fmt.Errorf("took longer than its limit of %s: %w", b.limit(), err)
	}
	if err != nil {
		found.fault = strings.Join(strings.Fields(err.Error()), " ")
	}
	b.logf("%s took %s", s.name, time.Since(begin).Round(time.Second/10))
	return found, err
}

func (b *bench) save(p page) error {
	file, err := os.Create(b.page)
	if err != nil {
		return fmt.Errorf("-write: %w", err)
	}
	p.write(file)
	if err := file.Close(); err != nil {
		return fmt.Errorf("-write: %w", err)
	}
	return nil
}

// command is how the same is run again.
func (b *bench) command() string {
	command := "go run ./bench -scenarios " + b.scenarios
	if b.divisor > 1 {
		command += " -quick"
	}
	return command
}

// machine says where it ran.
func machine() string {
	model := runtime.GOARCH
	if text, err := os.ReadFile("/proc/cpuinfo"); err == nil {
		if _, after, found := strings.Cut(string(text), "model name"); found {
			line, _, _ := strings.Cut(after, "\n")
			model = strings.TrimSpace(strings.TrimLeft(line, "\t: "))
		}
	}
	redis := "unknown"
	if text, err := exec.Command("redis-server", "--version").Output(); err == nil {
		if _, after, found := strings.Cut(string(text), "v="); found {
			redis, _, _ = strings.Cut(after, " ")
		}
	}
	return fmt.Sprintf("%s, %d cores; %s/%s; %s; Redis %s.", model, runtime.NumCPU(), runtime.GOOS,
		runtime.GOARCH, runtime.Version(), redis)
}

// buildProfiled builds the programs that take profiles, once.
func (b *bench) buildProfiled() error {
	if b.profiled != "" {
		return nil
	}
	folder := filepath.Join(b.folder, "profiled")
	if err := build(folder, true); err != nil {
		return err
	}
	b.profiled = folder
	return nil
}
