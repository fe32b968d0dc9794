package state_test

import (
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"tuma/internal/airtime"
	"tuma/internal/routing"
	"tuma/internal/state"
)

// lowFloat is the guard of low floats, for the campaigns whose names begin with float.
func lowFloat() routing.Guard {
	g := routing.LowFloat()
	g.Conditions = ofCampaigns("float*")
	return g
}

func TestFloats(t *testing.T) {
	t.Parallel()
	runScenarios(t, map[string]scenario{
		"what goes beyond a float is held, until another balance": floatHolds,
		"what comes back makes room":                              floatGetsBack,
		"what was debited before is no part of it":                floatSinceTheBalance,
		"who moves to another provider takes the money along":     floatFollows,
		"a provider names its balance":                            floatOfTheProvider,
		"the pace of the last hour":                               floatPace,
		"a rehearsal counts what is left":                         floatRehearsed,
		"where no balance is known nothing is held":               floatUnknown,
		"a person passes it":                                      floatPassed,
	})
}

// TestFloatsCostNothing: while no guard is about it, nothing that is done with recipients looks a
// float up, or what is spent of it.
func TestFloatsCostNothing(t *testing.T) {
	t.Parallel()
	g := newHarness(t, func(verb, text string) string {
		if strings.HasPrefix(verb, "float") {
			return text
		}
		for _, what := range []string{"function floats.known(of)", "function floats.booked(of, trait)"} {
			text = strings.Replace(text, what, what+" error('a float is looked up')", 1)
		}
		return text
	})
	g.run(func(g *harness) {
		g.setFloat(lipad, 50)
		g.accept(asked(to("a", 1, 7, 10), "budget"))
		b := g.begin(lipad)
		g.record(b, airtime.Accepted, "")
		g.observeMembers(b, airtime.Failed, 2)
		require.Equal(g.t, 2, g.releaseDue())
		require.Zero(g.t, g.left(lipad))
		_, err := g.s.Accept(background, []state.Disbursal{asked(to("b", 8, 1, 10), "float")})
		require.ErrorContains(g.t, err, "a float is looked up", "where a guard is about it")
	})
}

func kes(shillings int64) airtime.Money {
	return airtime.Money{Minor: 100 * shillings, Currency: "KES"}
}

// setFloat has a person say what is left at a provider.
func (g *harness) setFloat(provider string, shillings int64) {
	require.NoError(g.t, g.s.SetFloat(background, provider, kes(shillings), "amina", "seen there"))
}

// float is what is known of the float at a provider, which is the same in all figures.
func (g *harness) float(provider string) state.Float {
	list, err := g.s.Floats(background)
	require.NoError(g.t, err)
	require.Equal(g.t, list, g.figures().Floats)
	for _, f := range list {
		if f.Provider == provider {
			return f
		}
	}
	require.Fail(g.t, "no float is known", provider)
	return state.Float{}
}

// left is what is left at a provider, in shillings.
func (g *harness) left(provider string) int64 { return g.float(provider).Left() / 100 }

func floatHolds(g *harness) {
	g.setFloat(lipad, 50)
	g.accept(asked(to("a", 1, 4, 10), "float"), asked(to("b", 5, 3, 10), "float-2"))
	require.Equal(g.t, map[state.Hold]int64{budget("float"): 2}, g.held())
	require.Zero(g.t, g.left(lipad))
	require.Zero(g.t, g.releaseDue(), "nothing has changed")
	until := rows(g.t, g.s, "b")[2].ReleaseAt
	require.True(g.t, until.IsZero(), "nobody knows when there is more")
	counted, err := g.s.Client().Keys(background, g.s.Key("charges", "*")).Result()
	require.NoError(g.t, err)
	require.Empty(g.t, counted, "the book has it")

	g.c.pass(time.Minute)
	g.setFloat(lipad, 20)
	require.EqualValues(g.t, -30, g.left(lipad), "what is queued was not debited yet")
	require.Zero(g.t, g.releaseDue())
	g.c.pass(time.Minute)
	g.setFloat(lipad, 60)
	require.Equal(g.t, 1, g.releaseDue(), "in the order of arrival, what fits")
	require.Equal(g.t, map[state.Hold]int64{budget("float"): 1}, g.held())
	b := g.begin(lipad)
	g.record(b, airtime.Accepted, "")
	g.c.pass(time.Minute)
	g.setFloat(lipad, 10)
	require.Equal(g.t, 1, g.releaseDue(), "what is debited counts no more")
	require.Empty(g.t, g.held())
	require.Equal(g.t, []string{
		`amina float_set lipad balance="KES 50.00" note="seen there"`,
		`amina float_set lipad balance="KES 20.00" note="seen there"`,
		`amina float_set lipad balance="KES 60.00" note="seen there"`,
		`amina float_set lipad balance="KES 10.00" note="seen there"`,
	}, audit(g.t, g.s))
}

func floatGetsBack(g *harness) {
	g.setFloat(lipad, 30)
	g.accept(asked(to("a", 1, 3, 10), "float"))
	b := g.begin(lipad)
	g.accept(asked(to("b", 4, 2, 10), "float"))
	require.Equal(g.t, map[state.Hold]int64{budget("float"): 2}, g.held())
	g.record(b, airtime.Unknown, airtime.ReasonTimeout)
	require.Zero(g.t, g.left(lipad), "what is in doubt may be paid")
	require.Zero(g.t, g.releaseDue())
	g.observeMembers(b, airtime.Failed, 1)
	require.EqualValues(g.t, 10, g.left(lipad))
	require.Equal(g.t, 1, g.releaseDue())
	g.observeMembers(b, airtime.Refunded, 2)
	require.Equal(g.t, 1, g.releaseDue())
	require.Empty(g.t, g.held())
}

func floatSinceTheBalance(g *harness) {
	g.accept(to("a", 1, 2, 10))
	g.record(g.begin(lipad), airtime.Accepted, "")
	g.accept(to("b", 3, 1, 10))
	lost := g.begin(lipad)
	g.accept(to("c", 4, 1, 10))
	g.setFloat(lipad, 100)
	f := g.float(lipad)
	require.EqualValues(g.t, 2000, f.Spent, "what is queued, and what is on the wire")
	require.EqualValues(g.t, 1000, f.Queued)
	require.Equal(g.t, []any{"amina", "seen there"}, []any{f.Who, f.Note})
	g.record(lost, airtime.Accepted, "")
	require.EqualValues(g.t, 80, g.left(lipad))
	g.accept(to("d", 5, 1, 10))
	require.EqualValues(g.t, 70, g.left(lipad))
}

func floatFollows(g *harness) {
	g.setFloat(lipad, 100)
	g.setFloat(quicksms, 100)
	g.accept(asked(to("a", 1, 3, 10), "float"))
	require.EqualValues(g.t, 70, g.left(lipad))
	g.pause(lipad, time.Hour)
	list, _, err := g.s.Stranded(background, lipad, 0, 100)
	require.NoError(g.t, err)
	var onward []state.Onward
	for _, stranded := range list {
		onward = append(onward, state.Onward{Stranded: stranded, Provider: quicksms})
	}
	moved, _, err := g.s.Reroute(background, lipad, onward)
	require.NoError(g.t, err)
	require.Equal(g.t, 3, moved)
	require.EqualValues(g.t, 100, g.left(lipad))
	require.EqualValues(g.t, 70, g.left(quicksms))
}

// accounts are those whose balances are asked for.
var floatAccounts = []state.FloatAccount{{Provider: talking, Currency: "KES"}}

// lookAtFloats begins to ask, unless another process has.
func (g *harness) lookAtFloats() (state.FloatLook, bool) {
	look, first, err := g.s.LookAtFloats(background, time.Minute, floatAccounts)
	require.NoError(g.t, err)
	return look, first
}

func floatOfTheProvider(g *harness) {
	g.accept(through(to("a", 1, 2, 10), talking))
	paid := g.begin(talking)
	look, first := g.lookAtFloats()
	require.True(g.t, first)
	_, first = g.lookAtFloats()
	require.False(g.t, first, "another process asks")
	g.record(paid, airtime.Accepted, "")
	require.NoError(g.t, g.s.KeepBalance(background, look, talking, kes(100)))
	require.EqualValues(g.t, 80, g.left(talking), "the balance may be from before")
	require.Empty(g.t, g.float(talking).Who)
	require.Empty(g.t, audit(g.t, g.s), "nobody decided")

	g.c.pass(time.Minute)
	late, first := g.lookAtFloats()
	require.True(g.t, first)
	g.c.pass(time.Second)
	g.setFloat(talking, 500)
	require.NoError(g.t, g.s.KeepBalance(background, late, talking, kes(100)))
	require.EqualValues(g.t, 490, g.left(talking), "a person has looked since")
	err := g.s.KeepBalance(background, late, talking, airtime.Money{Minor: 100, Currency: "UGX"})
	require.ErrorContains(g.t, err, "in which africastalking pays nobody")
	list, err := g.s.Floats(background)
	require.NoError(g.t, err)
	require.Len(g.t, list, 1)
}

func floatPace(g *harness) {
	g.setFloat(talking, 1000)
	_, dry := g.float(talking).RunsDry()
	require.False(g.t, dry, "no pace is known")
	g.lookAtFloats()
	for range 14 {
		g.accept(through(to(token(), 1, 1, 10), talking))
		g.c.pass(5 * time.Minute)
		g.lookAtFloats()
	}
	f := g.float(talking)
	require.EqualValues(g.t, 12000, f.PerHour, "of the last hour")
	in, dry := f.RunsDry()
	require.True(g.t, dry)
	require.Equal(g.t, 430*time.Minute, in, "KES 860 at KES 120 an hour")
	g.c.pass(time.Hour + time.Minute)
	_, dry = g.float(talking).RunsDry()
	require.False(g.t, dry, "nobody has looked lately")
	g.setFloat(talking, 0)
	in, dry = g.float(talking).RunsDry()
	require.True(g.t, dry)
	require.Zero(g.t, in)
}

func floatRehearsed(g *harness) {
	g.setFloat(lipad, 50)
	var rehearsal state.Rehearsal
	for i, want := range []int64{0, 1} {
		got, err := g.s.Rehearse(background,
			[]state.Disbursal{asked(to("a", 1+3*i, 3, 10), "float")}, &rehearsal)
		require.NoError(g.t, err)
		var n int64
		for _, held := range got.Held {
			require.Equal(g.t, budget("float"), held.Hold)
			n += held.Recipients
		}
		require.Equal(g.t, want, n)
	}
	require.EqualValues(g.t, 50, g.left(lipad))
}

func floatUnknown(g *harness) {
	g.setFloat(quicksms, 0)
	g.accept(asked(to("a", 1, 3, 10), "float"))
	require.Empty(g.t, g.held())
	list, err := g.s.Floats(background)
	require.NoError(g.t, err)
	require.Len(g.t, list, 1)
}

func floatPassed(g *harness) {
	g.setFloat(lipad, 10)
	g.accept(asked(to("a", 1, 3, 10), "float"))
	require.Equal(g.t, map[state.Hold]int64{budget("float"): 2}, g.held())
	got, err := g.release(state.Release{Name: "a", Reason: airtime.ReasonBudget, Who: "wanjiku"})
	require.NoError(g.t, err)
	require.Equal(g.t, 2, got.Queued)
	require.EqualValues(g.t, -20, g.left(lipad))
}
