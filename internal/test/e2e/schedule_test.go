package e2e_test

import (
	"maps"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"tuma/internal/test/proctest"
	"tuma/internal/test/redistest"
)

// scheduled are jobs that may be sent at a time, and what they ask for.
type scheduled struct {
	at     time.Time
	jobs   []job
	wanted orders
}

// later makes jobs that may be sent when some time has passed.
func later(name string, passed time.Duration) scheduled {
	jobs, wanted := makeJobs(name, 5, 10)
	at := time.Now().Add(passed)
	for i := range jobs {
		jobs[i].NotBefore = at.UTC().Format(time.RFC3339)
	}
	return scheduled{at, jobs, wanted}
}

// awaitHeld waits until that many are held, and nobody was sent.
func (h *harness) awaitHeld(n int) {
	h.t.Helper()
	h.await("all are held", func() bool { return h.book()["lipad held"] == int64(n) })
	require.Zero(h.t, h.ledger().Requests["send"])
}

// sendsOnly waits until those of the first time have settled, and demands that those of the other
// time are held, and that everybody else was sent once.
func (h *harness) sendsOnly(now, then scheduled) {
	h.t.Helper()
	all := maps.Clone(now.wanted)
	maps.Copy(all, then.wanted)
	h.await("those whose time has come have settled", func() bool {
		open, n := h.counts()
		return n == int64(len(all)) && open == int64(len(then.wanted))
	})
	counts := h.check(all, now.jobs[0].Campaign, then.jobs[0].Campaign)
	require.Equal(h.t, len(then.wanted), counts["held"])
	requireEnd(h.t, counts, len(now.wanted))
}

// programs starts a worker, a poller and a stream.
func (h *harness) programs() []*proctest.Process {
	h.t.Helper()
	all := []*proctest.Process{
		h.start(cmdWorker), h.start(cmdPoller), h.start(cmdEnqueuer, "stream"),
	}
	for _, p := range all {
		p.WaitOutput("serving", testTimeout)
	}
	return all
}

// TestASchedulePassesWhileEverythingIsDown kills all processes and Redis before the time at which
// jobs may be sent, and starts them again when it has passed: they are sent, once. Those of a later
// time are still held.
func TestASchedulePassesWhileEverythingIsDown(t *testing.T) {
	t.Parallel()
	h := newHarness(t, setup{
		redis: []redistest.Option{redistest.WithConfig("appendfsync", "always")},
	})
	running := h.programs()
	soon, late := later("soon", 20*time.Second), later("late", time.Hour)
	for _, j := range append(soon.jobs, late.jobs...) {
		h.push(encode(t, j))
	}
	h.awaitHeld(len(soon.wanted) + len(late.wanted))
	for _, p := range running {
		p.Kill()
	}
	h.redis.Kill()
	h.await("the time has come", func() bool { return time.Now().After(soon.at) })
	h.redis.Restart()
	h.programs()
	h.sendsOnly(soon, late)
}

// TestAScheduleSurvivesAFailover kills the master before the time at which jobs may be sent. The
// replica that takes over releases them, once.
func TestAScheduleSurvivesAFailover(t *testing.T) {
	t.Parallel()
	b := newSentinel(t)
	h := newHarness(t, setup{at: b.place(t), config: unreplicated})
	h.programs()
	soon, late := later("soon", 20*time.Second), later("late", time.Hour)
	h.pushes(b, append(soon.jobs, late.jobs...))
	h.awaitHeld(len(soon.wanted) + len(late.wanted))
	b.heard()
	victim := b.master(stateKey)
	victim.Kill()
	require.NotEqual(t, victim.Addr(), b.master(stateKey).Addr())
	h.rdb = b.master(stateKey).Client(t)
	h.sendsOnly(soon, late)
}
