package intake

import (
	"slices"
	"strings"
	"time"

	"tuma/internal/airtime"
	"tuma/internal/config"
	"tuma/internal/providers"
	"tuma/internal/state"
)

// Rule says which providers take the recipients that meet all its conditions, as the file has it.
type Rule = config.RoutingRule

// hasCampaign reports whether the campaign is one of the rule's.
func hasCampaign(r *Rule, campaign string) bool {
	return len(r.Campaigns) == 0 || slices.ContainsFunc(r.Campaigns, func(pattern string) bool {
		beginning, open := strings.CutSuffix(pattern, "*")
		return campaign == pattern || open && strings.HasPrefix(campaign, beginning)
	})
}

// coverage is what a provider takes in one currency. The zero coverage takes nothing.
type coverage struct {
	provider string
	on       bool // The provider is known.
	limited  bool // It takes the currency, so limit and unit hold.
	limit    providers.Limit
	unit     int64             // Amounts are multiples of it, in minor units; zero where any will do.
	networks []airtime.Network // Those that it serves; none where any will do.
}

// coverage returns what a provider takes in a currency.
func (r Rules) coverage(provider string, currency airtime.Currency) coverage {
	o := coverage{provider: provider}
	var capabilities providers.Capabilities
	if capabilities, o.on = r.Providers[provider]; !o.on {
		return o
	}
	o.limit, o.limited = capabilities.Limits[currency]
	o.networks = capabilities.Networks
	if capabilities.WholeUnits {
		o.unit = 1
		decimals, _ := currency.Decimals() // A currency that is not known is not limited either.
		for range decimals {
			o.unit *= 10
		}
	}
	return o
}

// takes reports whether the provider takes the amount, in minor units, for a number of the network.
func (o coverage) takes(minor int64, network airtime.Network) bool {
	return o.limited && minor >= o.limit.Min && minor <= o.limit.Max &&
		(o.unit == 0 || minor%o.unit == 0) && o.serves(network)
}

// serves reports whether the provider serves the network.
func (o coverage) serves(network airtime.Network) bool {
	return len(o.networks) == 0 || slices.Contains(o.networks, network)
}

// choice is a rule of which the currency and the campaign hold; what is left are the conditions
// that tell their recipients apart.
type choice struct {
	rule     *Rule
	networks uint64 // One bit each; zero for all of them.
	min, max int64
}

// choices returns the rules that are left for a currency and a campaign, in their order.
func (r Rules) choices(currency airtime.Currency, campaign string) []choice {
	var left []choice
	for i := range r.Routing {
		rule := &r.Routing[i]
		if len(rule.Currencies) > 0 && !slices.Contains(rule.Currencies, currency) ||
			!hasCampaign(rule, campaign) {
			continue
		}
		c := choice{rule: rule, min: rule.Min[currency], max: airtime.MaxMinor}
		if most, bounded := rule.Max[currency]; bounded {
			c.max = most
		}
		for _, network := range rule.Networks {
			c.networks |= 1 << network
		}
		left = append(left, c)
	}
	return left
}

// network returns the network of a number: the settings' word, else that of its prefix.
func (r Rules) network(phone airtime.MSISDN) airtime.Network {
	if network, ported := r.Ported[phone.Digits()]; ported {
		return network
	}
	return phone.Network()
}

// pick returns the first rule that the recipient meets, nil when there is none.
func (r Rules) pick(choices []choice, to airtime.Recipient, network airtime.Network) *Rule {
	for i := range choices {
		c := &choices[i]
		if (c.networks == 0 || c.networks&(1<<network) != 0) &&
			to.Amount.Minor >= c.min && to.Amount.Minor <= c.max {
			return c.rule
		}
	}
	return nil
}

// coverageFor returns the coverage of the provider that the recipient goes to. It does not cover
// the recipient when no provider of the matching rule does: then it is the first one's.
func (r Rules) coverageFor(choices []choice, to airtime.Recipient) coverage {
	currency, network := to.Amount.Currency, r.network(to.Phone)
	rule := r.pick(choices, to, network)
	if rule == nil {
		return r.coverage(r.DefaultProvider, currency)
	}
	for _, provider := range rule.Providers {
		if o := r.coverage(provider, currency); o.takes(to.Amount.Minor, network) {
			return o
		}
	}
	return r.coverage(rule.Providers[0], currency)
}

// assign sets the providers of a disbursal.
func (r Rules) assign(d *state.Disbursal, route route) {
	if !route.routed {
		d.Provider = route.provider
		return
	}
	for i, to := range d.Recipients {
		provider := r.coverageFor(route.choices, to).provider
		switch {
		case i == 0:
			d.Provider = provider
		case d.Providers != nil:
			d.Providers[i] = provider
		case provider != d.Provider:
			d.Providers = make([]string, len(d.Recipients))
			for before := range i {
				d.Providers[before] = d.Provider
			}
			d.Providers[i] = provider
		}
	}
}

// Next returns the provider that comes behind another one in the rule that matches the recipient
// now, and that takes its currency, amount and network, with that rule. It returns false when
// there is none, also when the rule does not hold the other provider: the rules have changed
// since. It is not for recipients whose producer named a provider: those stay there.
func (r Rules) Next(campaign string, to airtime.Recipient, after string) (string, Rule, bool) {
	network := r.network(to.Phone)
	rule := r.pick(r.choices(to.Amount.Currency, campaign), to, network)
	if rule == nil {
		return "", Rule{}, false
	}
	at := slices.Index(rule.Providers, after)
	if at < 0 {
		return "", Rule{}, false
	}
	for _, provider := range rule.Providers[at+1:] {
		if r.coverage(provider, to.Amount.Currency).takes(to.Amount.Minor, network) {
			return provider, *rule, true
		}
	}
	return "", Rule{}, false
}

// MovesAfter returns after how long a pause the first rule moves what is queued at a channel, and
// whether any rule does.
func (r Rules) MovesAfter() (least time.Duration, any bool) {
	for _, rule := range r.Routing {
		if rule.MovePaused && (!any || rule.MoveAfter < least) {
			least, any = rule.MoveAfter, true
		}
	}
	return least, any
}
