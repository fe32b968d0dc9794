package sim_test

import (
	"encoding/json"
	"fmt"
	"math/rand/v2"
	"slices"
	"strconv"
	"time"

	"tuma/internal/airtime"
	"tuma/internal/providers"
	"tuma/internal/providers/catalog"
	"tuma/internal/routing"
	"tuma/internal/sandbox"
)

// The providers, in the order of the catalog.
const (
	lipad    = "lipad"
	talking  = "africastalking"
	quicksms = "quicksms"
	sozuri   = "sozuri"
)

// plan is everything about a scenario that is decided before it begins.
type plan struct {
	seed      uint64
	providers []string
	jobs      []*job
	rules     routing.Rules
	// halfRules says that only every other process has the routing rules.
	halfRules bool
	// inFlight and batchMax are settings that differ between processes.
	inFlight [2]int
	batchMax int
	// variant chooses the durations and rates of the state, of which there are few, because Redis
	// keeps every script that it has ever been given.
	variant int
	faults  map[string]sandbox.Faults
	steps   int
	// wild is how likely a fault is, compared with the ordinary.
	wild       float64
	resendSame bool
	trustLipad bool
	// silent are the providers whose callbacks never come.
	silent map[string]bool
	begin  time.Duration
	// haste is about how long the steps of time are.
	haste time.Duration
	// freezes is how likely a process stands still right after an effect for about as long as a
	// request may take, and forged how likely a callback says what its provider does not.
	freezes, forged float64
	// cancels and persons are how likely the next thing to happen is a cancel, or a decision.
	cancels, persons float64
	// erasures is how likely the next thing to happen is that a person has a number erased.
	erasures float64
	// webhooked says that results are posted to endpoints of webhooks.
	webhooked bool
	// oftenOutcomes are the outcomes that the effects named oftenEffect have more often.
	oftenOutcomes []outcome
	oftenEffect   string
	// added are those of what is added to a theme: erasures, or webhooks.
	addedOutcomes []outcome
	addedEffect   string
	// often is what somebody outside does more often than other things.
	often func(*harness, chance, *pod)
	// calm is set where providers work well but for their switches.
	calm bool
	// phones, recipients and together bound the numbers, the recipients, and those of one job;
	// campaigns is how many there are, and joined how likely a job belongs to one.
	phones, recipients, together, campaigns int
	joined                                  float64
	// names are those of the campaigns, if they are not months; scheduled is how likely a job says
	// when it may be sent.
	names     []string
	scheduled float64
	// float is set where little is left at the providers, which bounds a campaign of that name.
	float bool
}

// job is one disbursal as its producer pushes it.
type job struct {
	reference, provider, campaign string
	recipients                    []recipient
	notBefore                     time.Time // Zero for at once.
	priority                      string
	// held is set when Accept has said so: from then on no recipient may be lost.
	held, cancelled bool
}

// recipient is one recipient. Those with the same number and amount look the same from outside.
type recipient struct {
	phone  string
	amount int64 // Whole shillings.
}

func (p recipient) String() string { return fmt.Sprintf("%s %d", p.phone, p.amount) }

// payload is the job as JSON; extra shillings make it another job under the same reference, and
// turned it is the same in another order.
func (j *job) payload(extra int64, turned bool) []byte {
	type recipient struct {
		Phone  string `json:"phone_number"`
		Amount string `json:"amount"`
	}
	whole := struct {
		Reference  string      `json:"reference"`
		Recipients []recipient `json:"recipients"`
		Currency   string      `json:"currency"`
		Provider   string      `json:"provider,omitempty"`
		Campaign   string      `json:"campaign,omitempty"`
		NotBefore  string      `json:"not_before,omitempty"`
		Priority   string      `json:"priority,omitempty"`
	}{
		Reference: j.reference, Currency: "KES", Provider: j.provider, Campaign: j.campaign,
		Priority: j.priority,
	}
	if !j.notBefore.IsZero() {
		whole.NotBefore = j.notBefore.Format(time.RFC3339)
	}
	for i, p := range j.recipients {
		if i == 0 {
			p.amount += extra
		}
		whole.Recipients = append(whole.Recipients,
			recipient{p.phone, strconv.FormatInt(p.amount, 10)})
	}
	if turned {
		slices.Reverse(whole.Recipients)
	}
	text, err := json.Marshal(whole)
	if err != nil {
		panic(err) // Texts always marshal.
	}
	return text
}

// chance draws the plan of a seed.
type chance struct{ *rand.Rand }

func newChance(seed, stream uint64) chance { return chance{rand.New(rand.NewPCG(seed, stream))} }

func (c chance) hit(p float64) bool { return c.Float64() < p }

func (c chance) between(from, to int) int { return from + c.IntN(to-from+1) }

func one[T any](c chance, list ...T) T { return list[c.IntN(len(list))] }

func drawPlan(seed uint64) *plan {
	c := newChance(seed, 1)
	p := &plan{
		seed: seed, inFlight: [2]int{c.between(1, 4), c.between(1, 4)},
		batchMax: one(c, 1, 2, 3, 5, 8, 1000), variant: c.IntN(len(variants)),
		faults: map[string]sandbox.Faults{}, steps: c.between(150, 400),
		wild: one(c, 0.1, 0.5, 1, 1, 2, 4), resendSame: c.hit(0.8), trustLipad: c.hit(0.4),
		silent: map[string]bool{}, begin: time.Duration(c.IntN(24*60)) * time.Minute,
		haste:   one(c, 2*time.Second, 5*time.Second, 20*time.Second, time.Minute),
		freezes: one(c, 0, 0.01, 0.05), forged: 0.1,
		cancels: one(c, 0, 0.002, 0.01), persons: one(c, 0, 0.01, 0.05),
		phones: c.between(3, 20), recipients: c.between(3, 40), together: 10, campaigns: 2,
		oftenEffect: "submission", joined: 0.3,
	}
	all := []string{lipad, talking, quicksms, sozuri}
	c.Shuffle(len(all), func(i, j int) { all[i], all[j] = all[j], all[i] })
	p.providers = all[:c.between(1, 4)]
	slices.Sort(p.providers)
	for _, name := range p.providers {
		p.faults[name] = drawFaults(c, p.wild, variants[p.variant].SettleDelay)
		p.silent[name] = c.hit(0.2)
	}
	// In turn, so that few seeds have all of them; one in a round has none.
	switch turn := int(seed % uint64(len(themes)+2)); {
	case turn < len(themes):
		themes[turn](p, c)
	case turn == len(themes):
		p.guarded(c)
	}
	p.drawJobs(c)
	if p.rules.Providers == nil {
		p.drawRules(c)
	}
	return p
}

// bubbleStart is when the time of a synctest bubble begins.
var bubbleStart = time.Date(2000, 1, 1, 0, 0, 0, 0, time.UTC)

// months are the names of campaigns.
var months = []string{"may", "june", "march", "july", "august", "april"}

// prefixes are of different networks, so that rules can distinguish them.
var prefixes = []string{"254711", "254733", "254770"}

func (p *plan) drawJobs(c chance) {
	var pool []string
	for i := range p.phones {
		pool = append(pool, fmt.Sprintf("%s%06d", one(c, prefixes...), 100000+i))
	}
	if !p.calm && c.hit(0.1) { // A number that decides its own outcome at the provider.
		pool[0] = "254715550" + one(c, "600", "602", "603", "605", "607", "699", "721")
	}
	amount, left, twins := int64(100), p.recipients, c.hit(0.3)
	for number := 1; left > 0; number++ {
		j := &job{reference: fmt.Sprintf("d%d", number)}
		if c.hit(0.4) {
			j.provider = one(c, p.providers...)
		}
		if c.hit(p.joined) {
			j.campaign = one(c, months[:p.campaigns]...)
		}
		if len(p.names) > 0 {
			j.campaign = one(c, p.names...)
		}
		if p.float && number%4 == 2 { // Not by chance, either.
			j.campaign = "float"
		}
		size := min(left, c.between(1, p.together), len(pool))
		c.Shuffle(len(pool), func(i, k int) { pool[i], pool[k] = pool[k], pool[i] })
		for _, phone := range pool[:size] {
			amount++
			p := recipient{phone, amount}
			if twins && c.hit(0.4) {
				p.amount = 50
			}
			j.recipients = append(j.recipients, p)
		}
		if p.scheduled > 0 && c.hit(p.scheduled) {
			// The bubble's time begins then; plans are drawn in another one.
			j.notBefore = bubbleStart.Add(p.begin + time.Duration(c.IntN(3600))*time.Second)
		}
		if number%4 == 3 { // Not by chance: plans stay as they were.
			j.priority = "high"
		}
		left -= size
		p.jobs = append(p.jobs, j)
	}
}

func (p *plan) drawRules(c chance) {
	p.rules = routing.Rules{
		Providers: map[string]providers.Capabilities{}, DefaultProvider: p.providers[0],
	}
	for _, known := range catalog.Known() {
		p.rules.Providers[known.Name] = known
	}
	if len(p.providers) == 1 || c.hit(0.3) {
		return
	}
	p.halfRules = c.hit(0.15)
	for i := range c.between(1, 3) {
		order := slices.Clone(p.providers)
		c.Shuffle(len(order), func(i, j int) { order[i], order[j] = order[j], order[i] })
		rule := routing.Rule{
			Name: fmt.Sprintf("rule %d", i), Providers: order, MovePaused: c.hit(0.6),
			MoveAfter:   time.Duration(one(c, 0, 1, 30, 120)) * time.Second,
			MoveRefused: c.hit(0.6),
		}
		if c.hit(0.5) {
			rule.Networks = []airtime.Network{one(c, airtime.Safaricom, airtime.Airtel)}
		}
		if c.hit(0.2) {
			rule.Campaigns = []string{"m*"}
		}
		p.rules.Routing = append(p.rules.Routing, rule)
	}
}

// drawFaults sets the switches of one provider. Hangs are not among them: the simulation takes the
// answer away and lets the time pass itself.
func drawFaults(c chance, wild float64, settle time.Duration) sandbox.Faults {
	f := sandbox.DefaultFaults()
	sometimes := func() sandbox.Chance {
		if !c.hit(min(1, 0.3*wild)) {
			return sandbox.Never()
		}
		return sandbox.Sometimes(one(c, 0.02, 0.1, 0.3))
	}
	for _, call := range []*sandbox.CallFaults{&f.Auth, &f.Send.CallFaults, &f.Status.CallFaults} {
		call.RetryAfter = sandbox.Duration(one(c, time.Second, 30*time.Second, 5*time.Minute))
		for _, to := range []*sandbox.Chance{
			&call.LostBefore, &call.ErrorBefore, &call.TooMany, &call.Redirect, &call.LostAfter,
			&call.ErrorAfter, &call.BrokenJSON, &call.CutBody, &call.WrongTypes,
		} {
			*to = sometimes()
		}
	}
	f.Send.ExpireToken, f.Status.ExpireToken = sometimes(), sometimes()
	f.Status.Partial, f.Status.UnknownCodes = sometimes(), sometimes()
	f.Status.Reorder = sandbox.Sometimes(0.5)
	if c.hit(0.5) { // What puts recipients in doubt without a fault.
		f.Send.LostAfter, f.MissingLines = sandbox.Sometimes(0.2), sandbox.Sometimes(0.3)
	}
	f.Repeat = one(c,
		sandbox.RepeatReject, sandbox.RepeatReplay, sandbox.RepeatPay, sandbox.RepeatPay)
	f.UnknownReference = one(c,
		sandbox.UnknownNotFound, sandbox.UnknownEmpty, sandbox.UnknownObject)
	f.SlowKnowledge = sandbox.Duration(one(c,
		0, 5*time.Second, settle/2, settle*9/10, settle*9/10, 5*time.Minute, 5*time.Minute))
	if f.Repeat == sandbox.RepeatPay && f.SlowKnowledge > sandbox.Duration(settle) {
		// A provider that pays a repeated reference and denies for longer than the settle delay that
		// it knows it pays twice, whatever we do.
		f.SlowKnowledge = 0
	}
	f.QueryShape = one(c, sandbox.QueryStatus, sandbox.QueryData)
	f.UnknownID = one(c,
		sandbox.UnknownIDNotFound, sandbox.UnknownIDText, sandbox.UnknownIDError)
	f.HTTPAccepted, f.HTTPRefused = one(c, 200, 202, 400), one(c, 200, 400)
	f.HalfProcessed = c.hit(0.5)
	f.ExpiresIn = sandbox.Duration(one(c, time.Minute, time.Hour))
	f.TokenLife = sandbox.Duration(one(c, 0, 20*time.Second))
	if c.hit(0.2) {
		f.RefuseSuffix = strconv.Itoa(c.IntN(10))
	}
	if c.hit(0.2) {
		f.Balance = strconv.Itoa(c.between(20, 400)) + ".00"
	}
	f.Outcomes = sandbox.Weights{Successful: 80, Failed: 15, Reversed: 3, Refunded: 2}
	f.Jam, f.Reprocess = 0.1, 0.1
	f.LateReversal, f.LateRefund = 0.1, 0.05
	f.Pace.By = one(c, sandbox.PaceByTime, sandbox.PaceByTime, sandbox.PaceByPolls)
	f.Pace.OpenFor = sandbox.Duration(one(c, time.Second, 20*time.Second, 5*time.Minute))
	f.Callbacks.Validate = c.hit(0.3)
	// The simulation sends the callbacks itself; the simulator itself sends validations only.
	f.Callbacks.Lose = sandbox.Sometimes(1)
	return f
}

// healed are the switches with which a provider works as documented, and those that are about whom
// it pays as they were.
func (p *plan) healed(name string) sandbox.Faults {
	f := p.faults[name]
	good := sandbox.DefaultFaults()
	good.Outcomes, good.Jam, good.Reprocess = f.Outcomes, f.Jam, f.Reprocess
	good.LateReversal, good.LateRefund = f.LateReversal, f.LateRefund
	good.HTTPAccepted, good.HTTPRefused, good.Repeat = f.HTTPAccepted, f.HTTPRefused, f.Repeat
	good.UnknownReference, good.UnknownID = f.UnknownReference, f.UnknownID
	good.QueryShape, good.Pace.By = f.QueryShape, f.Pace.By
	good.SlowKnowledge = f.SlowKnowledge
	if p.calm || f.Repeat != sandbox.RepeatReject {
		good.SlowKnowledge = min(f.SlowKnowledge, sandbox.Duration(15*time.Second))
	}
	good.Callbacks.Lose, good.Callbacks.Validate = f.Callbacks.Lose, f.Callbacks.Validate
	return good
}
