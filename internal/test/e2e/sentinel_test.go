package e2e_test

import (
	"testing"

	"github.com/redis/go-redis/v9"
	"github.com/stretchr/testify/require"

	"tuma/internal/test/redistest"
)

// newSentinel starts a Redis with two replicas and three sentinels.
func newSentinel(t *testing.T) *beyond {
	t.Helper()
	s := redistest.StartSentinel(t)
	options, err := redis.ParseFailoverURL(s.URL())
	require.NoError(t, err)
	client := redis.NewFailoverClient(options)
	t.Cleanup(func() { _ = client.Close() }) // It has no state.
	return &beyond{
		mode: "sentinel", url: s.URL(), services: client, shown: "redis_version",
		master:   func(string) *redistest.Server { return s.Master(t) },
		heard:    func() { s.AwaitHeard(t) },
		lag:      func() []*redistest.Server { return s.Lag(t) },
		handOver: func() { s.HandOver(t) },
		whole:    func() { s.AwaitWhole(t) },
	}
}

// TestSentinelLosesItsMaster kills the master while disbursals run. A replica takes over by itself,
// and everybody is paid once.
func TestSentinelLosesItsMaster(t *testing.T) {
	t.Parallel()
	survivesKills(t, newSentinel(t), stateKey)
}

// TestSentinelForgetsNoAcknowledgedSending is what state.min_replicas is for; what happens without
// it is TestReplicaWithoutWaitingForgets of internal/test/chaos.
func TestSentinelForgetsNoAcknowledgedSending(t *testing.T) {
	t.Parallel()
	forgetsNoSending(t, newSentinel(t))
}

// TestSentinelFailoverWaitsForTheWire is without state.min_replicas.
func TestSentinelFailoverWaitsForTheWire(t *testing.T) {
	t.Parallel()
	waitsForTheWire(t, newSentinel(t))
}

// TestSentinelHandsOver lets the sentinels promote a replica while the master lives on: it goes on
// taking writes, which are lost. With state.min_replicas at the number of all replicas nothing
// leaves on the word of a master from which the promoted one has gone.
func TestSentinelHandsOver(t *testing.T) {
	t.Parallel()
	survivesHandingOver(t, newSentinel(t), 2)
}
