package main

import (
	"fmt"
	"os"
	"os/exec"
	"strconv"
	"strings"
	"syscall"
	"time"

	"tuma/internal/test/proctest"
)

const (
	// ticks is how many of /proc's units a second has; Linux tells user space 100 everywhere.
	ticks = 100
	// stopLimit is how long a process may take to end cleanly.
	stopLimit = 60 * time.Second
)

// process is one child with a name that tables know it by: several may share one.
type process struct {
	name    string
	ops     string // host:port of its operations listener, if it has one
	command *exec.Cmd
	*proctest.Process
}

// launch starts a child with exactly the given environment.
func launch(
	name, program string, arguments, environment []string, fail func(string, ...any),
) (*process, error) {
	command := exec.Command(program, arguments...)
	command.Env = append([]string{}, environment...)
	p, err := proctest.Launch(command, fail)
	if err != nil {
		return nil, err
	}
	return &process{name: name, command: command, Process: p}, nil
}

// cpu is the time on a processor that the process has used so far; zero when it cannot be read.
func (p *process) cpu() time.Duration {
	select {
	case <-p.Done():
		state := p.command.ProcessState
		return state.UserTime() + state.SystemTime()
	default:
		return cpuOf(p.PID())
	}
}

// cpuOf reads the time on a processor of a live process, to a hundredth of a second.
func cpuOf(pid int) time.Duration {
	stat, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", pid))
	if err != nil {
		return 0
	}
	// The command's name, in parentheses, may hold anything. utime and stime are fields 14 and 15;
	// what follows the name begins with field 3.
	_, after, _ := strings.Cut(string(stat[strings.LastIndexByte(string(stat), ')'):]), " ")
	fields := strings.Fields(after)
	if len(fields) < 13 {
		return 0
	}
	user, _ := strconv.ParseInt(fields[11], 10, 64)
	system, _ := strconv.ParseInt(fields[12], 10, 64)
	return time.Duration(user+system) * time.Second / ticks
}

// peak is the largest resident memory of the process so far, in bytes; zero when unknown.
func (p *process) peak() int64 {
	select {
	case <-p.Done():
		if usage, ok := p.command.ProcessState.SysUsage().(*syscall.Rusage); ok {
			return usage.Maxrss << 10
		}
		return 0
	default:
	}
	status, err := os.ReadFile(fmt.Sprintf("/proc/%d/status", p.PID()))
	if err != nil {
		return 0
	}
	_, after, _ := strings.Cut(string(status), "VmHWM:")
	fields := strings.Fields(after)
	if len(fields) == 0 {
		return 0
	}
	kilobytes, _ := strconv.ParseInt(fields[0], 10, 64)
	return kilobytes << 10
}

// end stops the process cleanly and returns its exit code, -1 when a signal ended it.
func (p *process) end() int {
	p.Term()
	return p.Wait(stopLimit)
}
