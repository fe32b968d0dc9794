//go:build !race

package proctest

// Race is false when the test binary has no race detector.
const Race = false
