package config

import (
	"fmt"
	"maps"
	"math"
	"slices"
	"strconv"

	"gopkg.in/yaml.v3"
)

// maxRate bounds both fields of a rate.
const maxRate = 10_000

// Rate is how many requests a provider takes from all workers together.
type Rate struct {
	// PerSecond is above zero, and may be below one.
	PerSecond float64
	// Burst is how many may go at once after a pause; at least one.
	Burst int
}

// rate reads rates.<provider>.
func (f *yamlFile) rate(provider, path string, node *yaml.Node) {
	if !f.provider(node, path, provider) {
		return
	}
	texts := map[string]scalar{}
	f.fields(node, path+".", func(key, path string, node *yaml.Node) {
		if key != "per_second" && key != "burst" {
			f.unknown(node, path)
		} else if value, ok := f.plain(node, path); ok {
			texts[key] = value
		}
	})
	text, given := texts["per_second"]
	if !given {
		f.problem(node, path, "must say per_second")
		return
	}
	number, err := strconv.ParseFloat(text.value, 64)
	// Written so that NaN, which compares with nothing, is refused too.
	if err != nil || !(number > 0 && number <= maxRate) {
		f.report(text, fmt.Errorf("must be a number above 0 and up to %d", maxRate))
		return
	}
	rate := Rate{PerSecond: number, Burst: int(math.Ceil(number))}
	if text, given = texts["burst"]; given {
		parse := whole(func(*Config) *int { return &rate.Burst }, 1, maxRate)
		if err := parse(nil, text.value); err != nil {
			f.report(text, err)
		}
	}
	f.rates[provider] = rate
}

// describeRates returns the rates as name=value.
func describeRates(rates map[string]Rate) []string {
	var shown []string
	for _, provider := range slices.Sorted(maps.Keys(rates)) {
		rate := rates[provider]
		shown = append(shown, fmt.Sprintf("rates.%s=%s per second, burst %d", provider,
			strconv.FormatFloat(rate.PerSecond, 'f', -1, 64), rate.Burst))
	}
	return shown
}
