package tidy

import (
	"path"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

// systemSuffix ends the names of files that are built for one system only.
var systemSuffix = regexp.MustCompile(`_(linux|other)\.go$`)

// unnamedFiles lists what the comment of a package of many files leaves out: which file does what.
func unnamedFiles(files []file) (missing []string) {
	names, comments := map[string][]string{}, map[string]string{}
	for _, f := range files {
		if !f.is(".go") || f.isTest() || !within(f.path, "internal") || within(f.path, "internal/test") {
			continue
		}
		folder, name := path.Split(f.path)
		name = systemSuffix.ReplaceAllString(name, ".go")
		if name != "doc.go" && !slices.Contains(names[folder], name) {
			names[folder] = append(names[folder], name)
		}
		comment, _, _ := strings.Cut("\n"+f.text, "\npackage ")
		comments[folder] += comment
	}
	for folder, list := range names {
		for _, name := range list {
			if len(list) > 6 && !strings.Contains(comments[folder], name) {
				missing = append(missing, folder+name)
			}
		}
	}
	slices.Sort(missing)
	return missing
}

// TestPackageCommentsNameTheirFiles wants whoever looks for the place of a fault to find the file
// by the comment of its package.
func TestPackageCommentsNameTheirFiles(t *testing.T) {
	t.Parallel()
	require.Empty(t, unnamedFiles(tree(t)))
	doc := "// Package p is one. It has a.go, b.go, c.go and d.go.\npackage p\n"
	files := []file{{path: "internal/p/doc.go", text: doc}}
	for _, name := range strings.Fields("a b c d e f g_linux g_other h_test") {
		files = append(files, file{path: "internal/p/" + name + ".go", text: "package p\n"})
	}
	require.Equal(t, []string{"internal/p/e.go", "internal/p/f.go", "internal/p/g.go"},
		unnamedFiles(files))
}

// scriptNamed finds Lua files of the state that a text names.
var scriptNamed = regexp.MustCompile(`\blua/[\w/.-]+\.lua\b`)

// TestNamedScriptsExist wants every script that a comment or a page names to be there.
func TestNamedScriptsExist(t *testing.T) {
	t.Parallel()
	files, known := tree(t), map[string]bool{}
	for _, f := range files {
		known[f.path] = true
	}
	for _, f := range files {
		for _, name := range scriptNamed.FindAllString(f.text, -1) {
			_, rest, _ := strings.Cut(name, "lua/")
			at := "internal/state/lua/" + rest
			require.True(t, known[at] || within(f.path, "internal/tidy"),
				"%s names %s, which is not there", f.path, name)
		}
	}
}
