package state_test

import (
	"context"
	"testing"
	"time"

	"github.com/redis/go-redis/v9"
	"github.com/stretchr/testify/require"

	"tuma/internal/airtime"
	"tuma/internal/state"
)

// whatFollows asks what may follow from the word that a batch is not known.
func (g *harness) whatFollows(b *state.Batch) state.NextStep {
	got, _, err := g.s.ResolveUnknown(background, reload(g.t, g.s, b), true, state.Children{},
		pollSchedule(0))
	require.NoError(g.t, err)
	return got
}

// keyOutlived: the provider remembers a key for five minutes. After the clock was set back, by
// little or by much, the key would be young enough by that clock for some minutes more.
func keyOutlived(g *harness) {
	for _, back := range []time.Duration{2 * time.Minute, 10 * time.Minute} {
		b := g.lost(through(shifted(back.String(), int(back.Minutes()), 1), talking))
		g.c.pass(3 * time.Minute)
		g.due()
		g.c.pass(-back)
		for range 90 {
			g.c.pass(10 * time.Second)
			g.resend(b, false)
		}
	}
	again := g.lost(through(shifted("b", 9, 1), talking))
	g.c.pass(91 * time.Second)
	g.resend(again, true) // What was sent since then is repeated as ever.
}

// lapsesWait: while the clock is behind what it has shown, nothing lapses.
func lapsesWait(g *harness) {
	g.accept(someone("a", lipad), someone("b", metered), someone("c", quicksms))
	asked := g.begin(lipad)
	g.claim(metered, 1)
	g.begin(quicksms)
	g.c.pass(40 * time.Second)
	require.Equal(g.t, 1, g.sweep(lipad).InDoubt)
	g.c.pass(4 * time.Minute)
	require.Equal(g.t, state.KeepAsking, g.whatFollows(asked))
	g.c.pass(90 * time.Second)
	g.due()
	g.c.pass(-2 * time.Minute)
	g.c.pass(118 * time.Second)
	require.Equal(g.t, state.KeepAsking, g.whatFollows(asked))
	for _, provider := range []string{metered, quicksms} {
		require.Equal(g.t, state.Swept{Behind: 2 * time.Second}, g.sweep(provider))
	}
	g.c.pass(2 * time.Second)
	require.Equal(g.t, state.Resend, g.whatFollows(asked))
	require.Equal(g.t, 1, g.sweep(metered).Returned)
	require.Equal(g.t, 1, g.sweep(quicksms).InDoubt)
}

// nothingForgotten: the clock shows what is beyond the retention, and has shown more.
func nothingForgotten(g *harness) {
	g.accept(someone("a", quicksms))
	a := answer(g.begin(quicksms), airtime.Accepted, "")
	a.Accepted = airtime.Unconfirmed
	record(g.t, g.s, a)
	forget := func() int {
		n, err := g.s.Forget(background, 10)
		require.NoError(g.t, err)
		return n
	}
	g.c.pass(91 * 24 * time.Hour)
	g.due()
	g.c.pass(-10 * time.Second)
	require.Zero(g.t, forget())
	g.c.pass(10 * time.Second)
	require.Equal(g.t, 1, forget())
}

// momentAhead: the clock is half a day ahead for a moment. What it set then is not waited for.
func momentAhead(g *harness) {
	const ahead = 12 * time.Hour
	g.c.pass(ahead)
	require.NotEmpty(g.t, g.accept(someone("a", lipad), someone("b", talking), someone("c", lipad)))
	dead, _ := g.claim(lipad, 1)
	_, err := g.s.BeginSend(background, dead, dead.ID)
	require.NoError(g.t, err)
	g.record(g.begin(talking), airtime.Accepted, "")
	g.pause(metered, 5*time.Minute)
	g.accept(someone("d", metered))
	g.c.pass(-ahead)

	swept := g.sweep(lipad)
	require.Equal(g.t, 1, swept.InDoubt, "its sender is lost")
	require.NotNil(g.t, swept.Wakeup, "there is work, and nobody was woken")
	require.Equal(g.t, ahead, swept.Behind)
	require.NotNil(g.t, g.sweep(metered).Wakeup, "the pause is lost")
	g.due() // It corrects the schedule.
	g.c.pass(10 * time.Second)
	require.Len(g.t, g.due(), 2, "they are asked about")
	g.c.pass(2 * time.Minute)
	_, err = g.s.Resolve(background, state.Decision{Paid: true, Who: "w", Evidence: "e"},
		[]state.Resolution{g.row("a").Resolution()})
	require.NoError(g.t, err, "a person need not wait half a day")

	g.c.pass(time.Hour)
	require.Zero(g.t, g.sweep(lipad).Behind, "by now it is the right one")
	g.c.pass(time.Second)
	b := g.lost(someone("e", talking))
	g.c.pass(91 * time.Second)
	g.resend(b, true)
}

// fencedAhead: Redis was restarted while the clock was ahead.
func fencedAhead(g *harness) {
	g.accept(someone("a", lipad))
	ahead := g.c.ms + (12 * time.Hour).Milliseconds()
	require.NoError(g.t, g.s.Client().HSet(background, g.s.Key("state", ""),
		"fenced_until", ahead).Err())
	g.idle(lipad, state.IdleFenced)
	g.c.pass(91 * time.Second)
	g.begin(lipad)
}

func TestWrongClocks(t *testing.T) {
	t.Parallel()
	runScenarios(t, map[string]scenario{
		"a key is not taken for younger than it is": keyOutlived,
		"nothing lapses by a clock set back":        lapsesWait,
		"nothing is forgotten by it":                nothingForgotten,
		"what a clock ahead has set is lost":        momentAhead,
		"a freeze does not last half a day":         fencedAhead,
	})
}

// pipelines remembers the commands of pipelines.
type pipelines struct{ sent [][]redis.Cmder }

func (*pipelines) DialHook(next redis.DialHook) redis.DialHook { return next }

func (*pipelines) ProcessHook(next redis.ProcessHook) redis.ProcessHook { return next }

func (p *pipelines) ProcessPipelineHook(next redis.ProcessPipelineHook) redis.ProcessPipelineHook {
	return func(ctx context.Context, commands []redis.Cmder) error {
		p.sent = append(p.sent, commands)
		return next(ctx, commands)
	}
}

// A reader that is slow while others write does not take Redis's clock for one that is behind: it
// reads the time behind what it compares with it.
func TestStatsReadTheTimeLast(t *testing.T) {
	t.Parallel()
	s := open(t, nil)
	var read pipelines
	s.Client().AddHook(&read)
	_, err := s.Stats(background)
	require.NoError(t, err)
	first := read.sent[0]
	require.Equal(t, "time", first[len(first)-1].Name())
}
