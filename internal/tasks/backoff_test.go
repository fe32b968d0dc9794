package tasks_test

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"tuma/internal/tasks"
)

func TestBackoffDelay(t *testing.T) {
	t.Parallel()
	b := tasks.Backoff{Initial: 5 * time.Second, Max: 10 * time.Minute, Multiplier: 1.6}
	for _, row := range []struct {
		number int
		middle time.Duration // Jitter goes a fifth to either side.
	}{
		{0, 5 * time.Second},
		{1, 5 * time.Second},
		{2, 8 * time.Second},
		{3, 12800 * time.Millisecond},
		{4, 20480 * time.Millisecond},
		{11, 549755 * time.Millisecond},
		{12, 10 * time.Minute},
		{100, 10 * time.Minute},
		{1_000_000, 10 * time.Minute},
	} {
		least, most := time.Hour, time.Duration(0)
		for range 300 {
			delay := b.Delay(row.number)
			least, most = min(least, delay), max(most, delay)
		}
		const unit = time.Millisecond
		require.GreaterOrEqual(t, least, row.middle*8/10-unit, "query %d", row.number)
		require.LessOrEqual(t, most, row.middle*12/10+unit, "query %d", row.number)
		require.Greater(t, most-least, row.middle/10, "query %d has no jitter", row.number)
	}
}
