package mutation_test

import (
	"os/exec"
	"path"
	"slices"
	"testing"

	"github.com/stretchr/testify/require"

	"tuma/internal/test/mutation"
	"tuma/internal/test/proctest"
)

// TestEveryBreakFits wants each mark once in the code and used by the table, and each break of the
// table to find its mark in a file of its kind and to change the line.
func TestEveryBreakFits(t *testing.T) {
	t.Parallel()
	root, err := proctest.ModuleRoot()
	require.NoError(t, err)
	files, err := mutation.Files(root)
	require.NoError(t, err)
	marks := map[string]string{} // By id: the file.
	for name, text := range files {
		for _, id := range mutation.Marks(text) {
			require.NotContains(t, marks, id, "%s has a mark that another file has", name)
			marks[id] = name
		}
	}
	used, names := map[string]bool{}, map[string]bool{}
	fits := func(b mutation.Break, kinds ...string) {
		require.Contains(t, marks, b.ID, b.Name)
		require.Contains(t, kinds, path.Ext(marks[b.ID]), b.Name)
		_, err := b.Apply(files[marks[b.ID]])
		require.NoError(t, err)
		require.NotZero(t, b.By, "no test notices %q", b.Name)
		require.False(t, names[b.Name], "two breaks are named %q", b.Name)
		used[b.ID], names[b.Name] = true, true
	}
	for _, b := range mutation.Scripts {
		fits(b, ".lua")
	}
	for _, b := range mutation.Code {
		fits(b, ".go")
	}
	for _, b := range mutation.Hooks {
		fits(b, ".go", ".lua")
	}
	for id, name := range marks {
		require.True(t, used[id], "%s: no break has the id %s", name, id)
	}
}

// TestEveryBreakOfTheCodeCompiles builds each package with its line changed, since the long runs
// that use the breaks are seldom made.
func TestEveryBreakOfTheCodeCompiles(t *testing.T) {
	t.Parallel()
	proctest.NotInShort(t, "a build for each break")
	root, err := proctest.ModuleRoot()
	require.NoError(t, err)
	for _, b := range mutation.Code {
		edit, err := b.Edit(root)
		require.NoError(t, err, b.Name)
		directory := t.TempDir()
		overlay, err := mutation.Overlay(root, directory, []mutation.Edit{edit})
		require.NoError(t, err, b.Name)
		build := exec.CommandContext(t.Context(), "go", "build", "-overlay", overlay,
			"./"+path.Dir(edit.File))
		build.Dir = root
		output, err := build.CombinedOutput()
		require.NoError(t, err, "%s:\n%s", b.Name, output)
	}
}

// TestBreaks breaks lines of a text.
func TestBreaks(t *testing.T) {
	t.Parallel()
	const text = "first\n\tif a then -- break: a-1\n  b() -- why -- break: b\n" +
		"c() // break: twice\nd() // break: twice\ne() -- break: \n"
	require.Equal(t, []string{"a-1", "b", "twice", "twice"}, mutation.Marks(text))
	for _, row := range []struct{ id, with, want, fault string }{
		{"a-1", "if false then", "if false then\n  b()", ""},
		{"b", "", "break: a-1\n\nc()", ""},
		{"b", "$ $\nend", "b() -- why b() -- why\nend\nc()", ""},
		{"a-1", "if a then", "", "break a-1 (test): it changes nothing"},
		{"twice", "", "", "break twice (test): 2 lines have this mark, not one"},
		{"none", "", "", "break none (test): 0 lines have this mark, not one"},
	} {
		b := mutation.Break{ID: row.id, Name: "test", With: row.with}
		got, err := b.Apply(text)
		if row.fault != "" {
			require.EqualError(t, err, row.fault)
			continue
		}
		require.NoError(t, err)
		require.Contains(t, got, row.want)
	}
	broken := 0
	edit := mutation.Break{ID: "b", Name: "test"}.InScripts(&broken)
	require.Equal(t, "other", edit("verb", "other"))
	require.NotContains(t, edit("verb", text), "b()")
	require.Equal(t, 1, broken)
	require.False(t, slices.Contains(mutation.Marks(edit("verb", text)), "b"))
}
