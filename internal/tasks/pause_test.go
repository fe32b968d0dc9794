package tasks_test

import (
	"context"
	"fmt"
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/stretchr/testify/require"

	"tuma/internal/airtime"
	"tuma/internal/routing"
	"tuma/internal/sandbox"
	"tuma/internal/state"
	"tuma/internal/tasks"
)

// TestAPausedChannelResumesByItself once the credentials are good again: it is probed with one
// recipient, the others follow, and the other providers never notice.
func TestAPausedChannelResumesByItself(t *testing.T) {
	t.Parallel()
	f := newFleet(t, steady)
	f.faulty(t, talking, func(s *sandbox.Faults) { s.RefuseCredentials = true })
	f.workers(t, lipad, talking, sozuri)
	f.accept(t, disbursalTo(talking, "waits", 0, 50, false))
	require.Eventually(t, func() bool { return f.channelOf(t, talking).Paused > 0 }, testTimeout,
		time.Millisecond)
	require.Equal(t, airtime.ReasonCredentials, f.channelOf(t, talking).PauseReason)
	require.Equal(t, map[airtime.Status]int64{airtime.Queued: 50}, f.statuses(t, "waits"))

	f.accept(t, disbursalTo(lipad, "flows", 100, 50, false))
	f.accept(t, disbursalTo(sozuri, "flows-too", 200, 50, false))
	f.all(t, "flows", airtime.Submitted, 50)
	f.all(t, "flows-too", airtime.Submitted, 50)
	require.True(t, f.channelOf(t, talking).HalfOpen, "it still waits")
	require.Zero(t, f.channelOf(t, lipad).Paused+f.channelOf(t, sozuri).Paused)

	f.faulty(t, talking, func(s *sandbox.Faults) { s.RefuseCredentials = false })
	f.all(t, "waits", airtime.Submitted, 50)
	sizes := f.sizes(talkingSend)
	last := len(sizes) - 1
	require.GreaterOrEqual(t, last, 2)
	require.Equal(t, 50, sizes[0])
	for _, size := range sizes[1:last] {
		require.Equal(t, 1, size, "a probe is of one")
	}
	require.Equal(t, 49, sizes[last], "the others, at once")
	require.False(t, f.channelOf(t, talking).HalfOpen)
	f.paidOnce(t, 150)
}

// TestAnEmptyAccountPausesAndTheNextPaymentGoesOn when money is there again.
func TestAnEmptyAccountPausesAndTheNextPaymentGoesOn(t *testing.T) {
	t.Parallel()
	f := newFleet(t, steady)
	f.faulty(t, sozuri, func(s *sandbox.Faults) { s.Balance = "40.00" })
	f.workers(t, sozuri)
	f.accept(t, disbursalTo(sozuri, "d", 0, 5, false))
	require.Eventually(t, func() bool { return f.channelOf(t, sozuri).Paused > 0 }, testTimeout,
		time.Millisecond)
	require.Equal(t, airtime.ReasonBalance, f.channelOf(t, sozuri).PauseReason)
	require.Equal(t, map[airtime.Status]int64{airtime.Queued: 5}, f.statuses(t, "d"))
	f.faulty(t, sozuri, func(s *sandbox.Faults) { s.Balance = "" })
	f.all(t, "d", airtime.Submitted, 5)
	f.paidOnce(t, 5)
}

// moveAfter is how long a channel must be paused in these tests.
const moveAfter = 600 * time.Millisecond

// onPause is the rule of these tests.
func onPause(names ...string) []routing.Rule {
	return []routing.Rule{{
		Name: "kenya", Providers: names, MovePaused: true, MoveAfter: moveAfter,
	}}
}

// rerouter is the loop that moves recipients from paused channels.
func (f *fleet) rerouter() *tasks.Rerouter {
	return &tasks.Rerouter{
		Store: f.store, Queues: f.queues, Interval: 20 * time.Millisecond, Log: f.log,
		Failover: tasks.Failover{Rules: f.rules, Entries: f.entries},
	}
}

// reroute starts it.
func (f *fleet) reroute(t *testing.T) {
	t.Helper()
	loop(t, f.rerouter().Run)
}

// move returns one round of it.
func (f *fleet) move(t *testing.T) func(context.Context) {
	t.Helper()
	return func(ctx context.Context) { require.NoError(t, f.rerouter().Once(ctx)) }
}

// pause pauses a channel for longer than a test takes.
func (f *fleet) pause(t *testing.T, provider string) {
	t.Helper()
	err := f.store.Pause(context.Background(), provider, airtime.ReasonBalance, time.Hour)
	require.NoError(t, err)
}

// TestWhoWaitsForAPausedChannelMoves once the pause has lasted, and is paid by the next provider.
// Whoever was asked for by name stays.
func TestWhoWaitsForAPausedChannelMoves(t *testing.T) {
	t.Parallel()
	f := newFleet(t, steady)
	f.rules.Routing = onPause(talking, sozuri)
	clock := f.clocked(t)
	f.workers(t, talking, sozuri)
	f.pause(t, talking)
	const n, each = 45, 100 // More than two pages of the queue.
	for i := range n {
		f.acceptSilently(t, disbursalTo(talking, fmt.Sprint("d", i), each*i, each, true))
	}
	f.accept(t, disbursalTo(talking, "named", n*each, 10, false))
	f.beats(t, clock, 1, moveAfter-time.Millisecond, f.move(t))
	require.Empty(t, f.at(sozuriSend))
	f.beats(t, clock, 1, time.Millisecond, f.move(t))
	for i := range n {
		f.all(t, fmt.Sprint("d", i), airtime.Submitted, each)
	}
	row := f.rows(t, "d0")[0]
	require.Equal(t, sozuri, row.Provider)
	require.Len(t, row.History, 1)
	require.Equal(t, talking, row.History[0].Provider)
	require.Equal(t, airtime.ReasonBalance, row.History[0].Reason)
	require.Empty(t, row.History[0].Batch, "it was never sent there")
	require.Equal(t, map[airtime.Status]int64{airtime.Queued: 10}, f.statuses(t, "named"))
	require.Empty(t, f.at(talkingSend))
	f.paidOnce(t, n*each)
}

// TestWhoDoesNotMove is every condition of a move, broken one by one.
func TestWhoDoesNotMove(t *testing.T) {
	t.Parallel()
	for name, change := range map[string]func(*testing.T, *fleet){
		"the rule holds": func(_ *testing.T, f *fleet) {
			f.rules.Routing[0].MovePaused = false
			f.rules.Routing = append(f.rules.Routing, onPause(lipad, sozuri)...)
		},
		"not long enough": func(_ *testing.T, f *fleet) { f.rules.Routing[0].MoveAfter = time.Hour },
		"the next one is paused too": func(t *testing.T, f *fleet) {
			f.acceptSilently(t, disbursalTo(sozuri, "s", 900, 1, false))
			f.pause(t, sozuri)
		},
		"the next one is off": func(_ *testing.T, f *fleet) { delete(f.entries, sozuri) },
		"no next one": func(_ *testing.T, f *fleet) {
			f.rules.Routing = onPause(sozuri, talking)
		},
		"the next one does not take the amount": func(_ *testing.T, f *fleet) {
			f.rules.Providers[sozuri] = tight(f.rules.Providers[sozuri])
		},
		"another campaign": func(_ *testing.T, f *fleet) {
			f.rules.Routing[0].Campaigns = []string{"rewards-*"}
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			f := newFleet(t, steady)
			f.rules.Routing = onPause(talking, sozuri)
			clock := f.clocked(t)
			change(t, f)
			f.acceptSilently(t, disbursalTo(talking, "d", 0, 20, true))
			f.pause(t, talking)
			f.beats(t, clock, 3, moveAfter, f.move(t))
			for _, row := range f.rows(t, "d") {
				require.Equal(t, talking, row.Provider)
				require.Empty(t, row.History)
			}
			f.balanced(t)
		})
	}
}

// TestAPausedOneIsPassedOver: the first provider behind it that works takes the recipients.
func TestAPausedOneIsPassedOver(t *testing.T) {
	t.Parallel()
	f := newFleet(t, steady)
	f.rules.Routing = onPause(talking, sozuri, quicksms)
	f.acceptSilently(t, disbursalTo(sozuri, "s", 900, 1, false))
	f.acceptSilently(t, disbursalTo(talking, "d", 0, 20, true))
	f.pause(t, talking)
	f.pause(t, sozuri)
	f.serve(t, quicksms, tasks.TypeSubmit, f.submitTo(quicksms, nil))
	f.reroute(t) // Without a sweeper: the move itself brings the trigger.
	f.all(t, "d", airtime.Unconfirmed, 20)
	require.Equal(t, quicksms, f.rows(t, "d")[0].Provider)
	require.Empty(t, f.at(sozuriSend))
	f.paidOnce(t, 20)
}

// TestWhoIsClaimedStays: a worker has it in hand, and may be about to send it.
func TestWhoIsClaimedStays(t *testing.T) {
	t.Parallel()
	f := newFleet(t, func(o *state.Options) {
		steady(o)
		o.ClaimTimeout = time.Hour
	})
	f.rules.Routing = onPause(talking, sozuri)
	f.acceptSilently(t, disbursalTo(talking, "claimed", 0, 10, true))
	token, err := uuid.NewV7()
	require.NoError(t, err)
	claim, err := f.store.Claim(context.Background(), talking, token.String(), 5)
	require.NoError(t, err)
	require.Len(t, claim.Batch.Members, 5)
	f.acceptSilently(t, disbursalTo(talking, "waits", 20, 5, true))
	f.pause(t, talking)
	f.workers(t, sozuri)
	f.reroute(t)
	f.all(t, "waits", airtime.Submitted, 5)
	require.Eventually(t, func() bool {
		return f.statuses(t, "claimed")[airtime.Submitted] == 5
	}, testTimeout, 10*time.Millisecond, "the other half")
	require.Equal(t, int64(5), f.statuses(t, "claimed")[airtime.Queued])
	left, err := f.store.BeginSend(context.Background(), claim.Batch, token.String())
	require.NoError(t, err, "the claim still holds")
	require.Positive(t, left)
	f.balanced(t)
}

// TestWhoIsClaimedBetweenTwoPausesStays: the list was made during the first of them.
func TestWhoIsClaimedBetweenTwoPausesStays(t *testing.T) {
	t.Parallel()
	f := newFleet(t, steady)
	clock := f.clocked(t)
	ctx := context.Background()
	f.acceptSilently(t, disbursalTo(talking, "d", 0, 3, true))
	require.NoError(t, f.store.Pause(ctx, talking, airtime.ReasonBalance, time.Second))
	found, _, err := f.store.Stranded(ctx, talking, 0, 10)
	require.NoError(t, err)
	require.Len(t, found, 3)
	var onward []state.Onward
	for _, s := range found {
		onward = append(onward, state.Onward{Stranded: s, Provider: sozuri})
	}
	token, err := uuid.NewV7()
	require.NoError(t, err)
	clock.Pass(time.Second)
	claim, err := f.store.Claim(ctx, talking, token.String(), 1)
	require.NoError(t, err)
	require.NotNil(t, claim.Batch)
	f.pause(t, talking)
	moved, _, err := f.store.Reroute(ctx, talking, onward)
	require.NoError(t, err)
	require.Equal(t, 2, moved)
	_, err = f.store.BeginSend(ctx, claim.Batch, token.String())
	require.NoError(t, err, "whoever was claimed is still in hand")
	f.balanced(t)
}

// TestAChannelThatIsProbedInVainCountsAsPaused: the time of the pause is that of all of it.
func TestAChannelThatIsProbedInVainCountsAsPaused(t *testing.T) {
	t.Parallel()
	f := newFleet(t, steady)
	f.rules.Routing = onPause(talking, sozuri)
	f.rules.Routing[0].MoveAfter = 1500 * time.Millisecond // Longer than the first pause.
	f.faulty(t, talking, func(s *sandbox.Faults) { s.RefuseCredentials = true })
	f.workers(t, talking, sozuri)
	f.reroute(t)
	f.accept(t, disbursalTo(talking, "d", 0, 20, true))
	require.Eventually(t, func() bool {
		return f.statuses(t, "d")[airtime.Submitted] == 20
	}, testTimeout, 10*time.Millisecond)
	for _, row := range f.rows(t, "d") {
		require.Equal(t, sozuri, row.Provider)
	}
	f.paidOnce(t, 20)
}
