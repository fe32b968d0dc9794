package state_test

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"tuma/internal/airtime"
	"tuma/internal/routing"
	"tuma/internal/state"
)

// testRules have a guard of each sort; which ones are about a disbursal is said by its campaign.
var testRules = routing.Rules{
	Guards: []routing.Guard{
		{
			Name: "budget", Conditions: ofCampaigns("budget", "both"), Of: routing.OfAll,
			Per: routing.PerDay, Limit: map[airtime.Currency]int64{"KES": 5000},
		},
		{
			Name: "few", Conditions: ofCampaigns("few*", "both"), Of: routing.OfCampaign,
			Per: routing.PerDay, Count: 2,
		},
		{
			Name: "phone", Conditions: ofCampaigns("phone"), Of: routing.OfPhone, Per: routing.PerDay,
			Count: 1,
		},
		{Name: "again", Conditions: ofCampaigns("again"), DuplicateWithin: 24 * time.Hour},
		{
			Name: "strict", Conditions: ofCampaigns("strict"), Of: routing.OfAll, Per: routing.PerHour,
			Limit: map[airtime.Currency]int64{"KES": 3000}, Refuse: true,
		},
		{
			Name: "never", Conditions: ofCampaigns("never"), DuplicateWithin: 24 * time.Hour,
			Refuse: true,
		},
		lowFloat(),
	},
	Approvals: []routing.Approval{{
		Name: "big", Conditions: ofCampaigns("big"), Above: map[airtime.Currency]int64{"KES": 2000},
	}},
}

func ofCampaigns(names ...string) routing.Conditions { return routing.Conditions{Campaigns: names} }

// asked puts a disbursal in a campaign, which says which rules are about it.
func asked(d state.Disbursal, campaign string) state.Disbursal {
	d.Campaign = campaign
	return d
}

// to is a disbursal of one amount, in shillings, to each of some recipients, from a number on.
func to(ref string, first, n int, shillings int64) state.Disbursal {
	d := disbursal(ref, first+n-1)
	d.Recipients = d.Recipients[first-1:]
	for i := range d.Recipients {
		d.Recipients[i].Amount.Minor = 100 * shillings
	}
	return d
}

// held counts who is held, by reason and rule.
func (g *harness) held() map[state.Hold]int64 {
	groups, err := g.s.Holds(background)
	require.NoError(g.t, err)
	counts := map[state.Hold]int64{}
	var all int64
	for _, group := range groups {
		counts[group.Hold] += group.Recipients
		all += group.Recipients
	}
	var booked int64
	for name, n := range g.figures().Book {
		if len(name) > 5 && name[len(name)-5:] == " held" {
			booked += n
		}
	}
	require.Equal(g.t, booked, all, "the book and the list of holds")
	chunks, err := g.s.Client().ZCard(background, g.s.Key("held", "")).Result()
	require.NoError(g.t, err)
	require.Equal(g.t, all > 0, chunks > 0, "the index of holds")
	return counts
}

func budget(rule string) state.Hold { return state.Hold{Reason: airtime.ReasonBudget, Rule: rule} }

// releaseDue releases what is due, and returns how many that queues.
func (g *harness) releaseDue() int {
	released, err := g.s.ReleaseDue(background)
	require.NoError(g.t, err)
	return released.Queued
}

func (g *harness) release(r state.Release) (state.Released, error) {
	if r.Kind == "" {
		r.Kind = state.KindDisbursal
	}
	return g.s.Release(background, r)
}

func TestHolds(t *testing.T) {
	t.Parallel()
	runScenarios(t, map[string]scenario{
		"a budget holds what does not fit, until the next period": budgetOfADay,
		"what surely got nothing makes room":                      budgetGetsBack,
		"the guard of a campaign counts recipients":               budgetOfCampaigns,
		"two guards both have to have room":                       budgetsTogether,
		"the day of a budget is one of the time zone":             budgetInItsZone,
		"a phone number gets so much":                             velocityOfPhones,
		"the same amount to the same number again":                duplicatesOfADay,
		"the same again, seen on release":                         duplicatesOnRelease,
		"a guard that refuses":                                    guardsThatRefuse,
		"approval by another person, of exactly what was seen":    approvals,
		"the schedule, and what is looked at behind it":           schedules,
		"a cancel withdraws who is held":                          cancelledWhileHeld,
		"a cancel mark is looked at on release":                   cancelledBehindTheirBack,
		"the timeline tells of them":                              holdsAreTold,
		"the timeline names what a duplicate is of":               duplicatesAreTold,
		"a rehearsal does nothing":                                rehearsals,
		"scripts that are sent twice":                             holdsTwice,
		"a release that was forgotten counts all the same":        forgottenRelease,
	})
}

func budgetOfADay(g *harness) {
	g.accept(asked(to("a", 1, 4, 10), "budget"), asked(to("b", 5, 3, 10), "budget"))
	require.Equal(g.t, map[state.Hold]int64{budget("budget"): 2}, g.held())
	require.Len(g.t, g.begin(lipad).Members, 5)
	require.Zero(g.t, g.releaseDue(), "nothing has changed")
	g.c.pass(24 * time.Hour)
	require.Equal(g.t, 2, g.releaseDue())
	require.Empty(g.t, g.held())
	require.Len(g.t, g.begin(lipad).Members, 2)
}

func budgetGetsBack(g *harness) {
	g.accept(asked(to("a", 1, 5, 10), "budget"))
	b := g.begin(lipad)
	g.accept(asked(to("b", 6, 3, 10), "budget"), asked(to("c", 9, 1, 20), "budget"))
	require.Equal(g.t, map[state.Hold]int64{budget("budget"): 4}, g.held())
	g.record(b, airtime.Accepted, "")
	g.observeMembers(b, airtime.Failed, 2)
	require.Equal(g.t, 2, g.releaseDue(), "in the order of arrival")
	require.Equal(g.t, map[state.Hold]int64{budget("budget"): 2}, g.held())
	require.Zero(g.t, g.releaseDue())
}

func budgetOfCampaigns(g *harness) {
	g.accept(asked(to("a", 1, 3, 10), "few"), asked(to("b", 4, 2, 10), "fewer"))
	require.Equal(g.t, map[state.Hold]int64{budget("few"): 1}, g.held())
}

func budgetsTogether(g *harness) {
	g.accept(asked(to("a", 1, 2, 20), "both"), asked(to("b", 3, 1, 20), "budget"),
		asked(to("c", 4, 1, 5), "both"))
	require.Equal(g.t, map[state.Hold]int64{budget("few"): 1, budget("budget"): 1}, g.held())
}

func velocityOfPhones(g *harness) {
	g.accept(asked(to("a", 1, 2, 10), "phone"), asked(to("b", 2, 2, 20), "phone"))
	velocity := state.Hold{Reason: airtime.ReasonVelocity, Rule: "phone"}
	require.Equal(g.t, map[state.Hold]int64{velocity: 1}, g.held())
	g.c.pass(24 * time.Hour)
	require.Zero(g.t, g.releaseDue(), "a person only releases it")
	got, err := g.release(state.Release{Name: "b", Who: "wanjiku"})
	require.NoError(g.t, err)
	require.Equal(g.t, 1, got.Queued)
	require.Empty(g.t, g.held())
}

func duplicatesOfADay(g *harness) {
	g.accept(asked(to("a", 1, 2, 10), "again"))
	g.c.pass(time.Hour)
	g.accept(asked(to("b", 2, 2, 10), "again"), asked(to("c", 3, 1, 20), "again"),
		asked(to("d", 3, 1, 10), "again"))
	duplicate := state.Hold{Reason: airtime.ReasonDuplicate, Rule: "again"}
	require.Equal(g.t, map[state.Hold]int64{duplicate: 2}, g.held())
	g.c.pass(23 * time.Hour)
	g.accept(asked(to("e", 1, 1, 10), "again"))
	require.Equal(g.t, map[state.Hold]int64{duplicate: 2}, g.held(), "longer ago than a day")
	require.Equal(g.t, state.Cancellation{Cancelled: 2}, g.cancel("b"))
	g.cancel("d")
	g.accept(asked(to("f", 3, 1, 10), "again"))
	require.Empty(g.t, g.held(), "cancelled ones do not count")
}

// On release, each one is compared with the payment that it is itself, wherever it is in its chunk.
func duplicatesOnRelease(g *harness) {
	g.accept(asked(to("a", 3, 1, 10), "again"))
	b, c := asked(to("b", 1, 2, 10), "again"), asked(to("c", 3, 2, 10), "again")
	b.NotBefore = time.UnixMilli(g.c.ms).Add(time.Hour)
	c.NotBefore = b.NotBefore
	g.accept(b, c)
	g.c.pass(time.Hour)
	require.Equal(g.t, 3, g.releaseDue())
	require.Equal(g.t, map[state.Hold]int64{{
		Reason: airtime.ReasonDuplicate, Rule: "again",
	}: 1}, g.held())
	held := rows(g.t, g.s, "c")[0]
	require.Equal(g.t, airtime.Held, held.Status, "the one who was paid under a")
}

func guardsThatRefuse(g *harness) {
	d := asked(to("a", 1, 4, 10), "strict")
	d.Recipients[0], d.Recipients[3] = d.Recipients[3], d.Recipients[0]
	list := []state.Disbursal{d, asked(to("b", 5, 3, 10), "strict")}
	got, err := g.s.Accept(background, list)
	require.NoError(g.t, err)
	require.Equal(g.t, []state.Outcome{state.Refused, state.Accepted}, got.Outcomes)
	require.Equal(g.t, []string{
		"recipients[0]: refused by the guard strict (KES 10.00 to 254700•••003)",
	}, list[0].Objections)
	require.EqualValues(g.t, 3, g.sum(lipad, "queued"))
	g.accept(asked(to("c", 1, 2, 10), "never"))
	list = []state.Disbursal{asked(to("d", 2, 2, 10), "never")}
	got, err = g.s.Accept(background, list)
	require.NoError(g.t, err)
	require.Equal(g.t, []state.Outcome{state.Refused}, got.Outcomes)
	require.Len(g.t, list[0].Objections, 1)
}

func approvals(g *harness) {
	d := asked(to("a", 1, 3, 10), "big")
	d.SubmittedBy = "wanjiku"
	g.accept(d)
	groups, err := g.s.HeldUnder(background, state.KindDisbursal, "a")
	require.NoError(g.t, err)
	require.Len(g.t, groups, 1)
	require.Equal(g.t, "wanjiku", groups[0].SubmittedBy)
	require.Equal(g.t, map[airtime.Currency]int64{"KES": 3000}, groups[0].Amounts)
	digest := groups[0].Digest
	_, err = g.release(state.Release{Name: "a", Who: "otieno"})
	require.ErrorIs(g.t, err, state.ErrDigestNeeded)
	_, err = g.release(state.Release{Name: "a", Who: "otieno", Digest: "00"})
	require.ErrorIs(g.t, err, state.ErrMoved)
	_, err = g.release(state.Release{Name: "a", Who: "wanjiku", Digest: digest})
	require.ErrorIs(g.t, err, state.ErrOwnApproval)
	_, err = g.release(state.Release{
		Name: "a", Who: "otieno", Digest: digest, Reason: airtime.ReasonSchedule,
	})
	require.ErrorIs(g.t, err, state.ErrNothingHeld)
	require.EqualValues(g.t, 3, g.sum(lipad, "held"))
	got, err := g.release(state.Release{Name: "a", Who: "otieno", Digest: digest, Note: "ok"})
	require.NoError(g.t, err)
	require.Equal(g.t, 3, got.Queued)
	_, err = g.release(state.Release{Name: "a", Who: "otieno", Digest: digest})
	require.ErrorIs(g.t, err, state.ErrNothingHeld)
	require.Equal(g.t, []string{"otieno release a kind=disbursal reason=approval rule=big " +
		`recipients=3 amounts="KES 30.00" digest=` + digest + " note=ok"}, audit(g.t, g.s))
}

func schedules(g *harness) {
	d := asked(to("a", 1, 6, 10), "budget")
	d.NotBefore = time.UnixMilli(g.c.ms).Add(time.Hour)
	g.accept(d)
	schedule := state.Hold{Reason: airtime.ReasonSchedule}
	require.Equal(g.t, map[state.Hold]int64{schedule: 6}, g.held())
	g.c.pass(time.Hour - time.Second)
	require.Zero(g.t, g.releaseDue())
	g.c.pass(time.Second)
	require.Equal(g.t, 5, g.releaseDue())
	require.Equal(g.t, map[state.Hold]int64{budget("budget"): 1}, g.held())
	got, err := g.release(state.Release{Name: "a", Reason: airtime.ReasonBudget, Who: "wanjiku"})
	require.NoError(g.t, err)
	require.Equal(g.t, 1, got.Queued)
}

func cancelledWhileHeld(g *harness) {
	g.accept(asked(to("a", 1, 7, 10), "budget"))
	require.Equal(g.t, state.Cancellation{Cancelled: 7}, g.cancel("a"))
	require.Empty(g.t, g.held())
	g.accept(asked(to("b", 1, 5, 10), "budget"))
	require.Empty(g.t, g.held(), "all of the budget is there again")
	require.Zero(g.t, g.releaseDue())
}

func rehearsals(g *harness) {
	var rehearsal state.Rehearsal
	for i, want := range []int64{0, 1} {
		got, err := g.s.Rehearse(background,
			[]state.Disbursal{asked(to("a", 1+3*i, 3, 10), "budget")}, &rehearsal)
		require.NoError(g.t, err)
		var n int64
		for _, held := range got.Held {
			require.Equal(g.t, budget("budget"), held.Hold)
			n += held.Recipients
		}
		require.Equal(g.t, want, n)
	}
	require.Empty(g.t, g.figures().Book)
	g.accept(asked(to("a", 1, 5, 10), "budget"))
	require.Empty(g.t, g.held())
}

// Scripts that are sent twice change nothing the second time.
func holdsTwice(g *harness) {
	twice := &echo{}
	twice.on.Store(true)
	g.s.Client().AddHook(twice)
	_, err := g.s.Accept(background, []state.Disbursal{
		asked(to("a", 1, 4, 10), "budget"), asked(to("b", 5, 3, 10), "budget"),
	})
	require.NoError(g.t, err)
	g.c.pass(24 * time.Hour)
	g.releaseDue()
	require.Empty(g.t, g.held())
	require.Len(g.t, g.begin(lipad).Members, 7)
}

// The timeline says what held a recipient, and who released it.
func holdsAreTold(g *harness) {
	d := asked(to("a", 1, 3, 10), "big")
	d.NotBefore = time.UnixMilli(g.c.ms).Add(time.Hour).UTC()
	g.accept(d)
	told := func() []string {
		timeline, err := g.s.Timeline(background, rows(g.t, g.s, "a")[0])
		require.NoError(g.t, err)
		var list []string
		for _, e := range timeline.Events {
			list = append(list, e.What+" "+e.Detail)
		}
		return append(list, timeline.Verdict)
	}
	require.Equal(g.t, []string{
		"accepted submitted by unknown", "held approval (big)", "held for approval (big)",
	}, told())
	groups, err := g.s.HeldUnder(background, state.KindDisbursal, "a")
	require.NoError(g.t, err)
	g.c.pass(time.Minute)
	_, err = g.release(state.Release{Name: "a", Who: "otieno", Digest: groups[0].Digest})
	require.NoError(g.t, err)
	until := "schedule until " + d.NotBefore.Format(time.RFC3339)
	require.Equal(g.t, []string{
		"accepted submitted by unknown", "held approval (big)", "released approval (big), by otieno",
		"held " + until, "held for " + until,
	}, told())
	g.c.pass(time.Hour)
	require.Equal(g.t, 3, g.releaseDue())
	require.Equal(g.t, []string{
		"accepted submitted by unknown", "held approval (big)", "released approval (big), by otieno",
		"held " + until, "released schedule, by the clock", "queued ", "waits to be sent to lipad",
	}, told())
}

// Those who may have been paid the same, in the time of the guard, are named, the newest first.
func duplicatesAreTold(g *harness) {
	one := func(ref string, shillings int64) { g.accept(asked(to(ref, 1, 1, shillings), "again")) }
	one("old", 10)
	g.c.pass(24 * time.Hour)
	one("cancelled", 10)
	g.cancel("cancelled")
	for _, ref := range []string{"a", "b", "c", "d"} {
		g.c.pass(time.Minute)
		one(ref, 10)
	}
	one("other", 20)
	g.c.pass(time.Minute)
	one("held", 10)
	g.c.pass(time.Minute)
	one("later", 10)
	for ref, want := range map[string]string{
		"b":    "held for duplicate (again), accepted before as a",
		"held": "held for duplicate (again), accepted before as d, c, b and 1 more",
	} {
		timeline, err := g.s.Timeline(background, rows(g.t, g.s, ref)[0])
		require.NoError(g.t, err)
		require.Equal(g.t, want, timeline.Verdict)
	}
}

// A day of the budget is one of the time zone.
func budgetInItsZone(g *harness) {
	g.zoned("Africa/Nairobi")
	g.c.at("2026-11-30T20:30:00Z")
	g.accept(asked(to("a", 1, 6, 10), "budget"))
	g.c.at("2026-11-30T21:30:00Z")
	require.Equal(g.t, 1, g.releaseDue())
	balanced(g.t, g.s)
}

// A budget passes nobody who carries a cancel mark, not even those of whom it was set too late.
func cancelledBehindTheirBack(g *harness) {
	d := asked(to("a", 1, 6, 10), "budget")
	g.accept(d)
	_, err := g.s.Client().HSet(background, g.s.Key("cancelled", ""), "disbursal a", 1).Result()
	require.NoError(g.t, err)
	g.c.pass(24 * time.Hour)
	got, err := g.s.ReleaseDue(background)
	require.NoError(g.t, err)
	require.Equal(g.t, 1, got.Cancelled)
	require.Empty(g.t, g.held())
}

// observeMembers observes a status of the first members of a batch.
func (g *harness) observeMembers(b *state.Batch, status airtime.Status, n int) {
	for i := range n {
		observe(g.t, g.s, b.ID, status, i)
	}
}
