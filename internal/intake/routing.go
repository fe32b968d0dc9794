package intake

import (
	"tuma/internal/state"
)

// assign sets the providers of a disbursal.
func (r Rules) assign(d *state.Disbursal, route route) {
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
