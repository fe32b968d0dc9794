package state_test

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"reflect"
	"regexp"
	"runtime"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/redis/go-redis/v9"
	"github.com/stretchr/testify/require"

	"tuma/internal/state"
	"tuma/internal/test/proctest"
)

// faulty is put in front of every script. The call of Redis whose number stands in the key
// "fault:" and the namespace fails, counted up to the first that writes. With "dry" there, that one
// fails and tells its number. After it nothing is read any more: what could fail has been done.
const faulty = `local redis = (function(real)
  local WRITES = {APPEND = 1, DEL = 1, HDEL = 1, HSET = 1, LPOP = 1, LPUSH = 1, LREM = 1, MSET = 1,
    PERSIST = 1, PEXPIRE = 1, RPUSH = 1, SADD = 1, SET = 1, SETRANGE = 1, SREM = 1, XADD = 1,
    XDEL = 1, ZADD = 1, ZREM = 1}
  local fault, calls, wrote = real.call('GET', 'fault:' .. KEYS[1]), 0, false
  local function call(command, ...)
    calls = calls + 1
    if wrote and not WRITES[command] then error(command .. ' after the first write') end
    if not wrote and WRITES[command] and fault == 'dry' then error('dry VERB ' .. calls) end
    if not wrote and tostring(calls) == fault then error('the fault') end
    wrote = wrote or WRITES[command]
    return real.call(command, ...)
  end
  return {call = call, pcall = real.pcall, sha1hex = real.sha1hex}
end)(redis)
`

func withFaults(verb, text string) string {
	return strings.Replace(faulty, "VERB", verb, 1) + text
}

// faults is a go-redis hook that calls every script with a fault at each of its steps before it
// lets it pass.
type faults struct {
	t     *testing.T
	s     *state.Store
	steps map[string]int // By verb.
	wrote string         // What a script that failed had changed.
}

// DialHook leaves dialling alone.
func (f *faults) DialHook(next redis.DialHook) redis.DialHook { return next }

// ProcessPipelineHook leaves pipelines alone: no verb runs in one.
func (f *faults) ProcessPipelineHook(next redis.ProcessPipelineHook) redis.ProcessPipelineHook {
	return next
}

var dryRun = regexp.MustCompile(`dry (\w+) (\d+)`)

// ProcessHook calls a script once for each of its steps up to the first write, and once more.
func (f *faults) ProcessHook(next redis.ProcessHook) redis.ProcessHook {
	return func(ctx context.Context, cmd redis.Cmder) error {
		if !strings.HasPrefix(cmd.Name(), "eval") || f.wrote != "" {
			return next(ctx, cmd)
		}
		fails := func(at string) string {
			fault := "fault:" + f.s.Key("state", "")
			f.s.Client().Set(ctx, fault, at, 0)
			defer f.s.Client().Del(ctx, fault)
			return fmt.Sprint(next(ctx, redis.NewCmd(ctx, cmd.Args()...)))
		}
		if dry := dryRun.FindStringSubmatch(fails("dry")); dry != nil {
			before := everything(f.t, f.s)
			last, _ := strconv.Atoi(dry[2])
			for step := 1; step <= last && f.wrote == ""; step++ {
				if got := fails(strconv.Itoa(step)); !strings.Contains(got, "the fault") {
					f.wrote = fmt.Sprintf("%s has no step %d: %s", dry[1], step, got)
				}
			}
			f.steps[dry[1]] += last
			if diff := cmp.Diff(before, everything(f.t, f.s)); diff != "" {
				f.wrote = fmt.Sprintf("%v: %s", cmd.Args()[3:], diff)
			}
		}
		return next(ctx, cmd)
	}
}

// readers are the verbs that write nothing.
var readers = []string{"channels", "floats", "holdsdue", "load", "upcoming", "verify"}

// TestAScriptThatFailsHasWrittenNothing lets every call of Redis fail that a script makes before it
// writes, in all the states that scenarios bring about.
func TestAScriptThatFailsHasWrittenNothing(t *testing.T) {
	t.Parallel()
	proctest.LongRuns(t, "make test")
	scenarios, steps := map[string]scenario{}, map[string]int{}
	for _, scenario := range noticedBy {
		name := runtime.FuncForPC(reflect.ValueOf(scenario).Pointer()).Name()
		scenarios[name[strings.LastIndexByte(name, '.')+1:]] = scenario
	}
	scenarios["otherVerbs"] = otherVerbs
	var mu sync.Mutex
	t.Run("scenarios", func(t *testing.T) {
		for name, scenario := range scenarios {
			t.Run(name, func(t *testing.T) {
				t.Parallel()
				g := newHarness(t, withFaults)
				f := &faults{t: t, s: g.s, steps: map[string]int{}}
				g.s.Client().AddHook(f)
				g.run(scenario)
				require.Empty(t, f.wrote)
				mu.Lock()
				defer mu.Unlock()
				for verb, n := range f.steps {
					steps[verb] += n
				}
			})
		}
	})
	for verb := range state.ScriptTexts(state.Options{}) {
		if !slices.Contains(readers, verb) {
			require.Positive(t, steps[verb], verb)
		}
	}
}

var (
	luaCommand = regexp.MustCompile(`redis\.call\(([^,)]*)`)
	luaName    = regexp.MustCompile(`'(\w+)'`)
	luaOurs    = regexp.MustCompile(`function ours\.(\w+)|(\w+) = true`)
)

// TestEveryWriteIsPlanned reads the scripts: what is in none of their branches so far is a command
// that lua/include/plan.lua does not know, or a way around it.
func TestEveryWriteIsPlanned(t *testing.T) {
	t.Parallel()
	const plan, end = "lua/include/plan.lua", "lua/include/end.lua"
	known := map[string]bool{}
	for _, m := range luaOurs.FindAllStringSubmatch(readLua(t, plan), -1) {
		known[m[1]+m[2]] = true
	}
	files, err := filepath.Glob("lua/*/*.lua")
	require.NoError(t, err)
	for _, name := range files {
		text := readLua(t, name)
		if name == plan {
			continue
		}
		for _, call := range luaCommand.FindAllStringSubmatch(text, -1) {
			names := luaName.FindAllStringSubmatch(call[1], -1)
			require.NotEmpty(t, names, "%s: %s names no command", name, call[0])
			for _, m := range names {
				require.True(t, known[m[1]], "%s: %s is not planned", name, m[1])
			}
		}
		for _, around := range []string{"pcall", "_G", "getfenv", "real."} {
			require.NotContains(t, text, around, name)
		}
		require.Equal(t, name == end, strings.Contains(text, "perform("),
			"%s: only %s writes", name, end)
	}
}

func readLua(t *testing.T, name string) string {
	t.Helper()
	text, err := os.ReadFile(name)
	require.NoError(t, err)
	return string(text)
}

// otherVerbs calls what no other scenario does.
func otherVerbs(g *harness) {
	require.NoError(g.t, g.s.KeepRules(background, state.Rules{"rules": "digest"}))
	_, err := g.s.OpenImport(background, state.Manifest{Reference: "i", ContentHash: "h", Rows: 1})
	require.NoError(g.t, err)
	require.NoError(g.t, g.s.Agree(background, "north"))
}
