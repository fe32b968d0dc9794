package routing

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

// Days of 23 and of 25 hours, days without a midnight, and hours that come twice.
func TestPeriodsEndWhereClocksChange(t *testing.T) {
	t.Parallel()
	for _, row := range []struct {
		per            Period
		zone, at, want string
	}{
		{PerDay, "Europe/Berlin", "2027-03-27T23:00:00Z", "2027-03-28T22:00:00Z"},
		{PerDay, "Europe/Berlin", "2027-10-30T22:00:00Z", "2027-10-31T23:00:00Z"},
		{PerWeek, "Europe/Berlin", "2027-03-21T23:00:00Z", "2027-03-28T22:00:00Z"},
		{PerWeek, "Europe/Berlin", "2027-10-31T22:59:59Z", "2027-10-31T23:00:00Z"},
		{PerMonth, "Europe/Berlin", "2027-03-15T00:00:00Z", "2027-03-31T22:00:00Z"},
		{PerHour, "Europe/Berlin", "2027-03-28T00:30:00Z", "2027-03-28T01:00:00Z"},
		{PerHour, "Europe/Berlin", "2027-10-30T23:30:00Z", "2027-10-31T00:00:00Z"},
		{PerHour, "Europe/Berlin", "2027-10-31T00:30:00Z", "2027-10-31T02:00:00Z"},
		{PerHour, "Europe/Berlin", "2027-10-31T01:30:00Z", "2027-10-31T02:00:00Z"},
		{PerHour, "America/New_York", "2027-11-07T05:30:00Z", "2027-11-07T07:00:00Z"},
		{PerDay, "Africa/Cairo", "2027-04-29T12:00:00Z", "2027-04-29T22:00:00Z"},
		{PerDay, "Africa/Cairo", "2027-10-28T21:30:00Z", "2027-10-28T22:00:00Z"},
		{PerDay, "America/Havana", "2027-03-13T12:00:00Z", "2027-03-14T05:00:00Z"},
		{PerDay, "Africa/Nairobi", "2027-03-27T21:00:00Z", "2027-03-28T21:00:00Z"},
	} {
		zone, err := time.LoadLocation(row.zone)
		require.NoError(t, err)
		at, err := time.Parse(time.RFC3339, row.at)
		require.NoError(t, err)
		require.Equal(t, row.want, row.per.End(at.In(zone)).UTC().Format(time.RFC3339), "%s %s %s",
			row.per, row.zone, row.at)
	}
}
