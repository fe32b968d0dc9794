package sim_test

import (
	"cmp"
	"slices"
	"strconv"
	"testing"

	"github.com/stretchr/testify/require"

	"tuma/internal/test/mutation"
	"tuma/internal/test/pagetest"
)

// TestThePageOfBreaksIsTheTable shows every break in docs/testing.md, and wants at least two for
// each invariant.
func TestThePageOfBreaksIsTheTable(t *testing.T) {
	t.Parallel()
	const invariants = 14
	perInvariant := map[int]int{}
	rows := [][]string{{"invariant", "break", "id"}}
	breaks := simulated(slices.Concat(mutation.Scripts, mutation.Code))
	slices.SortStableFunc(breaks, func(a, b mutation.Break) int {
		return cmp.Compare(a.By.Simulation, b.By.Simulation)
	})
	for _, b := range breaks {
		perInvariant[b.By.Simulation]++
		rows = append(rows, []string{strconv.Itoa(b.By.Simulation), b.Name, "`" + b.ID + "`"})
	}
	for i := 1; i <= invariants; i++ {
		require.GreaterOrEqual(t, perInvariant[i], 2, "breaks of invariant %d", i)
	}
	pagetest.Part(t, "docs/testing.md", "breaks", pagetest.Table(rows...))
}
