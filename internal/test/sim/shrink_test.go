package sim_test

import (
	"fmt"
	"maps"
	"slices"
	"strings"
	"testing"
	"time"
)

// shrinkLimit bounds the search for a shorter scenario.
const shrinkLimit = 40 * time.Second

// shortest leaves out steps for as long as the scenario still goes wrong in the same way: ever
// smaller stretches of them, from the last to the first. Each step draws from a source of its own,
// so that the others stay nearly what they were.
func shortest(t *testing.T, f *fixture, seed uint64, broken string) (faults, log []string) {
	t.Helper()
	muted, until := map[int]bool{}, time.Now().Add(shrinkLimit)
	try := func(candidate map[int]bool) bool {
		if time.Now().After(until) {
			return false
		}
		found, ran := run(t, f, seed, candidate, 1)
		if len(found) == 0 || sortOf(found[0]) != sortOf(broken) {
			return false
		}
		muted, faults, log = candidate, found, ran
		return true
	}
	if !try(muted) { // Seen only because the looks were rarer: the run as it was.
		return run(t, f, seed, nil, every)
	}
	steps := drawPlan(seed).steps
	for length := (steps + 1) / 2; length > 0; length /= 2 {
		for from := steps - length; from > -length; from -= length {
			candidate := maps.Clone(muted)
			for i := max(0, from); i < from+length; i++ {
				candidate[i] = true
			}
			if len(candidate) > len(muted) {
				try(candidate)
			}
		}
	}
	return faults, log
}

// sortOf is what kind of fault it is: the words before the first colon.
func sortOf(fault string) string {
	kind, _, _ := strings.Cut(fault, ":")
	return kind
}

// report describes a scenario that went wrong.
func report(seed uint64, faults, log []string) string {
	return fmt.Sprintf("seed %d went wrong; `make sim SEEDS=1 SEED=%d` runs it again\n\n%s\n\n%s",
		seed, seed, strings.Join(faults, "\n"), strings.Join(elided(log), "\n"))
}

// elided leaves out the middle of the long end of a scenario, where nothing but queries goes on.
func elided(log []string) []string {
	const shown = 40
	for i, line := range log {
		if strings.HasSuffix(line, turningPoint) && len(log) > i+2*shown {
			return slices.Concat(log[:i+shown], []string{"            …"}, log[len(log)-shown:])
		}
	}
	return log
}
