package state_test

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"tuma/internal/airtime"
	"tuma/internal/state"
)

// TestHandOut hands queries out by their names.
func TestHandOut(t *testing.T) {
	t.Parallel()
	newHarness(t, nil).run(handedOutByName)
}

// handedOutByName has somebody run queries that are scheduled: each once, as they were shown, and
// not one right behind the other.
func handedOutByName(g *harness) {
	g.accept(disbursal("a", 2))
	b := g.begin(lipad)
	g.record(b, airtime.Accepted, "")
	shown := func() state.Poll {
		polls, err := g.s.Upcoming(background, 10)
		require.NoError(g.t, err)
		require.Len(g.t, polls, 1)
		return polls[0]
	}
	hand := func(p state.Poll) state.Handout {
		got, err := g.s.HandOut(background, p, time.Minute)
		require.NoError(g.t, err)
		return got
	}
	first := shown()
	require.Equal(g.t, b.ID, first.Batch)
	require.Equal(g.t, []int{1, 2, 2, 1},
		[]int{first.Number, first.Recipients, first.Open, first.Attempt})
	require.Equal(g.t, state.Handed, hand(first))
	require.Equal(g.t, state.Handed, hand(first), "the same task may be told again")
	second := shown()
	require.Equal(g.t, 2, second.Number)
	require.Equal(g.t, state.HandoutSoon, hand(second))

	g.c.pass(59 * time.Second)
	require.Equal(g.t, state.HandoutSoon, hand(second))
	moved := second
	moved.Due = moved.Due.Add(-time.Millisecond)
	g.c.pass(2 * time.Second)
	require.Equal(g.t, state.HandoutMoved, hand(moved))
	require.Equal(g.t, state.Handed, hand(second))
	require.Equal(g.t, state.HandoutAsked, hand(first))
	require.Equal(g.t, state.HandoutGone, hand(state.Poll{Batch: "none", Number: 1}))
	polls, waiting, err := g.s.Due(background, 10, time.Minute)
	require.NoError(g.t, err)
	require.Empty(g.t, polls, "it is under way")
	require.True(g.t, waiting)
}
