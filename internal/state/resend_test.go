package state_test

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"tuma/internal/airtime"
	"tuma/internal/state"
)

// Africa's Talking recognises a request by its key for some minutes: only so long may it be sent
// again. Its window is 4 minutes here, a request takes at most 30 s, and the guard is 60 s: a
// repetition may begin from 90 s to 210 s after the first sending.
func TestResending(t *testing.T) {
	t.Parallel()
	runScenarios(t, map[string]scenario{
		"when the first request has surely ended": resendsInTime,
		"not while it may be on the wire":         resendsNotEarly,
		"the last moment":                         resendsAtTheLastMoment,
		"a moment later":                          resendsNotLate,
		"claimed too late":                        beginsNotLate,
		"as often as the window permits":          resendsTwice,
		"after silence":                           resendsAfterSilence,
		"a duplicate is known":                    duplicateIsKnown,
		"a duplicate line is known":               duplicateLineIsKnown,
		"a duplicate is a clear answer":           duplicateResumes,
		"refused or unsent the second time":       doubtRemains,
		"only whole batches":                      resendsNoPart,
		"also who was cancelled too late":         resendsTheCancelled,
		"not who was reported meanwhile":          resendsNoReported,
		"not for an old query":                    resendsForTheLastQuery,
		"not at other providers":                  resendsNowhereElse,
		"not by who has laid it down":             onlyTheHolderBegins,
	})
}

// resend asks for a repetition, by the query that is under way.
func (g *harness) resend(b *state.Batch, want bool) state.Resending {
	loaded, err := g.s.Load(background, b.ID)
	require.NoError(g.t, err)
	got, err := g.s.Resend(background, loaded)
	require.NoError(g.t, err)
	require.Equal(g.t, want, got.Ready, "resend")
	return got
}

func (g *harness) due() []state.Poll {
	polls, _, err := g.s.Due(background, 10, time.Minute)
	require.NoError(g.t, err)
	return polls
}

func resendsInTime(g *harness) {
	b := g.lost(someone("a", talking))
	g.c.pass(90*time.Second - time.Millisecond)
	require.Empty(g.t, g.due())
	g.c.pass(time.Millisecond)
	require.Len(g.t, g.due(), 1)
	require.NotNil(g.t, g.resend(b, true).Wakeup)
	g.resend(b, false) // A replay: it is ready.
	again := g.begin(talking)
	require.Equal(g.t, []any{b.ID, 1, b.Recipients()},
		[]any{again.ID, again.Attempt, again.Recipients()})
	g.idle(talking, state.IdleEmpty)
	require.Equal(g.t, 1, g.record(again, airtime.Accepted, "").Accepted)
	g.stands("a", talking, airtime.Submitted)
}

func resendsNotEarly(g *harness) {
	b := g.lost(someone("a", talking))
	g.c.pass(30 * time.Second)
	require.Equal(g.t, time.Minute, g.resend(b, false).Wait)
	g.c.pass(59_999 * time.Millisecond)
	require.Equal(g.t, time.Millisecond, g.resend(b, false).Wait)
	require.Empty(g.t, g.due())
	g.idle(talking, state.IdleEmpty)
	g.c.pass(time.Millisecond)
	require.Len(g.t, g.due(), 1)
	g.resend(b, true)
}

func resendsAtTheLastMoment(g *harness) {
	b := g.lost(someone("a", talking))
	g.c.pass(210 * time.Second)
	g.resend(b, true)
	require.Equal(g.t, b.ID, g.begin(talking).ID)
}

func resendsNotLate(g *harness) {
	b := g.lost(someone("a", talking))
	g.c.pass(210*time.Second + time.Millisecond)
	require.Equal(g.t, state.Resending{}, g.resend(b, false))
	g.idle(talking, state.IdleEmpty)
	g.stands("a", talking, airtime.InDoubt)
}

func beginsNotLate(g *harness) {
	b := g.lost(someone("a", talking))
	g.c.pass(200 * time.Second)
	g.resend(b, true)
	again, holder := g.claim(talking, 1000)
	g.c.pass(10*time.Second + time.Millisecond)
	g.refused(again, holder, "late")
	g.stands("a", talking, airtime.InDoubt)
	loaded, err := g.s.Load(background, b.ID)
	require.NoError(g.t, err)
	require.Equal(g.t, []any{state.BatchDoubt, 1}, []any{loaded.State, loaded.Attempt})
	require.Zero(g.t, g.channel(talking).InFlight)
	g.c.pass(time.Second)
	require.Len(g.t, g.due(), 1, "it is asked about on")
	g.resend(b, false)
}

func resendsTwice(g *harness) {
	b := g.lost(someone("a", talking))
	for range 2 {
		g.c.pass(90 * time.Second)
		g.resend(b, true)
		g.record(g.begin(talking), airtime.Unknown, airtime.ReasonTimeout)
	}
	g.c.pass(30 * time.Second)
	g.resend(b, false)
	g.c.pass(time.Minute)
	require.Equal(g.t, state.Resending{}, g.resend(b, false))
	g.stands("a", talking, airtime.InDoubt)
}

func resendsAfterSilence(g *harness) {
	g.accept(someone("a", talking))
	b := g.begin(talking)
	g.c.pass(91 * time.Second)
	g.sweep(talking)
	g.c.pass(time.Second)
	require.Len(g.t, g.due(), 1)
	g.resend(b, true)
	require.Equal(g.t, 1, g.record(g.begin(talking), airtime.Accepted, "").Accepted)
}

func duplicateIsKnown(g *harness) {
	b := g.lost(someone("a", talking))
	g.c.pass(90 * time.Second)
	g.resend(b, true)
	again := g.begin(talking)
	require.Equal(g.t, 1, g.record(again, airtime.Unknown, airtime.ReasonDuplicate).InDoubt)
	g.c.pass(90 * time.Second)
	require.Equal(g.t, state.Resending{}, g.resend(b, false))
	g.apply(reported(talking, "x", airtime.Successful, again.Members[0].Recipient),
		state.CallbackApplied)
	g.stands("a", talking, airtime.Successful)
}

// The provider works, and nothing new is in doubt: neither a storm nor a reason for small batches.
func duplicateResumes(g *harness) {
	g.accept(someone("a", talking))
	g.record(g.begin(talking), airtime.Accepted, "")
	b := g.lost(someone("b", talking))
	g.c.pass(90 * time.Second)
	g.pause(talking, time.Second)
	g.c.pass(time.Second)
	g.resend(b, true)
	g.record(g.begin(talking), airtime.Unknown, airtime.ReasonDuplicate)
	c := g.channel(talking)
	require.Equal(g.t, []any{false, time.Duration(0)}, []any{c.HalfOpen, c.Paused})
}

func duplicateLineIsKnown(g *harness) {
	g.accept(someone("a", talking))
	b := g.begin(talking)
	g.each(b, verdict{Verdict: airtime.Unknown, Reason: airtime.ReasonDuplicate})
	g.c.pass(90 * time.Second)
	require.Equal(g.t, state.Resending{}, g.resend(b, false))
}

func doubtRemains(g *harness) {
	for i, v := range []airtime.Verdict{airtime.Refused, airtime.Unsent} {
		ref := string(rune('a' + i))
		b := g.lost(through(shifted(ref, i, 1), talking))
		g.c.pass(90 * time.Second)
		g.resend(b, true)
		require.Equal(g.t, state.Recorded{InDoubt: 1},
			g.record(g.begin(talking), v, airtime.ReasonConnect))
		g.stands(ref, talking, airtime.InDoubt)
	}
}

func resendsNoPart(g *harness) {
	g.accept(someone("first", talking))
	g.record(g.begin(talking), airtime.Accepted, "")
	g.accept(through(shifted("a", 5, 2), talking))
	b := g.begin(talking)
	g.each(b, verdict{Verdict: airtime.Refused}, verdict{Verdict: airtime.Unknown})
	g.c.pass(90 * time.Second)
	require.Equal(g.t, state.Resending{}, g.resend(b, false))
}

// resendsTheCancelled: who is cancelled after the sending is too late, and follows the batch.
func resendsTheCancelled(g *harness) {
	b := g.lost(someone("a", talking))
	got, err := g.s.Cancel(background, state.KindDisbursal, "a", "amina", "")
	require.NoError(g.t, err)
	require.Equal(g.t, state.Cancellation{TooLate: 1}, got)
	g.c.pass(90 * time.Second)
	g.resend(b, true)
	again := g.begin(talking)
	require.Equal(g.t, b.ID, again.ID)
	g.taken(again)
	g.stands("a", talking, airtime.Submitted)
}

func resendsNoReported(g *harness) {
	b := g.lost(someone("a", talking))
	g.c.pass(90 * time.Second)
	g.resend(b, true)
	again, holder := g.claim(talking, 1000)
	g.apply(reported(talking, "x", airtime.Submitted, b.Members[0].Recipient),
		state.CallbackApplied)
	g.refused(again, holder, "known")
	g.c.pass(time.Second)
	require.Equal(g.t, state.Resending{}, g.resend(b, false))
}

func resendsForTheLastQuery(g *harness) {
	b := g.lost(someone("a", talking))
	g.c.pass(90 * time.Second)
	require.Len(g.t, g.due(), 1)
	got, err := g.s.Resend(background, b) // As it was before that query.
	require.NoError(g.t, err)
	require.Equal(g.t, state.Resending{}, got)
	g.resend(b, true)
}

func resendsNowhereElse(g *harness) {
	for i, provider := range []string{lipad, quicksms, sozuri} {
		b := g.lost(through(shifted(provider, i, 1), provider))
		g.c.pass(90 * time.Second)
		require.Equal(g.t, state.Resending{}, g.resend(b, false))
	}
}

func onlyTheHolderBegins(g *harness) {
	b := g.lost(someone("a", talking))
	g.c.pass(90 * time.Second)
	g.resend(b, true)
	slow, slowHolder := g.claim(talking, 1)
	require.NoError(g.t, g.s.Requeue(background, slow, slowHolder, "", 0))
	g.resend(b, true)
	quick, holder := g.claim(talking, 1)
	require.Equal(g.t, slow.ID, quick.ID)
	g.refused(slow, slowHolder, "moved")
	_, err := g.s.BeginSend(background, quick, holder)
	require.NoError(g.t, err)
}
