package proctest

import "testing"

// LongRuns is what tests need that break the code on purpose, or draw long stories.
const LongRuns = "many long runs"

// NotInShort skips a test in `go test -short`, which `make quick` runs, and says what it needs.
// What starts such a thing calls it, so that tests do not have to; `make test` skips none of them.
func NotInShort(t testing.TB, needs string) {
	t.Helper()
	if testing.Short() {
		t.Skip("not in make quick: it needs " + needs)
	}
}
