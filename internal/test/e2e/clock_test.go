package e2e_test

import (
	"regexp"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"tuma/internal/test/proctest"
)

var (
	shiftedWorker = &proctest.Variant{
		Name: "shifted-worker", Command: cmdWorker, Edits: proctest.WrongClock(), Slow: true,
	}
	shiftedPoller = &proctest.Variant{
		Name: "shifted-poller", Command: cmdPoller, Edits: proctest.WrongClock(), Slow: true,
	}
)

// TestClocksTenMinutesApart runs pods whose clocks are ten minutes ahead and behind, with lost
// answers, killed pods, and clocks that agree with nobody's. Time is Redis's alone: a pod that is
// ahead must not take living requests for dead, and nobody resends before it is time.
func TestClocksTenMinutesApart(t *testing.T) {
	t.Parallel()
	worker, poller := shiftedWorker.Build(t), shiftedPoller.Build(t)
	h := newHarness(t, setup{
		batch:  25,
		faults: `{"send":{"latency":"100ms","lost_before":{"next":3},"lost_after":{"next":3}}}`,
	})
	var pods []*proctest.Process
	for _, clock := range []string{"600", "-600"} {
		wrong := []string{proctest.ClockVariable + "=" + clock}
		pods = append(pods, h.run(worker, wrong), h.run(poller, wrong))
	}
	for i, p := range pods {
		p.WaitOutput("serving", testTimeout)
		requireClock(t, p.Output(), []time.Duration{10 * time.Minute, -10 * time.Minute}[i/2])
	}
	jobs, wanted := makeJobs("clocks", 60, 25)
	h.accept(jobs)
	h.awaitSends(20)
	pods[0].Kill() // What the one ahead leaves behind is the other's.
	h.run(worker, []string{proctest.ClockVariable + "=600"})
	requireEnd(t, h.finished(wanted, "clocks"), len(wanted))
	require.Equal(t, 3, h.ledger().Faults["send.lost_after"])
}

var logTime = regexp.MustCompile(`"ts":"([^"]+)"`)

// requireClock demands that a pod's clock is wrong by that much, going by its first line of log.
func requireClock(t *testing.T, output string, by time.Duration) {
	t.Helper()
	found := logTime.FindStringSubmatch(output)
	require.NotNil(t, found, output)
	at, err := time.Parse(time.RFC3339Nano, found[1])
	require.NoError(t, err)
	now := time.Now()
	wrong := at.Sub(now)
	require.InDelta(t, by.Seconds(), wrong.Seconds(), testTimeout.Seconds())
}
