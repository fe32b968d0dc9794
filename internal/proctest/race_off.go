//go:build !race

package proctest

// raceEnabled is false when the test binary has no race detector.
const raceEnabled = false
