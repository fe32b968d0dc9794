//go:build race

package proctest

// raceEnabled is true when the test binary has the race detector: what it builds then has it too.
const raceEnabled = true
