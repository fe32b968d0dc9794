package tidy

import (
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

const goodLua = `-- claim: draw one batch.
-- include: keys
-- KEYS[1]: state
-- Returns: {count}

local arg, rest = arguments {
  'provider',
  'most#', -- Recipients.
}
return {redis.call('SADD', KEYS[1], arg.provider, arg.most, unpack(ARGV, rest))}
`

// function returns the source of a function with that many lines.
func function(lines int) string {
	return "package p\n\nfunc f() {\n" + strings.Repeat("\tf()\n", lines-2) + "}\n"
}

const claimLua = "internal/state/lua/commands/claim.lua"

// long is as long as a line may be.
var long = strings.Repeat("x", columnsMax)

// lua returns the good script with one thing changed.
func lua(from, to string) string { return strings.Replace(goodLua, from, to, 1) }

// samples break every rule on purpose; line is the one that is found, or zero for none.
var samples = []struct {
	name  string
	check func(file) []finding
	path  string
	text  string
	line  int
}{
	{"100 columns", columns, "a.go", long + "\n", 0},
	{"101 columns", columns, "a.go", "\n" + long + "x\n", 2},
	{"tabs count one", columns, "a.go", "\t" + long[:100] + "\n", 1},
	{"columns are runes", columns, "a.go", strings.Repeat("ü", 100) + "\n", 0},
	{"addresses", columns, "a.go", "// https://example.com/" + long + "\n", 0},
	{"test input", columns, "a/testdata/a.go", long + "x\n", 0},
	{"400 lines", fileLength, "a.go", strings.Repeat("\n", 400), 0},
	{"401 lines", fileLength, "a.go", strings.Repeat("\n", 401), 401},
	{"800 test lines", fileLength, "a_test.go", strings.Repeat("\n", 800), 0},
	{"801 test lines", fileLength, "a_test.go", strings.Repeat("\n", 801), 801},
	{"120 lines of main", fileLength, "cmd/a/main.go", strings.Repeat("\n", 120), 0},
	{"121 lines of main", fileLength, "cmd/a/main.go", strings.Repeat("\n", 121), 121},
	{"70 lines of function", functionLength, "a.go", function(70), 0},
	{"71 lines of function", functionLength, "a.go", function(71), 3},
	{"vague package", packageNames, "internal/a/a.go", "package util\n", 1},
	{"vague test package", packageNames, "internal/a/a_test.go", "package helpers_test\n", 1},
	{"vague folder", packageNames, "internal/common/x/a.go", "package x\n", 1},
	{"clear package", packageNames, "internal/airtime/a.go", "package airtime\n", 0},
	{"getenv", environment, "cmd/a/a.go", "package a\n\nvar x = os.Getenv(\"X\")\n", 3},
	{"environ", environment, "internal/a/a.go", "package a\n\nvar x = os.Environ\n", 3},
	{"config", environment, "internal/config/a.go", "package a\nvar x = os.Getenv\n", 0},
	{"getenv in a test", environment, "a/a_test.go", "package a\nvar x = os.Getenv\n", 0},
	{"marker", markers, "a.go", "package a\n// TO" + "DO: finish\n", 2},
	{"marker in code", markers, "a.go", "context.TO" + "DO()\n", 1},
	{"marker in a page", markers, "a.md", "FIX" + "ME\n", 1},
	{"no currency", markers, "a.go", `money("X` + `XX")`, 0},
	{"template", markers, "a.sh", "mktemp tuma.XX" + "XXXX\n", 0},
	{"one title", markdownTitle, "a.md", "# A\n\n## B\n\n```sh\n# comment\n```\n", 0},
	{"two titles", markdownTitle, "a.md", "# A\n\n# B\n", 3},
	{"no title", markdownTitle, "a.md", "text\n", 1},
	{"machine path", machine, "a.go", "x\n\"/wo" + "rk/tuma\"\n", 2},
	{"home of the administrator", machine, "a.sh", "ls /ro" + "ot/x\n", 1},
	{"path of an address", machine, "a.md", "https://example.com/wo" + "rk/x\n", 0},
	{"relative path", machine, "a.sh", "ls $d/wo" + "rk/x\n", 0},
	{"registry", machine, "a.sh", "\nGOPROXY=https://proxy" + "." + "golang" + "." + "org\n", 2},
	{"lua", luaHeader, claimLua, goodLua, 0},
	{"lua without keys", luaHeader, claimLua, lua("-- KEYS[1]: state\n", ""), 1},
	{"lua without returns", luaHeader, claimLua, lua("-- Returns", "-- Gives"), 1},
	{"lua without includes", luaHeader, claimLua, lua("-- include", "-- with"), 1},
	{"lua of another verb", luaHeader, claimLua, lua("-- claim", "-- begin"), 1},
	{"lua unread", luaHeader, claimLua, lua("arg.most", "1"), 1},
	{"lua unnamed", luaHeader, claimLua, lua("arg.most", "arg.least"), 10},
	{"lua by number", luaHeader, claimLua, lua("arg.most", "ARGV[2]"), 10},
	{"lua late header", luaHeader, claimLua, "\n\n" + goodLua, 1},
	{"lua included", luaHeader, "internal/state/lua/include/a.lua", "-- a: x.\nlocal x = 1\n", 0},
	{"lua without a title", luaHeader, "internal/state/lua/include/a.lua", "local x = 1\n", 1},
	{"look", effects, "internal/state/a.go", body("s.client.HGet(ctx, k, f).Result()"), 0},
	{"write", effects, "internal/state/a.go", body("s.client.HSet(ctx, k, f, v)"), 4},
	{"write in an effect", effects, "internal/state/a.go", body(inEffect("s.client.Del(ctx, k)")), 0},
	{"write of a node", effects, "internal/state/a.go", body("node.Del(ctx, k)"), 4},
	{"script", effects, "internal/state/a.go", body("script.Run(ctx, s.client)"), 4},
	{"verb", effects, "internal/state/a.go", body("s.run(ctx, s.client)"), 0},
	{"pipeline of looks", effects, "internal/state/a.go", body(pipeline("HGet", "p.Exec(ctx)")), 0},
	{"pipeline of writes", effects, "internal/state/a.go", body(pipeline("HSet", "p.Exec(ctx)")), 6},
	{
		"pipeline in an effect", effects, "internal/state/a.go",
		body(pipeline("HSet", inEffect("p.Exec(ctx)"))), 0,
	},
	{"request", effects, "internal/providers/a.go", body("c.sends.RoundTrip(r)"), 4},
	{"request in an effect", effects, "internal/providers/a.go", body(inEffect("c.submit(r)")), 0},
	{"submission", effects, "internal/providers/a.go", body("c.submit(r)"), 4},
	{"trigger", effects, "internal/tasks/a.go", body("q.client.EnqueueContext(ctx, task)"), 4},
	{"trigger in an effect", effects, "internal/tasks/a.go", body(inEffect("q.client.Enqueue(t)")), 0},
	{"asserts how long", wallTime, "a/a_test.go", body("require.Less(t, time.Since(b), x)"), 4},
	{"keeps how long", wallTime, "a/a_test.go", body("took := time.Since(began)"), 4},
	{"logs how long", wallTime, "a/a_test.go", body("t.Logf(text, time.Since(began).Round(x))"), 0},
	{"asserts a difference", wallTime, "a/a_test.go", body("require.Less(t, a.Sub(b), x)"), 4},
	{"never", wallTime, "a/a_test.go", body("require.Never(t, so, x, y)"), 4},
	{"brief", wallTime, "a/a_test.go", body("require.Eventually(t, f, 59*time.Second, y)"), 4},
	{"safety net", wallTime, "a/a_test.go", body("require.Eventually(t, so, time.Minute, y)"), 0},
	{"brief context", wallTime, "a/a_test.go", body("context.WithTimeout(c, 5*time.Second)"), 4},
	{"brief timer", wallTime, "a/a_test.go", body("<-time.After(300 * time.Millisecond)"), 4},
	{"brief timeout", wallTime, "a/a_test.go", body("const testTimeout = 20 * time.Second"), 4},
	{"sleeps", wallTime, "a/a_test.go", body("time.Sleep(x)"), 4},
	{"sleeps between looks", wallTime, "a/a_test.go", body("for ; !so(); time.Sleep(x) {\n\t}"), 0},
	{"may sleep", wallTime, "internal/test/chaos/chaos_test.go", body("time.Sleep(x)"), 0},
	{"sleeps at work", wallTime, "a/a.go", body("time.Sleep(x)"), 0},
	{"a provider's name", named, "internal/a/a.go", "package a\n\nvar x = \"Lipad\"\n", 3},
	{"a name in two words", named, "internal/a/a.go", "package a\n// Of Africa's Talking.\n", 2},
	{"a name in a constant", named, "cmd/a/a.go", "package a\nvar x = c.QuickSMS\n", 2},
	{"its own name", named, "internal/providers/lipad/a.go", "package lipad\n", 0},
	{"another's name", named, "internal/providers/lipad/a.go", "package lipad\n// Sozuri\n", 2},
	{"a name in the contract", named, "internal/providers/a.go", "package a\n// Sozuri\n", 2},
	{"a name in the list", named, "internal/providers/catalog/a.go", "package a\n// Sozuri\n", 0},
	{"a name in a test", named, "internal/a/a_test.go", "package a\n// Sozuri\n", 0},
	{"a name in a page", named, "docs/a.md", "# Sozuri\n", 0},
	{"elsewhere", effects, "internal/a/a.go", body("q.client.Enqueue(t)"), 0},
}

// body returns the source of a method that does something in its fourth line.
func body(does string) string {
	return "package p\n\nfunc (s *Store) f() {\n\t" + does + "\n}\n"
}

// inEffect wraps a call in an effect.
func inEffect(does string) string {
	return "effect.Do(ctx, \"x\", func() error { return " + does + " })"
}

// pipeline gathers one command.
func pipeline(command, exec string) string {
	return "p := s.client.Pipeline()\n\tp." + command + "(ctx)\n\t" + exec
}

func TestRulesFindWhatTheyForbid(t *testing.T) {
	t.Parallel()
	for _, row := range samples {
		t.Run(row.name, func(t *testing.T) {
			t.Parallel()
			found := row.check(file{path: row.path, text: row.text})
			if row.line == 0 {
				require.Empty(t, found)
				return
			}
			require.NotEmpty(t, found)
			require.Equal(t, row.line, found[0].line, found[0].what)
		})
	}
}

// source returns a Go file that imports the given packages.
func source(path string, imported ...string) file {
	text := "package p\n\n"
	for _, name := range imported {
		text += "import _ \"" + name + "\"\n"
	}
	return file{path: path, text: text}
}

// drawing is a small tree of imports and a word of what is found in it, or nothing.
type drawing struct {
	files []file
	want  string
}

// one draws a tree of one file.
func one(want, path string, imported ...string) drawing {
	return drawing{[]file{source(path, imported...)}, want}
}

const (
	ofState     = module + "internal/state"
	ofProviders = module + "internal/providers"
	ofLipad     = module + "internal/providers/lipad"
	ofSandbox   = module + "internal/sandbox"
	ofConfig    = module + "internal/config"
	ofHarness   = module + "internal/test/proctest"
)

var drawings = map[string]drawing{
	"adapter reaches the state": {
		[]file{
			source("internal/providers/lipad/a.go", module+"internal/clock"),
			source("internal/clock/a.go", ofState),
		},
		"internal/providers/lipad/a.go:3 → internal/clock/a.go:3",
	},
	"adapter's test on Redis": one("a_test.go:3", "internal/providers/lipad/a_test.go", goRedis),
	"state speaks asynq":      one("only a trigger", "internal/state/a.go", asynq),
	"state knows adapters":    one("internal/state/a.go:3", "internal/state/a.go", ofLipad),
	"simulator's test shares": one("independent", "internal/sandbox/a_test.go", ofLipad),
	"intake speaks asynq":     one("speaks asynq", "internal/intake/a.go", asynq),
	"intake speaks Redis":     one("speaks Redis", "internal/intake/a.go", goRedis),
	"tasks know a simulator":  one("simulator", "internal/tasks/a.go", ofSandbox),
	"config knows the state":  one("settings", "internal/config/a.go", ofState),
	"worker has a dashboard":  one("dashboard", "cmd/worker/main.go", asynqmon),
	"embedded Redis at work":  one("demo", "cmd/worker/main.go", miniredis),
	"soft assertion":          one("use require", "internal/a/a_test.go", assertion),
	"harness in a program":    one("harness", "cmd/worker/a.go", ofHarness),
	"domain logs":             one("leaf", "internal/airtime/a.go", "go.uber.org/zap"),
	"domain imports ours":     one("leaf", "internal/airtime/a.go", ofConfig),
	"tasks may":               one("", "internal/tasks/a.go", asynq, goRedis, ofState, ofProviders),
	"monitor may":             one("", "internal/monitor/monitor.go", asynqmon),
	"domain may":              one("", "internal/airtime/a.go", "fmt", phones),
	"tests of intake may":     one("", "internal/intake/a_test.go", goRedis),
	"tests of tasks may":      one("", "internal/tasks/a_test.go", ofSandbox),
}

func TestArrowsFindWhatTheyForbid(t *testing.T) {
	t.Parallel()
	for name, row := range drawings {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			code, tests := readImports(row.files)
			found := slices.Concat(crossed(code, tests), misplaced(code, tests), unclean(code))
			if row.want == "" {
				require.Empty(t, found)
				return
			}
			require.Contains(t, strings.Join(found, "\n"), row.want)
		})
	}
}
