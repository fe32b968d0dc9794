package state_test

import (
	"context"
	"fmt"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"

	"tuma/internal/airtime"
	"tuma/internal/state"
)

// reach brings the only recipient of a disbursal to a status by legal verbs, and returns its batch.
func reach(t testing.TB, s *state.Store, c *clock, ref string, n int, to airtime.Status) string {
	t.Helper()
	accept(t, s, shifted(ref, n, 1))
	if to == airtime.Queued {
		b, _ := claim(t, s, 1)
		return b.ID
	}
	b := begin(t, s)
	switch to {
	case airtime.Sending:
	case airtime.InDoubt:
		c.pass(2 * time.Minute)
		sweep(t, s)
	case airtime.Rejected:
		record(t, s, answer(b, airtime.Refused, airtime.ReasonRefused))
	case airtime.Cancelled:
		record(t, s, answer(b, airtime.Unsent, airtime.ReasonConnect))
		_, err := s.Cancel(context.Background(), state.KindDisbursal, ref, "amina", "")
		require.NoError(t, err)
	case airtime.Unconfirmed:
		a := answer(b, airtime.Accepted, "")
		a.Accepted = airtime.Unconfirmed
		record(t, s, a)
	default:
		record(t, s, answer(b, airtime.Accepted, ""))
		if to != airtime.Submitted {
			observe(t, s, b.ID, to, 0)
		}
	}
	return b.ID
}

// observable are the statuses that a provider or a person can report.
var observable = func() (all []airtime.Status) {
	for _, s := range airtime.Statuses() {
		if s == airtime.Rejected || s.Effect() {
			all = append(all, s)
		}
	}
	return all
}()

// TestEveryTransition walks every pair of status now and status observed through Redis.
func TestEveryTransition(t *testing.T) {
	t.Parallel()
	for _, now := range airtime.Statuses() {
		if now == airtime.Held {
			continue // Who is held was in no batch: nothing can be observed of it there.
		}
		t.Run(now.String(), func(t *testing.T) {
			t.Parallel()
			s, c := timed(t, func(o *state.Options) { o.MaxInFlight = 100 })
			for i, seen := range observable {
				transition(t, s, c, i, now, seen)
			}
			balanced(t, s)
		})
	}
}

func transition(t *testing.T, s *state.Store, c *clock, n int, now, seen airtime.Status) {
	t.Helper()
	ref := fmt.Sprintf("%s-%s", now, seen)
	id := reach(t, s, c, ref, n, now)
	only(t, s, ref, now)
	who := fmt.Sprintf("%s 2547%08d", ref, n)
	before := results(t, s)[who]

	want := airtime.Merge(now, seen)
	if now == airtime.Cancelled && !seen.Effect() {
		want = now // It is no longer in that batch, so only an effect counts.
	}
	observe(t, s, id, seen, 0)
	only(t, s, ref, want)
	expected := before
	switch {
	case want == now:
	case now.Settled():
		expected = append(expected, want.String()+" corrected")
	case want.Settled():
		expected = append(expected, want.String())
	}
	require.Equal(t, expected, results(t, s)[who], "%s sees %s", now, seen)

	observe(t, s, id, seen, 0)
	only(t, s, ref, want)
	require.Equal(t, expected, results(t, s)[who], "the replay of %s", seen)
	polled(t, s, id, now, seen)
	retire(t, s, id)
}

// polled checks the rule of the open word after a failure: it stays failed and is asked again.
func polled(t *testing.T, s *state.Store, id string, now, seen airtime.Status) {
	t.Helper()
	if now != airtime.Failed || seen.Rank() != airtime.Submitted.Rank() {
		return
	}
	due, err := s.Client().ZScore(context.Background(), s.Key("due", ""), id).Result()
	require.NoError(t, err)
	require.LessOrEqual(t, int64(due), modelStart+time.Hour.Milliseconds(),
		"failed, then %s: asked again soon", seen)
	require.Equal(t, "m", rows(t, s, fmt.Sprintf("%s-%s", now, seen))[0].Message)
}

// retire lets go of a batch that is still claimed, so that the next claim is of the next recipient.
func retire(t *testing.T, s *state.Store, id string) {
	t.Helper()
	b, err := s.Load(context.Background(), id)
	require.NoError(t, err)
	if b.State == state.BatchClaimed && b.Members[0].Status == airtime.Queued {
		_, err := s.Cancel(context.Background(), state.KindDisbursal, b.Members[0].Reference, "amina", "")
		require.NoError(t, err)
	}
}

// TestAnyOrderOfObservationsSettlesAlike brings the same facts about one batch in two orders, with
// repetitions.
func TestAnyOrderOfObservationsSettlesAlike(t *testing.T) {
	t.Parallel()
	root := simulated(open(t, nil), nil)
	rapid.Check(t, func(rt *rapid.T) {
		facts := rapid.SliceOfN(rapid.SampledFrom(observable), 1, 6).Draw(rt, "facts")
		shuffled := rapid.Permutation(append(facts, facts[:len(facts)/2]...)).Draw(rt, "order")
		var ends []airtime.Status
		for _, list := range [][]airtime.Status{facts, shuffled} {
			s := root.In(fmt.Sprintf("order%d", namespaces.Add(1)))
			c := &clock{t: t, store: s, ms: modelStart}
			c.pass(0)
			id := reach(t, s, c, "a", 1, airtime.InDoubt)
			for _, status := range list {
				observe(t, s, id, status, 0)
			}
			ends = append(ends, rows(t, s, "a")[0].Status)
			balanced(t, s)
		}
		if ends[0].Settled() || ends[1].Settled() {
			require.Equal(rt, ends[0], ends[1], "%v and %v", facts, shuffled)
		}
	})
}

// TestAnyOrderAcrossTwoBatchesSettlesAlike brings facts about the batch that a recipient was
// returned from and the one that it was sent with later.
func TestAnyOrderAcrossTwoBatchesSettlesAlike(t *testing.T) {
	t.Parallel()
	type fact struct {
		second bool
		status airtime.Status
	}
	some := rapid.SliceOfN(rapid.Custom(func(rt *rapid.T) fact {
		return fact{rapid.Bool().Draw(rt, "second"), rapid.SampledFrom(observable).Draw(rt, "is")}
	}), 1, 6)
	root := simulated(open(t, nil), nil)
	ends := func(facts []fact) (airtime.Status, int64) {
		s := root.In(fmt.Sprintf("order%d", namespaces.Add(1)))
		c := &clock{t: t, store: s, ms: modelStart}
		c.pass(0)
		accept(t, s, disbursal("a", 1))
		first := begin(t, s)
		record(t, s, answer(first, airtime.Unsent, airtime.ReasonConnect))
		second := begin(t, s)
		for _, f := range facts {
			id := first.ID
			if f.second {
				id = second.ID
			}
			observe(t, s, id, f.status, 0)
		}
		return rows(t, s, "a")[0].Status, balanced(t, s).Overpaid
	}
	rapid.Check(t, func(rt *rapid.T) {
		facts := some.Draw(rt, "facts")
		shuffled := rapid.Permutation(append(facts, facts[:len(facts)/2]...)).Draw(rt, "order")
		status, overpaid := ends(facts)
		again, overpaidAgain := ends(shuffled)
		require.Equal(rt, overpaid, overpaidAgain, "%v and %v", facts, shuffled)
		// Two effects are shown as overpaid; which of them the recipient stands at may differ.
		if overpaid == 0 && (status.Settled() || again.Settled()) {
			require.Equal(rt, status, again, "%v and %v", facts, shuffled)
		}
	})
}
