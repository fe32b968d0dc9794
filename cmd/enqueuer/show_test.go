package main

import (
	"bytes"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"tuma/internal/state"
)

// paidTimeline is the one that docs/operations.md shows.
func paidTimeline() state.Timeline {
	const batch, provider = "019aa3b1-0000-7000-8000-000000000001", "africastalking"
	at := time.Date(2026, 11, 21, 6, 0, 0, 0, time.UTC)
	after := func(d time.Duration, what string, attempt int, detail string) state.Event {
		return state.Event{
			At: at.Add(d), What: what, Batch: batch, Attempt: attempt, Provider: provider, Detail: detail,
		}
	}
	return state.Timeline{
		Events: []state.Event{
			{
				At: at, What: "accepted", Detail: "submitted by wanjiku, rows 1 to 1,000 of import wave-7",
			},
			{At: at, What: "queued", Provider: provider},
			after(time.Second, "sending", 1, ""),
			after(3*time.Second, "answered", 1, "http 201 after 2000 ms: 1 accepted"),
			after(time.Minute, "callback", 0, "successful, reference ATQid_7; it moved the recipient"),
			after(time.Minute, "settled", 0, "successful, Success, reference ATQid_7"),
		},
		Verdict: "paid on 2026-11-21T06:01:00Z by africastalking, africastalking's reference ATQid_7",
	}
}

// TestATimelineOnATerminal wants what the page shows.
func TestATimelineOnATerminal(t *testing.T) {
	t.Parallel()
	nairobi := time.FixedZone("EAT", 3*60*60)
	var out bytes.Buffer
	tabulate(&out, paidTimeline(), func(at time.Time) string {
		return at.In(nairobi).Format("2006-01-02 15:04:05 MST")
	})
	page, err := os.ReadFile("../../docs/operations.md")
	require.NoError(t, err)
	_, shown, _ := strings.Cut(string(page), "### What happened to one recipient\n")
	_, shown, _ = strings.Cut(shown, "```\n")
	shown, _, _ = strings.Cut(shown, "```\n")
	require.Equal(t, shown, out.String())
}

// TestATimelineForPrograms: every line has the same fields, all of them texts.
func TestATimelineForPrograms(t *testing.T) {
	t.Parallel()
	const batch = `"batch":"019aa3b1-0000-7000-8000-000000000001",`
	short := paidTimeline()
	short.Events = short.Events[2:4]
	short.Events = append(short.Events, state.Event{What: "evidence", Detail: "<&>"})
	var out bytes.Buffer
	require.NoError(t, writeEvents(&out, short))
	require.Equal(t, `{"at":"2026-11-21T06:00:01.000Z","what":"sending",`+batch+
		`"attempt":"1","provider":"africastalking","detail":""}
{"at":"2026-11-21T06:00:03.000Z","what":"answered",`+batch+
		`"attempt":"1","provider":"africastalking","detail":"http 201 after 2000 ms: 1 accepted"}
{"at":"","what":"evidence","batch":"","attempt":"","provider":"","detail":"<&>"}
{"at":"","what":"verdict","batch":"","attempt":"","provider":"",`+
		`"detail":"paid on 2026-11-21T06:01:00Z by africastalking, africastalking's reference ATQid_7"}
`, out.String())
}
