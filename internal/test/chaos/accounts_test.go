package chaos_test

import (
	"cmp"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"tuma/internal/airtime"
	"tuma/internal/cli"
	"tuma/internal/sandbox"
)

// row is one line of `enqueuer report --format json`.
type row struct {
	Reference         string `json:"reference"`
	Phone             string `json:"phone_number"`
	Amount            string `json:"amount"`
	Provider          string `json:"provider"`
	Status            string `json:"status"`
	Reason            string `json:"reason"`
	Batch             string `json:"batch"`
	ProviderReference string `json:"provider_reference"`

	cents int64
}

// who names the row as the orders do.
func (r row) who() who {
	reference, _, _ := strings.Cut(r.Reference, "/")
	return who{reference, r.Phone}
}

// paid says whether the recipient was paid at some time, as far as anybody can know.
func (r row) paid() bool {
	return slices.Contains([]string{"successful", "unconfirmed", "reversed", "refunded"}, r.Status)
}

// payment is a kind of payment: two of the same cannot be told apart.
type payment struct {
	provider, phone string
	cents           int64
}

func (r row) payment() payment { return payment{r.Provider, r.Phone, r.cents} }

// accounts compare what was asked for, what we report and what the providers know.
type accounts struct {
	h *harness
	p *producers
	// doubts count who was left to people, by provider, reason and what the ledger said; late counts
	// Sozuri's callbacks that were lost and came after all; unexplained counts doubts that should
	// have ended without people.
	doubts      map[string]int
	late        int
	unexplained int
	rows        []row
	// refused counts those who were cancelled before they were accepted.
	refused int
}

func newAccounts(h *harness, p *producers) *accounts {
	return &accounts{h: h, p: p, doubts: map[string]int{}}
}

// report reads every recipient.
func (h *harness) report(arguments ...string) []row {
	h.t.Helper()
	path := filepath.Join(h.t.TempDir(), "report.jsonl")
	h.must(append([]string{"report", "--format", "json", "-o", path}, arguments...)...)
	file, err := os.Open(path)
	require.NoError(h.t, err)
	defer func() { _ = file.Close() }()
	rows := lines[row](h.t, file)
	for i := range rows {
		money, err := airtime.ParseAmount(rows[i].Amount, "KES")
		require.NoError(h.t, err)
		rows[i].cents = money.Minor
	}
	return rows
}

// unclaimed are the payments of the ledger that no row is reported as.
func (h *harness) unclaimed(rows []row) map[payment]int {
	h.t.Helper()
	left := map[payment]int{}
	for _, e := range ledger[sandbox.Entry](h, "/recipients") {
		left[payment{e.Provider, e.PhoneNumber, int64(e.Amount)}] += e.TimesPaid
	}
	for _, r := range rows {
		if r.paid() {
			left[r.payment()]--
		}
	}
	return left
}

// settle waits until it is quiet and lets people decide, until nobody is left: whoever waited
// behind a number in doubt goes on after each decision.
func (a *accounts) settle() {
	a.h.t.Helper()
	for {
		a.h.awaitQuiet()
		a.rows = a.h.report(campaign, "--campaign")
		left, withdrawn := a.h.unclaimed(a.rows), a.withdrawn()
		words := map[string][]row{}
		for _, r := range a.rows {
			switch {
			case r.Status == "in_doubt":
				if r.Provider == sandbox.Lipad && !withdrawn[r.Batch] {
					a.unexplained++ // It can be asked, and what it does not know is sent again.
				}
				require.NotEmpty(a.h.t, r.Reason, "in doubt without a reason")
				word := "unpaid"
				if left[r.payment()] > 0 {
					left[r.payment()]--
					word = "paid"
				}
				words[word] = append(words[word], r)
				a.doubts[r.Provider+" "+r.Reason+" "+word]++
			case r.Status == "submitted" && r.Provider == sandbox.Sozuri:
				a.h.callLate(r, left)
				a.late++
			}
		}
		for word, rows := range words {
			a.h.decide(word, rows)
		}
		if book, _, err := a.h.book(); err == nil && len(open(a.h.t, book)) == 0 {
			a.rows = a.h.report(campaign, "--campaign")
			return
		}
	}
}

// withdrawn are the batches with somebody who was cancelled after the first sending: nobody sends
// them again, so that even Lipad's answer that it does not know them settles nothing.
func (a *accounts) withdrawn() map[string]bool {
	batches := map[string]bool{}
	for _, r := range a.rows {
		if a.p.cancelled[r.Reference] {
			batches[r.Batch] = true
		}
	}
	return batches
}

// open is the part of a book that is not settled.
func open(t *testing.T, book map[string]int64) map[string]int64 {
	t.Helper()
	left := map[string]int64{}
	for field, n := range book {
		_, word, _ := strings.Cut(field, " ")
		status, err := airtime.ParseStatus(word)
		require.NoError(t, err)
		if !status.Settled() {
			left[field] = n
		}
	}
	return left
}

// callLate sends a callback that Sozuri has lost: nothing else can settle who was accepted there.
func (h *harness) callLate(r row, left map[payment]int) {
	h.t.Helper()
	word := "failed"
	if left[r.payment()] > 0 {
		left[r.payment()]--
		word = "success"
	}
	answer, err := http.Post(h.pollers.base+"/callbacks/"+callbackToken+"/sozuri", "application/json",
		strings.NewReader(fmt.Sprintf(`{"number":%q,"amount":"KES %s","requestId":%q,"status":%q,`+
			`"type":"airtimeDelivery"}`, r.Phone, r.Amount, r.ProviderReference, word)))
	require.NoError(h.t, err)
	_, err = io.Copy(io.Discard, answer.Body)
	require.NoError(h.t, cmp.Or(err, answer.Body.Close()))
	require.Equal(h.t, http.StatusOK, answer.StatusCode)
}

// decide settles rows by the word of a person who has read the providers' ledger, unless one of
// them has moved since it was listed.
func (h *harness) decide(word string, rows []row) {
	h.t.Helper()
	path := filepath.Join(h.t.TempDir(), word+".csv")
	attempts := h.attempts()
	text := "reference,phone_number,status,amount,batch,attempt\n"
	var lines strings.Builder
	for _, r := range rows {
		fmt.Fprintf(&lines, "%s,%s,%s,%s,%s,%d\n", r.Reference, r.Phone, r.Status, r.Amount, r.Batch,
			attempts[r.Batch])
	}
	require.NoError(h.t, os.WriteFile(path, []byte(text+lines.String()), 0o600))
	code, _, fault := h.enqueuer("indoubt", "resolve", "--file", path, "--as", word, "--evidence",
		"their ledger", "--yes")
	if code == cli.ExitRefused && strings.Contains(fault, "since it was listed") {
		return // Somebody has settled meanwhile: nothing was changed, and the next round lists anew.
	}
	require.Zero(h.t, code, fault)
}

// attempts is how often the batches in doubt were sent.
func (h *harness) attempts() map[string]int {
	h.t.Helper()
	var list struct {
		Cases []struct {
			Batch   string `json:"batch"`
			Attempt int    `json:"attempt"`
		} `json:"cases"`
	}
	require.NoError(h.t, json.Unmarshal([]byte(h.must("indoubt", "list", "--json")), &list))
	attempts := map[string]int{}
	for _, c := range list.Cases {
		attempts[c.Batch] = c.Attempt
	}
	return attempts
}

// compare demands that everybody who was asked for is reported once, as paid if and only if the
// ledger says so, to the cent, and that books and results agree.
func (a *accounts) compare() {
	t := a.h.t
	t.Helper()
	a.h.must("verify")
	require.Zero(t, a.h.rdb.SCard(t.Context(), "{tuma}:overpaid").Val(), "second effects")
	require.Zero(t, a.h.totals().Recipients.Twice, "paid twice under one reference")
	a.refused = a.p.dropRefused(t)
	got := make(map[who]order, len(a.rows))
	for _, r := range a.rows {
		_, twice := got[r.who()]
		require.False(t, twice, "%s is reported twice", r.Reference)
		got[r.who()] = order{r.Provider, r.cents}
	}
	requireSame(t, a.p.wanted, got, "the orders (first) and the report (second) differ")

	type account struct{ provider, phone string }
	type sum struct{ times, cents int64 }
	ours, theirs := map[account]sum{}, map[account]sum{}
	for _, r := range a.rows {
		if r.paid() {
			s := ours[account{r.Provider, r.Phone}]
			ours[account{r.Provider, r.Phone}] = sum{s.times + 1, s.cents + r.cents}
		}
	}
	for _, p := range ledger[sandbox.PhoneTotal](a.h, "/phones") {
		if p.TimesPaid > 0 {
			theirs[account{p.Provider, p.PhoneNumber}] = sum{int64(p.TimesPaid), int64(p.AmountPaid)}
		}
	}
	requireSame(t, theirs, ours, "the ledger (first) and the report (second) differ")
	a.h.compareResults(a.rows)
}

// requireSame compares large maps and shows no more of their difference than helps.
func requireSame[K, V comparable](t *testing.T, want, got map[K]V, what string) {
	t.Helper()
	var found []string
	note := func(from, to map[K]V) {
		for key, value := range from {
			if other, there := to[key]; !there || other != value {
				found = append(found, fmt.Sprintf("%v: %v, not %v", key, from[key], to[key]))
			}
		}
	}
	note(want, got)
	note(got, want)
	require.Empty(t, found[:min(len(found), 10)], "%s at %d places", what, len(found))
}

// compareResults demands one result per settling, one more per correction, and that the last one
// says what the report says.
func (h *harness) compareResults(rows []row) {
	h.t.Helper()
	type result struct{ status, amount, batch string }
	firsts, last, want := map[who]int{}, map[who]result{}, map[who]result{}
	once := map[who]int{}
	for _, r := range rows {
		want[r.who()], once[r.who()] = result{r.Status, r.Amount, r.Batch}, 1
	}
	for from := "-"; ; {
		entries, err := h.rdb.XRangeN(h.t.Context(), "{tuma}:results", from, "+", 5000).Result()
		require.NoError(h.t, err)
		if len(entries) == 0 {
			break
		}
		for _, e := range entries {
			text := func(field string) string { s, _ := e.Values[field].(string); return s }
			one := row{Reference: text("reference"), Phone: text("phone_number")}.who()
			if text("corrected") != "true" {
				firsts[one]++
			}
			last[one] = result{text("status"), text("amount"), text("batch")}
		}
		from = "(" + entries[len(entries)-1].ID
	}
	requireSame(h.t, once, firsts, "results that are no correction: one per recipient")
	requireSame(h.t, want, last, "the report (first) and the last result (second) differ")
}

// shown lists the figures.
func (a *accounts) shown() string {
	var text strings.Builder
	line := func(what string, n int) { fmt.Fprintf(&text, "  %-48s %8d\n", what, n) }
	line("recipients asked for", len(a.p.wanted)+a.refused)
	line("jobs appended to the stream", len(a.p.jobs)+a.p.repeated)
	line("imports", a.p.imports)
	line("recipients cancelled before they were accepted", a.refused)
	totals, counts := a.h.totals(), map[string]int{}
	paid := 0
	for _, r := range a.rows {
		counts["reported as "+r.Status]++
		if r.paid() {
			paid++
		}
	}
	for _, status := range sorted(counts) {
		line(status, counts[status])
	}
	for _, provider := range sorted(totals.Providers) {
		theirs := totals.Providers[provider]
		line(provider+": requests to send", theirs.Requests["send"])
		line(provider+": answers lost before it was carried out", theirs.Lost.Before)
		line(provider+": answers lost after it was carried out", theirs.Lost.After)
		line(provider+": callbacks posted", theirs.Callbacks.Sent)
	}
	for _, doubt := range sorted(a.doubts) {
		line("left to people: "+doubt, a.doubts[doubt])
	}
	line("late callbacks of Sozuri", a.late)
	line("paid exactly once", paid)
	line("paid twice", totals.Recipients.Twice) // compare has demanded all three.
	line("lost", 0)
	return text.String()
}

func sorted[V any](m map[string]V) []string {
	var keys []string
	for key := range m {
		keys = append(keys, key)
	}
	slices.Sort(keys)
	return keys
}
