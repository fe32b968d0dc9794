package intake

import (
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"tuma/internal/state"
)

// Jobs of a file say themselves when they may be sent; the others go with the import.
func TestJobsOfAFileAreScheduled(t *testing.T) {
	t.Parallel()
	at := time.Date(2026, 12, 4, 6, 0, 0, 0, time.UTC)
	text := job(good, `,"not_before":"`+at.Format(time.RFC3339)+`"`) + "\n" +
		strings.Replace(job(good, ""), `"reference":"r"`, `"reference":"s"`, 1) + "\n"
	later := at.Add(time.Hour)
	plan, err := scanText(t, text, Options{AllowRepeats: true, NotBefore: later})
	require.NoError(t, err)
	require.Empty(t, plan.Faults)
	var times []time.Time
	require.NoError(t, plan.Disbursals(func(d state.Disbursal) error {
		times = append(times, d.NotBefore.UTC())
		return nil
	}))
	require.Equal(t, []time.Time{at, later}, times)
}

func TestParseAt(t *testing.T) {
	t.Parallel()
	zone, err := time.LoadLocation("Africa/Nairobi")
	require.NoError(t, err)
	for _, text := range []string{"2026-12-04 09:00", "2026-12-04T09:00:00+03:00"} {
		at, err := ParseAt(text, zone)
		require.NoError(t, err)
		require.Equal(t, time.Date(2026, 12, 4, 6, 0, 0, 0, time.UTC), at.UTC(), text)
	}
	_, err = ParseAt("2026-12-04", zone)
	require.ErrorContains(t, err, `"2026-12-04" is no time`)
	require.NoError(t, CheckNotBefore(time.Unix(0, 0), time.Now()))
	require.ErrorContains(t, CheckNotBefore(time.Now().Add(367*24*time.Hour), time.Now()),
		"is more than 366 days ahead")
}

// Where clocks are put forward or back, a time may be none, or two.
func TestParseAtWhereClocksChange(t *testing.T) {
	t.Parallel()
	for _, row := range []struct{ zone, text, want, fault string }{
		{"Europe/Berlin", "2027-03-28 01:59", "2027-03-28T00:59:00Z", ""},
		{"Europe/Berlin", "2027-03-28 02:00", "", "whose clocks are put forward over it"},
		{"Europe/Berlin", "2027-03-28 02:59", "", "whose clocks are put forward over it"},
		{"Europe/Berlin", "2027-03-28 03:00", "2027-03-28T01:00:00Z", ""},
		{"Europe/Berlin", "2027-10-31 01:59", "2027-10-30T23:59:00Z", ""},
		{
			"Europe/Berlin", "2027-10-31 02:30", "",
			"write 2027-10-31T02:30:00+02:00 or 2027-10-31T02:30:00+01:00",
		},
		{"Europe/Berlin", "2027-10-31 03:00", "2027-10-31T02:00:00Z", ""},
		// At midnight, and west of Greenwich.
		{"Africa/Cairo", "2027-04-30 00:30", "", "whose clocks are put forward over it"},
		{"Africa/Cairo", "2027-04-30 01:00", "2027-04-29T22:00:00Z", ""},
		{
			"Africa/Cairo", "2027-10-28 23:00", "",
			"write 2027-10-28T23:00:00+03:00 or 2027-10-28T23:00:00+02:00",
		},
		{
			"America/New_York", "2027-11-07 01:30", "",
			"write 2027-11-07T01:30:00-04:00 or 2027-11-07T01:30:00-05:00",
		},
		{"America/New_York", "2027-03-14 03:00", "2027-03-14T07:00:00Z", ""},
	} {
		zone, err := time.LoadLocation(row.zone)
		require.NoError(t, err)
		at, err := ParseAt(row.text, zone)
		if row.fault != "" {
			require.ErrorContains(t, err, row.fault, row.text)
			continue
		}
		require.NoError(t, err)
		require.Equal(t, row.want, at.UTC().Format(time.RFC3339), row.text)
	}
}
