package e2e_test

import (
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"tuma/internal/sandbox"
)

// everyFault turns on, at one request or callback in twenty, everything that the simulated
// providers do wrong but paying twice.
var everyFault = strings.ReplaceAll(`{"auth":{`+everyCall+`},
	"send":{`+everyCall+`,"expire_token":P},
	"status":{`+everyCall+`,"expire_token":P,"partial":P,"unknown_codes":P,"reorder":P},
	"missing_lines":P,"half_processed":true,"slow_knowledge":"500ms",
	"http_accepted":202,"http_refused":400,"query_shape":"data",
	"jam":P,"reprocess":P,"late_reversal":P,"late_refund":P,
	"callbacks":{"duplicate":P,"lose":P,"early":P,"form":P,"delay":"100ms","jitter":"500ms",
		"reorder":true,"final_only":false,"validate":true}}`, "P", "0.05")

const everyCall = `"jitter":"30ms","hang_limit":"20s",
	"hang_before":P,"lost_before":P,"error_before":P,"too_many":P,"redirect":P,"hang_after":P,
	"lost_after":P,"error_after":P,"broken_json":P,"cut_body":P,"wrong_types":P`

// lostAt are the recipients of whom a provider's answer to a send was lost, with their amounts.
func (h *harness) lostAt() map[payment]int64 {
	h.t.Helper()
	lost := map[payment]int64{}
	for _, l := range fetched[sandbox.Lost](h, "lost") {
		lost[payment{provider: l.Provider, phone: l.PhoneNumber}] = int64(l.Amount)
	}
	return lost
}

// acceptedAt are the recipients whom each provider has accepted.
func (h *harness) acceptedAt() map[payment]bool {
	h.t.Helper()
	accepted := map[payment]bool{}
	for _, e := range h.entries() {
		accepted[payment{provider: e.Provider, phone: e.PhoneNumber}] = true
	}
	return accepted
}

// requireDoubtWhereLost compares who is in doubt with the providers' own lists of whom they did not
// answer about. Everybody else must have settled, but where the callback was lost after a clear
// answer.
func (h *harness) requireDoubtWhereLost(rows []reported) {
	h.t.Helper()
	lost, accepted := h.lostAt(), h.acceptedAt()
	callbackMissing := map[string]int{}
	for _, r := range rows {
		p := payment{provider: r.Provider, phone: r.PhoneNumber}
		cents, unanswered := lost[p]
		require.NotContains(h.t, []string{"queued", "sending", "rejected", "cancelled"}, r.Status)
		switch {
		case r.Status == "in_doubt":
			require.NotEqual(h.t, sandbox.Lipad, r.Provider, "it can be asked")
			require.True(h.t, unanswered, "in doubt although %s answered", r.Provider)
			require.Equal(h.t, parseCents(h.t, r.Amount), cents)
			if r.Provider == sandbox.AfricasTalking {
				require.True(h.t, accepted[p], "asked for again until it arrived")
			}
			if accepted[p] {
				callbackMissing[r.Provider]++
			}
		case r.Status == "submitted":
			require.Equal(h.t, sandbox.Sozuri, r.Provider, "only there nobody can be asked")
			require.False(h.t, unanswered)
			callbackMissing[r.Provider]++
		case unanswered:
			require.True(h.t, accepted[p], "settled by a callback, or by an answer to a repetition")
			require.NotEqual(h.t, sandbox.QuickSMS, r.Provider, "nothing there can settle it")
		}
	}
	require.Equal(h.t, h.of(sandbox.Sozuri).Callbacks.Lost, callbackMissing[sandbox.Sozuri],
		"each callback that came has settled somebody")
	require.LessOrEqual(h.t, callbackMissing[sandbox.AfricasTalking],
		h.of(sandbox.AfricasTalking).Callbacks.Lost)
}

// TestEveryFaultAtOnce runs all four providers with every fault on at once. Nobody is paid twice;
// in doubt is who may be and nobody else; and after people have spoken everything agrees.
func TestEveryFaultAtOnce(t *testing.T) {
	t.Parallel()
	const each = 300
	h := newHarness(t, setup{four: true, batch: 20, config: byNetwork, faults: everyFault})
	h.pods(2)
	path, wanted := fourFile(t, "hostile", 0, each)
	h.must(0, "import", path, "--reference", "hostile")
	h.awaitQuiet()
	h.requireNobodyTwice()
	rows := h.report("hostile")
	h.requireDoubtWhereLost(rows)
	for provider, theirs := range h.ledger().Providers {
		require.NotZero(t, theirs.Lost.Before, provider)
		require.NotZero(t, theirs.Lost.After, provider)
		t.Logf("%s: %v; %v", provider, statusesOf(byProvider(rows)[provider]), theirs.Faults)
	}

	h.lateCallbacks(rows)
	require.NotZero(t, h.resolveByLedger())
	h.finished(wanted, "hostile")
	for provider, rows := range byProvider(h.report("hostile")) {
		require.Len(t, rows, each, provider)
	}
	require.Contains(t, h.must(0, "indoubt", "list").out, "nothing waits for people")
}
