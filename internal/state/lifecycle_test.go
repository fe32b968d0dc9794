package state_test

import (
	"context"
	"fmt"
	"testing"
	"time"

	"github.com/alicebob/miniredis/v2"
	"github.com/stretchr/testify/require"

	"tuma/internal/airtime"
	"tuma/internal/redisconn"
	"tuma/internal/state"
)

func TestFromAcceptToSettled(t *testing.T) {
	t.Parallel()
	t.Run("redis", func(t *testing.T) {
		t.Parallel()
		acceptToSettled(t, open(t, nil))
	})
	t.Run("miniredis", func(t *testing.T) {
		t.Parallel()
		s, err := state.Open(context.Background(), state.Options{
			Options: redisconn.Options{URL: "redis://" + miniredis.RunT(t).Addr()}, AllowVolatile: true,
			Providers: testProviders,
		})
		require.NoError(t, err)
		t.Cleanup(func() { require.NoError(t, s.Close()) })
		acceptToSettled(t, s)
	})
}

func acceptToSettled(t *testing.T, s *state.Store) {
	ctx := context.Background()
	accepted, err := s.Accept(ctx, []state.Disbursal{disbursal("a", 600), disbursal("b", 300)})
	require.NoError(t, err)
	require.Equal(t, []state.Outcome{state.Accepted, state.Accepted}, accepted.Outcomes)
	require.Len(t, accepted.Wakeups, 1)
	balanced(t, s)

	b := begin(t, s)
	require.Len(t, b.Members, 600, "b has the same numbers as a, so it waits for the next batch")
	balanced(t, s)
	recorded, err := s.Record(ctx, answer(b, airtime.Accepted, "").built())
	require.NoError(t, err)
	require.Equal(t, 600, recorded.Accepted)
	require.Equal(t, map[airtime.Status]int64{airtime.Submitted: 600}, statuses(t, s, "a"))

	var facts []observation
	for i := range b.Members {
		fact := observation{
			Position: i, Status: airtime.Successful,
			ProviderReference: fmt.Sprint(i), Message: "paid",
		}
		if i == 7 {
			fact.Status = airtime.Failed
		}
		facts = append(facts, fact)
	}
	for range 2 { // The second time is a replay.
		seen, err := s.Observe(ctx, b, linesOf(b, facts), true, state.PollSchedule{Next: time.Second})
		require.NoError(t, err)
		require.Zero(t, seen.Open)
	}
	require.Equal(t, map[airtime.Status]int64{airtime.Successful: 599, airtime.Failed: 1},
		statuses(t, s, "a"))
	require.Equal(t, map[airtime.Status]int64{airtime.Queued: 300}, statuses(t, s, "b"))
	audit := balanced(t, s)
	require.Equal(t, 900, audit.Recipients)
}
