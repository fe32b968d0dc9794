package sim_test

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"tuma/internal/proctest"
)

// TestTheTableOfBreaksIsComplete wants every break in docs/mutations.md, and no others there, and
// at least two for each invariant.
func TestTheTableOfBreaksIsComplete(t *testing.T) {
	t.Parallel()
	root, err := proctest.ModuleRoot()
	require.NoError(t, err)
	page, err := os.ReadFile(filepath.Join(root, "docs", "mutations.md"))
	require.NoError(t, err)
	const invariants = 10
	perInvariant := map[int]int{}
	for _, b := range breaks {
		perInvariant[b.invariant]++
		require.Contains(t, string(page), fmt.Sprintf("\n| %d | %s | ", b.invariant, b.name))
	}
	require.Equal(t, len(breaks)+1, strings.Count(string(page), "\n| "), "the title and the breaks")
	for i := 1; i <= invariants; i++ {
		require.GreaterOrEqual(t, perInvariant[i], 2, "breaks of invariant %d", i)
	}
}
