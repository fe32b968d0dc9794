package tidy

import (
	"maps"
	"path"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

// module is the name that go.mod gives to this repository.
const module = "tuma/"

const (
	asynq     = "github.com/hibiken/asynq"
	asynqmon  = "github.com/hibiken/asynqmon"
	goRedis   = "github.com/redis/go-redis/v9"
	miniredis = "github.com/alicebob/miniredis/v2"
	phones    = "github.com/nyaruka/phonenumbers"
	assertion = "github.com/stretchr/testify/assert"
)

// actors are the packages that act on the state.
var actors = []string{"internal/tasks", "internal/callback", "internal/intake"}

// arrow forbids packages of one folder to import others, directly or through packages of ours.
type arrow struct {
	from  string
	never []string
	// tests says that the folder's tests may not import them either.
	tests bool
	why   string
}

// arrows are the forbidden directions. .golangci.yaml repeats them for editors.
var arrows = []arrow{
	{
		from:  "internal/providers",
		never: []string{"internal/state", goRedis, asynq},
		tests: true,
		why:   "adapters report facts: they know neither the store nor the queue",
	}, {
		from:  "internal/providers",
		never: append([]string{"internal/sandbox"}, actors...),
		why:   "adapters are below the tasks, and the simulator is a second reading",
	}, {
		from:  "internal/state",
		never: []string{asynq, "internal/providers/"},
		tests: true,
		why: "the state is the truth, the queue is only a trigger; it knows the contract of the " +
			"providers, and no adapter",
	}, {
		from:  "internal/state",
		never: append([]string{"internal/sandbox"}, actors...),
		why:   "the state is below whatever acts on it",
	}, {
		from: "internal/redisconn",
		never: append([]string{
			"internal/state", "internal/config", "internal/providers", asynq,
		}, actors...),
		why: "a connection knows nothing of what it is for",
	}, {
		from: "internal/routing",
		never: append([]string{
			"internal/state", "internal/config", "internal/providers/", goRedis, asynq,
		}, actors...),
		why: "who takes a recipient follows from rules and capabilities alone",
	}, {
		from:  "internal/sandbox",
		never: []string{"internal/providers"},
		tests: true,
		why:   "two independent readings of the providers' pages find each other's mistakes",
	}, {
		from:  "internal/sandbox",
		never: append([]string{"internal/state", goRedis, asynq}, actors...),
		why:   "a provider knows nothing about us",
	}, {
		from:  "internal/tasks",
		never: []string{"internal/sandbox"},
		why:   "nothing that sends money depends on a simulator",
	}, {
		from:  "internal/callback",
		never: []string{"internal/sandbox"},
		why:   "nothing that settles money depends on a simulator",
	}, {
		from:  "internal/intake",
		never: []string{"internal/sandbox"},
		why:   "nothing that takes money depends on a simulator",
	}, {
		from: "internal/webhook",
		never: append([]string{
			"internal/state", "internal/config", "internal/providers", goRedis, asynq,
		}, actors...),
		why: "what posts a result reports what came of it, and keeps nothing",
	}, {
		from:  "internal/config",
		never: append([]string{"internal/state", "internal/sandbox"}, actors...),
		why:   "settings are read before there is anything else",
	},
}

// reserved is an import that only some folders may have. Unless tests is set, tests are free.
type reserved struct {
	what  string
	only  []string
	tests bool
	why   string
}

// toTestsOnly is why programs do without the harnesses.
const toTestsOnly = "test harnesses stay out of the programs"

var reservations = []reserved{
	{
		what: asynq,
		// bench/peer is what Tuma is held against; docs/producers are other people's services.
		only: []string{"internal/tasks", "bench/peer", "docs/producers"},
		why:  "only internal/tasks speaks asynq",
	},
	{
		what: asynqmon,
		only: []string{"internal/monitor"},
		why:  "only internal/monitor serves the dashboard",
	},
	{
		what: goRedis,
		// internal/tasks looks after asynq's queues; the others are a harness, what looks from outside
		// and other people's services.
		only: []string{
			"internal/redisconn", "internal/state", "internal/tasks", "internal/test/redistest", "bench",
			"docs/producers",
		},
		why: "only internal/state speaks Redis, and internal/tasks about the queues",
	},
	{what: miniredis, only: []string{"cmd/sandbox"}, why: "the embedded Redis is for the demo"},
	{what: assertion, tests: true, why: "use require: what goes on after a failure misleads"},
	{
		what: "internal/providers/catalog/catalogtest",
		only: []string{"internal/providers/catalog/catalogtest"},
		why:  toTestsOnly,
	},
	{what: "internal/state/statetest", only: []string{"internal/state/statetest"}, why: toTestsOnly},
	{what: "internal/test", only: []string{"internal/test", "bench"}, why: toTestsOnly},
}

// imports is what each folder of Go code imports: folder → import → a place, path:line.
type imports map[string]map[string]string

func (i imports) add(folder, imported, place string) {
	if i[folder] == nil {
		i[folder] = map[string]string{}
	}
	i[folder][imported] = place
}

// readImports returns the imports of code and of tests. Packages of ours are named by folder.
func readImports(files []file) (code, tests imports) {
	code, tests = imports{}, imports{}
	for _, f := range files {
		set, syntax := parse(f)
		if syntax == nil {
			continue
		}
		for _, spec := range syntax.Imports {
			imported, err := strconv.Unquote(spec.Path.Value)
			if err != nil {
				continue // The parser has accepted it, so this cannot be.
			}
			place := f.path + ":" + strconv.Itoa(set.Position(spec.Pos()).Line)
			into := code
			if f.isTest() {
				into = tests
			}
			into.add(path.Dir(f.path), strings.TrimPrefix(imported, module), place)
		}
	}
	return code, tests
}

// within reports whether a package is the folder or below it; of a folder that ends with a slash
// only what is below it counts.
func within(name, folder string) bool {
	return name == folder || strings.HasPrefix(name, strings.TrimSuffix(folder, "/")+"/")
}

func withinAny(name string, folders []string) bool {
	return slices.ContainsFunc(folders, func(folder string) bool { return within(name, folder) })
}

// closure returns all that a folder imports, through packages of ours too: import → the way there.
func closure(code imports, folder string) map[string]string {
	ways := map[string]string{}
	var follow func(at, way string)
	follow = func(at, way string) {
		for imported, place := range code[at] {
			if _, seen := ways[imported]; !seen {
				ways[imported] = way + place
				follow(imported, way+place+" → ")
			}
		}
	}
	follow(folder, "")
	return ways
}

// crossed lists every import that goes against an arrow.
func crossed(code, tests imports) []string {
	var found []string
	for _, a := range arrows {
		for _, folder := range folders(code, tests) {
			if !within(folder, a.from) {
				continue
			}
			ways := closure(code, folder)
			if a.tests {
				maps.Copy(ways, tests[folder])
			}
			for imported, way := range ways {
				if withinAny(imported, a.never) {
					found = append(found, way+": "+a.from+" may not reach "+imported+": "+a.why)
				}
			}
		}
	}
	return found
}

// misplaced lists every import outside of the folders that it is reserved for.
func misplaced(code, tests imports) []string {
	var found []string
	look := func(all imports, r reserved) {
		for folder, imported := range all {
			for name, place := range imported {
				if !withinAny(folder, r.only) && within(name, r.what) {
					found = append(found, place+": imports "+name+": "+r.why)
				}
			}
		}
	}
	for _, r := range reservations {
		look(code, r)
		if r.tests {
			look(tests, r)
		}
	}
	return found
}

// unclean lists the imports of the domain words that are neither the standard library's nor the
// phone number library's.
func unclean(code imports) []string {
	var found []string
	for imported, place := range code["internal/airtime"] {
		first, _, _ := strings.Cut(imported, "/")
		ours := first == "internal" || first == "cmd"
		if ours || strings.Contains(first, ".") && !within(imported, phones) {
			found = append(found, place+": internal/airtime imports "+imported+
				": it is the leaf, with the standard library and the phone numbers only")
		}
	}
	return found
}

func folders(code, tests imports) []string {
	all := slices.AppendSeq(slices.Collect(maps.Keys(code)), maps.Keys(tests))
	slices.Sort(all)
	return slices.Compact(all)
}

func TestArrowsPointOneWay(t *testing.T) {
	t.Parallel()
	code, tests := readImports(tree(t))
	require.Contains(t, code, "internal/airtime", "the tree was read")
	found := slices.Concat(crossed(code, tests), misplaced(code, tests), unclean(code))
	slices.Sort(found)
	for _, f := range found {
		t.Errorf("%s (arrows)", f)
	}
}
