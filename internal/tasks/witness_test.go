package tasks_test

import (
	"bytes"
	"context"
	"encoding/json"
	"io"
	"net/http"
	"net/http/httptest"
	"net/url"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/stretchr/testify/require"

	"tuma/internal/callback"
	"tuma/internal/sandbox"
	"tuma/internal/state"
	"tuma/internal/state/statetest"
)

// latency is how long a request takes, by the clock of the test.
const latency = 700 * time.Millisecond

const callbackToken = "token-of-the-path"

// witness stands between the fleet and the simulated providers, and keeps what each of them did:
// the requests with their answers, and the callbacks. Time stands still until the test, or a
// request, lets it pass; the scripts and the providers have the same clock.
type witness struct {
	*fleet
	simulator *sandbox.Simulator
	receiver  *callback.Receiver

	clockMu sync.Mutex
	clock   *statetest.Clock

	listMu sync.Mutex
	// exchanges are in their order, without those for tokens.
	exchanges []exchange
	// posted are callbacks on their way to us, heard those that have come.
	posted []letter
	heard  []letter
	// confirming says that the queries of now are about callbacks.
	confirming bool
}

// exchange is one request at a provider, and how it was answered.
type exchange struct {
	provider, path string
	// batch is our reference in the request; empty where the provider gets none.
	batch string
	// confirms says that it asked about a callback.
	confirms     bool
	began, ended time.Time
	// status is zero where the connection broke.
	status int
	answer string
}

// letter is one callback.
type letter struct {
	at                time.Time
	path, media, body string
}

// newWitness builds one with the providers' switches as the test wants them.
func newWitness(t *testing.T) *witness {
	t.Helper()
	w := &witness{fleet: newFleet(t, func(o *state.Options) {
		o.SubmitTimeout, o.Guard, o.SettleDelay = time.Minute, time.Minute, time.Minute
	})}
	w.clock = w.clocked(t)
	mailbox := httptest.NewServer(http.HandlerFunc(w.collect))
	t.Cleanup(mailbox.Close)
	faults := sandbox.DefaultFaults()
	faults.Outcomes = sandbox.Weights{Successful: 1}
	w.simulator = sandbox.New(sandbox.Options{
		Seed: 1, Faults: faults, Now: w.now, Callbacks: mailbox.URL + "/callbacks/" + callbackToken,
	})
	t.Cleanup(w.simulator.Close)
	w.fleet.simulator = w.simulator
	w.provider.next = w
	var names []string
	for name := range w.entries {
		names = append(names, name)
	}
	w.receiver = callback.New(callback.Options{
		Store: w.store, Entries: w.entries, Token: func() string { return callbackToken },
		QueryTimeout: time.Minute, Log: w.log,
		Metrics: callback.NewMetrics(prometheus.NewRegistry(), names),
	})
	return w
}

func (w *witness) now() time.Time {
	w.clockMu.Lock()
	defer w.clockMu.Unlock()
	return w.clock.Now()
}

func (w *witness) pass(d time.Duration) {
	w.clockMu.Lock()
	defer w.clockMu.Unlock()
	w.clock.Pass(d)
}

// seen are the exchanges so far.
func (w *witness) seen() []exchange {
	w.listMu.Lock()
	defer w.listMu.Unlock()
	return slices.Clone(w.exchanges)
}

// ServeHTTP has the simulator carry a request out, and notes what it answered. An answer takes its
// time; a token takes none.
func (w *witness) ServeHTTP(out http.ResponseWriter, r *http.Request) {
	body, err := io.ReadAll(r.Body)
	if err != nil {
		return // The client has gone.
	}
	r.Body = io.NopCloser(bytes.NewReader(body))
	e := exchange{
		provider: providerAt(r.URL.Path), path: r.URL.Path, batch: batchIn(r, body), began: w.now(),
	}
	if e.provider != "" {
		w.pass(latency)
	}
	answer := httptest.NewRecorder()
	broken := breaks(func() { w.simulator.ServeHTTP(answer, r) })
	if e.ended = w.now(); !broken {
		e.status, e.answer = answer.Code, answer.Body.String()
	}
	w.listMu.Lock()
	e.confirms = w.confirming
	if e.provider != "" {
		w.exchanges = append(w.exchanges, e)
	}
	w.listMu.Unlock()
	if broken {
		panic(http.ErrAbortHandler)
	}
	for name, values := range answer.Header() {
		out.Header()[name] = values
	}
	out.WriteHeader(answer.Code)
	_, _ = out.Write(answer.Body.Bytes())
}

// breaks reports whether a handler cut its connection.
func breaks(serve func()) (broken bool) {
	defer func() {
		if p := recover(); p != nil {
			broken = true
		}
	}()
	serve()
	return false
}

// providerAt says whose a path is; empty for that of tokens.
func providerAt(path string) string {
	switch {
	case strings.HasPrefix(path, "/v1/gw/"):
		return lipad
	case path == talkingSend, path == talkingFind:
		return talking
	case path == sozuriSend:
		return sozuri
	case strings.HasPrefix(path, "/api/v3/"):
		return quicksms
	}
	return ""
}

// batchIn is our reference in a request.
func batchIn(r *http.Request, body []byte) string {
	if rest, found := strings.CutSuffix(r.URL.Path, "/status"); found {
		return rest[strings.LastIndex(rest, "/")+1:]
	}
	var sent struct {
		Reference string `json:"external_reference"`
	}
	if json.Unmarshal(body, &sent) == nil && sent.Reference != "" {
		return sent.Reference
	}
	return r.Header.Get("Idempotency-Key")
}

// asks says whether it is a question rather than a submission.
func (e exchange) asks() bool {
	return strings.HasSuffix(e.path, "/status") || e.path == talkingFind
}

// collect takes a callback that the simulator sends: it is on its way until the test delivers it.
func (w *witness) collect(out http.ResponseWriter, r *http.Request) {
	body, err := io.ReadAll(r.Body)
	if err != nil {
		return
	}
	w.listMu.Lock()
	defer w.listMu.Unlock()
	w.posted = append(w.posted,
		letter{path: r.URL.Path, media: r.Header.Get("Content-Type"), body: string(body)})
	out.WriteHeader(http.StatusOK)
}

// awaits waits until the simulator has sent so many callbacks.
func (w *witness) awaits(t *testing.T, n int) {
	t.Helper()
	require.Eventually(t, func() bool {
		w.listMu.Lock()
		defer w.listMu.Unlock()
		return len(w.posted) == n
	}, testTimeout, time.Millisecond)
}

// deliver hands us a callback that was sent.
func (w *witness) deliver(t *testing.T, index int) {
	t.Helper()
	w.listMu.Lock()
	l := w.posted[index]
	w.listMu.Unlock()
	l.at = w.now()
	r := httptest.NewRequest(http.MethodPost, l.path, strings.NewReader(l.body))
	r.Header.Set("Content-Type", l.media)
	answer := httptest.NewRecorder()
	w.receiver.Handler().ServeHTTP(answer, r)
	require.Equal(t, http.StatusOK, answer.Code, answer.Body)
	w.heard = append(w.heard, l)
}

// confirm has the callbacks that wait be asked about.
func (w *witness) confirm(t *testing.T) {
	t.Helper()
	for _, now := range []bool{true, false} {
		w.listMu.Lock()
		w.confirming = now
		w.listMu.Unlock()
		if now {
			require.NoError(t, w.receiver.Round(context.Background()))
		}
	}
}

// word is what a callback says of its recipient, in our words, and the provider's id of it.
func (l letter) word(t *testing.T) (word, id string) {
	t.Helper()
	if form, err := url.ParseQuery(l.body); err == nil && form.Has("status") {
		return theirWords[form.Get("status")], form.Get("requestId")
	}
	var said struct {
		Status    string      `json:"status"`
		Code      json.Number `json:"service_status"`
		RequestID string      `json:"requestId"`
	}
	require.NoError(t, json.Unmarshal([]byte(l.body), &said), l.body)
	return theirWords[said.Status+said.Code.String()], said.RequestID
}

// theirWords are the words of the providers' pages.
var theirWords = map[string]string{
	"Success": "successful", "Failed": "failed", "Sent": "processing",
	"600": "submitted", "601": "processing", "602": "successful", "603": "failed",
}
