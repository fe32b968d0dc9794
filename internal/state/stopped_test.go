package state_test

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"tuma/internal/airtime"
	"tuma/internal/state"
)

// A person's pause lasts until a person ends it, whatever the provider answers meanwhile.
func TestAPersonsPause(t *testing.T) {
	t.Parallel()
	runScenarios(t, map[string]scenario{
		"nothing is claimed until it is resumed":    stopsClaims,
		"what was claimed before does not begin":    stopsBegins,
		"what was to be sent again waits":           stopsRepetitions,
		"an answer does not lift it":                answersResumeNothing,
		"a pause of its own stands beside it":       stopsBesidePauses,
		"nobody moves to another provider":          stopsMoves,
		"the first one stands, and each is kept":    stopsAreKept,
		"a provider without disbursals can be, too": stopsTheUnused,
	})
}

func (g *harness) stop(provider string) {
	pause, set, err := g.s.PauseChannel(background, provider, "amina", "maintenance")
	require.NoError(g.t, err)
	require.True(g.t, set)
	require.Equal(g.t, "amina", pause.Who)
}

// resume ends a person's pause and returns the wakeup.
func (g *harness) resume(provider string) *state.Wakeup {
	was, wakeup, err := g.s.ResumeChannel(background, provider, "amina", "")
	require.NoError(g.t, err)
	require.NotNil(g.t, was)
	return wakeup
}

func stopsClaims(g *harness) {
	g.accept(disbursal("a", 2))
	g.stop(lipad)
	require.Nil(g.t, g.idle(lipad, state.IdleStopped).Wakeup)
	g.c.pass(48 * time.Hour)
	require.Nil(g.t, g.sweep(lipad).Wakeup, "nobody is called")
	require.False(g.t, g.channel(lipad).Unserved())
	g.idle(lipad, state.IdleStopped)
	stopped := g.channel(lipad).Manual
	require.Equal(g.t, []any{"amina", "maintenance", 48 * time.Hour},
		[]any{stopped.Who, stopped.Note, stopped.For})
	require.NotNil(g.t, g.resume(lipad), "who resumes calls a worker")
	require.Nil(g.t, g.channel(lipad).Manual)
	require.Len(g.t, g.begin(lipad).Members, 2, "it is no probe")
}

func stopsBegins(g *harness) {
	g.accept(disbursal("a", 1))
	b, holder := g.claim(lipad, 1000)
	g.stop(lipad)
	g.refused(b, holder, "stopped")
	g.stands("a", lipad, airtime.Queued)
	g.resume(lipad)
	require.NotEqual(g.t, b.ID, g.begin(lipad).ID)
}

func stopsRepetitions(g *harness) {
	b := g.lost(someone("a", talking))
	g.c.pass(90 * time.Second)
	require.Len(g.t, g.due(), 1)
	g.resend(b, true)
	again, holder := g.claim(talking, 1000)
	g.stop(talking)
	g.refused(again, holder, "stopped")
	g.stands("a", talking, airtime.InDoubt)
	g.idle(talking, state.IdleStopped)
}

func answersResumeNothing(g *harness) {
	g.accept(disbursal("a", 1), shifted("b", 5, 1))
	b, holder := g.claim(lipad, 1)
	_, err := g.s.BeginSend(background, b, holder)
	require.NoError(g.t, err)
	g.stop(lipad)
	g.record(b, airtime.Accepted, "")
	g.idle(lipad, state.IdleStopped)
}

func stopsBesidePauses(g *harness) {
	g.accept(disbursal("a", 1))
	g.pause(lipad, time.Minute)
	g.stop(lipad)
	g.pause(lipad, 2*time.Minute)
	require.Equal(g.t, "amina", g.channel(lipad).Manual.Who)
	require.Equal(g.t, airtime.ReasonBalance, g.channel(lipad).PauseReason)
	g.resume(lipad)
	require.Equal(g.t, 2*time.Minute, g.idle(lipad, state.IdlePaused).Wait)
}

func stopsMoves(g *harness) {
	g.accept(disbursal("a", 3))
	g.pause(lipad, time.Minute)
	list := g.stranded(lipad)
	require.Len(g.t, list, 3)
	g.stop(lipad)
	require.Empty(g.t, g.stranded(lipad))
	require.Zero(g.t, g.reroute(lipad, list, quicksms))
	g.resume(lipad)
	require.Equal(g.t, 3, g.reroute(lipad, list, quicksms))
}

func stopsAreKept(g *harness) {
	g.stop(lipad)
	g.c.pass(time.Minute)
	stands, set, err := g.s.PauseChannel(background, lipad, "otieno", "late")
	require.NoError(g.t, err)
	require.Equal(g.t, []any{false, "amina"}, []any{set, stands.Who})
	g.resume(lipad)
	was, _, err := g.s.ResumeChannel(background, lipad, "amina", "")
	require.NoError(g.t, err)
	require.Nil(g.t, was)
	require.Equal(g.t, []string{
		"amina channel_pause lipad note=maintenance", "amina channel_resume lipad ",
	}, audit(g.t, g.s))
}

func stopsTheUnused(g *harness) {
	g.stop(quicksms)
	require.Equal(g.t, "amina", g.channel(quicksms).Manual.Who, "it is shown")
	g.accept(someone("a", quicksms))
	g.idle(quicksms, state.IdleStopped)
}
