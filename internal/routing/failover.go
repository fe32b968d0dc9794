package routing

import (
	"slices"
	"time"

	"tuma/internal/airtime"
)

// Next returns the provider that comes behind another one in the rule that matches the recipient
// now, and that takes its currency, amount and network, with that rule. It returns false when
// there is none, also when the rule does not hold the other provider: the rules have changed
// since. It is not for recipients whose producer named a provider: those stay there.
func (r Rules) Next(campaign string, to airtime.Recipient, after string) (string, Rule, bool) {
	network := r.Network(to.Phone)
	rule := r.pick(r.Choices(to.Amount.Currency, campaign), to, network)
	if rule == nil {
		return "", Rule{}, false
	}
	at := slices.Index(rule.Providers, after)
	if at < 0 {
		return "", Rule{}, false
	}
	for _, provider := range rule.Providers[at+1:] {
		if r.Coverage(provider, to.Amount.Currency).Takes(to.Amount.Minor, network) {
			return provider, *rule, true
		}
	}
	return "", Rule{}, false
}

// AfterRefusal returns the provider that takes a recipient which another one has refused, of those
// that are on; empty for none. Only a refusal for the network or the size of the amount says
// nothing about other providers.
func (r Rules) AfterRefusal(
	campaign string, to airtime.Recipient, provider string, reason airtime.Reason,
	on func(provider string) bool,
) string {
	if reason != airtime.ReasonNetwork && reason != airtime.ReasonLimit {
		return ""
	}
	return r.onward(campaign, to, provider, on, func(rule Rule) bool { return rule.MoveRefused })
}

// AfterPause returns the provider that takes a recipient which waits for a channel that has been
// paused for so long, of those that are on; empty for none.
func (r Rules) AfterPause(
	campaign string, to airtime.Recipient, provider string, paused time.Duration,
	on func(provider string) bool,
) string {
	return r.onward(campaign, to, provider, on, func(rule Rule) bool {
		return rule.MovePaused && paused >= rule.MoveAfter
	})
}

func (r Rules) onward(
	campaign string, to airtime.Recipient, provider string, on func(string) bool,
	permits func(Rule) bool,
) string {
	for {
		next, rule, found := r.Next(campaign, to, provider)
		if !found || !permits(rule) {
			return ""
		}
		if on(next) {
			return next
		}
		provider = next
	}
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
