package sandbox

import (
	"bytes"
	"fmt"
	"net/http"
	"sync"
	"time"
)

// lipad answers as Lipad's page says.
type lipad struct {
	*account
	tokens *tokens
}

// tokensMax bounds the tokens kept: clients that authenticate before every call would fill the
// memory of a long run. The oldest is forgotten first.
const tokensMax = 10_000

// tokens are the issued access tokens and the end of each one's life.
type tokens struct {
	seed uint64

	mu     sync.Mutex
	ends   map[string]time.Time
	order  []string
	issued uint64
}

func newTokens(seed uint64) *tokens {
	return &tokens{seed: seed, ends: map[string]time.Time{}}
}

func (t *tokens) issue(now time.Time, life time.Duration) string {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.issued++
	h := mix(mix(t.seed, saltToken), t.issued)
	token := fmt.Sprintf("%016x%016x", h, mix(h, t.issued))
	if len(t.order) == tokensMax {
		delete(t.ends, t.order[0])
		t.order = append(t.order[:0], t.order[1:]...)
	}
	t.ends[token] = now.Add(life)
	t.order = append(t.order, token)
	return token
}

func (t *tokens) valid(token string, now time.Time) bool {
	t.mu.Lock()
	defer t.mu.Unlock()
	end, found := t.ends[token]
	return found && now.Before(end)
}

// expire ends a token's life now, if it is one of ours.
func (t *tokens) expire(token string, now time.Time) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if _, found := t.ends[token]; found {
		t.ends[token] = now
	}
}

// authRequest is the body of POST /v1/auth.
type authRequest struct {
	ConsumerKey    string `json:"consumer_key"`
	ConsumerSecret string `json:"consumer_secret"`
}

// auth answers POST /v1/auth with a token.
func (l lipad) auth(r *http.Request, body []byte, rf *requestFaults, out *bytes.Buffer) int {
	var request authRequest
	if !isJSON(r) || decodeStrict(body, &request) != nil {
		out.WriteString(`{"error":"want a JSON object with consumer_key and consumer_secret"}`)
		return http.StatusBadRequest
	}
	if !l.validCredentials(request.ConsumerKey, request.ConsumerSecret, &rf.switches) {
		out.WriteString(`{"error":"invalid consumer key or secret"}`)
		return http.StatusUnauthorized
	}
	life := time.Duration(rf.switches.TokenLife)
	if life == 0 {
		life = time.Duration(rf.switches.ExpiresIn)
	}
	seconds := int(time.Duration(rf.switches.ExpiresIn).Seconds())
	format := `{"access_token":"%s","expiresIn":%d}`
	if rf.wrongTypes {
		format = `{"access_token":"%s","expiresIn":"%d"}`
	}
	fmt.Fprintf(out, format, l.tokens.issue(l.now(), life), seconds)
	return http.StatusOK
}

// authorised checks x-access-token, and writes the 401 when it is not good any more.
func (l lipad) authorised(r *http.Request, rf *requestFaults, out *bytes.Buffer) bool {
	token, now := r.Header.Get("X-Access-Token"), l.now()
	if rf.expireToken {
		l.tokens.expire(token, now)
	}
	if l.tokens.valid(token, now) {
		return true
	}
	out.WriteString(`{"error":"invalid or expired access token"}`)
	return false
}
