package api

import (
	"context"
	"encoding/json"
	"errors"
	"net/http"
	"net/http/httptest"
	"net/url"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/stretchr/testify/require"
	"go.uber.org/zap"

	"tuma/internal/airtime"
	"tuma/internal/intake"
	"tuma/internal/state"
)

// longRun is a run of digits that could be a phone number.
var longRun = regexp.MustCompile(`[0-9]{9}`)

// shelf is a state that takes what it is given, or answers as it is told to.
type shelf struct {
	State // Nothing but what is below is asked.

	outcome state.Outcome
	taken   []state.Disbursal
}

func (s *shelf) accept(_ context.Context, d []state.Disbursal) ([]state.Outcome, error) {
	if s.outcome > state.Cancelled {
		return nil, errors.New("away, with 254711000001 on its lips")
	}
	if d[0].Objections != nil {
		return []state.Outcome{state.Refused}, nil
	}
	s.taken = append(s.taken, d...)
	return []state.Outcome{s.outcome}, nil
}

func (s *shelf) Report(
	_ context.Context, _ state.Kind, _ string, each func(state.Row) error,
) error {
	return each(state.Row{Status: airtime.Queued})
}

// fuzzed is an inlet on a shelf, for the producer shop.
func fuzzed(outcome uint8) (*API, *shelf) {
	s := &shelf{outcome: state.Accepted + state.Outcome(outcome)%(state.Cancelled+1)}
	return New(Options{
		State: s, Accept: s.accept, Rules: rules(), AirtimeProvider: "africastalking",
		Registry: prometheus.NewRegistry(), Log: zap.NewNop(),
		Tokens: func() string { return twoProducers },
	}), s
}

// serve asks the inlet, and checks what holds of every answer.
func serve(t *testing.T, a *API, s *shelf, request *http.Request) *httptest.ResponseRecorder {
	t.Helper()
	request.Header.Set("Authorization", "Bearer shop-token")
	answer := httptest.NewRecorder()
	a.ServeHTTP(answer, request)
	at := slices.IndexFunc(a.routes(), func(r route) bool {
		return r.method == request.Method && r.path == request.URL.Path
	})
	require.Contains(t, a.routes()[at].answers, answer.Code, "the route's own table")
	require.True(t, json.Valid(answer.Body.Bytes()))
	held := answer.Code == http.StatusOK || answer.Code == http.StatusAccepted
	if !held {
		require.NotRegexp(t, longRun, answer.Body.String())
	}
	if held || answer.Code == http.StatusConflict {
		require.Len(t, s.taken, 1, "answered after the state holds it")
	}
	if len(s.taken) == 0 {
		require.False(t, held)
		return answer
	}
	require.Equal(t, "shop", s.taken[0].Producer, "nobody else's reference")
	require.NoError(t, intake.CheckReference(s.taken[0].Reference))
	require.Equal(t, s.outcome == state.Accepted || s.outcome == state.Same, held)
	return answer
}

// FuzzPostDisbursal posts jobs: what is held is what intake reads in them, under the reference that
// the job or its key gives.
func FuzzPostDisbursal(f *testing.F) {
	for _, seed := range []struct{ key, media, body string }{
		{"", "application/json", job("r", "10")},
		{"r", "application/json; charset=utf-8", job("r", "10")},
		{"other", "", job("r", "10")},
		{"k", "application/x+json", `{"recipients":[{"phone_number":"0711000001","amount":10}]}`},
		{"k", "text/plain", job("r", "10")},
		{"0711000001", "", `{"reference":"0711000001","recipients":[]}`},
		{strings.Repeat("x", 124), "", `{"reference":7,"recipients":[]}`},
		{"", "", `{"0711000001":1}`},
		{"", "", job(strings.Repeat("y", 200), "10")},
		{"", "", ""},
		{"", "", `{"reference":"a","reference":"b"}`},
		{"", "", `{"reference":"../x"}`},
	} {
		for outcome := range uint8(5) {
			f.Add(outcome, seed.key, seed.media, []byte(seed.body))
		}
	}
	f.Fuzz(func(t *testing.T, outcome uint8, key, media string, body []byte) {
		a, s := fuzzed(outcome)
		request := httptest.NewRequest(http.MethodPost, disbursalsPath,
			strings.NewReader(string(body)))
		request.Header["Idempotency-Key"] = []string{key}
		request.Header["Content-Type"] = []string{media}
		serve(t, a, s, request)
		if len(s.taken) == 0 {
			return
		}
		want, err := intake.DecodeJobOf(body, key, rules())
		require.NoError(t, err)
		require.True(t, key == "" || key == want.Reference)
		want.Producer, want.SubmittedBy = "shop", "shop"
		require.Equal(t, want, s.taken[0])
	})
}

// FuzzAirtime sends commands to the airtime service, in the query or as a form: what is held is one
// recipient, as the parameters say.
func FuzzAirtime(f *testing.F) {
	for _, seed := range []string{
		"phone=254711000001&amount=10&currency=KES&idempotencyKey=K",
		"phone=0711000001&amount=10.50&idempotencyKey=K", "phone=0711000001&amount=1e3", "",
		"phone=0711000001&amount=-1&idempotencyKey=K", "phone=1&phone=2", "0711000001=1", "%zz", "a;b",
		"phone=%2B254711000001&amount=10&idempotencyKey=0711000001+0711000001",
		"phone=0711000001&amount=10&currency=0711000001&idempotencyKey=K",
		"phone=0711000001&amount=0711000001&idempotencyKey=K",
	} {
		for outcome := range uint8(5) {
			f.Add(outcome, seed, "")
			f.Add(outcome, "", seed)
		}
	}
	f.Fuzz(func(t *testing.T, outcome uint8, query, form string) {
		a, s := fuzzed(outcome)
		method := http.MethodGet
		if form != "" {
			method = http.MethodPost
		}
		request := httptest.NewRequest(method, sendPath, strings.NewReader(form))
		request.URL.RawQuery = query
		request.Header.Set("Content-Type", "application/x-www-form-urlencoded")
		serve(t, a, s, request)
		if len(s.taken) == 0 {
			return
		}
		given, err := url.ParseQuery(query)
		require.NoError(t, err)
		more, err := url.ParseQuery(form)
		require.NoError(t, err)
		for name, values := range more {
			given[name] = append(given[name], values...)
		}
		for name, values := range given {
			require.True(t, len(values) == 1 && slices.Contains(airtimeParams, name))
		}
		d := s.taken[0]
		require.Equal(t, given.Get(paramKey), d.Reference)
		require.Equal(t, "africastalking", d.Provider)
		require.Len(t, d.Recipients, 1)
		phone, err := airtime.ParseMSISDN(given.Get(paramPhone))
		require.NoError(t, err)
		amount, err := airtime.ParseAmount(given.Get(paramAmount), d.Currency)
		require.NoError(t, err)
		require.Equal(t, airtime.Recipient{Phone: phone, Amount: amount}, d.Recipients[0])
	})
}
