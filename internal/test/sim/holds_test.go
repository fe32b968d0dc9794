package sim_test

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	"tuma/internal/airtime"
	"tuma/internal/routing"
	"tuma/internal/sandbox"
	"tuma/internal/state"
)

// guardRules hold recipients of campaigns that only the theme guarded has.
var guardRules = routing.Rules{
	Guards: []routing.Guard{
		{
			Name: "month", Conditions: about("budget", "both"), Of: routing.OfAll,
			Per: routing.PerMonth, Limit: map[airtime.Currency]int64{"KES": 90_000},
		},
		{
			Name: "hour", Conditions: about("ration", "both"), Of: routing.OfCampaign,
			Per: routing.PerHour, Count: 3,
		},
		{
			Name: "phone", Conditions: about("once"), Of: routing.OfPhone, Per: routing.PerMonth,
			Count: 1,
		},
		{Name: "again", Conditions: about("again"), DuplicateWithin: 24 * time.Hour},
		{Name: "float", Conditions: about("float"), Of: routing.OfProvider, Per: routing.PerBalance},
	},
	Approvals: []routing.Approval{{
		Name: "big", Conditions: about(approving), Above: map[airtime.Currency]int64{"KES": 20_000},
	}},
}

// approving is the campaign whose larger jobs need an approval.
const approving = "large"

func about(campaigns ...string) routing.Conditions {
	return routing.Conditions{Campaigns: campaigns}
}

// guarded: everybody passes guards, approvals and schedules, and persons release who is held, and
// pause campaigns or slow them down.
func (p *plan) guarded(c chance) {
	name := one(c, lipad, lipad, talking)
	all := p.only(name)
	f := all[name]
	f.Send.LostBefore, f.Send.LostAfter = sandbox.Sometimes(0.1), sandbox.Sometimes(0.1)
	f.RefuseSuffix = one(c, "", "1", "3")
	f.Outcomes.Successful, f.Outcomes.Failed = 60, 40
	p.wild, p.steps, p.resendSame = 0.5, 400, true
	p.phones, p.recipients, p.together = c.between(6, 20), c.between(25, 40), 4
	p.cancels, p.persons = one(c, 0, 0.01), one(c, 0, 0.02)
	p.names, p.joined = []string{"budget", "both", "ration", "once", "again", approving}, 1
	p.scheduled, p.often, p.float = 0.2, (*harness).oversee, true
	p.oftenEffect, p.oftenOutcomes = "admit", []outcome{diesAfter, replyLost, again}
	p.set(all)
}

// floatLeft is what is left at each provider at first, where that bounds the campaign float, in
// minor units. Other campaigns may spend it, too.
const floatLeft = 60_000

// setFloats has a person say so, before anybody is accepted.
func (h *harness) setFloats() {
	for _, name := range h.providers {
		must(h.stores[0].SetFloat(background, name,
			airtime.Money{Minor: floatLeft, Currency: "KES"}, "sim", ""))
	}
}

// leftAt is what is left at the provider of a recipient.
func (h *harness) leftAt(code byte) int64 {
	floats, err := h.stores[0].Floats(background)
	must(err)
	for _, f := range floats {
		for _, known := range h.options[0].Providers {
			if known.Name == f.Provider && known.Code == code {
				return f.Left()
			}
		}
	}
	return 0
}

// release has a person release who is held, as it is shown; budgets are left to themselves.
func (h *harness) release(c chance, p *pod) {
	h.sync()
	groups, err := h.stores[0].Holds(background)
	must(err)
	if len(groups) == 0 {
		return
	}
	g := one(c, groups...)
	switch g.Reason {
	case airtime.ReasonBudget:
	case airtime.ReasonApproval:
		h.approve(p)
	default:
		h.releases(p, state.Release{Kind: g.Kind, Name: g.Name, Reason: g.Reason, Digest: g.Digest})
	}
}

// approve has a person look at who is held for an approval in the whole campaign, or release those
// who were seen at the last look, whoever has come or gone since.
func (h *harness) approve(p *pod) {
	if digest := h.seen.digest; digest != "" {
		h.seen.digest = ""
		for _, who := range h.seen.looked {
			h.seen.approved[who] = true
		}
		h.releases(p, state.Release{
			Kind: state.KindCampaign, Name: approving, Reason: airtime.ReasonApproval, Digest: digest,
		})
		return
	}
	groups, err := h.stores[0].HeldUnder(background, state.KindCampaign, approving)
	must(err)
	h.seen.looked = nil
	for _, g := range groups {
		if g.Reason == airtime.ReasonApproval {
			h.seen.digest = g.Digest
		}
	}
	for _, r := range h.rows(h.rdb) {
		if r.campaign == approving && r.awaitsApproval() {
			h.seen.looked = append(h.seen.looked, r.who())
		}
	}
}

func (r row) awaitsApproval() bool { return r.status == 'h' && r.location[2] == 'A' }

// approved checks that nobody who needs an approval has gone on without one.
func (h *harness) approved(p picture) {
	sums := map[string]int64{}
	for _, r := range p.rows {
		sums[r.reference] += r.amount * 100
	}
	for _, r := range p.rows {
		if r.campaign == approving && sums[r.reference] > guardRules.Approvals[0].Above["KES"] &&
			r.status != 'c' && !r.awaitsApproval() && !h.seen.approved[r.who()] {
			h.violated("invariant 11: %s goes on, and nobody has seen and approved it", r)
		}
	}
}

// releases has a person release.
func (h *harness) releases(p *pod, r state.Release) {
	r.Who = "sim"
	store := h.stores[p.number%2]
	title := fmt.Sprintf("a person releases %s, held for %s", r.Name, r.Reason)
	p.running = h.start(title, func(ctx context.Context) error {
		_, err := store.Release(ctx, r)
		if errors.Is(err, state.ErrMoved) || errors.Is(err, state.ErrNothingHeld) {
			return nil
		}
		return err
	})
}

// periodNow names the present period of a guard.
func periodNow(g routing.Guard) string {
	if g.Per == routing.PerHour {
		return time.Now().UTC().Format("2006-01-02T15")
	}
	return time.Now().UTC().Format("2006-01")
}

// spent is what a guard has counted in the present period for a field.
func (h *harness) spent(g routing.Guard, field string) (recipients, minor int64) {
	text := h.rdb.HGet(background, h.key("spent", g.Name+":"+periodNow(g)), field).Val()
	if text != "" {
		_, err := fmt.Sscan(text, &recipients, &minor)
		must(err)
	}
	return recipients, minor
}

// guards checks invariant 11: who is held is nowhere else, and no guard has let more through than
// it allows, but for those who had surely got nothing and were paid after all.
func (h *harness) guards(p picture) {
	sums := map[string]int64{}
	for _, r := range p.rows {
		// Who is cancelled while it is held stays there.
		if held := r.location[0] == '='; held != (r.status == 'h') && (!held || r.status != 'c') {
			h.violated("invariant 11: %s is held, and not held", r)
		}
		if !statusOf(r.status).Spends() {
			continue
		}
		switch r.campaign {
		case "budget", "both":
			sums["month"] += r.amount * 100
		case "float":
			sums["float"] += r.amount * 100
		}
	}
	if most := int64(floatLeft*len(h.providers)) + 100*h.seen.regained; sums["float"] > most {
		h.violated("invariant 11: %d of the campaign float, at most %d are left", sums["float"], most)
	}
	month, hour := guardRules.Guards[0], guardRules.Guards[1]
	if most := month.Limit["KES"] + 100*h.seen.regained; sums["month"] > most {
		h.violated("invariant 11: %d are spent, at most %d may be", sums["month"], most)
	}
	for _, campaign := range hour.Campaigns {
		if n, _ := h.spent(hour, "KES "+campaign); n > hour.Count+h.seen.regainers {
			h.violated("invariant 11: %d of %s in an hour, at most %d", n, campaign, hour.Count)
		}
	}
}

// regain takes note of a result that says of somebody who had surely got nothing that it is paid.
func (s *history) regain(who recipient, before, now airtime.Status) {
	if before.Settled() && !before.Spends() && now.Spends() {
		s.regained += who.amount
		s.regainers++
	}
}

// stillHeld says why a recipient that is held should not be any more; empty if it should.
func (h *harness) stillHeld(r row) string {
	rule := r.location[3:]
	switch r.location[2] {
	case 'S':
		for _, j := range h.jobs {
			if j.reference == r.reference && time.Now().After(j.notBefore.Add(time.Minute)) {
				return "its time has come"
			}
		}
	case 'B':
		if rule == "float" {
			if h.leftAt(r.location[1]) >= 100*r.amount {
				return "enough is left at its provider"
			}
			return ""
		}
		guard := guardRules.Guards[0]
		field := "KES "
		if rule == "hour" {
			guard, field = guardRules.Guards[1], "KES "+r.campaign
		}
		n, minor := h.spent(guard, field)
		limit, bounded := guard.Limit["KES"]
		fits := (guard.Count == 0 || n < guard.Count) && (!bounded || minor+100*r.amount <= limit)
		if fits && !strings.Contains(r.campaign, "both") { // The other one may have none.
			return "the guard " + rule + " has room for it"
		}
	}
	return ""
}
