package state_test

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"tuma/internal/airtime"
	"tuma/internal/state"
)

// A Redis that has forgotten a sending learns from Record when it was. As in TestResending a
// repetition may begin from 90 s to 210 s after the first sending.
func TestForgottenSendingsKeepTheirTime(t *testing.T) {
	t.Parallel()
	runScenarios(t, map[string]scenario{
		"no resend after the window":             restoredAfterTheWindow,
		"a resend within the window":             restoredWithinTheWindow,
		"nobody resends or decides in the guard": restoredWithinTheGuard,
		"nor is it sent again as not known":      restoredAndNotKnown,
		"a late answer is no answer of now":      answeredLate,
		"a repetition is never repeated":         restoredRepetition,
		"the time of the first sending stays":    restoredSecondSending,
		"who was only claimed becomes overdue":   restoredFromAClaim,
	})
}

// restored lets Redis forget the only sending of a new disbursal, and stores later that its answer
// was lost.
func (g *harness) restored(provider string, later time.Duration) *state.Batch {
	g.accept(someone("a", provider))
	before := dumps(g.t, g.s)
	b := g.begin(provider)
	g.forgets(before)
	g.stands("a", provider, airtime.Queued)
	g.c.pass(later)
	g.unknown(b, 1, later)
	return b
}

// unknown stores that the answer to an attempt was lost, which began a while ago.
func (g *harness) unknown(b *state.Batch, attempt int, since time.Duration) {
	a := answer(b, airtime.Unknown, airtime.ReasonTimeout)
	a.Attempt, a.Since = attempt, since
	require.Equal(g.t, state.Recorded{InDoubt: 1}, record(g.t, g.s, a))
}

func restoredAfterTheWindow(g *harness) {
	b := g.restored(talking, 210*time.Second+time.Millisecond)
	g.c.pass(time.Millisecond)
	require.Len(g.t, g.due(), 1)
	require.Equal(g.t, state.Resending{}, g.resend(b, false))
	g.idle(talking, state.IdleEmpty)
	g.stands("a", talking, airtime.InDoubt)
	resolve(g.t, g.s, state.Decision{Paid: true}, g.row("a"))
}

func restoredWithinTheWindow(g *harness) {
	b := g.restored(talking, 209*time.Second)
	g.c.pass(time.Second)
	require.Len(g.t, g.due(), 1)
	g.resend(b, true)
	again := g.begin(talking)
	require.Equal(g.t, []any{b.ID, 1}, []any{again.ID, again.Attempt})
}

func restoredWithinTheGuard(g *harness) {
	b := g.restored(talking, 20*time.Second)
	for _, left := range []time.Duration{70 * time.Second, time.Millisecond} {
		require.Equal(g.t, left, g.resend(b, false).Wait)
		_, err := g.s.Resolve(background, state.Decision{Resubmit: true, Who: "w", Evidence: "e"},
			[]state.Resolution{g.row("a").Resolution()})
		require.ErrorIs(g.t, err, state.ErrEarly)
		g.c.pass(70*time.Second - time.Millisecond)
	}
	g.c.pass(time.Millisecond)
	g.resend(b, true)
}

func restoredAndNotKnown(g *harness) {
	b := g.restored(lipad, time.Second)
	ask := func() state.NextStep {
		got, _, err := g.s.ResolveUnknown(background, reload(g.t, g.s, b), true, state.Children{},
			pollSchedule(0))
		require.NoError(g.t, err)
		return got
	}
	require.Equal(g.t, state.KeepAsking, ask())
	g.c.pass(149*time.Second - time.Millisecond)
	require.Equal(g.t, state.KeepAsking, ask())
	g.c.pass(time.Millisecond)
	require.Equal(g.t, state.Resend, ask())
}

// An answer that comes late says nothing about the time since the question: the request may have
// arrived meanwhile.
func answeredLate(g *harness) {
	b := g.lost(someone("a", lipad))
	g.c.pass(10 * time.Second)
	asked := reload(g.t, g.s, b)
	ask := func(about *state.Batch) state.NextStep {
		got, _, err := g.s.ResolveUnknown(background, about, true, state.Children{}, pollSchedule(0))
		require.NoError(g.t, err)
		return got
	}
	for range 2 {
		g.c.pass(time.Hour)
		require.Equal(g.t, state.KeepAsking, ask(asked))
	}
	require.Equal(g.t, state.Resend, ask(reload(g.t, g.s, b)))
}

// Of a second sending alone nobody knows when the first one was.
func restoredRepetition(g *harness) {
	g.accept(someone("a", talking))
	before := dumps(g.t, g.s)
	b := g.begin(talking)
	g.record(b, airtime.Unknown, airtime.ReasonTimeout)
	g.c.pass(90 * time.Second)
	g.resend(b, true)
	again := g.begin(talking)
	g.forgets(before)
	g.unknown(again, 2, 0)
	for range 10 {
		g.c.pass(20 * time.Second)
		require.Equal(g.t, state.Resending{}, g.resend(b, false))
	}
	g.idle(talking, state.IdleEmpty)
	g.stands("a", talking, airtime.InDoubt)
}

func restoredSecondSending(g *harness) {
	b := g.lost(someone("a", talking))
	g.c.pass(90 * time.Second)
	g.resend(b, true)
	again, holder := g.claim(talking, 1000)
	before := dumps(g.t, g.s)
	_, err := g.s.BeginSend(background, again, holder)
	require.NoError(g.t, err)
	g.forgets(before)
	g.c.pass(10 * time.Second)
	g.unknown(again, 2, 10*time.Second)
	require.Equal(g.t, 80*time.Second, g.resend(b, false).Wait)
	g.c.pass(80 * time.Second)
	g.resend(b, true)
}

// Redis has forgotten BeginSend alone, and the claim stands: nobody hears of the batch again.
func restoredFromAClaim(g *harness) {
	g.accept(someone("a", sozuri))
	b, holder := g.claim(sozuri, 1000)
	before := dumps(g.t, g.s)
	_, err := g.s.BeginSend(background, b, holder)
	require.NoError(g.t, err)
	g.forgets(before)
	a := answer(b, airtime.Accepted, "")
	a.NextPoll, a.Since = 72*time.Hour, time.Second
	require.Equal(g.t, 1, record(g.t, g.s, a).Accepted)
	g.c.pass(73 * time.Hour)
	polls := g.due()
	require.Len(g.t, polls, 1)
	r := pollSchedule(polls[0].Number)
	r.OverdueAfter = 72 * time.Hour
	_, err = g.s.Observe(background, b, nil, false, r)
	require.NoError(g.t, err)
	require.Equal(g.t, int64(1), g.figures().Overdue)
}
