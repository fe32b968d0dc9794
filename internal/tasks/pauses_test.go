package tasks_test

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"tuma/internal/state"
	"tuma/internal/tasks"
)

// TestPausesInTheDashboardAreInTheAudit: each once, however many pollers look.
func TestPausesInTheDashboardAreInTheAudit(t *testing.T) {
	t.Parallel()
	h := newHarness(t, nil)
	look := func() {
		t.Helper()
		for range 3 {
			require.NoError(t, h.queues.NotePauses(t.Context(), h.store, tasks.ByDashboard))
		}
	}
	look()
	h.acceptSilently(t, disbursal("a", 0, 1)) // asynq pauses no queue that it does not know.
	h.turn(t)
	name := h.queues.Name("lipad")
	require.NoError(t, h.inspector.PauseQueue(name))
	look()
	require.NoError(t, h.inspector.UnpauseQueue(name))
	look()
	require.NoError(t, h.inspector.PauseQueue(name))
	require.NoError(t, h.queues.NotePauses(t.Context(), h.store, "amina", tasks.QueuePoll))
	require.NoError(t, h.queues.NotePauses(t.Context(), h.store, "amina", "lipad"))
	var kept []string
	require.NoError(t, h.store.Audit(t.Context(), time.Time{}, func(e state.AuditEntry) error {
		kept = append(kept, e.Who+" "+e.What+" "+e.Name+" "+e.Detail)
		return nil
	}))
	const detail = ` lipad of="queue in the asynq dashboard"`
	require.Equal(t, []string{
		"dashboard channel_pause" + detail, "dashboard channel_resume" + detail,
		"amina channel_pause" + detail,
	}, kept)
}
