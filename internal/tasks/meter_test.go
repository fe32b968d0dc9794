package tasks_test

import (
	"testing"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/stretchr/testify/require"

	"tuma/internal/airtime"
	"tuma/internal/tasks"
)

// TestEveryReasonStartsAtZero, so that an alert on its growth sees the first one.
func TestEveryReasonStartsAtZero(t *testing.T) {
	t.Parallel()
	r := &rig{registry: prometheus.NewRegistry()}
	tasks.NewMeter(r.registry, []string{lipad, "sozuri"})
	for _, provider := range []string{lipad, "sozuri"} {
		for _, verdict := range airtime.Verdicts() {
			for _, reason := range append(airtime.Reasons(), airtime.NoReason) {
				require.Zero(t, r.count(t, "tuma_submissions_total", "provider", provider,
					"verdict", verdict.String(), "reason", string(reason)))
			}
		}
		for _, reason := range airtime.Reasons() {
			require.Zero(t, r.count(t, "tuma_queries_total", "provider", provider,
				"outcome", string(reason)))
		}
		for _, name := range []string{
			"tuma_unplaced_lines_total", "tuma_unrecognised_statuses_total", "tuma_settled_total",
		} {
			require.Zero(t, r.count(t, name, "provider", provider))
		}
	}
}
