package sim_test

import (
	"time"

	"tuma/internal/sandbox"
)

// themes make a scenario one in which only a few kinds of things go wrong, but often: what needs
// three of a kind in a row hardly ever happens where everything goes wrong a little.
var themes = []func(*plan, chance){
	(*plan).repetitions, (*plan).suspects, (*plan).troubles, (*plan).handingOn,
	(*plan).reports, (*plan).refusals, (*plan).withdrawals, (*plan).repetitions,
	posting((*plan).suspects), (*plan).troubles, (*plan).crowd, (*plan).frozen,
	erasing((*plan).reports), (*plan).repetitions, (*plan).unsteady, (*plan).deaf,
	posting((*plan).handingOn), (*plan).suspects, (*plan).withdrawals, erasing((*plan).troubles),
	(*plan).unsteady, (*plan).deaf,
}

// erasing is a theme in which persons have numbers erased, too.
func erasing(theme func(*plan, chance)) func(*plan, chance) {
	return func(p *plan, c chance) {
		theme(p, c)
		p.erasures, p.addedEffect = 0.04, "erase"
		p.addedOutcomes = []outcome{fails, replyLost, again, diesBefore, diesAfter}
	}
}

// posting is a theme in which results are posted to endpoints, too.
func posting(theme func(*plan, chance)) func(*plan, chance) {
	return func(p *plan, c chance) {
		theme(p, c)
		p.webhooked, p.addedEffect = true, "webhook"
		p.addedOutcomes = []outcome{replyLost, again, hangsAfter, diesAfter, diesAfter}
	}
}

// only leaves one or a few providers, which work well.
func (p *plan) only(names ...string) map[string]*sandbox.Faults {
	p.providers, p.faults = names, map[string]sandbox.Faults{}
	p.wild, p.haste = min(p.wild, 1), 5*time.Second
	switches := map[string]*sandbox.Faults{}
	for _, name := range names {
		f := sandbox.DefaultFaults()
		f.Callbacks.Lose = sandbox.Sometimes(1)
		f.Pace.By = sandbox.PaceByTime
		switches[name] = &f
	}
	return switches
}

func (p *plan) set(switches map[string]*sandbox.Faults) {
	for name, f := range switches {
		p.faults[name] = *f
	}
}

// repetitions: at a provider that takes them, answers get lost, and the provider is slow to know
// what it was sent.
func (p *plan) repetitions(c chance) {
	p.variant = one(c, 0, 2, 2)
	name, settle := one(c, lipad, talking), variants[p.variant].SettleDelay
	all := p.only(name)
	f := all[name]
	// More would pause the channel for most of the time.
	f.Send.LostAfter, f.Send.LostBefore = sandbox.Sometimes(0.3), sandbox.Sometimes(0.1)
	f.Repeat = one(c, sandbox.RepeatPay, sandbox.RepeatReject)
	if f.Repeat == sandbox.RepeatPay || name == talking {
		f.Send.TooMany = sandbox.Sometimes(0.3)
	}
	f.SlowKnowledge = sandbox.Duration(settle * 9 / 10)
	if f.Repeat == sandbox.RepeatReject {
		f.SlowKnowledge = sandbox.Duration(5 * time.Minute)
	}
	p.resendSame, p.steps, p.haste = true, 400, one(c, 4*time.Second, 15*time.Second)
	if name == lipad { // What it permits is permitted sooner.
		p.haste = 4 * time.Second
	}
	p.phones, p.recipients, p.batchMax = 20, c.between(20, 40), c.between(2, 5)
	p.freezes, p.persons, p.cancels = one(c, 0, 0.03), 0, 0
	p.silent[name] = c.hit(0.5)
	p.oftenOutcomes = []outcome{hangsLate, breaksLate, hangsAfter, diesAfter, diesAfter}
	p.set(all)
}

// refusals: requests are refused as a whole, and the answer does not say for which recipient.
func (p *plan) refusals(c chance) {
	name := one(c, lipad, sozuri)
	all := p.only(name)
	f := all[name]
	f.RefuseSuffix, f.HalfProcessed = one(c, "1", "2", "3"), c.hit(0.7)
	f.Send.LostAfter = sandbox.Sometimes(one(c, 0, 0.2))
	f.HTTPRefused, f.MissingLines = one(c, 200, 400), sandbox.Sometimes(0.3)
	p.batchMax = max(p.batchMax, 3)
	p.oftenOutcomes = []outcome{hangsAfter}
	p.set(all)
}

// suspects: requests of one recipient are repeated on their way, so that the answer is a refusal,
// and the provider is slow to know what it has taken: who was rejected was accepted after all. That
// is distinguished only where it happens to few, and to single ones.
func (p *plan) suspects(c chance) {
	all := p.only(lipad)
	all[lipad].SlowKnowledge = sandbox.Duration(
		variants[p.variant].SettleDelay * time.Duration(one(c, 5, 8, 20)))
	p.calm, p.batchMax, p.silent[lipad] = true, 1, false
	p.steps, p.haste, p.wild = 400, variants[p.variant].SettleDelay/2, 0.5
	p.phones, p.recipients, p.persons, p.cancels = 20, c.between(5, 20), 0, 0
	p.oftenOutcomes = []outcome{doubled}
	p.set(all)
}

// reports: answers are lost, and callbacks come in their place: early, late, again, and forged.
func (p *plan) reports(c chance) {
	names := one(c, []string{talking}, []string{talking, sozuri})
	all := p.only(names...)
	for _, name := range names {
		f := all[name]
		f.Send.LostAfter, f.MissingLines = sandbox.Sometimes(0.15), sandbox.Sometimes(0.4)
		f.Pace.OpenFor = sandbox.Duration(one(c, time.Second, 20*time.Second, 5*time.Minute))
		f.Outcomes = sandbox.Weights{Successful: 60, Failed: 40}
	}
	clear(p.silent)
	p.phones, p.recipients = 60, c.between(15, 30) // Mostly one of each number.
	p.forged, p.often = one(c, 0.5, 0.8), (*harness).callBack
	p.oftenOutcomes = []outcome{hangsAfter, diesAfter, replyLost}
	p.set(all)
}

// crowd: few numbers get much, in small requests, and many processes send at once.
func (p *plan) crowd(c chance) {
	p.phones, p.recipients, p.together = c.between(2, 4), c.between(10, 40), 3
	p.batchMax, p.inFlight = c.between(1, 3), [2]int{c.between(2, 4), c.between(2, 4)}
}

// frozen: processes stand still right after they have begun something, and requests hang.
func (p *plan) frozen(c chance) {
	p.freezes, p.wild = one(c, 0.05, 0.15), min(p.wild, 1)
	p.oftenOutcomes = []outcome{hangsBefore, hangsAfter, hangsLate, breaksLate, diesAfter}
}

// handingOn: who is refused for the network, or waits for a paused channel, goes to the next
// provider.
func (p *plan) handingOn(c chance) {
	names := one(c, []string{talking, sozuri}, []string{lipad, sozuri}, []string{talking, lipad},
		[]string{lipad, quicksms, sozuri})
	all := p.only(names...)
	for _, name := range names {
		f := all[name]
		f.RefuseSuffix = one(c, "", "1", "3", "5")
		f.Send.LostAfter, f.Send.LostBefore = sandbox.Sometimes(0.2), sandbox.Sometimes(0.2)
		f.Send.TooMany = sandbox.Sometimes(0.2)
		f.Send.RetryAfter, f.MissingLines = sandbox.Duration(time.Minute), sandbox.Sometimes(0.2)
	}
	p.set(all)
	p.drawRules(c)
	for i := range p.rules.Routing {
		p.rules.Routing[i].MovePaused, p.rules.Routing[i].MoveRefused = true, true
		p.rules.Routing[i].MoveAfter = time.Duration(one(c, 0, 0, 20)) * time.Second
	}
}

// troubles: requests are carried out, and the answers say something else, or leave a recipient out.
func (p *plan) troubles(c chance) {
	name := one(c, lipad, quicksms, sozuri, sozuri)
	all := p.only(name)
	f := all[name]
	f.Send.ErrorAfter, f.Send.BrokenJSON = sandbox.Sometimes(0.2), sandbox.Sometimes(0.1)
	f.MissingLines = sandbox.Sometimes(0.3)
	p.set(all)
}

// deaf: the provider is seldom able to say anything about what it was sent.
func (p *plan) deaf(c chance) {
	all := p.only(lipad)
	f := all[lipad]
	f.Send.LostAfter, f.Status.ErrorBefore = sandbox.Sometimes(0.3), sandbox.Sometimes(1)
	f.Repeat, p.resendSame = sandbox.RepeatPay, true
	p.silent[lipad], p.phones, p.recipients, p.steps = c.hit(0.5), 20, c.between(5, 30), 400
	p.haste, p.persons, p.cancels, p.wild = variants[p.variant].SettleDelay/2, 0, 0, 0.3
	p.set(all)
}

// unsteady: answers are complete or leave a recipient out, and Redis often fails when they are
// stored.
func (p *plan) unsteady(c chance) {
	all := p.only(sozuri, quicksms)
	all[sozuri].MissingLines = sandbox.Sometimes(0.3)
	p.phones, p.recipients, p.batchMax, p.wild = 20, c.between(20, 40), 1000, 0.05
	p.cancels, p.persons, p.freezes = 0, 0, 0
	p.oftenEffect, p.oftenOutcomes = "record", []outcome{fails, fails, replyLost}
	p.set(all)
}

// withdrawals: much is cancelled while requests fail that surely had no effect.
func (p *plan) withdrawals(c chance) {
	name := one(c, lipad, talking, quicksms, sozuri)
	all := p.only(name)
	f := all[name]
	f.Send.LostBefore, f.Send.TooMany = sandbox.Sometimes(0.3), sandbox.Sometimes(0.4)
	f.Send.RetryAfter = sandbox.Duration(time.Second)
	p.cancels, p.campaigns, p.joined = 0.2, len(months), 0.9
	p.recipients, p.together = 40, 4
	p.oftenEffect, p.oftenOutcomes = "cancel", []outcome{diesAfter, replyLost}
	p.set(all)
}
