package state_test

import (
	"context"
	"fmt"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"tuma/internal/airtime"
	"tuma/internal/state"
)

func TestCancelBeforeDuringAfterClaim(t *testing.T) {
	t.Parallel()
	s, ctx := open(t, nil), context.Background()
	cancel := func(ref string) state.Cancellation {
		got, err := s.Cancel(ctx, state.KindDisbursal, ref, "amina", "")
		require.NoError(t, err)
		balanced(t, s)
		return got
	}
	accept(t, s, disbursal("before", 2))
	require.Equal(t, state.Cancellation{Cancelled: 2}, cancel("before"))
	idle(t, s, state.IdleEmpty)

	accept(t, s, disbursal("during", 2), shifted("other", 2, 2))
	b, holder := claim(t, s, 1000)
	require.Len(t, b.Members, 4)
	require.Equal(t, state.Cancellation{Cancelled: 2}, cancel("during"))
	refused(t, s, b, holder, "moved")
	only(t, s, "other", airtime.Queued)
	b = begin(t, s)
	require.Equal(t, "other", b.Members[0].Reference)
	require.Len(t, b.Members, 2)

	require.Equal(t, state.Cancellation{TooLate: 2}, cancel("other"))
	only(t, s, "other", airtime.Sending)
	record(t, s, answer(b, airtime.Unsent, airtime.ReasonConnect))
	only(t, s, "other", airtime.Cancelled)
	require.Equal(t, state.Cancellation{Cancelled: 2}, cancel("other"), "a replay counts the same")
	idle(t, s, state.IdleEmpty)
	require.Equal(t, []string{"cancelled"}, results(t, s)["other 254700000002"])
}

func TestCancelCountsThePaidAsTooLate(t *testing.T) {
	t.Parallel()
	s := open(t, nil)
	accept(t, s, disbursal("a", 2))
	b := begin(t, s)
	record(t, s, answer(b, airtime.Accepted, ""))
	observe(t, s, b.ID, airtime.Successful, 0)
	got, err := s.Cancel(context.Background(), state.KindDisbursal, "a", "amina", "")
	require.NoError(t, err)
	require.Equal(t, state.Cancellation{TooLate: 2}, got)
}

func TestCancelMarkRefusesLaterAccepts(t *testing.T) {
	t.Parallel()
	s, ctx := open(t, nil), context.Background()
	known := disbursal("known", 1)
	known.Campaign, known.Import = "blue", "i"
	accept(t, s, known)
	for kind, name := range map[state.Kind]string{
		state.KindDisbursal: "r", state.KindImport: "i", state.KindCampaign: "blue",
	} {
		_, err := s.Cancel(ctx, kind, name, "amina", "")
		require.NoError(t, err)
	}
	only(t, s, "known", airtime.Cancelled)
	inImport, inCampaign := disbursal("x", 1), disbursal("y", 1)
	inImport.Import, inCampaign.Campaign = "i", "blue"
	got, err := s.Accept(ctx,
		[]state.Disbursal{disbursal("r", 1), inImport, inCampaign, known, disbursal("z", 1)})
	require.NoError(t, err)
	require.Equal(t, []state.Outcome{
		state.Cancelled, state.Cancelled, state.Cancelled,
		state.Same, state.Accepted,
	}, got.Outcomes)
	sum, err := s.Summarize(ctx, state.KindCampaign, "blue")
	require.NoError(t, err)
	require.True(t, sum.Cancelled)
	balanced(t, s)
}

func TestCancelWalksALargeCampaign(t *testing.T) {
	t.Parallel()
	s := open(t, nil)
	for i := range 120 {
		d := shifted(fmt.Sprint("r", i), 2*i, 2)
		d.Campaign = "blue"
		accept(t, s, d)
	}
	begin(t, s) // All of them, as far as a batch goes.
	d := shifted("late", 500, 1)
	d.Campaign = "blue"
	accept(t, s, d)
	got, err := s.Cancel(context.Background(), state.KindCampaign, "blue", "amina", "")
	require.NoError(t, err)
	require.Equal(t, state.Cancellation{Cancelled: 1, TooLate: 240}, got)
}

func TestCancelledAreLeftOutOfHalves(t *testing.T) {
	t.Parallel()
	s, c := timed(t, nil)
	accept(t, s, disbursal("a", 2), shifted("b", 2, 2))
	b := begin(t, s)
	record(t, s, answer(b, airtime.Refused, airtime.ReasonBatchRefused))
	_, err := s.Cancel(context.Background(), state.KindDisbursal, "a", "amina", "")
	require.NoError(t, err)
	require.Equal(t, state.Halved, deny(t, s, b.ID, c))
	only(t, s, "a", airtime.Cancelled)
	only(t, s, "b", airtime.Queued)
	balanced(t, s)
}

func TestCancelledAreNotResubmitted(t *testing.T) {
	t.Parallel()
	s := open(t, nil)
	accept(t, s, disbursal("a", 1))
	b := begin(t, s)
	record(t, s, answer(b, airtime.Unknown, airtime.ReasonTimeout))
	passed(t, s, b)
	_, err := s.Cancel(context.Background(), state.KindDisbursal, "a", "amina", "")
	require.NoError(t, err)
	_, err = s.Resolve(context.Background(), state.Decision{Resubmit: true},
		[]state.Resolution{rows(t, s, "a")[0].Resolution()})
	require.NoError(t, err)
	only(t, s, "a", airtime.Failed)
	idle(t, s, state.IdleEmpty)
}

func TestHalvingDownToSingles(t *testing.T) {
	t.Parallel()
	s, c := timed(t, nil)
	accept(t, s, disbursal("a", 5))
	accept(t, s, shifted("other", 5, 1))
	bad := "254700000003"
	left, sizes := 5, []int{}
	b, holder := claim(t, s, 5)
	for left > 1 {
		_, err := s.BeginSend(context.Background(), b, holder)
		require.NoError(t, err)
		poisoned := false
		for _, m := range b.Members {
			require.Equal(t, "a", m.Reference, "never remixed with others")
			poisoned = poisoned || m.Phone.Digits() == bad
		}
		sizes = append(sizes, len(b.Members))
		if !poisoned {
			record(t, s, answer(b, airtime.Accepted, ""))
			left -= len(b.Members)
		} else {
			record(t, s, answer(b, airtime.Refused, airtime.ReasonBatchRefused))
			want := state.Halved
			if len(b.Members) == 1 {
				want = state.Rejected
			}
			require.Equal(t, want, deny(t, s, b.ID, c))
		}
		balanced(t, s)
		b, holder = claim(t, s, 5)
	}
	require.Equal(t, []int{5, 3, 2, 1, 1}, sizes, "sizes of the batches that were sent")
	require.Equal(t, "other", b.Members[0].Reference)
	_, err := s.BeginSend(context.Background(), b, holder)
	require.NoError(t, err)
	record(t, s, answer(b, airtime.Accepted, ""))
	require.Equal(t, map[airtime.Status]int64{airtime.Submitted: 4, airtime.Rejected: 1},
		statuses(t, s, "a"))
}

// refusedAlone makes n single recipients that the provider refuses before it has accepted anybody.
func refusedAlone(t *testing.T, s *state.Store, c *clock, n int) (batches []string) {
	t.Helper()
	for i := range n {
		ref := fmt.Sprint("s", i)
		accept(t, s, shifted(ref, 100+i, 1))
		b := begin(t, s)
		record(t, s, answer(b, airtime.Refused, airtime.ReasonBatchRefused))
		require.Equal(t, state.PutAside, deny(t, s, b.ID, c))
		only(t, s, ref, airtime.InDoubt)
		batches = append(batches, b.ID)
	}
	return batches
}

func TestThreeSingleRefusalsPauseTheChannel(t *testing.T) {
	t.Parallel()
	s, c := timed(t, nil)
	refusedAlone(t, s, c, 2)
	idle(t, s, state.IdleEmpty)
	accept(t, s, shifted("s2", 102, 1))
	b := begin(t, s)
	record(t, s, answer(b, airtime.Refused, airtime.ReasonBatchRefused))
	require.Equal(t, state.PutAside, deny(t, s, b.ID, c))
	accept(t, s, disbursal("good", 3))
	c.pass(idle(t, s, state.IdlePaused).Wait)
	probe := begin(t, s)
	require.Len(t, probe.Members, 1)
	require.Equal(t, "good", probe.Members[0].Reference, "not one of those that paused it")
	balanced(t, s)
}

func TestOneRecipientPausesNoChannel(t *testing.T) {
	t.Parallel()
	s, c := timed(t, nil)
	aside := refusedAlone(t, s, c, 1)[0]
	for range 5 {
		require.Equal(t, state.KeepAsking, deny(t, s, aside, c))
		c.pass(5 * time.Minute)
		require.Equal(t, state.Resend, deny(t, s, aside, c), "alone at the provider, it goes again")
		b := begin(t, s)
		require.Equal(t, aside, b.ID, "under its old reference")
		record(t, s, answer(b, airtime.Refused, airtime.ReasonBatchRefused))
		require.Equal(t, state.PutAside, deny(t, s, b.ID, c))
		idle(t, s, state.IdleEmpty)
	}
}

func TestAnAcceptanceShowsWhoIsAtFault(t *testing.T) {
	t.Parallel()
	s, c := timed(t, nil)
	aside := refusedAlone(t, s, c, 2)
	accept(t, s, disbursal("good", 2))
	record(t, s, answer(begin(t, s), airtime.Accepted, ""))
	for i := range 2 {
		require.Equal(t, state.Resend, deny(t, s, aside[i], c))
		b := begin(t, s)
		require.Equal(t, aside[i], b.ID, "under its old reference")
		verdict, want := airtime.Refused, airtime.Rejected
		if i == 1 { // The account was mended meanwhile: nothing was wrong with this one.
			verdict, want = airtime.Accepted, airtime.Submitted
		}
		record(t, s, answer(b, verdict, airtime.ReasonBatchRefused))
		if verdict == airtime.Refused {
			require.Equal(t, state.Rejected, deny(t, s, b.ID, c))
		}
		only(t, s, fmt.Sprint("s", i), want)
	}
	balanced(t, s)
}

func TestSamePhoneNeverTwiceInABatch(t *testing.T) {
	t.Parallel()
	s := open(t, nil)
	for i := range 5 {
		accept(t, s, disbursal(fmt.Sprint("r", i), 3))
	}
	for i := range 5 {
		b := begin(t, s)
		require.Len(t, b.Members, 3)
		for _, m := range b.Members {
			require.Equal(t, fmt.Sprint("r", i), m.Reference, "in the order of arrival")
		}
		record(t, s, answer(b, airtime.Accepted, ""))
	}
	idle(t, s, state.IdleEmpty)
}

func TestPhoneInDoubtIsHeldBack(t *testing.T) {
	t.Parallel()
	s := open(t, nil)
	accept(t, s, disbursal("a", 2))
	b := begin(t, s)
	record(t, s, answer(b, airtime.Unknown, airtime.ReasonTimeout))
	accept(t, s, disbursal("again", 3))
	next := begin(t, s)
	require.Len(t, next.Members, 1, "the one whose number is not in doubt")
	record(t, s, answer(next, airtime.Accepted, ""))
	idle(t, s, state.IdleEmpty)
	sweep(t, s)
	idle(t, s, state.IdleEmpty)
	observe(t, s, b.ID, airtime.Successful, 0)
	sweep(t, s)
	require.Equal(t, "254700000000", begin(t, s).Members[0].Phone.Digits())
	balanced(t, s)
}

// Many pending recipients whose number is in doubt must not keep the others waiting.
func TestBlockedRecipientsStarveNobody(t *testing.T) {
	t.Parallel()
	s := open(t, nil)
	accept(t, s, disbursal("a", 1))
	record(t, s, answer(begin(t, s), airtime.Unknown, airtime.ReasonTimeout))
	for i := range 30 {
		accept(t, s, disbursal(fmt.Sprint("blocked", i), 1))
	}
	accept(t, s, shifted("free", 50, 1))
	for range 10 {
		sweep(t, s)
		got, err := s.Claim(context.Background(), "lipad", token(), 5)
		require.NoError(t, err)
		if got.Batch != nil {
			require.Equal(t, "free", got.Batch.Members[0].Reference)
			return
		}
	}
	t.Fatal("the free recipient was never claimed")
}

func TestClaimRespectsInFlight(t *testing.T) {
	t.Parallel()
	s, c := timed(t, func(o *state.Options) { o.MaxInFlight = 2 })
	for i := range 4 {
		accept(t, s, shifted(fmt.Sprint("r", i), i, 1))
	}
	first, _ := claim(t, s, 1)
	second, holder := claim(t, s, 1)
	idle(t, s, state.IdleBusy)
	_, err := s.BeginSend(context.Background(), second, holder)
	require.NoError(t, err)
	idle(t, s, state.IdleBusy)
	record(t, s, answer(second, airtime.Accepted, ""))
	claim(t, s, 1)
	idle(t, s, state.IdleBusy)
	c.pass(16 * time.Second)
	require.Equal(t, state.Swept{Returned: 2}, sweep(t, s))
	only(t, s, first.Members[0].Reference, airtime.Queued)
	claim(t, s, 1)
	// Another provider has slots of its own.
	d := disbursal("q", 1)
	d.Provider = "quicksms"
	accept(t, s, d)
	got, err := s.Claim(context.Background(), "quicksms", token(), 1)
	require.NoError(t, err)
	require.NotNil(t, got.Batch)
}

func TestPausesGrowUntilAnAcceptance(t *testing.T) {
	t.Parallel()
	s, c := timed(t, nil)
	ctx := context.Background()
	for _, want := range []time.Duration{1, 2, 4, 8, 16, 32, 64, 128, 256, 300, 300} {
		require.NoError(t, s.Pause(ctx, "lipad", airtime.ReasonServerError, 0))
		require.Equal(t, want*time.Second, idle(t, s, state.IdlePaused).Wait)
		c.pass(want * time.Second)
		idle(t, s, state.IdleEmpty)
	}
	require.NoError(t, s.Pause(ctx, "lipad", airtime.ReasonRateLimited, 7*time.Second))
	require.Equal(t, 7*time.Second, idle(t, s, state.IdlePaused).Wait)
	c.pass(7 * time.Second)
	accept(t, s, disbursal("a", 1))
	record(t, s, answer(begin(t, s), airtime.Accepted, ""))
	require.NoError(t, s.Pause(ctx, "lipad", airtime.ReasonServerError, 0))
	require.Equal(t, time.Second, idle(t, s, state.IdlePaused).Wait)
}

func TestWakeupNumbersNeverRepeat(t *testing.T) {
	t.Parallel()
	s, c := timed(t, nil)
	ctx := context.Background()
	seen := map[int64]bool{}
	wakeup := func(r *state.Wakeup) {
		require.NotNil(t, r)
		require.Equal(t, "lipad", r.Provider)
		require.False(t, seen[r.Number], "wakeup %d", r.Number)
		seen[r.Number] = true
	}
	for i := range 5 {
		got, err := s.Accept(ctx, []state.Disbursal{disbursal(fmt.Sprint("r", i), 1)})
		require.NoError(t, err)
		require.Len(t, got.Wakeups, 1)
		wakeup(&got.Wakeups[0])
		again, err := s.Accept(ctx, []state.Disbursal{disbursal(fmt.Sprint("again", i), 1)})
		require.NoError(t, err)
		require.Empty(t, again.Wakeups, "one trigger is under way")
		swept, err := s.Sweep(ctx, "lipad")
		require.NoError(t, err)
		require.Nil(t, swept.Wakeup)
		c.pass(2 * time.Second)
		swept, err = s.Sweep(ctx, "lipad")
		require.NoError(t, err)
		wakeup(swept.Wakeup)
		// The trigger arrives; there is more work than one batch holds.
		holder := token()
		claimed, err := s.Claim(ctx, "lipad", holder, 1)
		require.NoError(t, err)
		wakeup(claimed.Wakeup)
		require.NoError(t, s.Requeue(ctx, claimed.Batch, holder, "", 0))
		c.pass(2 * time.Second)
	}
}

func TestReleaseOfAnotherHolderChangesNothing(t *testing.T) {
	t.Parallel()
	s := open(t, nil)
	accept(t, s, disbursal("a", 1))
	b, holder := claim(t, s, 1)
	ctx := context.Background()
	require.NoError(t, s.Requeue(ctx, b, token(), airtime.ReasonBalance, time.Hour))
	_, err := s.BeginSend(ctx, b, holder)
	require.NoError(t, err)
	require.NoError(t, s.Requeue(ctx, b, holder, airtime.ReasonBalance, time.Hour))
	only(t, s, "a", airtime.Sending)
	idle(t, s, state.IdleEmpty)
}
