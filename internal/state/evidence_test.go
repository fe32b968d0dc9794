package state_test

import (
	"context"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"tuma/internal/airtime"
	"tuma/internal/state"
)

var bg = context.Background()

// The first attempt may be why the second was refused.
func TestRefusalOfASecondAttemptIsNeverHalved(t *testing.T) {
	t.Parallel()
	s, c := timed(t, nil)
	accept(t, s, disbursal("a", 2))
	_, second := resent(t, s, c)
	record(t, s, answer(second, airtime.Refused, airtime.ReasonBatchRefused))
	require.Equal(t, state.KeepAsking, deny(t, s, second.ID, c))
	idle(t, s, state.IdleEmpty)
}

func TestRefusalOfASecondAttemptIsNoSuspect(t *testing.T) {
	t.Parallel()
	s, c := timed(t, nil)
	accept(t, s, disbursal("a", 1))
	_, second := resent(t, s, c)
	record(t, s, answer(second, airtime.Refused, airtime.ReasonBatchRefused))
	require.Equal(t, state.KeepAsking, deny(t, s, second.ID, c))
	c.pass(10 * time.Minute)
	sweep(t, s)
	only(t, s, "a", airtime.InDoubt)
}

func TestWhoWasPaidByAnEarlierBatchIsNotSentAgain(t *testing.T) {
	t.Parallel()
	s, c := timed(t, nil)
	first := doubtful(t, s, 1)
	c.pass(3 * time.Minute)
	resolve(t, s, state.Decision{Resubmit: true}, rows(t, s, "a")...)
	second := begin(t, s)
	record(t, s, answer(second, airtime.Unknown, airtime.ReasonTimeout))
	require.Equal(t, 1, observe(t, s, first.ID, airtime.Successful, 0).Overpaid)
	require.Equal(t, state.KeepAsking, deny(t, s, second.ID, c))
	idle(t, s, state.IdleEmpty)
}

func TestOneCancelStrandsNobodyElse(t *testing.T) {
	t.Parallel()
	s, c := timed(t, nil)
	accept(t, s, disbursal("a", 1), shifted("b", 10, 1))
	b := begin(t, s)
	require.Len(t, b.Members, 2)
	record(t, s, answer(b, airtime.Unknown, airtime.ReasonTimeout))
	_, err := s.Cancel(bg, state.KindDisbursal, "a", "amina", "")
	require.NoError(t, err)
	c.pass(2 * time.Minute)
	require.Equal(t, state.Resend, deny(t, s, b.ID, c))
	again := begin(t, s)
	require.Equal(t, b.ID, again.ID)
	require.Len(t, again.Members, 2, "the same bytes")
	record(t, s, answer(again, airtime.Accepted, ""))
	only(t, s, "a", airtime.Submitted)
	only(t, s, "b", airtime.Submitted)
	balanced(t, s)
}

func TestALateFailureAgreesWithAResubmission(t *testing.T) {
	t.Parallel()
	s, c := timed(t, nil)
	old := doubtful(t, s, 1)
	for range 2 {
		c.pass(3 * time.Minute)
		resolve(t, s, state.Decision{Resubmit: true}, rows(t, s, "a")...)
		observe(t, s, old.ID, airtime.Failed, 0)
		only(t, s, "a", airtime.Queued)
		again := begin(t, s)
		observe(t, s, old.ID, airtime.Failed, 0)
		only(t, s, "a", airtime.Sending)
		record(t, s, answer(again, airtime.Unknown, airtime.ReasonTimeout))
		observe(t, s, old.ID, airtime.Failed, 0)
		only(t, s, "a", airtime.InDoubt)
	}
	b := rows(t, s, "a")[0].Batch
	c.pass(2 * time.Minute)
	require.Equal(t, state.Resend, deny(t, s, b, c), "nor does it keep it from being sent again")
	balanced(t, s)
}

func TestUnknownAfterAForgottenSendingStaysInDoubt(t *testing.T) {
	t.Parallel()
	s, c := timed(t, nil)
	accept(t, s, disbursal("a", 2))
	b, holder := claim(t, s, 1000)
	before := dumps(t, s)
	_, err := s.BeginSend(bg, b, holder)
	require.NoError(t, err)
	forget(t, s, before, dumps(t, s))
	c.pass(5 * time.Minute)
	sweep(t, s) // It lays the claim down.
	record(t, s, answer(b, airtime.Unknown, airtime.ReasonTimeout))
	only(t, s, "a", airtime.InDoubt)
}

// The last second was lost with Accept, Claim and BeginSend, and the job came again.
func TestAnswerToAForgottenDisbursalIsKept(t *testing.T) {
	t.Parallel()
	s := open(t, nil)
	before := dumps(t, s)
	accept(t, s, disbursal("a", 2))
	b := begin(t, s)
	forget(t, s, before, dumps(t, s))
	record(t, s, answer(b, airtime.Accepted, ""))
	accept(t, s, disbursal("a", 2))
	idle(t, s, state.IdleEmpty)
	only(t, s, "a", airtime.Submitted)
	balanced(t, s)
}

func TestAFailedQueryIsNoLook(t *testing.T) {
	t.Parallel()
	s, c := timed(t, nil)
	accept(t, s, disbursal("a", 1))
	b := begin(t, s)
	record(t, s, answer(b, airtime.Accepted, ""))
	observe(t, s, b.ID, airtime.Failed, 0)
	looks := 0
	for range 60 {
		c.pass(time.Hour)
		polls, _, err := s.Due(bg, 10, time.Minute)
		require.NoError(t, err)
		for _, p := range polls {
			looks++
			_, err := s.Observe(bg, &state.Batch{ID: p.Batch}, nil, false, pollSchedule(p.Number)) // 503
			require.NoError(t, err)
		}
	}
	require.Greater(t, looks, 2, "an outage is not a look")
}

func TestReprocessingIsAskedAboutDespiteErrors(t *testing.T) {
	t.Parallel()
	s, c := timed(t, nil)
	accept(t, s, disbursal("a", 1))
	b := begin(t, s)
	record(t, s, answer(b, airtime.Accepted, ""))
	observe(t, s, b.ID, airtime.Failed, 0)
	due := func() []state.Poll {
		polls, _, err := s.Due(bg, 10, time.Minute)
		require.NoError(t, err)
		return polls
	}
	c.pass(2 * time.Hour)
	p := due()
	require.Len(t, p, 1)
	again := []observation{{Position: 0, Status: airtime.Reprocessing}}
	_, err := s.Observe(bg, b, linesOf(b, again), true, pollSchedule(p[0].Number))
	require.NoError(t, err)
	c.pass(time.Hour)
	p = due()
	require.Len(t, p, 1)
	o, err := s.Observe(bg, b, nil, false, pollSchedule(p[0].Number))
	require.NoError(t, err)
	require.Less(t, o.Next, time.Hour)
}

func TestNotKnownKeepsTheLateLooks(t *testing.T) {
	t.Parallel()
	s, c := timed(t, nil)
	b := doubtful(t, s, 1)
	c.pass(10 * time.Minute)
	_, _, err := s.Due(bg, 10, time.Minute)
	require.NoError(t, err)
	stale, err := s.Load(bg, b.ID)
	require.NoError(t, err)
	c.pass(2 * time.Minute)
	_, _, err = s.Due(bg, 10, time.Minute)
	require.NoError(t, err)
	paid := []observation{{Position: 0, Status: airtime.Successful}}
	_, err = s.Observe(bg, b, linesOf(b, paid), true, pollSchedule(stale.Polls+1))
	require.NoError(t, err)
	_, _, err = s.ResolveUnknown(bg, stale, true, state.Children{token(), token()},
		pollSchedule(stale.Polls))
	require.NoError(t, err)
	c.pass(48 * time.Hour)
	late, _, err := s.Due(bg, 10, time.Minute)
	require.NoError(t, err)
	require.Len(t, late, 1, "the post-settlement check")
}

func TestWhoIsPutAsideRejoinsItsEarlierBatch(t *testing.T) {
	t.Parallel()
	s, c := timed(t, nil)
	accept(t, s, disbursal("a", 1))
	first, second := returned(t, s)
	record(t, s, answer(second, airtime.Refused, airtime.ReasonBatchRefused))
	require.Equal(t, state.PutAside, deny(t, s, second.ID, c))
	observe(t, s, first.ID, airtime.Successful, 0)
	require.Equal(t, state.KeepAsking, deny(t, s, second.ID, c))
	only(t, s, "a", airtime.Successful)
}

func TestAPauseIsNeverShortened(t *testing.T) {
	t.Parallel()
	s, _ := timed(t, nil)
	require.NoError(t, s.Pause(bg, "lipad", airtime.ReasonRateLimited, 10*time.Minute))
	require.NoError(t, s.Pause(bg, "lipad", airtime.ReasonConnect, 0))
	require.Greater(t, idle(t, s, state.IdlePaused).Wait, 9*time.Minute)
}

func TestWhatTheProviderConfirmsIsNoLongerAPersonsWord(t *testing.T) {
	t.Parallel()
	s, c := timed(t, nil)
	b := doubtful(t, s, 1)
	c.pass(3 * time.Minute)
	resolve(t, s, state.Decision{Paid: true}, rows(t, s, "a")...)
	observe(t, s, b.ID, airtime.Successful, 0)
	_, err := s.Resolve(bg, state.Decision{Resubmit: true},
		[]state.Resolution{rows(t, s, "a")[0].Resolution()})
	require.ErrorIs(t, err, state.ErrMoved)
}

func TestNobodyDecidesWithinTheGuardOfASecondAttempt(t *testing.T) {
	t.Parallel()
	s, c := timed(t, nil)
	accept(t, s, disbursal("a", 1))
	_, second := resent(t, s, c)
	record(t, s, answer(second, airtime.Unknown, airtime.ReasonUnreadable))
	_, err := s.Resolve(bg, state.Decision{Resubmit: true},
		[]state.Resolution{rows(t, s, "a")[0].Resolution()})
	require.ErrorIs(t, err, state.ErrEarly)
}

func TestTheSettledLeaveTheOverdue(t *testing.T) {
	t.Parallel()
	s, c := timed(t, nil)
	accept(t, s, disbursal("a", 2))
	b := begin(t, s)
	record(t, s, answer(b, airtime.Refused, airtime.ReasonBatchRefused))
	c.pass(25 * time.Hour)
	p, _, err := s.Due(bg, 10, time.Minute)
	require.NoError(t, err)
	require.Len(t, p, 1)
	r := pollSchedule(p[0].Number)
	_, err = s.Observe(bg, b, nil, false, r)
	require.NoError(t, err)
	require.Equal(t, state.Halved, deny(t, s, b.ID, c))
	f, err := s.Stats(bg)
	require.NoError(t, err)
	require.Zero(t, f.Overdue)
}

func TestAnOpenWordLeavesThePersonsReason(t *testing.T) {
	t.Parallel()
	s, c := timed(t, nil)
	b := doubtful(t, s, 1)
	c.pass(3 * time.Minute)
	resolve(t, s, state.Decision{}, rows(t, s, "a")...)
	observe(t, s, b.ID, airtime.Processing, 0)
	_, err := s.Resolve(bg, state.Decision{Paid: true},
		[]state.Resolution{rows(t, s, "a")[0].Resolution()})
	require.NoError(t, err)
}

func TestTheReopenedDoNotWaitForTheirCheck(t *testing.T) {
	t.Parallel()
	s, c := timed(t, nil)
	accept(t, s, disbursal("a", 1))
	b := begin(t, s)
	record(t, s, answer(b, airtime.Refused, airtime.ReasonRefused))
	c.pass(10 * time.Minute)
	observe(t, s, b.ID, airtime.Submitted, 0)
	only(t, s, "a", airtime.Submitted)
	c.pass(time.Minute)
	polls, _, err := s.Due(bg, 10, time.Minute)
	require.NoError(t, err)
	require.Len(t, polls, 1)
}
