package e2e_test

import (
	"encoding/json"
	"os"
	"os/exec"
	"path/filepath"
	"runtime/debug"
	"strings"
	"sync"
	"testing"

	"github.com/stretchr/testify/require"

	"tuma/internal/proctest"
)

// edit changes one source file of a program under test without touching the file: the text from
// must be in it exactly once. What cannot be brought about from outside is brought about so, a
// clock that is wrong for example, or a freeze between two instructions.
type edit struct {
	// file is a path below the module, or below the Go installation when it starts with GOROOT.
	file     string
	from, to string
}

// variant is a program of ours with edits; it is built once per test binary.
type variant struct {
	name, command string
	edits         []edit
	// slow leaves the race detector out: edits below everything recompile everything.
	slow bool
	once sync.Once
	// program is the path of what was built; fault says why nothing was.
	program, fault string
}

// build returns the path of the edited program.
func (v *variant) build(t *testing.T) string {
	t.Helper()
	v.once.Do(func() { v.make(t) })
	require.NotEmpty(t, v.program, "%s was not built: %s", v.name, v.fault)
	return v.program
}

func (v *variant) make(t *testing.T) {
	t.Helper()
	v.fault = "see the test that tried first"
	root, err := proctest.ModuleRoot()
	require.NoError(t, err)
	shared, err := proctest.SharedDir()
	require.NoError(t, err)
	//nolint:usetesting // Other tests use the program after this one has ended.
	directory, err := os.MkdirTemp(shared, v.name+"-")
	require.NoError(t, err)
	overlay := v.overlay(t, root, directory)
	program := filepath.Join(directory, v.name)
	arguments := []string{"build", "-buildvcs=false", "-overlay", overlay, "-o", program}
	if raceDetector() && !v.slow {
		arguments = append(arguments, "-race")
	}
	build := exec.Command("go", append(arguments, v.command)...)
	build.Dir = root
	output, err := build.CombinedOutput()
	require.NoError(t, err, "go build of %s: %s", v.name, output)
	v.program = program
}

// overlay writes the edited files and the list of what they stand for; it returns the list's path.
func (v *variant) overlay(t *testing.T, root, directory string) string {
	t.Helper()
	replaced := map[string]string{}
	for _, e := range v.edits {
		source := filepath.Join(root, e.file)
		if rest, found := strings.CutPrefix(e.file, "GOROOT/"); found {
			source = filepath.Join(goRoot(t), rest)
		}
		read := source
		if before, again := replaced[source]; again {
			read = before
		}
		text, err := os.ReadFile(read)
		require.NoError(t, err)
		require.Equal(t, 1, strings.Count(string(text), e.from),
			"%s: the edit of %s does not fit any more: %q", v.name, e.file, e.from)
		edited := strings.Replace(string(text), e.from, e.to, 1)
		replaced[source] = filepath.Join(directory, strings.ReplaceAll(e.file, "/", "_"))
		require.NoError(t, os.WriteFile(replaced[source], []byte(edited), 0o600))
	}
	list, err := json.Marshal(map[string]any{"Replace": replaced})
	require.NoError(t, err)
	path := filepath.Join(directory, "overlay.json")
	require.NoError(t, os.WriteFile(path, list, 0o600))
	return path
}

func goRoot(t *testing.T) string {
	t.Helper()
	output, err := exec.Command("go", "env", "GOROOT").Output()
	require.NoError(t, err)
	return strings.TrimSpace(string(output))
}

// raceDetector reports whether the test binary has the race detector.
func raceDetector() bool {
	info, ok := debug.ReadBuildInfo()
	if !ok {
		return false
	}
	for _, s := range info.Settings {
		if s.Key == "-race" {
			return s.Value == "true"
		}
	}
	return false
}
