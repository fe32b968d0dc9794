package callback_test

import (
	"context"
	"errors"
	"net/http"
	"net/http/httptest"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/stretchr/testify/require"
	"go.uber.org/zap"
	"go.uber.org/zap/zaptest/observer"

	"tuma/internal/callback"
	"tuma/internal/providers"
	"tuma/internal/state"
)

// longRun is a run of digits that could be a phone number.
var longRun = regexp.MustCompile(`[0-9]{9}`)

// ledger is a state that notes what it is given, and that may be away.
type ledger struct {
	away        bool
	stored      int // Hints, callbacks applied or kept, and observations.
	deadLetters int
	validations []providers.Validation
	vouches     bool
}

var (
	_ callback.Store = (*ledger)(nil)

	errAway = errors.New("the state is away")
)

func (l *ledger) note(count *int) error {
	if l.away {
		return errAway
	}
	*count++
	return nil
}

func (l *ledger) Hint(context.Context, string, providers.RecipientStatus) (bool, error) {
	return true, l.note(&l.stored)
}

func (l *ledger) Apply(context.Context, state.Callback) (state.CallbackResult, error) {
	return state.CallbackResult{Outcome: state.CallbackApplied}, l.note(&l.stored)
}

func (l *ledger) Park(context.Context, state.Callback) (state.CallbackResult, error) {
	return state.CallbackResult{Outcome: state.CallbackParked}, l.note(&l.stored)
}

func (l *ledger) DueCallbacks(
	context.Context, int, time.Duration, ...string,
) ([]state.DueCallback, error) {
	return nil, errAway
}

func (l *ledger) Validate(
	_ context.Context, _ string, v providers.Validation,
) (bool, error) {
	if l.away {
		return true, errAway // Even then nobody is vouched for.
	}
	l.validations = append(l.validations, v)
	return l.vouches, nil
}

func (l *ledger) DeadLetter(context.Context, string, string, []byte) error {
	return l.note(&l.deadLetters)
}

func (l *ledger) Load(context.Context, string) (*state.Batch, error) {
	return nil, errAway
}

func (l *ledger) Renamed(
	context.Context, *state.Batch, []providers.RecipientStatus,
) ([]providers.RecipientStatus, error) {
	return nil, errAway
}

func (l *ledger) Observe(
	context.Context, *state.Batch, []providers.RecipientStatus, bool, state.PollSchedule,
) (state.Observed, error) {
	return state.Observed{}, errAway
}

// FuzzCallback posts bodies to every route. Each is stored before it is answered, or the provider
// is asked to send it again; what cannot be read is refused and kept; and no payment is vouched for
// that the state was not asked about.
func FuzzCallback(f *testing.F) {
	for _, row := range documented {
		for _, media := range []string{asJSON, asForm, ""} {
			f.Add(media, []byte(row.body), false, true)
			f.Add(media, []byte(row.body), true, true)
		}
	}
	for _, seed := range []string{
		"", "{}", "[]", "null", "a=1&a=2", `{"status":"Success","status":"Failed","requestId":"1"}`,
		`{"type":"sms"}`, `{"status":"254711000111","requestId":"1"}`, "254711000111=1&254711000111=2",
		strings.Repeat("a", 70_000),
	} {
		f.Add(asJSON, []byte(seed), false, false)
		f.Add(asForm, []byte(seed), false, true)
	}
	client := providers.NewClient(providers.ClientOptions{Timeout: time.Minute})
	f.Cleanup(client.Close)
	entries := entriesAt("http://127.0.0.1:1", client)
	metrics := callback.NewMetrics(prometheus.NewRegistry(), []string{lipad, at, sozuri})
	f.Fuzz(func(t *testing.T, media string, body []byte, away, vouches bool) {
		core, logs := observer.New(zap.DebugLevel)
		for route := range documented {
			store := &ledger{away: away, vouches: vouches}
			handler := callback.New(callback.Options{
				Store: store, Entries: entries, Token: func() string { return token },
				Metrics: metrics, Log: zap.New(core),
			}).Handler()
			request := httptest.NewRequest(http.MethodPost, "/callbacks/"+token+"/"+route,
				strings.NewReader(string(body)))
			request.Header["Content-Type"] = []string{media}
			answer := httptest.NewRecorder()
			handler.ServeHTTP(answer, request)
			requireFit(t, answer.Body.String())
			if route == atValidation {
				requireVouched(t, store, answer)
			} else {
				requireStored(t, store, answer, len(body))
			}
		}
		for _, entry := range logs.All() {
			for _, field := range entry.Context {
				requireFit(t, field.String)
				if err, ok := field.Interface.(error); ok {
					requireFit(t, err.Error())
				}
			}
		}
	})
}

// requireFit checks that a text can be shown.
func requireFit(t *testing.T, text string) {
	t.Helper()
	require.NotRegexp(t, longRun, text)
	require.NotContains(t, text, apiKey)
	require.NotContains(t, text, token)
}

// requireStored checks the answer to a report.
func requireStored(t *testing.T, store *ledger, answer *httptest.ResponseRecorder, size int) {
	t.Helper()
	switch answer.Code {
	case http.StatusOK:
		require.LessOrEqual(t, store.stored+store.deadLetters, 1, "nothing is done twice")
	case http.StatusBadRequest:
		require.Equal(t, 1, store.deadLetters, "kept for people")
		require.Zero(t, store.stored)
	case http.StatusRequestEntityTooLarge:
		require.Greater(t, size, 64<<10)
		require.Zero(t, store.stored+store.deadLetters)
	default:
		require.Equal(t, http.StatusServiceUnavailable, answer.Code)
		require.True(t, store.away)
		require.NotEmpty(t, answer.Header().Get("Retry-After"))
	}
	if store.away {
		require.Zero(t, store.stored+store.deadLetters)
	}
}

// requireVouched checks the answer to the question whether a payment is ours.
func requireVouched(t *testing.T, store *ledger, answer *httptest.ResponseRecorder) {
	t.Helper()
	if strings.Contains(answer.Body.String(), "Validated") {
		require.Equal(t, http.StatusOK, answer.Code)
		require.True(t, store.vouches && !store.away)
		require.Len(t, store.validations, 1)
		require.Positive(t, store.validations[0].Amount.Minor)
		require.False(t, store.validations[0].Phone.IsZero())
	}
	require.Zero(t, store.stored)
}
