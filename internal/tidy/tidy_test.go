// Package tidy holds the written house rules as tests: what a reader would otherwise have to find
// in review, one rule per check, over every file that belongs to the repository. It has no code but
// tests, so `go test ./...` alone guards the rules, without a linter.
package tidy

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/stretchr/testify/require"
)

// file is one file of the repository; its path is relative to the root, with slashes.
type file struct {
	path string
	text string
}

func (f file) is(extension string) bool { return strings.HasSuffix(f.path, extension) }
func (f file) isTest() bool             { return f.is("_test.go") }

func (f file) lines() []string { return strings.Split(strings.TrimSuffix(f.text, "\n"), "\n") }

// foreign reports whether the file is somebody else's words or a test's input, which keep the form
// that they came in.
func (f file) foreign() bool {
	return f.path == "LICENSE" || f.path == "go.sum" ||
		slices.ContainsFunc(strings.Split(f.path, "/"), func(folder string) bool {
			return folder == "testdata" || folder == "provider-docs"
		})
}

// finding is one place that breaks a rule.
type finding struct {
	line int
	what string
}

// rule is one check; it looks at one file at a time.
type rule struct {
	name  string
	check func(file) []finding
}

// rules are all checks that look at single files; arrows_test.go looks at the whole tree.
var rules = []rule{
	{"columns", columns},
	{"file-length", fileLength},
	{"function-length", functionLength},
	{"package-names", packageNames},
	{"environment", environment},
	{"markers", markers},
	{"markdown-title", markdownTitle},
	{"machine", machine},
	{"lua-header", luaHeader},
	{"effects", effects},
	{"wall-time", wallTime},
	{"provider-names", named},
}

func TestTreeIsTidy(t *testing.T) {
	t.Parallel()
	files := tree(t)
	for _, r := range rules {
		t.Run(r.name, func(t *testing.T) {
			t.Parallel()
			for _, f := range files {
				for _, found := range r.check(f) {
					t.Errorf("%s:%d: %s (%s)", f.path, found.line, found.what, r.name)
				}
			}
		})
	}
}

func TestTreeIsTheRepository(t *testing.T) {
	t.Parallel()
	var paths []string
	for _, f := range tree(t) {
		paths = append(paths, f.path)
	}
	require.Contains(t, paths, "go.mod")
	require.Contains(t, paths, "internal/tidy/tidy_test.go")
	for _, path := range paths {
		require.False(t, strings.HasPrefix(path, ".git/"), path)
	}
}

// root returns the folder of go.mod: tests run in their package's folder.
func root(t *testing.T) string {
	t.Helper()
	directory, err := filepath.Abs("../..")
	require.NoError(t, err)
	require.FileExists(t, filepath.Join(directory, "go.mod"))
	return directory
}

// theTree is what tree has read.
var theTree struct {
	sync.Mutex
	files []file
}

// tree returns every text file of the repository: tracked, or new and not ignored.
func tree(t *testing.T) []file {
	t.Helper()
	theTree.Lock()
	defer theTree.Unlock()
	if theTree.files == nil {
		theTree.files = readTree(t)
	}
	return theTree.files
}

func readTree(t *testing.T) (files []file) {
	t.Helper()
	top := root(t)
	for _, path := range list(t, top) {
		info, err := os.Lstat(filepath.Join(top, path))
		if errors.Is(err, fs.ErrNotExist) || err == nil && !info.Mode().IsRegular() {
			continue // Deleted and not committed yet, or a link to a file that is looked at anyway.
		}
		require.NoError(t, err)
		text, err := os.ReadFile(filepath.Join(top, path))
		require.NoError(t, err)
		if !strings.Contains(string(text), "\x00") {
			files = append(files, file{path: filepath.ToSlash(path), text: string(text)})
		}
	}
	require.NotEmpty(t, files)
	return files
}

// list asks git for the paths. A source archive has no repository: there every file counts.
func list(t *testing.T, top string) []string {
	t.Helper()
	if _, err := os.Stat(filepath.Join(top, ".git")); err != nil {
		return walk(t, top)
	}
	// The checkout may belong to another user (containers), which git takes for an attack.
	command := exec.Command("git", "-c", "safe.directory=*", "ls-files", "-z", "-co",
		"--exclude-standard")
	command.Dir = top
	output, err := command.Output()
	require.NoError(t, err, "git ls-files")
	paths := strings.Split(strings.TrimSuffix(string(output), "\x00"), "\x00")
	slices.Sort(paths)
	return slices.Compact(paths)
}

func walk(t *testing.T, top string) []string {
	t.Helper()
	var paths []string
	err := filepath.WalkDir(top, func(path string, entry fs.DirEntry, err error) error {
		if err != nil {
			return fmt.Errorf("walk the source archive: %w", err)
		}
		relative, err := filepath.Rel(top, path)
		if err != nil {
			return fmt.Errorf("walk the source archive: %w", err)
		}
		if relative == "bin" {
			return fs.SkipDir
		}
		if !entry.IsDir() {
			paths = append(paths, relative)
		}
		return nil
	})
	require.NoError(t, err)
	return paths
}
