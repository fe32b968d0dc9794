package state_test

import (
	"fmt"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"

	"tuma/internal/state"
	"tuma/internal/test/mutation"
	"tuma/internal/test/proctest"
)

// runsPerMutation bounds how many random runs may pass until a break must have been noticed. The
// runs begin at a seed that is known to notice it, so that mostly one is enough; when verbs or the
// generator change, one of the next ones does.
const runsPerMutation = 1500

// TestTheModelNoticesEveryBreak breaks the scripts, one line at a time, and wants the random verbs
// to notice. It is what makes their silence about the real scripts worth something.
func TestTheModelNoticesEveryBreak(t *testing.T) {
	t.Parallel()
	proctest.LongRuns(t, "make test")
	for _, b := range mutation.Scripts {
		if b.By.Verbs > 0 {
			runsNotice(t, b, property, b.By.Verbs)
		}
	}
}

// TestRandomCallbacksNoticeEveryBreak wants the same of the random verbs around callbacks: the
// second machine is as good as the first.
func TestRandomCallbacksNoticeEveryBreak(t *testing.T) {
	t.Parallel()
	proctest.LongRuns(t, "make test")
	for _, b := range mutation.Scripts {
		if b.By.Callbacks > 0 {
			runsNotice(t, b, talkingProperty, b.By.Callbacks)
		}
	}
}

// TestScenariosNoticeEveryBreak wants the scenario that is about the broken line to notice.
func TestScenariosNoticeEveryBreak(t *testing.T) {
	t.Parallel()
	proctest.LongRuns(t, "make test")
	told := 0
	for _, b := range mutation.Scripts {
		if !b.By.Scenario {
			continue
		}
		told++
		require.Contains(t, noticedBy, b.Name)
		t.Run(b.Name, func(t *testing.T) {
			t.Parallel()
			broken := 0
			complaint := complaintOf(t, noticedBy[b.Name], b.InScripts(&broken))
			require.Positive(t, broken)
			requireNoticed(t, complaint)
			t.Log(complaint)
		})
	}
	require.Len(t, noticedBy, told, "some scenarios are about no break of the table")
}

// runsNotice wants one of many random runs to notice a break.
func runsNotice(
	t *testing.T, b mutation.Break,
	property func(testing.TB, state.ScriptEdit) func(*rapid.T), first int,
) {
	t.Run(b.Name, func(t *testing.T) {
		t.Parallel()
		broken := 0
		run := property(t, b.InScripts(&broken))
		require.Positive(t, broken)
		for i := range runsPerMutation {
			if what := notice(run, first+i); what != "" {
				requireNoticed(t, what)
				t.Logf("%s: seed %d: %s", b.Name, first+i, what)
				return
			}
		}
		t.Fatalf("not noticed")
	})
}

// requireNoticed wants a break to be noticed by what it does, not because it is no Lua.
func requireNoticed(t *testing.T, complaint string) {
	t.Helper()
	require.NotEmpty(t, complaint, "not noticed")
	require.NotContains(t, complaint, "compiling script")
	require.NotContains(t, complaint, "nonexistent global")
}

// notice makes one run and returns how it failed; empty when it did not.
func notice(run func(*rapid.T), seed int) (what string) {
	rapid.Custom(func(t *rapid.T) bool {
		defer func() {
			broken := recover()
			if broken == nil {
				return
			}
			if strings.Contains(fmt.Sprintf("%T", broken), "invalid") {
				panic(broken) // Nothing could be drawn: rapid tries again.
			}
			what = fmt.Sprint(broken)
		}()
		run(t)
		return true
	}).Example(seed)
	return what
}
