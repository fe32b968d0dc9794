package tidy

import (
	"fmt"
	"go/ast"
	"go/parser"
	"go/token"
	"path"
	"slices"
	"strings"
	"sync"
)

// parsed is a file as parse has read it; several rules look at the same one.
type parsed struct {
	set    *token.FileSet
	syntax *ast.File
}

var parses sync.Map // From file to a function that returns its parsed.

// parse returns the syntax tree, or nil for what is not ours to judge. A file that cannot be parsed
// is the compiler's to report.
func parse(f file) (*token.FileSet, *ast.File) {
	if f.foreign() || !f.is(".go") {
		return nil, nil
	}
	read, _ := parses.LoadOrStore(f, sync.OnceValue(func() parsed {
		set := token.NewFileSet()
		syntax, err := parser.ParseFile(set, f.path, f.text, parser.SkipObjectResolution)
		if err != nil {
			return parsed{}
		}
		return parsed{set, syntax}
	}))
	p := read.(func() parsed)()
	return p.set, p.syntax
}

// functionLength limits functions, from the line of func to that of the closing brace.
func functionLength(f file) []finding {
	set, syntax := parse(f)
	if syntax == nil {
		return nil
	}
	var found []finding
	for _, declaration := range syntax.Decls {
		function, ok := declaration.(*ast.FuncDecl)
		if !ok {
			continue
		}
		first, last := set.Position(function.Pos()).Line, set.Position(function.End()).Line
		if lines := last - first + 1; lines > functionsLimit {
			what := fmt.Sprintf("function %s has %d lines, at most %d",
				function.Name.Name, lines, functionsLimit)
			found = append(found, finding{first, what})
		}
	}
	return found
}

// vague are names that say nothing about what is inside.
var vague = []string{
	"util", "utils", "utilities", "common", "helper", "helpers", "misc", "shared", "lib", "base",
}

// packageNames refuses packages and folders of Go code with a vague name.
func packageNames(f file) []finding {
	set, syntax := parse(f)
	if syntax == nil {
		return nil
	}
	names := append(strings.Split(path.Dir(f.path), "/"), syntax.Name.Name)
	for _, name := range names {
		if slices.Contains(vague, strings.TrimSuffix(name, "_test")) {
			what := fmt.Sprintf("package name %q says nothing: name what it is about", name)
			return []finding{{set.Position(syntax.Name.Pos()).Line, what}}
		}
	}
	return nil
}

// environmentReaders are the functions of package os that read the environment.
var environmentReaders = []string{"Getenv", "LookupEnv", "Environ", "ExpandEnv"}

// environment keeps the reading of the environment in internal/config, which reports all problems
// at once. Tests may look at theirs.
func environment(f file) []finding {
	set, syntax := parse(f)
	if syntax == nil || f.isTest() || path.Dir(f.path) == "internal/config" {
		return nil
	}
	var found []finding
	ast.Inspect(syntax, func(node ast.Node) bool {
		selector, ok := node.(*ast.SelectorExpr)
		if !ok || !slices.Contains(environmentReaders, selector.Sel.Name) {
			return true
		}
		if name, ok := selector.X.(*ast.Ident); ok && name.Name == "os" {
			what := "only internal/config reads the environment: os." + selector.Sel.Name
			found = append(found, finding{set.Position(node.Pos()).Line, what})
		}
		return true
	})
	return found
}
