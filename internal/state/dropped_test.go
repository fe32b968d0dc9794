package state_test

import (
	"slices"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"tuma/internal/airtime"
	"tuma/internal/providers"
	"tuma/internal/state"
)

// A provider is taken out of the settings, and the program does not know it either: what is there
// is swept, shown and decided like everything else, and goes on when it comes back.
func TestAProviderThatNobodyKnows(t *testing.T) {
	t.Parallel()
	runScenarios(t, map[string]scenario{
		"what is there ends by a person": droppedAndDecided,
		"its code stays its own":         droppedKeepsItsCode,
		"its code is kept once":          droppedIsKeptOnce,
	})
}

// reopen goes on as a program that knows other providers.
func (g *harness) reopen(known ...providers.Capabilities) {
	o := g.s.Options()
	o.Providers = known
	g.s = simulated(openWith(g.t, o), g.edit)
	g.c.store = g.s
}

func allBut(name string) []providers.Capabilities {
	return slices.DeleteFunc(slices.Clone(testProviders), func(p providers.Capabilities) bool {
		return p.Name == name
	})
}

func droppedAndDecided(g *harness) {
	g.accept(through(disbursal("sent", 3), joint))
	b := g.begin(joint)
	g.accept(through(shifted("claimed", 10, 1), joint))
	g.claim(joint, 1000)
	g.accept(through(shifted("queued", 20, 1), joint))
	g.reopen(allBut(joint)...)
	for ref, status := range map[string]airtime.Status{
		"claimed": airtime.Queued, "queued": airtime.Queued,
	} {
		g.stands(ref, joint, status)
	}
	g.c.pass(10 * time.Minute)
	swept := g.sweep(joint)
	require.Equal(g.t, []int{1, 1}, []int{swept.Returned, swept.InDoubt})
	g.stands("claimed", joint, airtime.Queued)
	doubtful := rows(g.t, g.s, "sent")
	observe(g.t, g.s, b.ID, airtime.Failed, 2)
	resolve(g.t, g.s, state.Decision{Paid: true}, doubtful[0])
	resolve(g.t, g.s, state.Decision{Resubmit: true}, doubtful[1])
	require.Equal(g.t, map[airtime.Status]int64{
		airtime.Successful: 1, airtime.Queued: 1, airtime.Failed: 1,
	}, statuses(g.t, g.s, "sent"))
	require.Equal(g.t, joint, rows(g.t, g.s, "sent")[0].Provider)
	require.EqualValues(g.t, 3, g.channel(joint).Pending)
	left, err := g.s.Client().Exists(background, g.s.Key("out", joint)).Result()
	require.NoError(g.t, err)
	require.Zero(g.t, left, "nobody is on the way there")
	balanced(g.t, g.s)

	g.reopen(testProviders...)
	require.Len(g.t, g.begin(joint).Members, 3)
}

func droppedKeepsItsCode(g *harness) {
	g.accept(someone("a", joint))
	before := dumps(g.t, g.s)
	g.reopen(append(allBut(joint), providers.Capabilities{Name: "newcomer", Code: 'J'})...)
	_, err := g.s.Accept(background, []state.Disbursal{someone("b", "newcomer")})
	require.ErrorIs(g.t, err, state.ErrLayout)
	require.ErrorContains(g.t, err, "joint")
	_, err = g.s.Sweep(background, joint)
	require.ErrorIs(g.t, err, state.ErrLayout)
	require.Equal(g.t, before, dumps(g.t, g.s))
	g.reopen(testProviders...)
}

// droppedIsKeptOnce: only a program that knows less than the state reads what it does not know.
func droppedIsKeptOnce(g *harness) {
	kept := func() string {
		sum, err := g.s.Client().HGet(background, g.s.Key("state", ""), "codes").Result()
		require.NoError(g.t, err)
		return sum
	}
	all := state.SumOfCodes(g.s.Options())
	g.accept(someone("a", joint))
	require.Equal(g.t, all, kept())
	g.reopen(allBut(joint)...)
	g.accept(someone("b", lipad))
	require.Equal(g.t, all, kept())
	g.reopen(testProviders[0], providers.Capabilities{Name: "newcomer", Code: 'N'})
	g.accept(someone("c", "newcomer"))
	more := append(slices.Clone(testProviders), providers.Capabilities{Name: "newcomer", Code: 'N'})
	require.Equal(g.t, state.SumOfCodes(state.Options{Providers: more}), kept())
	g.reopen(more...)
}
