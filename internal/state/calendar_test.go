package state_test

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"tuma/internal/airtime"
	"tuma/internal/routing"
	"tuma/internal/state"
)

// change is a period of a guard in which the clocks of a time zone are put forward or back: its
// first and its last instant.
type change struct {
	zone        string
	per         routing.Period
	first, last string
}

// A budget holds for a day, week or hour of the calendar, however long that is.
func TestBudgetsWhereClocksChange(t *testing.T) {
	t.Parallel()
	scenarios := map[string]scenario{}
	for name, c := range map[string]change{
		"a day of 23 hours": {
			"Europe/Berlin", routing.PerDay, "2027-03-27T23:00:00Z", "2027-03-28T21:59:59Z",
		},
		"a day of 25 hours": {
			"Europe/Berlin", routing.PerDay, "2027-10-30T22:00:00Z", "2027-10-31T22:59:59Z",
		},
		"a day without a midnight": {
			"Africa/Cairo", routing.PerDay, "2027-04-29T22:00:00Z", "2027-04-30T20:59:59Z",
		},
		"a day with two last hours": {
			"Africa/Cairo", routing.PerDay, "2027-10-27T21:00:00Z", "2027-10-28T21:59:59Z",
		},
		"a week that is an hour shorter": {
			"Europe/Berlin", routing.PerWeek, "2027-03-21T23:00:00Z", "2027-03-28T21:59:59Z",
		},
		"a week that is an hour longer": {
			"Europe/Berlin", routing.PerWeek, "2027-10-24T22:00:00Z", "2027-10-31T22:59:59Z",
		},
		"an hour that comes twice": {
			"Europe/Berlin", routing.PerHour, "2027-10-31T00:00:00Z", "2027-10-31T01:59:59Z",
		},
		"the hour before one that is left out": {
			"Europe/Berlin", routing.PerHour, "2027-03-28T00:00:00Z", "2027-03-28T00:59:59Z",
		},
	} {
		scenarios[name] = c.budget
	}
	runScenarios(t, scenarios)
}

// budget spends a budget just before the period, and again at its first instant: what is more waits
// until its last one is over.
func (c change) budget(g *harness) {
	zone, err := time.LoadLocation(c.zone)
	require.NoError(g.t, err)
	o := g.s.Options()
	o.Timezone, o.Rules = zone, routing.Rules{Guards: []routing.Guard{{
		Name: "budget", Of: routing.OfAll, Per: c.per,
		Limit: map[airtime.Currency]int64{"KES": 2000},
	}}}
	g.s = simulated(openWith(g.t, o), g.edit)
	g.c.at(c.first)
	g.c.pass(-time.Second)
	g.accept(to("before", 1, 2, 10))
	g.c.at(c.first)
	g.accept(to("first", 3, 3, 10))
	require.Equal(g.t, map[state.Hold]int64{budget("budget"): 1}, g.held())
	g.c.at(c.last)
	require.Zero(g.t, g.releaseDue())
	g.c.pass(time.Second)
	require.Equal(g.t, 1, g.releaseDue())
	balanced(g.t, g.s)
}
