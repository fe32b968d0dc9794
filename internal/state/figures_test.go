package state_test

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"tuma/internal/airtime"
	"tuma/internal/state"
)

func TestChannels(t *testing.T) {
	t.Parallel()
	tell(t, map[string]story{
		"what all of them remember":        channelsAtOnce,
		"work that nobody asks for":        unservedChannel,
		"however often it is rung for":     unservedThoughRung,
		"not while requests are out":       servedWhileOthersAreOut,
		"an idle worker serves":            servedInVain,
		"a ready batch is work":            unservedReadyBatch,
		"nobody is needed where all is in": servedWithoutWork,
	})
}

func channelsAtOnce(g *stage) {
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
			PausedFor: 10 * time.Second, Probing: true, Waiting: 10 * time.Second,
		},
		{Provider: quicksms, InFlight: 1, Largest: 1},
	}, list)
	require.Equal(g.t, list, g.figures().Channels)
	g.c.pass(time.Hour)
	c := g.channel(lipad)
	require.Equal(g.t, []any{time.Duration(0), true, time.Hour + 10*time.Second},
		[]any{c.Paused, c.Probing, c.PausedFor})
}

func unservedChannel(g *stage) {
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

func unservedThoughRung(g *stage) {
	g.accept(disbursal("a", 1))
	for range 7 {
		require.False(g.t, g.channel(lipad).Unserved())
		g.c.pass(10 * time.Second)
		require.NotNil(g.t, g.sweep(lipad).Ring)
	}
	require.True(g.t, g.channel(lipad).Unserved())
	g.claim(lipad, 1)
	require.Zero(g.t, g.channel(lipad).Waiting)
}

func servedWhileOthersAreOut(g *stage) {
	g.accept(disbursal("a", 1))
	b := g.begin(lipad)
	g.accept(shifted("b", 5, 1))
	g.c.pass(2 * time.Minute)
	require.False(g.t, g.channel(lipad).Unserved())
	g.record(b, airtime.Accepted, "")
	require.True(g.t, g.channel(lipad).Unserved(), "and all the time nobody asked")
}

func servedInVain(g *stage) {
	g.accept(disbursal("a", 1))
	g.pause(lipad, time.Minute)
	g.c.pass(50 * time.Second)
	g.idle(lipad, state.IdlePaused)
	g.c.pass(time.Minute)
	require.False(g.t, g.channel(lipad).Unserved())
}

func unservedReadyBatch(g *stage) {
	g.accept(disbursal("a", 2))
	b := g.begin(lipad)
	g.record(b, airtime.Refused, airtime.ReasonBatchRefused)
	require.Equal(g.t, state.Halved, deny(g.t, g.s, b.ID, g.c))
	g.c.pass(time.Minute + time.Millisecond)
	require.True(g.t, g.channel(lipad).Unserved())
}

func servedWithoutWork(g *stage) {
	g.accept(disbursal("a", 1))
	g.record(g.begin(lipad), airtime.Accepted, "")
	g.c.pass(time.Hour)
	require.False(g.t, g.channel(lipad).Unserved())
}
