package monitor

import (
	"crypto/sha256"
	"encoding/base64"
	"net"
	"net/http"
	"net/url"
	"regexp"
	"strings"

	"tuma/internal/config"
)

// staticPath holds the dashboard's scripts and pictures, whose names change with their content.
const staticPath = Path + "static/"

// secure sets the headers of an answer: nothing is fetched from elsewhere, nothing frames the
// dashboard, and what it shows of tasks is not kept by the browser.
func secure(header http.Header, path, policy string) {
	header.Set("Content-Security-Policy", policy)
	header.Set("X-Frame-Options", "DENY")
	header.Set("X-Content-Type-Options", "nosniff")
	header.Set("Referrer-Policy", "no-referrer")
	header.Set("Cross-Origin-Opener-Policy", "same-origin")
	header.Set("Cross-Origin-Resource-Policy", "same-origin")
	if !strings.HasPrefix(path, staticPath) {
		header.Set("Cache-Control", "no-store")
	}
}

// page returns the dashboard's page.
func (h *Handler) page() string {
	page := &answer{header: http.Header{}}
	h.dashboard.ServeHTTP(page, &http.Request{
		Method: http.MethodGet, URL: &url.URL{Path: Path}, Header: http.Header{},
	})
	return page.body.String()
}

// inlineScript finds the scripts that stand in the dashboard's page.
var inlineScript = regexp.MustCompile(`(?s)<script>(.*?)</script>`)

// policy is the Content-Security-Policy for a page with inline scripts: these, word for word, and
// the dashboard's own files. Styles are inline because the dashboard makes them as it runs.
func policy(page string) string {
	scripts := "'self'"
	for _, script := range inlineScript.FindAllStringSubmatch(page, -1) {
		sum := sha256.Sum256([]byte(script[1]))
		scripts += " 'sha256-" + base64.StdEncoding.EncodeToString(sum[:]) + "'"
	}
	return "default-src 'none'; script-src " + scripts + "; style-src 'self' 'unsafe-inline'; " +
		"img-src 'self' data:; font-src 'self'; connect-src 'self'; manifest-src 'self'; " +
		"base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
}

// local reports whether a Host header names this machine.
func local(host string) bool {
	return config.Loopback(host) ||
		config.Loopback(net.JoinHostPort(strings.Trim(host, "[]"), "0"))
}
