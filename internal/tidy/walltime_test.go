package tidy

import (
	"go/ast"
	"go/token"
	"maps"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

// aWhile is the least that a test waits before it gives up. Less is no safety net: a busy machine
// takes that long.
const aWhile = time.Minute

// sleepers are the tests that may sleep, and why. Nowhere do they assert how long something took,
// or how much happened meanwhile.
var sleepers = map[string]string{
	// A time passes on a machine of any speed before these look again.
	"internal/callback/outage_test.go": "what is remembered of Redis for half a second is outdated",
	"internal/state/safety_test.go":    "a claim of ten milliseconds has run out",
	"internal/state/ledger_test.go":    "ids of streams are the time of Redis itself",
	"internal/state/loading_test.go":   "Redis writes its file once a second",
	// What must not happen gets an occasion; a test that gives none passes as well.
	"internal/intake/api/access_test.go":         occasion,
	"internal/listen/listen_test.go":             occasion,
	"internal/monitor/pages_test.go":             occasion,
	"internal/ops/ops_test.go":                   occasion,
	"internal/test/proctest/death_linux_test.go": occasion,
	"internal/tasks/shutdown_test.go":            occasion,
	// Real processes are killed, frozen and kept waiting.
	"internal/doctor/redis_test.go":         fault,
	"internal/test/e2e/budget_test.go":      fault,
	"internal/test/e2e/callbacks_test.go":   fault,
	"internal/test/e2e/chaos_test.go":       fault,
	"internal/test/e2e/crash_paths_test.go": fault,
	"internal/test/e2e/freeze_test.go":      fault,
	"internal/test/e2e/recovery_test.go":    fault,
	"internal/test/e2e/safety_test.go":      fault,
	"internal/test/chaos/producers_test.go": fault,
	"internal/test/chaos/storm_test.go":     fault,
	"internal/test/chaos/chaos_test.go":     fault,
	"internal/tasks/time_test.go":           "it lets the simulated clock pass",
}

const (
	occasion = "an occasion for what must not happen"
	fault    = "the pause is the fault"
)

// measures are the functions of package time that measure, and await those that wait.
var (
	measures = []string{"Since", "Until"}
	awaits   = []string{"After", "AfterFunc", "NewTimer", "Tick", "NewTicker"}
)

// wallTime refuses tests whose outcome depends on how busy the machine is: what asserts how long
// something took, or waits for something to happen, or not to, for less than a while. Tests in a
// bubble of testing/synctest are on a simulated clock, as all of internal/test/sim is: they are let
// be.
func wallTime(f file) []finding {
	set, syntax := parse(f)
	if syntax == nil || !f.isTest() || simulated(f, syntax) {
		return nil
	}
	var found []finding
	tell := func(at ast.Node, what string) {
		found = append(found, finding{set.Position(at.Pos()).Line, what})
	}
	logged, between := map[ast.Node]bool{}, map[ast.Node]bool{}
	ast.Inspect(syntax, func(node ast.Node) bool {
		switch n := node.(type) {
		case *ast.ForStmt:
			if look, ok := n.Post.(*ast.ExprStmt); ok {
				between[look.X] = true // for …; time.Sleep(…): between two looks.
			}
		case *ast.CallExpr:
			if name := called(n); strings.HasPrefix(name, "Log") || name == "ReportMetric" {
				ast.Inspect(n, func(inner ast.Node) bool {
					logged[inner] = true
					return true
				})
			}
			if what := waits(f, n, logged[n]); what != "" && !between[n] {
				tell(n, what)
			}
		case *ast.ValueSpec:
			for i, name := range n.Names {
				if i < len(n.Values) && strings.Contains(strings.ToLower(name.Name), "testtimeout") &&
					brief(n.Values[i]) {
					tell(n, "testTimeout bounds what hangs: at least a minute")
				}
			}
		}
		return true
	})
	return found
}

// simulated reports whether a file's tests are in a bubble.
func simulated(f file, syntax *ast.File) bool {
	return within(f.path, "internal/test/sim") ||
		slices.ContainsFunc(syntax.Imports, func(i *ast.ImportSpec) bool {
			return i.Path.Value == `"testing/synctest"`
		})
}

// waits says what is wrong with a call, or nothing.
func waits(f file, call *ast.CallExpr, logged bool) string {
	name, of := called(call), receiver(call)
	args := call.Args
	switch {
	case of == "require" && (name == "Never" || name == "WithinDuration"):
		return "require." + name + " measures wall time: count, or use the simulated clock"
	case of == "require" && strings.HasPrefix(name, "Eventually") && len(args) > 2 && brief(args[2]):
		return "a deadline is a safety net of a minute or more: use testTimeout"
	case of == "time" && slices.Contains(measures, name) && !logged && !benchmark(f):
		return "time." + name + " measures wall time: count, use the simulated clock, or log it"
	case of == "time" && name == "Sleep" && sleepers[f.path] == "":
		return "a test that sleeps depends on the machine: wait for what is to come with " +
			"require.Eventually, let a simulated clock pass, or run the loop by hand"
	case of == "time" && slices.Contains(awaits, name) && len(args) > 0 && brief(args[0]):
		return "time." + name + " of less than a minute is an assertion: use testTimeout"
	case of == "context" && name == "WithTimeout" && len(args) > 1 && brief(args[1]):
		return "a deadline is a safety net of a minute or more: use testTimeout"
	case of == "require":
		for _, arg := range args {
			if inner, ok := arg.(*ast.CallExpr); ok && called(inner) == "Sub" {
				return "a difference of times measures wall time: count, or use the simulated clock"
			}
		}
	}
	return ""
}

// benchmark reports whether a file is there to measure.
func benchmark(f file) bool { return strings.Contains(f.text, "\nfunc Benchmark") }

// called is the name of the function that a call calls, receiver the name before the dot.
func called(call *ast.CallExpr) string {
	if selector, ok := call.Fun.(*ast.SelectorExpr); ok {
		return selector.Sel.Name
	}
	return ""
}

func receiver(call *ast.CallExpr) string {
	if selector, ok := call.Fun.(*ast.SelectorExpr); ok {
		if name, ok := selector.X.(*ast.Ident); ok {
			return name.Name
		}
	}
	return ""
}

// brief reports whether an expression is a duration in figures that is less than a while.
func brief(e ast.Expr) bool {
	d, ok := figure(e)
	return ok && d > 0 && time.Duration(d) < aWhile
}

var units = map[string]time.Duration{
	"Nanosecond": time.Nanosecond, "Microsecond": time.Microsecond,
	"Millisecond": time.Millisecond, "Second": time.Second, "Minute": time.Minute, "Hour": time.Hour,
}

// figure is the value of an expression of figures and units of time.
func figure(e ast.Expr) (float64, bool) {
	switch e := e.(type) {
	case *ast.BasicLit:
		value, err := strconv.ParseFloat(strings.ReplaceAll(e.Value, "_", ""), 64)
		return value, err == nil
	case *ast.SelectorExpr:
		unit, ok := units[e.Sel.Name]
		return float64(unit), ok
	case *ast.ParenExpr:
		return figure(e.X)
	case *ast.BinaryExpr:
		x, known := figure(e.X)
		y, both := figure(e.Y)
		switch {
		case !known || !both:
			return 0, false
		case e.Op == token.MUL:
			return x * y, true
		case e.Op == token.ADD:
			return x + y, true
		case e.Op == token.QUO && y != 0:
			return x / y, true
		}
	}
	return 0, false
}

// TestSleepersSleep: an exception that is not needed any more goes.
func TestSleepersSleep(t *testing.T) {
	t.Parallel()
	require.Empty(t, awake(tree(t)))
}

// awake are the entries of sleepers that do not exist, or do not sleep.
func awake(files []file) []string {
	left := maps.Clone(sleepers)
	for _, f := range files {
		if strings.Contains(f.text, "time.Sleep(") {
			delete(left, f.path)
		}
	}
	return slices.Sorted(maps.Keys(left))
}
