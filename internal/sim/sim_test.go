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

	"tuma/internal/proctest"
	"tuma/internal/redistest"
	"tuma/internal/sandbox"
	"tuma/internal/state"
)

var (
	seedFlag  = flag.Uint64("sim.seed", 1, "first seed of the simulation")
	seedsFlag = flag.Int("sim.seeds", 300, "how many seeds are run")
	storyFlag = flag.Bool("sim.story", false, "print every story")
)

// TestMain removes what the tests share. One processor is enough where one goroutine runs at a
// time, and hands over faster.
func TestMain(m *testing.M) {
	runtime.GOMAXPROCS(1)
	os.Exit(proctest.Suite{M: m}.Run())
}

// skipUnderRace leaves out what runs one goroutine at a time, and would only be slow.
func skipUnderRace(t *testing.T) {
	t.Helper()
	if proctest.Race {
		t.Skip("one goroutine runs at a time: make sim runs it without the race detector")
	}
}

// every is how many steps lie between two inspections; a story that went wrong is told again with
// one after every step.
const every = 20

// TestSimulation runs stories from the first seed on. The first that goes wrong ends it.
//
//nolint:paralleltest // The simulation intercepts every effect of the process.
func TestSimulation(t *testing.T) {
	skipUnderRace(t)
	s := onStage(t, nil)
	began := time.Now()
	for i := range *seedsFlag {
		seed := *seedFlag + uint64(i)
		broken, story := tell(t, s, seed, nil, every)
		if *storyFlag {
			t.Log(strings.Join(story, "\n"))
		}
		if len(broken) > 0 && *quietFlag {
			t.Fatalf("went wrong: %d: %s", seed, broken[0])
		}
		if len(broken) > 0 {
			faults, story := shortest(t, s, seed, broken[0])
			t.Fatal(report(seed, faults, story))
		}
	}
	t.Logf("%d seeds in %s", *seedsFlag, time.Since(began).Round(time.Millisecond))
}

// onStage starts a Redis and sets the stage on it, with the scripts edited.
func onStage(t *testing.T, edit state.ScriptEdit) *stage {
	t.Helper()
	socket := filepath.Join(t.TempDir(), "redis")
	redistest.Start(t, redistest.WithConfig("appendonly", "no"),
		redistest.WithConfig("unixsocket", socket))
	s := newStage("unix://"+socket, edit)
	t.Cleanup(s.close)
	return s
}

// tell runs one story and returns what went wrong in it.
func tell(
	t *testing.T, s *stage, seed uint64, muted map[int]bool, inspectEvery int,
) (broken, story []string) {
	t.Helper()
	p := drawPlan(seed)
	var now func() time.Time
	o := sandbox.Options{
		Seed: seed, Now: func() time.Time { return now() },
		Callbacks: s.base() + "/callbacks/" + token, Faults: sandbox.DefaultFaults(),
	}
	simulator := sandbox.New(o)
	defer simulator.Close()
	s.provider.Store(simulator)
	synctest.Test(t, func(*testing.T) {
		rand.Seed(int64(seed)) //nolint:staticcheck // The backoff's jitter has no other source.
		t0 := time.Now()
		now = func() time.Time { return t0 }
		h := newHarness(p, s, muted, simulator)
		now = func() time.Time { return time.Unix(0, h.now.Load()) }
		s.harness.Store(h)
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
		broken, story = h.broken, h.story
	})
	return broken, story
}
