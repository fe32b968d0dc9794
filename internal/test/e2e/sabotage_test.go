package e2e_test

import (
	"slices"
	"testing"

	"github.com/stretchr/testify/require"

	"tuma/internal/test/mutation"
	"tuma/internal/test/proctest"
)

// The workers here are broken on purpose, in the ways that a later change might break ours.
var (
	// resending takes a lost answer for proof that nothing was sent: the recipients go back to the
	// queue and out again under another id.
	resending = &proctest.Variant{
		Name: "resending-worker", Command: cmdWorker,
		Breaks: []string{"a broken connection counts as unsent"},
	}
	// unguarded sends although BeginSend has refused. It freezes like freezing does.
	unguarded = &proctest.Variant{
		Name: "unguarded-worker", Command: cmdWorker,
		Breaks: append(slices.Clone(freezing.Breaks), "a refused begin sends all the same"),
		Edits:  freezing.Edits,
	}
)

// TestEveryEditFits finds an edit that does not fit its file any more, without a build, and a break
// of the table that no program here has.
func TestEveryEditFits(t *testing.T) {
	t.Parallel()
	root, err := proctest.ModuleRoot()
	require.NoError(t, err)
	used := map[string]bool{}
	for _, program := range []*proctest.Variant{
		resending, unguarded, freezing, givingBack, premature, mortalWorker, mortalPoller,
		mortalEnqueuer, shiftedWorker, shiftedPoller, newer, insidePoller,
		overspending,
	} {
		_, err := program.Overlay(root, t.TempDir())
		require.NoError(t, err, program.Name)
		for _, name := range program.Breaks {
			used[name] = true
		}
	}
	for _, b := range slices.Concat(mutation.Scripts, mutation.Code, mutation.Hooks) {
		require.Equal(t, b.By.Programs, used[b.Name], b.Name)
	}
}

// TestTheLedgerShowsARepeatedSend runs a worker that sends again what may have arrived, and demands
// that the comparison which ends every other test says so: a check that cannot fail proves nothing.
func TestTheLedgerShowsARepeatedSend(t *testing.T) {
	t.Parallel()
	h := newHarness(t, setup{batch: 10, faults: `{"send":{"lost_after":{"next":2}}}`})
	h.run(resending.Build(t), nil)
	h.start(cmdPoller)
	jobs, wanted := makeJobs("broken", 5, 10)
	h.accept(jobs)
	h.awaitSettled(len(wanted))
	h.must(0, "verify") // Our own books know nothing of it.
	require.NotEmpty(t, h.ledgerDifference(h.report("broken")))
}

// TestTheLedgerShowsALateSend lets a worker send after its batch was given to others. The ledger
// shows it, and so do we: the second effect is in the list for people.
func TestTheLedgerShowsALateSend(t *testing.T) {
	t.Parallel()
	h := newHarness(t, setup{batch: 10, faults: `{"outcomes":{"successful":1}}`})
	late := h.run(unguarded.Build(t), []string{"E2E_FREEZE=before begin"})
	h.start(cmdPoller)
	jobs, wanted := makeJobs("late", 1, 10)
	h.accept(jobs)
	h.awaitFrozen(late)
	h.start(cmdWorker)
	h.awaitSettled(len(wanted))
	late.Cont()
	h.await("every recipient is overpaid", func() bool {
		return h.rdb.SCard(t.Context(), "{tuma}:overpaid").Val() == 10
	})
	require.Contains(t, h.must(0, "verify").errors, "10 recipients with a second effect")
	require.NotEmpty(t, h.ledgerDifference(h.report("late")))
}
