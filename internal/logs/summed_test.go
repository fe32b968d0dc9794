package logs_test

import (
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"
	"go.uber.org/zap"
	"go.uber.org/zap/zaptest/observer"

	"tuma/internal/logs"
)

// TestAFloodIsOneLineAMinute, and says how many refusals it was.
func TestAFloodIsOneLineAMinute(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		core, seen := observer.New(zap.InfoLevel)
		log := logs.Summed(zap.New(core), time.Minute, "provider", "status")
		refuse := func(provider, request string) {
			log.With(zap.String("b", "c")).Info("refused", zap.String("provider", provider),
				zap.Int("status", 401), zap.String("request", request))
		}
		said := func() (lines []map[string]any) {
			synctest.Wait()
			for _, line := range seen.TakeAll() {
				require.Equal(t, "refused", line.Message)
				lines = append(lines, line.ContextMap())
			}
			return lines
		}
		line := func(provider, request string, more ...any) map[string]any {
			fields := map[string]any{
				"b": "c", "provider": provider, "status": int64(401), "request": request,
			}
			for _, n := range more {
				fields["repeated"] = n
			}
			return fields
		}
		for range 1000 {
			refuse("lipad", "first")
		}
		refuse("lipad", "last")
		refuse("sozuri", "other")
		require.Equal(t, []map[string]any{line("lipad", "first"), line("sozuri", "other")}, said())

		time.Sleep(time.Minute)
		require.Equal(t, []map[string]any{line("lipad", "last", int64(1000))}, said())

		refuse("lipad", "in the next minute")
		require.Empty(t, said())
		time.Sleep(time.Minute)
		require.Equal(t, []map[string]any{line("lipad", "in the next minute", int64(1))}, said())

		time.Sleep(2 * time.Minute)
		require.Empty(t, said())
		refuse("lipad", "long after")
		require.Equal(t, []map[string]any{line("lipad", "long after")}, said())
		time.Sleep(time.Minute) // Nothing waits at the end.
	})
}
