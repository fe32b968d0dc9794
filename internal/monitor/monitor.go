// Package monitor serves asynq's web dashboard: masked (mask.go), with strict headers (headers.go),
// and read-only unless TUMA_MONITOR_WRITE is set.
package monitor

import (
	"crypto/sha256"
	"crypto/subtle"
	"errors"
	"net/http"
	"strings"

	"github.com/hibiken/asynqmon"

	"tuma/internal/listen"
	"tuma/internal/redisconn"
)

// Path is where the dashboard lives on the operations listener.
const Path = "/monitor/"

// Options are the settings of the dashboard.
type Options struct {
	Redis redisconn.Options
	// Write permits what changes queues and tasks (TUMA_MONITOR_WRITE).
	Write bool
	// User and Password are required unless Loopback is set. Password is asked at each request, so
	// that it can be replaced.
	User     string
	Password func() string
	// Loopback says that the listener is reached from this machine only.
	Loopback bool
	// Wrong takes note of wrong passwords; nil does not.
	Wrong *listen.WrongSecrets
}

// Handler is the dashboard.
type Handler struct {
	dashboard *asynqmon.HTTPHandler
	options   Options
	policy    string // The Content-Security-Policy.
	origins   *http.CrossOriginProtection
}

// ErrOpen is returned when the dashboard would be open to other machines without a password.
var ErrOpen = errors.New("the dashboard is reached from other machines: set " +
	"TUMA_MONITOR_USER and TUMA_MONITOR_PASSWORD, or bind TUMA_OPS_ADDR to 127.0.0.1")

// Closed answers in the dashboard's place and says why there is none.
func Closed(reason error) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		http.Error(w, reason.Error(), http.StatusForbidden)
	})
}

// New connects the dashboard. ErrOpen is returned when anybody could see it.
func New(o Options) (*Handler, error) {
	if o.Password == nil {
		o.Password = func() string { return "" }
	}
	if !o.Loopback && (o.User == "" || o.Password() == "") {
		return nil, ErrOpen
	}
	// The dashboard panics on a bad address; a client that can be built here can be built there.
	probe, err := redisconn.Dial(o.Redis)
	if err != nil {
		return nil, err
	}
	if err := probe.Close(); err != nil {
		return nil, err
	}
	h := &Handler{options: o, origins: http.NewCrossOriginProtection()}
	h.dashboard = asynqmon.New(asynqmon.Options{
		RootPath: strings.TrimSuffix(Path, "/"), RedisConnOpt: connection(o.Redis),
		ReadOnly: !o.Write, PayloadFormatter: asText, ResultFormatter: asText,
	})
	h.policy = policy(h.page())
	return h, nil
}

// asText shows payloads and results as they are: the whole answer is masked.
var asText = formatter{}

type formatter struct{}

func (formatter) FormatPayload(_ string, payload []byte) string { return string(payload) }
func (formatter) FormatResult(_ string, result []byte) string   { return string(result) }

// Close closes the dashboard's connection.
func (h *Handler) Close() error { return h.dashboard.Close() }

// ServeHTTP serves the dashboard to whoever may see it.
func (h *Handler) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	secure(w.Header(), r.URL.Path, h.policy)
	switch {
	case h.options.User == "" && !local(r.Host):
		// A web page can have its own host name lead to this machine, and would be let in.
		http.Error(w, "without TUMA_MONITOR_USER and TUMA_MONITOR_PASSWORD the dashboard is "+
			"served at 127.0.0.1 and localhost only", http.StatusForbidden)
	case h.options.User != "" && !h.authorised(r):
		if r.Header.Get("Authorization") != "" { // A browser asks without a password first.
			h.options.Wrong.Seen(r)
		}
		w.Header().Set("WWW-Authenticate", `Basic realm="Tuma"`)
		http.Error(w, "user and password required", http.StatusUnauthorized)
	case !h.options.Write && r.Method != http.MethodGet && r.Method != http.MethodHead:
		w.Header().Set("Allow", "GET, HEAD")
		http.Error(w, "the dashboard is read-only: TUMA_MONITOR_WRITE=true changes that",
			http.StatusMethodNotAllowed)
	case h.origins.Check(r) != nil:
		http.Error(w, "the request comes from another site", http.StatusForbidden)
	case strings.HasPrefix(r.URL.Path, apiPath):
		h.serveMasked(w, r)
	default:
		h.dashboard.ServeHTTP(w, r)
	}
}

func (h *Handler) authorised(r *http.Request) bool {
	user, password, _ := r.BasicAuth()
	same := func(a, b string) int {
		x, y := sha256.Sum256([]byte(a)), sha256.Sum256([]byte(b))
		return subtle.ConstantTimeCompare(x[:], y[:])
	}
	return same(user, h.options.User)&same(password, h.options.Password()) == 1
}

// connection gives asynqmon the client that all of Tuma uses.
type connection redisconn.Options

// MakeRedisClient builds the client. New has checked that it can be built.
func (c connection) MakeRedisClient() any {
	client, err := redisconn.Dial(redisconn.Options(c))
	if err != nil {
		panic(err)
	}
	return client
}
