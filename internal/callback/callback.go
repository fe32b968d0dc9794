// Package callback is the HTTP listener for callbacks of providers: who may call (allow.go,
// miss.go), reading and storing (callback.go), and confirming by a query (confirm.go). A callback
// is stored before it is answered, because some are never sent again. Where the provider can be
// asked, a query decides and the callback only brings it forward.
package callback

import (
	"context"
	"crypto/sha256"
	"crypto/subtle"
	"encoding/json"
	"errors"
	"io"
	"net/http"
	"slices"
	"time"

	"go.uber.org/zap"

	"tuma/internal/config"
	"tuma/internal/listen"
	"tuma/internal/logs"
	"tuma/internal/providers"
	"tuma/internal/providers/catalog"
	"tuma/internal/state"
)

const (
	// maxBody bounds a callback: they hold one recipient each.
	maxBody = 64 << 10
	// storeTimeout bounds what the state takes.
	storeTimeout = 5 * time.Second
	// validateTimeout bounds the answer to a provider that is waiting to pay.
	validateTimeout = 2 * time.Second
	// refusedPace is how often refusals of one kind are logged.
	refusedPace = time.Minute
)

// Store is the state as callbacks need it.
type Store interface {
	Hint(ctx context.Context, batch string, said providers.RecipientStatus) (bool, error)
	Apply(ctx context.Context, c state.Callback) (state.CallbackResult, error)
	Park(ctx context.Context, c state.Callback) (state.CallbackResult, error)
	DueCallbacks(
		ctx context.Context, limit int, lease time.Duration, confirm ...string,
	) ([]state.DueCallback, error)
	Validate(ctx context.Context, provider string, v providers.Validation) (bool, error)
	DeadLetter(ctx context.Context, provider, why string, body []byte) error
	Load(ctx context.Context, id string) (*state.Batch, error)
	Renamed(
		ctx context.Context, b *state.Batch, lines []providers.RecipientStatus,
	) ([]providers.RecipientStatus, error)
	Observe(
		ctx context.Context, b *state.Batch, lines []providers.RecipientStatus, known bool,
		r state.PollSchedule,
	) (state.Observed, error)
}

var _ Store = (*state.Store)(nil)

// Options are the settings of a Receiver.
type Options struct {
	Store   Store
	Entries map[string]catalog.Entry
	// Token returns the secret in the path, or one for each provider as config.ParseCallbackTokens
	// reads them; it is asked each time, since it may be rotated.
	Token func() string
	// Networks are those that may send callbacks; the zero value lets all.
	Networks Networks
	// Known are all providers, also those that are not on here: a token may be for each. Without
	// any, every name will do.
	Known []string
	// Trusted are the providers whose word is taken without a query.
	Trusted []string
	// QueryTimeout bounds one confirming query.
	QueryTimeout time.Duration
	Metrics      *Metrics
	Log          *zap.Logger
	// Wrong takes note of wrong tokens; nil does not.
	Wrong *listen.WrongSecrets
}

// Receiver takes callbacks over HTTP, and tries those again that could not be applied at once.
type Receiver struct {
	o Options
	// refusedLog takes what anybody who reaches the listener can bring about.
	refusedLog *zap.Logger
}

// New returns a receiver.
func New(o Options) *Receiver {
	return &Receiver{o: o, refusedLog: logs.Summed(o.Log, refusedPace, "provider")}
}

// Handler serves POST /callbacks/{token}/…. A wrong token is not found, like everything else, and
// so is everything for an address that may not send.
func (r *Receiver) Handler() http.Handler {
	mux := http.NewServeMux()
	for name, entry := range r.o.Entries {
		for _, route := range entry.Routes {
			path := "/callbacks/{token}/" + route.Under(name)
			mux.HandleFunc(path, r.serve(entry, route))
			mux.HandleFunc(path+"/{$}", r.serve(entry, route)) // As some write addresses.
		}
	}
	return r.noting(mux)
}

// serve takes what comes to one address.
func (r *Receiver) serve(entry catalog.Entry, route providers.Route) http.HandlerFunc {
	name := entry.Capabilities.Name
	return func(w http.ResponseWriter, request *http.Request) {
		switch {
		case !r.expected(request):
			r.o.Metrics.took(name, unauthorised)
			http.NotFound(w, request)
			return
		case !has(r.tokens().Of(name), request.PathValue("token")):
			r.o.Metrics.took(name, unauthorised)
			r.o.Wrong.Seen(request)
			http.NotFound(w, request)
			return
		case request.Method != http.MethodPost:
			w.Header().Set("Allow", http.MethodPost)
			http.Error(w, "callbacks are posted", http.StatusMethodNotAllowed)
			return
		}
		c, ok := r.read(w, request, entry)
		switch {
		case !ok:
		case route.Asks:
			r.validate(w, c)
		default:
			r.report(w, c)
		}
	}
}

// expected reports whether a request comes from an address that may send callbacks.
func (r *Receiver) expected(request *http.Request) bool {
	from, ok := r.o.Networks.admits(request)
	if !ok {
		r.refusedLog.Warn("callback refused from an address that is not in TUMA_CALLBACK_ALLOW; "+
			"behind a proxy, is TUMA_CALLBACK_PROXIES set?", zap.Stringer("from", from))
	}
	return ok
}

// tokens are those that hold now; none when they cannot be read.
func (r *Receiver) tokens() config.CallbackTokens {
	tokens, err := config.ParseCallbackTokens(r.o.Token(), r.o.Known...)
	if err != nil {
		r.refusedLog.Error("TUMA_CALLBACK_TOKEN has changed and cannot be read; no callback is taken",
			zap.Error(err))
		return nil
	}
	return tokens
}

// has reports whether a secret is among others, in a time that tells nothing about them.
func has(secrets []string, given string) (found bool) {
	for _, secret := range secrets {
		if same(given, secret) {
			found = true
		}
	}
	return found
}

// same compares two secrets in a time that tells nothing about them, their lengths included.
func same(a, b string) bool {
	x, y := sha256.Sum256([]byte(a)), sha256.Sum256([]byte(b))
	return subtle.ConstantTimeCompare(x[:], y[:]) == 1 && b != ""
}

// call is one callback that has been received.
type call struct {
	entry catalog.Entry
	name  string
	media string
	body  []byte
}

func (r *Receiver) read(
	w http.ResponseWriter, request *http.Request, entry catalog.Entry,
) (*call, bool) {
	name := entry.Capabilities.Name
	body, err := io.ReadAll(http.MaxBytesReader(w, request.Body, maxBody))
	if tooLarge := (*http.MaxBytesError)(nil); errors.As(err, &tooLarge) {
		r.o.Metrics.took(name, unreadable)
		http.Error(w, "the body is larger than 64 KiB", http.StatusRequestEntityTooLarge)
		return nil, false
	}
	if err != nil { // The provider has gone, or is too slow: it has no answer and knows it.
		r.o.Metrics.took(name, unreadable)
		return nil, false
	}
	return &call{entry, name, request.Header.Get("Content-Type"), body}, true
}

// report takes what a provider says about one recipient.
func (r *Receiver) report(w http.ResponseWriter, c *call) {
	ctx, cancel := context.WithTimeout(context.Background(), storeTimeout)
	defer cancel()
	report, err := c.entry.Callbacks.ReadCallback(c.media, c.body)
	switch key := c.entry.CallbackKey(); {
	case errors.Is(err, providers.ErrNotAirtime):
		r.o.Metrics.took(c.name, ignored)
		ok(w)
		return
	case err != nil:
		r.unreadable(ctx, w, c, err)
		return
	case key != "" && !same(report.AuthKey, key):
		r.o.Metrics.took(c.name, unauthorised)
		r.refusedLog.Warn("callback without the key that the provider was given",
			zap.String("provider", c.name))
		http.Error(w, "wrong authKey", http.StatusForbidden)
		return
	}
	if report.Unread != "" {
		r.refusedLog.Warn("callback taken without a field that could not be read",
			zap.String("provider", c.name), zap.String("field", report.Unread))
	}
	r.o.Metrics.odd(c.name, report.Sums)
	what, err := r.take(ctx, c, report)
	if err != nil {
		r.o.Metrics.took(c.name, refused)
		r.refusedLog.Warn("callback not stored; the provider is asked to send it again",
			zap.String("provider", c.name), zap.Error(err))
		notStored(w)
		return
	}
	r.o.Metrics.took(c.name, what)
	ok(w)
}

func ok(w http.ResponseWriter) { _, _ = io.WriteString(w, "OK") }

// notStored has the provider send its callback again.
func notStored(w http.ResponseWriter) {
	w.Header().Set("Retry-After", "10")
	http.Error(w, "not stored", http.StatusServiceUnavailable)
}

// unreadable stores a body that says nothing as a dead letter, and refuses it.
func (r *Receiver) unreadable(ctx context.Context, w http.ResponseWriter, c *call, cause error) {
	r.o.Metrics.took(c.name, unreadable)
	err := r.o.Store.DeadLetter(ctx, c.name, cause.Error(), c.body)
	r.refusedLog.Warn("callback not understood", zap.String("provider", c.name),
		zap.NamedError("cause", cause), zap.Bool("stored", err == nil))
	if err != nil {
		notStored(w)
		return
	}
	http.Error(w, cause.Error(), http.StatusBadRequest)
}

// take stores a callback and returns the result for the metrics.
func (r *Receiver) take(ctx context.Context, c *call, report providers.Callback) (string, error) {
	if !report.Status.Valid() {
		r.o.Log.Warn("callback with a word that is not known; the recipient stays open",
			zap.String("provider", c.name), zap.String("word", report.Code))
		if c.entry.Capabilities.Asks == providers.AskNothing { // No query will bring it again.
			return unmatched, r.o.Store.DeadLetter(ctx, c.name, "unknown word "+report.Code, c.body)
		}
	}
	trusted := slices.Contains(r.o.Trusted, c.name)
	if c.entry.Capabilities.Asks == providers.AskByBatch {
		return r.ofBatch(ctx, c, report, trusted)
	}
	store := r.o.Store.Apply
	if r.toConfirm(c.name) {
		store = r.o.Store.Park // Until a query has confirmed it.
	}
	result, err := store(ctx, state.Callback{
		Provider: c.name, RecipientStatus: report.RecipientStatus,
	})
	if err != nil {
		return "", err
	}
	r.note(c.name, result)
	return string(result.Outcome), nil
}

// ofBatch takes a callback that names our own reference: the batch's query is brought forward and
// decides, unless the provider's word is trusted.
func (r *Receiver) ofBatch(
	ctx context.Context, c *call, report providers.Callback, trusted bool,
) (string, error) {
	if trusted && report.Status.Valid() {
		return r.observe(ctx, c, report)
	}
	known, err := r.o.Store.Hint(ctx, report.BatchID, report.RecipientStatus)
	if err != nil || known {
		return hinted, err
	}
	return unmatched, r.o.Store.DeadLetter(ctx, c.name, "no such batch", c.body)
}

// observe applies a trusted callback to the recipient of the batch that it names.
func (r *Receiver) observe(
	ctx context.Context, c *call, report providers.Callback,
) (string, error) {
	b, err := r.o.Store.Load(ctx, report.BatchID)
	if errors.Is(err, state.ErrNotFound) {
		return unmatched, r.o.Store.DeadLetter(ctx, c.name, "no such batch", c.body)
	}
	if err != nil {
		return "", err
	}
	lines, err := r.o.Store.Renamed(ctx, b, []providers.RecipientStatus{report.RecipientStatus})
	if err != nil {
		return "", err
	}
	is := func(m state.Member) bool { return m.Phone == lines[0].Phone }
	if !slices.ContainsFunc(b.Members, is) {
		return unmatched, r.o.Store.DeadLetter(ctx, c.name, "no such number in the batch", c.body)
	}
	observed, err := r.o.Store.Observe(ctx, b, lines, true,
		state.PollSchedule{Next: time.Second, Callback: true})
	if err != nil {
		return "", err
	}
	result := state.CallbackResult{
		Outcome: state.CallbackUnchanged, Batch: b.ID, Overpaid: observed.Overpaid,
		OtherAmount: observed.OtherAmounts > 0,
	}
	if observed.Changed > 0 {
		result.Outcome = state.CallbackApplied
	}
	r.note(c.name, result)
	return string(result.Outcome), nil
}

// note logs and counts what a callback showed.
func (r *Receiver) note(provider string, p state.CallbackResult) {
	r.o.Log.Debug("callback handled", zap.String("provider", provider), zap.String("batch", p.Batch),
		zap.String("outcome", string(p.Outcome)))
	if p.OtherAmount {
		r.o.Metrics.otherAmount(provider)
		r.o.Log.Error("callback names another amount than was sent: see enqueuer indoubt list",
			zap.String("provider", provider), zap.String("batch", p.Batch))
	}
	if p.OtherNumber {
		r.o.Metrics.otherNumber(provider)
		r.o.Log.Error("callback names the id of a recipient with another number; parked, not applied",
			zap.String("provider", provider))
	}
	if p.Overpaid > 0 {
		r.o.Log.Error("second effect seen: see enqueuer indoubt list",
			zap.String("provider", provider), zap.String("batch", p.Batch))
	}
	if p.Outcome == state.CallbackDropped {
		r.o.Log.Warn("callback given up: it fits no recipient", zap.String("provider", provider))
	}
}

// validate answers a provider that is about to pay. When in doubt the answer is no: no
// recipient is paid that we did not send.
func (r *Receiver) validate(w http.ResponseWriter, c *call) {
	ctx, cancel := context.WithTimeout(context.Background(), validateTimeout)
	defer cancel()
	question, err := c.entry.Validations.ReadValidation(c.media, c.body)
	if err != nil {
		r.o.Metrics.validated(c.name, validationUnreadable)
		_ = r.o.Store.DeadLetter(ctx, c.name, err.Error(), c.body) // The answer is the same.
		verdict(w, http.StatusBadRequest, false)
		return
	}
	ours, err := r.o.Store.Validate(ctx, c.name, question)
	switch {
	case err != nil:
		r.o.Metrics.validated(c.name, validationUnavailable)
		r.o.Log.Error("payment not confirmed: the state could not be asked",
			zap.String("provider", c.name), zap.Error(err))
	case !ours:
		r.o.Metrics.validated(c.name, validationRefused)
		r.o.Log.Warn("payment not confirmed: no recipient with this number and amount is on the wire",
			zap.String("provider", c.name), zap.Stringer("phone", question.Phone),
			zap.String("question", question.ID))
	default:
		r.o.Metrics.validated(c.name, validationGiven)
	}
	verdict(w, http.StatusOK, err == nil && ours)
}

func verdict(w http.ResponseWriter, status int, ours bool) {
	word := "Failed"
	if ours {
		word = "Validated"
	}
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(status)
	_ = json.NewEncoder(w).Encode(map[string]string{"status": word}) // The client has gone if so.
}
