package routing

import (
	"time"

	"tuma/internal/airtime"
)

// Subject is what a guard counts for: all recipients together, or each provider, producer, campaign
// or phone number by itself.
type Subject string

// The subjects.
const (
	OfAll      Subject = "all"
	OfProvider Subject = "provider"
	OfProducer Subject = "producer"
	OfCampaign Subject = "campaign"
	OfPhone    Subject = "phone"
)

// Period is a stretch of the calendar, in the time zone of the settings.
type Period string

// The periods. A week begins on Monday.
const (
	PerHour  Period = "hour"
	PerDay   Period = "day"
	PerWeek  Period = "week"
	PerMonth Period = "month"
)

// PerBalance is no stretch of the calendar: it begins whenever another balance at the provider is
// known.
const PerBalance Period = "balance"

// End returns when the period ends that an instant is in, in the time zone of the instant: when the
// clocks show the next hour or day for the first time. An hour that they show twice is one. It is
// zero for a period that is not of the calendar.
func (p Period) End(at time.Time) time.Time {
	year, month, day := at.Date()
	hour := 0
	switch p {
	case PerHour:
		hour = at.Hour() + 1
	case PerDay:
		day++
	case PerWeek:
		day += 7 - (int(at.Weekday())+6)%7
	case PerMonth:
		month, day = month+1, 1
	case PerBalance:
		return time.Time{}
	}
	return reached(time.Date(year, month, day, hour, 0, 0, 0, time.UTC), at.Location())
}

// MaxGuards is how many guards there may be: those of a recipient are bits of one number.
const MaxGuards = 32

// Guard bounds what is sent: money or recipients of a subject in a period, or the same amount to
// the same number from whatever reference. A guard is either about a period or about duplicates.
type Guard struct {
	// Name is unique among the guards: 1 to 64 letters, digits, dots, dashes and underscores.
	Name string
	Conditions
	// Limit is the most money per period, in minor units; a currency that is not in it is not bounded.
	// Count is the most recipients per period, zero for no bound.
	Limit map[airtime.Currency]int64
	Count int64
	Per   Period
	Of    Subject
	// DuplicateWithin is for how long the same amount to the same number is a duplicate; zero for a
	// guard about a period.
	DuplicateWithin time.Duration
	// Refuse refuses the whole job instead of holding the recipient.
	Refuse bool
}

// FloatGuard is the name of the guard LowFloat.
const FloatGuard = "float"

// LowFloat is the guard that holds what would go beyond what is left at each provider. It has no
// limit of its own: the state knows what is left.
func LowFloat() Guard { return Guard{Name: FloatGuard, Of: OfProvider, Per: PerBalance} }

// Approval holds what a job, or an import as a whole, pays in a currency until another person than
// the one who submitted it has approved.
type Approval struct {
	// Name is unique among the approvals.
	Name string
	Conditions
	// Above is the most money that needs no approval, in minor units, of the recipients that meet the
	// conditions; a currency that is not in it needs none.
	Above map[airtime.Currency]int64
}

// Admission is what is asked of a recipient before it is queued: the approval that its job needs,
// and the guards that are about it. The zero value is nothing.
type Admission struct {
	// Approval is the name of one; empty for none.
	Approval string
	// Guards has a bit for each, by the index in Rules.Guards.
	Guards uint32
}

// Gate finds the admissions of recipients of one currency, campaign and producer.
type Gate struct {
	rules     *Rules
	guards    []gateMatch
	approvals []gateMatch
}

type gateMatch struct {
	match
	index int
}

// Gate returns the gate for what the recipients of a disbursal have in common.
func (r *Rules) Gate(currency airtime.Currency, campaign, producer string) Gate {
	gate := Gate{rules: r}
	for i := range r.Guards {
		if c := &r.Guards[i].Conditions; c.holds(currency, campaign, producer) {
			gate.guards = append(gate.guards, gateMatch{c.match(currency), i})
		}
	}
	for i := range r.Approvals {
		a := &r.Approvals[i]
		if _, bounded := a.Above[currency]; bounded && a.holds(currency, campaign, producer) {
			gate.approvals = append(gate.approvals, gateMatch{a.match(currency), i})
		}
	}
	return gate
}

// Open reports whether nothing is asked of anyone.
func (g *Gate) Open() bool { return len(g.guards)+len(g.approvals) == 0 }

// Admission returns what is asked of a recipient. Sums are what its job, or the whole import, pays
// by approval, as AddSums counts it.
func (g *Gate) Admission(to airtime.Recipient, sums Sums) Admission {
	var of Admission
	if g.Open() {
		return of
	}
	network := g.rules.Network(to.Phone)
	for i := range g.guards {
		if m := &g.guards[i]; m.matches(to, network) {
			of.Guards |= 1 << m.index
		}
	}
	for i := range g.approvals {
		m := &g.approvals[i]
		a := &g.rules.Approvals[m.index]
		key := SumOf{a.Name, to.Amount.Currency}
		if m.matches(to, network) && sums[key] > a.Above[to.Amount.Currency] {
			of.Approval = a.Name
			break
		}
	}
	return of
}

// SumOf names a sum: of an approval, in a currency.
type SumOf struct {
	Approval string
	Currency airtime.Currency
}

// Sums are what recipients pay that meet the conditions of approvals, in minor units.
type Sums map[SumOf]int64

// AddSums adds a recipient to the sums of the approvals whose conditions it meets.
func (g *Gate) AddSums(sums Sums, to airtime.Recipient) {
	if len(g.approvals) == 0 {
		return
	}
	network := g.rules.Network(to.Phone)
	for i := range g.approvals {
		m := &g.approvals[i]
		if m.matches(to, network) {
			sums[SumOf{g.rules.Approvals[m.index].Name, to.Amount.Currency}] += to.Amount.Minor
		}
	}
}
