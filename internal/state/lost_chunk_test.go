package state_test

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"tuma/internal/airtime"
	"tuma/internal/providers"
	"tuma/internal/state"
)

// lostChunks are ways on for a batch some of whose recipients Redis has lost: "a", not "b".
var lostChunks = map[string]func(g *harness, b *state.Batch, holder string){
	"claimed, swept": func(g *harness, _ *state.Batch, _ string) {
		g.loses("a")
		g.c.pass(time.Minute)
		require.Equal(g.t, 1, g.sweep(talking).Returned)
	},
	"claimed, begun": func(g *harness, b *state.Batch, holder string) {
		g.loses("a")
		g.refused(b, holder, "known")
	},
	"claimed, released": func(g *harness, b *state.Batch, holder string) {
		g.loses("a")
		require.NoError(g.t, g.s.Release(background, b, holder, "", 0))
	},
	"sent, swept, answered late": func(g *harness, b *state.Batch, holder string) {
		g.sent(b, holder)
		g.c.pass(time.Minute)
		require.Equal(g.t, 1, g.sweep(talking).InDoubt)
		g.record(b, airtime.Unknown, airtime.ReasonTimeout)
	},
	"sent, taken, observed": func(g *harness, b *state.Batch, holder string) {
		g.sent(b, holder)
		g.each(b, verdict{Verdict: airtime.Accepted, ProviderReference: "x"},
			verdict{Verdict: airtime.Accepted, ProviderReference: "y"})
		g.observe(b, airtime.Processing)
		_, err := g.s.Observe(background, b, facts(b, airtime.Successful), true, pollSchedule(0))
		require.NoError(g.t, err)
		g.stands("b", talking, airtime.Successful)
		_, err = g.s.Apply(background, said("x", airtime.Failed))
		require.NoError(g.t, err)
	},
	"sent, refused": func(g *harness, b *state.Batch, holder string) {
		g.sent(b, holder)
		g.record(b, airtime.Refused, airtime.ReasonRefused)
		g.stands("b", talking, airtime.Rejected)
	},
	"sent, not sent": func(g *harness, b *state.Batch, holder string) {
		g.sent(b, holder)
		g.record(b, airtime.Unsent, airtime.ReasonRefused)
		g.stands("b", talking, airtime.Queued)
	},
	"in doubt, asked about": func(g *harness, b *state.Batch, holder string) {
		g.sent(b, holder)
		g.record(b, airtime.Unknown, airtime.ReasonTimeout)
		_, err := g.s.Hint(background, b.ID, providers.RecipientStatus{})
		require.NoError(g.t, err)
		g.c.pass(2 * time.Minute)
		polls, _, err := g.s.Due(background, 10, time.Minute)
		require.NoError(g.t, err)
		require.Len(g.t, polls, 1)
		_, err = g.s.Resend(background, reload(g.t, g.s, b))
		require.NoError(g.t, err)
		deny(g.t, g.s, b.ID, g.c)
		n, err := g.s.Resolve(background, state.Decision{Paid: true},
			[]state.Resolution{g.row("b").Resolution()})
		require.NoError(g.t, err)
		require.Equal(g.t, 1, n)
	},
	"refused whole, asked about": func(g *harness, b *state.Batch, holder string) {
		g.sent(b, holder)
		g.record(b, airtime.Refused, airtime.ReasonBatchRefused)
		deny(g.t, g.s, b.ID, g.c)
	},
	"in doubt, cancelled": func(g *harness, b *state.Batch, holder string) {
		g.sent(b, holder)
		g.record(b, airtime.Unknown, airtime.ReasonTimeout)
		for _, ref := range []string{"a", "b"} {
			_, err := g.s.Cancel(background, state.KindDisbursal, ref, "amina", "")
			require.NoError(g.t, err)
		}
	},
	"claimed, cancelled": func(g *harness, _ *state.Batch, _ string) {
		g.loses("a")
		_, err := g.s.Cancel(background, state.KindDisbursal, "b", "amina", "")
		require.NoError(g.t, err)
	},
}

// loses makes Redis forget a chunk, and nothing else.
func (g *harness) loses(ref string) {
	require.NoError(g.t, g.s.Client().Del(background, g.s.ChunkOf(ref)).Err())
}

// sent begins a batch before part of it is lost: afterwards BeginSend would refuse it.
func (g *harness) sent(b *state.Batch, holder string) {
	_, err := g.s.BeginSend(background, b, holder)
	require.NoError(g.t, err)
	g.loses("a")
}

// TestALostChunkStopsNobody takes away what a Redis could lose, and wants every verb to answer, the
// slot to be free in the end, and the other recipients to go on.
func TestALostChunkStopsNobody(t *testing.T) {
	t.Parallel()
	for name, told := range lostChunks {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			g := newHarness(t, nil)
			g.c.pass(0)
			g.accept(someone("a", talking))
			g.accept(through(shifted("b", 1, 1), talking))
			g.rampUp(talking)
			b, holder := g.claim(talking, 1000)
			require.Len(t, b.Members, 2)
			told(g, b, holder)
			g.c.pass(time.Hour)
			g.sweep(talking)
			slots, err := g.s.Client().ZCard(background, g.s.Key("slots", talking)).Result()
			require.NoError(t, err)
			require.Zero(t, slots)
			require.NotEqual(t, airtime.Sending, g.row("b").Status)
		})
	}
}

// rampUp lets a provider have batches of ten.
func (g *harness) rampUp(provider string) {
	require.NoError(g.t, g.s.Client().HSet(background, g.s.Key("channel", provider), "ramp", 1).Err())
}
