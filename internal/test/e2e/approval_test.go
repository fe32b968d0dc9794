package e2e_test

import (
	"fmt"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

// approving holds everybody until another person approves.
const approving = "approvals:\n  - {name: all, above: {KES: \"0\"}}\n"

// heldGroup is one line of `enqueuer holds --json`.
type heldGroup struct {
	Reason     string `json:"reason"`
	Recipients int    `json:"recipients"`
	Digest     string `json:"digest"`
}

// held lists who is held under a name, which must be for one reason.
func (h *harness) held(name string) heldGroup {
	h.t.Helper()
	groups := decodeLines[heldGroup](h.t, strings.NewReader(h.must(0, "holds", name, "--json").out))
	require.Len(h.t, groups, 1)
	return groups[0]
}

// TestAnImportIsApprovedWhileItRuns freezes an import when its first part is accepted. Another
// person approves exactly what is there; the rest is held when it comes, and has another digest.
func TestAnImportIsApprovedWhileItRuns(t *testing.T) {
	t.Parallel()
	h := newHarness(t, setup{config: approving})
	h.pods(1)
	path, wanted := writeFile(t, "list", 0, 12_000)
	importing := h.run(mortalEnqueuer.Build(t),
		[]string{"CRASH_AT=after accept#1", "CRASH_BY=SIGSTOP"},
		"import", path, "--reference", "list", "--who", "wanjiku")
	h.awaitFrozen(importing)
	before := int64(-1)
	h.await("what was on its way has arrived", func() bool {
		_, now := h.counts()
		last := before
		before = now
		return last == now
	})
	part := h.held("list")
	require.Less(t, part.Recipients, len(wanted))
	release := func(who, digest string) []string {
		return []string{"release", "list", "--who", who, "--digest", digest}
	}
	require.Contains(t, h.must(5, release("wanjiku", part.Digest)...).errors,
		"another person has to approve it; nothing was released")
	require.Contains(t, h.must(0, release("otieno", part.Digest)...).out,
		fmt.Sprintf("import list: %d recipients released", part.Recipients))
	require.Contains(t, h.must(5, release("otieno", part.Digest)...).errors, "nothing is held")

	importing.Cont()
	require.Equal(t, 0, importing.Wait(testTimeout), importing.Output())
	require.Contains(t, h.must(5, release("otieno", part.Digest)...).errors,
		"who is held is not who the digest is of")
	rest := h.held("list")
	require.Equal(t, len(wanted), part.Recipients+rest.Recipients)
	h.must(0, release("otieno", rest.Digest)...)
	requireEnd(t, h.finished(wanted, "list"), len(wanted))
}
