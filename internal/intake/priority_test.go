package intake

import (
	"testing"

	"github.com/stretchr/testify/require"

	"tuma/internal/state"
)

// TestPriorities: what a job says counts before the rules, which are about each recipient.
func TestPriorities(t *testing.T) {
	t.Parallel()
	rules := airtelToSozuri()
	rules.Routing[0].High = true
	safaricom, airtel := to("0711000001", "20"), to("0733000001", "20")
	for _, row := range []struct {
		recipients, more string
		want             []bool
	}{
		{safaricom, "", nil},
		{safaricom + "," + airtel, "", []bool{false, true}},
		{safaricom + "," + airtel, `,"priority":"high"`, []bool{true, true}},
		{safaricom + "," + airtel, `,"priority":"normal"`, nil},
		{airtel, `,"provider":"lipad"`, nil},
		{airtel, `,"provider":"lipad","priority":"high"`, []bool{true}},
	} {
		text := job(row.recipients, row.more)
		got, err := DecodeJob([]byte(text), rules)
		require.NoError(t, err)
		require.Equal(t, row.want, got.High, row.more)

		plan, err := Scan(t.Context(), write(t, "file", text), Options{Reference: "R"},
			rules)
		require.NoError(t, err)
		require.NoError(t, plan.Disbursals(func(d state.Disbursal) error {
			require.Equal(t, row.want, d.High, "in a file: %s", row.more)
			return nil
		}))
	}
}
