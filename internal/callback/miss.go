package callback

import (
	"net/http"
	"path"
	"strings"

	"go.uber.org/zap"
)

// noting serves routes, and takes note of whoever has the token and misses them all: a provider
// that was given a wrong address, whose reports are lost, since some are sent only once.
func (r *Receiver) noting(routes *http.ServeMux) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, request *http.Request) {
		// The mux redirects what it would write otherwise; no provider follows.
		asked := strings.TrimSuffix(request.URL.Path, "/")
		if _, pattern := routes.Handler(request); pattern != "" && path.Clean(asked) == asked {
			routes.ServeHTTP(w, request)
			return
		}
		if hidden, ours := r.hide(request.URL.Path); ours && r.expected(request) {
			r.o.Metrics.misses.Inc()
			r.refusedLog.Warn("a callback with our token came to an address that is none, and is lost: "+
				"correct the address at the provider", zap.String("path", hidden))
		}
		http.NotFound(w, request)
	})
}

// longestPath is how much of an address is logged, in bytes.
const longestPath = 200

// hide replaces our token in an address, and reports whether it was there.
func (r *Receiver) hide(address string) (hidden string, ours bool) {
	parts, tokens := strings.Split(address, "/"), r.tokens().All()
	for i, part := range parts {
		if has(tokens, part) {
			parts[i], ours = "{token}", true
		}
	}
	hidden = strings.ToValidUTF8(strings.Join(parts, "/"), "?")
	return hidden[:min(len(hidden), longestPath)], ours
}
