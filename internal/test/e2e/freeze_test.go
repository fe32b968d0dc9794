package e2e_test

import (
	"bytes"
	"fmt"
	"os"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"tuma/internal/test/mutation"
	"tuma/internal/test/proctest"
)

// outlast is longer than everything that anybody waits for a silent worker.
const outlast = submitTimeout + sendGuard + settleDelay + time.Second

// freezing is a worker that stops itself (SIGSTOP) once, at the place that E2E_FREEZE names, and
// goes on from there when it gets SIGCONT: the places are a few instructions wide, so that no
// signal from outside would hit them.
var freezing = &proctest.Variant{
	Name: "freezing-worker", Command: cmdWorker,
	Breaks: []string{"before begin", "after begin", "before write", "before record"},
	Edits: []mutation.Edit{{File: "internal/providers/freeze.go", To: `package providers

import (
	"os"
	"sync"
	"syscall"
	"time"
)

var freezeOnce sync.Once

func Freeze(place string) {
	if os.Getenv("E2E_FREEZE") == place {
		freezeOnce.Do(func() {
			_ = syscall.Kill(os.Getpid(), syscall.SIGSTOP)
			time.Sleep(50 * time.Millisecond) // A thread may go on until the signal reaches it.
		})
	}
}
`}},
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
			frozen.WaitOutput("serving", testTimeout)
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
			frozen.WaitOutput("serving", testTimeout)
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
