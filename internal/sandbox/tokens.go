package sandbox

import (
	"bytes"
	"crypto/subtle"
	"fmt"
	"net/http"
	"sync"
	"time"
)

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
func (s *Simulator) auth(r *http.Request, body []byte, rd *round, out *bytes.Buffer) int {
	var request authRequest
	if !isJSON(r) || decodeStrict(body, &request) != nil {
		out.WriteString(`{"error":"want a JSON object with consumer_key and consumer_secret"}`)
		return http.StatusBadRequest
	}
	if !s.known(request) {
		out.WriteString(`{"error":"invalid consumer key or secret"}`)
		return http.StatusUnauthorized
	}
	life := time.Duration(rd.faults.TokenLife)
	if life == 0 {
		life = time.Duration(rd.faults.ExpiresIn)
	}
	seconds := int(time.Duration(rd.faults.ExpiresIn).Seconds())
	format := `{"access_token":"%s","expiresIn":%d}`
	if rd.wrongTypes {
		format = `{"access_token":"%s","expiresIn":"%d"}`
	}
	fmt.Fprintf(out, format, s.tokens.issue(s.now(), life), seconds)
	return http.StatusOK
}

func (s *Simulator) known(request authRequest) bool {
	if request.ConsumerKey == "" || request.ConsumerSecret == "" {
		return false
	}
	if len(s.credentials) == 0 {
		return true
	}
	secret, found := s.credentials[request.ConsumerKey]
	same := subtle.ConstantTimeCompare([]byte(secret), []byte(request.ConsumerSecret)) == 1
	return found && same
}

// authorised checks x-access-token, and writes the 401 when it is not good any more.
func (s *Simulator) authorised(r *http.Request, rd *round, out *bytes.Buffer) bool {
	token, now := r.Header.Get("X-Access-Token"), s.now()
	if rd.expireToken {
		s.tokens.expire(token, now)
	}
	if s.tokens.valid(token, now) {
		return true
	}
	out.WriteString(`{"error":"invalid or expired access token"}`)
	return false
}
