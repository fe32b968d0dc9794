package proctest

import "testing"

// NotInShort skips a test in `go test -short`, which `make quick` runs, and says what it needs.
// What starts such a thing calls it, so that tests do not have to; `make test` skips none of them.
func NotInShort(t testing.TB, needs string) {
	t.Helper()
	if testing.Short() {
		t.Skip("not in make quick: it needs " + needs)
	}
}

// LongRuns skips a test of many long runs in make quick, and with the race detector, which would
// make minutes of it and finds as much in short ones. The target runs it without.
func LongRuns(t testing.TB, target string) {
	t.Helper()
	NotInShort(t, "many long runs")
	if Race {
		t.Skip("many long runs: " + target + " makes them without the race detector")
	}
}
