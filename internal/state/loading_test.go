package state_test

import (
	"strconv"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"tuma/internal/state"
	"tuma/internal/test/redistest"
)

// TestALoadingRedisIsFrozenToo kills a Redis that takes a while to load: connections are made
// before its scripts can run, and the first claim must still find that it is another process.
func TestALoadingRedisIsFrozenToo(t *testing.T) {
	t.Parallel()
	server := redistest.Start(t, redistest.WithConfig("key-load-delay", "400"))
	s, err := state.Open(bg, optionsAt(server.URL()))
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, s.Close()) })
	accept(t, s, disbursal("a", 2))
	pipe := s.Client().Pipeline()
	for i := range 4000 {
		pipe.Set(bg, "x"+strconv.Itoa(i), i, 0)
	}
	_, err = pipe.Exec(bg)
	require.NoError(t, err)
	time.Sleep(1200 * time.Millisecond) // The append-only file is written every second.
	server.Kill()
	server.Restart()
	require.Eventually(t, func() bool {
		got, err := s.Claim(bg, "lipad", token(), 10)
		if err != nil {
			return false
		}
		require.Equal(t, state.IdleFenced, got.Idle)
		return true
	}, 2*time.Minute, 20*time.Millisecond)
}
