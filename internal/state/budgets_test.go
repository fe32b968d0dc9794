package state_test

import (
	"context"
	"crypto/sha256"
	"fmt"
	"strings"
	"testing"

	"github.com/redis/go-redis/v9"
	"github.com/stretchr/testify/require"

	"tuma/internal/state"
	"tuma/internal/test/redistest"
)

// TestWhatIsKeptOfARefusalIsBounded: its producer has the rest, and knows it by length and hash.
func TestWhatIsKeptOfARefusalIsBounded(t *testing.T) {
	t.Parallel()
	s := open(t, nil)
	ctx := context.Background()
	job := strings.Repeat("0123456789", 700_000)
	require.NoError(t, s.Reject(ctx,
		state.Refusal{Job: job, Source: "stream", Err: strings.Repeat("a fault; ", 100_000)},
		state.Refusal{Job: "{}", Source: "stream", Err: "reference: missing"}))
	kept, err := s.Client().XRange(ctx, s.Key("rejected", ""), "-", "+").Result()
	require.NoError(t, err)
	require.Len(t, kept, 2)
	long, short := kept[0].Values, kept[1].Values
	require.Equal(t, job[:64<<10], long["job"])
	require.Equal(t, "7000000", long["bytes"])
	require.Equal(t, fmt.Sprintf("%x", sha256.Sum256([]byte(job))), long["hash"])
	require.Less(t, len(long["error"].(string)), 65<<10)
	require.Contains(t, long["error"], "bytes more")
	require.Equal(t, "{}", short["job"])
	require.Equal(t, "2", short["bytes"])
	require.Equal(t, "reference: missing", short["error"])
}

// TestStreamsYieldBeforeIntakeStops: each gives up its oldest entries down to its budget, and what
// nobody has read of them is counted.
func TestStreamsYieldBeforeIntakeStops(t *testing.T) {
	t.Parallel()
	server := redistest.Start(t)
	s := openWith(t, optionsAt(server.URL()))
	ctx, client := context.Background(), s.Client()
	results, rejected := s.Key("results", ""), s.Key("rejected", "")
	add := func(stream string, entries, bytes int) {
		for i := range entries {
			require.NoError(t, client.XAdd(ctx, &redis.XAddArgs{
				Stream: stream, ID: fmt.Sprint(i+1) + "-0",
				Values: []string{"x", strings.Repeat("y", bytes)},
			}).Err())
		}
	}
	add(rejected, 300, 64<<10)
	add(results, 6000, 4000)
	require.NoError(t, client.XGroupCreate(ctx, results, "shop", "200-0").Err())
	require.NoError(t, client.XGroupCreate(ctx, results, "bank", "$").Err())

	fill(t, s, 0.69)
	yielded, err := s.Yield(ctx)
	require.NoError(t, err)
	require.Empty(t, yielded, "there is room")

	fill(t, s, 0.90)
	_, err = s.Accept(ctx, []state.Disbursal{disbursal("a", 1)})
	require.ErrorIs(t, err, state.ErrFull)
	yielded, err = s.Yield(ctx)
	require.NoError(t, err)
	require.Len(t, yielded, 2)
	require.Equal(t, "rejected", yielded[0].Stream)
	require.Equal(t, yielded[0].Entries, yielded[0].Unread, "nobody reads it as a group")
	require.Equal(t, "results", yielded[1].Stream)
	require.Equal(t, yielded[1].Entries-200, yielded[1].Unread, "the slowest group had read so far")
	first, err := client.XRangeN(ctx, results, "-", "+", 1).Result()
	require.NoError(t, err)
	require.Equal(t, fmt.Sprint(yielded[1].Entries+1)+"-0", first[0].ID, "the oldest have gone")

	figures, err := s.Stats(ctx)
	require.NoError(t, err)
	for _, stream := range figures.Streams {
		switch stream.Name {
		case "results":
			require.Equal(t, yielded[1].Unread, stream.TrimmedUnread)
		case "rejected":
			require.Equal(t, yielded[0].Unread, stream.TrimmedUnread)
		default:
			require.Zero(t, stream.TrimmedUnread)
		}
	}
	s.LookAgain()
	accept(t, s, disbursal("a", 1))
}

// TestJobsThatFillRedisAreRead: reading them is what makes room.
func TestJobsThatFillRedisAreRead(t *testing.T) {
	t.Parallel()
	server := redistest.Start(t)
	s := openWith(t, optionsAt(server.URL()))
	ctx := context.Background()
	require.NoError(t, s.OpenJobs(ctx))
	for range 20 {
		require.NoError(t, s.Client().XAdd(ctx, &redis.XAddArgs{
			Stream: s.Key("jobs", ""), Values: []string{"job", strings.Repeat("x", 1<<20)},
		}).Err())
	}
	fill(t, s, 0.85)
	entries, err := s.ReadJobs(ctx, "c", 1000, -1)
	require.NoError(t, err)
	require.Less(t, len(entries), 5, "Redis holds what it answers a second time")
	accept(t, s, disbursal("a", 1))
}
