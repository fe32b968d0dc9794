package monitor_test

import (
	"io"
	"net/http"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/hibiken/asynq"
	"github.com/stretchr/testify/require"

	"tuma/internal/airtime"
	"tuma/internal/tasks"
)

// separators are what people write inside phone numbers.
var separators = strings.NewReplacer(" ", "", "-", "", "(", "", ")", "", "+", "", ".", "")

// harmless wants no phone number and no secret in what the dashboard has shown.
func harmless(t *testing.T, shown string) {
	t.Helper()
	plain := separators.Replace(shown)
	for _, national := range []string{"711000001", "711000002", "711000003"} {
		require.NotContains(t, plain, national, "a phone number was shown")
	}
	for _, hidden := range []string{secret, token, password} {
		require.NotContains(t, shown, hidden, "a secret was shown")
	}
}

// push fills the queues with tasks of every kind and state that hold phone numbers wherever a
// service can put them, and waits for the disbursal to be paid.
func (h *harness) push(t *testing.T) {
	t.Helper()
	paid := job("r-1", "254711000001", "0711 000-002", `\u002b254711\u0030\u0030\u0030003`)
	h.enqueue(t, tasks.QueueDisbursals, tasks.TypeAccept, "for-254711000001", paid)
	h.settled(t, "r-1", 3)
	h.enqueue(t, tasks.QueueDisbursals, tasks.TypeAccept, "again", paid)
	h.enqueue(t, tasks.QueueDisbursals, tasks.TypeAccept, "refused",
		job("for 0711000001", "0711 000 003 4"))
	h.enqueue(t, tasks.QueueDisbursals, tasks.TypeAccept, "later", job("r-2", "254711000001"),
		asynq.ProcessIn(time.Hour))
	h.enqueue(t, "services", "archived", "a-0711000003", `{"to":711000003}`)
	h.enqueue(t, "services", "retried", "r-0711000003", "to\n0711 000 003")
}

// pages are where the browser goes, and what must stand there.
var pages = []struct {
	path  string
	texts []string
}{
	{"/monitor/", []string{"disbursals\trun", "lipad\trun", "poll\trun", "services\trun"}},
	{
		"/monitor/queues/lipad?status=completed",
		[]string{"lipad:1", "batch:submit", "3: 3 accepted, 0 rejected"},
	},
	{"/monitor/queues/poll?status=completed", []string{"batch:poll", "3 settled, 0 open"}},
	{"/monitor/queues/poll?status=scheduled", []string{"No scheduled tasks"}},
	{
		"/monitor/queues/disbursals?status=scheduled",
		[]string{"later", "disbursal:accept", "254711•••001", "in 59m"},
	},
	{
		"/monitor/queues/disbursals?status=completed",
		[]string{"0711•••002", "+254711•••003", "1: 0 accepted, 1 known, 0 refused"},
	},
	{"/monitor/queues/services?status=archived", []string{"no route for", "711•••003"}},
	{"/monitor/queues/services?status=retry", []string{"no route for", "0711•••003"}},
	{"/monitor/queues/lipad/tasks/lipad:1", []string{"batch:submit", "3: 3 accepted"}},
	{"/monitor/queues/disbursals/tasks/later", []string{"scheduled", "254711•••001"}},
	{"/monitor/queues/disbursals/tasks/refused", []string{"completed", "refused:"}},
	{"/monitor/servers", []string{"poll", "active"}},
	{"/monitor/redis", []string{"used_memory:"}},
}

// TestTheDashboardInABrowser opens what operators open: everything can be read without any help
// from elsewhere, no number and no secret is shown, and nothing can be pressed that changes
// anything.
func TestTheDashboardInABrowser(t *testing.T) {
	t.Parallel()
	h := newHarness(t, nil)
	h.push(t)
	b := openBrowser(t, h.base, user, password)
	for _, page := range pages {
		b.open(page.path, page.texts...)
		harmless(t, b.seen())
		require.Empty(t, b.changes(), page.path)
	}
	require.NotEmpty(t, b.read, "no answer was looked at")
	b.quiet()
}

// TestPausingInTheBrowserStopsTheProvider, and only there: the other queues go on.
func TestPausingInTheBrowserStopsTheProvider(t *testing.T) {
	t.Parallel()
	h := newHarness(t, map[string]string{"TUMA_MONITOR_WRITE": "true"})
	h.accept(t, "before", "254711000001")
	h.settled(t, "before", 1)
	h.enqueue(t, tasks.QueueDisbursals, tasks.TypeAccept, "later", job("r-2", "254711000001"),
		asynq.ProcessIn(time.Hour))
	b := openBrowser(t, h.base, user, password)
	b.open("/monitor/queues/disbursals?status=scheduled", "later")
	b.offers("Delete", "Archive", "Run", "checkbox")
	b.open("/monitor/", "lipad\trun")
	b.offers("Delete", "Pause")
	b.press("lipad", "Pause")
	require.Eventually(t, func() bool { return h.paused(t) }, testTimeout, 20*time.Millisecond)
	sent := h.simulator.Ledger().Totals().Recipients.Paid

	h.enqueue(t, tasks.QueueDisbursals, tasks.TypeAccept, "held", job("held", "254711000002"))
	require.Eventually(t, func() bool {
		return h.count(t, "held", airtime.Queued) == 1
	}, testTimeout, 20*time.Millisecond, "the inlet goes on")
	for range 3 {
		swept, err := h.app.Store.Sweep(t.Context(), "lipad")
		require.NoError(t, err)
		h.app.Queues.Wake(t.Context(), swept.Wakeup)
		time.Sleep(300 * time.Millisecond) // Long enough for a worker that would not stop.
	}
	require.Equal(t, int64(1), h.count(t, "held", airtime.Queued))
	require.Equal(t, sent, h.simulator.Ledger().Totals().Recipients.Paid)

	b.press("lipad", "Resume")
	h.settled(t, "held", 1)
	harmless(t, b.seen())
	b.quiet()
}

// forbidden are requests that would change something.
var forbidden = []struct{ method, path string }{
	{"POST", "queues/lipad:pause"},
	{"POST", "queues/lipad:pause/"},
	{"POST", "queues/lipad%3Apause"},
	{"POST", "/queues/lipad:pause"},
	{"POST", "../api/queues/lipad:pause"},
	{"post", "queues/lipad:pause"},
	{"PUT", "queues/lipad:pause"},
	{"PATCH", "queues/lipad:pause"},
	{"BREW", "queues/lipad:pause"},
	{"DELETE", "queues/lipad"},
	{"DELETE", "queues/disbursals/scheduled_tasks/later"},
	{"DELETE", "queues/disbursals/scheduled_tasks:delete_all"},
	{"POST", "queues/disbursals/scheduled_tasks:run_all"},
	{"POST", "queues/disbursals/scheduled_tasks/later:run"},
	{"POST", "queues/disbursals/scheduled_tasks/later:archive"},
	{"POST", "queues/disbursals/scheduled_tasks:batch_delete"},
}

// overrides are headers by which some servers let a harmless method stand for another.
var overrides = []string{"X-Http-Method-Override", "X-Http-Method", "X-Method-Override"}

func TestReadOnlyRefusesEveryChange(t *testing.T) {
	t.Parallel()
	h := newHarness(t, nil)
	h.accept(t, "before", "254711000001")
	h.settled(t, "before", 1)
	h.enqueue(t, tasks.QueueDisbursals, tasks.TypeAccept, "later", job("r-2", "254711000001"),
		asynq.ProcessIn(time.Hour))
	for _, f := range forbidden {
		answer := h.ask(t, f.method, "/monitor/api/"+f.path, nil)
		require.GreaterOrEqual(t, answer.StatusCode, 300, "%s %s", f.method, f.path)
		for _, header := range overrides {
			h.ask(t, http.MethodGet, "/monitor/api/"+f.path+"?_method="+f.method,
				func(r *http.Request) { r.Header.Set(header, f.method) })
		}
	}
	answer := h.ask(t, http.MethodPost, "/monitor/api/queues/lipad:pause", nil)
	require.Equal(t, http.StatusMethodNotAllowed, answer.StatusCode)
	require.False(t, h.paused(t))
	answer = h.ask(t, http.MethodGet, "/monitor/api/queues/disbursals/tasks/later", nil)
	body, err := io.ReadAll(answer.Body)
	require.NoError(t, err)
	require.Contains(t, string(body), `"state":"scheduled"`, "nobody ran or deleted it")
}

func TestWithoutThePasswordNothingIsShown(t *testing.T) {
	t.Parallel()
	h := newHarness(t, map[string]string{"TUMA_MONITOR_WRITE": "true"})
	var asked sync.WaitGroup // All at once: each answer takes a second.
	for _, header := range []string{
		"", basic(user, "wrong"), basic("wrong", password), basic(user, ""), basic("", ""),
		"Bearer " + password, "Basic !",
	} {
		for _, path := range []string{
			"/monitor/", "/monitor/api/queues", "/monitor/static/", "/monitor/robots.txt",
		} {
			for _, method := range []string{http.MethodGet, http.MethodPost, http.MethodOptions} {
				asked.Go(func() {
					status, body := h.answer(t, method, path, header)
					if status != http.StatusUnauthorized || body != "user and password required\n" {
						t.Errorf("%s %s with %q: %d %s", method, path, header, status, body)
					}
				})
			}
		}
	}
	asked.Wait()
}

// TestAnotherSiteChangesNothing: a browser sends the password along with whatever page it is on.
func TestAnotherSiteChangesNothing(t *testing.T) {
	t.Parallel()
	h := newHarness(t, map[string]string{"TUMA_MONITOR_WRITE": "true"})
	h.accept(t, "before", "254711000001")
	h.settled(t, "before", 1)
	pause := func(headers ...string) int {
		answer := h.ask(t, http.MethodPost, "/monitor/api/queues/lipad:pause",
			func(r *http.Request) {
				for i := 0; i < len(headers); i += 2 {
					r.Header.Set(headers[i], headers[i+1])
				}
			})
		return answer.StatusCode
	}
	for _, headers := range [][]string{
		{"Sec-Fetch-Site", "cross-site"},
		{"Sec-Fetch-Site", "same-site"},
		{"Origin", "https://evil.example"},
		{"Origin", "null"},
		{"Origin", "http://127.0.0.1:1"},
		{"Sec-Fetch-Site", "cross-site", "Origin", h.base},
	} {
		require.Equal(t, http.StatusForbidden, pause(headers...), "%v", headers)
		require.False(t, h.paused(t))
	}
	require.Less(t, pause("Sec-Fetch-Site", "same-origin", "Origin", h.base), 300)
	require.True(t, h.paused(t), "the dashboard itself may")
}

func TestHeadersOfTheDashboard(t *testing.T) {
	t.Parallel()
	h := newHarness(t, nil)
	for path, store := range map[string]string{
		"/monitor/": "no-store", "/monitor/queues/lipad": "no-store",
		"/monitor/api/queues": "no-store", "/monitor/api/nothing": "no-store",
		"/monitor/static/js/main.5adda2da.chunk.js": "",
	} {
		header := h.ask(t, http.MethodGet, path, nil).Header
		require.Equal(t, store, header.Get("Cache-Control"), path)
		require.Equal(t, "DENY", header.Get("X-Frame-Options"), path)
		require.Equal(t, "nosniff", header.Get("X-Content-Type-Options"), path)
		require.Equal(t, "no-referrer", header.Get("Referrer-Policy"), path)
		require.Equal(t, "same-origin", header.Get("Cross-Origin-Resource-Policy"), path)
		policy := header.Get("Content-Security-Policy")
		require.Contains(t, policy, "default-src 'none'; script-src 'self' 'sha256-", path)
		require.Contains(t, policy, "frame-ancestors 'none'", path)
		script, _, _ := strings.Cut(strings.SplitAfter(policy, "script-src")[1], ";")
		require.NotContains(t, script, "unsafe", path)
	}
}
