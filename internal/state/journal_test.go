package state_test

import (
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"tuma/internal/airtime"
	"tuma/internal/providers"
	"tuma/internal/state"
)

func TestTimelinesOfWhatCame(t *testing.T) {
	t.Parallel()
	runScenarios(t, map[string]scenario{
		"callbacks": showsCallbacks, "callbacks ahead": showsAhead, "reopened": showsReopened,
		"reattached":                 showsReattached,
		"callbacks that are trusted": showsTrusted, "hints": showsHints, "parked": showsParked,
		"corrections": showsCorrections, "a full journal": journalIsBounded, "queries": showsQueries,
		"not known": showsNotKnown, "returned": showsReturned, "halved": showsHalved,
	})
}

// toldOf are the lines of a timeline that begin with a word.
func (g *harness) toldOf(ref, what string) (lines []string) {
	for line := range strings.Lines(g.told(ref)) {
		if line = strings.TrimSpace(line); strings.HasPrefix(line, what+" ") {
			lines = append(lines, line)
		}
	}
	return lines
}

func (g *harness) journalOf(b *state.Batch) string {
	text, _ := g.s.Client().Get(background, g.s.Key("journal", b.ID)).Result()
	return text
}

func showsCallbacks(g *harness) {
	b, id := g.open("a")
	for _, c := range []struct {
		status airtime.Status
		want   state.CallbackOutcome
	}{
		{airtime.Processing, state.CallbackApplied},
		{airtime.Processing, state.CallbackUnchanged},
		{airtime.Successful, state.CallbackApplied},
		{airtime.Successful, state.CallbackUnchanged},
		{airtime.Submitted, state.CallbackUnchanged},
		{airtime.Submitted, state.CallbackUnchanged},
	} {
		g.c.pass(time.Second)
		g.apply(said(id, c.status), c.want)
	}
	require.Equal(g.t, []string{
		"callback africastalking processing; it moved the recipient",
		"callback africastalking successful, reference " + id + "; it moved the recipient",
		"callback africastalking submitted; it changed nothing",
	}, g.toldOf("a", "callback"))
	require.Equal(g.t, 2, strings.Count(g.journalOf(b), "\n"), "what settled is marked")
	batch := g.s.Client().PTTL(background, g.s.Key("batch", b.ID)).Val()
	require.Positive(g.t, batch)
	require.InDelta(g.t, batch, g.s.Client().PTTL(background, g.s.Key("journal", b.ID)).Val(),
		float64(time.Minute), "it goes with the batch")
}

// showsAhead: a callback that comes before the answer is parked, and moves somebody later.
func showsAhead(g *harness) {
	g.accept(someone("a", talking))
	b := g.begin(talking)
	id := "id-" + b.ID + "-0"
	g.apply(said(id, airtime.Successful), state.CallbackParked)
	g.c.pass(1500 * time.Millisecond)
	g.taken(b)
	g.retry(state.CallbackApplied)
	g.tells("a", "callback africastalking successful", "; it moved the recipient 1500 ms later",
		"answered africastalking", "settled africastalking successful")
}

// showsReopened: what a callback says of a failed recipient is told as what it said.
func showsReopened(g *harness) {
	_, id := g.open("a")
	g.apply(said(id, airtime.Failed), state.CallbackApplied)
	g.c.pass(time.Second)
	g.apply(said(id, airtime.Reprocessing), state.CallbackUnchanged)
	require.Equal(g.t, []string{
		"callback africastalking failed, reference " + id + "; it moved the recipient",
		"callback africastalking reprocessing; it changed nothing",
	}, g.toldOf("a", "callback"))
}

// showsReattached: a callback about one payment brings out another one, which no callback settled.
func showsReattached(g *harness) {
	own, other := g.twice("a")
	g.apply(saidOf(other, airtime.Successful), state.CallbackUnchanged)
	g.c.pass(time.Second)
	g.apply(saidOf(own, airtime.Failed), state.CallbackApplied)
	require.Equal(g.t, []string{
		"callback africastalking successful; it changed nothing",
		"callback africastalking failed; it moved the recipient",
	}, g.toldOf("a", "callback"))
	g.tells("a", "settled africastalking failed", "corrected africastalking from failed to successful",
		"paid on ", "reference "+other)
}

// showsTrusted: the word of a trusted provider is a callback, too.
func showsTrusted(g *harness) {
	b := g.submitted()
	for _, status := range []airtime.Status{airtime.Successful, airtime.Processing} {
		g.c.pass(time.Second)
		_, err := g.s.Observe(background, b, facts(b, status), true,
			state.PollSchedule{Next: time.Second, Callback: true})
		require.NoError(g.t, err)
	}
	require.Equal(g.t, []string{
		"callback lipad successful, reference r; it moved the recipient",
		"callback lipad processing; it changed nothing",
	}, g.toldOf("a", "callback"))
}

// showsHints: the callbacks of a provider that is asked are told of the recipient that they name.
func showsHints(g *harness) {
	g.accept(disbursal("a", 3))
	b := g.begin(lipad)
	g.record(b, airtime.Accepted, "")
	second := b.Members[1].Phone
	for _, said := range []providers.RecipientStatus{
		{Phone: second, Status: airtime.Successful},
		{Phone: second, Status: airtime.Successful},
		{Phone: second, Code: "699"},
		{Phone: disbursal("b", 9).Recipients[8].Phone},
	} {
		known, err := g.s.Hint(background, b.ID, said)
		require.NoError(g.t, err)
		require.True(g.t, known)
	}
	require.Equal(g.t, 2, strings.Count(g.journalOf(b), "\n"))
	for i, want := range []int{0, 2, 0} {
		timeline, err := g.s.Timeline(background, rows(g.t, g.s, "a")[i])
		require.NoError(g.t, err)
		var told []string
		for _, e := range timeline.Events {
			if e.What == "callback" {
				told = append(told, e.Detail)
			}
		}
		require.Len(g.t, told, want)
		if want > 0 {
			require.Equal(g.t, []string{
				"successful; the provider is asked", "a word that is not known; the provider is asked",
			}, told)
		}
	}
}

// showsParked: what waits to be confirmed is told before it counts.
func showsParked(g *harness) {
	_, id := g.open("a")
	_, err := g.s.Park(background, said(id, airtime.Successful))
	require.NoError(g.t, err)
	g.tells("a", "callback africastalking successful; it waits until a query has confirmed it",
		"submitted at africastalking")
	g.c.pass(2 * time.Second)
	list := g.kept()
	require.Len(g.t, list, 1)
	g.apply(list[0].Callback, state.CallbackApplied)
	require.Equal(g.t, []string{
		"callback africastalking successful, reference " + id + "; it moved the recipient 2000 ms later",
	}, g.toldOf("a", "callback"))
}

// showsCorrections: who is corrected twice shows both.
func showsCorrections(g *harness) {
	b := g.submitted()
	for _, status := range []airtime.Status{
		airtime.Successful, airtime.Reversed, airtime.Refunded,
	} {
		g.c.pass(time.Hour)
		_, err := g.s.Observe(background, b, []providers.RecipientStatus{{
			Phone: b.Members[0].Phone, Status: status, Message: "it is " + status.String(),
		}}, true, pollSchedule(0))
		require.NoError(g.t, err)
	}
	g.tells("a", "settled lipad successful\n", "corrected lipad from successful to reversed\n",
		"corrected lipad from reversed to refunded, it is refunded",
		"refunded on "+g.row("a").At.Format(time.RFC3339))
	timeline, err := g.s.Timeline(background, g.row("a"))
	require.NoError(g.t, err)
	var at []time.Duration
	for _, e := range timeline.Events {
		if e.What == "settled" || e.What == "corrected" {
			at = append(at, e.At.Sub(timeline.Row.Accepted))
		}
	}
	require.Equal(g.t, []time.Duration{time.Hour, 2 * time.Hour, 3 * time.Hour}, at)
}

// journalIsBounded: however much comes, a journal has its bound.
func journalIsBounded(g *harness) {
	g.accept(disbursal("a", 4))
	b := g.begin(lipad)
	g.record(b, airtime.Accepted, "")
	for _, status := range []airtime.Status{
		airtime.Failed, airtime.Successful, airtime.Reversed, airtime.Refunded,
	} {
		var lines []providers.RecipientStatus
		for _, m := range b.Members {
			lines = append(lines, providers.RecipientStatus{
				Phone: m.Phone, Status: status, ProviderReference: strings.Repeat("x", 1000),
			})
		}
		_, err := g.s.Observe(background, b, lines, true, pollSchedule(0))
		require.NoError(g.t, err)
	}
	require.Greater(g.t, len(g.journalOf(b)), 3000)
	require.LessOrEqual(g.t, len(g.journalOf(b)), 4000+64*4)
}

// showsQueries: each query is counted once, also where its answer is stored twice.
func showsQueries(g *harness) {
	b := g.submitted()
	for i, answer := range []string{"no answer: server_error", "1 processing"} {
		g.c.pass(10 * time.Minute)
		schedule := pollSchedule(g.dueFor(b).Number)
		schedule.Answer = answer
		for range 2 {
			_, err := g.s.Observe(background, b, nil, i == 1, schedule)
			require.NoError(g.t, err)
		}
	}
	require.Equal(g.t, []string{"asked lipad 2 queries; the last was answered: 1 processing"},
		g.toldOf("a", "asked"))
}

// showsNotKnown: that a provider does not know a batch is an answer, too.
func showsNotKnown(g *harness) {
	b := g.lost(someone("a", lipad))
	g.c.pass(time.Second)
	schedule := pollSchedule(g.dueFor(b).Number)
	schedule.Answer = "not known"
	for range 2 {
		_, _, err := g.s.ResolveUnknown(background, reload(g.t, g.s, b), true, state.Children{},
			schedule)
		require.NoError(g.t, err)
	}
	require.Equal(g.t, []string{"asked lipad 1 query, answered: not known"}, g.toldOf("a", "asked"))
}

// showsReturned: a sending that brought nothing is told, too.
func showsReturned(g *harness) {
	g.accept(someone("a", lipad))
	a := answer(g.begin(lipad), airtime.Unsent, airtime.ReasonConnect)
	a.Wire = "connection refused"
	record(g.t, g.s, a)
	g.c.pass(time.Second)
	again := g.lost(someone("b", quicksms))
	require.NotEmpty(g.t, again.ID)
	b := g.begin(lipad)
	g.c.pass(time.Second)
	g.record(b, airtime.Accepted, "")
	g.tells("a", "sending lipad", "answered lipad connection refused after 0 ms: 1 returned; connect",
		"sending lipad", "answered lipad after 1000 ms: 1 accepted")
	require.Len(g.t, g.toldOf("b", "sending"), 1)
}

// showsHalved: the sending of a batch that was split in halves is told of both.
func showsHalved(g *harness) {
	g.accept(disbursal("a", 2))
	a := answer(g.begin(lipad), airtime.Unsent, airtime.ReasonBatchRefused)
	a.Children = state.Children{token(), token()}
	record(g.t, g.s, a)
	g.c.pass(time.Second)
	g.record(g.begin(lipad), airtime.Accepted, "")
	for i, want := range []int{2, 1} {
		timeline, err := g.s.Timeline(background, rows(g.t, g.s, "a")[i])
		require.NoError(g.t, err)
		n := 0
		for _, e := range timeline.Events {
			if e.What == "sending" {
				n++
			}
		}
		require.Equal(g.t, want, n)
	}
}
