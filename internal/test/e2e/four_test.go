package e2e_test

import (
	"bytes"
	"encoding/csv"
	"fmt"
	"io"
	"maps"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"tuma/internal/sandbox"
)

const callbackToken = "a-token-of-the-tests"

// podWait is how long a callback waits for a pod: less than its sender does.
const podWait = 4 * time.Second

// gateway stands in front of the pollers as a proxy does: a callback goes to a pod that is alive.
type gateway struct {
	base string // what the providers are given

	mu   sync.Mutex
	pods []string // addresses, the latest first; those of dead pods refuse
}

func newGateway(t *testing.T) *gateway {
	t.Helper()
	g := &gateway{}
	server := httptest.NewServer(g)
	t.Cleanup(server.Close)
	g.base = server.URL + "/callbacks/" + callbackToken
	return g
}

// pod adds the address at which a pod may take callbacks, and returns it.
func (g *gateway) pod(address string) string {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.pods = append([]string{address}, g.pods...)
	return address
}

func (g *gateway) known() []string {
	g.mu.Lock()
	defer g.mu.Unlock()
	return slices.Clone(g.pods)
}

// ServeHTTP passes a callback to the first pod that answers.
func (g *gateway) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	body, err := io.ReadAll(r.Body)
	if err != nil {
		return
	}
	for limit := time.Now().Add(podWait); time.Now().Before(limit); time.Sleep(glance) {
		for _, address := range g.known() {
			answer, err := http.Post("http://"+address+r.URL.Path, r.Header.Get("Content-Type"),
				bytes.NewReader(body))
			if err != nil {
				continue // Dead, or killed with the callback in its hands: another one takes it.
			}
			w.WriteHeader(answer.StatusCode)
			_, _ = io.Copy(w, answer.Body)
			_ = answer.Body.Close()
			return
		}
	}
	w.WriteHeader(http.StatusBadGateway)
}

// call posts a callback by hand and returns the answer.
func (h *harness) call(path, media, body string) (status int, text string) {
	h.t.Helper()
	answer, err := http.Post(h.gateway.base+path, media, strings.NewReader(body))
	require.NoError(h.t, err)
	defer func() { _ = answer.Body.Close() }()
	said, err := io.ReadAll(answer.Body)
	require.NoError(h.t, err)
	return answer.StatusCode, string(said)
}

// faults changes some switches of one simulated provider.
func (h *harness) faults(provider, change string) {
	h.t.Helper()
	request, err := http.NewRequestWithContext(h.t.Context(), http.MethodPatch,
		h.providers+"/sandbox/faults?provider="+provider, strings.NewReader(change))
	require.NoError(h.t, err)
	answer, err := http.DefaultClient.Do(request)
	require.NoError(h.t, err)
	defer func() { _ = answer.Body.Close() }()
	text, err := io.ReadAll(answer.Body)
	require.NoError(h.t, err)
	require.Equal(h.t, http.StatusOK, answer.StatusCode, "%s", text)
}

// of is the part of a ledger that is one provider's.
func (h *harness) of(provider string) sandbox.Totals { return h.ledger().Providers[provider] }

// byNetwork routes each network to a provider of its own.
const byNetwork = `
routing:
  rules:
    - {name: safaricom, networks: [safaricom], providers: [lipad]}
    - {name: airtel, networks: [airtel], providers: [africastalking]}
    - {name: telkom, networks: [telkom], providers: [quicksms]}
    - {name: equitel, networks: [equitel], providers: [sozuri]}
` + equitelAtSozuri

// equitelAtSozuri lets Sozuri take the numbers that phoneFor makes for it.
const equitelAtSozuri = "sozuri: {networks: [equitel]}\n"

// phoneFor makes numbers of the network that byNetwork routes to a provider.
func phoneFor(provider string, i int) string {
	switch provider {
	case sandbox.AfricasTalking:
		return fmt.Sprintf("25473%07d", i)
	case sandbox.QuickSMS:
		return fmt.Sprintf("25477%07d", i)
	case sandbox.Sozuri:
		return fmt.Sprintf("25476%07d", 3_000_000+i)
	default:
		return phoneAt(i)
	}
}

// centsFor makes amounts that a provider takes: QuickSMS has no cents.
func centsFor(provider string, i int) int64 {
	if provider == sandbox.QuickSMS {
		return 10_00 + int64(i%50)*1_00
	}
	return centsAt(i)
}

// fourFile writes a CSV file with each as many recipients for all four providers, shuffled like
// cards, and returns it with what it asks for when it is imported under the reference.
func fourFile(t *testing.T, reference string, first, each int) (string, orders) {
	t.Helper()
	text, wanted := &strings.Builder{}, orders{}
	text.WriteString("phone_number,amount\n")
	row := 0
	for i := first; i < first+each; i++ {
		for _, provider := range sandbox.Providers() {
			phone, cents := phoneFor(provider, i), centsFor(provider, i)
			fmt.Fprintf(text, "%s,%s\n", phone, decimal(cents))
			wanted[who{fmt.Sprintf("%s/%d", reference, row/1000+1), phone}] = cents
			row++
		}
	}
	path := filepath.Join(t.TempDir(), reference+".csv")
	require.NoError(t, os.WriteFile(path, []byte(text.String()), 0o600))
	return path, wanted
}

// byProvider splits a report.
func byProvider(rows []reported) map[string][]reported {
	split := map[string][]reported{}
	for _, r := range rows {
		split[r.Provider] = append(split[r.Provider], r)
	}
	return split
}

// statusesOf counts the statuses of some recipients.
func statusesOf(rows []reported) map[string]int {
	counts := map[string]int{}
	for _, r := range rows {
		counts[r.Status]++
	}
	return counts
}

// requireFourEnds demands that each provider's recipients ended as they end there: unconfirmed at
// QuickSMS alone, and elsewhere paid or unpaid.
func requireFourEnds(t *testing.T, rows []reported) {
	t.Helper()
	split := byProvider(rows)
	require.Len(t, split, 4)
	for provider, rows := range split {
		counts := statusesOf(rows)
		if provider == sandbox.QuickSMS {
			require.Equal(t, map[string]int{"unconfirmed": len(rows)}, counts)
			continue
		}
		require.NotZero(t, counts["successful"], provider)
		require.Equal(t, len(rows), counts["successful"]+counts["failed"], "%s: %v", provider, counts)
	}
}

// book reads how many recipients stand in each status at each provider, as "provider status"; those
// without any are left out.
func (h *harness) book() map[string]int64 {
	h.t.Helper()
	figures, err := h.open().Stats(h.t.Context())
	require.NoError(h.t, err)
	book := map[string]int64{}
	for field, figure := range figures.Book {
		words := strings.Fields(field)
		if len(words) == 3 && figure != 0 && words[2] != "requested" {
			book[words[0]+" "+words[2]] += figure
		}
	}
	return book
}

// quiet is longer than everything that may still happen by itself once nothing is on its way: the
// callbacks under way, and a repetition at Africa's Talking.
const quiet = submitTimeout + sendGuard + 2*time.Second

// awaitQuiet waits until nothing moves by itself any more. What is open then is in doubt where the
// provider cannot be asked, or has lost its callback there.
func (h *harness) awaitQuiet() {
	h.t.Helper()
	var last map[string]int64
	since := time.Now()
	// Pauses that follow each other closely grow to minutes.
	h.awaitFor(3*testTimeout, "all that happens by itself has happened", func() bool {
		now := h.book()
		if !maps.Equal(last, now) || h.underWay(now) {
			last, since = now, time.Now()
		}
		return time.Now().After(since.Add(quiet))
	})
}

// underWay says whether workers, pollers or providers still have something to do.
func (h *harness) underWay(book map[string]int64) bool {
	h.t.Helper()
	figures, err := h.open().Stats(h.t.Context())
	require.NoError(h.t, err)
	for _, c := range figures.Channels {
		if c.Pending+c.Ready+c.Blocked+c.InFlight > 0 {
			return true
		}
	}
	for _, field := range []string{
		"lipad in_doubt", "lipad submitted", "lipad processing", "lipad jammed",
		"lipad reprocessing", "africastalking submitted", "africastalking processing",
	} {
		if book[field] > 0 {
			return true
		}
	}
	return figures.Parked > 0
}

// paidAt are the numbers that the ledger shows as paid by each provider.
func (h *harness) paidAt() map[payment]bool {
	h.t.Helper()
	paid := map[payment]bool{}
	for _, p := range fetched[sandbox.PhoneTotal](h, "phones") {
		if p.TimesPaid > 0 {
			paid[payment{provider: p.Provider, phone: p.PhoneNumber}] = true
		}
	}
	return paid
}

// resolveByLedger settles everybody in doubt by the word of a person who has read the ledger.
func (h *harness) resolveByLedger() (resolved int) {
	h.t.Helper()
	rows, err := csv.NewReader(strings.NewReader(h.must(0, "indoubt", "list", "--csv").out)).ReadAll()
	require.NoError(h.t, err)
	provider := slices.Index(rows[0], "provider")
	phone := slices.Index(rows[0], "phone_number")
	paid := h.paidAt()
	lists := map[string][][]string{}
	for _, row := range rows[1:] {
		word := "unpaid"
		if paid[payment{provider: row[provider], phone: row[phone]}] {
			word = "paid"
		}
		lists[word] = append(lists[word], row)
	}
	for word, list := range lists {
		path := filepath.Join(h.t.TempDir(), word+".csv")
		var text bytes.Buffer
		require.NoError(h.t, csv.NewWriter(&text).WriteAll(append([][]string{rows[0]}, list...)))
		require.NoError(h.t, os.WriteFile(path, text.Bytes(), 0o600))
		h.must(0, "indoubt", "resolve", "--file", path, "--as", word,
			"--evidence", "their ledger", "--yes")
	}
	return len(rows) - 1
}

// lateCallbacks sends the callbacks that Sozuri has lost, days later or by its support: what was
// accepted there can be settled by nothing else before it is overdue.
func (h *harness) lateCallbacks(rows []reported) (sent int) {
	h.t.Helper()
	paid := h.paidAt()
	for _, r := range rows {
		if r.Provider != sandbox.Sozuri || r.Status != "submitted" {
			continue
		}
		word := "failed"
		if paid[payment{provider: r.Provider, phone: r.PhoneNumber}] {
			word = "success"
		}
		status, text := h.call("/sozuri", "application/json", fmt.Sprintf(
			`{"number":%q,"amount":"KES %s","requestId":%q,"status":%q,"type":"airtimeDelivery"}`,
			r.PhoneNumber, r.Amount, r.ProviderReference, word))
		require.Equal(h.t, http.StatusOK, status, text)
		sent++
	}
	return sent
}

// requireNobodyTwice demands that no number got money from a provider more than once, whatever our
// books say. It is for tests in which no recipient is asked for twice.
func (h *harness) requireNobodyTwice() {
	h.t.Helper()
	for _, p := range fetched[sandbox.PhoneTotal](h, "phones") {
		require.LessOrEqual(h.t, p.TimesPaid, 1, "%s at %s", p.PhoneNumber, p.Provider)
	}
}
