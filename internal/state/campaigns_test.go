package state_test

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"tuma/internal/state"
)

func TestCampaignControls(t *testing.T) {
	t.Parallel()
	runScenarios(t, map[string]scenario{
		"nobody of a paused campaign is drawn":         campaignPaused,
		"a rate lets so many through each second":      campaignDrips,
		"a fraction of one a second":                   campaignDripsSlowly,
		"a rate while nobody draws saves two seconds":  campaignSaves,
		"a cancel withdraws who is withheld":           campaignCancelled,
		"who is cancelled uses up no rate":             campaignPassesTheCancelled,
		"halves of a refused batch":                    campaignStopsHalves,
		"what was decided before is not decided again": campaignDecidedBefore,
		"scripts that are sent twice":                  campaignTwice,
		"the channel shows who is withheld":            campaignShown,
	})
}

// drip brings back who may go.
func (g *harness) drip() []state.Wakeup {
	wakeups, err := g.s.Drip(background)
	require.NoError(g.t, err)
	return wakeups
}

func (g *harness) pauseCampaign(name string) {
	_, set, err := g.s.PauseCampaign(background, name, "amina", "wrong text")
	require.NoError(g.t, err)
	require.True(g.t, set)
}

func (g *harness) resumeCampaign(name string) {
	pause, err := g.s.ResumeCampaign(background, name, "otieno", "")
	require.NoError(g.t, err)
	require.NotNil(g.t, pause)
	require.Equal(g.t, []string{"amina", "wrong text"}, []string{pause.Who, pause.Note})
}

func (g *harness) rateCampaign(name string, perSecond float64) {
	_, changed, err := g.s.SetCampaignRate(background, name, perSecond, "amina", "")
	require.NoError(g.t, err)
	require.True(g.t, changed)
}

// drawn is how many recipients a claim at lipad draws; zero when it finds nobody.
func (g *harness) drawn() int {
	got, err := g.s.Claim(background, lipad, token(), 1000)
	require.NoError(g.t, err)
	if got.Batch == nil {
		require.Equal(g.t, state.IdleEmpty, got.Idle)
		return 0
	}
	return len(got.Batch.Members)
}

// uncontrolled wants nothing to be left of controls.
func (g *harness) uncontrolled() {
	left, err := g.s.Client().Exists(background, g.s.Key("controlled", "")).Result()
	require.NoError(g.t, err)
	require.Zero(g.t, left, "campaigns are controlled")
}

func campaignPaused(g *harness) {
	g.pauseCampaign("may")
	g.accept(asked(to("a", 1, 3, 10), "may"), asked(to("b", 4, 2, 10), "june"), to("c", 6, 1, 10))
	require.Equal(g.t, 3, g.drawn(), "the others go on")
	require.Zero(g.t, g.drawn())
	require.Empty(g.t, g.drip(), "it is paused")
	require.Zero(g.t, g.drawn())
	require.EqualValues(g.t, 6, g.sum(lipad, "queued"))
	g.resumeCampaign("may")
	g.c.pass(3 * time.Second)
	require.Len(g.t, g.drip(), 1, "somebody is called")
	require.Equal(g.t, 3, g.drawn())
	g.drip()
	g.uncontrolled()
	require.Equal(g.t, []string{
		`amina campaign_pause may note="wrong text"`, "otieno campaign_resume may ",
	}, audit(g.t, g.s))
}

func campaignDrips(g *harness) {
	g.rateCampaign("may", 10)
	g.accept(asked(to("a", 1, 45, 10), "may"), asked(to("b", 100, 3, 10), "june"))
	require.Equal(g.t, 3, g.drawn(), "there are no tokens yet")
	for range 4 {
		g.c.pass(time.Second)
		g.drip()
		g.drip() // Of another process.
		require.Equal(g.t, 10, g.drawn())
		require.Zero(g.t, g.drawn())
	}
	g.rateCampaign("may", 0)
	g.drip()
	require.Equal(g.t, 5, g.drawn())
	g.drip()
	g.uncontrolled()
	require.Equal(g.t, []string{
		"amina campaign_rate may per_second=10", "amina campaign_rate may per_second=0",
	}, audit(g.t, g.s))
}

func campaignDripsSlowly(g *harness) {
	g.rateCampaign("may", 0.5)
	g.accept(asked(to("a", 1, 3, 10), "may"))
	drawn := 0
	for range 5 {
		g.c.pass(time.Second)
		g.drip()
		drawn += g.drawn()
	}
	require.Equal(g.t, 2, drawn)
}

func campaignSaves(g *harness) {
	g.rateCampaign("may", 4)
	g.accept(asked(to("a", 1, 40, 10), "may"))
	for range 5 {
		g.c.pass(time.Second)
		g.drip()
	}
	require.Equal(g.t, 8, g.drawn())
	require.Zero(g.t, g.drawn())
}

func campaignCancelled(g *harness) {
	g.pauseCampaign("may")
	g.accept(asked(to("a", 1, 3, 10), "may"), asked(to("b", 4, 2, 10), "may"))
	require.Zero(g.t, g.drawn())
	require.Equal(g.t, state.Cancellation{Cancelled: 3}, g.cancel("a"))
	g.resumeCampaign("may")
	g.drip()
	require.Equal(g.t, 2, g.drawn())
	g.drip()
	g.uncontrolled()
}

func campaignPassesTheCancelled(g *harness) {
	g.pauseCampaign("may")
	g.accept(asked(to("a", 1, 5, 10), "may"))
	g.accept(asked(to("b", 6, 5, 10), "may"))
	require.Zero(g.t, g.drawn())
	g.cancel("a")
	g.rateCampaign("may", 2)
	g.resumeCampaign("may")
	g.c.pass(time.Second)
	g.drip()
	require.Equal(g.t, 2, g.drawn())
}

// Halves of a batch that was refused as a whole are drawn already; nothing of a paused campaign
// leaves all the same.
func campaignStopsHalves(g *harness) {
	g.accept(asked(to("a", 1, 4, 10), "may"), to("b", 5, 4, 10))
	b := g.begin(lipad)
	require.Len(g.t, b.Members, 8)
	g.refuseWhole(b)
	g.pauseCampaign("may")
	b = g.begin(lipad)
	require.Len(g.t, b.Members, 4)
	require.Equal(g.t, "b", b.Members[0].Reference)
	require.Zero(g.t, g.drawn())
	g.resumeCampaign("may")
	g.drip()
	require.Equal(g.t, 4, g.drawn())
}

func campaignDecidedBefore(g *harness) {
	g.pauseCampaign("may")
	g.c.pass(time.Second)
	pause, set, err := g.s.PauseCampaign(background, "may", "otieno", "again")
	require.NoError(g.t, err)
	require.False(g.t, set)
	require.Equal(g.t, "amina", pause.Who)
	g.rateCampaign("may", 3)
	before, changed, err := g.s.SetCampaignRate(background, "may", 3, "otieno", "")
	require.NoError(g.t, err)
	require.False(g.t, changed)
	require.InDelta(g.t, 3, before, 0)
	controls, err := g.s.CampaignControls(background)
	require.NoError(g.t, err)
	require.Len(g.t, controls, 1)
	require.Equal(g.t, "amina", controls["may"].Pause.Who)
	require.InDelta(g.t, 3, controls["may"].PerSecond, 0)
	g.resumeCampaign("may")
	pause, err = g.s.ResumeCampaign(background, "may", "otieno", "")
	require.NoError(g.t, err)
	require.Nil(g.t, pause)
	require.Len(g.t, audit(g.t, g.s), 3)
}

// Scripts that are sent twice change nothing the second time.
func campaignTwice(g *harness) {
	twice := &echo{}
	twice.on.Store(true)
	g.s.Client().AddHook(twice)
	g.rateCampaign("may", 10)
	_, err := g.s.Accept(background, []state.Disbursal{asked(to("a", 1, 25, 10), "may")})
	require.NoError(g.t, err)
	require.Zero(g.t, g.drawn())
	g.c.pass(time.Second)
	g.drip()
	require.Equal(g.t, 10, g.drawn())
	require.Len(g.t, audit(g.t, g.s), 1)
}

func campaignShown(g *harness) {
	g.accept(asked(to("a", 1, 3, 10), "may"))
	g.pauseCampaign("may")
	require.Zero(g.t, g.drawn())
	g.c.pass(time.Hour)
	c := g.channel(lipad)
	require.EqualValues(g.t, 1, c.Withheld)
	require.Zero(g.t, c.Pending)
	require.Equal(g.t, time.Hour, c.Oldest)
}
