package state_test

import (
	"testing"

	"github.com/stretchr/testify/require"

	"tuma/internal/airtime"
	"tuma/internal/redisconn"
	"tuma/internal/state"
	"tuma/internal/test/redistest"
)

// TestWhileItsSlotMovesAScriptDoesNothing moves the state to another node of a cluster, key by key,
// while verbs are called: none does anything until the state is in one place again, so that nobody
// is accepted a second time where the first time has not arrived, and no script stops half-way.
func TestWhileItsSlotMovesAScriptDoesNothing(t *testing.T) {
	t.Parallel()
	c := redistest.StartCluster(t)
	options := state.Options{
		Options: redisconn.Options{URL: c.URL(), Mode: "cluster"}, Providers: testProviders,
	}
	_, err := state.Open(background, options)
	require.ErrorIs(t, err, state.ErrForgetful)
	require.ErrorContains(t, err, "state.min_replicas is not set")
	options.Unreplicated = true
	s := openWith(t, options)
	for i := range 20 {
		accept(t, s, shifted(token(), 10*i, 10))
	}
	known := disbursal("known", 10)
	accept(t, s, known)
	b := begin(t, s)
	move := c.Move(t, s.Key("state", ""))
	on := []*state.Store{
		openWith(t, state.Options{Options: redisconn.Options{URL: move.From.URL()}, Inspect: true}),
		openWith(t, state.Options{Options: redisconn.Options{URL: move.To.URL()}, Inspect: true}),
	}
	for range 8 {
		before := []map[string]string{dumps(t, on[0]), dumps(t, on[1])}
		for _, d := range []state.Disbursal{known, shifted("new", 500, 10)} {
			_, err := s.Accept(background, []state.Disbursal{d})
			require.ErrorContains(t, err, "TRYAGAIN")
		}
		_, err := s.Record(background, answer(b, airtime.Accepted, "").built())
		require.ErrorContains(t, err, "TRYAGAIN")
		_, err = s.Sweep(background, lipad)
		require.ErrorContains(t, err, "TRYAGAIN")
		after := []map[string]string{dumps(t, on[0]), dumps(t, on[1])}
		require.Equal(t, before, after)
		move.Keys(t, 10)
	}
	move.End(t)
	got, err := s.Accept(background, []state.Disbursal{known, shifted("new", 500, 10)})
	require.NoError(t, err)
	require.Equal(t, []state.Outcome{state.Same, state.Accepted}, got.Outcomes)
	require.Equal(t, len(b.Members), record(t, s, answer(b, airtime.Accepted, "")).Accepted)
	require.Equal(t, 220, balanced(t, s).Recipients)
}
