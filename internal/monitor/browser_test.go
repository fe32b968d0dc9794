package monitor_test

import (
	"context"
	"regexp"
	"strings"
	"sync"
	"testing"
	"time"

	cdplog "github.com/chromedp/cdproto/log"
	"github.com/chromedp/cdproto/network"
	"github.com/chromedp/cdproto/runtime"
	"github.com/chromedp/chromedp"
	"github.com/stretchr/testify/require"

	"tuma/internal/test/browsertest"
)

// testTimeout only bounds a broken test.
const testTimeout = browsertest.Timeout

// browser is a Chromium of the test's own that reaches nothing but this machine.
type browser struct {
	t    *testing.T
	ctx  context.Context
	base string
	read []network.RequestID // The answers that were looked at.

	mu       sync.Mutex // Guards what follows.
	answers  []network.RequestID
	strays   []string // Answers from elsewhere.
	problems []string // Exceptions and refusals, as a developer sees them.
}

func openBrowser(t *testing.T, base, user, password string) *browser {
	t.Helper()
	ctx := browsertest.Open(t)
	b := &browser{t: t, ctx: ctx, base: base}
	require.NoError(t, chromedp.Listen(ctx, b.note))
	_, err := chromedp.Call(ctx, network.Enable, network.EnableParams{})
	require.NoError(t, err)
	_, err = chromedp.Call(ctx, network.SetExtraHTTPHeaders, network.SetExtraHTTPHeadersParams{
		Headers: network.Headers{"Authorization": basic(user, password)},
	})
	require.NoError(t, err)
	return b
}

// run runs an action within testTimeout.
func run[T any](b *browser, action chromedp.Action[T]) T {
	b.t.Helper()
	return browsertest.Run(b.ctx, b.t, action)
}

// note keeps what the browser reports.
func (b *browser) note(event any) {
	b.mu.Lock()
	defer b.mu.Unlock()
	switch e := event.(type) {
	case *network.EventResponseReceived:
		switch {
		case !strings.HasPrefix(e.Response.URL, b.base) && strings.HasPrefix(e.Response.URL, "http"):
			b.strays = append(b.strays, e.Response.URL)
		case strings.Contains(e.Response.URL, "/api/"):
			b.answers = append(b.answers, e.RequestID)
		}
	case *runtime.EventExceptionThrown:
		b.problems = append(b.problems, e.ExceptionDetails.Text)
	case *cdplog.EventEntryAdded:
		if e.Entry.Level == cdplog.EntryLevelError {
			b.problems = append(b.problems, e.Entry.Text+" "+e.Entry.URL)
		}
	}
}

// open goes to a page of the dashboard and waits until it shows all texts.
func (b *browser) open(path string, texts ...string) {
	b.t.Helper()
	run(b, chromedp.Navigate(b.base+path))
	b.shows(texts...)
}

// shows waits until the page shows all texts.
func (b *browser) shows(texts ...string) {
	b.t.Helper()
	var page string
	require.Eventually(b.t, func() bool {
		page = run(b, chromedp.Evaluate[string](`document.body.innerText`))
		for _, text := range texts {
			if !strings.Contains(page, text) {
				return false
			}
		}
		return true
	}, testTimeout, 50*time.Millisecond, "the page does not show %q: %s", texts, shown{&page})
}

// shown prints what a pointer leads to at the time of printing.
type shown struct{ text *string }

func (s shown) String() string { return *s.text }

// seen is the page as it stands, markup and all, and every answer that it got its figures from.
func (b *browser) seen() string {
	b.t.Helper()
	var all strings.Builder
	all.WriteString(run(b, chromedp.Evaluate[string](
		`document.documentElement.outerHTML + document.body.innerText`)))
	b.mu.Lock()
	answers := b.answers
	b.answers = nil
	b.mu.Unlock()
	for _, id := range answers {
		answer, err := chromedp.Call(b.ctx, network.GetResponseBody,
			network.GetResponseBodyParams{RequestID: id})
		if err == nil { // A page that was left takes its answers along.
			all.Write(answer.Body)
			b.read = append(b.read, id)
		}
	}
	return all.String()
}

// buttons lists what can be pressed: its title or text, unless it is disabled. Some of them only
// appear when the mouse is over their row.
func (b *browser) buttons() []string {
	b.t.Helper()
	run(b, chromedp.Evaluate[chromedp.Void](`document.querySelectorAll('tbody td, tbody td div')
		.forEach(e => e.dispatchEvent(new MouseEvent('mouseover', {bubbles: true})))`))
	return run(b, chromedp.Evaluate[[]string](`Array.from(document.querySelectorAll(
		'button:not([disabled]), [role=button]:not([aria-disabled=true]), [role=menuitem], input'))
		.map(e => [e.title, e.getAttribute('aria-label'), e.type, e.innerText]
			.filter(Boolean).join(' '))`))
}

// changing finds the buttons that would change something.
var changing = regexp.MustCompile(`(?i)\b(delete|run|archive|pause|resume|cancel|checkbox)\b`)

// changes lists the buttons, and the boxes of tasks to be changed together.
func (b *browser) changes() (list []string) {
	b.t.Helper()
	for _, button := range b.buttons() {
		if changing.MatchString(button) {
			list = append(list, button)
		}
	}
	return list
}

// offers waits until there are buttons that change something: that read-only mode has none means
// something only because they would be seen.
func (b *browser) offers(titles ...string) {
	b.t.Helper()
	require.Eventually(b.t, func() bool {
		found := strings.Join(b.changes(), " ")
		for _, title := range titles {
			if !strings.Contains(found, title) {
				return false
			}
		}
		return true
	}, testTimeout, 50*time.Millisecond, "the page does not offer %q", titles)
}

// quiet wants no error but the fonts that the dashboard would fetch from elsewhere, which its
// policy refuses.
func (b *browser) quiet() {
	b.t.Helper()
	b.mu.Lock()
	defer b.mu.Unlock()
	require.Empty(b.t, b.strays, "fetched from elsewhere")
	for _, problem := range b.problems {
		require.Contains(b.t, problem, "fonts.googleapis.com")
	}
	b.problems = nil
}

// press presses a button in the row of a queue, when there is one.
func (b *browser) press(queue, title string) {
	b.t.Helper()
	require.Eventually(b.t, func() bool {
		b.buttons()
		return run(b, chromedp.Evaluate[bool](`(() => {
			const row = Array.from(document.querySelectorAll('tr')).find(r =>
				r.innerText.startsWith('`+queue+`'))
			const button = row && Array.from(row.querySelectorAll('button:not([disabled])')).find(e =>
				[e.title, e.getAttribute('aria-label')].includes('`+title+`'))
			if (button) button.click()
			return !!button
		})()`))
	}, testTimeout, 50*time.Millisecond, "no button %s: %v", title, b.buttons())
}
