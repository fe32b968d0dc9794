// Package figures is the arithmetic of the benchmarks.
package figures

import (
	"fmt"
	"math"
	"slices"
	"strconv"
	"time"
)

// Percentile returns the smallest value that at least that share (0 to 1) of the values does not
// exceed, by the nearest rank; zero of nothing. The values stay in their order.
func Percentile(values []time.Duration, share float64) time.Duration {
	if len(values) == 0 {
		return 0
	}
	sorted := slices.Sorted(slices.Values(values))
	rank := int(math.Ceil(share * float64(len(sorted))))
	return sorted[min(max(rank, 1), len(sorted))-1]
}

// Ratio returns a/b, or zero when there is nothing to compare with.
func Ratio(a, b float64) float64 {
	if b == 0 {
		return 0
	}
	return a / b
}

// Spread returns by how much of the smallest value the largest exceeds it; zero of nothing.
func Spread(values []float64) float64 {
	if len(values) == 0 {
		return 0
	}
	least := slices.Min(values)
	return Ratio(slices.Max(values)-least, least)
}

// Peak returns the largest of the counts and how often it holds their mean.
func Peak(counts []float64) (largest, times float64) {
	var sum float64
	for _, n := range counts {
		largest, sum = max(largest, n), sum+n
	}
	return largest, Ratio(largest*float64(len(counts)), sum)
}

// Count writes a whole number with commas: 1,000,000.
func Count(n float64) string {
	text := strconv.FormatInt(int64(math.Round(math.Abs(n))), 10)
	for at := len(text) - 3; at > 0; at -= 3 {
		text = text[:at] + "," + text[at:]
	}
	if n <= -0.5 {
		return "-" + text
	}
	return text
}

// Short writes a number with three digits that mean something: 0.0312, 4.20, 12.5, 380.
func Short(n float64) string {
	if n == 0 {
		return "0"
	}
	digits := 2 - int(math.Floor(math.Log10(math.Abs(n))))
	return strconv.FormatFloat(n, 'f', max(0, min(digits, 6)), 64)
}

// Percent writes a share as a percentage: 12.5%.
func Percent(share float64) string { return Short(share*100) + "%" }

// Millis writes a duration in milliseconds: 12.3 ms.
func Millis(d time.Duration) string {
	return fmt.Sprintf("%.1f ms", float64(d)/float64(time.Millisecond))
}

// Seconds writes a duration in seconds: 12.3 s.
func Seconds(d time.Duration) string { return fmt.Sprintf("%.2f s", d.Seconds()) }
