//go:build race

package proctest

// Race is true when the test binary has the race detector: what it builds then has it too.
const Race = true
