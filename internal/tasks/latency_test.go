package tasks_test

import (
	"fmt"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"tuma/internal/tasks"
)

// TestASingleDisbursalLeavesAtOnce: at low load nothing waits for a batch to fill, nor for a sweep:
// time stands still. The benchmark says how long it takes.
func TestASingleDisbursalLeavesAtOnce(t *testing.T) {
	t.Parallel()
	h := newHarness(t, nil)
	h.clocked(t)
	h.serve(t, lipad, tasks.TypeSubmit, h.submit(nil))
	for i := range 10 {
		h.accept(t, disbursal(fmt.Sprint("d", i), i, 1))
		require.Eventually(t, func() bool { return h.provider.sends() == i+1 }, testTimeout,
			time.Millisecond)
		h.quiet(t) // Until the worker is idle again.
	}
}
