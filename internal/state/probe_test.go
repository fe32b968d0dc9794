package state_test

import (
	"fmt"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"tuma/internal/airtime"
	"tuma/internal/state"
)

func TestHalfOpen(t *testing.T) {
	t.Parallel()
	runScenarios(t, map[string]scenario{
		"one recipient at a time":                    oneProbeAtATime,
		"a refusal shows that the provider works":    refusedProbe,
		"an unknown probe pauses again, longer":      unknownProbes,
		"an unsent probe pauses again":               unsentProbe,
		"a silent probe makes room for the next":     silentProbe,
		"a ready batch may be the probe":             readyProbe,
		"answers to earlier requests end no pause":   pausedWhileOthersAreOut,
		"answers to earlier attempts mean nothing":   oldNews,
		"three unclear answers in a row are a storm": storm,
		"also of answers that are unclear by lines":  stormOfLines,
		"refused repetitions are no storm":           refusedRepetitions,
		"nor are those that were recognised":         recognisedRepetitions,
	})
}

func TestRates(t *testing.T) {
	t.Parallel()
	runScenarios(t, map[string]scenario{
		"the burst, then the steady rate": burstThenSteady,
		"a replay is not charged twice":   replayedClaim,
		"an idle claim is not charged":    idleClaims,
		"a long rest saves no more":       longRest,
		"nobody is called to no avail":    noWakeupWithoutTokens,
		"a clock that was set back":       chargedInTheFuture,
	})
}

func TestRampUp(t *testing.T) {
	t.Parallel()
	runScenarios(t, map[string]scenario{
		"1, 10, 100, 1000":                   rampsUp,
		"a part of a batch shows little":     smallBatchesDoNotRampUp,
		"an unknown starts at 1 again":       fallsByUnknown,
		"one in doubt is enough":             fallsByOne,
		"silence starts at 1 again":          silenceResetsTheRamp,
		"who can be asked about need not":    doesNotRampUp,
		"refusals on a later attempt do not": noRampByDoubt,
	})
}

func (g *harness) sweep(provider string) state.Swept {
	swept, err := g.s.Sweep(background, provider)
	require.NoError(g.t, err)
	return swept
}

func oneProbeAtATime(g *harness) {
	g.accept(disbursal("a", 5))
	g.pause(lipad, time.Minute)
	require.Equal(g.t, time.Minute, g.idle(lipad, state.IdlePaused).Wait)
	g.c.pass(time.Minute)
	probe := g.begin(lipad)
	require.Len(g.t, probe.Members, 1)
	require.Nil(g.t, g.idle(lipad, state.IdleHalfOpen).Wakeup)
	g.c.pass(10 * time.Second)
	require.Nil(g.t, g.sweep(lipad).Wakeup)
	require.Empty(g.t, g.accept(shifted("b", 10, 1)))
	c := g.channel(lipad)
	require.Equal(g.t, []any{true, airtime.ReasonBalance, time.Duration(0)},
		[]any{c.HalfOpen, c.PauseReason, c.Paused})
	require.Equal(g.t, time.UnixMilli(modelStart).UTC(), c.Since)
	got, err := g.s.Record(background, answer(probe, airtime.Accepted, "").built())
	require.NoError(g.t, err)
	require.Equal(g.t, []string{lipad}, providersOf(got.Wakeups))
	require.Len(g.t, g.begin(lipad).Members, 5)
	c = g.channel(lipad)
	require.False(g.t, c.HalfOpen)
	require.True(g.t, c.Since.IsZero())
	require.Empty(g.t, c.PauseReason)
}

func refusedProbe(g *harness) {
	g.accept(disbursal("a", 3))
	g.pause(lipad, time.Minute)
	g.c.pass(time.Minute)
	g.record(g.begin(lipad), airtime.Refused, airtime.ReasonRefused)
	require.Len(g.t, g.begin(lipad).Members, 2)
}

func unknownProbes(g *harness) {
	g.accept(disbursal("a", 5))
	g.pause(lipad, 0)
	for _, want := range []time.Duration{2, 4, 8} {
		g.c.pass(g.channel(lipad).Paused + 10*time.Second) // Longer than real time passes.
		g.record(g.begin(lipad), airtime.Unknown, airtime.ReasonTimeout)
		require.Equal(g.t, want*time.Second, g.idle(lipad, state.IdlePaused).Wait)
		require.Equal(g.t, time.UnixMilli(modelStart).UTC(), g.channel(lipad).Since)
	}
	g.c.pass(8 * time.Second)
	g.record(g.begin(lipad), airtime.Accepted, "")
	require.Equal(g.t, int64(3), g.sum(lipad, "in_doubt"), "an outage costs one at a time")
	g.pause(lipad, 0)
	require.Equal(g.t, time.Second, g.idle(lipad, state.IdlePaused).Wait, "it starts anew")
}

func unsentProbe(g *harness) {
	g.accept(disbursal("a", 3))
	g.pause(lipad, time.Second)
	g.c.pass(time.Second)
	a := answer(g.begin(lipad), airtime.Unsent, airtime.ReasonConnect)
	a.Pause = airtime.ReasonConnect
	record(g.t, g.s, a)
	require.Equal(g.t, 2*time.Second, g.idle(lipad, state.IdlePaused).Wait)
	g.c.pass(2 * time.Second)
	require.Len(g.t, g.begin(lipad).Members, 1)
}

func silentProbe(g *harness) {
	g.accept(disbursal("a", 3))
	g.pause(lipad, time.Second)
	g.c.pass(time.Second)
	g.begin(lipad)
	g.c.pass(2 * time.Minute)
	require.Equal(g.t, 1, g.sweep(lipad).InDoubt)
	require.Len(g.t, g.begin(lipad).Members, 1)
	g.idle(lipad, state.IdleHalfOpen)
}

func readyProbe(g *harness) {
	g.accept(disbursal("a", 3))
	b := g.begin(lipad)
	g.record(b, airtime.Unknown, airtime.ReasonTimeout)
	g.c.pass(time.Minute)
	require.Equal(g.t, state.Resend, deny(g.t, g.s, b.ID, g.c))
	g.accept(shifted("b", 10, 2))
	g.pause(lipad, time.Minute)
	g.idle(lipad, state.IdlePaused)
	g.c.pass(time.Minute)
	again := g.begin(lipad)
	require.Equal(g.t, b.ID, again.ID)
	require.Len(g.t, again.Members, 3)
	g.idle(lipad, state.IdleHalfOpen)
	g.record(again, airtime.Accepted, "")
	require.Len(g.t, g.begin(lipad).Members, 2)
}

func pausedWhileOthersAreOut(g *harness) {
	g.accept(disbursal("a", 1), shifted("b", 5, 1), shifted("c", 10, 4))
	b, holder := g.claim(lipad, 1)
	_, err := g.s.BeginSend(background, b, holder)
	require.NoError(g.t, err)
	other, holder := g.claim(lipad, 1)
	_, err = g.s.BeginSend(background, other, holder)
	require.NoError(g.t, err)
	a := answer(b, airtime.Unsent, airtime.ReasonBalance)
	a.Pause, a.RetryAfter = airtime.ReasonBalance, time.Minute
	record(g.t, g.s, a)
	g.record(other, airtime.Accepted, "")
	c := g.channel(lipad)
	require.Equal(g.t, []any{true, airtime.ReasonBalance}, []any{c.HalfOpen, c.PauseReason})
	require.Equal(g.t, time.Minute, g.idle(lipad, state.IdlePaused).Wait)
	require.NotEmpty(g.t, g.channel(lipad).PauseReason)
	g.c.pass(time.Minute)
	require.Len(g.t, g.begin(lipad).Members, 1)
}

func oldNews(g *harness) {
	g.accept(disbursal("a", 1))
	b := g.begin(lipad)
	g.c.pass(2 * time.Minute)
	g.sweep(lipad)
	require.Equal(g.t, state.Resend, deny(g.t, g.s, b.ID, g.c))
	again := g.begin(lipad)
	late := answer(b, airtime.Unknown, airtime.ReasonTimeout)
	late.Pause, late.RetryAfter = airtime.ReasonRateLimited, time.Hour
	require.True(g.t, record(g.t, g.s, late).Stale)
	require.Zero(g.t, g.channel(lipad).Paused)
	g.accept(shifted("b", 5, 2))
	g.pause(lipad, time.Second)
	g.c.pass(time.Second)
	require.True(g.t, g.record(b, airtime.Accepted, "").Stale)
	g.idle(lipad, state.IdleHalfOpen)
	require.True(g.t, g.channel(lipad).HalfOpen)
	g.record(again, airtime.Accepted, "")
	require.Len(g.t, g.begin(lipad).Members, 2)
}

func storm(g *harness) {
	for i := range 3 {
		require.Zero(g.t, g.figures().Fenced)
		g.lost(shifted(fmt.Sprint("r", i), i, 1))
		if i < 2 {
			g.idle(lipad, state.IdleEmpty)
		}
	}
	require.Equal(g.t, 4*time.Second, g.idle(lipad, state.IdlePaused).Wait)
}

// unclear sends one recipient, and the provider writes that nothing is known of it.
func (g *harness) unclear(provider string) {
	b, holder := g.claim(provider, 1)
	_, err := g.s.BeginSend(background, b, holder)
	require.NoError(g.t, err)
	line := verdict{Verdict: airtime.Unknown, Reason: airtime.ReasonMissing}
	require.Equal(g.t, 1, g.each(b, line).InDoubt)
}

func stormOfLines(g *harness) {
	for i, provider := range []string{quicksms, talking, lipad} {
		g.accept(through(shifted(provider, 10*i, 10), provider))
		for range 3 {
			require.Zero(g.t, g.channel(provider).Paused)
			g.unclear(provider)
		}
		require.Equal(g.t, airtime.ReasonMissing, g.channel(provider).PauseReason)
		require.Equal(g.t, 4*time.Second, g.idle(provider, state.IdlePaused).Wait)
		g.c.pass(4 * time.Second)
		g.unclear(provider) // The probe.
		require.Equal(g.t, 8*time.Second, g.idle(provider, state.IdlePaused).Wait)
		require.Equal(g.t, int64(4), g.sum(provider, "in_doubt"))
	}
}

// A provider that refuses is at work, whatever that says about the sending before.
func refusedRepetitions(g *harness) {
	first := g.lost(someone("a", talking))
	g.lost(through(shifted("b", 1, 1), talking))
	g.c.pass(90 * time.Second)
	g.resend(first, true)
	g.each(g.begin(talking), verdict{Verdict: airtime.Refused})
	require.Zero(g.t, g.channel(talking).Paused)
	g.stands("a", talking, airtime.InDoubt)
}

// A provider that recognises a request answers clearly, though it says nothing of the first one.
func recognisedRepetitions(g *harness) {
	for i := range 2 {
		first := g.lost(through(shifted(fmt.Sprint("a", i), 2*i, 1), talking))
		other := through(shifted(fmt.Sprint("b", i), 2*i+1, 1), talking)
		if i == 0 {
			g.accept(other)
			g.record(g.begin(talking), airtime.Accepted, "")
		} else {
			g.lost(other) // The second unclear answer in a row.
		}
		largest := g.channel(talking).Largest
		g.c.pass(90 * time.Second)
		g.resend(first, true)
		g.record(g.begin(talking), airtime.Unknown, airtime.ReasonDuplicate)
		require.Equal(g.t, largest, g.channel(talking).Largest)
		require.Zero(g.t, g.channel(talking).Paused)
	}
}

func burstThenSteady(g *harness) {
	for i := range 30 {
		g.accept(through(shifted(fmt.Sprint("r", i), i, 1), metered))
	}
	claims := 0
	for range 1000 {
		got, err := g.s.Claim(background, metered, token(), 1)
		require.NoError(g.t, err)
		if got.Batch != nil {
			claims++
			continue
		}
		require.Equal(g.t, state.IdleRate, got.Idle)
		require.Positive(g.t, got.Wait)
		require.LessOrEqual(g.t, got.Wait, 500*time.Millisecond)
		if g.c.ms+got.Wait.Milliseconds() > modelStart+10_000 {
			break
		}
		g.c.pass(got.Wait) // Exactly so long: then there is a token.
	}
	require.Equal(g.t, 3+20, claims, "in ten seconds")
}

func replayedClaim(g *harness) {
	for i := range 5 {
		g.accept(through(shifted(fmt.Sprint("r", i), i, 1), metered))
	}
	holder := token()
	for range 5 {
		got, err := g.s.Claim(background, metered, holder, 1)
		require.NoError(g.t, err)
		require.Equal(g.t, holder, got.Batch.ID)
	}
	g.claim(metered, 1)
	g.claim(metered, 1)
	g.idle(metered, state.IdleRate)
}

func idleClaims(g *harness) {
	for range 10 {
		g.idle(metered, state.IdleEmpty)
	}
	for i := range 4 {
		g.accept(through(shifted(fmt.Sprint("r", i), i, 1), metered))
	}
	for range 3 {
		g.claim(metered, 1)
	}
	g.idle(metered, state.IdleRate)
}

func longRest(g *harness) {
	for i := range 6 {
		g.accept(through(shifted(fmt.Sprint("r", i), i, 1), metered))
	}
	g.claim(metered, 1)
	g.c.pass(time.Hour)
	for range 3 {
		g.claim(metered, 1)
	}
	g.idle(metered, state.IdleRate)
}

func noWakeupWithoutTokens(g *harness) {
	for i := range 6 {
		g.accept(through(shifted(fmt.Sprint("r", i), i, 1), metered))
	}
	for i := range 3 {
		got, err := g.s.Claim(background, metered, token(), 1)
		require.NoError(g.t, err)
		require.Equal(g.t, i < 2, got.Wakeup != nil, "claim %d", i)
	}
	require.Nil(g.t, g.idle(metered, state.IdleRate).Wakeup)
	require.Empty(g.t, g.accept(through(shifted("more", 10, 1), metered)))
	require.Nil(g.t, g.sweep(metered).Wakeup)
	g.c.pass(499 * time.Millisecond)
	require.LessOrEqual(g.t, g.idle(metered, state.IdleRate).Wait, 2*time.Millisecond)
	g.c.pass(time.Millisecond)
	require.NotNil(g.t, g.sweep(metered).Wakeup)
	g.claim(metered, 1)
}

// Another Redis has taken over, and its clock is behind.
func chargedInTheFuture(g *harness) {
	for i := range 4 {
		g.accept(through(shifted(fmt.Sprint("r", i), i, 1), metered))
	}
	for range 3 {
		g.claim(metered, 1)
	}
	g.c.pass(-time.Hour)
	require.Equal(g.t, 500*time.Millisecond, g.idle(metered, state.IdleRate).Wait)
	g.c.pass(500 * time.Millisecond)
	g.claim(metered, 1)
}

// sizes sends batches through a provider, all with one verdict, and returns their sizes.
func (g *harness) sizes(provider string, n int, v airtime.Verdict) []int {
	var sizes []int
	for range n {
		b := g.begin(provider)
		sizes = append(sizes, len(b.Members))
		g.record(b, v, airtime.ReasonTimeout)
	}
	return sizes
}

func rampsUp(g *harness) {
	g.accept(shifted("other", 5000, 1))
	for i := range 3 {
		g.accept(through(shifted(fmt.Sprint("r", i), 1000*i, 1000), quicksms))
	}
	require.Equal(g.t, 1, g.channel(quicksms).Largest)
	require.Equal(g.t, []int{1, 10, 100, 1000, 1000}, g.sizes(quicksms, 5, airtime.Accepted))
	require.Equal(g.t, 1000, g.channel(quicksms).Largest)
	require.Zero(g.t, g.channel(lipad).Largest)
}

func smallBatchesDoNotRampUp(g *harness) {
	g.accept(through(disbursal("a", 40), quicksms))
	require.Equal(g.t, []int{1}, g.sizes(quicksms, 1, airtime.Refused))
	for range 2 {
		b, holder := g.claim(quicksms, 9)
		_, err := g.s.BeginSend(background, b, holder)
		require.NoError(g.t, err)
		g.record(b, airtime.Accepted, "")
	}
	require.Equal(g.t, []int{10, 11}, g.sizes(quicksms, 2, airtime.Accepted))
}

func fallsByUnknown(g *harness) {
	g.accept(through(disbursal("a", 40), quicksms))
	require.Equal(g.t, []int{1, 10}, g.sizes(quicksms, 2, airtime.Accepted))
	require.Equal(g.t, []int{29}, g.sizes(quicksms, 1, airtime.Unknown))
	require.Equal(g.t, 1, g.channel(quicksms).Largest)
	g.accept(through(shifted("b", 50, 20), quicksms))
	require.Equal(g.t, []int{1, 10}, g.sizes(quicksms, 2, airtime.Accepted))
}

func fallsByOne(g *harness) {
	g.accept(through(disbursal("a", 12), quicksms))
	g.sizes(quicksms, 1, airtime.Accepted)
	b := g.begin(quicksms)
	a := answer(b, airtime.Accepted, "")
	a.Verdicts = []verdict{{Position: 3, Verdict: airtime.Unknown}}
	record(g.t, g.s, a)
	require.Equal(g.t, 1, g.channel(quicksms).Largest)
}

func silenceResetsTheRamp(g *harness) {
	g.accept(through(disbursal("a", 20), quicksms))
	g.sizes(quicksms, 1, airtime.Accepted)
	require.Len(g.t, g.begin(quicksms).Members, 10)
	g.c.pass(2 * time.Minute)
	g.sweep(quicksms)
	require.Len(g.t, g.begin(quicksms).Members, 1)
}

func doesNotRampUp(g *harness) {
	g.accept(disbursal("a", 20))
	require.Equal(g.t, []int{20}, g.sizes(lipad, 1, airtime.Unknown))
	g.accept(shifted("b", 50, 20))
	require.Equal(g.t, []int{20}, g.sizes(lipad, 1, airtime.Accepted))
}

func noRampByDoubt(g *harness) {
	b := g.lost(someone("a", talking))
	g.c.pass(90 * time.Second)
	g.resend(b, true)
	g.record(g.begin(talking), airtime.Refused, airtime.ReasonRefused)
	require.Equal(g.t, 1, g.channel(talking).Largest)
}
