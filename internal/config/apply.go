package config

import (
	"slices"
	"strconv"
	"strings"
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
	f.checkWindows(c.Retention)
	f.addLowFloat(c)
	c.TrustCallbacks, c.Routing, c.Webhooks = f.trust, f.routing, f.webhooks
}

// describe returns the file's own settings as name=value.
func (f *yamlFile) describe(c *Config) []string {
	shown := []string{
		"state.min_replicas=" + strconv.Itoa(c.MinReplicas),
		"callbacks.trust=" + strings.Join(c.TrustCallbacks, ","),
	}
	for _, i := range c.Instances {
		shown = append(shown, i.describe()...)
	}
	for _, w := range c.Webhooks {
		shown = append(shown, w.describe())
	}
	return slices.Concat(shown, describeRouting(c.Routing), describeGuards(c.Routing))
}
