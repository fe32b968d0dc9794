package state_test

import (
	"context"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"tuma/internal/airtime"
	"tuma/internal/state"
)

// refused wants BeginSend to refuse.
func refused(t *testing.T, s *state.Store, b *state.Batch, holder, why string) {
	t.Helper()
	_, err := s.BeginSend(context.Background(), b, holder)
	var refusal *state.RefusedError
	require.ErrorAs(t, err, &refusal)
	require.Equal(t, why, refusal.Why)
	require.False(t, refusal.Begun)
}

// resent brings the next batch in doubt and into a second attempt.
func resent(t *testing.T, s *state.Store, c *clock) (first, second *state.Batch) {
	t.Helper()
	first = begin(t, s)
	c.pass(2 * time.Minute)
	require.Equal(t, state.Swept{InDoubt: 1}, sweep(t, s))
	require.Equal(t, state.Resend, deny(t, s, first.ID, c))
	second = begin(t, s)
	require.Equal(t, first.ID, second.ID)
	require.Equal(t, first.Recipients(), second.Recipients())
	return first, second
}

// returned lets a batch come back unsent, and the recipients begin again in another one.
func returned(t *testing.T, s *state.Store) (first, second *state.Batch) {
	t.Helper()
	first = begin(t, s)
	record(t, s, answer(first, airtime.Unsent, airtime.ReasonConnect))
	second = begin(t, s)
	require.NotEqual(t, first.ID, second.ID)
	return first, second
}

func TestTwoWorkersCannotBeginTheSameReadyBatch(t *testing.T) {
	t.Parallel()
	s, c := timed(t, nil)
	accept(t, s, disbursal("a", 2))
	first := begin(t, s)
	c.pass(2 * time.Minute)
	sweep(t, s)
	require.Equal(t, state.Resend, deny(t, s, first.ID, c))
	slow, slowHolder := claim(t, s, 1000)
	idle(t, s, state.IdleEmpty)
	require.NoError(t, s.Requeue(context.Background(), slow, slowHolder, "", 0))
	require.Equal(t, state.Resend, deny(t, s, first.ID, c))
	quick, quickHolder := claim(t, s, 1000)
	refused(t, s, slow, slowHolder, "moved")
	_, err := s.BeginSend(context.Background(), quick, quickHolder)
	require.NoError(t, err)
	refused(t, s, slow, slowHolder, "moved")
}

func TestWorkersNeverShareARecipient(t *testing.T) {
	t.Parallel()
	s := open(t, func(o *state.Options) { o.MaxInFlight = 1000 })
	for i := range 10 {
		accept(t, s, shifted(token(), 100*i, 100))
	}
	var mu sync.Mutex
	seen := map[string]int{}
	var workers sync.WaitGroup
	for range 8 {
		workers.Go(func() {
			for {
				holder := token()
				got, err := s.Claim(context.Background(), "lipad", holder, 7)
				if err != nil || got.Batch == nil {
					return
				}
				_, err = s.BeginSend(context.Background(), got.Batch, holder)
				mu.Lock()
				for _, m := range got.Batch.Members {
					seen[m.Phone.Digits()]++
				}
				if err != nil {
					seen["error"] += 2
				}
				mu.Unlock()
			}
		})
	}
	workers.Wait()
	require.Len(t, seen, 1000)
	for who, times := range seen {
		require.Equal(t, 1, times, who)
	}
	balanced(t, s)
}

func TestRecordAfterSweepStillCounts(t *testing.T) {
	t.Parallel()
	s, c := timed(t, nil)
	accept(t, s, disbursal("a", 3))
	b := begin(t, s)
	c.pass(2 * time.Minute)
	sweep(t, s)
	only(t, s, "a", airtime.InDoubt)
	require.Equal(t, airtime.ReasonSilent, rows(t, s, "a")[0].Reason)
	require.Equal(t, state.Recorded{Accepted: 3}, record(t, s, answer(b, airtime.Accepted, "")))
	only(t, s, "a", airtime.Submitted)
	balanced(t, s)
}

func TestUnsentOnFirstAttemptGoesBackInFront(t *testing.T) {
	t.Parallel()
	s := open(t, nil)
	accept(t, s, disbursal("a", 2), shifted("b", 2, 2))
	b, holder := claim(t, s, 2)
	_, err := s.BeginSend(context.Background(), b, holder)
	require.NoError(t, err)
	record(t, s, answer(b, airtime.Unsent, airtime.ReasonConnect))
	again := begin(t, s)
	require.Equal(t, "a", again.Members[0].Reference)
	require.Len(t, again.Members, 4)
}

func TestUnsentOnSecondAttemptStaysInDoubt(t *testing.T) {
	t.Parallel()
	for _, v := range []airtime.Verdict{airtime.Unsent, airtime.Refused, airtime.Unknown} {
		t.Run(v.String(), func(t *testing.T) {
			t.Parallel()
			s, c := timed(t, nil)
			accept(t, s, disbursal("a", 2))
			_, second := resent(t, s, c)
			require.Equal(t, state.Recorded{InDoubt: 2},
				record(t, s, answer(second, v, airtime.ReasonConnect)))
			only(t, s, "a", airtime.InDoubt)
			idle(t, s, state.IdleEmpty)
			balanced(t, s)
		})
	}
}

func TestLateAcceptanceFromFirstAttempt(t *testing.T) {
	t.Parallel()
	s, c := timed(t, nil)
	accept(t, s, disbursal("a", 2))
	first, second := resent(t, s, c)
	require.True(t, record(t, s, answer(first, airtime.Accepted, "")).Stale)
	only(t, s, "a", airtime.Submitted)
	require.Equal(t, state.Recorded{}, record(t, s, answer(second, airtime.Unsent, "")))
	only(t, s, "a", airtime.Submitted)
	balanced(t, s)
}

// A late answer to the first attempt must leave the slot to the second: without it nobody would
// find out that the second sender died.
func TestLateRecordLeavesTheSlotOfTheNextAttempt(t *testing.T) {
	t.Parallel()
	for _, v := range airtime.Verdicts() {
		t.Run(v.String(), func(t *testing.T) {
			t.Parallel()
			s, c := timed(t, func(o *state.Options) { o.MaxInFlight = 1 })
			accept(t, s, disbursal("a", 2))
			first, second := resent(t, s, c)
			late := answer(first, v, airtime.ReasonBatchRefused)
			require.True(t, record(t, s, late).Stale)
			idle(t, s, state.IdleBusy)
			c.pass(2 * time.Minute)
			require.Equal(t, state.Swept{InDoubt: 1}, sweep(t, s))
			b, err := s.Load(context.Background(), second.ID)
			require.NoError(t, err)
			require.NotEqual(t, state.BatchSending, b.State)
			require.False(t, b.Refused, "an older attempt's refusal says nothing about this one")
		})
	}
}

func TestLateAcceptanceWhileTheResendIsClaimed(t *testing.T) {
	t.Parallel()
	s, c := timed(t, nil)
	accept(t, s, disbursal("a", 2))
	first := begin(t, s)
	c.pass(2 * time.Minute)
	sweep(t, s)
	require.Equal(t, state.Resend, deny(t, s, first.ID, c))
	again, holder := claim(t, s, 1000)
	record(t, s, answer(first, airtime.Accepted, ""))
	refused(t, s, again, holder, "moved")
	only(t, s, "a", airtime.Submitted)
}

func TestCallbackWhileTheResendIsClaimed(t *testing.T) {
	t.Parallel()
	s, c := timed(t, nil)
	accept(t, s, disbursal("a", 2))
	first := begin(t, s)
	c.pass(2 * time.Minute)
	sweep(t, s)
	require.Equal(t, state.Resend, deny(t, s, first.ID, c))
	again, holder := claim(t, s, 1000)
	observe(t, s, first.ID, airtime.Successful, 0)
	refused(t, s, again, holder, "known")
	require.Equal(t, map[airtime.Status]int64{airtime.Successful: 1, airtime.InDoubt: 1},
		statuses(t, s, "a"))
	require.Equal(t, state.KeepAsking, deny(t, s, first.ID, c), "it is not in doubt as a whole")
}

func TestNobodyResendsBeforeDeadlineAndGuard(t *testing.T) {
	t.Parallel()
	s, c := timed(t, func(o *state.Options) { o.SettleDelay = time.Second })
	accept(t, s, disbursal("a", 1))
	b := begin(t, s)
	record(t, s, answer(b, airtime.Unknown, airtime.ReasonTimeout))
	ask := func() state.NextStep {
		got, _, err := s.ResolveUnknown(background, reload(t, s, b), true, state.Children{},
			pollSchedule(0))
		require.NoError(t, err)
		return got
	}
	for range 90 {
		require.Equal(t, state.KeepAsking, ask())
		c.pass(time.Second)
	}
	require.Equal(t, state.KeepAsking, ask())
	c.pass(time.Second) // The settle delay.
	require.Equal(t, state.Resend, ask())
}

func TestKnownOnceIsNeverResent(t *testing.T) {
	t.Parallel()
	s, c := timed(t, nil)
	accept(t, s, disbursal("a", 1))
	b := begin(t, s)
	record(t, s, answer(b, airtime.Unknown, airtime.ReasonTimeout))
	_, err := s.Observe(context.Background(), b, nil, true, pollSchedule(0))
	require.NoError(t, err)
	require.Equal(t, state.KeepAsking, deny(t, s, b.ID, c))
	only(t, s, "a", airtime.InDoubt)
}

func TestProviderWithoutRepeatableReferenceIsNeverResent(t *testing.T) {
	t.Parallel()
	s, c := timed(t, nil)
	accept(t, s, disbursal("a", 1))
	b := begin(t, s)
	record(t, s, answer(b, airtime.Unknown, airtime.ReasonTimeout))
	c.pass(time.Hour)
	for range 3 {
		got, _, err := s.ResolveUnknown(background, reload(t, s, b), false, state.Children{},
			pollSchedule(0))
		require.NoError(t, err)
		require.Equal(t, state.KeepAsking, got)
		c.pass(time.Hour)
	}
}

func TestEffectOnEarlierBatchRejoins(t *testing.T) {
	t.Parallel()
	for _, claimed := range []bool{false, true} {
		s := open(t, nil)
		accept(t, s, disbursal("a", 2))
		first := begin(t, s)
		record(t, s, answer(first, airtime.Unsent, airtime.ReasonConnect))
		var later *state.Batch
		var holder string
		if claimed {
			later, holder = claim(t, s, 1000)
		}
		observe(t, s, first.ID, airtime.Successful, 1)
		require.Equal(t, map[airtime.Status]int64{airtime.Queued: 1, airtime.Successful: 1},
			statuses(t, s, "a"))
		if claimed {
			refused(t, s, later, holder, "moved")
		}
		require.Zero(t, balanced(t, s).Overpaid)
		require.Len(t, begin(t, s).Members, 1, "the other one is still to be sent")
	}
}

func TestOverpaidIsListedNotMerged(t *testing.T) {
	t.Parallel()
	s := open(t, nil)
	accept(t, s, disbursal("a", 2))
	first, second := returned(t, s)
	got := observe(t, s, first.ID, airtime.Successful, 1)
	require.Equal(t, 1, got.Overpaid)
	require.Equal(t, int64(1), balanced(t, s).Overpaid)
	only(t, s, "a", airtime.Sending)
	record(t, s, answer(second, airtime.Accepted, ""))
	observe(t, s, second.ID, airtime.Successful, 0, 1)
	require.Zero(t, observe(t, s, first.ID, airtime.Successful, 1).Overpaid, "found already")
	only(t, s, "a", airtime.Successful)
	require.Equal(t, []string{"successful"}, results(t, s)["a 254700000001"])
	items, err := s.ReviewItems(context.Background())
	require.NoError(t, err)
	require.Len(t, items, 1)
	require.Equal(t, state.ReviewOverpaid, items[0].Queue)
	require.Equal(t, "254700000001", items[0].Concerned()[0].Phone.Digits())
}

func TestSecondSendingThatFailedIsNotOverpaid(t *testing.T) {
	t.Parallel()
	for _, v := range []airtime.Verdict{airtime.Unsent, airtime.Refused} {
		s := open(t, nil)
		accept(t, s, disbursal("a", 1))
		first, second := returned(t, s)
		observe(t, s, first.ID, airtime.Successful, 0)
		record(t, s, answer(second, v, airtime.ReasonRefused))
		only(t, s, "a", airtime.Successful)
		require.Zero(t, balanced(t, s).Overpaid)
		require.Equal(t, first.ID, rows(t, s, "a")[0].Batch)
		idle(t, s, state.IdleEmpty)
	}
}

func TestReversedSecondPaymentIsNotOverpaid(t *testing.T) {
	t.Parallel()
	s := open(t, nil)
	accept(t, s, disbursal("a", 1))
	first, second := returned(t, s)
	observe(t, s, second.ID, airtime.Reversed, 0)
	observe(t, s, first.ID, airtime.Successful, 0)
	only(t, s, "a", airtime.Successful)
	require.Zero(t, balanced(t, s).Overpaid)
}

// An effect of the batch that a recipient had left must keep it out of the halves of the next one.
func TestHalvesLeaveOutWhoWasPaidBefore(t *testing.T) {
	t.Parallel()
	s, c := timed(t, nil)
	accept(t, s, disbursal("a", 3))
	first, second := returned(t, s)
	record(t, s, answer(second, airtime.Refused, airtime.ReasonBatchRefused))
	observe(t, s, first.ID, airtime.Successful, 1)
	require.Equal(t, state.Halved, deny(t, s, second.ID, c))
	require.Equal(t, map[airtime.Status]int64{airtime.Queued: 2, airtime.Successful: 1},
		statuses(t, s, "a"))
	require.Zero(t, balanced(t, s).Overpaid)
}

// A batch that had settled, and is open again, must not wait for its late look, or for ever.
func TestReopenedBatchIsAskedAboutSoon(t *testing.T) {
	t.Parallel()
	s, c := timed(t, nil)
	accept(t, s, disbursal("a", 1))
	b := begin(t, s)
	record(t, s, answer(b, airtime.Refused, airtime.ReasonRefused))
	for range 3 {
		c.pass(25 * time.Hour)
		polls, _, err := s.Due(context.Background(), 10, time.Minute)
		require.NoError(t, err)
		for _, p := range polls {
			_, err := s.Observe(context.Background(), &state.Batch{ID: p.Batch}, nil, true,
				pollSchedule(p.Number))
			require.NoError(t, err)
		}
	}
	observe(t, s, b.ID, airtime.Submitted, 0)
	only(t, s, "a", airtime.Submitted)
	c.pass(time.Minute)
	polls, _, err := s.Due(context.Background(), 10, time.Minute)
	require.NoError(t, err)
	require.Len(t, polls, 1)
	require.Equal(t, []string{"rejected", "submitted corrected"}, results(t, s)["a 254700000000"])
}

func TestSettledBatchIsLookedAtTwiceMore(t *testing.T) {
	t.Parallel()
	s, c := timed(t, nil)
	accept(t, s, disbursal("a", 1))
	b := begin(t, s)
	record(t, s, answer(b, airtime.Accepted, ""))
	observe(t, s, b.ID, airtime.Successful, 0)
	looks := 0
	for range 60 {
		c.pass(time.Hour)
		polls, _, err := s.Due(context.Background(), 10, time.Minute)
		require.NoError(t, err)
		for _, p := range polls {
			looks++
			for range 2 { // The trigger may run twice.
				_, err := s.Observe(context.Background(), &state.Batch{ID: p.Batch}, nil, true,
					pollSchedule(p.Number))
				require.NoError(t, err)
			}
		}
	}
	require.Equal(t, 2, looks)
}
