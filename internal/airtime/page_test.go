package airtime_test

import (
	"os"
	"regexp"
	"strconv"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"tuma/internal/airtime"
	"tuma/internal/test/pagetest"
)

const statusPage = "docs/state-machine.md"

// TestThePageOfStatusesIsTheTable holds the table of statuses against the data, and what it says of
// each against the comment of its constant.
func TestThePageOfStatusesIsTheTable(t *testing.T) {
	t.Parallel()
	rows := [][]string{{
		"status", "code", "rank", "settled", "in flight", "live", "moves next", "recipients …",
	}}
	says := pagetest.Comments(t, "status.go", "Status")
	require.Len(t, says, len(airtime.Statuses()))
	for i, s := range airtime.Statuses() {
		means := strings.TrimPrefix(says[i], "recipients ")
		rows = append(rows, []string{
			s.String(), string(s.Code()), strconv.Itoa(s.Rank()), yes(s.Settled()),
			yes(s.InFlight()), yes(s.Live()), s.MovesNext(), means,
		})
	}
	pagetest.Part(t, statusPage, "statuses", pagetest.Table(rows...))
}

func yes(holds bool) string {
	if holds {
		return "yes"
	}
	return "no"
}

func TestThePageShowsChangesThatRanksPermit(t *testing.T) {
	t.Parallel()
	text, err := os.ReadFile("../../" + statusPage)
	require.NoError(t, err)
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
