// Package api is the HTTP inlet, for services that would rather not speak Redis: producers post
// jobs and ask where they stand. A job is answered only after the state holds it, and the same job
// may be posted again without a second effect. openapi.yaml describes the routes.
//
// api.go serves the routes, listen.go where; disbursals.go takes and shows disbursals, list.go
// lists and cancel.go withdraws them; recipients.go finds recipients; results.go reads results, for
// which feed.go waits; airtime.go is the airtime service; query.go reads parameters, access.go
// knows producers by their tokens, limits.go bounds what each may ask, requestid.go names requests;
// answer.go spells answers, metrics.go counts them.
package api

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"go.uber.org/zap"

	"tuma/internal/config"
	"tuma/internal/intake"
	"tuma/internal/listen"
	"tuma/internal/logs"
	"tuma/internal/state"
)

const (
	// maxBody bounds a request's body, in bytes: a job of 1,000 recipients has about 70,000.
	maxBody = 1 << 20
	// storeLimit bounds what one request asks of the state, so that a silent Redis is answered for.
	storeLimit = 10 * time.Second
	// refusedPace is how often refusals of one kind are logged.
	refusedPace = time.Minute
)

// State is what producers are shown of the state, and what they may withdraw there.
type State interface {
	Summarize(ctx context.Context, kind state.Kind, name string) (state.Summary, error)
	Report(ctx context.Context, kind state.Kind, name string, fn func(state.Row) error) error
	ResultsAfter(ctx context.Context, after string, count int) (state.ResultsPage, error)
	Rehearse(
		ctx context.Context, disbursals []state.Disbursal, so *state.Rehearsal,
	) (state.Acceptance, error)
	Shortages(
		ctx context.Context, needed map[state.FloatAccount]int64,
	) ([]state.Shortage, error)
	Disbursals(ctx context.Context, asked state.DisbursalsAsked) ([]state.Summary, string, error)
	Cancel(
		ctx context.Context, kind state.Kind, name, who, note string,
	) (state.Cancellation, error)
	Find(ctx context.Context, search state.Search) (rows []state.Row, next string, err error)
	Ready(ctx context.Context) error
}

var _ State = (*state.Store)(nil)

// StatusWriter writes a summary and its recipients as JSON. rows calls its argument for each
// recipient. Nothing may be taken for complete that was written before an error.
type StatusWriter func(
	w io.Writer, sum state.Summary, rows func(each func(state.Row) error) error,
) error

// Options are what the inlet works with.
type Options struct {
	State State
	// Accept takes disbursals of together at most state.MaxRecipients recipients.
	Accept func(context.Context, []state.Disbursal) ([]state.Outcome, error)
	Rules  intake.Rules
	// AirtimeProvider is whom the airtime service sends through; empty where nobody is.
	AirtimeProvider string
	Status          StatusWriter
	// Summary is a summary as Status writes it, without the recipients; it is encoded as JSON.
	Summary func(state.Summary) any
	// Recipient is a recipient as Status writes it; it is encoded as JSON.
	Recipient func(state.Row) any
	// Tokens returns the producer=token pairs that hold now. Nil lets in whoever reaches the
	// listener, which must be on loopback then.
	Tokens   func() string
	Registry prometheus.Registerer
	Log      *zap.Logger
	// Wrong takes note of wrong tokens; nil does not.
	Wrong *listen.WrongSecrets
}

// API answers the requests of producers.
type API struct {
	options Options
	tokens  *tokens // Nil when everybody on this machine may ask.
	limits  *limits
	metrics *metrics
	feed    *feed
	mux     *http.ServeMux
	// refusedLog takes what anybody who reaches the listener can bring about.
	refusedLog *zap.Logger
}

var _ http.Handler = (*API)(nil)

// route is one line of the table that drives the mux, the metrics and the test of openapi.yaml.
type route struct {
	method, path string
	// answers is every status that the route answers.
	answers []int
	// scope is what a token must permit; empty where any will do.
	scope config.Scope
	// open routes need no token and cost nothing.
	open bool
	// tokenOnly routes are refused while there are no tokens, whoever asks.
	tokenOnly bool
	serve     func(*request) answer
}

func (r route) pattern() string { return r.method + " " + r.path }

// request is an HTTP request, who sent it and its name. Without tokens the producer is empty.
type request struct {
	*http.Request
	producer string
	id       string
	// pause gives the turn of the request back before it waits as long.
	pause func(wait time.Duration)
	// waited is how long it did.
	waited time.Duration
}

const (
	disbursalsPath = "/v1/disbursals"
	resultsPath    = "/v1/results"
	recipientsPath = "/v1/recipients"
	// cancelSuffix stands behind the path of a disbursal that is to be cancelled.
	cancelSuffix = "/cancel"
)

// routes is the table.
func (a *API) routes() []route {
	and := func(own ...int) []int { // With what every route that is not open may answer.
		return slices.Sorted(slices.Values(append(own, http.StatusUnauthorized,
			http.StatusForbidden, http.StatusTooManyRequests, http.StatusServiceUnavailable)))
	}
	const (
		ok, accepted = http.StatusOK, http.StatusAccepted
		bad, missing = http.StatusBadRequest, http.StatusNotFound
		conflict     = http.StatusConflict
		gone         = http.StatusGone
		large        = http.StatusRequestEntityTooLarge
		otherType    = http.StatusUnsupportedMediaType
		faulty       = http.StatusUnprocessableEntity
	)
	return []route{
		{
			method: "POST", path: disbursalsPath, serve: a.postDisbursal, scope: config.ScopeSend,
			answers: and(ok, accepted, bad, conflict, large, otherType, faulty),
		},
		{
			method: "GET", path: disbursalsPath + "/{reference...}", serve: a.getDisbursal,
			scope: config.ScopeRead, answers: and(ok, missing),
		},
		{
			method: "GET", path: disbursalsPath, serve: a.listDisbursals, scope: config.ScopeRead,
			answers: and(ok, bad),
		},
		{
			method: "POST", path: disbursalsPath + "/{reference}" + cancelSuffix,
			serve: a.cancelDisbursal, scope: config.ScopeCancel, answers: and(ok, bad, missing, large),
		},
		{
			method: "GET", path: recipientsPath, serve: a.findRecipients, scope: config.ScopeRead,
			answers: and(ok, bad),
		},
		{
			method: "GET", path: resultsPath, serve: a.getResults, scope: config.ScopeRead,
			answers: and(ok, bad, gone),
		},
		{method: "GET", path: "/airtime/{$}", serve: a.getService, answers: and(ok)},
		{
			method: "GET", path: sendPath, serve: a.sendAirtime, tokenOnly: true,
			scope: config.ScopeSend, answers: and(ok, bad, conflict),
		},
		{
			method: "POST", path: sendPath, serve: a.sendAirtime, scope: config.ScopeSend,
			answers: and(ok, bad, conflict, large),
		},
		{
			method: "GET", path: "/openapi.yaml", serve: getDescription, open: true,
			answers: []int{ok, http.StatusForbidden},
		},
	}
}

// New builds the inlet and registers its metrics.
func New(o Options) *API {
	a := &API{
		options: o, limits: newLimits(), mux: http.NewServeMux(),
		feed: newFeed(func(ctx context.Context, after string, n int) (state.ResultsPage, error) {
			return o.State.ResultsAfter(ctx, after, n)
		}),
		refusedLog: logs.Summed(o.Log, refusedPace, "route", "producer", "status"),
	}
	if o.Tokens != nil {
		a.tokens = &tokens{text: o.Tokens, log: o.Log}
	}
	routes := a.routes()
	if o.AirtimeProvider == "" {
		routes = slices.DeleteFunc(routes, func(r route) bool {
			return strings.HasPrefix(r.path, "/airtime/")
		})
	}
	a.metrics = newMetrics(o.Registry, routes)
	for _, route := range routes {
		a.mux.HandleFunc(route.pattern(), func(w http.ResponseWriter, r *http.Request) {
			r.Body = http.MaxBytesReader(w, r.Body, maxBody)
			w.Header().Set(requestIDHeader, requestID(r))
			a.handle(w, r, route)
		})
	}
	return a
}

// ServeHTTP answers one request.
func (a *API) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	keepReference(r)
	handler, pattern := a.mux.Handler(r)
	if pattern == "" || r.Method == http.MethodHead {
		refusal := &statusWriter{ResponseWriter: w}
		a.refuse(refusal, r, handler)
		a.metrics.answered(noRoute, refusal.status)
		return
	}
	a.mux.ServeHTTP(w, r)
}

// refuse answers what no route serves.
func (a *API) refuse(w http.ResponseWriter, r *http.Request, handler http.Handler) {
	switch {
	case a.tokens == nil && stranger(r):
		http.Error(w, strangers, http.StatusForbidden)
	case r.Method == http.MethodHead:
		// The mux would take it for a GET, and the one of airtime disburses.
		w.Header().Set("Allow", "GET, POST")
		w.WriteHeader(http.StatusMethodNotAllowed)
	default:
		handler.ServeHTTP(w, r) // No such route, or not with that method.
	}
}

// keepReference escapes whatever the mux would tidy up in the reference that a path holds: "a//b"
// and "a/b" are two disbursals.
func keepReference(r *http.Request) {
	rest, found := strings.CutPrefix(r.URL.EscapedPath(), disbursalsPath+"/")
	if !found {
		return
	}
	suffix := ""
	if before, cancels := strings.CutSuffix(rest, cancelSuffix); cancels && r.Method == "POST" {
		rest, suffix = before, cancelSuffix
	}
	if reference, err := url.PathUnescape(rest); err == nil {
		escaped := strings.ReplaceAll(url.PathEscape(reference), ".", "%2E")
		r.URL.RawPath = disbursalsPath + "/" + escaped + suffix
	}
}

// strangers is what browsers and other hosts are told while there are no tokens.
const strangers = "without TUMA_HTTP_TOKENS only programs on this machine may ask, at a loopback " +
	"address: no browser, no other host name"

// handle lets a request in, or says why not, and answers it.
func (a *API) handle(w http.ResponseWriter, r *http.Request, route route) {
	began, asked := time.Now(), &request{Request: r, id: w.Header().Get(requestIDHeader)}
	defer func() { a.metrics.took(route, time.Since(began)-asked.waited) }()
	var refusal *answer
	if asked.producer, refusal = a.admit(r, route); refusal != nil {
		a.send(w, route, asked.producer, *refusal)
		return
	}
	if !route.open {
		leave, refusal := a.turn(w, r, asked.producer)
		if refusal != nil {
			a.send(w, route, asked.producer, *refusal)
			return
		}
		leave = sync.OnceFunc(leave)
		defer leave()
		asked.pause = func(wait time.Duration) {
			leave()
			extend(w, wait+requestTimeout)
		}
	}
	a.send(w, route, asked.producer, route.serve(asked))
}

// extend gives a request more time than the listener does.
func extend(w http.ResponseWriter, more time.Duration) {
	control, at := http.NewResponseController(w), time.Now().Add(more)
	_ = errors.Join(control.SetReadDeadline(at), control.SetWriteDeadline(at)) // A test's has none.
}

// turn reads the body of a request and waits for its turn, or returns the answer when it gets none.
func (a *API) turn(
	w http.ResponseWriter, r *http.Request, producer string,
) (leave func(), refusal *answer) {
	release, err := a.limits.readBody(w, r, producer)
	if err != nil {
		no := unreadable(err)
		if errors.Is(err, errBusy) {
			no = busy()
		}
		w.Header().Set("Connection", "close") // What is left of the body is not waited for.
		return nil, &no
	}
	over, entered := a.limits.enter(r.Context(), producer)
	if !entered {
		release()
		no := busy()
		return nil, &no
	}
	return func() { over(); release() }, nil
}

// admit finds out who asks. It returns the answer when they may not, or not now.
func (a *API) admit(r *http.Request, route route) (producer string, refusal *answer) {
	switch {
	case a.tokens == nil && stranger(r):
		no := failure(http.StatusForbidden, strangers)
		return "", &no
	case a.tokens == nil && route.tokenOnly:
		no := failure(http.StatusForbidden, "money by GET needs a token, or a link would send it: "+
			"set TUMA_HTTP_TOKENS, or send a POST")
		return "", &no
	case route.open:
		return "", nil
	}
	token, refusal := a.identify(r)
	if refusal != nil {
		return "", refusal
	}
	if !a.limits.allow(token.Producer) {
		no := failure(http.StatusTooManyRequests, "too many requests: send them more slowly")
		no.retry = time.Second
		return token.Producer, &no
	}
	if a.tokens != nil && route.scope != "" && !token.Permits(route.scope) {
		no := failure(http.StatusForbidden, fmt.Sprintf("this token lacks the scope %[1]s: "+
			"TUMA_HTTP_TOKENS must name it for %[2]s, as in %[2]s:%[1]s=…", route.scope, token.Producer))
		return token.Producer, &no
	}
	return token.Producer, nil
}

// identify finds the token of a request, or the answer when it has none that holds. Without tokens
// everybody has the empty one.
func (a *API) identify(r *http.Request) (token config.Token, refusal *answer) {
	if a.tokens == nil {
		return token, nil
	}
	header := strings.Join(r.Header.Values("Authorization"), ", ") // Two are nobody's.
	token, known := a.tokens.of(header)
	if known {
		return token, nil
	}
	if header != "" {
		a.options.Wrong.Seen(r)
	}
	no := failure(http.StatusUnauthorized,
		"unknown or missing token: send Authorization: Bearer and one of TUMA_HTTP_TOKENS")
	return config.Token{}, &no
}
