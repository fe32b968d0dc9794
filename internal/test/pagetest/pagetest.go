// Package pagetest holds the pages of docs against the code: what a page repeats from the code is a
// part of it, or all of it, that a test writes and compares. `make docs` writes them all.
package pagetest

import (
	"flag"
	"go/ast"
	"go/parser"
	"go/token"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"sync"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/stretchr/testify/require"

	"tuma/internal/test/proctest"
)

var (
	write = flag.Bool("write-docs", false, "write what the code says into the pages of docs")
	// writing lets one test at a time write: a page may have parts of several.
	writing sync.Mutex
)

// Page demands that a page is the text, or writes it. The path is relative to the module's root.
func Page(t *testing.T, path, text string) {
	t.Helper()
	change(t, path, func(string) string { return text })
}

// Part demands that a part of a page is the text, or writes it. The part has a name, and stands
// between the comments <!-- name, by make docs --> and <!-- end -->.
func Part(t *testing.T, path, name, text string) {
	t.Helper()
	change(t, path, func(page string) string {
		part := regexp.MustCompile(`(?s)(<!-- ` + name + `, by make docs -->\n).*?(<!-- end -->)`)
		at := part.FindStringSubmatchIndex(page)
		require.NotNil(t, at, "%s has no part %q", path, name)
		return page[:at[3]] + "\n" + strings.TrimSpace(text) + "\n\n" + page[at[4]:]
	})
}

// Table writes a table, whose first row is its head.
func Table(rows ...[]string) string {
	escape := strings.NewReplacer("|", `\|`)
	table := &strings.Builder{}
	for i, cells := range rows {
		for _, cell := range cells {
			table.WriteString("| " + escape.Replace(cell) + " ")
		}
		table.WriteString("|\n")
		if i == 0 {
			table.WriteString(strings.Repeat("|---", len(cells)) + "|\n")
		}
	}
	return table.String()
}

func change(t *testing.T, path string, edit func(page string) string) {
	t.Helper()
	writing.Lock()
	defer writing.Unlock()
	root, err := proctest.ModuleRoot()
	require.NoError(t, err)
	path = filepath.Join(root, filepath.FromSlash(path))
	page, err := os.ReadFile(path)
	require.NoError(t, err)
	wanted := edit(string(page))
	if *write {
		require.NoError(t, os.WriteFile(path, []byte(wanted), 0o644)) //nolint:gosec // A page.
		return
	}
	if wanted != string(page) {
		lines := cmp.Diff(strings.Split(wanted, "\n"), strings.Split(string(page), "\n"))
		t.Errorf("%s is not what the code says (-): make docs\n%s", path, lines)
	}
}

// Comments returns what the comments of constants say after their names, in the order of the code:
// those of the block whose first constant has the type, or a name that begins so.
func Comments(t *testing.T, file, of string) (says []string) {
	t.Helper()
	parsed, err := parser.ParseFile(token.NewFileSet(), file, nil,
		parser.ParseComments|parser.SkipObjectResolution)
	require.NoError(t, err)
	for _, declaration := range parsed.Decls {
		block, ok := declaration.(*ast.GenDecl)
		if !ok || block.Tok != token.CONST || !begins(block.Specs[0].(*ast.ValueSpec), of) {
			continue
		}
		for _, spec := range block.Specs {
			constant := spec.(*ast.ValueSpec)
			text := strings.Join(strings.Fields(constant.Doc.Text()), " ")
			text = strings.TrimPrefix(text, constant.Names[0].Name)
			says = append(says, strings.TrimSuffix(strings.TrimLeft(text, ": "), "."))
		}
	}
	require.NotEmpty(t, says, "no constants of %s in %s", of, file)
	return says
}

func begins(constant *ast.ValueSpec, of string) bool {
	kind, typed := constant.Type.(*ast.Ident)
	return typed && kind.Name == of || strings.HasPrefix(constant.Names[0].Name, of)
}
