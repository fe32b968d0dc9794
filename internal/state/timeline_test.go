package state_test

import (
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"tuma/internal/airtime"
	"tuma/internal/state"
)

func TestTimelines(t *testing.T) {
	t.Parallel()
	runScenarios(t, map[string]scenario{
		"paid": showsPaid, "refused": showsRefused, "in doubt and resolved": showsResolved,
		"paid twice": showsPaidTwice, "cancelled": showsCancelled, "moved": showsMoved,
	})
}

// told is what the timeline of the only recipient of a disbursal tells: a line for each event,
// without times and ids, and the verdict. Events with a time are in its order.
func (g *harness) told(ref string) string {
	got, err := g.s.Timeline(background, g.row(ref))
	require.NoError(g.t, err)
	var lines []string
	var last time.Time
	for _, e := range got.Events {
		if !e.At.IsZero() {
			require.False(g.t, e.At.Before(last), "%v", got.Events)
			last = e.At
		}
		line := e.What + " " + e.Provider + " " + e.Detail
		lines = append(lines, strings.Join(strings.Fields(line), " "))
	}
	return strings.Join(append(lines, got.Verdict), "\n")
}

// tells wants it to have some lines, in their order.
func (g *harness) tells(ref string, lines ...string) {
	rest := g.told(ref)
	for _, line := range lines {
		_, after, found := strings.Cut(rest, line)
		require.True(g.t, found, "%q is not in, or not where it belongs:\n%s", line, g.told(ref))
		rest = after
	}
}

func showsPaid(g *harness) {
	d := someone("a", lipad)
	d.Import, d.SubmittedBy = "wave", "wanjiku"
	g.accept(d)
	g.c.pass(time.Second)
	b := g.begin(lipad)
	g.c.pass(2 * time.Second)
	g.record(b, airtime.Accepted, "")
	g.c.pass(time.Minute)
	g.observe(b, airtime.Successful)
	at := g.row("a").At.Format(time.RFC3339)
	g.tells("a", "accepted submitted by wanjiku, import wave", "queued lipad", "sending lipad",
		"answered lipad after 2000 ms: 1 accepted", "settled lipad successful",
		"paid on "+at+" by lipad")
}

func showsRefused(g *harness) {
	g.accept(someone("a", lipad))
	b := g.begin(lipad)
	g.each(b, saidLine(airtime.Refused, airtime.ReasonProvider, "Invalid number", ""))
	g.tells("a", "accepted submitted by unknown", "sending lipad", "after 0 ms: 1 rejected",
		"settled lipad rejected, Invalid number", "rejected on ", "by lipad: Invalid number")
}

func showsResolved(g *harness) {
	b := g.lost(someone("a", quicksms))
	g.tells("a", "1 in doubt; timeout", "in doubt since ", "at quicksms: timeout")
	g.c.pass(2 * time.Minute)
	resolve(g.t, g.s, state.Decision{Paid: true}, g.row("a"))
	g.tells("a", "sending quicksms", "in doubt", "decided resolve by Wanjiru",
		`evidence="statement of 21 November"`, "settled quicksms successful, person: statement of",
		"taken as paid on ", "by the word of Wanjiru")
	require.NotEmpty(g.t, b.ID)
}

func showsPaidTwice(g *harness) {
	own, other := g.twice("a")
	g.apply(saidOf(other, airtime.Successful), state.CallbackUnchanged)
	g.apply(saidOf(own, airtime.Successful), state.CallbackApplied)
	text := g.told("a")
	require.Equal(g.t, 2, strings.Count(text, "sending africastalking"), text)
	require.Contains(g.t, text, "evidence successful in a batch that was left, reference "+other)
	require.Contains(g.t, text, "africastalking's reference "+own+"; successful once more in batch ")
}

func showsCancelled(g *harness) {
	g.accept(someone("a", lipad))
	_, err := g.s.Cancel(background, state.KindDisbursal, "a", "otieno", "wrong list")
	require.NoError(g.t, err)
	g.tells("a", "accepted", "decided cancel by otieno", "wrong list", "settled lipad cancelled",
		"cancelled on ", "by otieno")
}

func showsMoved(g *harness) {
	g.handed("a")
	g.c.pass(time.Second)
	b := g.begin(lipad)
	g.record(b, airtime.Accepted, "")
	g.observe(b, airtime.Successful)
	g.tells("a", "accepted", "sending africastalking", "moved africastalking network: m; on to lipad",
		"sending lipad", "settled lipad successful", "by lipad")
}
