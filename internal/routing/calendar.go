package routing

import (
	"slices"
	"time"
)

// aDay is longer than any change of the clocks, and shorter than the time between two.
const aDay = 24 * time.Hour

// Shown returns the instants at which the clocks of a zone show a time: none where they are put
// forward over it, two where they are put back over it. The time is given as if it were UTC.
func Shown(clock time.Time, zone *time.Location) []time.Time {
	return slices.DeleteFunc(candidates(clock, zone), func(at time.Time) bool {
		return !showing(at).Equal(clock)
	})
}

// reached is the first instant at which the clocks of a zone show a full hour or a later time.
func reached(clock time.Time, zone *time.Location) time.Time {
	all := candidates(clock, zone)
	return all[slices.IndexFunc(all, func(at time.Time) bool { return !showing(at).Before(clock) })]
}

// candidates are the instants at which clocks show a time by the offsets before and after a change.
func candidates(clock time.Time, zone *time.Location) []time.Time {
	var all []time.Time
	for _, near := range []time.Time{clock.Add(-aDay), clock.Add(aDay)} {
		_, offset := near.In(zone).Zone()
		all = append(all, clock.Add(-time.Duration(offset)*time.Second).In(zone))
	}
	slices.SortFunc(all, time.Time.Compare)
	return slices.CompactFunc(all, time.Time.Equal)
}

// showing is what clocks show at an instant, as if it were UTC.
func showing(at time.Time) time.Time {
	_, offset := at.Zone()
	return at.UTC().Add(time.Duration(offset) * time.Second)
}
