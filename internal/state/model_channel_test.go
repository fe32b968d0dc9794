package state_test

import (
	"fmt"
	"slices"
	"strconv"

	"tuma/internal/airtime"
	"tuma/internal/providers"
	"tuma/internal/state"
)

// modelProviders are what the random verbs run against: one that is asked about batches, and one
// whose batches ramp up and whose rate is bounded.
var modelProviders = []providers.Capabilities{
	{Name: "lipad", Code: 'L', Asks: providers.AskByBatch},
	{Name: "quicksms", Code: 'Q', RampsUp: true, Rate: providers.Rate{PerSecond: 3, Burst: 5}},
}

// modelChannel is a channel in plain Go.
type modelChannel struct {
	name     string
	asks     bool
	rampsUp  bool
	rate     providers.Rate
	ready    []*modelBatch
	paused   int64
	since    int64 // When the pause began; zero when it is neither paused nor probed.
	halfOpen bool
	failures int
	ramp     int
	// careful is how many recipients go alone since a request was refused for one of several.
	careful int
	// acceptedAt is when the provider accepted anybody last; refusals counts who was refused alone
	// since.
	acceptedAt int64
	refusals   int
	tokens     float64
	charged    int64
	stranded   []*modelRecipient // Whom Stranded listed last.
	onward     []state.Onward
}

func newModelChannel(name string) *modelChannel {
	p := modelProviders[slices.IndexFunc(modelProviders, func(p providers.Capabilities) bool {
		return p.Name == name
	})]
	return &modelChannel{
		name: name, asks: p.Asks != providers.AskNothing, rampsUp: p.RampsUp, rate: p.Rate,
		tokens: float64(p.Rate.Burst),
	}
}

// pause stops claims for the time that was wished for, or longer with each strike. While they are
// stopped only a longer wish counts.
func (r *modelChannel) pause(now, wish int64) {
	length := wish
	if wish == 0 && r.paused <= now {
		length = min(300_000, int64(1000)<<min(r.failures, 9))
	}
	if now+length <= r.paused || length == 0 {
		return
	}
	if r.since == 0 {
		r.since = now
	}
	r.failures++
	r.paused, r.halfOpen = now+length, true
}

// accepted takes note of an acceptance.
func (r *modelChannel) accepted(now int64) { r.acceptedAt, r.refusals = now, 0 }

// refusedAlone counts a recipient that was refused alone.
func (r *modelChannel) refusedAlone(now int64) {
	r.refusals++
	if r.refusals >= 3 || r.halfOpen {
		r.pause(now, 0)
	}
}

// heard draws the conclusions from the answer to the latest attempt of a batch: about how many
// recipients it was clear, how many came back, and of how many in doubt it said nothing.
// Of a request that was refused for one of several, queued is how many go alone next.
func (r *modelChannel) heard(
	now int64, a answered, got state.Recorded, handed, unclear, queued int,
) {
	clear, doubt, returned := got.Accepted+got.Rejected+handed, got.InDoubt, got.Returned
	forOne := len(a.Batch.Members) > 1 && a.Verdict == airtime.Unknown &&
		a.Reason == airtime.ReasonBatchRefused
	if !forOne {
		r.careful = max(0, r.careful-clear-doubt)
	}
	switch {
	case a.Pause != "":
		r.pause(now, a.RetryAfter.Milliseconds())
	case a.Reason == airtime.ReasonDuplicate:
		if r.paused <= now {
			r.failures, r.halfOpen, r.since = 0, false, 0
		}
	case forOne:
		r.careful = queued
		if r.paused <= now {
			r.failures, r.halfOpen, r.since = 0, false, 0
		}
	case unclear > 0 && clear+returned == 0:
		if r.failures >= 2 || r.halfOpen {
			r.pause(now, 0)
		} else {
			r.failures++
		}
	case clear > 0 && r.paused <= now:
		r.failures, r.halfOpen, r.since = 0, false, 0
	}
	size := []int{1, 10, 100, 1000}[r.ramp]
	if doubt > 0 && a.Reason != airtime.ReasonDuplicate {
		r.ramp = 0
	} else if r.rampsUp && clear >= size && r.ramp < 3 {
		r.ramp++
	}
}

// most is how many recipients a batch may have.
func (r *modelChannel) most(limit int) int {
	if r.halfOpen || r.careful > 0 {
		return 1
	}
	if r.rampsUp {
		return min(limit, []int{1, 10, 100, 1000}[r.ramp])
	}
	return limit
}

// tokensLeft is how many requests the rate permits now; false where there is no rate.
func (r *modelChannel) tokensLeft(now int64) (float64, bool) {
	since := float64(0)
	if r.charged > 0 {
		since = float64(now - r.charged)
	}
	left := min(float64(r.rate.Burst), r.tokens+since*r.rate.PerSecond/1000)
	return left, r.rate.PerSecond > 0
}

// charge takes a token, and rounds as the state stores it.
func (r *modelChannel) charge(now int64) {
	left, bound := r.tokensLeft(now)
	if !bound {
		return
	}
	rounded, err := strconv.ParseFloat(fmt.Sprintf("%.3f", left-1), 64)
	if err != nil {
		panic(err)
	}
	r.tokens, r.charged = rounded, now
}
