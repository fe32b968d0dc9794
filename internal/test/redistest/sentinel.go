package redistest

import (
	"fmt"
	"net"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/redis/go-redis/v9"
	"github.com/stretchr/testify/require"
)

const (
	// watched is the name by which the sentinels know the master.
	watched = "watched"
	// replicas is how many replicas the sentinels can choose from.
	replicas = 2
	// downAfter is how long a server must not answer until a sentinel calls it down. A replica whose
	// master has been lost for ten times as long when that is noticed is never promoted, and
	// sentinels that were not run themselves wait for half a minute (tilt).
	downAfter = 4 * time.Second
	// sentinels is how many sentinels there are; two of them decide.
	sentinels = 3
)

// Sentinel is a Redis with two replicas and three sentinels that watch it, all of them processes of
// their own. When the master is killed one of the replicas takes its place in seconds.
type Sentinel struct {
	servers   []member
	sentinels []*redis.SentinelClient
	url       string
}

// StartSentinel starts servers and sentinels of the test's own and waits until they know each
// other. They end like the servers of Start.
func StartSentinel(t testing.TB, options ...Option) *Sentinel {
	t.Helper()
	s := &Sentinel{servers: []member{startMember(t, options)}}
	host, port, err := net.SplitHostPort(s.servers[0].Addr())
	require.NoError(t, err)
	for range replicas {
		s.servers = append(s.servers,
			startMember(t, options, WithConfig("replicaof", host+" "+port)))
	}
	// A sentinel asks a master for its replicas when it starts, and then every ten seconds.
	eventually(t, failoverLimit, "the replicas follow", func() bool {
		return len(replicasOf(t, s.servers[0].Server, s.servers)) == replicas
	})
	for i := range sentinels {
		address := Start(t, watching(t, host, port)).Addr()
		client := redis.NewSentinelClient(&redis.Options{Addr: address})
		t.Cleanup(func() { _ = client.Close() }) // It has no state.
		s.sentinels = append(s.sentinels, client)
		if i == 0 {
			s.url = "redis://" + address + "/0?master_name=" + watched
		} else {
			s.url += "&addr=" + address
		}
	}
	s.AwaitWhole(t)
	return s
}

// watching makes a server a sentinel. It keeps what it learns in a file of its own.
func watching(t testing.TB, host, port string) Option {
	t.Helper()
	path := filepath.Join(t.TempDir(), "sentinel.conf")
	text := fmt.Sprintf("sentinel monitor %[1]s %[2]s %[3]s 2\n"+
		"sentinel down-after-milliseconds %[1]s %[4]d\n"+
		"sentinel failover-timeout %[1]s 6000\nsentinel parallel-syncs %[1]s %[5]d\n",
		watched, host, port, downAfter.Milliseconds(), replicas)
	require.NoError(t, os.WriteFile(path, []byte(text), 0o600))
	return func(s *Server) {
		bound, own, _ := strings.Cut(s.address, ":")
		s.arguments = []string{
			path, "--sentinel", "--bind", bound, "--port", own, "--dir", s.directory,
		}
	}
}

// AwaitWhole waits until every server is there and follows the master, and every sentinel knows of
// all of them.
func (s *Sentinel) AwaitWhole(t testing.TB) {
	t.Helper()
	eventually(t, failoverLimit, "all servers and sentinels know each other", func() bool {
		for _, sentinel := range s.sentinels {
			known, err := sentinel.Master(t.Context(), watched).Result()
			if err != nil || known["flags"] != "master" ||
				known["num-slaves"] != fmt.Sprint(replicas) ||
				known["num-other-sentinels"] != fmt.Sprint(sentinels-1) {
				return false
			}
		}
		return len(replicasOf(t, s.Master(t), s.servers)) == replicas
	})
}

// URL returns the addresses of the sentinels in the form of TUMA_REDIS_URL for the mode sentinel.
func (s *Sentinel) URL() string { return s.url }

// Master returns the server that is the master: most sentinels say so, and it says so itself.
func (s *Sentinel) Master(t testing.TB) *Server {
	t.Helper()
	var master *Server
	eventually(t, failoverLimit, "there is a master", func() bool {
		votes := map[string]int{}
		for _, sentinel := range s.sentinels {
			at, err := sentinel.GetMasterAddrByName(t.Context(), watched).Result()
			if err == nil {
				votes[strings.Join(at, ":")]++
			}
		}
		for _, server := range s.servers {
			if votes[server.Addr()] > sentinels/2 &&
				strings.Contains(server.replication(t), "role:master") {
				master = server.Server
			}
		}
		return master != nil
	})
	return master
}

// Lag cuts all replicas off from the master, keeps them frozen and returns them: what the master
// confirms from now on is lost when it is killed. Resume lets them take over.
func (s *Sentinel) Lag(t testing.TB) []*Server {
	t.Helper()
	master := s.Master(t)
	behind := replicasOf(t, master, s.servers)
	require.Len(t, behind, replicas)
	cutOff(t, master, behind)
	return behind
}

// AwaitHeard waits until all replicas have everything that is confirmed so far.
func (s *Sentinel) AwaitHeard(t testing.TB) {
	t.Helper()
	awaitHeard(t, s.Master(t), replicas)
}

// HandOver lets a replica take over from the master, which lives on as a replica.
func (s *Sentinel) HandOver(t testing.TB) {
	t.Helper()
	master := s.Master(t)
	eventually(t, failoverLimit, "the sentinels agree to a failover", func() bool {
		return s.sentinels[0].Failover(t.Context(), watched).Err() == nil
	})
	eventually(t, failoverLimit, "a replica takes over", func() bool {
		return s.Master(t) != master
	})
}
