package proctest

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"sync"
	"testing"

	"github.com/stretchr/testify/require"

	"tuma/internal/test/mutation"
)

// ClockVariable is the variable by which a program with the edits of WrongClock is told how many
// seconds its clock is wrong: "600" for ten minutes ahead, "-600" for ten behind.
const ClockVariable = "E2E_CLOCK"

// WrongClock returns the edits that let time.Now be wrong. A Go program does not read the time
// through the C library, so nothing outside of it can do that. The monotonic clock, from which
// timeouts are measured, stays right, as on a pod with a wrong clock.
func WrongClock() []mutation.Edit {
	const file = "GOROOT/src/time/time.go"
	return []mutation.Edit{
		{
			File: file, From: "func Now() Time {\n\tsec, nsec, mono := runtimeNow()\n",
			To: "func Now() Time {\n\tsec, nsec, mono := runtimeNow()\n\tsec += wrongBy\n",
		},
		{
			File: file, From: "var startNano int64 = runtimeNano() - 1\n",
			To: `var startNano int64 = runtimeNano() - 1

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
`,
		},
		{File: file, From: "\t\"math/bits\"\n", To: "\t\"math/bits\"\n\t\"syscall\"\n"},
	}
}

// Variant is a program of ours with edits: what cannot be brought about from outside, a wrong clock
// for example, is brought about so. It is built once for all tests of a test binary.
type Variant struct {
	// Name tells it from others of the same command, which is a package such as "./cmd/worker".
	Name, Command string
	// Breaks are names of the table of package mutation.
	Breaks []string
	Edits  []mutation.Edit
	// Slow leaves the race detector out: edits below everything recompile everything.
	Slow bool

	once    sync.Once
	program string
	fault   error
}

// Build returns the path of the edited program.
func (v *Variant) Build(t testing.TB) string {
	t.Helper()
	NotInShort(t, needsProgram)
	v.once.Do(func() { v.program, v.fault = v.build() })
	require.NoError(t, v.fault)
	return v.program
}

// Overlay writes the changed files into a directory, and returns what to give to the go command's
// -overlay.
func (v *Variant) Overlay(root, directory string) (string, error) {
	edits := slices.Clone(v.Edits)
	for _, name := range v.Breaks {
		b, err := mutation.Named(name)
		if err != nil {
			return "", err
		}
		e, err := b.Edit(root)
		if err != nil {
			return "", err
		}
		edits = append(edits, e)
	}
	return mutation.Overlay(root, directory, edits)
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
	overlay, err := v.Overlay(root, directory)
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
