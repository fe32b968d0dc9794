package redistest

import (
	"testing"

	"github.com/redis/go-redis/v9"
	"github.com/stretchr/testify/require"
)

// What a replica has heard of survives the master, and the killed master comes back as a replica.
func TestClusterReplicaTakesOver(t *testing.T) {
	t.Parallel()
	c := StartCluster(t)
	options, err := redis.ParseClusterURL(c.URL())
	require.NoError(t, err)
	client := redis.NewClusterClient(options)
	t.Cleanup(func() { _ = client.Close() })
	require.NoError(t, client.Set(t.Context(), "k", "v", 0).Err())
	c.AwaitHeard(t, "k")
	killed := c.Master(t, "k")
	killed.Kill()
	took := c.Master(t, "k")
	require.NotEqual(t, killed.Addr(), took.Addr())
	require.Equal(t, "v", took.Client(t).Get(t.Context(), "k").Val())
	killed.Restart()
	c.AwaitWhole(t)
	require.Equal(t, took, c.Master(t, "k"))
}

// What a master confirms while its replica lags is lost with the master.
func TestClusterReplicaThatLagsForgets(t *testing.T) {
	t.Parallel()
	c := StartCluster(t)
	master := c.Master(t, "k")
	require.NoError(t, master.Client(t).Set(t.Context(), "k", "old", 0).Err())
	c.AwaitHeard(t, "k")
	behind := c.Lag(t, "k")
	require.NoError(t, master.Client(t).Set(t.Context(), "k", "new", 0).Err())
	master.Kill()
	behind.Resume()
	require.Equal(t, behind, c.Master(t, "k"))
	require.Equal(t, "old", behind.Client(t).Get(t.Context(), "k").Val())
}

func TestSentinelReplicaTakesOver(t *testing.T) {
	t.Parallel()
	s := StartSentinel(t)
	killed := s.Master(t)
	require.NoError(t, killed.Client(t).Set(t.Context(), "k", "v", 0).Err())
	s.AwaitHeard(t)
	killed.Kill()
	took := s.Master(t)
	require.NotEqual(t, killed.Addr(), took.Addr())
	require.Equal(t, "v", took.Client(t).Get(t.Context(), "k").Val())
	killed.Restart()
	s.AwaitWhole(t)
	require.Equal(t, took, s.Master(t))
}

func TestSentinelReplicasThatLagForget(t *testing.T) {
	t.Parallel()
	s := StartSentinel(t)
	master := s.Master(t)
	require.NoError(t, master.Client(t).Set(t.Context(), "k", "old", 0).Err())
	s.AwaitHeard(t)
	behind := s.Lag(t)
	require.NoError(t, master.Client(t).Set(t.Context(), "k", "new", 0).Err())
	master.Kill()
	for _, replica := range behind {
		replica.Resume()
	}
	require.Equal(t, "old", s.Master(t).Client(t).Get(t.Context(), "k").Val())
}
