package proctest

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"sync"
	"testing"

	"github.com/stretchr/testify/require"
)

// builds holds one build per package path, shared by all tests of the test binary.
var builds sync.Map

// Build builds a command of this module (./cmd/worker) once per test binary and returns the path of
// the program. It has the race detector when the tests have it.
func Build(t testing.TB, command string) string {
	t.Helper()
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
	directory, err := SharedDir()
	if err != nil {
		return "", err
	}
	program := filepath.Join(directory, filepath.Base(command))
	arguments := []string{"build", "-buildvcs=false", "-o", program}
	if Race {
		arguments = append(arguments, "-race")
	}
	build := exec.Command("go", append(arguments, command)...)
	build.Dir = root
	if output, err := build.CombinedOutput(); err != nil {
		return "", fmt.Errorf("go build %s: %w\n%s", command, err, output)
	}
	return program, nil
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
