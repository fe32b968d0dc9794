package e2e_test

import (
	"encoding/json"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"tuma/internal/sandbox"
)

// TestAnotherAmountIsListedAndDiscountsAreReported has providers name another amount than they were
// asked for, and give a discount: the one waits for people as mismatched, the other is reported.
// A number that QuickSMS refuses in words of its own is rejected, not in doubt.
func TestAnotherAmountIsListedAndDiscountsAreReported(t *testing.T) {
	t.Parallel()
	h := newHarness(t, setup{four: true, faults: `{"outcomes":{"successful":1,"failed":0}}`})
	h.faults(sandbox.Lipad, `{"amounts":"other"}`)
	h.faults(sandbox.Sozuri, `{"discounts":"given"}`)
	h.faults(sandbox.QuickSMS, `{"refusal_text":"Airtime could not be queued"}`)
	h.pods(1)
	wanted := orders{}
	var jobs []job
	for reference, order := range map[string]struct{ provider, phone string }{
		"other":   {sandbox.Lipad, "254711000001"},
		"given":   {sandbox.Sozuri, "254711000002"},
		"refused": {sandbox.QuickSMS, "254715550721"},
	} {
		wanted[who{reference, order.phone}] = 1000
		jobs = append(jobs, job{
			Reference: reference, Currency: "KES", Provider: order.provider,
			Recipients: []jobRecipient{{order.phone, "10"}},
		})
	}
	h.accept(jobs)
	counts := h.finished(wanted, "other", "given", "refused")
	require.Equal(t, 1, counts["rejected"])

	var list struct {
		Cases []struct {
			Kind, Reference, Reason string
		}
	}
	said := h.must(0, "indoubt", "list", "--json")
	require.NoError(t, json.NewDecoder(strings.NewReader(said.out)).Decode(&list))
	require.Len(t, list.Cases, 1)
	require.Equal(t, "mismatched", list.Cases[0].Kind)
	require.Equal(t, "other", list.Cases[0].Reference)
	require.Contains(t, h.must(0, "report", "given", "--format", "json").out, `"discount":"0.06"`)
	require.Contains(t, h.must(0, "status", "given", "--json").out, `"discounts":{"KES":"0.06"}`)
}
