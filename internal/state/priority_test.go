package state_test

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"tuma/internal/airtime"
	"tuma/internal/state"
)

func TestPriorities(t *testing.T) {
	t.Parallel()
	runScenarios(t, map[string]scenario{
		"those who go first are drawn first":       urgentFirst,
		"every fourth batch is one of the others":  urgentStarvesNobody,
		"some of a disbursal go first":             urgentPart,
		"who is given back goes first again":       urgentAgain,
		"who goes first is called for":             urgentCalls,
		"who goes first is moved off a pause":      urgentMoves,
		"who was withheld goes first all the same": urgentWithheld,
	})
}

// urgent lets all recipients of a disbursal go first.
func urgent(d state.Disbursal) state.Disbursal {
	d.High = make([]bool, len(d.Recipients))
	for i := range d.High {
		d.High[i] = true
	}
	return d
}

// drawnOf claims a batch of so many at most and returns the disbursals of its members, in order.
func (g *harness) drawnOf(most int) []string {
	b, _ := g.claim(lipad, most)
	var names []string
	for _, m := range b.Members {
		names = append(names, m.Reference)
	}
	return names
}

func urgentFirst(g *harness) {
	g.accept(to("a", 1, 2, 10), urgent(to("b", 3, 2, 10)))
	g.accept(urgent(to("c", 5, 1, 10)))
	require.EqualValues(g.t, 3, g.channel(lipad).Pending)
	require.Equal(g.t, []string{"b", "b", "c", "a", "a"}, g.drawnOf(1000))
	g.idle(lipad, state.IdleEmpty)
}

func urgentStarvesNobody(g *harness) {
	g.accept(to("a", 1, 10, 10), urgent(to("b", 20, 20, 10)))
	var order []string
	for range 12 {
		order = append(order, g.drawnOf(1)...)
	}
	require.Equal(g.t, []string{"b", "b", "b", "a", "b", "b", "b", "a", "b", "b", "b", "a"}, order)
}

func urgentPart(g *harness) {
	d := to("a", 1, 5, 10)
	d.Recipients[0], d.Recipients[1] = d.Recipients[1], d.Recipients[0] // Not in the stored order.
	d.High = []bool{true, false, false, true, true}
	g.accept(to("other", 10, 2, 10), d)
	b, _ := g.claim(lipad, 3)
	var phones []string
	for _, m := range b.Members {
		phones = append(phones, m.Phone.Digits())
	}
	want := disbursal("a", 5).Recipients
	require.Equal(g.t, []string{
		want[1].Phone.Digits(), want[3].Phone.Digits(), want[4].Phone.Digits(),
	}, phones)
	require.Len(g.t, g.drawnOf(1000), 4)
}

func urgentAgain(g *harness) {
	g.accept(urgent(to("a", 1, 2, 10)))
	b := g.begin(lipad)
	g.record(b, airtime.Unsent, airtime.ReasonBalance)
	g.accept(to("b", 3, 1, 10))
	length, err := g.s.Client().LLen(background, g.s.Key("urgent", lipad)).Result()
	require.NoError(g.t, err)
	require.EqualValues(g.t, 1, length)
	g.c.pass(time.Hour)
	require.Equal(g.t, []string{"a", "a", "b"}, g.drawnOf(1000))
}

func urgentCalls(g *harness) {
	require.Len(g.t, g.accept(urgent(to("a", 1, 1, 10))), 1)
}

func urgentMoves(g *harness) {
	g.accept(through(to("a", 1, 1, 10), lipad), urgent(through(to("b", 2, 1, 10), lipad)))
	g.pause(lipad, time.Hour)
	var found []state.Onward
	for next := 0; next != -1; {
		list, after, err := g.s.Stranded(background, lipad, next, 10)
		require.NoError(g.t, err)
		for _, s := range list {
			found = append(found, state.Onward{Stranded: s, Provider: talking})
		}
		next = after
	}
	moved, _, err := g.s.Reroute(background, lipad, found)
	require.NoError(g.t, err)
	require.Equal(g.t, 2, moved)
	length, err := g.s.Client().LLen(background, g.s.Key("urgent", talking)).Result()
	require.NoError(g.t, err)
	require.EqualValues(g.t, 1, length, "it goes first there, too")
}

func urgentWithheld(g *harness) {
	g.accept(asked(urgent(to("a", 1, 2, 10)), "may"))
	g.pauseCampaign("may")
	require.Zero(g.t, g.drawn())
	g.accept(to("b", 3, 2, 10))
	g.resumeCampaign("may")
	g.drip()
	require.Equal(g.t, []string{"a", "a", "b", "b"}, g.drawnOf(1000))
}
