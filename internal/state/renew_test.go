package state_test

import (
	"context"
	"testing"
	"time"

	"github.com/redis/go-redis/v9"
	"github.com/stretchr/testify/require"

	"tuma/internal/state"
	"tuma/internal/test/redistest"
)

// TestAnExhaustedJobsStreamIsRenewed: nothing on it is lost, and consumers and producers go on.
func TestAnExhaustedJobsStreamIsRenewed(t *testing.T) {
	t.Parallel()
	server := redistest.Start(t)
	s := openWith(t, optionsAt(server.URL()))
	ctx := context.Background()
	require.NoError(t, s.OpenJobs(ctx))
	add := func(id, job string) error {
		return s.Client().XAdd(ctx, &redis.XAddArgs{
			Stream: s.Key("jobs", ""), ID: id, Values: []string{"job", job},
		}).Err()
	}
	read := func() state.Entry {
		entries, err := s.ReadJobs(ctx, "c", 10, -1)
		require.NoError(t, err)
		require.Len(t, entries, 1)
		return entries[0]
	}
	require.NoError(t, add("18446744073709551615-18446744073709551615", "last"))
	require.ErrorContains(t, add("*", "next"), "exhausted")
	figures, err := s.Stats(ctx)
	require.NoError(t, err)
	require.Greater(t, figures.Streams[0].Ahead, time.Hour)

	require.NoError(t, s.OpenJobs(ctx), "what is on it stays")
	last := read()
	require.Equal(t, "last", last.Job)
	require.NoError(t, s.OpenJobs(ctx), "what is in hand stays")
	left, _, err := s.TakeOverJobs(ctx, "other", 10, 0, "0-0")
	require.NoError(t, err)
	require.Len(t, left, 1)

	require.NoError(t, s.AckJobs(ctx, []string{last.ID}))
	require.NoError(t, s.OpenJobs(ctx))
	require.NoError(t, add("*", "next"))
	require.Equal(t, "next", read().Job)
	figures, err = s.Stats(ctx)
	require.NoError(t, err)
	require.Zero(t, figures.Streams[0].Ahead)
	require.NoError(t, s.OpenJobs(ctx), "a stream with ids of its time stays")
}
