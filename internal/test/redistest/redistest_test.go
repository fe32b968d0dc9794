package redistest

import (
	"context"
	"os"
	"testing"
	"time"

	"github.com/redis/go-redis/v9"
	"github.com/stretchr/testify/require"

	"tuma/internal/test/proctest"
)

func TestMain(m *testing.M) { os.Exit(proctest.Suite{M: m, AtOnce: 6}.Run()) }

func TestServerIsDurableByDefault(t *testing.T) {
	t.Parallel()
	client := Start(t).Client(t)
	want := map[string]string{
		"appendonly": "yes", "appendfsync": "everysec", "save": "",
		"maxmemory-policy": "noeviction",
	}
	for name, value := range want {
		got, err := client.ConfigGet(t.Context(), name).Result()
		require.NoError(t, err)
		require.Equal(t, map[string]string{name: value}, got)
	}
}

func TestOptionsReplaceTheDefaults(t *testing.T) {
	t.Parallel()
	server := Start(t, WithConfig("appendonly", "no"), WithConfig("maxmemory", "20mb"),
		WithConfig("maxmemory", "30mb"))
	client := server.Client(t)
	got, err := client.ConfigGet(t.Context(), "maxmemory").Result()
	require.NoError(t, err)
	require.Equal(t, map[string]string{"maxmemory": "31457280"}, got)
	got, err = client.ConfigGet(t.Context(), "appendonly").Result()
	require.NoError(t, err)
	require.Equal(t, map[string]string{"appendonly": "no"}, got)
}

func TestServerWithAPasswordIsUp(t *testing.T) {
	t.Parallel()
	server := Start(t, WithConfig("requirepass", "open sesame"))
	err := server.Client(t).Ping(t.Context()).Err()
	require.ErrorContains(t, err, "NOAUTH")
}

func TestStopAndRestartKeepEverything(t *testing.T) {
	t.Parallel()
	server := Start(t)
	client := server.Client(t)
	require.NoError(t, client.Set(t.Context(), "k", "v", 0).Err())
	server.Stop()
	require.Error(t, client.Ping(t.Context()).Err())
	server.Restart()
	got, err := client.Get(t.Context(), "k").Result()
	require.NoError(t, err)
	require.Equal(t, "v", got)
}

func TestKilledServerComesBackAsAnotherRun(t *testing.T) {
	t.Parallel()
	// With fsync always, a confirmed write survives the crash, so the test cannot flake.
	server := Start(t, WithConfig("appendfsync", "always"))
	client := server.Client(t)
	require.NoError(t, client.Set(t.Context(), "k", "v", 0).Err())
	address, before := server.Addr(), runID(t, client)
	server.Kill()
	require.Error(t, client.Ping(t.Context()).Err())
	server.Restart()
	require.Equal(t, address, server.Addr())
	require.NotEqual(t, before, runID(t, client))
	got, err := client.Get(t.Context(), "k").Result()
	require.NoError(t, err)
	require.Equal(t, "v", got)
}

func TestRestartStopsARunningServerCleanly(t *testing.T) {
	t.Parallel()
	server := Start(t)
	client := server.Client(t)
	before := runID(t, client)
	require.NoError(t, client.Set(t.Context(), "k", "v", 0).Err())
	server.Pause()
	server.Restart()
	require.NotEqual(t, before, runID(t, client))
	require.NoError(t, client.Get(t.Context(), "k").Err())
}

func TestPausedServerAnswersAfterResume(t *testing.T) {
	t.Parallel()
	server := Start(t)
	client := server.Client(t)
	require.NoError(t, client.Ping(t.Context()).Err())
	server.Pause()
	require.False(t, within(100*time.Millisecond, client))
	server.Resume()
	require.True(t, within(startLimit, client))
}

// within reports whether the server answers in time.
func within(timeout time.Duration, client *redis.Client) bool {
	ctx, cancel := context.WithTimeout(context.Background(), timeout)
	defer cancel()
	answered := make(chan error, 1)
	go func() { answered <- client.Ping(ctx).Err() }()
	select {
	case err := <-answered:
		return err == nil
	case <-ctx.Done():
		return false
	}
}

func runID(t *testing.T, client *redis.Client) string {
	t.Helper()
	info, err := client.InfoMap(t.Context(), "server").Result()
	require.NoError(t, err)
	id := info["Server"]["run_id"]
	require.NotEmpty(t, id)
	return id
}

func TestServerThatCannotStartSaysWhy(t *testing.T) {
	t.Parallel()
	_, err := launch(t.TempDir(), proctest.FreeAddr(t), t.Errorf,
		[]Option{WithConfig("no-such-setting", "1")})
	require.ErrorContains(t, err, "no-such-setting")
}

func TestSharedTestsDoNotSeeEachOther(t *testing.T) {
	t.Parallel()
	urls, namespaces := map[string]bool{}, map[string]bool{}
	for range 3 {
		url, namespace := Shared(t)
		require.False(t, urls[url], url)
		require.False(t, namespaces[namespace], namespace)
		urls[url], namespaces[namespace] = true, true
		options, err := redis.ParseURL(url)
		require.NoError(t, err)
		client := redis.NewClient(options)
		t.Cleanup(func() { require.NoError(t, client.Close()) })
		set, err := client.SetNX(t.Context(), "asynq:queues", "mine", 0).Result()
		require.NoError(t, err)
		require.True(t, set, "a database of its own")
	}
}
