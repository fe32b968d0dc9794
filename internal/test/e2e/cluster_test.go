package e2e_test

import (
	"net/http"
	"testing"
	"time"

	"github.com/redis/go-redis/v9"
	"github.com/stretchr/testify/require"

	"tuma/internal/test/proctest"
	"tuma/internal/test/redistest"
)

// newCluster starts a Redis Cluster of six nodes.
func newCluster(t *testing.T) *beyond {
	t.Helper()
	c := redistest.StartCluster(t)
	options, err := redis.ParseClusterURL(c.URL())
	require.NoError(t, err)
	// By itself the client takes up to a minute to learn who has taken over.
	options.ClusterStateReloadInterval = time.Second
	client := redis.NewClusterClient(options)
	t.Cleanup(func() { _ = client.Close() }) // It has no state.
	return &beyond{
		mode: "cluster", url: c.URL(), services: client, shown: `"cluster":true`,
		master:   func(key string) *redistest.Server { return c.Master(t, key) },
		heard:    func() { c.AwaitHeard(t, stateKey) },
		lag:      func() []*redistest.Server { return []*redistest.Server{c.Lag(t, stateKey)} },
		handOver: func() { c.HandOver(t, stateKey) },
		whole:    func() { c.AwaitWhole(t) },
	}
}

// TestClusterLosesItsMasters kills the master of the state while disbursals run, and then the one
// of asynq's other queues. Each replica takes over by itself, and everybody is paid once.
func TestClusterLosesItsMasters(t *testing.T) {
	t.Parallel()
	b := newCluster(t)
	require.NotEqual(t, b.master(stateKey).Addr(), b.master(pollKey).Addr())
	survivesKills(t, b, stateKey, pollKey)
}

// TestClusterForgetsNoAcknowledgedSending is what state.min_replicas is for.
func TestClusterForgetsNoAcknowledgedSending(t *testing.T) {
	t.Parallel()
	b := newCluster(t)
	forgetsNoSending(t, b)
}

// TestClusterHandsOver needs no state.min_replicas: the master of a cluster waits with its writes
// until the replica that takes over has all of them.
func TestClusterHandsOver(t *testing.T) {
	t.Parallel()
	b := newCluster(t)
	survivesHandingOver(t, b, 0)
}

// TestClusterNodesAreAskedForTheirOwn changes the settings of nodes that do not hold the state,
// which is no reason not to start; and those of the one that does, which is.
func TestClusterNodesAreAskedForTheirOwn(t *testing.T) {
	t.Parallel()
	b := newCluster(t)
	h := newHarness(t, setup{at: b.place(t), config: unreplicated})
	ops := proctest.FreeAddr(t)
	other := b.master(pollKey).Client(t)
	require.NoError(t, other.ConfigSet(t.Context(), "maxmemory-policy", "allkeys-lru").Err())
	h.run(proctest.Build(t, cmdPoller), []string{"TUMA_OPS_ADDR=" + ops})
	h.awaitPage("http://"+ops+"/readyz", http.StatusOK, "")
	require.NoError(t, h.rdb.ConfigSet(t.Context(), "maxmemory-policy", "allkeys-lru").Err())
	h.awaitPage("http://"+ops+"/readyz", http.StatusServiceUnavailable,
		"maxmemory-policy is allkeys-lru")
	require.Contains(t, h.must(2, "verify").errors, "set it to noeviction")
}
