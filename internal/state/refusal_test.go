package state_test

import (
	"fmt"
	"slices"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"tuma/internal/airtime"
	"tuma/internal/state"
)

// TestWhoIsAtFault tells of requests that a provider refuses as a whole before any effect, or that
// cannot be prepared.
func TestWhoIsAtFault(t *testing.T) {
	t.Parallel()
	runScenarios(t, map[string]scenario{
		"one bad recipient among many":          oneBadAmongMany,
		"one bad recipient pauses no channel":   oneBadAlone,
		"a half does not probe its own pause":   halfDoesNotProbe,
		"one that cannot be prepared":           oneUnprepared,
		"the cancelled leave a refused request": cancelledLeave,
		"who is left of it alone is judged":     cancelledLeaveOne,
		"doubt about one request, not more":     oneRequestInDoubt,
		"one alone that stays in doubt pauses":  aloneInDoubt,
		"who was put aside goes alone":          asideGoesAlone,
		"who is aside keeps its reference":      keepsItsReference,
	})
}

// refuseWhole lets a provider refuse a request as a whole before any effect.
func (g *harness) refuseWhole(b *state.Batch) state.Recorded {
	a := answer(b, airtime.Unsent, airtime.ReasonBatchRefused)
	a.Message, a.Children = "Invalid data", state.Children{token(), token()}
	return record(g.t, g.s, a)
}

// oneBadAmongMany: the first of 301 recipients is one that QuickSMS refuses the whole request for.
func oneBadAmongMany(g *harness) {
	bad := "254700000000"
	g.accept(through(disbursal("a", 301), quicksms))
	for requests := 1; ; requests++ {
		require.Less(g.t, requests, 40, "requests")
		g.c.pass(time.Millisecond)
		holder := token()
		got, err := g.s.Claim(background, quicksms, holder, 1000)
		require.NoError(g.t, err)
		if got.Batch == nil {
			require.Equal(g.t, state.IdleEmpty, got.Idle, "no pause")
			break
		}
		_, err = g.s.BeginSend(background, got.Batch, holder)
		require.NoError(g.t, err)
		refused := false
		for _, m := range got.Batch.Members {
			refused = refused || m.Phone.Digits() == bad
		}
		if refused {
			g.refuseWhole(got.Batch)
			continue
		}
		a := answer(got.Batch, airtime.Accepted, "")
		a.Accepted = airtime.Unconfirmed
		record(g.t, g.s, a)
	}
	require.Equal(g.t, map[airtime.Status]int64{airtime.Unconfirmed: 300, airtime.Rejected: 1},
		statuses(g.t, g.s, "a"))
	for _, r := range rows(g.t, g.s, "a") {
		if r.Phone.Digits() == bad {
			require.Equal(g.t, airtime.ReasonRefused, r.Reason)
			require.Equal(g.t, "Invalid data", r.Message)
		}
	}
}

// oneRequestInDoubt: Sozuri refuses the request for one of several, and does not say whether it
// paid the others. Of many with three at fault, one request is in doubt; the channel is not
// paused, who was queued goes alone, and batches grow again behind them.
func oneRequestInDoubt(g *harness) {
	const most = 100
	bad := map[string]bool{"254700000150": true, "254700000170": true, "254700000350": true}
	g.accept(through(disbursal("a", 600), sozuri))
	var doubted *state.Batch
	for {
		g.c.pass(time.Millisecond)
		holder := token()
		got, err := g.s.Claim(background, sozuri, holder, most)
		require.NoError(g.t, err)
		if got.Batch == nil {
			require.Equal(g.t, state.IdleEmpty, got.Idle, "no pause")
			break
		}
		b := got.Batch
		_, err = g.s.BeginSend(background, b, holder)
		require.NoError(g.t, err)
		a := answer(b, airtime.Accepted, "")
		switch faulty := slices.ContainsFunc(b.Members, func(m state.Member) bool {
			return bad[m.Phone.Digits()]
		}); {
		case faulty && len(b.Members) == 1:
			a.Verdict, a.Reason = airtime.Refused, airtime.ReasonNetwork
		case faulty:
			require.Nil(g.t, doubted, "a second request in doubt")
			doubted = b
			a.Verdict, a.Reason = airtime.Unknown, airtime.ReasonBatchRefused
		}
		record(g.t, g.s, a)
		if doubted == b {
			g.accept(through(shifted("later", 1000, 200), sozuri))
		} else if doubted != nil && g.sum(sozuri, "queued") > 200 {
			require.Len(g.t, b.Members, 1)
			require.Equal(g.t, 1, g.channel(sozuri).Largest)
		}
	}
	require.Equal(g.t, map[airtime.Status]int64{
		airtime.Submitted: 600 - most - 1, airtime.InDoubt: most, airtime.Rejected: 1,
	}, statuses(g.t, g.s, "a"))
	require.Greater(g.t, g.channel(sozuri).Largest, 10, "batches grow again")
	c := reported(sozuri, "x", airtime.Successful, doubted.Members[0].Recipient)
	g.apply(c, state.CallbackApplied)
	require.Equal(g.t, int64(most-1), statuses(g.t, g.s, "a")[airtime.InDoubt])
}

// asideGoesAlone: who was refused alone and put aside stands before others, and goes without them.
func asideGoesAlone(g *harness) {
	g.accept(someone("bad", lipad))
	require.Equal(g.t, 1, g.refuseWhole(g.begin(lipad)).Returned)
	g.c.pass(5 * time.Minute)
	g.sweep(lipad)
	g.accept(through(shifted("good", 10, 3), lipad))
	require.Len(g.t, g.begin(lipad).Members, 1)
	require.Len(g.t, g.begin(lipad).Members, 3)
}

// keepsItsReference: Lipad refuses a request because something on the way has repeated it, and is
// slow to know the first. Whoever is alone in it goes again under the same reference, so that Lipad
// can refuse it once more, and is rejected then.
func keepsItsReference(g *harness) {
	g.accept(someone("twice", lipad))
	b := g.begin(lipad)
	g.record(b, airtime.Refused, airtime.ReasonBatchRefused)
	require.Equal(g.t, state.PutAside, deny(g.t, g.s, b.ID, g.c))
	require.Equal(g.t, state.KeepAsking, deny(g.t, g.s, b.ID, g.c))
	g.stands("twice", lipad, airtime.InDoubt)
	g.accept(through(shifted("good", 10, 1), lipad))
	g.taken(g.begin(lipad))
	require.Equal(g.t, state.Resend, deny(g.t, g.s, b.ID, g.c))
	again := g.begin(lipad)
	require.Equal(g.t, b.ID, again.ID)
	g.record(again, airtime.Refused, airtime.ReasonBatchRefused)
	require.Equal(g.t, state.Rejected, deny(g.t, g.s, b.ID, g.c))
	g.stands("twice", lipad, airtime.Rejected)
	g.observe(b, airtime.Successful)
	g.stands("twice", lipad, airtime.Successful)
}

// aloneInDoubt: who is refused alone and stays in doubt is an unclear answer like others, so that
// an account at fault does not bring a whole queue in doubt one by one.
func aloneInDoubt(g *harness) {
	g.accept(through(disbursal("a", 5), quicksms))
	for range 3 {
		b := g.begin(quicksms)
		require.Len(g.t, b.Members, 1)
		g.record(b, airtime.Unknown, airtime.ReasonBatchRefused)
	}
	g.idle(quicksms, state.IdlePaused)
}

// oneBadAlone: a recipient that is alone at a provider goes again now and then, and pauses nothing.
func oneBadAlone(g *harness) {
	g.accept(someone("bad", quicksms))
	for range 4 {
		require.Equal(g.t, 1, g.refuseWhole(g.begin(quicksms)).Returned)
		g.idle(quicksms, state.IdleEmpty)
		g.sweep(quicksms)
		g.idle(quicksms, state.IdleEmpty)
		g.c.pass(5 * time.Minute)
		g.sweep(quicksms)
	}
	g.accept(through(shifted("good", 10, 1), quicksms))
	require.Equal(g.t, 1, g.refuseWhole(g.begin(quicksms)).Returned)
	g.taken(g.begin(quicksms))
	require.Equal(g.t, 1, g.refuseWhole(g.begin(quicksms)).Rejected, "the account works")
	g.stands("bad", quicksms, airtime.Rejected)
}

// halfDoesNotProbe: a channel is paused while halves of a refused batch wait.
func halfDoesNotProbe(g *harness) {
	g.accept(through(disbursal("a", 4), lipad))
	b := g.begin(lipad)
	g.record(b, airtime.Refused, airtime.ReasonBatchRefused)
	require.Equal(g.t, state.Halved, deny(g.t, g.s, b.ID, g.c))
	g.accept(through(shifted("other", 10, 2), lipad))
	g.pause(lipad, time.Second)
	g.c.pass(time.Second)
	probe := g.begin(lipad)
	require.Len(g.t, probe.Members, 1)
	require.Equal(g.t, "other", probe.Members[0].Reference)
	g.taken(probe)
	require.Equal(g.t, "a", g.begin(lipad).Members[0].Reference, "then the halves go first again")
}

// oneUnprepared: no request can be written for one of three recipients.
func oneUnprepared(g *harness) {
	g.accept(through(disbursal("a", 3), lipad), through(shifted("b", 10, 1), lipad))
	bad := "254700000001"
	for _, size := range []int{4, 2, 1, 1, 2} {
		g.c.pass(time.Millisecond)
		b, holder := g.claim(lipad, 4)
		require.Len(g.t, b.Members, size)
		unwritten := false
		for _, m := range b.Members {
			unwritten = unwritten || m.Phone.Digits() == bad
		}
		if !unwritten {
			_, err := g.s.BeginSend(background, b, holder)
			require.NoError(g.t, err)
			g.taken(b)
			continue
		}
		want := state.Halved
		if size == 1 {
			want = state.Rejected
		}
		step, _, err := g.s.Divide(background, b, holder, "amount: cannot be written",
			state.Children{token(), token()})
		require.NoError(g.t, err)
		require.Equal(g.t, want, step, fmt.Sprint(size))
	}
	require.Equal(g.t, map[airtime.Status]int64{airtime.Submitted: 2, airtime.Rejected: 1},
		statuses(g.t, g.s, "a"))
	require.Equal(g.t, "amount: cannot be written", rows(g.t, g.s, "a")[1].Message)
}

// cancelledLeaveOne: of two in a refused request one was cancelled, so that the other is alone.
func cancelledLeaveOne(g *harness) {
	g.accept(through(disbursal("a", 1), lipad), through(shifted("b", 10, 1), lipad))
	b := g.begin(lipad)
	require.Len(g.t, b.Members, 2)
	g.c.pass(time.Millisecond)
	g.accept(through(shifted("good", 20, 1), lipad))
	g.taken(g.begin(lipad))
	_, err := g.s.Cancel(background, state.KindDisbursal, "a", "amina", "")
	require.NoError(g.t, err)
	got := g.refuseWhole(b)
	require.Equal(g.t, []int{1, 1}, []int{got.Rejected, got.Returned})
	g.stands("a", lipad, airtime.Cancelled)
	g.stands("b", lipad, airtime.Rejected)
}

// cancelledLeave: who was cancelled while a request was out that came to nothing is withdrawn.
func cancelledLeave(g *harness) {
	g.accept(through(disbursal("a", 1), lipad), through(shifted("b", 10, 2), lipad))
	b := g.begin(lipad)
	_, err := g.s.Cancel(background, state.KindDisbursal, "a", "amina", "")
	require.NoError(g.t, err)
	g.refuseWhole(b)
	g.stands("a", lipad, airtime.Cancelled)
	require.Len(g.t, g.begin(lipad).Members, 1, "the others go on, in halves")
}
