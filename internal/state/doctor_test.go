package state_test

import (
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/redis/go-redis/v9"
	"github.com/stretchr/testify/require"

	"tuma/internal/redisconn"
	"tuma/internal/state"
	"tuma/internal/test/redistest"
)

func openOwn(t *testing.T, options ...redistest.Option) (*state.Store, *redis.Client) {
	t.Helper()
	server := redistest.Start(t, options...)
	store, err := state.Open(t.Context(), state.Options{Options: redisconn.Options{URL: server.URL()}})
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, store.Close()) })
	return store, server.Client(t)
}

// TestEveryCommandOfTheScriptsIsTried: a command that a script learns to use is on the list whose
// permissions the doctor tries.
func TestEveryCommandOfTheScriptsIsTried(t *testing.T) {
	t.Parallel()
	store, _ := openOwn(t)
	tried := map[string]bool{}
	for _, command := range store.RequiredCommands() {
		tried[strings.ToUpper(fmt.Sprint(command[0]))] = true
	}
	call := regexp.MustCompile(`redis\.p?call\(([^)]*)`)
	name := regexp.MustCompile(`'([A-Z]+)'`)
	found := 0
	for _, pattern := range []string{"lua/commands/*.lua", "lua/include/*.lua"} {
		paths, err := filepath.Glob(pattern)
		require.NoError(t, err)
		for _, path := range paths {
			text, err := os.ReadFile(path)
			require.NoError(t, err)
			for _, match := range call.FindAllStringSubmatch(string(text), -1) {
				words, _, _ := strings.Cut(match[1], ",")
				for _, used := range name.FindAllStringSubmatch(words, -1) {
					found++
					require.True(t, tried[used[1]], "%s uses %s: add it to RequiredCommands", path, used[1])
				}
			}
		}
	}
	require.Greater(t, found, 100, "the scripts were read")
}

// TestWhatIsTriedIsWellFormed: Redis looks at the number of arguments first, and a command that is
// malformed would pass for permitted.
func TestWhatIsTriedIsWellFormed(t *testing.T) {
	t.Parallel()
	store, client := openOwn(t)
	commands := slices.Concat(store.RequiredCommands(), store.StreamCommands(), store.EraseCommands())
	require.NoError(t, client.Do(t.Context(), "acl", "setuser", "nobody", "-@all").Err())
	for _, command := range commands {
		_, err := client.Do(t.Context(), append([]any{"acl", "dryrun", "nobody"}, command...)...).Result()
		require.NoError(t, err, command) // Malformed ones are an error, denials a text.
	}
	denied, err := store.Denied(t.Context(), commands)
	require.NoError(t, err)
	require.Empty(t, denied)
	keys, err := client.DBSize(t.Context()).Result()
	require.NoError(t, err)
	require.Zero(t, keys, "nothing of it ran")
}

func TestReadersThatLag(t *testing.T) {
	t.Parallel()
	store, client := openOwn(t)
	readers, err := store.Readers(t.Context())
	require.NoError(t, err)
	require.Empty(t, readers)
	old := time.Now().Add(-2 * time.Hour).UnixMilli()
	for i := range 2 {
		require.NoError(t, client.XAdd(t.Context(), &redis.XAddArgs{
			Stream: "{tuma}:results", ID: fmt.Sprintf("%d-%d", old, i), Values: []string{"a", "b"},
		}).Err())
	}
	read := func(group string, count int64) {
		require.NoError(t, client.XGroupCreate(t.Context(), "{tuma}:results", group, "0").Err())
		if count == 0 {
			return
		}
		require.NoError(t, client.XReadGroup(t.Context(), &redis.XReadGroupArgs{
			Group: group, Consumer: "c", Streams: []string{"{tuma}:results", ">"}, Count: count,
		}).Err())
	}
	read("asleep", 0)
	read("half", 1)
	read("unacknowledged", 2)
	read("well", 2)
	require.NoError(t, client.XAck(t.Context(), "{tuma}:results", "well",
		fmt.Sprintf("%d-0", old), fmt.Sprintf("%d-1", old)).Err())
	readers, err = store.Readers(t.Context())
	require.NoError(t, err)
	lags := map[string][2]bool{}
	for _, r := range readers {
		require.Equal(t, "{tuma}:results", r.Stream)
		lags[r.Group] = [2]bool{r.Unread > time.Hour, r.Unacknowledged > time.Hour}
	}
	require.Equal(t, map[string][2]bool{
		"asleep": {true, false}, "half": {true, true}, "unacknowledged": {false, true},
		"well": {false, false},
	}, lags)
}
