package routing

import (
	"slices"
	"strings"

	"tuma/internal/airtime"
)

// Conditions tell recipients apart. One that is empty holds for everyone.
type Conditions struct {
	Networks   []airtime.Network
	Currencies []airtime.Currency
	// Min and Max bound the amount, both inclusive, in minor units of each of the currencies; nil
	// when there is no such bound.
	Min, Max map[airtime.Currency]int64
	// Campaigns are names, or beginnings of names with an asterisk behind them. An asterisk alone
	// also means recipients without a campaign.
	Campaigns []string
	// Producers are those of the HTTP inlet. Routing rules have none, and say nothing of them in the
	// digests that processes compare.
	Producers []string `json:",omitempty"`
}

// holds reports whether what the recipients of a disbursal have in common meets the conditions.
func (c *Conditions) holds(currency airtime.Currency, campaign, producer string) bool {
	return (len(c.Currencies) == 0 || slices.Contains(c.Currencies, currency)) &&
		MatchesCampaign(c.Campaigns, campaign) &&
		(len(c.Producers) == 0 || slices.Contains(c.Producers, producer))
}

// MatchesCampaign reports whether a campaign is one of the patterns: names, or beginnings of names
// with an asterisk behind them. Without patterns each one is.
func MatchesCampaign(patterns []string, campaign string) bool {
	return len(patterns) == 0 || slices.ContainsFunc(patterns, func(pattern string) bool {
		beginning, open := strings.CutSuffix(pattern, "*")
		return campaign == pattern || open && strings.HasPrefix(campaign, beginning)
	})
}

// match is what is left of conditions once their currency, campaign and producer hold.
type match struct {
	networks uint64 // One bit each; zero for all of them.
	min, max int64
}

func (c *Conditions) match(currency airtime.Currency) match {
	m := match{min: c.Min[currency], max: airtime.MaxMinor}
	if most, bounded := c.Max[currency]; bounded {
		m.max = most
	}
	for _, network := range c.Networks {
		m.networks |= 1 << network
	}
	return m
}

func (m *match) matches(to airtime.Recipient, network airtime.Network) bool {
	return (m.networks == 0 || m.networks&(1<<network) != 0) &&
		to.Amount.Minor >= m.min && to.Amount.Minor <= m.max
}
