package sim_test

import (
	"slices"

	"tuma/internal/airtime"
	"tuma/internal/state"
)

// found looks for everybody as people do, by number and by the provider's reference, and has their
// timelines told: they must agree with the state.
func (h *harness) found() {
	for _, r := range readRows(h.rdb, h.jobs) {
		byPhone := h.find(r, state.Search{Phone: airtime.MSISDNFromE164(r.phone)})
		if byPhone == nil {
			continue
		}
		if reference := byPhone.ProviderReference; reference != "" {
			h.find(r, state.Search{ProviderReference: reference})
		}
		timeline, err := h.stores[0].Timeline(background, *byPhone)
		must(err)
		settled := slices.ContainsFunc(timeline.Events, func(e state.Event) bool {
			return e.What == "settled"
		})
		if byPhone.Status.Settled() != settled {
			h.violated("TIMELINE: %s is %s: %+v", r.who(), byPhone.Status, timeline.Events)
		}
	}
}

// find looks for a recipient, who must be among those who are found as the state has them.
func (h *harness) find(r row, search state.Search) *state.Row {
	rows, _, err := h.stores[0].Find(background, search)
	must(err)
	i := slices.IndexFunc(rows, func(row state.Row) bool {
		return row.Reference == r.reference && row.Phone.Digits() == r.phone
	})
	switch {
	case i < 0:
		h.violated("NOT FOUND: %s by %+v", r.who(), search)
		return nil
	case rows[i].Status.Code() != r.status || rows[i].Provider != r.provider:
		h.violated("MISREPORTED: %s is %c at %s, found as %s at %s", r.who(), r.status, r.provider,
			rows[i].Status, rows[i].Provider)
	}
	return &rows[i]
}
