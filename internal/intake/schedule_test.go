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
