package tasks_test

import (
	"testing"

	"github.com/stretchr/testify/require"
	"go.uber.org/zap"

	"tuma/internal/airtime"
)

// TestABatchIsFoundByItsID in the lines about everything that happens to it; however many
// recipients it has, there are a few lines only.
func TestABatchIsFoundByItsID(t *testing.T) {
	t.Parallel()
	h := newHarness(t, nil)
	h.accept(t, disbursal("d", 0, 300))
	h.worker(t)
	h.poller(t)
	h.all(t, "d", airtime.Successful, 300)
	batches := map[string]bool{}
	for _, entry := range h.logs.FilterMessage("batch recorded").All() {
		batches[entry.ContextMap()["batch"].(string)] = true
	}
	require.Len(t, batches, 1)
	for batch := range batches {
		about := h.logs.FilterField(zap.String("batch", batch)).
			FilterField(zap.String("provider", lipad))
		for _, message := range []string{"batch begins", "batch recorded", "batch observed"} {
			require.NotZero(t, about.FilterMessage(message).Len(), message)
		}
	}
	informed := 0
	for _, entry := range h.logs.All() {
		if entry.Level >= zap.InfoLevel {
			informed++
		}
	}
	require.LessOrEqual(t, informed, 20, "somebody logs recipient by recipient")
}
