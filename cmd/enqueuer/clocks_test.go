package main

import "time"

// changing is a time zone whose clocks are put forward and back by an hour each year, both times
// over half past two.
var changing = func() *time.Location {
	zone, err := time.LoadLocation("Europe/Berlin")
	if err != nil {
		panic(err)
	}
	return zone
}()

// clockChanges returns a local time over which the clocks of the zone are put forward next, and one
// over which they are put back.
func clockChanges(now time.Time) (leftOut, twice string) {
	for range 2 {
		_, at := now.In(changing).ZoneBounds()
		if text := at.Format(time.DateOnly) + " 02:30"; at.IsDST() {
			leftOut = text
		} else {
			twice = text
		}
		now = at
	}
	return leftOut, twice
}
