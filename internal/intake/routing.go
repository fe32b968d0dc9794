package intake

import (
	"tuma/internal/state"
)

// The priorities of a job.
const (
	priorityHigh   = "high"
	priorityNormal = "normal"
)

// assign sets the providers of a disbursal, and who of it goes before others: what the job says of
// its priority counts before the rules.
func (r Rules) assign(d *state.Disbursal, route route, priority string) {
	for i, to := range d.Recipients {
		if priority == priorityHigh ||
			priority == "" && route.routed && r.High(route.choices, to) {
			if d.High == nil {
				d.High = make([]bool, len(d.Recipients))
			}
			d.High[i] = true
		}
	}
	if !route.routed {
		d.Provider = route.Provider
		return
	}
	for i, to := range d.Recipients {
		provider := r.CoverageFor(route.choices, to).Provider
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
