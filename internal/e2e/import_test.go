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
	w := newWorld(t, setup{})
	w.pods(2)
	path, wanted := writeFile(t, "big", 0, recipients)
	begin := time.Now()
	importing := w.start(cmdEnqueuer, "import", path, "--reference", "big", "--follow")
	require.Equal(t, 4, importing.Wait(10*time.Minute), importing.Output())
	t.Logf("%d recipients imported, sent and settled in %s",
		recipients, time.Since(begin).Round(10*time.Millisecond))
	requireEnd(t, w.finished(wanted, "big"), recipients)
	require.Contains(t, w.must(0, "status", "big", "--json").out, `"settled":true`)

	again := w.must(0, "import", path, "--reference", "big")
	require.Contains(t, again.out, "already imported")
	requireEnd(t, w.check(wanted, "big"), recipients)
}

// TestEditedImportIsRefusedWhole changes one amount in a file that was imported under a reference.
// Nothing of it is taken, not even the parts that are the same or new.
func TestEditedImportIsRefusedWhole(t *testing.T) {
	t.Parallel()
	w := newWorld(t, setup{})
	w.pods(1)
	path, wanted := writeFile(t, "edited", 0, 2500)
	w.must(0, "import", path, "--reference", "edited")
	text, err := os.ReadFile(path)
	require.NoError(t, err)
	for _, edited := range []string{
		strings.Replace(string(text), ",10.05\n", ",10.06\n", 1),
		string(text) + phoneAt(9000) + ",10\n",
	} {
		require.NotEqual(t, string(text), edited)
		require.NoError(t, os.WriteFile(path, []byte(edited), 0o600))
		s := w.must(5, "import", path, "--reference", "edited")
		require.Contains(t, s.errors, "nothing was accepted")
	}
	requireEnd(t, w.finished(wanted, "edited"), len(wanted))
}

// TestCancelWhileTheImportRuns cancels an import in the middle of its way in. What had left goes to
// its end, nothing else is ever sent, and the rest of the import is refused.
func TestCancelWhileTheImportRuns(t *testing.T) {
	t.Parallel()
	w := newWorld(t, setup{batch: 100, faults: `{"send":{"latency":"300ms"}}`})
	w.pods(1)
	path, all := writeFile(t, "stop", 0, 30_000)
	importing := w.start(cmdEnqueuer, "import", path, "--reference", "stop")
	w.awaitSends(2)
	require.Contains(t, w.must(0, "cancel", "stop").out, "withdrawn")
	importing.Wait(patience)
	sends := w.ledger().Requests["send"]
	rows := w.settledImport("stop")
	require.LessOrEqual(t, w.ledger().Requests["send"], sends+4, "only what was begun is finished")

	wanted := orders{} // What was accepted before the mark; whole disbursals.
	for _, r := range rows {
		wanted[r.who()] = all[r.who()]
	}
	require.Zero(t, len(wanted)%1000)
	counts := w.check(wanted, "stop")
	require.NotZero(t, counts["successful"])
	require.NotZero(t, counts["cancelled"])
	require.Equal(t, len(wanted), counts["successful"]+counts["failed"]+counts["cancelled"])
	require.NotEmpty(t, w.must(0, "status", "stop", "--json").out)
	w.must(5, "import", path, "--reference", "stop")
	w.check(wanted, "stop")
}

// settledImport waits until nothing is open, however much was accepted, and returns the report.
func (w *world) settledImport(name string) []reported {
	w.t.Helper()
	w.await("nothing is open", func() bool { open, _ := w.counts(); return open == 0 })
	return w.report(name)
}
