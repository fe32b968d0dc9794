package config

import (
	"errors"
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"

	"tuma/internal/airtime"
)

// apply stores what the file says beyond the variables.
func (f *yamlFile) apply(c *Config) {
	if f.replicas != nil {
		c.MinReplicasSet = true
		parse := whole(func(c *Config) *int { return &c.MinReplicas }, 0, 10)
		if err := parse(c, f.replicas.value); err != nil {
			f.report(*f.replicas, err)
		}
	}
	for _, trusted := range f.lists {
		c.TrustCallbacks = append(c.TrustCallbacks, trusted.value)
	}
	c.BatchMax = map[string]int{}
	for _, provider := range slices.Sorted(maps.Keys(f.batch)) {
		size := 0
		parse := whole(func(*Config) *int { return &size }, 1, 1000)
		if err := parse(c, f.batch[provider].value); err != nil {
			f.report(f.batch[provider], err)
		}
		c.BatchMax[provider] = size
	}
	f.applyLimits(c)
	c.Routing, c.Rates = f.routing, f.rates
}

func (f *yamlFile) applyLimits(c *Config) {
	c.Limits = map[string]map[airtime.Currency]Limit{}
	for _, provider := range slices.Sorted(maps.Keys(f.limits)) {
		c.Limits[provider] = map[airtime.Currency]Limit{}
		for _, name := range slices.Sorted(maps.Keys(f.limits[provider])) {
			var limit Limit
			bounds := f.limits[provider][name]
			for i, minor := range []*int64{&limit.Min, &limit.Max} {
				given, set := bounds[boundKeys[i]]
				if !set {
					continue
				}
				money, err := airtime.ParseAmount(given.value, airtime.Currency(name))
				if err != nil {
					f.report(given, err)
				}
				*minor = money.Minor
			}
			if limit.Max > 0 && limit.Min > limit.Max {
				f.report(bounds["max"], errors.New("must not be below min"))
			}
			c.Limits[provider][airtime.Currency(name)] = limit
		}
	}
}

// describe returns the file's own settings as name=value.
func (f *yamlFile) describe(c *Config) []string {
	shown := []string{
		"state.min_replicas=" + strconv.Itoa(c.MinReplicas),
		"callbacks.trust=" + strings.Join(c.TrustCallbacks, ","),
	}
	for _, provider := range slices.Sorted(maps.Keys(c.BatchMax)) {
		shown = append(shown,
			fmt.Sprintf("batch.max_recipients.%s=%d", provider, c.BatchMax[provider]))
	}
	for _, provider := range slices.Sorted(maps.Keys(c.Limits)) {
		for _, currency := range slices.Sorted(maps.Keys(c.Limits[provider])) {
			limit := c.Limits[provider][currency]
			shown = append(shown, fmt.Sprintf("limits.%s.%s=%s to %s", provider, currency,
				boundText(limit.Min, currency), boundText(limit.Max, currency)))
		}
	}
	for _, i := range c.Instances {
		shown = append(shown, i.describe()...)
	}
	return append(append(shown, c.Routing.describe()...), describeRates(c.Rates)...)
}

func boundText(minor int64, currency airtime.Currency) string {
	if minor == 0 {
		return "the catalog's"
	}
	return airtime.Money{Minor: minor, Currency: currency}.Short()
}
