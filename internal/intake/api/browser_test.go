package api

import (
	"fmt"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/chromedp/chromedp"
	"github.com/stretchr/testify/require"

	"tuma/internal/test/browsertest"
)

// visit is a request of a browser, and what it was answered.
type visit struct {
	method, path string
	header       http.Header
	status       int
}

// visited is an inlet that remembers who came.
type visited struct {
	*inlet
	mu     sync.Mutex
	visits []visit
}

func (v *visited) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	seen := &statusWriter{ResponseWriter: w, status: http.StatusOK}
	path := r.URL.Path
	v.inlet.ServeHTTP(seen, r)
	v.mu.Lock()
	defer v.mu.Unlock()
	v.visits = append(v.visits, visit{r.Method, path, r.Header, seen.status})
}

// came waits for a request to the command of the airtime service.
func (v *visited) came(t *testing.T, method, header, value string) visit {
	t.Helper()
	var found visit
	require.Eventually(t, func() bool {
		v.mu.Lock()
		defer v.mu.Unlock()
		for _, one := range v.visits {
			if one.method == method && one.path == sendPath &&
				strings.Contains(one.header.Get(header), value) {
				found = one
				return true
			}
		}
		return false
	}, browsertest.Timeout, 20*time.Millisecond, "no %s with %s: %s came", method, header, value)
	return found
}

// TestNoBrowserSendsMoney: while there are no tokens, whatever a page of another host does in the
// browser of somebody on this machine reaches the inlet, and nothing is sent.
func TestNoBrowserSendsMoney(t *testing.T) {
	t.Parallel()
	v := &visited{inlet: embedded(t, withoutTokens)}
	server := httptest.NewServer(v)
	defer server.Close()
	send := server.URL + sendPath + "?phone=0711000001&amount=10&idempotencyKey="
	evil := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Content-Type", "text/html")
		switch r.URL.Path {
		case "/redirect":
			http.Redirect(w, r, send+"redirect", http.StatusFound)
		case "/prefetch":
			_, _ = fmt.Fprintf(w, `<link rel=prefetch href="%sprefetch">`, send)
		case "/form":
			_, _ = fmt.Fprintf(w, `<form method=post action="%sform"></form>
				<script>document.forms[0].submit()</script>`, send)
		}
	}))
	defer evil.Close()
	browser := browsertest.Open(t,
		"MAP evil.example "+strings.TrimPrefix(evil.URL, "http://"))
	for _, row := range []struct{ url, method, header, value string }{
		{send + "typed", "GET", "Sec-Fetch-Site", "none"},
		{"http://evil.example/redirect", "GET", "Sec-Fetch-Mode", "navigate"},
		{"http://evil.example/prefetch", "GET", "Sec-Purpose", "prefetch"},
		{"http://evil.example/form", "POST", "Origin", "http://evil.example"},
	} {
		browsertest.Run(browser, t, chromedp.Navigate(row.url))
		require.Equal(t, http.StatusForbidden,
			v.came(t, row.method, row.header, row.value).status, row.url)
		require.Zero(t, v.booked(t), row.url)
	}
}
