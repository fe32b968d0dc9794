package state_test

import (
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/redis/go-redis/v9"
	"github.com/stretchr/testify/require"

	"tuma/internal/airtime"
	"tuma/internal/state"
)

// TestNothingIsLeftOfAForgottenNumber: once the retention is over and the streams are trimmed, no
// key holds a number of those who have settled, but those of a few days about lost answers.
func TestNothingIsLeftOfAForgottenNumber(t *testing.T) {
	t.Parallel()
	g := newHarness(t, nil)
	g.c.pass(0)
	g.accept(through(disbursal("paid", 3), talking), through(shifted("mixed", 10, 3), sozuri))
	for g.channel(talking).Pending > 0 { // Batches of growing size.
		b := g.begin(talking)
		g.taken(b)
		for i := range b.Members {
			observe(t, g.s, b.ID, airtime.Successful, i)
		}
	}
	lost := g.begin(sozuri)
	g.record(lost, airtime.Unknown, airtime.ReasonTimeout)
	unknown := said("nobody", airtime.Successful)
	unknown.Phone = airtime.MSISDNFromE164("254700000012")
	_, err := g.s.Apply(background, unknown)
	require.NoError(t, err)
	require.NoError(t, g.s.Reject(background, state.Refusal{Job: "254700000099", Source: "test"}))
	_, err = g.s.Cancel(background, state.KindDisbursal, "mixed", "amina", "")
	require.NoError(t, err)
	require.Subset(t, holders(g), []string{"parked", "out", "rejected", "results", "chunk"})

	g.c.pass(10 * time.Minute)
	resolve(t, g.s, state.Decision{Paid: true}, slices.DeleteFunc(rows(t, g.s, "mixed"),
		func(r state.Row) bool { return r.Status != airtime.InDoubt })...)
	g.c.pass(10 * 24 * time.Hour)
	for _, again := range g.kept() {
		_, err = g.s.Apply(background, again.Callback)
		require.NoError(t, err)
	}
	require.Contains(t, holders(g), "chunk", "the retention is not over")
	g.c.pass(81 * 24 * time.Hour)
	forgotten, err := g.s.Forget(background, 10)
	require.NoError(t, err)
	require.Equal(t, 2, forgotten)
	for _, stream := range []string{"results", "rejected"} { // As TrimStreams does a week later.
		require.NoError(t, g.s.Client().XTrimMaxLen(background, g.s.Key(stream, ""), 0).Err())
	}
	for _, kind := range holders(g) {
		require.Equal(t, "unanswered", kind)
	}
	balanced(t, g.s)
}

// holders lists the kinds of keys in which a number of the test stands, and wants those about lost
// answers to end by themselves.
func holders(g *harness) []string {
	prefix := g.s.Key("", "")
	prefix = prefix[:strings.Index(prefix, "}")+2]
	var kinds []string
	keys := g.s.Client().Scan(background, 0, prefix+"*", 1000).Iterator()
	for keys.Next(background) {
		kind, _, _ := strings.Cut(strings.TrimPrefix(keys.Val(), prefix), ":")
		if strings.Contains(keys.Val()+textOf(g, keys.Val()), "2547000000") {
			kinds = append(kinds, kind)
			left, err := g.s.Client().PTTL(background, keys.Val()).Result()
			require.NoError(g.t, err)
			require.True(g.t, kind != "unanswered" || left > 0 && left <= 9*24*time.Hour, left)
		}
	}
	require.NoError(g.t, keys.Err())
	slices.Sort(kinds)
	return slices.Compact(kinds)
}

// textOf is all that a key holds, as text.
func textOf(g *harness, key string) string {
	rdb := g.s.Client()
	kind, err := rdb.Type(background, key).Result()
	require.NoError(g.t, err)
	var all redis.Cmder
	switch kind {
	case "string":
		all = rdb.Get(background, key)
	case "hash":
		all = rdb.HGetAll(background, key)
	case "list":
		all = rdb.LRange(background, key, 0, -1)
	case "set":
		all = rdb.SMembers(background, key)
	case "zset":
		all = rdb.ZRange(background, key, 0, -1)
	case "stream":
		all = rdb.XRange(background, key, "-", "+")
	default:
		require.Fail(g.t, "a key of another kind", "%s: %s", key, kind)
	}
	require.NoError(g.t, all.Err())
	return fmt.Sprint(all)
}
