package state_test

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"tuma/internal/airtime"
	"tuma/internal/state"
)

// TestReplaysOfWhatCallbacksAndRoutingDo calls each of these verbs twice, as go-redis does when a
// reply is lost: the second call changes nothing.
func TestReplaysOfWhatCallbacksAndRoutingDo(t *testing.T) {
	t.Parallel()
	g := newHarness(t, nil)
	h := &twice{t: t, store: g.s, calls: map[string]int{}}
	g.s.Client().AddHook(h)
	g.run(func(g *harness) {
		h.on = true
		replayRouting(g)
		replayCallbacks(g)
		h.on = false
	})
	require.GreaterOrEqual(t, len(h.calls), 10, "verbs that were repeated")
}

// took accepts disbursals; the reply to the first call was lost.
func (g *harness) took(list ...state.Disbursal) {
	got, err := g.s.Accept(background, list)
	require.NoError(g.t, err)
	for _, outcome := range got.Outcomes {
		require.Equal(g.t, state.Same, outcome)
	}
}

func replayRouting(g *harness) {
	g.took(split("a"), named(shifted("b", 10, 1), metered))
	b := g.begin(metered)
	require.Equal(g.t, state.Recorded{Returned: 1}, g.each(b, onward(quicksms)))
	require.Len(g.t, g.row("b").History, 1)
	require.NoError(g.t, g.s.Pause(background, quicksms, airtime.ReasonBalance, time.Minute))
	list := g.stranded(quicksms)
	require.Len(g.t, list, 2, "who was named stays")
	require.Zero(g.t, g.reroute(quicksms, list, talking), "the first call moved them")
	require.Equal(g.t, int64(2), g.sum(talking, "queued"))
	require.Len(g.t, rows(g.t, g.s, "a")[1].History, 1)
	g.c.pass(time.Minute)
	require.Len(g.t, g.begin(quicksms).Members, 1)
	require.Equal(g.t, state.IdleHalfOpen, g.idle(quicksms, state.IdleHalfOpen).Idle)
}

func replayCallbacks(g *harness) {
	b := g.begin(talking)
	r := b.Members[0].Recipient
	c := reported(talking, "x", airtime.Submitted, r)
	require.True(g.t, g.oursOf(r, talking, "v1"))
	require.False(g.t, g.oursOf(r, talking, "v2"))
	g.apply(c, state.CallbackParked)
	g.record(b, airtime.Unknown, airtime.ReasonTimeout)
	g.c.pass(time.Second)
	require.Empty(g.t, g.kept(), "the first call handed it out")
	g.c.pass(89 * time.Second)
	require.Empty(g.t, g.due(), "the first call handed it out")
	g.resend(b, false) // The first call made it ready.
	again := g.begin(talking)
	require.Equal(g.t, []any{b.ID, 1}, []any{again.ID, again.Attempt})
	g.record(again, airtime.Unknown, airtime.ReasonDuplicate)
	g.apply(c, state.CallbackUnchanged) // The first call applied it.
	require.Equal(g.t, airtime.Submitted, rows(g.t, g.s, "a")[1].Status)
	require.True(g.t, g.hint(b.ID))
	c.Status = airtime.Successful
	g.apply(c, state.CallbackUnchanged)
	require.Equal(g.t, []string{"successful"}, results(g.t, g.s)["a 254700000001"])
	require.True(g.t, g.hint(b.ID))
}

// reported is what a provider says of a recipient.
func reported(
	provider, id string, status airtime.Status, of airtime.Recipient,
) state.Callback {
	c := said(id, status)
	c.Provider, c.Phone, c.Amount, c.Message = provider, of.Phone, of.Amount, ""
	return c
}
