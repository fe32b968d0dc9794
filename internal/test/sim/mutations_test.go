package sim_test

import (
	"flag"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"tuma/internal/test/mutation"
	"tuma/internal/test/proctest"
)

var (
	breaksFlag = flag.Bool("sim.breaks", false, "break the Go code, too, to see that it is noticed")
	quietFlag  = flag.Bool("sim.quiet", false, "do not look for a shorter scenario")
)

// within is how many seeds may pass until a break is noticed.
const within = 60

// simulated are the breaks of a list that the simulation must notice.
func simulated(list []mutation.Break) []mutation.Break {
	return slices.DeleteFunc(slices.Clone(list), func(b mutation.Break) bool {
		return b.By.Simulation == 0
	})
}

// TestEveryBreakOfTheScriptsIsNoticed breaks them one line at a time.
//
//nolint:paralleltest // The simulation intercepts every effect of the process.
func TestEveryBreakOfTheScriptsIsNoticed(t *testing.T) {
	proctest.LongRuns(t, "make mutations")
	for _, b := range simulated(mutation.Scripts) {
		t.Run(b.Name, func(t *testing.T) {
			found := 0
			f := startFixture(t, b.InScripts(&found))
			require.Positive(t, found)
			for seed := uint64(1); seed <= within; seed++ {
				if broken, _ := run(t, f, seed, nil, every); len(broken) > 0 {
					t.Log(noticedRow(b, strconv.FormatUint(seed, 10), broken[0]))
					require.NotContains(t, broken[0], "compiling script")
					require.NotContains(t, broken[0], "nonexistent global")
					return
				}
			}
			t.Fatalf("not noticed within %d seeds", within)
		})
	}
}

// TestEveryBreakOfTheCodeIsNoticed builds the simulation anew with one line changed, and wants it
// to fail. It takes a build each, so that it waits for the flag. While one runs, the next is built.
//
//nolint:paralleltest // The builds take all processors.
func TestEveryBreakOfTheCodeIsNoticed(t *testing.T) {
	proctest.LongRuns(t, "make mutations")
	if !*breaksFlag {
		return
	}
	root, err := proctest.ModuleRoot()
	require.NoError(t, err)
	built := make(chan build)
	dir := t.TempDir()
	go func() {
		defer close(built)
		for i, b := range simulated(mutation.Code) {
			built <- buildBroken(root, filepath.Join(dir, strconv.Itoa(i)), b)
		}
	}()
	for made := range built {
		t.Run(made.Name, func(t *testing.T) {
			require.NoError(t, made.err, "%s", made.output)
			command := exec.Command(made.binary, "-test.run", "^TestSimulation$", "-sim.quiet",
				"-sim.seeds", strconv.Itoa(within))
			command.Dir = filepath.Join(root, "internal", "test", "sim")
			output, err := command.CombinedOutput()
			require.Error(t, err, "not noticed within %d seeds", within)
			said := noticed(string(output))
			require.NotEmpty(t, said, "%s", output)
			seed, words, _ := strings.Cut(said, ": ")
			t.Log(noticedRow(made.Break, seed, words))
		})
	}
}

// build is a simulation with a break in it.
type build struct {
	mutation.Break
	binary string
	output []byte
	err    error
}

// buildBroken builds the simulation with a line changed; the source stays as it is.
func buildBroken(root, dir string, b mutation.Break) build {
	made := build{Break: b, binary: filepath.Join(dir, "sim")}
	if made.err = os.MkdirAll(dir, 0o700); made.err != nil {
		return made
	}
	list, err := (&proctest.Variant{Breaks: []string{b.Name}}).Overlay(root, dir)
	if made.err = err; err != nil {
		return made
	}
	command := exec.Command("go", "test", "-c", "-ldflags=-s -w", "-overlay", list, "-o",
		made.binary, "./internal/test/sim")
	command.Dir = root
	made.output, made.err = command.CombinedOutput()
	return made
}

// noticedRow is a break's line in the table of what was noticed, and by which seed.
func noticedRow(b mutation.Break, seed, said string) string {
	const shown = 90
	said = said[:min(len(said), shown)]
	return fmt.Sprintf("| %d | %s | %s | %s |", b.By.Simulation, b.Name, seed, said)
}

// noticed finds in the output of a simulation which seed went wrong, and how.
func noticed(output string) string {
	_, after, found := strings.Cut(output, "went wrong: ")
	if !found {
		return ""
	}
	line, _, _ := strings.Cut(after, "\n")
	return line
}
