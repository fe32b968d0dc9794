package state_test

import (
	"fmt"
	"testing"
	"time"

	"github.com/redis/go-redis/v9"
	"github.com/stretchr/testify/require"

	"tuma/internal/airtime"
	"tuma/internal/state"
)

func TestChannels(t *testing.T) {
	t.Parallel()
	runScenarios(t, map[string]scenario{
		"what all of them remember":        channelsAtOnce,
		"work that nobody asks for":        unservedChannel,
		"however often a worker is woken":  unservedThoughWoken,
		"not while requests are out":       servedWhileOthersAreOut,
		"an idle worker serves":            servedInVain,
		"a ready batch is work":            unservedReadyBatch,
		"nobody is needed where all is in": servedWithoutWork,
	})
}

func channelsAtOnce(g *harness) {
	g.accept(someone("a", quicksms), disbursal("b", 3))
	g.accept(shifted("c", 5, 1))
	g.begin(quicksms)
	g.pause(lipad, time.Minute)
	g.c.pass(10 * time.Second)
	list, err := g.s.Channels(background)
	require.NoError(g.t, err)
	require.Equal(g.t, []state.Channel{
		{
			Provider: lipad, Pending: 2, Paused: 50 * time.Second,
			PauseReason: airtime.ReasonBalance, Since: time.UnixMilli(modelStart).UTC(),
			PausedFor: 10 * time.Second, HalfOpen: true, Waiting: 10 * time.Second,
			Oldest: 10 * time.Second,
		},
		{Provider: quicksms, InFlight: 1, Largest: 1, Open: 1, Oldest: 10 * time.Second},
	}, list)
	require.Equal(g.t, list, g.figures().Channels)
	g.c.pass(time.Hour)
	c := g.channel(lipad)
	require.Equal(g.t, []any{time.Duration(0), true, time.Hour + 10*time.Second},
		[]any{c.Paused, c.HalfOpen, c.PausedFor})
}

func unservedChannel(g *harness) {
	g.accept(disbursal("a", 1))
	require.False(g.t, g.channel(lipad).Unserved(), "a worker may still come")
	g.record(g.begin(lipad), airtime.Accepted, "")
	g.accept(shifted("b", 5, 1))
	g.c.pass(time.Minute)
	require.Equal(g.t, time.Minute, g.channel(lipad).Waiting)
	require.False(g.t, g.channel(lipad).Unserved())
	g.c.pass(time.Millisecond)
	require.True(g.t, g.channel(lipad).Unserved())
	g.pause(lipad, time.Minute)
	require.False(g.t, g.channel(lipad).Unserved(), "it is paused")
	g.c.pass(time.Minute)
	require.True(g.t, g.channel(lipad).Unserved())
}

func unservedThoughWoken(g *harness) {
	g.accept(disbursal("a", 1))
	for range 7 {
		require.False(g.t, g.channel(lipad).Unserved())
		g.c.pass(10 * time.Second)
		require.NotNil(g.t, g.sweep(lipad).Wakeup)
	}
	require.True(g.t, g.channel(lipad).Unserved())
	g.claim(lipad, 1)
	require.Zero(g.t, g.channel(lipad).Waiting)
}

func servedWhileOthersAreOut(g *harness) {
	g.accept(disbursal("a", 1))
	b := g.begin(lipad)
	g.accept(shifted("b", 5, 1))
	g.c.pass(2 * time.Minute)
	require.False(g.t, g.channel(lipad).Unserved())
	g.record(b, airtime.Accepted, "")
	require.True(g.t, g.channel(lipad).Unserved(), "and all the time nobody asked")
}

func servedInVain(g *harness) {
	g.accept(disbursal("a", 1))
	g.pause(lipad, time.Minute)
	g.c.pass(50 * time.Second)
	g.idle(lipad, state.IdlePaused)
	g.c.pass(time.Minute)
	require.False(g.t, g.channel(lipad).Unserved())
}

func unservedReadyBatch(g *harness) {
	g.accept(disbursal("a", 2))
	b := g.begin(lipad)
	g.record(b, airtime.Refused, airtime.ReasonBatchRefused)
	require.Equal(g.t, state.Halved, deny(g.t, g.s, b.ID, g.c))
	g.c.pass(time.Minute + time.Millisecond)
	require.True(g.t, g.channel(lipad).Unserved())
}

func servedWithoutWork(g *harness) {
	g.accept(disbursal("a", 1))
	g.record(g.begin(lipad), airtime.Accepted, "")
	g.c.pass(time.Hour)
	require.False(g.t, g.channel(lipad).Unserved())
}

func TestTheOldestOpenRecipient(t *testing.T) {
	t.Parallel()
	runScenarios(t, map[string]scenario{
		"waits, is sent, settles":       oldestOnItsWay,
		"waits again":                   oldestGivenBack,
		"waits behind the withdrawn":    oldestBehindTheWithdrawn,
		"waits behind more than looked": oldestBehindMany,
		"is held back":                  oldestBlocked,
		"is in a half":                  oldestInAHalf,
		"has settled and is reopened":   oldestReopened,
	})
}

// age wants a provider to have so many open batches, and an oldest open recipient of that age.
func (g *harness) age(provider string, batches int64, age time.Duration) {
	c := g.channel(provider)
	require.Equal(g.t, []any{batches, age}, []any{c.Open, c.Oldest})
}

func oldestOnItsWay(g *harness) {
	g.accept(someone("a", lipad))
	g.c.pass(10 * time.Second)
	g.accept(shifted("b", 5, 1))
	g.age(lipad, 0, 10*time.Second)
	first, holder := g.claim(lipad, 1)
	g.age(lipad, 1, 10*time.Second)
	_, err := g.s.BeginSend(background, first, holder)
	require.NoError(g.t, err)
	g.record(first, airtime.Accepted, "")
	g.c.pass(time.Minute)
	second := g.begin(lipad)
	g.record(second, airtime.Unknown, airtime.ReasonTimeout)
	g.age(lipad, 2, 70*time.Second)
	g.observe(first, airtime.Successful)
	g.age(lipad, 1, time.Minute)
	g.observe(second, airtime.Failed)
	g.age(lipad, 0, 0)
}

func oldestGivenBack(g *harness) {
	g.accept(someone("a", lipad))
	g.accept(shifted("b", 5, 1))
	b, _ := g.claim(lipad, 1000)
	g.age(lipad, 1, 0)
	g.c.pass(time.Minute)
	require.Equal(g.t, 1, g.sweep(lipad).Returned)
	g.age(lipad, 0, time.Minute)
	require.Len(g.t, b.Members, 2)
	again := g.begin(lipad)
	require.Equal(g.t, 2, g.record(again, airtime.Unsent, airtime.ReasonConnect).Returned)
	g.c.pass(time.Minute)
	g.age(lipad, 0, 2*time.Minute)
}

func oldestBehindTheWithdrawn(g *harness) {
	g.accept(disbursal("a", 3))
	g.c.pass(time.Minute)
	g.accept(shifted("b", 5, 1))
	g.c.pass(time.Minute)
	g.age(lipad, 0, 2*time.Minute)
	g.cancel("a")
	g.age(lipad, 0, time.Minute)
	g.cancel("b")
	g.age(lipad, 0, 0)
}

func oldestBehindMany(g *harness) {
	for i := range 101 {
		g.accept(shifted(fmt.Sprint("d", i), i, 1))
		g.c.pass(time.Second)
	}
	for i := range 99 {
		g.cancel(fmt.Sprint("d", i))
	}
	g.age(lipad, 0, 2*time.Second)
	g.cancel("d99")
	// Not one second: nobody looks so far.
	g.age(lipad, 0, 2*time.Second)
}

func oldestBlocked(g *harness) {
	first := g.lost(someone("a", lipad))
	g.c.pass(time.Minute)
	g.accept(someone("b", lipad))
	g.c.pass(time.Minute)
	g.idle(lipad, state.IdleEmpty)
	require.Equal(g.t, int64(1), g.channel(lipad).Blocked)
	g.age(lipad, 1, 2*time.Minute)
	g.observe(first, airtime.Failed)
	g.age(lipad, 0, time.Minute)
}

func oldestInAHalf(g *harness) {
	g.accept(disbursal("a", 2))
	b := g.begin(lipad)
	g.record(b, airtime.Refused, airtime.ReasonBatchRefused)
	g.c.pass(time.Minute)
	require.Equal(g.t, state.Halved, deny(g.t, g.s, b.ID, g.c))
	before := g.channel(lipad).Oldest
	require.Greater(g.t, before, time.Minute)
	g.age(lipad, 2, before)
	g.record(g.begin(lipad), airtime.Accepted, "")
	g.c.pass(time.Minute)
	g.age(lipad, 2, before+time.Minute)
}

func oldestReopened(g *harness) {
	g.accept(someone("a", lipad))
	b := g.begin(lipad)
	g.record(b, airtime.Refused, airtime.ReasonRefused)
	g.c.pass(time.Minute)
	g.age(lipad, 0, 0)
	g.observe(b, airtime.Processing)
	g.age(lipad, 1, time.Minute)
}

func TestHowLongBatchesTake(t *testing.T) {
	t.Parallel()
	runScenarios(t, map[string]scenario{
		"each batch counts once":      timesOfOne,
		"what was not sent does not":  timesOfTheUnsent,
		"the oldest member counts":    timesOfTwo,
		"by the powers of two":        timesByPowers,
		"a person's word settles too": timesOfADecision,
	})
}

// times returns how many batches of Lipad took how long together on a way.
func (g *harness) times(from, to string) state.Times {
	for _, way := range g.figures().Times {
		if way.Provider == lipad && way.From == from && way.To == to {
			return way
		}
	}
	require.Fail(g.t, "no such way")
	return state.Times{}
}

// total wants so many batches to have taken so long together.
func (g *harness) total(from, to string, count uint64, sum time.Duration) {
	way := g.times(from, to)
	require.Equal(g.t, []any{count, sum}, []any{way.Count, way.Sum}, from+" "+to)
}

func timesOfOne(g *harness) {
	g.accept(disbursal("a", 2))
	g.c.pass(3 * time.Second)
	b := g.begin(lipad)
	g.total("accepted", "answered", 0, 0)
	g.c.pass(time.Second)
	g.record(b, airtime.Accepted, "")
	g.record(b, airtime.Accepted, "")
	g.total("accepted", "answered", 1, 4*time.Second)
	g.c.pass(10 * time.Second)
	g.observe(b, airtime.Successful)
	g.total("accepted", "settled", 0, 0)
	g.c.pass(10 * time.Second)
	observe(g.t, g.s, b.ID, airtime.Failed, 1)
	observe(g.t, g.s, b.ID, airtime.Reversed, 0)
	g.total("accepted", "answered", 1, 4*time.Second)
	g.total("accepted", "settled", 1, 24*time.Second)
	g.total("sent", "settled", 1, 21*time.Second)
}

func timesOfTheUnsent(g *harness) {
	g.accept(someone("a", lipad))
	g.record(g.begin(lipad), airtime.Unsent, airtime.ReasonConnect)
	g.cancel("a")
	g.total("accepted", "answered", 0, 0)
	g.total("accepted", "settled", 0, 0)
	g.total("sent", "settled", 0, 0)
}

func timesOfTwo(g *harness) {
	g.accept(someone("a", lipad))
	g.c.pass(time.Hour)
	g.accept(shifted("b", 5, 1))
	g.record(g.begin(lipad), airtime.Refused, airtime.ReasonRefused)
	for _, to := range []string{"answered", "settled"} {
		g.total("accepted", to, 1, time.Hour)
	}
	g.total("sent", "settled", 1, 0)
}

func timesByPowers(g *harness) {
	long := time.Duration(0)
	for i, wait := range []time.Duration{
		0, 63 * time.Millisecond, 64 * time.Millisecond, 100 * time.Millisecond,
		40 * time.Hour,
	} {
		g.accept(shifted(fmt.Sprint("d", i), i, 1))
		g.c.pass(wait)
		long += wait
		g.record(g.begin(lipad), airtime.Accepted, "")
	}
	way := g.times("accepted", "answered")
	require.Equal(g.t, []any{uint64(5), long}, []any{way.Count, way.Sum})
	require.Len(g.t, way.Within, 22)
	for bound, count := range map[float64]uint64{0.064: 2, 0.128: 4, 65.536: 4, 134217.728: 4} {
		require.Equal(g.t, count, way.Within[bound], "%v", bound)
	}
}

func timesOfADecision(g *harness) {
	g.lost(someone("a", lipad))
	g.c.pass(time.Hour)
	resolve(g.t, g.s, state.Decision{Paid: true}, rows(g.t, g.s, "a")...)
	g.total("accepted", "settled", 1, time.Hour)
}

func TestStatsOfReviewsAndStreams(t *testing.T) {
	t.Parallel()
	s := open(t, nil)
	first, err := s.Stats(background)
	require.NoError(t, err)
	require.Equal(t, []any{time.Duration(0), time.Duration(0)},
		[]any{first.DoubtFor, first.OverdueFor})
	require.Equal(t, []state.Stream{
		{Name: "jobs"},
		{Name: "results"},
		{Name: "rejected"},
		{Name: "dead_letters"},
		{Name: "audit"},
	}, first.Streams)

	hour := float64(time.Now().Add(-time.Hour).UnixMilli())
	for _, queue := range []string{"doubt", "overdue"} {
		require.NoError(t, s.Client().ZAdd(background, s.Key(queue, ""),
			redis.Z{Score: hour, Member: "old"}, redis.Z{Score: hour + 1e6, Member: "new"}).Err())
	}
	require.NoError(t, s.OpenJobs(background))
	old := fmt.Sprintf("%.0f-0", hour)
	for _, id := range []string{old, "*"} {
		require.NoError(t, s.Client().XAdd(background, &redis.XAddArgs{
			Stream: s.Key("jobs", ""), ID: id, Values: []string{"job", "{}"},
		}).Err())
	}
	require.NoError(t, s.Client().XDel(background, s.Key("jobs", ""), old).Err())
	require.NoError(t, s.Client().XAdd(background, &redis.XAddArgs{
		Stream: s.Key("results", ""), ID: old, Values: []string{"reference", "r"},
	}).Err())
	f, err := s.Stats(background)
	require.NoError(t, err)
	const slow = time.Minute // A test may be slow, and clocks may differ.
	require.InDelta(t, time.Hour, f.DoubtFor, float64(slow))
	require.InDelta(t, time.Hour, f.OverdueFor, float64(slow))
	require.InDelta(t, 0, f.Streams[0].Oldest, float64(slow))
	require.InDelta(t, time.Hour, f.Streams[1].Oldest, float64(slow))
	for i := range f.Streams[:2] {
		require.Positive(t, f.Streams[i].Bytes)
		f.Streams[i].Oldest, f.Streams[i].Bytes = 0, 0
	}
	require.Equal(t, []state.Stream{
		{Name: "jobs", Entries: 1, Added: 2, Groups: 1},
		{Name: "results", Entries: 1, Added: 1},
		{Name: "rejected"},
		{Name: "dead_letters"},
		{Name: "audit"},
	}, f.Streams)
	require.Equal(t, []int64{1, 0}, []int64{f.Jobs, f.Rejected})
}
