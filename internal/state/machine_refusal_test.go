package state_test

import (
	"pgregory.net/rapid"

	"tuma/internal/airtime"
	"tuma/internal/state"
)

// divide takes a batch that could not be prepared.
func (x *machine) divide(*rapid.T) {
	f := draw(x, "flight", x.latest(x.flights))
	children, want := state.Children{token(), token()}, state.NextStep("")
	if f.model.state == state.BatchClaimed && f.model.holder == f.holder {
		if f.model.attempt > 0 {
			x.unclaim(f.model)
			want = state.Requeued
		} else {
			want = x.model.divide(f.model, airtime.Queued, children)
			f.model.state, f.model.lapse = state.BatchReturned, 0
		}
	}
	got, wakeup, err := x.store.Divide(background, f.batch, f.holder, "cannot be spelled", children)
	x.must(err)
	if x.echo.on.Load() {
		want = ""
	}
	x.equal(want, got, "divide")
	if wakeup != nil {
		x.woken([]state.Wakeup{*wakeup})
	}
}
