package figures

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

func TestPercentileIsByNearestRank(t *testing.T) {
	t.Parallel()
	values := []time.Duration{50, 20, 40, 15, 35}
	for _, row := range []struct {
		share float64
		want  time.Duration
	}{{0, 15}, {0.05, 15}, {0.3, 20}, {0.4, 20}, {0.5, 35}, {0.99, 50}, {1, 50}} {
		require.Equal(t, row.want, Percentile(values, row.share), row.share)
	}
	require.Equal(t, time.Duration(50), values[0], "the order was changed")
	require.Zero(t, Percentile(nil, 0.5))
}

func TestRatiosAndSpreads(t *testing.T) {
	t.Parallel()
	require.InDelta(t, 0.3, Ratio(120_000, 400_000), 1e-12)
	require.Zero(t, Ratio(1, 0))
	require.InDelta(t, 0.25, Spread([]float64{10, 8, 9}), 1e-12)
	require.Zero(t, Spread(nil))
	largest, times := Peak([]float64{10, 30, 20, 20})
	require.InDelta(t, 30, largest, 0)
	require.InDelta(t, 1.5, times, 1e-12)
	_, times = Peak(nil)
	require.Zero(t, times)
}

func TestNumbersReadWell(t *testing.T) {
	t.Parallel()
	for n, want := range map[float64]string{
		0: "0", 999: "999", 1000: "1,000", 1234567.6: "1,234,568", -1000: "-1,000", -0.4: "0",
	} {
		require.Equal(t, want, Count(n))
	}
	for n, want := range map[float64]string{
		0: "0", 0.031234: "0.0312", 4.2: "4.20", 12.54: "12.5", 380.4: "380", 12345: "12345",
		0.00000012: "0.000000",
	} {
		require.Equal(t, want, Short(n))
	}
	require.Equal(t, "12.5%", Percent(0.125))
	require.Equal(t, "1.5 ms", Millis(1500*time.Microsecond))
	require.Equal(t, "1.50 s", Seconds(1500*time.Millisecond))
}
