package state_test

import (
	"fmt"
	"sync/atomic"
	"testing"

	"github.com/alicebob/miniredis/v2"
	"pgregory.net/rapid"

	"tuma/internal/redisconn"
	"tuma/internal/state"
)

const modelStart = 1_700_000_000_000

var namespaces atomic.Int64

// property returns a property that runs random verbs against a store and the model. Every run has a
// namespace of its own.
func property(t testing.TB, edit state.ScriptEdit) func(*rapid.T) {
	t.Helper()
	return propertyOf(open(t, modelOptions), edit)
}

func modelOptions(o *state.Options) {
	o.MaxInFlight, o.Providers = modelSlots, modelProviders
}

// propertyOf is a property of one store.
func propertyOf(root *state.Store, edit state.ScriptEdit) func(*rapid.T) {
	hook := &echo{}
	root.Client().AddHook(hook)
	root = simulated(root, edit)
	return func(rt *rapid.T) {
		x := &machine{
			t: rt, echo: hook, store: root.In(fmt.Sprintf("model%d", namespaces.Add(1))),
			providers: rapid.SampledFrom([][]string{
				{"lipad"}, {"quicksms"}, {"lipad", "quicksms"}, {"lipad", "quicksms"},
			}).Draw(rt, "providers"),
			honest: rapid.Bool().Draw(rt, "honest"),
		}
		x.model = newModel(modelStart, x.providers)
		setClock(rt, x.store, x.now)
		rt.Repeat(x.actions())
	}
}

func TestRandomVerbsKeepTheInvariants(t *testing.T) {
	t.Parallel()
	for i := range 2 {
		t.Run(fmt.Sprint(i), func(t *testing.T) {
			t.Parallel()
			run := property(t, nil)
			rapid.Check(t, run)
		})
	}
}

// miniredisRuns is how many runs the embedded Redis of the demo gets: it compiles scripts anew.
const miniredisRuns = 8

func TestRandomVerbsOnTheEmbeddedRedis(t *testing.T) {
	t.Parallel()
	o := state.Options{
		Options: redisconn.Options{URL: "redis://" + miniredis.RunT(t).Addr()}, AllowVolatile: true,
	}
	modelOptions(&o)
	run, runs := propertyOf(openWith(t, o), nil), 0
	rapid.Check(t, func(rt *rapid.T) {
		if runs++; runs <= miniredisRuns {
			run(rt)
		}
	})
}
