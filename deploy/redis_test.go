package deploy

import (
	"net"
	"os/exec"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/redis/go-redis/v9"
	"github.com/stretchr/testify/require"

	"tuma/internal/redisconn"
	"tuma/internal/state"
	"tuma/internal/test/proctest"
	"tuma/internal/test/redistest"
)

var maxmemoryLine = regexp.MustCompile(`(?m)^maxmemory (\d+)gb$`)

// maxmemory is what redis.conf gives to the data, in bytes.
func maxmemory(t *testing.T) int64 {
	t.Helper()
	match := maxmemoryLine.FindStringSubmatch(read(t, "redis/redis.conf"))
	require.NotNil(t, match, "redis.conf has no maxmemory in gb")
	size, err := strconv.ParseInt(match[1], 10, 64)
	require.NoError(t, err)
	return size << 30
}

// startRedis runs a Redis as compose and Kubernetes do, with its files where they are here, and
// returns its address.
func startRedis(t *testing.T, conf, secrets string) string {
	t.Helper()
	program, err := exec.LookPath("redis-server")
	require.NoError(t, err, redistest.ErrNotInstalled.Error())
	address := proctest.FreeAddr(t)
	host, port, err := net.SplitHostPort(address)
	require.NoError(t, err)
	folder := t.TempDir()
	for inside, at := range map[string]string{"/run/secrets": secrets, "/data": folder} {
		require.Contains(t, conf, " "+inside)
		conf = strings.ReplaceAll(conf, " "+inside, " "+at)
	}
	file := filepath.Join(folder, "redis.conf")
	write(t, file, conf)
	process := proctest.Start(t, program, []string{file, "--bind", host, "--port", port}, nil)
	process.WaitOutput("Ready to accept connections", time.Minute)
	return address
}

// urlOf is what a process connects with, at the address of this machine's Redis.
func urlOf(t *testing.T, secrets, user, address string) string {
	t.Helper()
	return strings.Replace(read(t, filepath.Join(secrets, user+"_redis_url")), "redis:6379", address,
		1)
}

func TestRedisIsOneThatTumaTakesWithoutWarning(t *testing.T) {
	t.Parallel()
	secrets := newSecrets(t)
	address := startRedis(t, read(t, "redis/redis.conf"), secrets)
	for _, user := range []string{"enqueuer", "worker", "poller"} {
		store, err := state.Open(t.Context(), state.Options{
			Options:     redisconn.Options{URL: urlOf(t, secrets, user, address), Mode: "single"},
			Namespace:   "tuma",
			MaxInFlight: 4, SubmitTimeout: time.Second,
		})
		require.NoError(t, err, user)
		require.NoError(t, store.Ready(t.Context()), user)
		require.Empty(t, store.Warning(), user)
		require.NoError(t, store.Close())
	}
	stranger := redis.NewClient(&redis.Options{Addr: address})
	require.ErrorContains(t, stranger.Ping(t.Context()).Err(), "NOAUTH", "compose looks for this word")
	require.NoError(t, stranger.Close())
}

func TestRedisSettingsThatForgetAreNoticed(t *testing.T) {
	t.Parallel()
	secrets := newSecrets(t)
	for _, b := range []breakage{
		{"appendonly yes", "appendonly no", "set it to yes"},
		{"appendfsync always", "appendfsync no", "set it to everysec or always"},
		{"maxmemory-policy noeviction", "maxmemory-policy allkeys-lru", "set it to noeviction"},
	} {
		t.Run(b.to, func(t *testing.T) {
			t.Parallel()
			address := startRedis(t, b.apply(t, read(t, "redis/redis.conf")), secrets)
			_, err := state.Open(t.Context(), state.Options{
				Options:   redisconn.Options{URL: urlOf(t, secrets, "worker", address), Mode: "single"},
				Namespace: "tuma",
			})
			require.ErrorContains(t, err, b.found)
		})
	}
}
