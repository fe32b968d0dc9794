package e2e_test

import (
	"bufio"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"github.com/stretchr/testify/require"

	"tuma/internal/test/proctest"
)

// TestProcessesOutliveTheReaderOfTheirLogs takes the reader of standard output and error away, as
// a log shipper that crashes does. The next line that a process writes must not end it.
func TestProcessesOutliveTheReaderOfTheirLogs(t *testing.T) {
	t.Parallel()
	h := newHarness(t, setup{})
	unread := func(command string) *proctest.Process {
		pipe := filepath.Join(t.TempDir(), "log")
		require.NoError(t, syscall.Mkfifo(pipe, 0o600))
		// Opened for both, so that neither side waits for the other.
		log, err := os.OpenFile(pipe, os.O_RDWR, 0)
		require.NoError(t, err)
		p := h.run("/bin/sh", nil, "-c", `exec "$0" >"$1" 2>&1`, proctest.Build(t, command), pipe)
		for lines := bufio.NewScanner(log); !strings.Contains(lines.Text(), `"serving"`); {
			require.True(t, lines.Scan(), lines.Err())
		}
		require.NoError(t, log.Close())
		return p
	}
	worker, poller := unread(cmdWorker), unread(cmdPoller)
	jobs, wanted := makeJobs("unread", 3, 2)
	h.accept(jobs)
	requireEnd(t, h.finished(wanted, "unread"), len(wanted))
	for _, p := range []*proctest.Process{worker, poller} {
		require.True(t, p.Running())
		p.Term()
		require.Zero(t, p.Wait(testTimeout))
	}
}
