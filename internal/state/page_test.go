package state_test

import (
	"fmt"
	"os"
	"regexp"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"tuma/internal/airtime"
)

// TestPageShowsTheStatusTable compares docs/state-machine.md with the data.
func TestPageShowsTheStatusTable(t *testing.T) {
	t.Parallel()
	text, err := os.ReadFile("../../docs/state-machine.md")
	require.NoError(t, err)
	var want, got []string
	for _, s := range airtime.Statuses() {
		settled := "no"
		if s.Settled() {
			settled = "yes"
		}
		want = append(want, fmt.Sprintf("| %s | %c | %d | %s |", s, s.Code(), s.Rank(), settled))
	}
	line := regexp.MustCompile(`^\| \w+ \| \w \| \d \| \w+ \|`)
	for row := range strings.Lines(string(text)) {
		if found := line.FindString(row); found != "" {
			got = append(got, found)
		}
	}
	require.Equal(t, want, got)
	arrow := regexp.MustCompile(`(?m)^ +(\w+) --> (\w+): `)
	arrows := arrow.FindAllStringSubmatch(string(text), -1)
	require.NotEmpty(t, arrows)
	for _, a := range arrows {
		from, err := airtime.ParseStatus(a[1])
		require.NoError(t, err)
		to, err := airtime.ParseStatus(a[2])
		require.NoError(t, err)
		back := to == airtime.Queued || to == airtime.Sending
		require.True(t, back || airtime.Merge(from, to) == to, "%s --> %s", from, to)
	}
}
