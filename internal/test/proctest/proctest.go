// Package proctest runs whole programs for tests: it builds a command once per test binary, starts
// it with nothing of the caller's environment, keeps the tail of its output for the test's log and
// makes sure that it does not outlive the test.
//
// A child must also die when the test binary is killed, since no cleanup runs then. On Linux the
// kernel does that (Pdeathsig), but it sends the signal when the *thread* that started the child
// ends, and the Go runtime ends threads as it likes. So every child is started and waited for by
// one goroutine that keeps its thread for as long as the child lives.
package proctest

import (
	"errors"
	"fmt"
	"os"
	"os/exec"
	"runtime"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

const (
	// outputKept bounds the output of a child that is kept, in bytes.
	outputKept = 1 << 20
	// outputShown bounds the output that a failed test prints, in bytes.
	outputShown = 8 << 10
	// pipeGrace is how long a dead child's pipes are still read when a grandchild holds them.
	pipeGrace = 2 * time.Second
	// killGrace is how long the kernel may take to end a killed child on a busy machine.
	killGrace = 30 * time.Second
	// raceWarning is what the race detector prints into the output of a child.
	raceWarning = "WARNING: DATA RACE"
)

// Process is a child that was started. Its methods may be called from any goroutine.
type Process struct {
	command *exec.Cmd
	output  *tail
	done    chan struct{}
	// fail reports a fault of the harness; unlike FailNow it may be called from any goroutine.
	fail func(format string, arguments ...any)
}

// Start starts a program with exactly the given environment (TUMA_NAMESPACE=…), so that no setting
// of the machine leaks into a test, let alone the address of a live provider. When the test ends,
// the child is killed; when the test failed, the tail of the child's output is in the test's log.
// A data race reported by the child fails the test.
func Start(t testing.TB, program string, arguments, environment []string) *Process {
	t.Helper()
	command := exec.Command(program, arguments...)
	command.Env = append([]string{}, environment...)
	process, err := Launch(command, t.Errorf)
	require.NoError(t, err)
	t.Cleanup(func() { process.finish(t) })
	return process
}

// Launch starts a command for harnesses that manage its life themselves: nothing but Kill or the
// end of the test binary ends it. What goes wrong later is reported through fail, t.Errorf for
// example. An error is returned when the command cannot be started.
func Launch(command *exec.Cmd, fail func(format string, arguments ...any)) (*Process, error) {
	p := &Process{
		command: command,
		output:  newTail(outputKept),
		done:    make(chan struct{}),
		fail:    fail,
	}
	command.Stdout, command.Stderr = p.output, p.output
	command.WaitDelay = pipeGrace
	command.SysProcAttr = dieWithParent()
	started := make(chan error)
	go func() {
		// The thread is never unlocked: it ends with this goroutine, after the child.
		runtime.LockOSThread()
		err := command.Start()
		started <- err
		if err != nil {
			return
		}
		_ = command.Wait() // What it says is in command.ProcessState.
		close(p.done)
	}()
	if err := <-started; err != nil {
		return nil, fmt.Errorf("start %s: %w", command.Path, err)
	}
	return p, nil
}

// finish ends the child with its test and says what the log should hold.
func (p *Process) finish(t testing.TB) {
	t.Helper()
	p.Kill()
	output := p.Output()
	if strings.Contains(output, raceWarning) {
		t.Errorf("%s reported a data race", p.command.Path)
	}
	if t.Failed() {
		t.Logf("output of %s (its last %d bytes):\n%s",
			strings.Join(p.command.Args, " "), outputShown, last(output, outputShown))
	}
}

// PID returns the process id of the child.
func (p *Process) PID() int { return p.command.Process.Pid }

// Output returns what the child has printed so far on both streams, at most its last MiB.
func (p *Process) Output() string { return p.output.String() }

// Done returns a channel that is closed once the child is dead and its output is complete.
func (p *Process) Done() <-chan struct{} { return p.done }

// Running reports whether the child is alive, frozen or not.
func (p *Process) Running() bool {
	select {
	case <-p.done:
		return false
	default:
		return true
	}
}

// Kill sends SIGKILL and waits for the end; a child that is dead already stays so.
func (p *Process) Kill() {
	p.signal(syscall.SIGKILL)
	p.await(killGrace)
}

// Term sends SIGTERM, the request to stop cleanly. It does not wait: Wait does.
func (p *Process) Term() { p.signal(syscall.SIGTERM) }

// Interrupt sends SIGINT, as a person's Ctrl-C does.
func (p *Process) Interrupt() { p.signal(syscall.SIGINT) }

// Stop sends SIGSTOP and returns once the child is frozen: it runs no further instruction until
// Cont. To end a child, use Term or Kill.
func (p *Process) Stop() {
	p.signal(syscall.SIGSTOP)
	if err := awaitFrozen(p); err != nil {
		p.fail("freeze %s: %v", p.command.Path, err)
	}
}

// Cont sends SIGCONT: a frozen child goes on.
func (p *Process) Cont() { p.signal(syscall.SIGCONT) }

// Wait waits for the end of the child and returns its exit code, or -1 when a signal ended it. A
// child that lives longer than the timeout fails the test and is left running.
func (p *Process) Wait(timeout time.Duration) int {
	if !p.await(timeout) {
		return -1
	}
	return p.command.ProcessState.ExitCode()
}

// WaitOutput waits until the child has printed the text. A child that ends or takes longer than the
// timeout without having done so fails the test.
func (p *Process) WaitOutput(text string, timeout time.Duration) {
	expired := time.After(timeout)
	for !strings.Contains(p.Output(), text) {
		select {
		case <-p.done:
			if !strings.Contains(p.Output(), text) {
				p.fail("%s ended and never printed %q", p.command.Path, text)
			}
			return
		case <-expired:
			p.fail("%s did not print %q within %s", p.command.Path, text, timeout)
			return
		case <-time.After(5 * time.Millisecond):
		}
	}
}

func (p *Process) await(timeout time.Duration) bool {
	select {
	case <-p.done:
		return true
	case <-time.After(timeout):
		if !p.Running() {
			return true // Both were ready, and select has no order.
		}
		p.fail("%s is still running after %s", p.command.Path, timeout)
		return false
	}
}

// signal sends a signal; a child that is dead already cannot be hurt, so that is no failure.
func (p *Process) signal(signal syscall.Signal) {
	err := p.command.Process.Signal(signal)
	if err == nil || errors.Is(err, os.ErrProcessDone) {
		return
	}
	p.fail("send %s to %s: %v", signal, p.command.Path, err)
}
