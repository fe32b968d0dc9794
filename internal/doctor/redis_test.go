package doctor_test

import (
	"fmt"
	"io"
	"net"
	"os"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/alicebob/miniredis/v2"
	"github.com/stretchr/testify/require"

	"tuma/internal/doctor"
	"tuma/internal/test/redistest"
)

// wrong is one thing made wrong on purpose, and what must be found.
type wrong struct {
	name string
	make func(*harness)
	want doctor.Finding
}

// redisFaults are what is made wrong at Redis.
var redisFaults = []wrong{
	{"replica", func(w *harness) { w.do("replicaof 127.0.0.1 1") }, doctor.Finding{
		Check: "redis", Result: doctor.Failed, Detail: "is a replica", Advice: "sentinel",
	}},
	{
		"eviction", func(w *harness) { w.do("config set maxmemory-policy allkeys-lru") },
		doctor.Finding{
			Check: "persistence", Result: doctor.Failed, Detail: "maxmemory-policy is allkeys-lru",
			Advice: "CONFIG SET maxmemory-policy noeviction",
		},
	},
	{"no file", func(w *harness) { w.do("config set appendonly no") }, doctor.Finding{
		Check: "persistence", Result: doctor.Failed, Detail: "appendonly is no",
		Advice: "CONFIG SET appendonly yes",
	}},
	{"no fsync", func(w *harness) { w.do("config set appendfsync no") }, doctor.Finding{
		Check: "persistence", Result: doctor.Failed, Detail: "appendfsync is no",
		Advice: "CONFIG SET appendfsync everysec",
	}},
	{"everysec", func(w *harness) { w.do("config set appendfsync everysec") }, doctor.Finding{
		Check: "persistence", Result: doctor.Warning, Detail: "everysec without replicas",
		Advice: "state.min_replicas",
	}},
	{
		"replicas",
		func(w *harness) { w.edit = func(o *doctor.Options) { o.Redis.MinReplicas = 2 } },
		doctor.Finding{
			Check: "persistence", Result: doctor.Failed,
			Detail: "0 replicas connected, and state.min_replicas is 2", Advice: "start the replicas",
		},
	},
	{"snapshot", breakSnapshot, doctor.Finding{
		Check: "persistence", Result: doctor.Failed, Detail: "the last snapshot failed",
		Advice: "room on its disk",
	}},
	{"evicted", evict, doctor.Finding{
		Check: "persistence", Result: doctor.Failed, Detail: "keys were evicted",
		Advice: "enqueuer verify",
	}},
	{"no limit", func(w *harness) { w.do("config set maxmemory 0") }, doctor.Finding{
		Check: "memory", Result: doctor.Warning, Detail: "maxmemory is not set",
		Advice: "CONFIG SET maxmemory",
	}},
	{"filling", func(w *harness) { w.fill(0.74) }, doctor.Finding{
		Check: "memory", Result: doctor.Warning, Detail: "from 80% on nothing is accepted",
		Advice: "TUMA_RETENTION",
	}},
	{"a stream holds it", func(w *harness) {
		w.do("xadd {tuma}:rejected * job " + strings.Repeat("x", 100<<20))
		w.fill(0.74)
	}, doctor.Finding{
		Check: "memory", Result: doctor.Warning, Detail: "MiB of it by the stream {tuma}:rejected",
		Advice: "enqueuer rejected",
	}},
	{"full", func(w *harness) { w.fill(0.85) }, doctor.Finding{
		Check: "memory", Result: doctor.Failed, Detail: ": nothing is accepted",
		Advice: "TUMA_RETENTION",
	}},
	{"overfull", func(w *harness) { w.fill(0.95) }, doctor.Finding{
		Check: "memory", Result: doctor.Failed, Detail: "nothing is sent", Advice: "maxmemory",
	}},
	{"command", func(w *harness) { w.as("~* &* +@all -hset") }, doctor.Finding{
		Check: "permissions", Result: doctor.Failed,
		Detail: "the Redis user may not use command HSET", Advice: "ACL SETUSER",
	}},
	{"keys of the queue", func(w *harness) { w.as("~{tuma}:* &* +@all") }, doctor.Finding{
		Check: "permissions", Result: doctor.Failed, Detail: "keys asynq:*", Advice: "ACL SETUSER",
	}},
	{"keys of the state", func(w *harness) { w.as("~asynq:* &* +@all") }, doctor.Finding{
		Check: "permissions", Result: doctor.Failed, Detail: "may not use keys {tuma}:*",
		Advice: "ACL SETUSER",
	}},
	{"transactions", func(w *harness) { w.as("~* &* +@all -multi") }, doctor.Finding{
		Check: "permissions", Result: doctor.Failed, Detail: "command MULTI",
		Advice: "ACL SETUSER",
	}},
	{"settings", func(w *harness) { w.as("~* &* +@all -config") }, doctor.Finding{
		Check: "persistence", Result: doctor.Failed, Detail: "cannot read its setting",
		Advice: "permission",
	}},
	{
		"only to enqueue",
		func(w *harness) { w.as("~* &* +@all -rpoplpush -xack -zremrangebyscore") },
		doctor.Finding{
			Check: "permissions", Result: doctor.OK, Detail: "could not be that of enqueuer stream " +
				"(command XACK); it could not be that of a worker or poller (command RPOPLPUSH, " +
				"command ZREMRANGEBYSCORE)",
		},
	},
	{
		"servers hidden",
		func(w *harness) { w.as("~* &* +@all -zremrangebyscore") },
		doctor.Finding{Check: "workers", Result: doctor.Skipped, Detail: "may not see"},
	},
	{"clock behind", func(w *harness) { w.shift(-5 * time.Second) }, doctor.Finding{
		Check: "clock", Result: doctor.Warning, Detail: "5s behind Redis's clock", Advice: "NTP",
	}},
	{"clock ahead", func(w *harness) { w.shift(time.Minute) }, doctor.Finding{
		Check: "clock", Result: doctor.Failed, Detail: "1m0s ahead of Redis's clock", Advice: "NTP",
	}},
	{"provider's clock", func(w *harness) { w.shift(time.Minute) }, doctor.Finding{
		Check: "providers", Result: doctor.Failed, Detail: "ahead of lipad's clock", Advice: "NTP",
	}},
	{"slow", slowDown, doctor.Finding{
		Check: "redis", Result: doctor.Warning, Detail: "to answer", Advice: "SLOWLOG",
	}},
}

// TestRedisMadeWrong: each row has a Redis of its own.
func TestRedisMadeWrong(t *testing.T) {
	t.Parallel()
	for _, row := range redisFaults {
		t.Run(row.name, func(t *testing.T) {
			t.Parallel()
			h, _ := ownHarness(t)
			row.make(h)
			requireFound(t, h.examine(row.want.Check), row.want)
		})
	}
}

// breakSnapshot takes the folder of snapshots away.
func breakSnapshot(h *harness) {
	folder, err := h.client.ConfigGet(h.t.Context(), "dir").Result()
	require.NoError(h.t, err)
	require.NoError(h.t, os.RemoveAll(folder["dir"]))
	h.do("bgsave")
	require.Eventually(h.t, func() bool {
		info, err := h.client.Info(h.t.Context(), "persistence").Result()
		return err == nil && strings.Contains(info, "rdb_last_bgsave_status:err")
	}, testTimeout, 10*time.Millisecond)
}

// evict lets Redis throw keys away, and sets its policy right afterwards.
func evict(h *harness) {
	h.do("config set maxmemory-policy allkeys-lru")
	h.do("config set maxmemory " + strconv.Itoa(h.used()+(1<<20)))
	for i := range 40 {
		h.do(fmt.Sprintf("set filler:%d %s", i, strings.Repeat("x", 100_000)))
	}
	h.do("config set maxmemory-policy noeviction")
	h.do("config set maxmemory 1gb")
}

// used is the memory that Redis uses, in bytes.
func (h *harness) used() int {
	info, err := h.client.Info(h.t.Context(), "memory").Result()
	require.NoError(h.t, err)
	_, rest, _ := strings.Cut(info, "used_memory:")
	number, _, _ := strings.Cut(rest, "\r\n")
	used, err := strconv.Atoi(number)
	require.NoError(h.t, err)
	return used
}

// fill makes a share of the memory be in use. What a connection takes is little beside the filler.
func (h *harness) fill(share float64) {
	h.do("setrange filler " + strconv.Itoa(100<<20) + " x")
	h.do("config set maxmemory " + strconv.Itoa(int(float64(h.used())/share)))
}

// as looks Redis over as a user with these rights.
func (h *harness) as(rights string) {
	h.do("acl setuser limited on >word " + rights)
	h.settings["TUMA_REDIS_URL"] = strings.Replace(h.url, "redis://", "redis://limited:word@", 1)
}

// shift sets the clock of this machine.
func (h *harness) shift(by time.Duration) {
	h.edit = func(o *doctor.Options) { o.Now = func() time.Time { return time.Now().Add(by) } }
}

// slowDown puts a proxy before Redis that delays everything.
func slowDown(h *harness) {
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(h.t, err)
	h.t.Cleanup(func() { _ = listener.Close() })
	target := strings.TrimSuffix(strings.TrimPrefix(h.url, "redis://"), "/0")
	go func() {
		for {
			here, err := listener.Accept()
			if err != nil {
				return
			}
			there, err := net.Dial("tcp", target)
			if err != nil {
				_ = here.Close()
				continue
			}
			go func() { _, _ = io.Copy(there, here); _ = there.Close() }()
			go func() { _, _ = io.Copy(here, &lateReader{there}); _ = here.Close() }()
		}
	}()
	h.settings["TUMA_REDIS_URL"] = "redis://" + listener.Addr().String() + "/0"
}

// lateReader hands everything on late.
type lateReader struct{ io.Reader }

// Read waits after it has read.
func (r *lateReader) Read(p []byte) (int, error) {
	n, err := r.Reader.Read(p)
	time.Sleep(40 * time.Millisecond)
	return n, err
}

// TestPermissionsAreTriedWithoutAnEffect: what is tried would write, and must not.
func TestPermissionsAreTriedWithoutAnEffect(t *testing.T) {
	t.Parallel()
	h, _ := ownHarness(t)
	before, err := h.client.Info(t.Context(), "commandstats").Result()
	require.NoError(t, err)
	require.NotContains(t, before, "cmdstat_xadd")
	report := h.examine("permissions")
	require.Equal(t, 1, report.Count(doctor.OK), report)
	keys, err := h.client.Keys(t.Context(), "*doctor*").Result()
	require.NoError(t, err)
	require.Empty(t, keys)
	// They were queued, none was refused as malformed, and none ran.
	stats, err := h.client.Info(t.Context(), "commandstats").Result()
	require.NoError(t, err)
	for line := range strings.Lines(stats) {
		require.NotRegexp(t, `rejected_calls=[1-9]`, line)
		require.NotContains(t, line, "cmdstat_xadd")
		require.NotContains(t, line, "cmdstat_rpoplpush")
	}
}

func TestARedisThatIsAwayIsTheOnlyFailure(t *testing.T) {
	t.Parallel()
	h, server := ownHarness(t)
	server.Kill()
	report := h.examine()
	requireFound(t, report, doctor.Finding{
		Check: "redis", Result: doctor.Failed, Detail: "does not answer", Advice: "TUMA_REDIS_URL",
	})
	require.Equal(t, 1, report.Count(doctor.Failed), "%+v", report.Findings)
	for _, check := range []string{"persistence", "clock", "workers", "books"} {
		requireFound(t, report, doctor.Finding{
			Check: check, Result: doctor.Skipped, Detail: "Redis does not answer",
		})
	}
	requireFound(t, report, doctor.Finding{
		Check: "providers", Result: doctor.OK, Detail: "lipad accepts the credentials",
	})
}

// TestARedisThatDoesNotTellItsVersion: the embedded one has no INFO to speak of.
func TestARedisThatDoesNotTellItsVersion(t *testing.T) {
	t.Parallel()
	h := newHarness(t)
	embedded := miniredis.RunT(t)
	h.settings["TUMA_REDIS_URL"] = "redis://" + embedded.Addr()
	requireFound(t, h.examine("redis"), doctor.Finding{
		Check: "redis", Result: doctor.Warning, Detail: "does not tell its version", Advice: "6.2",
	})
}

// TestAReplicaThatNobodyWaitsFor: it is there, and the sender does not ask for it.
func TestAReplicaThatNobodyWaitsFor(t *testing.T) {
	t.Parallel()
	h, server := ownHarness(t)
	h.do("config set appendfsync everysec")
	host, port, err := net.SplitHostPort(server.Addr())
	require.NoError(t, err)
	redistest.Start(t, redistest.WithConfig("replicaof", host+" "+port))
	require.Eventually(t, func() bool {
		info, err := h.client.Info(t.Context(), "replication").Result()
		return err == nil && strings.Contains(info, "connected_slaves:1")
	}, testTimeout, 10*time.Millisecond)
	want := doctor.Finding{
		Check: "persistence", Result: doctor.Warning, Detail: "no write waits for them",
		Advice: "state.min_replicas",
	}
	requireFound(t, h.examine("persistence"), want)
	h.edit = func(o *doctor.Options) { o.Redis.MinReplicas = 1 }
	report := h.examine("persistence")
	require.Equal(t, doctor.OK, report.Findings[0].Result, "%+v", report.Findings)
}
