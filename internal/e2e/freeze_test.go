package e2e_test

import (
	"bytes"
	"fmt"
	"os"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"tuma/internal/proctest"
)

// outlast is longer than everything that anybody waits for a silent worker.
const outlast = submitTimeout + sendGuard + settleDelay + time.Second

// freezing is a worker that stops itself (SIGSTOP) once, at the place that E2E_FREEZE names, and
// goes on from there when it gets SIGCONT: the places are a few instructions wide, so that no
// signal from outside would hit them.
var freezing = &proctest.Variant{
	Name: "freezing-worker", Command: cmdWorker,
	Edits: []proctest.Edit{{
		File: "internal/tasks/submit.go",
		From: "\tnow.asked = time.Now()\n\tleft, err := s.Store.BeginSend(",
		To: "\tproviders.Freeze(\"before begin\")\n" +
			"\tnow.asked = time.Now()\n\tleft, err := s.Store.BeginSend(",
	}, {
		File: "internal/tasks/submit.go",
		From: "\tanswer := submission.Send(wire)\n",
		To:   "\tproviders.Freeze(\"after begin\")\n\tanswer := submission.Send(wire)\n",
	}, {
		File: "internal/tasks/submit.go",
		From: "\ta := s.translate(b, now.attempt, answer)\n",
		To: "\tproviders.Freeze(\"before record\")\n" +
			"\ta := s.translate(b, now.attempt, answer)\n",
	}, {
		File: "internal/providers/gate.go",
		From: "\t\tg.state = gateOpen\n\t\treturn nil\n",
		To:   "\t\tg.state = gateOpen\n\t\tFreeze(\"before write\")\n\t\treturn nil\n",
	}, {
		File: "internal/providers/gate.go",
		From: "import (\n",
		To:   "import (\n\t\"os\"\n\t\"syscall\"\n",
	}, {
		File: "internal/providers/gate.go",
		From: "// gateState says",
		To: "var freezeOnce sync.Once\n\nfunc Freeze(place string) {\n" +
			"\tif os.Getenv(\"E2E_FREEZE\") == place {\n" +
			"\t\tfreezeOnce.Do(func() {\n" +
			"\t\t\t_ = syscall.Kill(os.Getpid(), syscall.SIGSTOP)\n" +
			// A thread may go on for a moment before the signal reaches it.
			"\t\t\ttime.Sleep(50 * time.Millisecond)\n\t\t})\n" +
			"\t}\n}\n\n// gateState says",
	}},
}

// awaitFrozen waits until a process has stopped itself.
func (h *harness) awaitFrozen(p *proctest.Process) {
	h.t.Helper()
	h.await("the worker has frozen", func() bool {
		status, err := os.ReadFile(fmt.Sprintf("/proc/%d/status", p.PID()))
		return err == nil && bytes.Contains(status, []byte("State:\tT"))
	})
}

// TestWorkerFreezesAtTheWorstMoment freezes a worker for longer than deadline, guard and settle
// delay, at every border of the send. Meanwhile another worker does what has to be done; then the
// first one goes on where it was. Between "before write" and the write nothing can be checked any
// more: there the provider's refusal of a used reference is what saves us.
func TestWorkerFreezesAtTheWorstMoment(t *testing.T) {
	t.Parallel()
	for _, place := range []string{"before begin", "after begin", "before write", "before record"} {
		t.Run(place, func(t *testing.T) {
			t.Parallel()
			h := newHarness(t, setup{batch: 20})
			frozen := h.run(freezing.Build(t), []string{"E2E_FREEZE=" + place})
			frozen.WaitOutput("serving", patience)
			h.start(cmdPoller)
			jobs, wanted := makeJobs("freeze", 10, 15)
			h.accept(jobs[:8])
			h.awaitFrozen(frozen)
			other := h.start(cmdWorker)
			h.awaitSettled(8 * 15)
			time.Sleep(outlast)
			frozen.Cont()
			other.Kill()
			h.accept(jobs[8:]) // The thawed worker still works.
			requireEnd(t, h.finished(wanted, "freeze"), len(wanted))
			require.True(t, frozen.Running())
		})
	}
}

// TestWorkerFrozenFromOutside freezes a worker while it waits for the provider: for a token, which
// is before the POST, and for the answer, which is inside of it, of a request that the provider
// carries out and of one that it never does.
func TestWorkerFrozenFromOutside(t *testing.T) {
	t.Parallel()
	for name, row := range map[string]struct{ faults, call string }{
		"waits for a token": {`{"auth":{"latency":"700ms"}}`, "auth"},
		"paid":              {`{"send":{"latency":"1s"}}`, "send"},
		"hangs unpaid":      {`{"send":{"hang_before":{"next":1},"hang_limit":"30s"}}`, "send"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			h := newHarness(t, setup{batch: 20, faults: row.faults})
			frozen := h.start(cmdWorker)
			frozen.WaitOutput("serving", patience)
			jobs, wanted := makeJobs("frozen", 10, 15)
			h.accept(jobs[:8])
			h.await("a request of the worker", func() bool {
				return h.ledger().Requests[row.call] >= 1
			})
			frozen.Stop()
			h.start(cmdPoller)
			other := h.start(cmdWorker)
			h.awaitSettled(8 * 15)
			time.Sleep(outlast)
			frozen.Cont()
			other.Kill()
			h.accept(jobs[8:])
			requireEnd(t, h.finished(wanted, "frozen"), len(wanted))
			require.True(t, frozen.Running())
		})
	}
}
