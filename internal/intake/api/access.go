package api

import (
	"crypto/sha256"
	"crypto/subtle"
	"net"
	"net/http"
	"strings"
	"sync"

	"go.uber.org/zap"

	"tuma/internal/config"
)

// tokens knows the producers by their tokens. The text is asked for every time, so that a replaced
// secret holds at once, and read only when it has changed.
type tokens struct {
	text func() string
	log  *zap.Logger

	mu    sync.Mutex // Guards what follows.
	last  string
	known []config.Token
}

// of finds the token of an Authorization header, in the same time whichever it is. Digests are
// compared, so that not even the length of a token is shown.
func (t *tokens) of(header string) (found config.Token, known bool) {
	scheme, token, _ := strings.Cut(header, " ")
	sum := sha256.Sum256([]byte(strings.TrimSpace(token)))
	for _, candidate := range t.current() {
		if subtle.ConstantTimeCompare(candidate.Sum[:], sum[:]) == 1 {
			found, known = candidate, true
		}
	}
	return found, known && strings.EqualFold(scheme, "Bearer")
}

// current returns the tokens that hold now. While the text cannot be read, those of the last one
// that could.
func (t *tokens) current() []config.Token {
	t.mu.Lock()
	defer t.mu.Unlock()
	text := t.text()
	if text == t.last {
		return t.known
	}
	t.last = text
	known, err := config.ParseTokens(text)
	if err != nil {
		t.log.Error("TUMA_HTTP_TOKENS has changed and cannot be read; the former tokens hold",
			zap.Error(err))
		return t.known
	}
	t.known = known
	return t.known
}

// stranger reports whether a browser sent a request, or it came by a host name that is not this
// machine's. A page that somebody opens here, a link in a mail or a prefetch could otherwise send
// money: what a person opens carries Sec-Fetch-Site: none, so that its value says nothing.
func stranger(r *http.Request) bool {
	for name := range r.Header {
		if name == "Origin" || name == "Sec-Purpose" || strings.HasPrefix(name, "Sec-Fetch-") {
			return true
		}
	}
	return !config.Loopback(r.Host) &&
		!config.Loopback(net.JoinHostPort(strings.Trim(r.Host, "[]"), "0"))
}
