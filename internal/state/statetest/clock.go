// Package statetest lets a test decide what time it is for the scripts of a store.
package statetest

import (
	"context"
	"strings"
	"testing"
	"time"

	"github.com/redis/go-redis/v9"
	"github.com/stretchr/testify/require"

	"tuma/internal/state"
)

// Clocked is a state.ScriptEdit that has scripts read their time from a key.
func Clocked(_, text string) string {
	return strings.Replace(text, "redis.call('TIME')",
		"redis.call('HMGET', prefix .. 'clock', 'seconds', 'micros')", 1)
}

// Set sets the time of the clocked scripts of a namespace, in milliseconds since 1970.
func Set(ctx context.Context, rdb redis.UniversalClient, namespace string, ms int64) error {
	return rdb.HSet(ctx, "{"+namespace+"}:clock",
		"seconds", ms/1000, "micros", ms%1000*1000).Err()
}

// Clock is the time of a namespace whose scripts are clocked. It stands still until it is let pass.
type Clock struct {
	t         testing.TB
	rdb       redis.UniversalClient
	namespace string
	ms        int64
}

// Start begins the time of a store, and returns the store with clocked scripts.
func Start(t testing.TB, s *state.Store, rdb redis.UniversalClient) (*state.Store, *Clock) {
	t.Helper()
	c := &Clock{
		t: t, rdb: rdb, namespace: s.Options().Namespace, ms: time.Now().UnixMilli(),
	}
	c.Pass(0)
	return s.Edited(Clocked), c
}

// Now is what time it is.
func (c *Clock) Now() time.Time { return time.UnixMilli(c.ms).UTC() }

// Pass lets time pass.
func (c *Clock) Pass(d time.Duration) {
	c.t.Helper()
	c.ms += d.Milliseconds()
	require.NoError(c.t, Set(context.Background(), c.rdb, c.namespace, c.ms))
}
