package config

import (
	"fmt"
	"math"
	"strconv"

	"gopkg.in/yaml.v3"

	"tuma/internal/providers"
)

// maxRate bounds both fields of a rate.
const maxRate = 10_000

// rate reads rates.<provider>.
func (f *yamlFile) rate(provider, path string, node *yaml.Node) {
	i := f.provider(node, path, provider)
	if i == nil {
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
	rate := providers.Rate{PerSecond: number, Burst: int(math.Ceil(number))}
	if text, given = texts["burst"]; given {
		parse := whole(func(*Config) *int { return &rate.Burst }, 1, maxRate)
		if err := parse(nil, text.value); err != nil {
			f.report(text, err)
		}
	}
	i.Spec.Capabilities.Rate = rate
}
