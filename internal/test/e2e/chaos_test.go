package e2e_test

import (
	"math/rand/v2"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"tuma/internal/test/proctest"
	"tuma/internal/test/redistest"
)

// fleet keeps processes running while somebody kills them.
type fleet struct {
	h        *harness
	commands [][]string
	pods     []*proctest.Process
}

// fleet starts that many workers and pollers, and of each of some more commands.
func (h *harness) fleet(each int, more ...[]string) *fleet {
	h.t.Helper()
	f := &fleet{h: h}
	for range each {
		f.commands = append(f.commands, []string{cmdWorker}, []string{cmdPoller})
		f.commands = append(f.commands, more...)
	}
	for _, command := range f.commands {
		f.pods = append(f.pods, h.start(command[0], command[1:]...))
	}
	for _, p := range f.pods {
		p.WaitOutput("serving", testTimeout)
	}
	return f
}

// replace kills one pod and starts another in its place.
func (f *fleet) replace(i int) {
	f.pods[i].Kill()
	f.pods[i] = f.h.start(f.commands[i][0], f.commands[i][1:]...)
}

// revive starts another pod in the place of each one that has ended by itself.
func (f *fleet) revive() {
	for i, p := range f.pods {
		if !p.Running() {
			f.replace(i)
		}
	}
}

// forgetTasks deletes everything of asynq's, as somebody with a wrong key pattern does.
func (h *harness) forgetTasks() {
	h.t.Helper()
	keys, err := h.rdb.Keys(h.t.Context(), "asynq:*").Result()
	require.NoError(h.t, err)
	if len(keys) > 0 {
		require.NoError(h.t, h.rdb.Del(h.t.Context(), keys...).Err())
	}
}

// TestKilledPodsAndLostTasks kills random pods and deletes every task, again and again, while
// recipients are on their way. The random choices differ from run to run: nothing may depend on
// them.
func TestKilledPodsAndLostTasks(t *testing.T) {
	t.Parallel()
	h := newHarness(t, setup{
		batch: 50, faults: `{"send":{"latency":"100ms","jitter":"200ms"}}`,
	})
	f := h.fleet(2)
	jobs, wanted := makeJobs("chaos", 120, 25)
	sent := &sync.WaitGroup{}
	sent.Go(func() {
		for part := range 6 {
			h.accept(jobs[part*20 : part*20+20])
			time.Sleep(300 * time.Millisecond)
		}
	})
	for round := range 10 {
		time.Sleep(time.Duration(100+rand.IntN(300)) * time.Millisecond)
		f.replace(rand.IntN(len(f.pods)))
		if round%3 == 0 {
			h.forgetTasks()
		}
	}
	sent.Wait()
	requireEnd(t, h.finished(wanted, "chaos"), len(wanted))
}

// TestTermFinishesWhatIsOnTheWire stops a worker politely while a slow request is on the wire. The
// worker itself must store the answer: its recipients are never in doubt.
func TestTermFinishesWhatIsOnTheWire(t *testing.T) {
	t.Parallel()
	h := newHarness(t, setup{faults: `{"send":{"latency":"1500ms"}}`})
	worker, poller := h.start(cmdWorker), h.start(cmdPoller)
	worker.WaitOutput("serving", testTimeout)
	jobs, wanted := makeJobs("term", 1, 40)
	h.accept(jobs)
	h.awaitSends(1)
	poller.Term() // So that nobody but the worker can have stored the answer.
	worker.Term()
	require.Equal(t, 0, poller.Wait(submitTimeout+10*time.Second))
	require.Equal(t, 0, worker.Wait(submitTimeout+10*time.Second))
	require.Contains(t, worker.Output(), `"recipients":40,"accepted":40`)
	for _, r := range h.report("term") {
		require.Equal(t, "submitted", r.Status)
	}
	h.start(cmdPoller)
	requireEnd(t, h.finished(wanted, "term"), len(wanted))
	require.Equal(t, 1, h.ledger().Requests["send"])
}

// TestSecondSignalStopsAtOnce does not wait for the slow request, and still nobody is paid twice.
func TestSecondSignalStopsAtOnce(t *testing.T) {
	t.Parallel()
	h := newHarness(t, setup{faults: `{"send":{"latency":"1500ms"}}`})
	worker := h.start(cmdWorker)
	h.start(cmdPoller)
	jobs, wanted := makeJobs("twice", 4, 10)
	h.accept(jobs)
	h.awaitSends(1)
	for limit := time.Now().Add(time.Second); worker.Running() && time.Now().Before(limit); {
		worker.Term() // The second one that arrives counts; two that are pending are one.
		time.Sleep(glance)
	}
	require.Equal(t, -1, worker.Wait(time.Second), "ended by the signal, not by itself")
	h.start(cmdWorker)
	requireEnd(t, h.finished(wanted, "twice"), len(wanted))
}

// TestLostAnswers loses about every twentieth answer, half of them after the provider has paid.
// From outside both look the same.
func TestLostAnswers(t *testing.T) {
	t.Parallel()
	h := newHarness(t, setup{
		batch: 10,
		faults: `{"send":{"lost_before":{"probability":0.025,"next":2},` +
			`"lost_after":{"probability":0.025,"next":2}}}`,
	})
	h.pods(2)
	jobs, wanted := makeJobs("lost", 100, 20)
	h.accept(jobs)
	requireEnd(t, h.finished(wanted, "lost"), len(wanted))
	totals := h.ledger()
	require.GreaterOrEqual(t, totals.Lost.Before, 3)
	require.GreaterOrEqual(t, totals.Lost.After, 3)
	require.Zero(t, h.rdb.ZCard(t.Context(), "{tuma}:doubt").Val())
}

// surelyKept is for those who kill Redis: with everysec and a busy disk it answers for up to two
// seconds without writing, and a kill takes that (docs/redis.md).
var surelyKept = []redistest.Option{redistest.WithConfig("appendfsync", "always")}

// TestRedisRestart kills Redis in the middle and starts it on its file. Claiming stays fenced until
// what was on the wire has ended.
func TestRedisRestart(t *testing.T) {
	t.Parallel()
	h := newHarness(t, setup{
		redis: surelyKept, batch: 50, faults: `{"send":{"latency":"300ms"}}`,
	})
	h.pods(2)
	jobs, wanted := makeJobs("restart", 80, 25)
	h.accept(jobs)
	for _, sends := range []int{8, 20} {
		h.awaitSends(sends)
		h.redis.Kill()
		time.Sleep(500 * time.Millisecond)
		h.redis.Restart()
		h.await("claiming is fenced", func() bool {
			figures, err := h.open().Stats(t.Context())
			return err == nil && figures.Fenced > 0
		})
	}
	requireEnd(t, h.finished(wanted, "restart"), len(wanted))
}
