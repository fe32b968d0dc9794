package redistest

import (
	"context"
	"errors"
	"net"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"tuma/internal/test/proctest"
)

const (
	// masters is how many nodes of a cluster hold slots: the least of which one can be lost.
	masters = 3
	// slots is how many hash slots every Redis Cluster has.
	slots = 16384
	// silence is how long a node must not answer until the others call it failed, in milliseconds.
	silence = "2000"
)

// Cluster is a Redis Cluster of three masters with one replica each, all of them processes of their
// own. Nodes can be killed and restarted like any server; a replica takes over in seconds.
type Cluster struct {
	nodes []member
}

// StartCluster starts a cluster of the test's own and waits until every node knows of all others
// and every replica follows its master. It ends like the servers of Start.
func StartCluster(t testing.TB, options ...Option) *Cluster {
	t.Helper()
	c := &Cluster{}
	var buses []string
	for range 2 * masters {
		_, bus, err := net.SplitHostPort(proctest.FreeAddr(t))
		require.NoError(t, err)
		c.nodes = append(c.nodes, startMember(t, options, WithConfig("cluster-enabled", "yes"),
			WithConfig("cluster-port", bus), WithConfig("cluster-node-timeout", silence)))
		buses = append(buses, bus)
	}
	c.join(t, buses)
	return c
}

// join makes six lone nodes a cluster.
func (c *Cluster) join(t testing.TB, buses []string) {
	t.Helper()
	ctx := t.Context()
	for i, node := range c.nodes {
		require.NoError(t, node.client.Do(ctx, "cluster", "set-config-epoch", i+1).Err())
		if i < masters {
			from, to := slots*i/masters, slots*(i+1)/masters-1
			require.NoError(t, node.client.ClusterAddSlotsRange(ctx, from, to).Err())
		}
		host, port, err := net.SplitHostPort(node.Addr())
		require.NoError(t, err)
		require.NoError(t,
			c.nodes[0].client.Do(ctx, "cluster", "meet", host, port, buses[i]).Err())
	}
	for i, node := range c.nodes[masters:] {
		id, err := c.nodes[i].client.ClusterMyID(ctx).Result()
		require.NoError(t, err)
		// A node refuses until it has heard of its master.
		eventually(t, startLimit, "a node follows", func() bool {
			return node.client.ClusterReplicate(ctx, id).Err() == nil
		})
	}
	c.AwaitWhole(t)
}

// AwaitWhole waits until every node knows of three masters and three replicas, calls none of them
// failed, and every replica follows its master.
func (c *Cluster) AwaitWhole(t testing.TB) {
	t.Helper()
	eventually(t, failoverLimit, "the cluster is whole", func() bool {
		for _, node := range c.nodes {
			if node.look(t, node.whole) != nil {
				return false
			}
		}
		return true
	})
}

// errNotWhole is returned by a member to whom the cluster is not whole.
var errNotWhole = errors.New("the cluster is not whole")

// whole returns nil when the cluster is whole for one node.
func (m member) whole(ctx context.Context) error {
	nodes, err := m.client.ClusterNodes(ctx).Result()
	if err != nil || strings.Contains(nodes, "fail") || strings.Contains(nodes, "handshake") ||
		strings.Count(nodes, " connected") != 2*masters ||
		strings.Count(nodes, "slave ") != masters {
		return errNotWhole
	}
	state, err := m.client.ClusterInfo(ctx).Result()
	if err != nil || !strings.Contains(state, "cluster_state:ok") {
		return errNotWhole
	}
	part, err := m.client.Info(ctx, "replication").Result()
	if err != nil || strings.Contains(part, "master_link_status:down") {
		return errNotWhole
	}
	return nil
}

// URL returns the addresses of all nodes in the form of TUMA_REDIS_URL for the mode cluster.
func (c *Cluster) URL() string {
	addresses := make([]string, len(c.nodes))
	for i, node := range c.nodes {
		addresses[i] = node.Addr()
	}
	return "redis://" + addresses[0] + "?addr=" + strings.Join(addresses[1:], "&addr=")
}

// Master returns the node that holds the slot of a key, once there is one.
func (c *Cluster) Master(t testing.TB, key string) *Server {
	t.Helper()
	var master *Server
	eventually(t, failoverLimit, "a node holds "+key, func() bool {
		for _, node := range c.nodes {
			// Every other node answers with the address of that one.
			if node.look(t, func(ctx context.Context) error {
				return node.client.Exists(ctx, key).Err()
			}) == nil {
				master = node.Server
			}
		}
		return master != nil
	})
	return master
}

// Lag cuts the replica of a key's slot off from its master, keeps it frozen and returns it: what
// the master confirms from now on is lost when it is killed. Resume lets the replica take over.
func (c *Cluster) Lag(t testing.TB, key string) *Server {
	t.Helper()
	master := c.Master(t, key)
	replicas := replicasOf(t, master, c.nodes)
	require.Len(t, replicas, 1)
	cutOff(t, master, replicas)
	return replicas[0]
}

// AwaitHeard waits until the replica of a key's slot has everything that is confirmed so far.
func (c *Cluster) AwaitHeard(t testing.TB, key string) {
	t.Helper()
	awaitHeard(t, c.Master(t, key), 1)
}

// HandOver lets the replica of a key's slot take over from its master, which lives on as a replica.
func (c *Cluster) HandOver(t testing.TB, key string) {
	t.Helper()
	master := c.Master(t, key)
	replicas := replicasOf(t, master, c.nodes)
	require.Len(t, replicas, 1)
	require.NoError(t, replicas[0].Client(t).ClusterFailover(t.Context()).Err())
	eventually(t, failoverLimit, "the replica takes over", func() bool {
		return c.Master(t, key) == replicas[0]
	})
}

// Moving is a slot on its way from one master to another, as a resharding leaves it: some of its
// keys are here and some there.
type Moving struct {
	// From and To are the two masters.
	From, To *Server

	slot int64
}

// Move begins to move the slot of a key to another master. No key has moved yet.
func (c *Cluster) Move(t testing.TB, key string) *Moving {
	t.Helper()
	ctx := t.Context()
	m := &Moving{From: c.Master(t, key)}
	for _, node := range c.nodes[:masters] {
		if node.Server != m.From {
			m.To = node.Server
		}
	}
	from, to := m.From.Client(t), m.To.Client(t)
	var err error
	m.slot, err = from.ClusterKeySlot(ctx, key).Result()
	require.NoError(t, err)
	source, target := from.ClusterMyID(ctx).Val(), to.ClusterMyID(ctx).Val()
	require.NoError(t, to.Do(ctx, "cluster", "setslot", m.slot, "importing", source).Err())
	require.NoError(t, from.Do(ctx, "cluster", "setslot", m.slot, "migrating", target).Err())
	return m
}

// Keys moves up to n keys.
func (m *Moving) Keys(t testing.TB, n int) {
	t.Helper()
	from := m.From.Client(t)
	names, err := from.ClusterGetKeysInSlot(t.Context(), int(m.slot), n).Result()
	require.NoError(t, err)
	host, port, err := net.SplitHostPort(m.To.Addr())
	require.NoError(t, err)
	for _, name := range names {
		require.NoError(t, from.Migrate(t.Context(), host, port, name, 0, startLimit).Err())
	}
}

// End moves the keys that are left, and gives the slot to its new master.
func (m *Moving) End(t testing.TB) {
	t.Helper()
	m.Keys(t, 1<<20)
	id := m.To.Client(t).ClusterMyID(t.Context()).Val()
	for _, server := range []*Server{m.To, m.From} {
		require.NoError(t,
			server.Client(t).Do(t.Context(), "cluster", "setslot", m.slot, "node", id).Err())
	}
}
