package e2e_test

import (
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"tuma/internal/sandbox"
	"tuma/internal/test/proctest"
)

// fault is something wrong with one provider that is nobody's fault but ours or its own.
type fault struct {
	name, provider, on, off string
	reason                  string
}

var accountFaults = []fault{
	{
		"a wrong key", sandbox.AfricasTalking,
		`{"secret":"another"}`, `{"secret":""}`, "credentials",
	},
	{"an empty wallet", sandbox.Sozuri, `{"balance":"0.00"}`, `{"balance":""}`, "balance"},
	{
		"too many requests", sandbox.QuickSMS,
		`{"send":{"too_many":1,"retry_after":"2s"}}`, `{"send":{"too_many":0}}`, "rate_limited",
	},
	{
		"a storm of 503", sandbox.Lipad,
		`{"send":{"error_before":1}}`, `{"send":{"error_before":0}}`, "server_error",
	},
}

// channel is one channel of `enqueuer status --json`.
type channel struct {
	Provider string `json:"provider"`
	State    string `json:"state"`
	Reason   string `json:"reason"`
	Queued   int64  `json:"queued"`
}

func (h *harness) channel(provider string) channel {
	h.t.Helper()
	var shown struct {
		Channels []channel `json:"channels"`
	}
	require.NoError(h.t, json.Unmarshal([]byte(h.must(0, "status", "--json").out), &shown))
	for _, c := range shown.Channels {
		if c.Provider == provider {
			return c
		}
	}
	return channel{}
}

// metrics reads what Prometheus reads.
func metrics(t *testing.T, address string) string {
	t.Helper()
	answer, err := http.Get("http://" + address + "/metrics")
	require.NoError(t, err)
	defer func() { _ = answer.Body.Close() }()
	text, err := io.ReadAll(answer.Body)
	require.NoError(t, err)
	return string(text)
}

// awaitShown waits until people and Prometheus are shown that a channel is paused, and why.
func (h *harness) awaitShown(address string, f fault) {
	h.t.Helper()
	h.await("status shows the pause of "+f.provider, func() bool {
		c := h.channel(f.provider)
		return c.State == "paused" && c.Reason == f.reason && c.Queued > 0
	})
	row := regexp.MustCompile(fmt.Sprintf(
		`(?m)^tuma_channel_paused_seconds\{provider="%s",reason="%s"\} [0-9.]*[1-9]`,
		f.provider, f.reason))
	h.await("the metrics show the pause of "+f.provider, func() bool {
		return row.MatchString(metrics(h.t, address))
	})
}

// openAt counts who is not settled yet at each provider.
func openAt(rows []reported) map[string]int {
	open := map[string]int{}
	for _, r := range rows {
		switch r.Status {
		case "successful", "failed", "unconfirmed":
		default:
			open[r.Provider]++
		}
	}
	return open
}

// TestOneProviderIsAway has something wrong with one provider at a time. Its recipients wait, and
// the others' do not; it goes on by itself when it works again.
func TestOneProviderIsAway(t *testing.T) {
	t.Parallel()
	const each = 100
	h := newHarness(t, setup{four: true, batch: 10, config: byNetwork})
	h.start(cmdPoller).WaitOutput("serving", testTimeout)
	address := proctest.FreeAddr(t)
	h.run(proctest.Build(t, cmdWorker), []string{"TUMA_OPS_ADDR=" + address}).
		WaitOutput("serving", testTimeout)
	wanted, names := orders{}, []string{}
	for i, f := range accountFaults {
		h.faults(f.provider, f.on)
		name := fmt.Sprintf("away-%d", i)
		path, more := fourFile(t, name, i*each, each)
		h.must(0, "import", path, "--reference", name)
		h.await("all but one provider settle", func() bool {
			open := openAt(h.report(name))
			return len(open) == 1 && open[f.provider] == each
		})
		h.awaitShown(address, f)
		for _, r := range byProvider(h.report(name))[f.provider] {
			if f.reason == "server_error" { // An unclear answer, which only a query explains.
				require.Contains(t, []string{"queued", "sending", "in_doubt"}, r.Status, f.name)
			} else {
				require.Contains(t, []string{"queued", "sending"}, r.Status, f.name)
			}
		}
		require.Zero(t, h.of(f.provider).Recipients.Accepted-i*each, "nothing gets through")

		h.faults(f.provider, f.off)
		for recipient, cents := range more {
			wanted[recipient] = cents
		}
		names = append(names, name)
		h.awaitSettled(len(wanted))
		requireFourEnds(t, h.report(name))
		require.Equal(t, "open", h.channel(f.provider).State)
	}
	h.check(wanted, names...)
}

// moving sends those of Sozuri to Lipad when Sozuri is away, but for one campaign.
const moving = `
routing:
  rules:
    - {name: patient, campaigns: [patient], providers: [sozuri, lipad], when_paused: hold}
    - name: rest
      providers: [sozuri, lipad]
      when_paused: move
      move_after: 1s
`

// TestRecipientsMoveWhereTheRuleSays pauses a provider with a wrong key. Who may goes to the next
// provider; who is to wait, or named the provider, waits.
func TestRecipientsMoveWhereTheRuleSays(t *testing.T) {
	t.Parallel()
	const each = 60
	h := newHarness(t, setup{four: true, batch: 20, config: moving})
	h.pods(1)
	h.faults(sandbox.Sozuri, `{"secret":"another"}`)
	var text strings.Builder
	text.WriteString("phone_number,amount,campaign,provider\n")
	wanted := orders{}
	for i := range 3 * each {
		// One part of the file for each way, in the order in which they first occur.
		part := []string{"moves/1", "moves/1.2", "moves/1.3"}[i%3]
		fmt.Fprintf(&text, "%s,%s,%s\n", phoneAt(i), decimal(centsAt(i)),
			[]string{",", "patient,", "," + sandbox.Sozuri}[i%3])
		wanted[who{part, phoneAt(i)}] = centsAt(i)
	}
	path := filepath.Join(t.TempDir(), "moves.csv")
	require.NoError(t, os.WriteFile(path, []byte(text.String()), 0o600))
	h.must(0, "import", path, "--reference", "moves")
	h.await("those who may have moved, and are paid", func() bool {
		book := h.book()
		return book["lipad successful"]+book["lipad failed"] == each &&
			book["sozuri queued"]+book["sozuri sending"] == 2*each
	})
	require.Zero(t, h.of(sandbox.Sozuri).Recipients.Accepted)

	h.faults(sandbox.Sozuri, `{"secret":""}`)
	h.finished(wanted, "moves")
	for _, r := range h.report("moves") {
		want := sandbox.Sozuri
		if r.Reference == "moves/1" {
			want = sandbox.Lipad
		}
		require.Equal(t, want, r.Provider, r.Reference)
	}
	require.Contains(t, h.must(0, "status", "moves", "--recipients").out,
		"before: sozuri, credentials")
	require.Equal(t, each, h.of(sandbox.Lipad).Recipients.Accepted)
}
