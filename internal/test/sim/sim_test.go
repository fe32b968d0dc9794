//go:debug randseednop=0

package sim_test

import (
	"flag"
	"math/rand"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"tuma/internal/sandbox"
	"tuma/internal/state"
	"tuma/internal/test/proctest"
	"tuma/internal/test/redistest"
)

var (
	seedFlag  = flag.Uint64("sim.seed", 1, "first seed of the simulation")
	seedsFlag = flag.Int("sim.seeds", 300, "how many seeds are run")
	logFlag   = flag.Bool("sim.log", false, "print the log of every run")
)

// TestMain removes what the tests share. One processor is enough where one goroutine runs at a
// time, and hands over faster.
func TestMain(m *testing.M) {
	runtime.GOMAXPROCS(1)
	os.Exit(proctest.Suite{M: m}.Run())
}

// every is how many steps lie between two inspections; a scenario that went wrong is run again with
// one after every step.
const every = 20

// TestSimulation runs scenarios from the first seed on. The first that goes wrong ends it.
//
//nolint:paralleltest // The simulation intercepts every effect of the process.
func TestSimulation(t *testing.T) {
	proctest.LongRuns(t, "make sim")
	f := startFixture(t, nil)
	began := time.Now()
	for i := range *seedsFlag {
		seed := *seedFlag + uint64(i)
		broken, log := run(t, f, seed, nil, every)
		if *logFlag {
			t.Log(strings.Join(log, "\n"))
		}
		if len(broken) > 0 && *quietFlag {
			t.Fatalf("went wrong: %d: %s", seed, broken[0])
		}
		if len(broken) > 0 {
			faults, log := shortest(t, f, seed, broken[0])
			t.Fatal(report(seed, faults, log))
		}
	}
	t.Logf("%d seeds in %s", *seedsFlag, time.Since(began).Round(time.Millisecond))
}

// startFixture starts a Redis and a fixture on it, with the scripts edited.
func startFixture(t *testing.T, edit state.ScriptEdit) *fixture {
	t.Helper()
	socket := filepath.Join(t.TempDir(), "redis")
	redistest.Start(t, redistest.WithConfig("appendonly", "no"),
		redistest.WithConfig("unixsocket", socket))
	f := newFixture("unix://"+socket, edit)
	t.Cleanup(f.close)
	return f
}

// run runs one scenario and returns what went wrong in it.
func run(
	t *testing.T, f *fixture, seed uint64, muted map[int]bool, inspectEvery int,
) (broken, log []string) {
	t.Helper()
	p := drawPlan(seed)
	var now func() time.Time
	o := sandbox.Options{
		Seed: seed, Now: func() time.Time { return now() },
		Callbacks: f.base() + "/callbacks/" + token, Faults: sandbox.DefaultFaults(),
	}
	simulator := sandbox.New(o)
	defer simulator.Close()
	f.provider.Store(simulator)
	synctest.Test(t, func(*testing.T) {
		rand.Seed(int64(seed)) //nolint:staticcheck // The backoff's jitter has no other source.
		t0 := time.Now()
		now = func() time.Time { return t0 }
		h := newHarness(p, f, muted, simulator)
		now = func() time.Time { return time.Unix(0, h.now.Load()) }
		f.harness.Store(h)
		for name, f := range p.faults {
			must(simulator.SetProviderFaults(name, f))
		}
		for i := range p.steps {
			if muted[i] {
				continue
			}
			h.step(i)
			if i%inspectEvery == 0 {
				h.inspect()
			}
			if h.failed() {
				break
			}
		}
		if !h.failed() {
			h.inspect()
		}
		if !h.failed() {
			h.end()
		}
		h.close()
		broken, log = h.broken, h.log
	})
	return broken, log
}
