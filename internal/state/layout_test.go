package state_test

import (
	"bufio"
	"cmp"
	"flag"
	"fmt"
	"os"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/redis/go-redis/v9"
	"github.com/stretchr/testify/require"

	"tuma/internal/airtime"
	"tuma/internal/state"
)

var writeFixture = flag.Bool("write-fixture", false, "write the stored state of this layout anew")

// fixture is a state of this layout with somebody in every status, as commands that bring it about.
const fixture = "testdata/layout-1.txt"

// fixtureKey stands for the namespace.
const fixtureKey = "{fixture}:"

func (g *harness) layoutIs(schema string) {
	err := g.s.Client().HSet(background, g.s.Key("state", ""), "schema", schema).Err()
	require.NoError(g.t, err)
}

// TestAnotherLayoutIsLeftAlone: every verb refuses, and nothing is written.
func TestAnotherLayoutIsLeftAlone(t *testing.T) {
	t.Parallel()
	for schema, says := range map[string]string{
		"2": "it is layout 2, and this program knows layout 1", "": "a version before layouts",
	} {
		g := newHarness(t, nil)
		g.c.pass(0)
		g.accept(someone("a", lipad))
		b := g.begin(lipad)
		g.layoutIs(schema)
		if schema == "" {
			require.NoError(t, g.s.Client().HDel(background, g.s.Key("state", ""), "schema").Err())
		}
		before := dumps(t, g.s)
		_, err := g.s.Accept(background, []state.Disbursal{someone("b", lipad)})
		require.ErrorIs(t, err, state.ErrLayout)
		require.ErrorContains(t, err, says)
		_, err = g.s.Record(background, answer(b, airtime.Accepted, "").built())
		require.ErrorIs(t, err, state.ErrLayout)
		_, err = g.s.Load(background, b.ID)
		require.ErrorIs(t, err, state.ErrLayout)
		require.ErrorIs(t, g.s.Ready(background), state.ErrLayout)
		require.ErrorIs(t, <-g.s.Misread(), state.ErrLayout)
		_, err = state.Open(background, g.s.Options())
		require.ErrorIs(t, err, state.ErrLayout)
		require.Equal(t, before, dumps(t, g.s))
	}
}

// lived brings about what the fixture shows.
func lived(g *harness) {
	g.accept(disbursal("import/1", 6), named(shifted("shop/7", 10, 2), quicksms),
		through(shifted("single", 20, 1), talking))
	g.each(g.begin(lipad), verdict{Verdict: airtime.Accepted},
		verdict{Verdict: airtime.Accepted},
		verdict{Verdict: airtime.Refused, Reason: airtime.ReasonRefused, Message: "no"},
		verdict{Verdict: airtime.Unknown, Reason: airtime.ReasonTimeout})
	g.taken(g.begin(talking))
	b, holder := g.claim(quicksms, 1)
	_, err := g.s.BeginSend(background, b, holder)
	require.NoError(g.t, err)
	g.accept(shifted("waiting", 30, 3))
	_, err = g.s.Cancel(background, state.KindDisbursal, "waiting", "amina", "")
	require.NoError(g.t, err)
	g.accept(shifted("queued", 40, 3))
	g.c.pass(time.Second)
}

// TestTheStoredLayoutIsUnderstood opens the state that a program of this layout has left, and goes
// on with it. Who changes the layout raises the schema and leaves this file; only before the first
// release it may be written anew (go test ./internal/state -run StoredLayout -write-fixture).
func TestTheStoredLayoutIsUnderstood(t *testing.T) {
	t.Parallel()
	g := newHarness(t, nil)
	if *writeFixture {
		g.c.pass(0)
		lived(g)
		require.NoError(t, os.WriteFile(fixture, []byte(commandsOf(g)), 0o600))
		g = newHarness(t, nil)
	}
	g.load()
	found := map[string]map[airtime.Status]int64{}
	for _, ref := range []string{"import/1", "shop/7", "single", "waiting", "queued"} {
		found[ref] = statuses(t, g.s, ref)
	}
	require.Equal(t, map[string]map[airtime.Status]int64{
		"import/1": {airtime.Submitted: 2, airtime.Rejected: 1, airtime.InDoubt: 3},
		"shop/7":   {airtime.Sending: 1, airtime.Queued: 1}, "single": {airtime.Submitted: 1},
		"waiting": {airtime.Cancelled: 3}, "queued": {airtime.Queued: 3},
	}, found)
	balanced(t, g.s)
	got, err := g.s.Accept(background, []state.Disbursal{
		disbursal("import/1", 6), disbursal("single", 9),
	})
	require.NoError(t, err)
	require.Equal(t, []state.Outcome{state.Same, state.Conflict}, got.Outcomes)
	g.c.pass(time.Minute)
	require.Equal(t, 1, g.sweep(quicksms).InDoubt)
	g.c.pass(2 * time.Minute) // It is another Redis: claiming is fenced at first.
	require.Equal(t, 3, g.record(g.begin(lipad), airtime.Accepted, "").Accepted)
	require.NotEmpty(t, g.due())
	balanced(t, g.s)
}

// load plays the fixture.
func (g *harness) load() {
	file, err := os.Open(fixture)
	require.NoError(g.t, err)
	defer func() { _ = file.Close() }()
	lines := bufio.NewScanner(file)
	for lines.Scan() {
		var words []any
		for rest := lines.Text(); rest != ""; rest = strings.TrimPrefix(rest, " ") {
			quoted, err := strconv.QuotedPrefix(rest)
			require.NoError(g.t, err)
			word, err := strconv.Unquote(quoted)
			require.NoError(g.t, err)
			rest = rest[len(quoted):]
			words = append(words, strings.Replace(word, fixtureKey, g.s.Key("", ""), 1))
		}
		require.NoError(g.t, g.s.Client().Do(background, words...).Err())
	}
	require.NoError(g.t, lines.Err())
	g.c.ms += time.Second.Milliseconds()
	g.c.pass(0)
}

// commandsOf writes every key as the commands that make it, in a fixed order. What lapses by itself
// does so no more.
func commandsOf(g *harness) string {
	c, prefix := g.s.Client(), g.s.Key("", "")
	names, err := c.Keys(background, prefix+"*").Result()
	require.NoError(g.t, err)
	slices.Sort(names)
	var text strings.Builder
	write := func(command, name string, values ...string) {
		fmt.Fprintf(&text, "%q %q", command, strings.Replace(name, prefix, fixtureKey, 1))
		for _, value := range values {
			fmt.Fprintf(&text, " %q", value)
		}
		text.WriteByte('\n')
	}
	for _, name := range names {
		switch kind := c.Type(background, name).Val(); kind {
		case "hash":
			fields := c.HGetAll(background, name).Val()
			for _, field := range sortedKeys(fields) {
				write("HSET", name, field, fields[field])
			}
		case "string":
			write("SET", name, c.Get(background, name).Val())
		case "list":
			write("RPUSH", name, c.LRange(background, name, 0, -1).Val()...)
		case "set":
			write("SADD", name, sorted(c.SMembers(background, name).Val())...)
		case "zset":
			for _, z := range c.ZRangeWithScores(background, name, 0, -1).Val() {
				write("ZADD", name, fmt.Sprintf("%.0f", z.Score), fmt.Sprint(z.Member))
			}
		case "stream":
			for _, entry := range c.XRange(background, name, "-", "+").Val() {
				write("XADD", name, append([]string{entry.ID}, pairs(entry)...)...)
			}
		default:
			require.Fail(g.t, "no such kind", kind)
		}
	}
	return text.String()
}

func pairs(entry redis.XMessage) []string {
	var list []string
	for _, field := range sortedKeys(entry.Values) {
		list = append(list, field, fmt.Sprint(entry.Values[field]))
	}
	return list
}

func sortedKeys[V any](fields map[string]V) []string {
	var list []string
	for field := range fields {
		list = append(list, field)
	}
	return sorted(list)
}

func sorted[T cmp.Ordered](list []T) []T {
	slices.Sort(list)
	return list
}
