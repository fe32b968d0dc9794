package sandbox

import (
	"encoding/json"
	"math"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

func TestFaultsSurviveJSON(t *testing.T) {
	t.Parallel()
	for name, f := range map[string]Faults{"calm": DefaultFaults(), "hostile": HostileFaults()} {
		f.Send.LostAfter = Chance{Probability: 0.5, Next: 3}
		require.NoError(t, f.Validate(), name)
		written, err := json.Marshal(f)
		require.NoError(t, err)
		read, err := ParseFaults(written)
		require.NoError(t, err)
		require.Equal(t, f, read)
	}
}

func TestParseFaults(t *testing.T) {
	t.Parallel()
	got, err := ParseFaults([]byte(`{
		"send": {"latency": "200ms", "lost_after": 0.25, "cut_body": {"next": 2}},
		"outcomes": {"failed": 1}, "pace": {"open_polls": 0}, "repeat": "pay"}`))
	require.NoError(t, err)
	want := DefaultFaults()
	want.Send.Latency = Duration(200 * time.Millisecond)
	want.Send.LostAfter, want.Send.CutBody = Sometimes(0.25), NextRequests(2)
	want.Outcomes, want.Pace.OpenPolls, want.Repeat = Weights{Failed: 1}, 0, RepeatPay
	require.Equal(t, want, got)
	got, err = ParseFaults([]byte(`{}`))
	require.NoError(t, err)
	require.Equal(t, DefaultFaults(), got)
}

func TestParseFaultsNamesWhatIsWrong(t *testing.T) {
	t.Parallel()
	chance := `want a probability from 0 to 1, or {"probability": 0.1, "next": 3}`
	for body, want := range map[string]string{
		`{"send":{"latency":200}}`: `send.latency: want a duration as a string, such as "200ms", ` +
			`not 200`,
		`{"send":{"latency":"2 s"}}`: `send.latency: want a duration as a string, such as ` +
			`"200ms", not "2 s"`,
		`{"auth":{"lost_after":"0.1"}}`:       `auth.lost_after: ` + chance + `, not "0.1"`,
		`{"auth":{"lost_after":null}}`:        `auth.lost_after: ` + chance + `, not null`,
		`{"auth":{"lost_after":{"nxt":1}}}`:   `auth.lost_after: ` + chance + `, not {"nxt":1}`,
		`{"auth":{"lost_after":1.5}}`:         `auth.lost_after: want a probability from 0 to 1`,
		`{"outcomes":{"lucky":1}}`:            `outcomes: want weights such as`,
		`{"refuse_all":1}`:                    `refuse_all: want a bool, not number`,
		`{"status":{"refuse_all":true}}`:      `unknown field "refuse_all"`,
		`{"auth":{"partial":1}}`:              `unknown field "partial"`,
		`{} {}`:                               `more than one JSON value`,
		`{"repeat":`:                          `unexpected EOF`,
		`{"pace":{"by":"luck"}}`:              `pace.by: want one of polls, time, not "luck"`,
		`{"outcomes":{}}`:                     `outcomes: want at least one weight above 0`,
		`{"send":{"lost_after":{"next":-1}}}`: `send.lost_after.next: want 0 to 1000000, not -1`,
	} {
		_, err := ParseFaults([]byte(body))
		require.ErrorContains(t, err, want, body)
	}
}

func TestValidateReportsEveryField(t *testing.T) {
	t.Parallel()
	bad := CallFaults{
		Latency: -1, Jitter: Duration(time.Hour), HangLimit: Duration(time.Hour), RetryAfter: -1,
		HangBefore: Sometimes(2), LostBefore: Sometimes(-1), ErrorBefore: Sometimes(math.NaN()),
		TooMany: NextRequests(-1), Redirect: Sometimes(2), HangAfter: Sometimes(2),
		LostAfter: Sometimes(2), ErrorAfter: Sometimes(2), BrokenJSON: Sometimes(2),
		CutBody: Sometimes(2), WrongTypes: Sometimes(2),
	}
	f := Faults{
		Auth:   bad,
		Send:   SendFaults{CallFaults: bad, ExpireToken: Sometimes(2)},
		Status: StatusFaults{bad, Sometimes(2), Sometimes(2), Sometimes(2), Sometimes(2)},
		Repeat: "x", UnknownReference: "x", SlowKnowledge: -1, RefuseSuffix: "12x",
		HTTPAccepted: 302, HTTPRefused: 500, ExpiresIn: 1, TokenLife: -1,
		Outcomes: Weights{-1, math.NaN(), math.Inf(1), -1},
		Jam:      2, Reprocess: -1.5, LateReversal: 0.6, LateRefund: 0.6,
		Pace:         Pace{"x", -1, -1, -1, -1, -1, -1},
		RepeatWindow: -1, QueryShape: "x", UnknownID: "x", Balance: "KES 5",
		MissingLines: Sometimes(2),
		Callbacks: CallbackFaults{
			Duplicate: Sometimes(2), Lose: Sometimes(2), Early: Sometimes(2), Form: Sometimes(2),
			Delay: -1, Jitter: Duration(time.Hour),
		},
	}
	var want []string
	for _, call := range []string{"auth.", "send.", "status."} {
		for _, name := range []string{
			"latency", "jitter", "hang_limit", "retry_after", hangBefore, lostBefore, errorBefore,
			tooMany + ".next", redirect, hangAfter, lostAfter, errorAfter, brokenJSON, cutBody,
			wrongTypes,
		} {
			want = append(want, call+name)
		}
	}
	want = append(want, "send.expire_token", "status.expire_token", "status.partial",
		"status.unknown_codes", "status.reorder", "repeat", "unknown_reference",
		"slow_knowledge", "expires_in", "token_life", "refuse_suffix", "http_accepted",
		"http_refused", "jam", "reprocess", "late_reversal and late_refund together",
		"outcomes.successful", "outcomes.failed", "outcomes.reversed", "outcomes.refunded",
		"pace.by", "pace.open_polls", "pace.detour_polls", "pace.late_polls", "pace.open_for",
		"pace.detour_for", "pace.late_for", "repeat_window", "query_shape", "unknown_id", "balance",
		"amounts", "discounts",
		"missing_lines", "callbacks.duplicate", "callbacks.lose", "callbacks.early",
		"callbacks.form", "callbacks.delay", "callbacks.jitter")
	var got []string
	for line := range strings.SplitSeq(f.Validate().Error(), "\n") {
		name, _, _ := strings.Cut(line, ": ")
		got = append(got, name)
	}
	require.Equal(t, want, got)
}
