package e2e_test

import (
	"testing"

	"github.com/stretchr/testify/require"

	"tuma/internal/sandbox"
	"tuma/internal/test/proctest"
)

// The workers here recover badly on purpose, and can be told where to end.
var (
	// givingBack takes what a dead worker had begun to send for unsent.
	givingBack = &proctest.Variant{
		Name: "giving-back-worker", Command: cmdWorker, Slow: true,
		Breaks: []string{"what a dead worker had begun to send is taken for unsent"},
		Edits:  crashing,
	}
	// premature records an answer before it has one.
	premature = &proctest.Variant{
		Name: "premature-worker", Command: cmdWorker, Slow: true,
		Breaks: []string{"an answer is recorded before there is one"},
		Edits:  crashing,
	}
)

// TestTheLedgerShowsABadRecovery ends workers that recover badly, and demands that the comparison
// which ends every crash says so: paid twice by the one, reported and not paid by the other.
func TestTheLedgerShowsABadRecovery(t *testing.T) {
	t.Parallel()
	for name, row := range map[string]struct {
		program        *proctest.Variant
		moment, effect string
	}{
		"paid twice": {givingBack, "after", "submission"},
		"never paid": {premature, "after", "record"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			c := newCrash(t, point{
				crashPath: &crashPath{name: name, program: row.program}, provider: sandbox.QuickSMS,
				effect: row.effect, moment: row.moment,
			}, t.TempDir())
			c.asked()
			c.dies(nil, nil)
			c.starts(row.program)
			c.await("everybody settles", func() bool {
				open, all := c.counts()
				return open == 0 && all == int64(len(c.wanted))
			})
			c.balances() // Our own books know nothing of it.
			require.NotEmpty(t, c.ledgerDifference(c.rows()))
		})
	}
}
