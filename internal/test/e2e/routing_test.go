package e2e_test

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"tuma/internal/sandbox"
)

// everyRule has a rule of each kind; kinds says who meets which.
const everyRule = `
routing:
  rules:
    - {name: rewards, campaigns: [rewards-*], providers: [sozuri]}
    - {name: airtel, networks: [airtel], providers: [africastalking]}
    - {name: large, currencies: [KES], min_amount: "4000", providers: [sozuri, lipad]}
    - {name: telkom, networks: [telkom], providers: [quicksms, sozuri]}
    - {name: rest, providers: [lipad]}
  ported:
    "254712000000": airtel
    "0712000001": airtel
`

// kind is recipients of whom one thing decides where they go.
type kind struct {
	name     string
	phone    string // with room for the place
	amount   string
	campaign string
	given    string
	provider string // where they are to go
	count    int
}

var kinds = []kind{
	{"by network", "25473%07d", "10.05", "", "", sandbox.AfricasTalking, 60},
	{"by network, whole", "25477%07d", "11", "", "", sandbox.QuickSMS, 60},
	{"cents are not for the first", "25478000%04d", "20.50", "", "", sandbox.AfricasTalking, 20},
	{"cents go to the second", "25477100%04d", "20.50", "", "", sandbox.Sozuri, 20},
	{"ported", "25471200000%d", "12", "", "", sandbox.AfricasTalking, 2},
	{"not ported", "25471210%04d", "12", "", "", sandbox.Lipad, 60},
	{"by campaign", "25471220%04d", "13", "rewards-2026", "", sandbox.Sozuri, 40},
	{"another campaign", "25471230%04d", "13", "reward", "", sandbox.Lipad, 20},
	{"by amount", "25471240%04d", "4000", "", "", sandbox.Sozuri, 20},
	{"too much for the first", "25471250%04d", "5000.05", "", "", sandbox.Lipad, 20},
	{"just below the amount", "25471260%04d", "3999.95", "", "", sandbox.Lipad, 20},
	{"named", "25471270%04d", "14", "rewards-2026", sandbox.QuickSMS, sandbox.QuickSMS, 20},
}

// kindsFile writes everybody of all kinds, one of each in turn, and says who is to go where.
func kindsFile(t *testing.T) (path string, wanted orders, provider map[string]string) {
	t.Helper()
	text, wanted, provider := &strings.Builder{}, orders{}, map[string]string{}
	text.WriteString("reference,phone_number,amount,campaign,provider\n")
	for i := range 60 {
		for n, k := range kinds {
			if i >= k.count {
				continue
			}
			reference := fmt.Sprintf("kind-%d-%d", n, i/25)
			phone := fmt.Sprintf(k.phone, i)
			fmt.Fprintf(text, "%s,%s,%s,%s,%s\n", reference, phone, k.amount, k.campaign, k.given)
			wanted[who{reference, phone}] = parseCents(t, k.amount)
			provider[phone] = k.provider
		}
	}
	path = filepath.Join(t.TempDir(), "kinds.csv")
	require.NoError(t, os.WriteFile(path, []byte(text.String()), 0o600))
	return path, wanted, provider
}

// TestOneFileForFourProviders imports one file that the rules divide among all providers, with
// callbacks, and with Africa's Talking asking before it pays.
func TestOneFileForFourProviders(t *testing.T) {
	t.Parallel()
	h := newHarness(t, setup{
		four: true, batch: 50, config: everyRule, faults: `{"callbacks":{"validate":true}}`,
	})
	h.pods(1)
	path, wanted, provider := kindsFile(t)
	h.must(0, "import", path, "--reference", "four")
	h.finished(wanted, "four")
	rows := h.report("four")
	for _, r := range rows {
		require.Equal(t, provider[r.PhoneNumber], r.Provider, "%s of %s", r.PhoneNumber, r.Reference)
	}
	requireFourEnds(t, rows)

	totals := h.ledger()
	for name, theirs := range totals.Providers {
		require.NotZero(t, theirs.Recipients.Paid, name)
		require.Zero(t, theirs.Callbacks.Unanswered, name)
	}
	at := totals.Providers[sandbox.AfricasTalking]
	require.Equal(t, 82, at.Callbacks.Asked, "asked before each payment")
	require.Zero(t, at.Callbacks.Denied)
	require.Zero(t, h.rdb.XLen(t.Context(), "{tuma}:dead_letters").Val())
	h.await("no callback is left over", func() bool {
		figures, err := h.open().Stats(t.Context())
		return err == nil && figures.Parked == 0
	})
}
