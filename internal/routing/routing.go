// Package routing chooses providers: for recipients whose producers name none, and for those whom
// their provider does not pay. It decides by the rules of the settings and by what is known of the
// providers, and by nothing else: it has no connection and no clock. conditions.go matches a
// recipient to a rule, routing.go to a provider, failover.go finds who is next, guards.go which
// guards and approvals are about a recipient.
package routing

import (
	"slices"
	"time"

	"tuma/internal/airtime"
	"tuma/internal/providers"
)

// Rules say who takes which recipients. They are read only, and may be shared by goroutines.
type Rules struct {
	// Providers are all that can be named, by name.
	Providers map[string]providers.Capabilities
	// DefaultProvider takes the recipients that name no provider and that no rule matches.
	DefaultProvider string
	// Routing are the rules for recipients that name no provider; the first that matches counts.
	Routing []Rule
	// Ported are the networks of numbers that changed theirs, by E.164 digits.
	Ported map[string]airtime.Network
	// Guards hold recipients back, or refuse them; see guards.go. Approvals have a person look at
	// large sums first.
	Guards    []Guard
	Approvals []Approval
}

// Rule says which providers take the recipients that meet all its conditions.
type Rule struct {
	// Name is unique among the rules.
	Name string
	Conditions
	// Providers are at least one, each once: the first is preferred, the others are for failover.
	Providers []string
	// High has its recipients go before others.
	High bool `json:",omitempty"` // Rules are compared as JSON: those of before stay the same.
	// MovePaused sends what is queued to the next provider once the channel has been paused for
	// MoveAfter.
	MovePaused bool
	MoveAfter  time.Duration
	// MoveRefused sends what was refused for its network or a limit to the next provider.
	MoveRefused bool
}

// Coverage is what a provider takes in one currency. The zero value takes nothing.
type Coverage struct {
	Provider string
	Known    bool // The provider is known.
	Limited  bool // It takes the currency, so Limit and Unit hold.
	Limit    providers.Limit
	Unit     int64             // Amounts are multiples of it, in minor units; zero where any will do.
	Networks []airtime.Network // Those that it serves; none where any will do.
}

// Coverage returns what a provider takes in a currency.
func (r Rules) Coverage(provider string, currency airtime.Currency) Coverage {
	c := Coverage{Provider: provider}
	var capabilities providers.Capabilities
	if capabilities, c.Known = r.Providers[provider]; !c.Known {
		return c
	}
	c.Limit, c.Limited = capabilities.Limits[currency]
	c.Networks = capabilities.Networks
	if capabilities.WholeUnits {
		c.Unit = 1
		decimals, _ := currency.Decimals() // A currency that is not known is not limited either.
		for range decimals {
			c.Unit *= 10
		}
	}
	return c
}

// Takes reports whether the provider takes the amount, in minor units, for a number of the network.
func (c Coverage) Takes(minor int64, network airtime.Network) bool {
	return c.Limited && minor >= c.Limit.Min && minor <= c.Limit.Max &&
		(c.Unit == 0 || minor%c.Unit == 0) && c.serves(network)
}

// serves reports whether the provider serves the network.
func (c Coverage) serves(network airtime.Network) bool {
	return len(c.Networks) == 0 || slices.Contains(c.Networks, network)
}

// Choice is a rule of which the currency and the campaign hold; what is left are the conditions
// that tell their recipients apart.
type Choice struct {
	match
	rule *Rule
}

// Choices returns the rules that are left for a currency and a campaign, in their order.
func (r Rules) Choices(currency airtime.Currency, campaign string) []Choice {
	var left []Choice
	for i := range r.Routing {
		rule := &r.Routing[i]
		if rule.holds(currency, campaign, "") {
			left = append(left, Choice{rule.match(currency), rule})
		}
	}
	return left
}

// Network returns the network of a number: the settings' word, else that of its prefix.
func (r Rules) Network(phone airtime.MSISDN) airtime.Network {
	if network, ported := r.Ported[phone.Digits()]; ported {
		return network
	}
	return phone.Network()
}

// pick returns the first rule that the recipient meets, nil when there is none.
func (r Rules) pick(choices []Choice, to airtime.Recipient, network airtime.Network) *Rule {
	for i := range choices {
		if choices[i].matches(to, network) {
			return choices[i].rule
		}
	}
	return nil
}

// High reports whether the rule that the recipient meets has it go before others.
func (r Rules) High(choices []Choice, to airtime.Recipient) bool {
	if !slices.ContainsFunc(choices, func(c Choice) bool { return c.rule.High }) {
		return false
	}
	rule := r.pick(choices, to, r.Network(to.Phone))
	return rule != nil && rule.High
}

// CoverageFor returns what is taken by the provider that the recipient goes to. The recipient is
// not part of it when no provider of the matching rule takes it: then it is the first one's.
func (r Rules) CoverageFor(choices []Choice, to airtime.Recipient) Coverage {
	currency, network := to.Amount.Currency, r.Network(to.Phone)
	rule := r.pick(choices, to, network)
	if rule == nil {
		return r.Coverage(r.DefaultProvider, currency)
	}
	for _, provider := range rule.Providers {
		if c := r.Coverage(provider, currency); c.Takes(to.Amount.Minor, network) {
			return c
		}
	}
	return r.Coverage(rule.Providers[0], currency)
}
