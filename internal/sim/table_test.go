package sim_test

import (
	"strconv"
	"testing"

	"github.com/stretchr/testify/require"

	"tuma/internal/pagetest"
)

// TestThePageOfBreaksIsTheTable shows every break in docs/testing.md, and wants at least two for
// each invariant.
func TestThePageOfBreaksIsTheTable(t *testing.T) {
	t.Parallel()
	const invariants = 10
	perInvariant := map[int]int{}
	rows := [][]string{{"invariant", "break", "in"}}
	for _, b := range breaks {
		perInvariant[b.invariant]++
		where := "script `" + b.where + "`"
		switch {
		case b.where == "":
			where = "what scripts share"
		case b.inGo():
			where = "`" + b.where + "`"
		}
		rows = append(rows, []string{strconv.Itoa(b.invariant), b.name, where})
	}
	for i := 1; i <= invariants; i++ {
		require.GreaterOrEqual(t, perInvariant[i], 2, "breaks of invariant %d", i)
	}
	pagetest.Part(t, "docs/testing.md", "breaks", pagetest.Table(rows...))
}
