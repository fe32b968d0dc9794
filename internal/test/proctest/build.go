package proctest

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"sync"
	"syscall"
	"testing"

	"github.com/stretchr/testify/require"
)

const needsProgram = "a program of its own"

// builds holds one build per package path, shared by all tests of the test binary.
var builds sync.Map

// Build builds a command of this module (./cmd/worker) and returns the path of the program. It has
// the race detector when the tests have it. All test binaries share what is up to date.
func Build(t testing.TB, command string) string {
	t.Helper()
	NotInShort(t, needsProgram)
	build, _ := builds.LoadOrStore(command, sync.OnceValues(func() (string, error) {
		return goBuild(command)
	}))
	program, err := build.(func() (string, error))()
	require.NoError(t, err)
	return program
}

func goBuild(command string) (string, error) {
	root, err := ModuleRoot()
	if err != nil {
		return "", err
	}
	arguments, kind := []string{"build", "-buildvcs=false"}, "test"
	if Race {
		arguments, kind = append(arguments, "-race"), "test-race"
	}
	directory := filepath.Join(root, "bin", kind)
	unlock, err := lock(directory)
	if err != nil {
		return "", err
	}
	defer unlock()
	program := filepath.Join(directory, filepath.Base(command))
	build := exec.Command("go", append(arguments, "-o", program, command)...)
	build.Dir = root
	// From there the program gets to its place at once: another test may just be starting it.
	build.Env = append(build.Environ(), "GOTMPDIR="+directory)
	if output, err := build.CombinedOutput(); err != nil {
		return "", fmt.Errorf("go build %s: %w\n%s", command, err, output)
	}
	return program, nil
}

// lock makes a folder, and waits until no other test binary builds into it.
func lock(directory string) (unlock func(), err error) {
	if err := os.MkdirAll(directory, 0o750); err != nil {
		return nil, err
	}
	file, err := os.OpenFile(filepath.Join(directory, "lock"), os.O_CREATE|os.O_RDWR, 0o600)
	if err != nil {
		return nil, err
	}
	if err := syscall.Flock(int(file.Fd()), syscall.LOCK_EX); err != nil {
		_ = file.Close()
		return nil, fmt.Errorf("lock %s: %w", directory, err)
	}
	return func() { _ = file.Close() }, nil // The lock goes with the file.
}

// ModuleRoot returns the folder of the go.mod above the working directory, which is a test's own
// package. An error is returned when there is none.
func ModuleRoot() (string, error) {
	directory, err := os.Getwd()
	if err != nil {
		return "", fmt.Errorf("find the module: %w", err)
	}
	for {
		if _, err := os.Stat(filepath.Join(directory, "go.mod")); err == nil {
			return directory, nil
		}
		parent := filepath.Dir(directory)
		if parent == directory {
			return "", fmt.Errorf("find the module: no go.mod above the working directory")
		}
		directory = parent
	}
}
