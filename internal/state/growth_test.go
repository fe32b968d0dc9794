package state_test

import (
	"fmt"
	"regexp"
	"strconv"
	"testing"

	"github.com/stretchr/testify/require"

	"tuma/internal/airtime"
	"tuma/internal/state"
	"tuma/internal/test/redistest"
)

var written = regexp.MustCompile(`(?m)^aof_current_size:(\d+)`)

// TestACallbackWritesLittle counts what the append-only file grows by while a thousand callbacks
// settle the thousand recipients of one chunk.
func TestACallbackWritesLittle(t *testing.T) {
	t.Parallel()
	for name, campaign := range map[string]string{
		"of an import": "", "of an import and a campaign": "staff-of-nairobi-2026",
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			callbacksWriteLittle(t, campaign)
		})
	}
}

func callbacksWriteLittle(t *testing.T, campaign string) {
	server := redistest.Start(t, redistest.WithConfig("appendonly", "yes"),
		redistest.WithConfig("appendfsync", "always"),
		redistest.WithConfig("auto-aof-rewrite-percentage", "0"))
	s := openWith(t, optionsAt(server.URL()))
	g := &harness{t: t, s: s}
	size := func() int {
		info, err := s.Client().Info(background, "persistence").Result()
		require.NoError(t, err)
		n, err := strconv.Atoi(written.FindStringSubmatch(info)[1])
		require.NoError(t, err)
		return n
	}
	d := through(disbursal("salaries-of-november", 1000), talking)
	d.Import, d.Campaign = "salaries-of-november", campaign
	for i := range d.Recipients {
		d.Recipients[i].Amount.Minor = 1000
	}
	g.accept(d)
	require.NoError(t, s.Client().HSet(background, s.Key("channel", talking), "ramp", 3).Err())
	b := g.begin(talking)
	a := answer(b, airtime.Accepted, "")
	for i := range b.Members {
		a.Verdicts = append(a.Verdicts, verdict{
			Position: i, Verdict: airtime.Accepted, ProviderReference: fmt.Sprintf("ATQid_%032d", i),
		})
	}
	require.Equal(t, 1000, record(t, s, a).Accepted)
	before, most := size(), 0
	for i := range b.Members {
		was := size()
		c := said(fmt.Sprintf("ATQid_%032d", i*7%1000), airtime.Successful)
		c.Message = fmt.Sprintf("Delivered to recipient %d", i*7%1000)
		placed, err := s.Apply(background, c)
		require.NoError(t, err)
		require.Equal(t, state.CallbackApplied, placed.Outcome)
		most = max(most, size()-was)
	}
	t.Logf("%d bytes for each, at most %d", (size()-before)/1000, most)
	require.Less(t, (size()-before)/1000, 1700)
	require.Less(t, most, 2300, "the last one settles the batch; none brings everybody's lines")
	balanced(t, s)

	told := func() {
		rows := rows(t, s, d.Reference)
		require.Len(t, rows, 1000)
		for i, row := range rows {
			require.Equal(t, fmt.Sprintf("ATQid_%032d Delivered to recipient %d", i, i),
				row.ProviderReference+" "+row.Message)
		}
	}
	told()
	alone := func() int64 { return s.Client().HLen(background, s.ChunkOf(d.Reference)).Val() }
	require.Greater(t, alone(), int64(1000))
	g.sweep(talking)
	require.Less(t, alone(), int64(10), "behind the callbacks the lines are gathered")
	told()
	balanced(t, s)
}

var called = regexp.MustCompile(`(?m)^cmdstat_[^:]+:calls=(\d+)`)

// TestManyBlockedCostNothing counts the commands of Redis that a sweep and a claim take while the
// numbers of many pending recipients are in doubt: whoever is blocked is not looked at again.
func TestManyBlockedCostNothing(t *testing.T) {
	t.Parallel()
	server := redistest.Start(t)
	s := openWith(t, optionsAt(server.URL()))
	g := &harness{t: t, s: s}
	calls := func() (sum int) {
		info, err := s.Client().Info(background, "commandstats").Result()
		require.NoError(t, err)
		for _, found := range called.FindAllStringSubmatch(info, -1) {
			n, err := strconv.Atoi(found[1])
			require.NoError(t, err)
			sum += n
		}
		return sum
	}
	const many = 1000
	lost := g.lost(through(disbursal("lost", many), lipad))
	g.accept(through(disbursal("blocked", many), lipad))
	for g.channel(lipad).Blocked < many {
		g.idle(lipad, state.IdleEmpty)
	}
	before := calls()
	g.sweep(lipad)
	g.idle(lipad, state.IdleEmpty)
	require.Less(t, calls()-before, 200)

	g.observe(lost, airtime.Failed)
	require.Equal(t, int64(many-1), g.channel(lipad).Blocked)
	require.Len(t, g.begin(lipad).Members, 1, "the number is not in doubt any more")
	balanced(t, s)
}

// TestAClaimSettlesFewCancelled lets claims meet more cancelled recipients than one of them
// may settle: Redis serves nothing else while a script runs.
func TestAClaimSettlesFewCancelled(t *testing.T) {
	t.Parallel()
	s := open(t, nil)
	g := &harness{t: t, s: s}
	const chunks, each, most = 8, 500, 10
	for i := range chunks {
		d := through(disbursal(fmt.Sprintf("salaries/%d", i), each), lipad)
		d.Import = "salaries"
		g.accept(d)
	}
	// The mark of a cancel whose process ended before it walked through the chunks.
	require.NoError(t,
		s.Client().HSet(background, s.Key("cancelled", ""), "import salaries", 1).Err())
	settled := func() int64 { return g.sum(lipad, "cancelled") }
	claims := 0
	for ; settled() < chunks*each; claims++ {
		before := settled()
		c, err := s.Claim(background, lipad, fmt.Sprintf("claim-%d", claims), most)
		require.NoError(t, err)
		require.Equal(t, state.IdleEmpty, c.Idle)
		require.LessOrEqual(t, settled()-before, int64(each+2*most+100))
		require.Equal(t, settled() < chunks*each, c.Wakeup != nil, "it wakes whoever settles the rest")
	}
	require.Greater(t, claims, 1)
	balanced(t, s)
}
