package state_test

import (
	"context"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/redis/go-redis/v9"
	"github.com/stretchr/testify/require"

	"tuma/internal/airtime"
	"tuma/internal/state"
	"tuma/internal/state/statetest"
)

// settled accepts a disbursal and settles all of it.
func settled(t testing.TB, s *state.Store, d state.Disbursal) {
	t.Helper()
	accept(t, s, d)
	b := begin(t, s)
	record(t, s, answer(b, airtime.Accepted, ""))
	for i := range b.Members {
		observe(t, s, b.ID, airtime.Successful, i)
	}
}

func TestForgetBooksAndKeepsDigest(t *testing.T) {
	t.Parallel()
	s, c := timed(t, func(o *state.Options) { o.Retention = time.Hour })
	ctx := context.Background()
	d := disbursal("old", 3)
	d.Campaign, d.Import = "blue", "i"
	_, err := s.OpenImport(ctx, state.Manifest{Reference: "i", Rows: 3})
	require.NoError(t, err)
	settled(t, s, d)
	accept(t, s, shifted("open", 3, 2))
	c.pass(time.Hour + time.Millisecond)
	before, err := s.Stats(ctx)
	require.NoError(t, err)
	n, err := s.Forget(ctx, 10)
	require.NoError(t, err)
	require.Equal(t, 1, n)
	after, err := s.Stats(ctx)
	require.NoError(t, err)
	require.Equal(t, before.Book, after.Book, "what is forgotten stays booked")
	require.Equal(t, 2, balanced(t, s).Recipients)

	err = s.Report(ctx, state.KindDisbursal, "old", func(state.Row) error { return nil })
	require.ErrorIs(t, err, state.ErrNotFound)
	changed := disbursal("old", 2)
	got, err := s.Accept(ctx, []state.Disbursal{d, changed})
	require.NoError(t, err)
	require.Equal(t, []state.Outcome{state.Same, state.Conflict}, got.Outcomes)
	sum, err := s.Summarize(ctx, state.KindCampaign, "blue")
	require.NoError(t, err)
	require.Zero(t, sum.Recipients, "the name goes with its last recipient")
	for _, kind := range []string{"import", "campaign"} {
		keys, err := s.Client().Keys(ctx, s.Key(kind, "")+"*").Result()
		require.NoError(t, err)
		require.Empty(t, keys, kind)
	}
	ttl, err := s.Client().TTL(ctx, s.Key("digest", "old")).Result()
	require.NoError(t, err)
	require.Greater(t, ttl, 364*24*time.Hour)
}

func TestForgottenDisbursalDoesNotStopItsBatch(t *testing.T) {
	t.Parallel()
	s, c := timed(t, func(o *state.Options) { o.Retention = time.Hour })
	ctx := context.Background()
	accept(t, s, disbursal("old", 2))
	accept(t, s, shifted("open", 2, 2))
	b := begin(t, s)
	record(t, s, answer(b, airtime.Unknown, airtime.ReasonTimeout))
	observe(t, s, b.ID, airtime.Successful, 0, 1)
	c.pass(time.Hour + time.Millisecond)
	n, err := s.Forget(ctx, 10)
	require.NoError(t, err)
	require.Equal(t, 1, n)
	_, _, err = s.ResolveUnknown(ctx, b, true, state.Children{token(), token()}, pollSchedule(0))
	require.NoError(t, err)
	loaded, err := s.Load(ctx, b.ID)
	require.NoError(t, err)
	require.Len(t, loaded.Members, 4)
	require.False(t, loaded.Members[0].Here)
	observe(t, s, b.ID, airtime.Reversed, 0)
	observe(t, s, b.ID, airtime.Failed, 2, 3)
	only(t, s, "open", airtime.Failed)
	sweep(t, s)
	balanced(t, s)
}

func TestObservationOfNobodyChangesNothing(t *testing.T) {
	t.Parallel()
	s := open(t, nil)
	accept(t, s, disbursal("a", 1))
	b := begin(t, s)
	observe(t, s, b.ID, airtime.Successful, 0, 7)
	only(t, s, "a", airtime.Successful)
	require.Equal(t, []string{"successful"}, results(t, s)["a 254700000000"])
	_, err := s.Observe(context.Background(), &state.Batch{ID: "none"}, nil, true, pollSchedule(0))
	require.ErrorIs(t, err, state.ErrNotFound)
	_, err = s.Load(context.Background(), "none")
	require.ErrorIs(t, err, state.ErrNotFound)
	balanced(t, s)
}

// pagesOf are the names of the pages that the books are kept on.
func pagesOf(s *state.Store) []string {
	return s.Client().ZRange(background, s.Key("pages", ""), 0, -1).Val()
}

// misbook adds to the figures of a field of a book.
func misbook(c redis.Cmdable, book, field string, count, minor, units int64) error {
	var was [3]int64
	_, _ = fmt.Sscan(c.HGet(background, book, field).Val(), &was[0], &was[1], &was[2]) // Or none.
	return c.HSet(background, book, field,
		fmt.Sprint(was[0]+count, was[1]+minor, was[2]+units)).Err()
}

func TestVerifyFindsDrift(t *testing.T) {
	t.Parallel()
	tamper := map[string]func(*state.Store, *redis.Client) error{
		"a row changed": func(s *state.Store, c *redis.Client) error {
			name := strings.Replace(s.ChunkOf("a"), ":chunk:", ":rows:", 1)
			rows := c.Get(background, name).Val()
			return c.Set(background, name, "S"+rows[1:], 0).Err()
		},
		"a row without a status": func(s *state.Store, c *redis.Client) error {
			name := strings.Replace(s.ChunkOf("a"), ":chunk:", ":rows:", 1)
			rows := c.Get(background, name).Val()
			return c.Set(background, name, "?"+rows[1:], 0).Err()
		},
		"a row lost": func(s *state.Store, c *redis.Client) error {
			name := strings.Replace(s.ChunkOf("a"), ":chunk:", ":rows:", 1)
			rows := c.Get(background, name).Val()
			return c.Set(background, name, rows[statetest.CellWidth:], 0).Err()
		},
		"an amount changed": func(s *state.Store, c *redis.Client) error {
			name := s.ChunkOf("a")
			content := c.HGet(background, name, "content").Val()
			return c.HSet(background, name, "content", content+"0").Err()
		},
		"the count of the open": func(s *state.Store, c *redis.Client) error {
			return c.HIncrBy(background, s.ChunkOf("a"), "open", -1).Err()
		},
		"the book": func(s *state.Store, c *redis.Client) error {
			return misbook(c, s.Key("book", ""), "lipad KES queued", 0, 1, 0)
		},
		"the book of a page": func(s *state.Store, c *redis.Client) error {
			return misbook(c, s.Key("pagebook", pagesOf(s)[0]), "lipad KES queued", 1, 0, 0)
		},
		"a figure from nowhere": func(s *state.Store, c *redis.Client) error {
			return misbook(c, s.Key("pagebook", pagesOf(s)[0]), "sozuri KES failed", 1, 0, 0)
		},
		"a chunk lost": func(s *state.Store, c *redis.Client) error {
			return c.Del(background, s.ChunkOf("a")).Err()
		},
		"a disbursal lost": func(s *state.Store, c *redis.Client) error {
			return c.Del(background, s.Key("disbursal", "a")).Err()
		},
	}
	driftsWhen(t, tamper)
}

// driftsWhen wants verify to notice whatever is done to a state with one disbursal.
func driftsWhen(t *testing.T, tamper map[string]func(*state.Store, *redis.Client) error) {
	t.Helper()
	for what, change := range tamper {
		t.Run(what, func(t *testing.T) {
			t.Parallel()
			s := open(t, nil)
			accept(t, s, disbursal("a", 3))
			balanced(t, s)
			client, single := s.Client().(*redis.Client)
			require.True(t, single)
			require.NoError(t, change(s, client))
			pages := 0
			audit, err := s.Verify(background, func(_, of int) { pages = of })
			require.NoError(t, err)
			require.NotEmpty(t, audit.Drift)
			require.Equal(t, 1, pages)
			require.NotContains(t, strings.Join(audit.Drift, "\n"), "254700000000")
		})
	}
}

func TestVerifyRecountsManyPages(t *testing.T) {
	t.Parallel()
	s := open(t, nil)
	for i := range 25 {
		accept(t, s, disbursal(fmt.Sprint("r", i), 1000))
	}
	pages := 0
	audit, err := s.Verify(background, func(_, of int) { pages = of })
	require.NoError(t, err)
	require.Empty(t, audit.Drift)
	require.Equal(t, 25_000, audit.Recipients)
	require.Equal(t, 3, pages)
}

func TestTrimStreamsSparesTheSlowestGroup(t *testing.T) {
	t.Parallel()
	s := open(t, func(o *state.Options) { o.StreamAge = time.Nanosecond })
	ctx, stream := context.Background(), s.Key("results", "")
	n, err := s.TrimStreams(ctx)
	require.NoError(t, err)
	require.Zero(t, n)
	settled(t, s, disbursal("a", 4))
	for _, group := range []string{"fast", "slow"} {
		require.NoError(t, s.Client().XGroupCreate(ctx, stream, group, "0").Err())
	}
	read := func(group string, count int64) []string {
		got, err := s.Client().XReadGroup(ctx, &redis.XReadGroupArgs{
			Group: group, Consumer: "c", Streams: []string{stream, ">"}, Count: count,
		}).Result()
		require.NoError(t, err)
		var ids []string
		for _, m := range got[0].Messages {
			ids = append(ids, m.ID)
		}
		return ids
	}
	trimmed := func() int64 {
		time.Sleep(2 * time.Millisecond)
		n, err := s.TrimStreams(ctx)
		require.NoError(t, err)
		return n
	}
	require.Zero(t, trimmed(), "nobody has read anything")
	require.NoError(t, s.Client().XAck(ctx, stream, "fast", read("fast", 4)...).Err())
	require.Zero(t, trimmed(), "the slow group has read nothing")
	ids := read("slow", 3)
	require.Zero(t, trimmed(), "it has acknowledged nothing")
	require.NoError(t, s.Client().XAck(ctx, stream, "slow", ids[0], ids[1]).Err())
	require.Equal(t, int64(2), trimmed())
	left, err := s.Client().XLen(ctx, stream).Result()
	require.NoError(t, err)
	require.Equal(t, int64(2), left)
}

func TestJobsAreReadTakenOverAndDeleted(t *testing.T) {
	t.Parallel()
	s, ctx := open(t, nil), context.Background()
	require.NoError(t, s.OpenJobs(ctx))
	require.NoError(t, s.OpenJobs(ctx), "it is open already")
	add := func(values ...string) {
		require.NoError(t, s.Client().XAdd(ctx, &redis.XAddArgs{
			Stream: s.Key("jobs", ""), Values: values,
		}).Err())
	}
	add("job", `{"reference":"a"}`)
	add("payload", "x")
	entries, err := s.ReadJobs(ctx, "one", 10, -1)
	require.NoError(t, err)
	require.Len(t, entries, 2)
	require.Equal(t, `{"reference":"a"}`, entries[0].Job)
	require.Contains(t, entries[1].Job, "payload")
	taken, next, err := s.TakeOverJobs(ctx, "two", 10, 0, "0-0")
	require.NoError(t, err)
	require.Equal(t, entries, taken)
	require.Equal(t, "0-0", next)
	require.NoError(t, s.AckJobs(ctx, []string{entries[0].ID, entries[1].ID}))
	require.NoError(t, s.AckJobs(ctx, nil))
	require.NoError(t, s.Reject(ctx, state.Refusal{Job: "x", Source: "stream", Err: "why"}))
	f, err := s.Stats(ctx)
	require.NoError(t, err)
	require.Zero(t, f.Jobs)
	require.Equal(t, int64(1), f.Rejected)
}

// A client's map keeps one value of a field that came twice: neither may be lost, in either
// protocol of Redis.
func TestAnEntryWithTwoJobsIsReadWhole(t *testing.T) {
	t.Parallel()
	for _, protocol := range []string{"2", "3"} {
		s := open(t, func(o *state.Options) { o.URL += "?protocol=" + protocol })
		require.NoError(t, s.OpenJobs(background))
		for _, values := range [][]string{
			{"job", "a", "trace", "x"}, {"job", "a", "trace", "x", "job", "b"}, {"x", "1", "y", "2"},
		} {
			require.NoError(t, s.Client().XAdd(background, &redis.XAddArgs{
				Stream: s.Key("jobs", ""), Values: values,
			}).Err())
		}
		entries, err := s.ReadJobs(background, "one", 10, time.Second)
		require.NoError(t, err)
		require.Len(t, entries, 3)
		require.Equal(t, state.Entry{ID: entries[0].ID, Job: "a"}, entries[0])
		require.Equal(t, state.Entry{
			ID: entries[1].ID, Job: `["job","a","trace","x","job","b"]`,
			Fault: `the entry has the field "job" 2 times: add an entry per job`,
		}, entries[1])
		require.Equal(t, `{"x":"1","y":"2"}`, entries[2].Job)
		none, err := s.ReadJobs(background, "one", 10, time.Millisecond)
		require.NoError(t, err)
		require.Empty(t, none)
		require.NoError(t, s.Client().XDel(background, s.Key("jobs", ""), entries[0].ID).Err())
		taken, next, err := s.TakeOverJobs(background, "two", 10, 0, "0-0")
		require.NoError(t, err)
		require.Equal(t, entries[1:], taken)
		require.Equal(t, "0-0", next)
	}
}

func TestNamesThatBelongToSeveralThings(t *testing.T) {
	t.Parallel()
	s := open(t, nil)
	d := disbursal("x", 2)
	d.Import, d.Campaign = "i", "x"
	accept(t, s, d)
	_, err := s.KindOf(background, "x")
	var ambiguous *state.AmbiguousError
	require.ErrorAs(t, err, &ambiguous)
	require.Equal(t, []state.Kind{state.KindDisbursal, state.KindCampaign}, ambiguous.Kinds)
	kind, err := s.KindOf(background, "i")
	require.NoError(t, err)
	require.Equal(t, state.KindImport, kind)
	_, err = s.KindOf(background, "none")
	require.ErrorIs(t, err, state.ErrNotFound)
	sum, err := s.Summarize(background, kind, "i")
	require.NoError(t, err)
	require.Equal(t, int64(2), sum.Recipients)
	require.False(t, sum.Settled)
	require.Equal(t, int64(2100), sum.Statuses[airtime.Queued].Amounts["KES"])
}

// TestScriptsNeverTakeATime looks for a pod's clock where a script could be told it.
func TestScriptsNeverTakeATime(t *testing.T) {
	t.Parallel()
	allowed := map[string]bool{
		"safety.go":  true, // How long a figure is remembered in this process.
		"streams.go": true, // When a job was rejected: a note for people.
	}
	files, err := filepath.Glob("*.go")
	require.NoError(t, err)
	for _, name := range files {
		text, err := os.ReadFile(name)
		require.NoError(t, err)
		if !allowed[name] && !strings.HasSuffix(name, "_test.go") {
			require.NotContains(t, string(text), "time.Now(", name)
		}
	}
	instant := regexp.MustCompile(`(?i)ARGV\[\d+\]:.*\b(timestamp|instant|now in|unix)`)
	require.NoError(t, fs.WalkDir(os.DirFS("lua"), ".",
		func(name string, entry fs.DirEntry, err error) error {
			if err != nil || entry.IsDir() {
				return err
			}
			text, err := os.ReadFile(filepath.Join("lua", name))
			require.False(t, instant.Match(text), name)
			return err
		}))
}

func TestResultsCarryTheTimeOfRedis(t *testing.T) {
	t.Parallel()
	s, c := timed(t, nil)
	for _, when := range []string{
		"1970-01-01T00:00:00.000Z", "2024-02-29T23:59:59.999Z", "2026-11-21T12:00:00.001Z",
		"2100-03-01T00:00:00.000Z",
	} {
		at, err := time.Parse(time.RFC3339, when)
		require.NoError(t, err)
		c.ms = at.UnixMilli()
		c.pass(0)
		d := disbursal(when, 1)
		d.Provider = "sozuri"
		accept(t, s, d)
		_, err = s.Cancel(background, state.KindDisbursal, when, "amina", "")
		require.NoError(t, err)
		last, err := s.Client().XRevRangeN(background, s.Key("results", ""), "+", "-", 1).Result()
		require.NoError(t, err)
		require.Equal(t, when, last[0].Values["at"])
		require.Equal(t, "10.00", last[0].Values["amount"])
	}
}
