package e2e_test

import (
	"bufio"
	"encoding/json"
	"fmt"
	"io"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/stretchr/testify/require"

	"tuma/internal/airtime"
	"tuma/internal/sandbox"
)

// reported is one line of `enqueuer report --format json`.
type reported struct {
	Reference   string `json:"reference"`
	PhoneNumber string `json:"phone_number"`
	Amount      string `json:"amount"`
	Currency    string `json:"currency"`
	Provider    string `json:"provider"`
	Status      string `json:"status"`
	Reason      string `json:"reason"`
	Batch       string `json:"batch"`
	// ProviderReference is the provider's own id of the recipient.
	ProviderReference string `json:"provider_reference"`
}

func (r reported) who() who { return who{r.Reference, r.PhoneNumber} }

// payment names money that moved at the simulated providers. Where they have no reference of ours
// the batch is empty, and all payments to the number are one.
type payment struct{ provider, batch, phone string }

// moved is money, and in how many payments it moved.
type moved struct {
	times int
	cents int64
}

func paymentTo(provider, batch, phone string) payment {
	if provider == sandbox.QuickSMS || provider == sandbox.Sozuri {
		batch = ""
	}
	return payment{provider, batch, phone}
}

// paid says whether the status means that the recipient was paid at some time. Unconfirmed does as
// far as the provider reports; see newHarness.
func (r reported) paid() bool {
	return slices.Contains([]string{"successful", "unconfirmed", "reversed", "refunded"}, r.Status)
}

// held says that a guard, an approval or the schedule holds the recipient: it has no result yet.
func (r reported) held() bool { return r.Status == "held" }

// awaitSettled waits until the books hold that many recipients and none of them is open.
func (h *harness) awaitSettled(recipients int) {
	h.t.Helper()
	h.await(fmt.Sprintf("%d recipients settled", recipients), func() bool {
		open, all := h.counts()
		return all == int64(recipients) && open == 0
	})
}

// counts reads from the books how many recipients are open, and how many there are.
func (h *harness) counts() (open, all int64) {
	h.t.Helper()
	figures, err := h.open().Stats(h.t.Context())
	if err != nil {
		return -1, -1 // Redis is away, as some tests have it.
	}
	for field, figure := range figures.Book {
		words := strings.Fields(field)
		if len(words) != 3 || words[2] == "requested" {
			continue
		}
		status, err := airtime.ParseStatus(words[2])
		require.NoError(h.t, err)
		all += figure
		if !status.Settled() {
			open += figure
		}
	}
	return open, all
}

// finished waits until everything has settled and makes the check that ends every test: our report
// against the providers' own ledger. It returns how many recipients stand in each status.
func (h *harness) finished(wanted orders, names ...string) map[string]int {
	h.t.Helper()
	h.awaitSettled(len(wanted))
	return h.check(wanted, names...)
}

// check compares the reports of names, which must hold everything that was ever accepted, with the
// orders, the ledger and the results stream.
func (h *harness) check(wanted orders, names ...string) map[string]int {
	h.t.Helper()
	h.must(0, "verify")
	var rows []reported
	for _, name := range names {
		rows = append(rows, h.report(name)...)
	}
	counts := map[string]int{}
	got := make(orders, len(rows))
	for _, r := range rows {
		counts[r.Status]++
		require.Equal(h.t, "KES", r.Currency)
		_, twice := got[r.who()] // Not NotContains: it compares with every key.
		require.False(h.t, twice, "reported twice")
		got[r.who()] = parseCents(h.t, r.Amount)
	}
	requireSame(h.t, wanted, got, "the report is not what was asked for")
	require.Empty(h.t, h.ledgerDifference(rows), "the ledger (-) and the report (+) differ")
	h.compareResults(slices.DeleteFunc(slices.Clone(rows), reported.held))
	h.compareStatement(rows)
	require.Zero(h.t, h.rdb.SCard(h.t.Context(), "{tuma}:overpaid").Val(), "second effects")
	return counts
}

// compareStatement wants the statement to be the sum of the reports of everything, to the cent.
func (h *harness) compareStatement(rows []reported) {
	h.t.Helper()
	columns := map[string]string{"successful": "paid", "unconfirmed": "paid"}
	for _, s := range airtime.Statuses() {
		switch name := s.String(); {
		case columns[name] != "":
		case s.Settled() || s == airtime.InDoubt:
			columns[name] = name
		default:
			columns[name] = "open"
		}
	}
	want, got := map[string]int64{}, map[string]int64{}
	for _, r := range rows {
		of := r.Provider + " " + r.Currency + " "
		want[of+"recipients"]++
		want[of+"requested"] += parseCents(h.t, r.Amount)
		want[of+columns[r.Status]] += parseCents(h.t, r.Amount)
	}
	amounts := append(slices.Compact(slices.Sorted(maps.Values(columns))), "requested")
	for _, line := range h.stated() {
		of := fmt.Sprintf("%s %s ", line["provider"], line["currency"])
		count, _ := line["recipients"].(float64)
		got[of+"recipients"] += int64(count)
		for _, column := range amounts {
			if amount, _ := line[column].(string); amount != "0.00" {
				got[of+column] += parseCents(h.t, amount)
			}
		}
	}
	require.Equal(h.t, want, got, "the statement is not the sum of the reports")
}

// stated reads the statements of yesterday's and of tomorrow's month: a test is not a day long.
func (h *harness) stated() (lines []map[string]any) {
	h.t.Helper()
	months := map[string]bool{}
	for _, days := range []int{-1, 1} {
		months[time.Now().AddDate(0, 0, days).Format("2006-01")] = true
	}
	for month := range months {
		text := h.must(0, "statement", "--json", "--month", month).out
		lines = append(lines, decodeLines[map[string]any](h.t, strings.NewReader(text))...)
	}
	return lines
}

// requireSame compares large maps, and shows no more of their difference than helps.
func requireSame[V comparable](t *testing.T, want, got map[who]V, what string) {
	t.Helper()
	require.Empty(t, difference(want, got), what)
}

// difference is a diff of what is not in both.
func difference[K, V comparable](want, got map[K]V) string {
	if maps.Equal(want, got) {
		return "" // By far the most frequent answer, and cmp takes its time with large maps.
	}
	missing, surplus := maps.Clone(want), maps.Clone(got)
	maps.DeleteFunc(missing, func(k K, v V) bool { other, both := got[k]; return both && v == other })
	maps.DeleteFunc(surplus, func(k K, v V) bool { other, both := want[k]; return both && v == other })
	return fmt.Sprintf("%.4000s", cmp.Diff(missing, surplus,
		cmp.AllowUnexported(who{}, payment{}, moved{})))
}

// report reads every recipient of a name.
func (h *harness) report(name string) []reported {
	h.t.Helper()
	path := filepath.Join(h.t.TempDir(), "report.jsonl")
	h.must(0, "report", name, "--format", "json", "-o", path)
	file, err := os.Open(path)
	require.NoError(h.t, err)
	defer func() { _ = file.Close() }()
	return decodeLines[reported](h.t, file)
}

func decodeLines[T any](t *testing.T, from io.Reader) []T {
	t.Helper()
	var all []T
	decoder := json.NewDecoder(bufio.NewReader(from))
	for {
		var one T
		err := decoder.Decode(&one)
		if err == io.EOF {
			return all
		}
		require.NoError(t, err)
		all = append(all, one)
	}
}

// ledgerDifference is the heart of the matter: reported as paid ⇔ paid exactly once, with this
// amount, by the provider of the report and under its batch. It is empty when report and ledger
// agree.
func (h *harness) ledgerDifference(rows []reported) string {
	h.t.Helper()
	theirs, ours := map[payment]moved{}, map[payment]moved{}
	book := func(in map[payment]moved, p payment, times int, cents int64) {
		if times > 0 {
			in[p] = moved{in[p].times + times, in[p].cents + cents}
		}
	}
	for _, e := range h.entries() {
		book(theirs, paymentTo(e.Provider, e.Reference, e.PhoneNumber), e.TimesPaid,
			int64(e.AmountPaid))
	}
	var sum int64
	for _, r := range rows {
		if r.paid() {
			cents := parseCents(h.t, r.Amount)
			book(ours, paymentTo(r.Provider, r.Batch, r.PhoneNumber), 1, cents)
			sum += cents
		}
	}
	if found := difference(theirs, ours); found != "" {
		return found
	}
	totals := h.ledger()
	if totals.Recipients.Twice != 0 || decimal(sum) != totals.Totals["KES"].String() {
		return fmt.Sprintf("%d paid twice; totals: report %s, ledger %s",
			totals.Recipients.Twice, decimal(sum), totals.Totals["KES"])
	}
	return ""
}

// entries are what the simulated providers have accepted.
func (h *harness) entries() []sandbox.Entry { return fetched[sandbox.Entry](h, "recipients") }

// fetched reads one of the lists of the ledger.
func fetched[T any](h *harness, list string) (all []T) {
	h.t.Helper()
	h.get("/sandbox/ledger/"+list, func(body io.Reader) error {
		all = decodeLines[T](h.t, body)
		return nil
	})
	return all
}

// compareResults demands one entry per recipient on the results stream, and one more per
// correction; the last one says what the report says.
func (h *harness) compareResults(rows []reported) {
	h.t.Helper()
	last, firsts := map[who]string{}, map[who]int{}
	for from := "-"; ; {
		entries, err := h.rdb.XRangeN(h.t.Context(), "{tuma}:results", from, "+", 5000).Result()
		require.NoError(h.t, err)
		for _, e := range entries {
			text := func(field string) string { s, _ := e.Values[field].(string); return s }
			recipient := who{text("reference"), text("phone_number")}
			if text("corrected") != "true" {
				firsts[recipient]++
			}
			last[recipient] = text("status") + " " + text("amount") + " " + text("batch")
		}
		if len(entries) == 0 {
			break
		}
		from = "(" + entries[len(entries)-1].ID
	}
	want, once := map[who]string{}, map[who]int{}
	for _, r := range rows {
		want[r.who()] = r.Status + " " + r.Amount + " " + r.Batch
		once[r.who()] = 1
	}
	requireSame(h.t, once, firsts, "results that are no correction: one per recipient")
	requireSame(h.t, want, last, "the report (-) and the last result (+) differ")
}

// requireEnd demands that everybody ended paid or unpaid at the provider, and both occurred.
func requireEnd(t *testing.T, counts map[string]int, recipients int) {
	t.Helper()
	require.NotZero(t, counts["successful"])
	require.Equal(t, recipients, counts["successful"]+counts["failed"], "%v", counts)
}
