package logs_test

import (
	"go/ast"
	"go/parser"
	"go/token"
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

// kinds are the fields that lines may have: values whose type says what they are, and errors. Any
// and its like would take whatever they are given.
var kinds = []string{
	"Bool", "Duration", "Error", "Int", "Int64", "NamedError", "String", "Stringer", "Strings",
}

// lineLevels are the methods of a logger that write a line.
var lineLevels = []string{"Debug", "Info", "Warn", "Error", "Log", "DPanic", "Panic", "Fatal"}

// site is one place in the code.
type site struct{ where, what string }

// found is what the code logs.
type found struct {
	keys  map[string]string // To one of the places.
	wrong []site
}

// look collects what one file logs.
func (f *found) look(fset *token.FileSet, file *ast.File) {
	ast.Inspect(file, func(node ast.Node) bool {
		call, isCall := node.(*ast.CallExpr)
		if !isCall {
			return true
		}
		method, isMethod := call.Fun.(*ast.SelectorExpr)
		if !isMethod {
			return true
		}
		where, name := fset.Position(call.Pos()).String(), method.Sel.Name
		switch on := lastName(method.X); {
		case on == "zap" && name == "Error":
			f.keys["error"] = where
		case on == "zap" && (len(call.Args) == 2 || name == "Inline") && name[0] <= 'Z':
			f.field(where, name, call.Args[0])
		case strings.HasSuffix(strings.ToLower(on), "log") && slices.Contains(lineLevels, name):
			f.message(where, name, call.Args)
		}
		return true
	})
}

// lastName is the last name of an expression: Log of s.o.Log.
func lastName(x ast.Expr) string {
	switch x := x.(type) {
	case *ast.Ident:
		return x.Name
	case *ast.SelectorExpr:
		return x.Sel.Name
	}
	return ""
}

func (f *found) field(where, kind string, key ast.Expr) {
	literal, isLiteral := key.(*ast.BasicLit)
	switch {
	case !slices.Contains(kinds, kind):
		f.wrong = append(f.wrong, site{where, "a field of kind zap." + kind})
	case !isLiteral:
		f.wrong = append(f.wrong, site{where, "a key that is no literal"})
	default:
		text, _ := strconv.Unquote(literal.Value)
		f.keys[text] = where
	}
}

// message wants the same words each time: what changes stands in fields.
func (f *found) message(where, name string, arguments []ast.Expr) {
	if name == "Log" && len(arguments) > 0 {
		arguments = arguments[1:] // The level.
	}
	if len(arguments) == 0 || !constant(arguments[0]) {
		f.wrong = append(f.wrong, site{where, "a message that is not always the same"})
	}
}

func constant(x ast.Expr) bool {
	if sum, isSum := x.(*ast.BinaryExpr); isSum {
		return constant(sum.X) && constant(sum.Y)
	}
	_, isLiteral := x.(*ast.BasicLit)
	return isLiteral
}

// inTheCode looks at all programs; the root is two folders up.
func inTheCode(t *testing.T) *found {
	t.Helper()
	f, fset := &found{keys: map[string]string{}}, token.NewFileSet()
	for _, folder := range []string{"../../cmd", "../../internal"} {
		require.NoError(t, filepath.WalkDir(folder, func(path string, _ fs.DirEntry, err error) error {
			if err != nil || !strings.HasSuffix(path, ".go") || strings.HasSuffix(path, "_test.go") ||
				path == "../../internal/logs/logs.go" {
				return err
			}
			file, err := parser.ParseFile(fset, path, nil, parser.SkipObjectResolution)
			if err == nil {
				f.look(fset, file)
			}
			return err
		}))
	}
	return f
}

// listed finds the keys in the table of docs/observability.md.
var listed = regexp.MustCompile("(?m)^\\| `([a-z_]+)` \\|")

// TestThePageListsEveryKey, and no other: whoever searches the logs relies on them.
func TestThePageListsEveryKey(t *testing.T) {
	t.Parallel()
	page, err := os.ReadFile("../../docs/observability.md")
	require.NoError(t, err)
	_, section, _ := strings.Cut(string(page), "\n### Keys\n")
	section, _, _ = strings.Cut(section, "\n### ")
	code := inTheCode(t)
	onPage := map[string]bool{}
	for _, match := range listed.FindAllStringSubmatch(section, -1) {
		require.False(t, onPage[match[1]], "%s is listed twice", match[1])
		onPage[match[1]] = true
		require.Contains(t, code.keys, match[1], "docs/observability.md lists a key that nothing logs")
	}
	for key, where := range code.keys {
		require.True(t, onPage[key], "%s logs the key %s: add it to docs/observability.md", where, key)
	}
}

// TestLinesAreMadeOfKnownParts: constant messages, literal keys, fields that say what they hold.
func TestLinesAreMadeOfKnownParts(t *testing.T) {
	t.Parallel()
	require.Empty(t, inTheCode(t).wrong)
}

func TestTheSearchSeesWhatIsWrong(t *testing.T) {
	t.Parallel()
	source := `package p
func f() {
	s.o.Log.Info("fine", zap.String("a", x), zap.Error(err))
	log.Warn("for " + name)
	a.Log.Log(level, fmt.Sprint(x), zap.Any("b", x), zap.String(key, x))
}`
	fset := token.NewFileSet()
	file, err := parser.ParseFile(fset, "p.go", source, parser.SkipObjectResolution)
	require.NoError(t, err)
	f := &found{keys: map[string]string{}}
	f.look(fset, file)
	require.Len(t, f.keys, 2)
	require.Len(t, f.wrong, 4)
}
