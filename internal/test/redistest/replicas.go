package redistest

import (
	"context"
	"net"
	"strings"
	"testing"
	"time"

	"github.com/redis/go-redis/v9"
	"github.com/stretchr/testify/require"
)

const (
	// failoverLimit is how long a failover may take on a busy machine.
	failoverLimit = 2 * time.Minute
	// lookTimeout is how long a look at a server may take.
	lookTimeout = 500 * time.Millisecond
	// glance is the pause between two looks at something that is awaited.
	glance = 50 * time.Millisecond
)

// member is a server among others, with a client of its own.
type member struct {
	*Server
	client *redis.Client
}

func startMember(t testing.TB, options []Option, own ...Option) member {
	t.Helper()
	server := Start(t, append(options[:len(options):len(options)], own...)...)
	client := redis.NewClient(&redis.Options{Addr: server.Addr(), ContextTimeoutEnabled: true})
	t.Cleanup(func() { _ = client.Close() }) // It has no state.
	return member{server, client}
}

// look asks a member something that it answers at once, unless it is dead or frozen.
func (m member) look(t testing.TB, ask func(context.Context) error) error {
	ctx, cancel := context.WithTimeout(t.Context(), lookTimeout)
	defer cancel()
	return ask(ctx)
}

// eventually waits until something is so.
func eventually(t testing.TB, limit time.Duration, what string, so func() bool) {
	t.Helper()
	for end := time.Now().Add(limit); !so(); time.Sleep(glance) {
		if time.Now().After(end) {
			require.FailNow(t, "not within "+limit.String()+": "+what)
		}
	}
}

// replication is what a server says of its part in replication; empty when it does not answer.
func (m member) replication(t testing.TB) (info string) {
	_ = m.look(t, func(ctx context.Context) (err error) { // No answer is an empty one.
		info, err = m.client.Info(ctx, "replication").Result()
		return err
	})
	return info
}

// replicasOf returns which of the members follow a master and have caught up with it.
func replicasOf(t testing.TB, master *Server, all []member) []*Server {
	t.Helper()
	_, port, err := net.SplitHostPort(master.Addr())
	require.NoError(t, err)
	var replicas []*Server
	for _, m := range all {
		info := m.replication(t)
		if strings.Contains(info, "master_port:"+port+"\r\n") &&
			strings.Contains(info, "master_link_status:up") {
			replicas = append(replicas, m.Server)
		}
	}
	return replicas
}

// cutOff freezes replicas and ends their connections to the master. Freezing alone would not do:
// what the master has written to a connection arrives although the master is dead by then.
func cutOff(t testing.TB, master *Server, replicas []*Server) {
	t.Helper()
	for _, replica := range replicas {
		replica.Pause()
	}
	n, err := master.Client(t).ClientKillByFilter(t.Context(), "TYPE", "replica").Result()
	require.NoError(t, err)
	require.Equal(t, int64(len(replicas)), n)
}

// awaitHeard waits until that many replicas have everything that a master has confirmed so far.
func awaitHeard(t testing.TB, master *Server, replicas int) {
	t.Helper()
	connection := master.Client(t).Conn() // WAIT asks about the writes of its own connection.
	defer func() { _ = connection.Close() }()
	require.NoError(t, connection.Publish(t.Context(), "redistest", "heard").Err())
	n, err := connection.Wait(t.Context(), replicas, failoverLimit).Result()
	require.NoError(t, err)
	require.Equal(t, int64(replicas), n)
}
