package e2e_test

import (
	"regexp"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"tuma/internal/proctest"
)

// shifted returns the edits that let a program's clock be wrong by E2E_CLOCK seconds ("-600"). A Go
// program does not read the time through the C library, so nothing outside of it can do that. The
// monotonic clock, from which timeouts are measured, stays right, as on a pod with a wrong clock.
// clock.
func shifted() []edit {
	return []edit{{
		file: "GOROOT/src/time/time.go",
		from: "func Now() Time {\n\tsec, nsec, mono := runtimeNow()\n",
		to:   "func Now() Time {\n\tsec, nsec, mono := runtimeNow()\n\tsec += wrongBy\n",
	}, {
		file: "GOROOT/src/time/time.go",
		from: "var startNano int64 = runtimeNano() - 1\n",
		to: `var startNano int64 = runtimeNano() - 1

var wrongBy = func() (seconds int64) {
	text, _ := syscall.Getenv("E2E_CLOCK")
	sign := int64(1)
	for i := range len(text) {
		if text[i] == '-' {
			sign = -1
		} else {
			seconds = seconds*10 + int64(text[i]-'0')
		}
	}
	return sign * seconds
}()
`,
	}, {
		file: "GOROOT/src/time/time.go",
		from: "\t\"math/bits\"\n",
		to:   "\t\"math/bits\"\n\t\"syscall\"\n",
	}}
}

var (
	shiftedWorker = &variant{
		name: "shifted-worker", command: cmdWorker, edits: shifted(), slow: true,
	}
	shiftedPoller = &variant{
		name: "shifted-poller", command: cmdPoller, edits: shifted(), slow: true,
	}
)

// TestClocksTenMinutesApart runs pods whose clocks are ten minutes ahead and behind, with lost
// answers, killed pods, and clocks that agree with nobody's. Time is Redis's alone: a pod that is
// ahead must not take living requests for dead, and nobody resends before it is time.
func TestClocksTenMinutesApart(t *testing.T) {
	t.Parallel()
	worker, poller := shiftedWorker.build(t), shiftedPoller.build(t)
	w := newWorld(t, setup{
		batch:  25,
		faults: `{"send":{"latency":"100ms","lost_before":{"next":3},"lost_after":{"next":3}}}`,
	})
	var pods []*proctest.Process
	for _, clock := range []string{"E2E_CLOCK=600", "E2E_CLOCK=-600"} {
		pods = append(pods, w.run(worker, []string{clock}), w.run(poller, []string{clock}))
	}
	for i, p := range pods {
		p.WaitOutput("serving", patience)
		requireClock(t, p.Output(), []time.Duration{10 * time.Minute, -10 * time.Minute}[i/2])
	}
	jobs, wanted := makeJobs("clocks", 60, 25)
	w.accept(jobs)
	w.awaitSends(20)
	pods[0].Kill() // What the one ahead leaves behind is the other's.
	w.run(worker, []string{"E2E_CLOCK=600"})
	requireEnd(t, w.finished(wanted, "clocks"), len(wanted))
	require.Equal(t, 3, w.ledger().Faults["send.lost_after"])
}

var logTime = regexp.MustCompile(`"ts":"([^"]+)"`)

// requireClock demands that a pod's clock is wrong by that much, going by its first line of log.
func requireClock(t *testing.T, output string, by time.Duration) {
	t.Helper()
	found := logTime.FindStringSubmatch(output)
	require.NotNil(t, found, output)
	at, err := time.Parse(time.RFC3339Nano, found[1])
	require.NoError(t, err)
	require.InDelta(t, by.Seconds(), time.Until(at).Seconds(), patience.Seconds())
}
