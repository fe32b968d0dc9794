package proctest

import (
	"encoding/json"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"testing"

	"github.com/stretchr/testify/require"
)

// Edit changes one source file of a program under test without touching the file: what cannot be
// brought about from outside, a wrong clock for example, is brought about so.
type Edit struct {
	// File is a path below the module, or below the Go installation when it starts with GOROOT.
	File string
	// From must be in the file exactly once; To replaces it.
	From, To string
}

// ClockVariable is the variable by which a program with the edits of WrongClock is told how many
// seconds its clock is wrong: "600" for ten minutes ahead, "-600" for ten behind.
const ClockVariable = "E2E_CLOCK"

// WrongClock returns the edits that let time.Now be wrong. A Go program does not read the time
// through the C library, so nothing outside of it can do that. The monotonic clock, from which
// timeouts are measured, stays right, as on a pod with a wrong clock.
func WrongClock() []Edit {
	const file = "GOROOT/src/time/time.go"
	return []Edit{
		{
			file, "func Now() Time {\n\tsec, nsec, mono := runtimeNow()\n",
			"func Now() Time {\n\tsec, nsec, mono := runtimeNow()\n\tsec += wrongBy\n",
		},
		{file, "var startNano int64 = runtimeNano() - 1\n", `var startNano int64 = runtimeNano() - 1

var wrongBy = func() (seconds int64) {
	text, _ := syscall.Getenv("` + ClockVariable + `")
	sign := int64(1)
	for i := range len(text) {
		if text[i] == '-' {
			sign = -1
		} else {
			seconds = seconds*10 + int64(text[i]-'0')
		}
	}
	return sign * seconds
}()
`},
		{file, "\t\"math/bits\"\n", "\t\"math/bits\"\n\t\"syscall\"\n"},
	}
}

// edited holds one build per name, shared by all tests of the test binary.
var edited sync.Map

// BuildEdited is Build for a program with edits; the name tells it from others of the same command.
// Edits below everything recompile everything, so the race detector is left out.
func BuildEdited(t testing.TB, name, command string, edits []Edit) string {
	t.Helper()
	build, _ := edited.LoadOrStore(name, sync.OnceValues(func() (string, error) {
		return buildEdited(name, command, edits)
	}))
	program, err := build.(func() (string, error))()
	require.NoError(t, err)
	return program
}

func buildEdited(name, command string, edits []Edit) (string, error) {
	root, err := ModuleRoot()
	if err != nil {
		return "", err
	}
	shared, err := SharedDir()
	if err != nil {
		return "", err
	}
	directory, err := os.MkdirTemp(shared, name+"-")
	if err != nil {
		return "", fmt.Errorf("make a folder for %s: %w", name, err)
	}
	overlay, err := writeOverlay(root, directory, edits)
	if err != nil {
		return "", fmt.Errorf("edit %s: %w", name, err)
	}
	program := filepath.Join(directory, name)
	build := exec.Command("go", "build", "-buildvcs=false", "-overlay", overlay, "-o", program,
		command)
	build.Dir = root
	if output, err := build.CombinedOutput(); err != nil {
		return "", fmt.Errorf("go build of %s: %w\n%s", name, err, output)
	}
	return program, nil
}

// writeOverlay writes the edited files and the list of what they stand for; it returns the list's
// path. An error is returned when an edit does not fit its file any more.
func writeOverlay(root, directory string, edits []Edit) (string, error) {
	goRoot, err := exec.Command("go", "env", "GOROOT").Output()
	if err != nil {
		return "", fmt.Errorf("find the Go installation: %w", err)
	}
	replaced := map[string]string{}
	for _, e := range edits {
		source := filepath.Join(root, e.File)
		if rest, found := strings.CutPrefix(e.File, "GOROOT/"); found {
			source = filepath.Join(strings.TrimSpace(string(goRoot)), rest)
		}
		read, again := replaced[source]
		if !again {
			read = source
		}
		text, err := os.ReadFile(read)
		if err != nil {
			return "", err
		}
		if n := strings.Count(string(text), e.From); n != 1 {
			return "", fmt.Errorf("%s holds %q %d times, not once", e.File, e.From, n)
		}
		replaced[source] = filepath.Join(directory, strings.ReplaceAll(e.File, "/", "_"))
		changed := strings.Replace(string(text), e.From, e.To, 1)
		if err := os.WriteFile(replaced[source], []byte(changed), 0o600); err != nil {
			return "", err
		}
	}
	list, err := json.Marshal(map[string]any{"Replace": replaced})
	if err != nil {
		return "", err
	}
	path := filepath.Join(directory, "overlay.json")
	return path, os.WriteFile(path, list, 0o600)
}
