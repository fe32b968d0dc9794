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

// Variant is a program of ours with edits. It is built once for all tests of a test binary.
type Variant struct {
	// Name tells it from others of the same command, which is a package such as "./cmd/worker".
	Name, Command string
	Edits         []Edit
	// Slow leaves the race detector out: edits below everything recompile everything.
	Slow bool

	once    sync.Once
	program string
	fault   error
}

// Build returns the path of the edited program.
func (v *Variant) Build(t testing.TB) string {
	t.Helper()
	v.once.Do(func() { v.program, v.fault = v.build() })
	require.NoError(t, v.fault)
	return v.program
}

func (v *Variant) build() (string, error) {
	root, err := ModuleRoot()
	if err != nil {
		return "", err
	}
	shared, err := SharedDir()
	if err != nil {
		return "", err
	}
	directory, err := os.MkdirTemp(shared, v.Name+"-")
	if err != nil {
		return "", fmt.Errorf("make a folder for %s: %w", v.Name, err)
	}
	replaced, err := WriteEdits(root, directory, v.Edits)
	if err != nil {
		return "", fmt.Errorf("edit %s: %w", v.Name, err)
	}
	overlay, err := Overlay(directory, replaced)
	if err != nil {
		return "", fmt.Errorf("edit %s: %w", v.Name, err)
	}
	program := filepath.Join(directory, v.Name)
	arguments := []string{"build", "-buildvcs=false", "-overlay", overlay, "-o", program}
	if Race && !v.Slow {
		arguments = append(arguments, "-race")
	}
	build := exec.Command("go", append(arguments, v.Command)...)
	build.Dir = root
	if output, err := build.CombinedOutput(); err != nil {
		return "", fmt.Errorf("go build of %s: %w\n%s", v.Name, err, output)
	}
	return program, nil
}

// WriteEdits writes the edited files of the module at root into a directory, and returns which file
// stands for which. An error is returned when an edit does not fit its file any more.
func WriteEdits(root, directory string, edits []Edit) (map[string]string, error) {
	goRoot, err := exec.Command("go", "env", "GOROOT").Output()
	if err != nil {
		return nil, fmt.Errorf("find the Go installation: %w", err)
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
			return nil, err
		}
		if n := strings.Count(string(text), e.From); n != 1 {
			return nil, fmt.Errorf("%s holds %q %d times, not once", e.File, e.From, n)
		}
		replaced[source] = filepath.Join(directory, strings.ReplaceAll(e.File, "/", "_"))
		changed := strings.Replace(string(text), e.From, e.To, 1)
		if err := os.WriteFile(replaced[source], []byte(changed), 0o600); err != nil {
			return nil, err
		}
	}
	return replaced, nil
}

// Overlay writes which files stand for which into a directory, and returns what to give to the go
// command's -overlay.
func Overlay(directory string, replaced map[string]string) (string, error) {
	list, err := json.Marshal(map[string]any{"Replace": replaced})
	if err != nil {
		return "", err
	}
	path := filepath.Join(directory, "overlay.json")
	return path, os.WriteFile(path, list, 0o600)
}
