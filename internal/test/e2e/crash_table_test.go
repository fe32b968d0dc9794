package e2e_test

import (
	"fmt"
	"go/ast"
	"go/parser"
	"go/token"
	"io/fs"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"tuma/internal/providers/catalog"
	"tuma/internal/sandbox"
	"tuma/internal/test/pagetest"
	"tuma/internal/test/proctest"
)

// effectNames finds the names of all effects in the code: one for each script of the state, and
// what the other calls of effect.Do name. A name that is no literal is a script's.
func effectNames(t *testing.T) []string {
	t.Helper()
	root, err := proctest.ModuleRoot()
	require.NoError(t, err)
	scripts, err := filepath.Glob(filepath.Join(root, "internal/state/lua/commands/*.lua"))
	require.NoError(t, err)
	var names, computed []string
	for _, script := range scripts {
		names = append(names, strings.TrimSuffix(filepath.Base(script), ".lua"))
	}
	for _, folder := range []string{"cmd", "internal"} {
		err := filepath.WalkDir(filepath.Join(root, folder), func(
			path string, entry fs.DirEntry, err error,
		) error {
			if err != nil || entry.IsDir() || !strings.HasSuffix(path, ".go") ||
				strings.HasSuffix(path, "_test.go") {
				return err
			}
			for _, name := range effectsOf(t, path) {
				if literal, err := strconv.Unquote(name); err == nil {
					names = append(names, literal)
				} else {
					computed = append(computed, filepath.Base(path)+" "+name)
				}
			}
			return nil
		})
		require.NoError(t, err)
	}
	require.Equal(t, []string{"scripts.go verb"}, computed, "the scripts of the state")
	slices.Sort(names)
	return slices.Compact(names)
}

// effectsOf lists how the calls of effect.Do in a file name their effects, as in the source.
func effectsOf(t *testing.T, path string) []string {
	t.Helper()
	syntax, err := parser.ParseFile(token.NewFileSet(), path, nil, parser.SkipObjectResolution)
	require.NoError(t, err)
	var names []string
	ast.Inspect(syntax, func(node ast.Node) bool {
		call, ok := node.(*ast.CallExpr)
		if !ok {
			return true
		}
		function, ok := call.Fun.(*ast.SelectorExpr)
		if !ok || function.Sel.Name != "Do" || len(call.Args) != 3 {
			return true
		}
		if of, ok := function.X.(*ast.Ident); !ok || of.Name != "effect" {
			return true
		}
		switch name := call.Args[1].(type) {
		case *ast.BasicLit:
			names = append(names, name.Value)
		case *ast.Ident:
			names = append(names, name.Name)
		default:
			names = append(names, fmt.Sprintf("%T", name))
		}
		return true
	})
	return names
}

// reachedBy lists the programs that die at an effect at a provider.
func reachedBy(effect, provider string) []string {
	var programs []string
	for i := range crashPaths {
		for _, reached := range crashPaths[i].reach[provider] {
			if plain(reached) == effect && !slices.Contains(programs, crashPaths[i].command()) {
				programs = append(programs, crashPaths[i].command())
			}
		}
	}
	slices.Sort(programs)
	return programs
}

// unreachableAt is why nothing of a provider reaches an effect, "" if something does.
func unreachableAt(effect, provider string) string {
	for _, row := range unreachable {
		if row.effect == effect && slices.Contains(row.providers, provider) {
			return row.why
		}
	}
	return ""
}

// TestEveryEffectHasCrashPoints demands that a process is killed before and after each effect in
// the code, at each provider, or that the table says why none of that provider's can be.
func TestEveryEffectHasCrashPoints(t *testing.T) {
	t.Parallel()
	names := effectNames(t)
	for _, name := range names {
		for _, provider := range sandbox.Providers() {
			programs, why := reachedBy(name, provider), unreachableAt(name, provider)
			require.False(t, len(programs) == 0 && why == "",
				"%s has no crash point at %s: add it to a path, or to the table of what is not reached",
				name, provider)
			require.False(t, len(programs) > 0 && why != "",
				"%s at %s is reached by %v, and the table says that %s", name, provider, programs, why)
		}
	}
	for _, p := range points() {
		require.Contains(t, names, plain(p.effect), "the code has no such effect")
	}
	for _, row := range unreachable {
		require.Contains(t, names, row.effect, "the code has no such effect")
	}
}

// crashTable is the part of docs/testing.md about crash points.
func crashTable(t *testing.T) string {
	t.Helper()
	head := []string{"effect"}
	for _, spec := range catalog.Specs() {
		head = append(head, spec.Title)
	}
	rows := [][]string{head}
	var notes []string
	for _, name := range effectNames(t) {
		cells := []string{name}
		for _, spec := range catalog.Specs() {
			provider := spec.Capabilities.Name
			var letters []string
			for _, program := range reachedBy(name, provider) {
				letters = append(letters, program[:1])
			}
			cell := strings.Join(letters, " ")
			if why := unreachableAt(name, provider); why != "" {
				at := slices.Index(notes, why)
				if at < 0 {
					notes = append(notes, why)
					at = len(notes) - 1
				}
				cell = fmt.Sprintf("– (%d)", at+1)
			}
			cells = append(cells, cell)
		}
		rows = append(rows, cells)
	}
	text := &strings.Builder{}
	fmt.Fprintf(text, "%s\nNot reached, and why; the test sees to it that it stays so:\n\n",
		pagetest.Table(rows...))
	for i, note := range notes {
		fmt.Fprintf(text, "%d. %s.\n", i+1, strings.ToUpper(note[:1])+note[1:])
	}
	fmt.Fprintf(text, "\n%d processes are killed in all.\n", len(points()))
	return text.String()
}

func TestThePageOfCrashPointsIsTheTable(t *testing.T) {
	t.Parallel()
	pagetest.Part(t, "docs/testing.md", "crash points", crashTable(t))
}
