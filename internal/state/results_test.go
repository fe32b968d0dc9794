package state_test

import (
	"context"
	"fmt"
	"sync"
	"testing"
	"time"

	"github.com/redis/go-redis/v9"
	"github.com/stretchr/testify/require"

	"tuma/internal/state"
)

// put appends results of a producer, empty for none, by their numbers, which are also their ids.
func put(t *testing.T, s *state.Store, producer string, numbers ...int) {
	t.Helper()
	for _, n := range numbers {
		values := []string{"reference", fmt.Sprint("r-", n), "status", "successful"}
		if producer != "" {
			values[1] = producer + "/" + values[1]
			values = append(values, "producer", producer)
		}
		require.NoError(t, s.Client().XAdd(context.Background(), &redis.XAddArgs{
			Stream: s.Key("results", ""), ID: fmt.Sprintf("%d-0", n), Values: values,
		}).Err())
	}
}

func TestResultsAreReadInOrderAndByTheirProducersWords(t *testing.T) {
	t.Parallel()
	s, ctx := open(t, nil), context.Background()
	none, err := s.ResultsAfter(ctx, "", 10)
	require.NoError(t, err)
	require.Equal(t, state.ResultsPage{Next: "0-0"}, none)
	put(t, s, "shop", 1)
	put(t, s, "", 2)
	put(t, s, "bank", 3)
	page, err := s.ResultsAfter(ctx, "", 2)
	require.NoError(t, err)
	require.Equal(t, state.ResultsPage{
		Results: []state.Result{
			{
				ID: "1-0", Producer: "shop", Reference: "r-1",
				Fields: map[string]string{"reference": "shop/r-1", "status": "successful"},
			},
			{
				ID: "2-0", Reference: "r-2",
				Fields: map[string]string{"reference": "r-2", "status": "successful"},
			},
		},
		Next: "2-0", More: true,
	}, page)
	page, err = s.ResultsAfter(ctx, page.Next, 2)
	require.NoError(t, err)
	require.Equal(t, "bank", page.Results[0].Producer)
	require.Equal(t, "3-0", page.Next)
	require.False(t, page.More)
	page, err = s.ResultsAfter(ctx, "3-0", 2)
	require.NoError(t, err)
	require.Equal(t, state.ResultsPage{Next: "3-0"}, page)
}

// TestOnlyALossIsTold: a reader is told of results that it can no longer get, and of none that it
// has had, whatever its position is called.
func TestOnlyALossIsTold(t *testing.T) {
	t.Parallel()
	s := open(t, func(o *state.Options) { o.StreamAge = time.Nanosecond })
	ctx := context.Background()
	for _, trim := range []struct {
		name    string
		numbers []int
	}{{"the first", []int{1, 2, 3}}, {"more", []int{4, 5}}, {"all", []int{900}}} {
		put(t, s, "shop", trim.numbers...)
		last := trim.numbers[len(trim.numbers)-1]
		_, err := s.ResultsAfter(ctx, fmt.Sprintf("%d-0", trim.numbers[0]-1), 10)
		require.NoError(t, err, "nothing of it is gone")
		n, err := s.TrimStreams(ctx)
		require.NoError(t, err)
		require.Equal(t, int64(len(trim.numbers)), n)
		for after, lost := range map[string]bool{
			"0-0": true, fmt.Sprintf("%d-0", last-1): true,
			fmt.Sprintf("%d-18446744073709551615", last-1): true,
			fmt.Sprintf("%d-0", last):                      false,
			fmt.Sprintf("%d-1", last):                      false, fmt.Sprintf("%d-0", last+1): false,
			"": false,
		} {
			page, err := s.ResultsAfter(ctx, after, 10)
			if lost {
				require.ErrorIs(t, err, state.ErrTrimmed, "%s: %s", trim.name, after)
				continue
			}
			require.NoError(t, err, "%s: %s", trim.name, after)
			require.Empty(t, page.Results)
			if after == "" {
				after = fmt.Sprintf("%d-0", last)
			}
			require.Equal(t, after, page.Next)
		}
		kept, err := s.Client().ZRange(ctx, s.Key("trimmed", "results"), 0, -1).Result()
		require.NoError(t, err)
		require.Len(t, kept, 1, "what it says of former ones goes")
	}
}

// TestTrimmersAtOnceForgetNoLoss: the last entry of all that went counts, whoever took it.
func TestTrimmersAtOnceForgetNoLoss(t *testing.T) {
	t.Parallel()
	s := open(t, func(o *state.Options) { o.StreamAge = time.Nanosecond })
	ctx := context.Background()
	for round := range 20 {
		first := 100*round + 1
		var all sync.WaitGroup
		for n := range 4 {
			put(t, s, "", first+n)
			all.Go(func() { _, _ = s.TrimStreams(ctx) })
		}
		all.Wait()
		_, err := s.TrimStreams(ctx)
		require.NoError(t, err)
		_, err = s.ResultsAfter(ctx, fmt.Sprintf("%d-0", first+2), 1)
		require.ErrorIs(t, err, state.ErrTrimmed)
		_, err = s.ResultsAfter(ctx, fmt.Sprintf("%d-0", first+3), 1)
		require.NoError(t, err)
	}
}

func TestIdsOfResultsAreRead(t *testing.T) {
	t.Parallel()
	for text, want := range map[string]string{
		"0-0": "0-0", "17": "17-0", "00017-05": "17-5",
		"18446744073709551615-1": "18446744073709551615-1",
	} {
		id, err := state.ParseResultID(text)
		require.NoError(t, err)
		require.Equal(t, want, id)
	}
	for _, text := range []string{
		"", "-", "-1", "1-", "a", "1-a", "1-1-1", "+1", "1-+1", " 1",
		"18446744073709551616", "(1-0", "$", ">",
	} {
		_, err := state.ParseResultID(text)
		require.ErrorContains(t, err, "not the id of a result", text)
	}
}
