package sim_test

import (
	"bytes"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"net/url"
	"regexp"
	"strings"
	"sync/atomic"
	"time"

	"github.com/redis/go-redis/v9"
	"go.uber.org/zap"

	"tuma/internal/callback"
	"tuma/internal/providers"
	"tuma/internal/sandbox"
	"tuma/internal/state"
)

// stage is what all stories of a test binary share, outside of any bubble: the Redis, the server
// that the providers answer on, and the listener that a provider asks before it pays.
type stage struct {
	redisURL string
	edit     state.ScriptEdit
	server   *httptest.Server
	rdb      redis.UniversalClient
	listener *state.Store
	client   *providers.Client
	handler  http.Handler
	world    atomic.Pointer[world]
	provider atomic.Pointer[sandbox.Simulator]
	// holding is set while a request is kept from its provider, and held is that request.
	holding atomic.Bool
	held    atomic.Pointer[http.Request]
}

// newStage sets the stage on a Redis of its own, with scripts that were edited once more.
func newStage(redisURL string, edit state.ScriptEdit) *stage {
	s := &stage{redisURL: redisURL, edit: func(verb, text string) string {
		if edit != nil {
			text = edit(verb, text)
		}
		return clocked(verb, text)
	}}
	s.server = httptest.NewUnstartedServer(s)
	s.server.Config.SetKeepAlivesEnabled(false) // A kept connection would keep time from passing.
	s.server.Start()
	o := variants[0]
	o.URL, o.Namespace, o.AllowVolatile, o.Providers = redisURL, namespace, true, stateProviders(0)
	store, err := state.Open(background, o)
	must(err)
	s.listener = store.Edited(s.edit)
	s.rdb, err = state.Dial(o)
	must(err)
	s.client = providers.NewClient(providers.ClientOptions{Timeout: time.Second})
	s.handler = callback.New(callback.Options{
		Store: s.listener, Entries: entriesAt(s.base(), s.client),
		Token: func() string { return token }, QueryTimeout: time.Second,
		Meter: callbackMeter, Log: zap.NewNop(),
	}).Handler()
	return s
}

func (s *stage) close() {
	s.server.Close()
	s.client.Close()
	must(s.listener.Close())
	must(s.rdb.Close())
}

func (s *stage) base() string { return s.server.URL }

// ServeHTTP is the providers, and the listener for their questions.
func (s *stage) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	if strings.HasPrefix(r.URL.Path, "/callbacks/") {
		s.handler.ServeHTTP(w, r)
		return
	}
	body, err := io.ReadAll(r.Body)
	if err != nil {
		return // The client has gone.
	}
	r.Body = io.NopCloser(bytes.NewReader(body))
	isLate := r.Header.Get(lateHeader) != ""
	if name, sends := sendPaths[r.URL.Path]; sends && !isLate {
		s.world.Load().posted(name, r.Header.Get("Idempotency-Key"), body)
	}
	if s.holding.Load() {
		again, err := http.NewRequest(r.Method, s.base()+r.URL.Path, bytes.NewReader(body))
		must(err)
		again.Header = r.Header.Clone()
		again.Header.Set(lateHeader, "1")
		s.held.Store(again)
		panic(http.ErrAbortHandler)
	}
	s.provider.Load().ServeHTTP(w, r)
}

// lateHeader marks a request that was held.
const lateHeader = "X-Late"

var sendPaths = map[string]string{
	"/v1/gw/airtime/send": lipad, "/version1/airtime/send": talking,
	"/api/v3/airtime/send": quicksms, "/api/v1/airtime/topup": sozuri,
}

var (
	phonePattern     = regexp.MustCompile(`254\d{9}`)
	referencePattern = regexp.MustCompile(`"reference":"([^"]+)"`)
)

// posted checks a request at the moment when it reaches its provider: everybody in it is sending,
// in one batch there whose time is not over, and that attempt has not been posted before.
func (w *world) posted(provider, key string, body []byte) {
	text := string(body)
	if decoded, err := url.QueryUnescape(text); err == nil && key != "" {
		text = decoded
	}
	named := key
	if found := referencePattern.FindStringSubmatch(text); provider == lipad && found != nil {
		named = found[1]
	}
	phones := phonePattern.FindAllString(text, -1)
	w.note(fmt.Sprintf("            %s gets a request for %d: %s", provider, len(phones), named))
	batches := map[string]int{}
	for _, row := range readRows(w.stage.rdb, w.jobs) {
		if row.status == 's' && row.provider == provider {
			for _, phone := range phones {
				if phone == row.phone && (named == "" || named == row.place) {
					batches[row.place]++
				}
			}
		}
	}
	fits := 0
	for id, members := range batches {
		fields := w.stage.rdb.HGetAll(background, w.key("batch", id)).Val()
		n := number(fields["n"])
		late := w.now.Load()/1e6 > number(fields["deadline"])
		if int(n) != len(phones) || members < len(phones) || fields["state"] != "sending" || late {
			continue
		}
		fits++
		attempt := id + " " + fields["attempt"]
		if w.posts[attempt]++; w.posts[attempt] > 1 && named != "" {
			w.violated("invariant 2: %s was posted twice in one attempt", attempt)
		}
	}
	if fits == 0 {
		w.violated("invariant 2: %s got a request for %v (%s) that nobody is sending in time",
			provider, phones, named)
	}
}
