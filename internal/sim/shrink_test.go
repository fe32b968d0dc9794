package sim_test

import (
	"fmt"
	"maps"
	"slices"
	"strings"
	"testing"
	"time"
)

// shrinkLimit bounds the search for a shorter story.
const shrinkLimit = 40 * time.Second

// shortest leaves out steps for as long as the story still goes wrong in the same way: ever smaller
// stretches of them, from the last to the first. Each step draws from a source of its own, so that
// the others stay nearly what they were.
func shortest(t *testing.T, s *stage, seed uint64, broken string) (faults, story []string) {
	t.Helper()
	muted, until := map[int]bool{}, time.Now().Add(shrinkLimit)
	try := func(candidate map[int]bool) bool {
		if time.Now().After(until) {
			return false
		}
		found, told := tell(t, s, seed, candidate, 1)
		if len(found) == 0 || sortOf(found[0]) != sortOf(broken) {
			return false
		}
		muted, faults, story = candidate, found, told
		return true
	}
	if !try(muted) { // Seen only because the looks were rarer: told as it was.
		return tell(t, s, seed, nil, every)
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
	return faults, story
}

// sortOf is what kind of fault it is: the words before the first colon.
func sortOf(fault string) string {
	kind, _, _ := strings.Cut(fault, ":")
	return kind
}

// report is what people read about a story that went wrong.
func report(seed uint64, faults, story []string) string {
	return fmt.Sprintf("seed %d went wrong; `make sim SEEDS=1 SEED=%d` tells it again\n\n%s\n\n%s",
		seed, seed, strings.Join(faults, "\n"), strings.Join(elided(story), "\n"))
}

// elided leaves out the middle of the long end of a story, where nothing but queries goes on.
func elided(story []string) []string {
	const shown = 40
	for i, line := range story {
		if strings.HasSuffix(line, turningPoint) && len(story) > i+2*shown {
			return slices.Concat(story[:i+shown], []string{"            …"}, story[len(story)-shown:])
		}
	}
	return story
}
