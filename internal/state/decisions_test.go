package state_test

import (
	"context"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"tuma/internal/airtime"
	"tuma/internal/state"
)

// doubtful puts the recipients of a new disbursal in doubt and returns their batch.
func doubtful(t *testing.T, s *state.Store, n int) *state.Batch {
	t.Helper()
	accept(t, s, disbursal("a", n))
	b := begin(t, s)
	record(t, s, answer(b, airtime.Unknown, airtime.ReasonTimeout))
	passed(t, s, b)
	return b
}

// passed puts the deadline of a batch long ago, so that people may decide.
func passed(t *testing.T, s *state.Store, b *state.Batch) {
	t.Helper()
	key := s.Key("batch", b.ID)
	require.NoError(t, s.Client().HDel(context.Background(), key, "deadline").Err())
}

func TestNobodyDecidesWhileTheRequestMayBeOnTheWire(t *testing.T) {
	t.Parallel()
	s := open(t, nil)
	accept(t, s, disbursal("a", 2))
	record(t, s, answer(begin(t, s), airtime.Unknown, airtime.ReasonTimeout))
	before := contents(t, s)
	_, err := s.Resolve(context.Background(), state.Decision{Resubmit: true},
		[]state.Resolution{rows(t, s, "a")[0].Resolution()})
	require.ErrorIs(t, err, state.ErrEarly)
	require.Equal(t, before, contents(t, s), "nothing was changed")
}

func resolve(t testing.TB, s *state.Store, decision state.Decision, list ...state.Row) {
	t.Helper()
	decision.Who, decision.Evidence = "Wanjiru", "statement of 21 November"
	var named []state.Resolution
	for _, r := range list {
		named = append(named, r.Resolution())
	}
	n, err := s.Resolve(context.Background(), decision, named)
	require.NoError(t, err)
	require.Equal(t, len(list), n)
	balanced(t, s)
}

func TestResolveIsRefusedWhenOneHasMoved(t *testing.T) {
	t.Parallel()
	s := open(t, nil)
	b := doubtful(t, s, 3)
	seen := rows(t, s, "a")
	observe(t, s, b.ID, airtime.Successful, 2)
	before := contents(t, s)
	_, err := s.Resolve(context.Background(), state.Decision{Paid: true}, []state.Resolution{
		seen[0].Resolution(), seen[1].Resolution(), seen[2].Resolution(),
	})
	require.ErrorIs(t, err, state.ErrMoved)
	require.NotContains(t, err.Error(), "254700000002")
	require.Equal(t, before, contents(t, s), "nothing was changed")
}

func TestResolveIsRefusedForWhoIsNotOpenToPeople(t *testing.T) {
	t.Parallel()
	s := open(t, nil)
	b := doubtful(t, s, 5)
	observe(t, s, b.ID, airtime.Successful, 0)
	observe(t, s, b.ID, airtime.Failed, 1)
	accept(t, s, shifted("queued", 10, 1))
	accept(t, s, shifted("sending", 20, 1))
	list := rows(t, s, "a")[:2]
	list = append(list, rows(t, s, "queued")...)
	begin(t, s)
	list = append(list, rows(t, s, "sending")...)
	for _, r := range list {
		_, err := s.Resolve(context.Background(), state.Decision{}, []state.Resolution{r.Resolution()})
		require.ErrorIs(t, err, state.ErrMoved, "%s", r.Status)
	}
	twice := rows(t, s, "a")[3].Resolution()
	_, err := s.Resolve(context.Background(), state.Decision{}, []state.Resolution{twice, twice})
	require.ErrorIs(t, err, state.ErrMoved, "named twice")
	_, err = s.Resolve(context.Background(), state.Decision{}, []state.Resolution{{Reference: "none"}})
	require.ErrorIs(t, err, state.ErrMoved)
}

func TestLaterWordReplacesEarlier(t *testing.T) {
	t.Parallel()
	s := open(t, nil)
	b := doubtful(t, s, 2)
	resolve(t, s, state.Decision{Paid: true}, rows(t, s, "a")...)
	resolve(t, s, state.Decision{}, rows(t, s, "a")...)
	only(t, s, "a", airtime.Failed)
	require.Equal(t, airtime.ReasonPerson, rows(t, s, "a")[0].Reason)
	observe(t, s, b.ID, airtime.Successful, 0)
	require.Equal(t, []string{"successful", "failed corrected", "successful corrected"},
		results(t, s)["a 254700000000"], "the provider's evidence replaces the person's word")
	_, err := s.Resolve(context.Background(), state.Decision{},
		[]state.Resolution{rows(t, s, "a")[0].Resolution()})
	require.ErrorIs(t, err, state.ErrMoved, "now it is the provider's")
	require.Len(t, audit(t, s), 2)
}

func TestResubmitPutsBack(t *testing.T) {
	t.Parallel()
	s := open(t, nil)
	first := doubtful(t, s, 2)
	resolve(t, s, state.Decision{Resubmit: true}, rows(t, s, "a")[1])
	require.Equal(t, map[airtime.Status]int64{airtime.InDoubt: 1, airtime.Queued: 1},
		statuses(t, s, "a"))
	second := begin(t, s)
	require.Len(t, second.Members, 1)
	require.Equal(t, []string{"failed", "queued corrected"}, results(t, s)["a 254700000001"])
	require.Equal(t, 1, observe(t, s, first.ID, airtime.Successful, 1).Overpaid,
		"the person was wrong: listed")
	record(t, s, answer(second, airtime.Accepted, ""))
	balanced(t, s)
}

func TestLateAnswerDoesNotUndoAResubmission(t *testing.T) {
	t.Parallel()
	s, c := timed(t, nil)
	accept(t, s, disbursal("a", 1))
	first := begin(t, s)
	c.pass(2 * time.Minute)
	sweep(t, s)
	resolve(t, s, state.Decision{Resubmit: true}, rows(t, s, "a")...)
	record(t, s, answer(first, airtime.Unknown, airtime.ReasonTimeout))
	only(t, s, "a", airtime.Queued)
	require.NotEqual(t, first.ID, begin(t, s).ID)
}

// A word about one sending must not settle the next one, which looks the same from outside (ABA).
func TestAWordIsAboutTheSendingThatWasSeen(t *testing.T) {
	t.Parallel()
	s := open(t, nil)
	doubtful(t, s, 1)
	old := rows(t, s, "a")[0].Resolution()
	resolve(t, s, state.Decision{Resubmit: true}, rows(t, s, "a")...)
	second := begin(t, s)
	record(t, s, answer(second, airtime.Unknown, airtime.ReasonTimeout))
	passed(t, s, second)
	refusedWord := func(seen state.Resolution, what string) {
		before := contents(t, s)
		_, err := s.Resolve(t.Context(), state.Decision{Resubmit: true}, []state.Resolution{seen})
		require.ErrorIs(t, err, state.ErrMoved)
		require.ErrorContains(t, err, "its "+what+" is another now")
		require.Equal(t, before, contents(t, s), "nothing was changed")
	}
	refusedWord(old, "batch")

	// The same batch sent again, under the same reference and with the same bytes.
	now := rows(t, s, "a")[0].Resolution()
	require.Equal(t, 1, now.Attempt)
	key := s.Key("batch", second.ID)
	require.NoError(t, s.Client().HSet(t.Context(), key, "attempt", 2).Err())
	refusedWord(now, "attempt")
	now.Attempt = 2
	now.Amount.Minor++
	refusedWord(now, "amount")
	now.Batch = ""
	refusedWord(now, "batch")
	resolve(t, s, state.Decision{Paid: true}, rows(t, s, "a")...)
}

// Whoever was paid by the batch before must not be sent a third time.
func TestPersonCannotResubmitWhoWasPaidBefore(t *testing.T) {
	t.Parallel()
	s := open(t, nil)
	accept(t, s, disbursal("a", 1))
	first, second := returned(t, s)
	record(t, s, answer(second, airtime.Unknown, airtime.ReasonTimeout))
	passed(t, s, second)
	observe(t, s, first.ID, airtime.Successful, 0)
	resolve(t, s, state.Decision{Resubmit: true}, rows(t, s, "a")...)
	only(t, s, "a", airtime.Successful)
	require.Zero(t, balanced(t, s).Overpaid)
	idle(t, s, state.IdleEmpty)
}

func TestPersonDecidesWhatIsUnconfirmed(t *testing.T) {
	t.Parallel()
	s := open(t, nil)
	accept(t, s, disbursal("a", 2))
	b := begin(t, s)
	a := answer(b, airtime.Accepted, "")
	a.Accepted, a.NextPoll = airtime.Unconfirmed, 0
	record(t, s, a)
	resolve(t, s, state.Decision{Paid: true}, rows(t, s, "a")[0])
	resolve(t, s, state.Decision{}, rows(t, s, "a")[1])
	require.Equal(t, []string{"unconfirmed", "successful corrected"},
		results(t, s)["a 254700000000"])
	require.Equal(t, []string{"unconfirmed", "failed corrected"}, results(t, s)["a 254700000001"])
}

func TestReviewItemsListDoubtAndOverdue(t *testing.T) {
	t.Parallel()
	s, c := timed(t, nil)
	b := doubtful(t, s, 2)
	accept(t, s, shifted("b", 2, 1))
	slow := begin(t, s)
	record(t, s, answer(slow, airtime.Accepted, ""))
	c.pass(25 * time.Hour)
	polls, _, err := s.Due(context.Background(), 10, time.Minute)
	require.NoError(t, err)
	require.Len(t, polls, 2)
	for _, p := range polls {
		if p.Batch != slow.ID {
			continue
		}
		seen, err := s.Observe(context.Background(), &state.Batch{ID: p.Batch}, nil, true,
			pollSchedule(p.Number))
		require.NoError(t, err)
		require.Equal(t, pollSchedule(0).Slow, seen.Next)
	}
	items, err := s.ReviewItems(context.Background())
	require.NoError(t, err)
	require.Len(t, items, 2)
	require.Equal(t, state.ReviewInDoubt, items[0].Queue)
	require.Equal(t, b.ID, items[0].Batch.ID)
	require.Equal(t, airtime.ReasonTimeout, items[0].Why)
	require.Len(t, items[0].Concerned(), 2)
	require.Equal(t, state.ReviewOverdue, items[1].Queue)
	require.Len(t, items[1].Concerned(), 1)
	observe(t, s, b.ID, airtime.Successful, 0, 1)
	observe(t, s, slow.ID, airtime.Failed, 0)
	items, err = s.ReviewItems(context.Background())
	require.NoError(t, err)
	require.Empty(t, items)
}
