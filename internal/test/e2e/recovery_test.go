package e2e_test

import (
	"fmt"
	"strconv"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"tuma/internal/config"
)

// scale divides the times of the settings where a test would take minutes.
const scale = 10

// defaults are the times as they are delivered, divided: settings like those of production.
func defaults(t *testing.T, divisor time.Duration) (*config.Config, []string) {
	t.Helper()
	c, err := config.Load(func(string) string { return "" }, nil)
	require.NoError(t, err)
	var settings []string
	for name, setting := range map[string]*time.Duration{
		"TUMA_SUBMIT_TIMEOUT": &c.SubmitTimeout, "TUMA_SEND_GUARD": &c.SendGuard,
		"TUMA_SETTLE_DELAY": &c.SettleDelay, "TUMA_CLAIM_TIMEOUT": &c.ClaimTimeout,
		"TUMA_SWEEP_INTERVAL": &c.SweepInterval, "TUMA_POLL_INITIAL": &c.PollInitial,
		"TUMA_POLL_MAX": &c.PollMax,
	} {
		*setting /= divisor
		settings = append(settings, fmt.Sprintf("%s=%s", name, *setting))
	}
	return c, settings
}

// held is a batch that a worker has claimed or sent.
type held struct {
	deadline time.Time // of its request; zero if it was not begun
	released time.Time // when its slot was free again; zero while it is taken
}

// now is the time by Redis.
func (h *harness) now() time.Time {
	h.t.Helper()
	now, err := h.rdb.Time(h.t.Context()).Result()
	require.NoError(h.t, err)
	return now
}

// holds lists the batches that workers hold.
func (h *harness) holds() map[string]*held {
	h.t.Helper()
	ids, err := h.rdb.ZRange(h.t.Context(), "{tuma}:slots:lipad", 0, -1).Result()
	require.NoError(h.t, err)
	list := map[string]*held{}
	for _, id := range ids {
		list[id] = &held{}
		text := h.rdb.HGet(h.t.Context(), "{tuma}:batch:"+id, "deadline").Val()
		if ms, err := strconv.ParseInt(text, 10, 64); err == nil && ms > 0 {
			list[id].deadline = time.UnixMilli(ms)
		}
	}
	return list
}

// TestBatchesOfAKilledWorkerMoveOn kills one of two workers with requests on the wire, and measures
// how long after the deadline of each request its batch is taken up again: in doubt, to be asked
// about. All times are a tenth of those delivered. What the sweeps do when is the simulation's.
func TestBatchesOfAKilledWorkerMoveOn(t *testing.T) {
	t.Parallel()
	_, settings := defaults(t, scale)
	h := newHarness(t, setup{
		batch: 10, environment: settings, faults: `{"send":{"latency":"800ms"}}`,
	})
	workers, _ := h.pods(2)
	jobs, wanted := makeJobs("killed", 20, 20)
	h.accept(jobs)
	h.awaitSends(6)
	workers[0].Kill()
	left := h.holds() // The living one's too: they are recorded long before their deadline.
	require.NotEmpty(t, left)
	h.await("every batch moves on", func() bool {
		taken, open := h.holds(), 0
		for id, hold := range left {
			if _, still := taken[id]; still {
				open++
			} else if hold.released.IsZero() {
				hold.released = h.now()
			}
		}
		return open == 0
	})
	var late int
	for id, hold := range left {
		if hold.deadline.IsZero() || hold.released.Before(hold.deadline) {
			continue // The living worker's, or never begun.
		}
		late++
		silent := hold.released.Sub(hold.deadline)
		t.Logf("batch %s: taken up %s after its deadline (times %d: %s)", id, silent, scale,
			scale*silent)
	}
	require.NotZero(t, late, "the killed worker had requests on the wire")
	requireEnd(t, h.finished(wanted, "killed"), len(wanted))
}

// calls is how many sends and status queries the provider has seen.
func (h *harness) calls() (sends, queries int) {
	h.t.Helper()
	ledger := h.ledger()
	return ledger.Requests["send"], ledger.Requests["status"]
}

// requireResumed demands that sending and asking go on, and logs how long it took.
func (h *harness) requireResumed(after string) {
	h.t.Helper()
	begin := time.Now()
	sends, queries := h.calls()
	h.await("sending and asking go on after "+after, func() bool {
		moreSends, moreQueries := h.calls()
		return moreSends > sends && moreQueries > queries
	})
	h.t.Logf("after %s: sending and asking again in %s", after,
		time.Since(begin).Round(time.Millisecond))
}

// delivered makes a harness with the times as they are delivered, in which 50 recipients are on
// their way and nothing is left to be sent. More settings come on top.
func delivered(t *testing.T, more ...string) (*harness, orders) {
	t.Helper()
	_, settings := defaults(t, 1)
	h := newHarness(t, setup{
		redis: surelyKept, batch: 25, environment: append(settings, more...),
	})
	h.pods(1)
	jobs, wanted := makeJobs("before", 2, 25)
	h.accept(jobs)
	h.await("all are sent", func() bool { return h.book()["lipad submitted"] == 50 })
	return h, wanted
}

// asksFor accepts more, without waking a worker: only a sweep finds it.
func (h *harness) asksFor(name string, wanted orders) {
	h.t.Helper()
	jobs, more := makeJobs(name, 2, 25)
	for recipient, cents := range more {
		wanted[recipient] = cents
	}
	h.accept(jobs)
}

// TestWorkResumesWithoutTasks deletes everything of asynq's, with the settings as delivered.
func TestWorkResumesWithoutTasks(t *testing.T) {
	t.Parallel()
	h, wanted := delivered(t)
	h.forgetTasks()
	h.asksFor("after", wanted)
	h.requireResumed("the deletion of all tasks")
	h.finished(wanted, "before", "after")
}

// TestWorkResumesWhenRedisIsBack takes Redis away for longer than anybody waits for its answers,
// and then gives it back as it was, with the settings as delivered.
func TestWorkResumesWhenRedisIsBack(t *testing.T) {
	t.Parallel()
	h, wanted := delivered(t)
	h.redis.Pause()
	time.Sleep(12 * time.Second)
	h.redis.Resume()
	h.asksFor("after", wanted)
	h.requireResumed("the return of Redis")
	h.finished(wanted, "before", "after")
}

// TestWorkResumesWhenRedisWasRestarted kills Redis and starts it again. What is on the wire may
// have been forgotten, so sending waits for timeout and guard, here a tenth of those delivered;
// asking does not. All else is as delivered.
func TestWorkResumesWhenRedisWasRestarted(t *testing.T) {
	t.Parallel()
	c, _ := defaults(t, scale)
	h, wanted := delivered(t, "TUMA_SUBMIT_TIMEOUT="+c.SubmitTimeout.String(),
		"TUMA_SEND_GUARD="+c.SendGuard.String())
	h.redis.Kill()
	time.Sleep(2 * time.Second)
	h.redis.Restart()
	h.asksFor("after", wanted)
	frozen := c.SubmitTimeout + c.SendGuard
	h.requireResumed("the restart of Redis, " + frozen.String() + " of it frozen")
	h.finished(wanted, "before", "after")
}
