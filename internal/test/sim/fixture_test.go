package sim_test

import (
	"bytes"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync/atomic"
	"time"

	"github.com/redis/go-redis/v9"
	"go.uber.org/zap"

	"tuma/internal/callback"
	"tuma/internal/providers"
	"tuma/internal/redisconn"
	"tuma/internal/sandbox"
	"tuma/internal/state"
	"tuma/internal/state/statetest"
	"tuma/internal/webhook"
)

// fixture is what all scenarios of a test binary share, outside of any bubble: the Redis, the
// server that the providers answer on, and the listener that a provider asks before it pays.
type fixture struct {
	redisURL string
	edit     state.ScriptEdit
	server   *httptest.Server
	rdb      redis.UniversalClient
	listener *state.Store
	client   *providers.Client
	handler  http.Handler
	harness  atomic.Pointer[harness]
	provider atomic.Pointer[sandbox.Simulator]
	// holding is set while a request is kept from its provider, and held is that request.
	holding atomic.Bool
	held    atomic.Pointer[http.Request]
	// doubling is set while a request is repeated on its way.
	doubling atomic.Bool
}

// newFixture builds a fixture on a Redis of its own, with scripts that were edited once more.
func newFixture(redisURL string, edit state.ScriptEdit) *fixture {
	f := &fixture{redisURL: redisURL, edit: func(verb, text string) string {
		if edit != nil {
			text = edit(verb, text)
		}
		return statetest.Clocked(verb, text)
	}}
	f.server = httptest.NewUnstartedServer(f)
	f.server.Config.SetKeepAlivesEnabled(false) // A kept connection would keep time from passing.
	f.server.Start()
	o := variants[0]
	o.URL, o.Namespace, o.AllowVolatile, o.Providers = redisURL, namespace, true, knownProviders(0)
	store, err := state.Open(background, o)
	must(err)
	f.listener = store.Edited(f.edit)
	f.rdb, err = redisconn.Dial(o.Options)
	must(err)
	f.client = providers.NewClient(providers.ClientOptions{Timeout: time.Second})
	f.handler = callback.New(callback.Options{
		Store: f.listener, Entries: entriesAt(f.base(), f.client),
		Token: func() string { return token }, QueryTimeout: time.Second,
		Metrics: callbackMetrics, Log: zap.NewNop(),
	}).Handler()
	return f
}

func (f *fixture) close() {
	f.server.Close()
	f.client.Close()
	must(f.listener.Close())
	must(f.rdb.Close())
}

func (f *fixture) base() string { return f.server.URL }

// ServeHTTP is the providers, and the listener for their questions.
func (f *fixture) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	if strings.HasPrefix(r.URL.Path, "/callbacks/") {
		f.handler.ServeHTTP(w, r)
		return
	}
	body, err := io.ReadAll(r.Body)
	if err != nil {
		return // The client has gone.
	}
	if name, is := strings.CutPrefix(r.URL.Path, hookPath); is {
		f.harness.Load().hooked(w, name, r.Header.Get(webhook.HeaderID), string(body))
		return
	}
	r.Body = io.NopCloser(bytes.NewReader(body))
	isLate := r.Header.Get(lateHeader) != ""
	if name, sends := sendPaths[r.URL.Path]; sends && !isLate {
		f.harness.Load().posted(name, r.Header.Get("Idempotency-Key"), body)
	}
	if f.holding.Load() {
		again, err := http.NewRequest(r.Method, f.base()+r.URL.Path, bytes.NewReader(body))
		must(err)
		again.Header = r.Header.Clone()
		again.Header.Set(lateHeader, "1")
		f.held.Store(again)
		panic(http.ErrAbortHandler)
	}
	if f.doubling.Load() {
		f.deliverUnanswered(r, body)
	}
	f.provider.Load().ServeHTTP(w, r)
}

// deliverUnanswered hands a request to its provider and drops the answer.
func (f *fixture) deliverUnanswered(r *http.Request, body []byte) {
	defer func() { _ = recover() }() // The provider may cut the connection.
	first := r.Clone(r.Context())
	first.Body = io.NopCloser(bytes.NewReader(body))
	f.provider.Load().ServeHTTP(httptest.NewRecorder(), first)
}

// lateHeader marks a request that was held.
const lateHeader = "X-Late"

var sendPaths = map[string]string{
	"/v1/gw/airtime/send": lipad, "/version1/airtime/send": talking,
	"/api/v3/airtime/send": quicksms, "/api/v1/airtime/topup": sozuri,
}
