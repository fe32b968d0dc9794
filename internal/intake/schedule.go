package intake

import (
	"fmt"
	"time"

	"tuma/internal/routing"
)

// farthest is how far ahead a job may be scheduled.
const farthest = 366 * 24 * time.Hour

// CheckNotBefore returns an error when a time to send is farther ahead than possible.
func CheckNotBefore(at, now time.Time) error {
	if at.After(now.Add(farthest)) {
		return fmt.Errorf("%s is more than 366 days ahead", at.Format(time.RFC3339))
	}
	return nil
}

// notBeforeOf reads when a job may be sent; zero for at once.
func notBeforeOf(text, prefix string, faults *findings) time.Time {
	if text == "" {
		return time.Time{}
	}
	at, err := time.Parse(time.RFC3339, text)
	if err != nil {
		faults.add(prefix+"not_before", "%s is no time with a zone, such as "+
			"2026-12-04T09:00:00+03:00", shown(text))
		return time.Time{}
	}
	if err := CheckNotBefore(at, time.Now()); err != nil {
		faults.object(prefix+"not_before", "%s", err)
	}
	return at
}

// localTime is how people write a time in the time zone of the settings.
const localTime = "2006-01-02 15:04"

// ParseAt reads a time as people write it: RFC 3339, or as 2026-12-04 09:00 in a time zone. What
// the clocks of the zone never show, or show twice, is an error.
func ParseAt(text string, zone *time.Location) (time.Time, error) {
	if at, err := time.Parse(time.RFC3339, text); err == nil {
		return at, nil
	}
	clock, err := time.Parse(localTime, text)
	if err != nil {
		return time.Time{}, fmt.Errorf("%q is no time: write it as 2026-12-04T09:00:00+03:00, or as "+
			"\"2026-12-04 09:00\" in the time zone %s", text, zone)
	}
	switch shown := routing.Shown(clock, zone); len(shown) {
	case 0:
		return time.Time{}, fmt.Errorf("%q is no time in the time zone %s, whose clocks are put forward "+
			"over it: write an earlier or a later one", text, zone)
	case 1:
		return shown[0], nil
	default:
		return time.Time{}, fmt.Errorf("%q comes twice in the time zone %s, whose clocks are put back "+
			"over it: write %s or %s", text, zone, shown[0].Format(time.RFC3339),
			shown[1].Format(time.RFC3339))
	}
}
