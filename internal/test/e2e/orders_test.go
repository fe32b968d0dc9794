package e2e_test

import (
	"bufio"
	"cmp"
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"testing"

	"github.com/stretchr/testify/require"

	"tuma/internal/airtime"
	"tuma/internal/sandbox"
	"tuma/internal/state"
)

// who names a recipient: a number may be in many disbursals, but once in each.
type who struct{ reference, phone string }

// orders are what producers asked for: recipient → cents.
type orders map[who]int64

// phoneAt makes Kenyan mobile numbers in sequence. They stay below the numbers that decide their
// own fate at the simulated providers.
func phoneAt(i int) string { return fmt.Sprintf("25471%07d", i) }

// centsAt makes amounts with and without cents, from KES 10 to KES 59.95.
func centsAt(i int) int64 { return 10_00 + int64(i%1000)*5 }

func decimal(cents int64) string { return fmt.Sprintf("%d.%02d", cents/100, cents%100) }

// parseCents reads an amount of a report exactly.
func parseCents(t *testing.T, text string) int64 {
	t.Helper()
	money, err := airtime.ParseAmount(text, "KES")
	require.NoError(t, err)
	return money.Minor
}

// job is the documented form of a disbursal, written by hand so that no code of ours is trusted
// to spell it.
type job struct {
	Reference  string         `json:"reference"`
	Recipients []jobRecipient `json:"recipients"`
	Currency   string         `json:"currency,omitempty"`
	Provider   string         `json:"provider,omitempty"`
	Campaign   string         `json:"campaign,omitempty"`
	NotBefore  string         `json:"not_before,omitempty"`
}

type jobRecipient struct {
	PhoneNumber string `json:"phone_number"`
	Amount      string `json:"amount"`
}

// makeJobs makes jobs of a campaign and returns them with what they ask for. Neighbouring jobs
// share some numbers, so that batches have to keep them apart.
func makeJobs(campaign string, jobs, each int) ([]job, orders) {
	made, wanted := make([]job, jobs), orders{}
	for i := range made {
		j := job{Reference: fmt.Sprintf("%s-%04d", campaign, i), Campaign: campaign}
		for k := range each {
			n := i*each*3/4 + k
			j.Recipients = append(j.Recipients,
				jobRecipient{PhoneNumber: phoneAt(n), Amount: decimal(centsAt(n + i))})
			wanted[who{j.Reference, phoneAt(n)}] = centsAt(n + i)
		}
		made[i] = j
	}
	return made, wanted
}

func encode(t *testing.T, value any) string {
	t.Helper()
	text, err := json.Marshal(value)
	require.NoError(t, err)
	return string(text)
}

// accept hands jobs to the state as every inlet does, and leaves it to the sweepers to wake the
// workers.
func (h *harness) accept(jobs []job) {
	h.t.Helper()
	for _, j := range jobs {
		d := state.Disbursal{
			Reference: j.Reference, Campaign: j.Campaign, Currency: "KES",
			Provider: cmp.Or(j.Provider, sandbox.Lipad), Given: j.Provider,
		}
		for _, r := range j.Recipients {
			d.Recipients = append(d.Recipients, airtime.Recipient{
				Phone:  airtime.MSISDNFromE164(r.PhoneNumber),
				Amount: airtime.Money{Minor: parseCents(h.t, r.Amount), Currency: "KES"},
			})
		}
		accepted, err := h.open().Accept(h.t.Context(), []state.Disbursal{d})
		require.NoError(h.t, err)
		require.Equal(h.t, []state.Outcome{state.Accepted}, accepted.Outcomes)
	}
}

// writeFile writes rows first..first+n-1 as CSV and returns the file with what it asks for when it
// is imported under the reference.
func writeFile(t *testing.T, reference string, first, n int) (string, orders) {
	t.Helper()
	path := filepath.Join(t.TempDir(), "recipients.csv")
	file, err := os.Create(path)
	require.NoError(t, err)
	out := bufio.NewWriter(file)
	wanted := make(orders, n)
	fmt.Fprintln(out, "phone_number,amount")
	for i := range n {
		phone, cents := phoneAt(first+i), centsAt(first+i)
		fmt.Fprintf(out, "%s,%s\n", phone, decimal(cents))
		wanted[who{reference + "/" + strconv.Itoa(i/1000+1), phone}] = cents
	}
	require.NoError(t, out.Flush())
	require.NoError(t, file.Close())
	return path, wanted
}
