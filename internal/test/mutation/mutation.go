// Package mutation breaks the code on purpose, one line at a time, for the tests that must notice.
//
// A line that can be broken ends in a comment with its id, "-- break: claim-slots" in Lua and
// "// break: submit-begin" in Go. The table of breaks (scripts.go, code.go) says by that id what
// stands in place of the line, so that a change of any other line never touches the table.
package mutation

import (
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
)

// Break is a deliberate break of one line of a script or of a Go file.
type Break struct {
	// ID is what the mark at the end of the line says. Several breaks may be of one line.
	ID string
	// Name says what goes wrong. No two breaks have the same.
	Name string
	// With stands in place of the line; a dollar sign in it stands for the line as it was.
	With string
	By   By
}

// By says which tests notice a break, or need a hook.
type By struct {
	// Simulation is the number of the invariant that the break offends, from docs/testing.md: the
	// simulation notices.
	Simulation int
	// Verbs is the seed from which the random verbs of internal/state notice, and Callbacks that of
	// the random verbs around callbacks.
	Verbs, Callbacks int
	// Scenario says that a scenario of internal/state notices. Which one is said there.
	Scenario bool
	// Programs says that a test of internal/test/e2e runs a program with it.
	Programs bool
}

// mark finds the marks of a text: the line's code, and its id.
var mark = regexp.MustCompile(`(?m)^[ \t]*(.*?)[ \t]+(?://|--) break: ([a-z0-9-]+)$`)

// Marks lists the ids that a text has, in order.
func Marks(text string) []string {
	var ids []string
	for _, found := range mark.FindAllStringSubmatch(text, -1) {
		ids = append(ids, found[2])
	}
	return ids
}

func (b Break) marks(text string) bool { return strings.Contains(text, " break: "+b.ID+"\n") }

// Apply breaks the line of a text that has the break's id. An error names the id if it is not there
// exactly once, or if the break changes nothing.
func (b Break) Apply(text string) (string, error) {
	e, err := b.edit(text)
	if err != nil {
		return "", err
	}
	return strings.Replace(text, e.From, e.To, 1), nil
}

func (b Break) edit(text string) (Edit, error) {
	var found [][]string
	for _, m := range mark.FindAllStringSubmatch(text, -1) {
		if m[2] == b.ID {
			found = append(found, m)
		}
	}
	if len(found) != 1 {
		return Edit{}, fmt.Errorf("break %s (%s): %d lines have this mark, not one",
			b.ID, b.Name, len(found))
	}
	line, code := found[0][0], found[0][1]
	broken := strings.ReplaceAll(b.With, "$", code)
	if broken == code {
		return Edit{}, fmt.Errorf("break %s (%s): it changes nothing", b.ID, b.Name)
	}
	return Edit{From: line, To: broken}, nil
}

// Named finds a break, or a hook, by its name.
func Named(name string) (Break, error) {
	for _, b := range slices.Concat(Scripts, Code, Hooks) {
		if b.Name == name {
			return b, nil
		}
	}
	return Break{}, fmt.Errorf("no break has the name %q", name)
}

// InScripts returns an edit of scripts: of those that have the marked line. It counts them. A break
// that does not fit panics, and TestEveryBreakFits says the same without a Redis.
func (b Break) InScripts(broken *int) func(verb, text string) string {
	return func(_, text string) string {
		if !b.marks(text) {
			return text
		}
		changed, err := b.Apply(text)
		if err != nil {
			panic(err)
		}
		*broken++
		return changed
	}
}

// Edit returns a break as an edit of the module at root, for a program that is built with it.
func (b Break) Edit(root string) (Edit, error) {
	files, err := Files(root)
	if err != nil {
		return Edit{}, err
	}
	for path, text := range files {
		if b.marks(text) {
			e, err := b.edit(text)
			e.File = path
			return e, err
		}
	}
	return Edit{}, fmt.Errorf("break %s (%s): no file has this mark", b.ID, b.Name)
}

// Files reads all files of a module's product code that have marks, by their paths below its root.
func Files(root string) (map[string]string, error) {
	files := map[string]string{}
	err := fs.WalkDir(os.DirFS(root), "internal", func(path string, e fs.DirEntry, err error) error {
		if err != nil || e.IsDir() || strings.HasSuffix(path, "_test.go") ||
			!slices.Contains([]string{".go", ".lua"}, filepath.Ext(path)) {
			return err
		}
		text, err := os.ReadFile(filepath.Join(root, path))
		if mark.Match(text) {
			files[path] = string(text)
		}
		return err
	})
	return files, err
}
