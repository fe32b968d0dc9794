package e2e_test

import (
	"os"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

// recipientsVariable sets the size of the big import; `make proof` sets 200,000.
const recipientsVariable = "TUMA_E2E_RECIPIENTS"

// TestTwoHundredThousand imports a large file and follows it to the end, with two workers and two
// pollers. Under the race detector it is a tenth of that.
func TestTwoHundredThousand(t *testing.T) {
	t.Parallel()
	recipients := 20_000
	if text := os.Getenv(recipientsVariable); text != "" {
		var err error
		recipients, err = strconv.Atoi(text)
		require.NoError(t, err, recipientsVariable)
	}
	h := newHarness(t, setup{})
	h.pods(2)
	path, wanted := writeFile(t, "big", 0, recipients)
	begin := time.Now()
	importing := h.start(cmdEnqueuer, "import", path, "--reference", "big", "--follow")
	require.Equal(t, 4, importing.Wait(10*time.Minute), importing.Output())
	t.Logf("%d recipients imported, sent and settled in %s",
		recipients, time.Since(begin).Round(10*time.Millisecond))
	requireEnd(t, h.finished(wanted, "big"), recipients)
	require.Contains(t, h.must(0, "status", "big", "--json").out, `"settled":true`)

	again := h.must(0, "import", path, "--reference", "big")
	require.Contains(t, again.out, "already imported")
	requireEnd(t, h.check(wanted, "big"), recipients)
}

// TestEditedImportIsRefusedWhole changes one amount in a file that was imported under a reference.
// Nothing of it is taken, not even the parts that are the same or new.
func TestEditedImportIsRefusedWhole(t *testing.T) {
	t.Parallel()
	h := newHarness(t, setup{})
	h.pods(1)
	path, wanted := writeFile(t, "edited", 0, 2500)
	h.must(0, "import", path, "--reference", "edited")
	text, err := os.ReadFile(path)
	require.NoError(t, err)
	for _, edited := range []string{
		strings.Replace(string(text), ",10.05\n", ",10.06\n", 1),
		string(text) + phoneAt(9000) + ",10\n",
	} {
		require.NotEqual(t, string(text), edited)
		require.NoError(t, os.WriteFile(path, []byte(edited), 0o600))
		s := h.must(5, "import", path, "--reference", "edited")
		require.Contains(t, s.errors, "nothing was accepted")
	}
	requireEnd(t, h.finished(wanted, "edited"), len(wanted))
}

// TestCancelWhileTheImportRuns cancels an import in the middle of its way in. What had left goes to
// its end, nothing else is ever sent, and the rest of the import is refused.
func TestCancelWhileTheImportRuns(t *testing.T) {
	t.Parallel()
	h := newHarness(t, setup{batch: 100, faults: `{"send":{"latency":"300ms"}}`})
	h.pods(1)
	path, all := writeFile(t, "stop", 0, 30_000)
	importing := h.start(cmdEnqueuer, "import", path, "--reference", "stop")
	h.awaitSends(2)
	require.Contains(t, h.must(0, "cancel", "stop").out, "withdrawn")
	importing.Wait(testTimeout)
	sends := h.ledger().Requests["send"]
	rows := h.settledImport("stop")
	require.LessOrEqual(t, h.ledger().Requests["send"], sends+4, "only what was begun is finished")

	wanted := orders{} // What was accepted before the mark; whole disbursals.
	for _, r := range rows {
		wanted[r.who()] = all[r.who()]
	}
	require.Zero(t, len(wanted)%1000)
	counts := h.check(wanted, "stop")
	require.NotZero(t, counts["successful"])
	require.NotZero(t, counts["cancelled"])
	require.Equal(t, len(wanted), counts["successful"]+counts["failed"]+counts["cancelled"])
	require.NotEmpty(t, h.must(0, "status", "stop", "--json").out)
	h.must(5, "import", path, "--reference", "stop")
	h.check(wanted, "stop")
}

// settledImport waits until nothing is open, however much was accepted, and returns the report.
func (h *harness) settledImport(name string) []reported {
	h.t.Helper()
	h.await("nothing is open", func() bool { open, _ := h.counts(); return open == 0 })
	return h.report(name)
}
