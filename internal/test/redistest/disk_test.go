package redistest

import (
	"errors"
	"os"
	"testing"
	"time"

	"github.com/redis/go-redis/v9"
	"github.com/stretchr/testify/require"
)

// A disk that is told to keep something once a second loses what came after: that is what a killed
// server alone does not show.
func TestPowerFailureTakesWhatWasNotKept(t *testing.T) {
	t.Parallel()
	server := StartOnDisk(t)
	client := server.Client(t)
	require.NoError(t, client.Set(t.Context(), "before", "v", 0).Err())
	server.Hold(t)
	require.NoError(t, client.Set(t.Context(), "after", "v", 0).Err())
	server.FailPower(t) // Redis may not even have written what it confirmed: the disk was busy.
	server.Restart()
	require.NoError(t, client.Get(t.Context(), "before").Err())
	require.ErrorIs(t, client.Get(t.Context(), "after").Err(), redis.Nil)
}

func TestWithFsyncAlwaysPowerFailureTakesNothing(t *testing.T) {
	t.Parallel()
	server := StartOnDisk(t, WithConfig("appendfsync", "always"))
	client := server.Client(t)
	for range 100 {
		require.NoError(t, client.Incr(t.Context(), "n").Err())
	}
	require.Zero(t, server.FailPower(t))
	server.Restart()
	require.Equal(t, "100", client.Get(t.Context(), "n").Val())
}

// While the disk is busy with what it was told before, Redis answers without having written: with
// appendfsync everysec even a killed server can lose what it has confirmed, up to two seconds of
// it.
func TestKillOnABusyDiskTakesWhatWasConfirmed(t *testing.T) {
	t.Parallel()
	server := StartOnDisk(t)
	client := server.Client(t)
	server.Hold(t)
	var confirmed int64
	for end := time.Now().Add(1500 * time.Millisecond); time.Now().Before(end); {
		n, err := client.Incr(t.Context(), "n").Result()
		require.NoError(t, err)
		confirmed = n
	}
	server.Kill()
	require.NoError(t, os.Remove(server.disk.holding()))
	server.Restart()
	kept, err := client.Get(t.Context(), "n").Int64()
	if !errors.Is(err, redis.Nil) {
		require.NoError(t, err)
	}
	require.Less(t, kept, confirmed)
	t.Logf("%d confirmed, %d kept", confirmed, kept)
}
