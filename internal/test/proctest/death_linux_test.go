package proctest

import (
	"fmt"
	"os"
	"regexp"
	"runtime"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

// TestChildDiesWithAKilledTestBinary lets a program start a child and kills the program, as the
// system or an impatient person does with a test run: no cleanup runs.
func TestChildDiesWithAKilledTestBinary(t *testing.T) {
	t.Parallel()
	p := startRole(t, "parent")
	p.WaitOutput(".\n", testTimeout)
	match := regexp.MustCompile(`child=(\d+)\.`).FindStringSubmatch(p.Output())
	require.NotNil(t, match, p.Output())
	require.True(t, alive(match[1]), "the child runs while its parent does")
	p.Kill()
	require.Eventually(t, func() bool { return !alive(match[1]) }, testTimeout, time.Millisecond)
}

// alive reports whether a process runs. A dead one that nobody has waited for does not.
func alive(pid string) bool {
	stat, err := os.ReadFile(fmt.Sprintf("/proc/%s/stat", pid))
	if err != nil {
		return false
	}
	_, state, _ := strings.Cut(string(stat), ") ")
	return !strings.HasPrefix(state, "Z")
}

func TestChildSurvivesTheThreadThatAskedForIt(t *testing.T) {
	t.Parallel()
	launched := make(chan *Process, 1)
	launchOnDyingThread(t, launched)
	p := <-launched
	require.NotNil(t, p)
	defer p.Kill()
	p.WaitOutput("ready", testTimeout)
	time.Sleep(200 * time.Millisecond) // An occasion to die.
	require.True(t, p.Running())
}

// launchOnDyingThread launches a child from a thread that ends right after. The main thread never
// ends, so a goroutine that finds itself there asks another one.
func launchOnDyingThread(t *testing.T, launched chan<- *Process) {
	go func() {
		runtime.LockOSThread() // Never unlocked: the thread ends with this goroutine.
		if syscall.Gettid() == syscall.Getpid() {
			launchOnDyingThread(t, launched)
			return
		}
		p, err := Launch(roleCommand("sleep"), t.Errorf)
		if err != nil {
			t.Error(err)
		}
		launched <- p
	}()
}
