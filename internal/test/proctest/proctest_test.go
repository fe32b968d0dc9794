package proctest

import (
	"fmt"
	"net"
	"os"
	"os/exec"
	"os/signal"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

// roleVariable makes the test binary play the part of a program under test.
const roleVariable = "PROCTEST_ROLE"

// testTimeout is far longer than anything here takes; it only bounds a broken test.
const testTimeout = 2 * time.Minute

// roles are the programs that the tests start.
var roles = map[string]func(){
	"sleep":       func() { fmt.Println("ready"); select {} },
	"environment": func() { fmt.Println("environment:", os.Environ()) },
	"code":        func() { fmt.Fprintln(os.Stderr, "leaving"); os.Exit(7) },
	"racy":        func() { fmt.Println(raceWarning) },
	"counter":     count,
	"polite":      waitForTerm,
	"parent":      parent,
}

func TestMain(m *testing.M) {
	if role, ok := roles[os.Getenv(roleVariable)]; ok {
		role()
		return
	}
	os.Exit(Suite{M: m}.Run())
}

func count() {
	for i := 0; ; i++ {
		fmt.Println(i)
	}
}

func waitForTerm() {
	signals := make(chan os.Signal, 1)
	signal.Notify(signals, syscall.SIGTERM, syscall.SIGINT)
	fmt.Println("ready")
	fmt.Println("got", <-signals)
}

// parent starts a child of its own and tells its process id.
func parent() {
	child, err := Launch(roleCommand("sleep"), func(string, ...any) {})
	if err != nil {
		fmt.Println(err)
		os.Exit(1)
	}
	child.WaitOutput("ready", testTimeout)
	fmt.Printf("child=%d.\n", child.PID())
	select {}
}

func roleCommand(role string) *exec.Cmd {
	command := exec.Command(os.Args[0])
	command.Env = []string{roleVariable + "=" + role}
	return command
}

func startRole(t testing.TB, role string) *Process {
	t.Helper()
	return Start(t, os.Args[0], nil, []string{roleVariable + "=" + role})
}

// spy stands in for the test that owns a child, so that its verdict can be looked at.
type spy struct {
	testing.TB
	errors, logs []string
	cleanups     []func()
}

func (s *spy) Helper()          {}
func (s *spy) Failed() bool     { return len(s.errors) > 0 }
func (s *spy) Cleanup(f func()) { s.cleanups = append(s.cleanups, f) }
func (s *spy) Errorf(format string, arguments ...any) {
	s.errors = append(s.errors, fmt.Sprintf(format, arguments...))
}

func (s *spy) Logf(format string, arguments ...any) {
	s.logs = append(s.logs, fmt.Sprintf(format, arguments...))
}

func (s *spy) end() {
	for _, cleanup := range s.cleanups {
		cleanup()
	}
}

func TestChildGetsTheGivenEnvironmentOnly(t *testing.T) {
	t.Parallel()
	p := startRole(t, "environment")
	require.Equal(t, 0, p.Wait(testTimeout))
	require.Contains(t, p.Output(), "environment: ["+roleVariable+"=environment]")
}

func TestWaitReturnsTheExitCode(t *testing.T) {
	t.Parallel()
	p := startRole(t, "code")
	require.Equal(t, 7, p.Wait(testTimeout))
	require.Equal(t, "leaving\n", p.Output())
	require.False(t, p.Running())
	p.Kill()
	p.Term()
}

func TestTermIsARequest(t *testing.T) {
	t.Parallel()
	p := startRole(t, "polite")
	p.WaitOutput("ready", testTimeout)
	p.Term()
	require.Equal(t, 0, p.Wait(testTimeout))
	require.Contains(t, p.Output(), "got terminated")
}

func TestInterruptIsCtrlC(t *testing.T) {
	t.Parallel()
	p := startRole(t, "polite")
	p.WaitOutput("ready", testTimeout)
	p.Interrupt()
	require.Equal(t, 0, p.Wait(testTimeout))
	require.Contains(t, p.Output(), "got interrupt")
}

func TestKillEndsAFrozenChild(t *testing.T) {
	t.Parallel()
	p := startRole(t, "sleep")
	p.WaitOutput("ready", testTimeout)
	p.Stop()
	p.Kill()
	require.Equal(t, -1, p.Wait(0))
}

func TestStopFreezesAndContGoesOn(t *testing.T) {
	t.Parallel()
	p := startRole(t, "counter")
	p.WaitOutput("100", testTimeout)
	p.Stop()
	// What the pipe still holds arrives; a child that runs on would print more for ever.
	var frozen string
	require.Eventually(t, func() bool {
		before := frozen
		frozen = p.Output()
		return before == frozen
	}, testTimeout, 50*time.Millisecond)
	p.Cont()
	require.Eventually(t, func() bool { return p.Output() != frozen }, testTimeout, time.Millisecond)
}

func TestFailedTestLogsTheTailOfTheOutput(t *testing.T) {
	t.Parallel()
	owner := &spy{TB: t}
	p := startRole(owner, "code")
	p.Wait(testTimeout)
	owner.Errorf("failed for another reason")
	owner.end()
	require.Len(t, owner.logs, 1)
	require.Contains(t, owner.logs[0], "leaving")
}

func TestPassedTestLogsNothingAndLeavesNoChild(t *testing.T) {
	t.Parallel()
	owner := &spy{TB: t}
	p := startRole(owner, "sleep")
	owner.end()
	require.Empty(t, owner.errors)
	require.Empty(t, owner.logs)
	require.False(t, p.Running())
}

func TestDataRaceInAChildFailsTheTest(t *testing.T) {
	t.Parallel()
	owner := &spy{TB: t}
	startRole(owner, "racy").Wait(testTimeout)
	owner.end()
	require.Len(t, owner.errors, 1)
	require.Contains(t, owner.errors[0], "data race")
}

func TestTimeoutsFailTheTest(t *testing.T) {
	t.Parallel()
	owner := &spy{TB: t}
	p := startRole(owner, "sleep")
	require.Equal(t, -1, p.Wait(time.Millisecond))
	p.WaitOutput("never", time.Millisecond)
	require.Len(t, owner.errors, 2)
	require.Contains(t, owner.errors[0], "still running after 1ms")
	require.Contains(t, owner.errors[1], `did not print "never"`)
	owner.end()
}

func TestWaitOutputNoticesTheEnd(t *testing.T) {
	t.Parallel()
	owner := &spy{TB: t}
	startRole(owner, "code").WaitOutput("never", testTimeout)
	require.Len(t, owner.errors, 1)
	require.Contains(t, owner.errors[0], "ended and never printed")
	owner.end()
}

func TestLaunchSaysWhatCannotBeStarted(t *testing.T) {
	t.Parallel()
	_, err := Launch(exec.Command(filepath.Join(t.TempDir(), "absent")), t.Errorf)
	require.ErrorIs(t, err, os.ErrNotExist)
}

func TestTailKeepsTheEnd(t *testing.T) {
	t.Parallel()
	kept := newTail(10)
	for i := range 100 {
		n, err := fmt.Fprintf(kept, "%02d", i)
		require.NoError(t, err)
		require.Equal(t, 2, n)
	}
	require.Equal(t, "9596979899", kept.String())
	require.LessOrEqual(t, len(kept.bytes), 20)
}

func TestAddressesAreNotGivenTwice(t *testing.T) {
	t.Parallel()
	const many = 200
	addresses := make([]string, many)
	var all sync.WaitGroup
	for i := range many {
		all.Go(func() { addresses[i] = FreeAddr(t) })
	}
	all.Wait()
	seen := map[string]bool{}
	for _, address := range addresses {
		require.False(t, seen[address], address)
		seen[address] = true
		listener, err := net.Listen("tcp4", address)
		require.NoError(t, err)
		require.NoError(t, listener.Close())
	}
}

func TestReleasedAddressCanBeReservedAgain(t *testing.T) {
	t.Parallel()
	address, release, err := ReserveAddr()
	require.NoError(t, err)
	_, err = net.ListenPacket("udp4", address)
	require.Error(t, err, "reserved")
	release()
	release()
	claim, err := net.ListenPacket("udp4", address)
	require.NoError(t, err, "released")
	require.NoError(t, claim.Close())
}

func TestLeftoversOfDeadTestBinariesAreRemoved(t *testing.T) {
	t.Parallel()
	dead := exec.Command(os.Args[0])
	dead.Env = []string{roleVariable + "=environment"}
	require.NoError(t, dead.Run())
	parent := t.TempDir()
	name := func(pid int) string {
		return filepath.Join(parent, fmt.Sprintf("%s%d-1", sharedPrefix, pid))
	}
	alive, foreign := name(os.Getpid()), filepath.Join(parent, "other-1-1")
	for _, directory := range []string{name(dead.Process.Pid), alive, foreign} {
		require.NoError(t, os.MkdirAll(filepath.Join(directory, "redis"), 0o700))
	}
	removeLeftovers(parent)
	require.NoDirExists(t, name(dead.Process.Pid))
	require.DirExists(t, alive)
	require.DirExists(t, foreign)
}

func TestBuildBuildsOnce(t *testing.T) {
	t.Parallel()
	root, err := ModuleRoot()
	require.NoError(t, err)
	require.FileExists(t, filepath.Join(root, "go.mod"))
	const command = "./internal/test/proctest/testdata/hello"
	program := Build(t, command)
	info, err := os.Stat(program)
	require.NoError(t, err)
	again := Build(t, command)
	require.Equal(t, program, again)
	unchanged, err := os.Stat(again)
	require.NoError(t, err)
	require.Equal(t, info.ModTime(), unchanged.ModTime())
	p := Start(t, program, []string{"reader"}, nil)
	require.Equal(t, 0, p.Wait(testTimeout))
	require.Equal(t, "hello reader\n", p.Output())
	require.Equal(t, Race, strings.Contains(buildSettings(t, program), "-race=true"))
}

func buildSettings(t *testing.T, program string) string {
	t.Helper()
	output, err := exec.Command("go", "version", "-m", program).CombinedOutput()
	require.NoError(t, err)
	return string(output)
}
