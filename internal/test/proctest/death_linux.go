package proctest

import (
	"bytes"
	"errors"
	"fmt"
	"os"
	"syscall"
	"time"
)

// dieWithParent asks the kernel to kill the child when the thread that starts it ends.
func dieWithParent() *syscall.SysProcAttr {
	return &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL}
}

// awaitFrozen waits until every thread of the child has stopped: a signal is only sent when kill
// returns, and a test that froze a process must not race with its last instructions.
func awaitFrozen(p *Process) error {
	limit := time.Now().Add(killGrace)
	for time.Now().Before(limit) {
		frozen, err := allThreadsStopped(p.PID())
		if err == nil && frozen || !p.Running() {
			return nil
		}
		time.Sleep(time.Millisecond)
	}
	return fmt.Errorf("still running %s after SIGSTOP", killGrace)
}

func allThreadsStopped(pid int) (bool, error) {
	threads, err := os.ReadDir(fmt.Sprintf("/proc/%d/task", pid))
	if err != nil {
		return false, err
	}
	for _, thread := range threads {
		stat, err := os.ReadFile(fmt.Sprintf("/proc/%d/task/%s/stat", pid, thread.Name()))
		if errors.Is(err, os.ErrNotExist) {
			continue // The thread has ended.
		}
		if err != nil {
			return false, err
		}
		// The state is the first field after the command's name, which is in parentheses.
		_, fields, _ := bytes.Cut(stat[bytes.LastIndexByte(stat, ')'):], []byte(" "))
		if !bytes.HasPrefix(fields, []byte("T")) {
			return false, nil
		}
	}
	return true, nil
}
