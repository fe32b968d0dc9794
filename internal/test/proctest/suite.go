package proctest

import (
	"errors"
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"syscall"
)

// sharedPrefix begins the name of every folder that a test binary shares between its tests. The
// process id follows, so that later runs can tell what a killed one has left behind.
const sharedPrefix = "tuma-test-"

// suite is what lives as long as the test binary.
var suite struct {
	sync.Mutex
	directory string
	cleanups  []func()
}

// Suite wraps testing.M for packages that share programs or servers between their tests: what is
// shared is removed after the last test. Without it the children still die with the test binary,
// and its folder is removed by the next one that needs such a folder.
//
//	func TestMain(m *testing.M) { os.Exit(proctest.Suite{M: m}.Run()) }
//	func TestMain(m *testing.M) { goleak.VerifyTestMain(proctest.Suite{M: m}) }
type Suite struct {
	M interface{ Run() int }
	// AtOnce is how many parallel tests run at once where they mostly wait; zero is one per core.
	AtOnce int
}

// Run runs the tests, then cleans up, and returns the exit code.
func (s Suite) Run() int {
	defer cleanUp()
	if s.AtOnce > 0 {
		if err := flag.Set("test.parallel", strconv.Itoa(s.AtOnce)); err != nil {
			panic(err)
		}
	}
	return s.M.Run()
}

// AtEnd registers a cleanup of the test binary; the last one registered runs first.
func AtEnd(cleanup func()) {
	suite.Lock()
	defer suite.Unlock()
	suite.cleanups = append(suite.cleanups, cleanup)
}

// SharedDir returns a folder that belongs to this test binary. An error is returned when it cannot
// be made.
func SharedDir() (string, error) {
	suite.Lock()
	defer suite.Unlock()
	if suite.directory != "" {
		return suite.directory, nil
	}
	removeLeftovers(os.TempDir())
	pattern := fmt.Sprintf("%s%d-*", sharedPrefix, os.Getpid())
	directory, err := os.MkdirTemp("", pattern)
	if err != nil {
		return "", fmt.Errorf("make the shared test folder: %w", err)
	}
	suite.directory = directory
	return directory, nil
}

func cleanUp() {
	suite.Lock()
	defer suite.Unlock()
	for len(suite.cleanups) > 0 {
		end := len(suite.cleanups) - 1
		suite.cleanups[end]()
		suite.cleanups = suite.cleanups[:end]
	}
	if suite.directory != "" {
		_ = os.RemoveAll(suite.directory) // What stays is removed by the next test run.
		suite.directory = ""
	}
}

// removeLeftovers removes the shared folders of test binaries that no longer run.
func removeLeftovers(parent string) {
	entries, err := os.ReadDir(parent)
	if err != nil {
		return // The folder cannot be listed: making the new one says why, if it matters.
	}
	for _, entry := range entries {
		var pid int
		rest, ours := strings.CutPrefix(entry.Name(), sharedPrefix)
		if _, err := fmt.Sscanf(rest, "%d-", &pid); !ours || err != nil {
			continue
		}
		if errors.Is(syscall.Kill(pid, 0), syscall.ESRCH) {
			_ = os.RemoveAll(filepath.Join(parent, entry.Name()))
		}
	}
}
