package api

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/alicebob/miniredis/v2"
	"github.com/prometheus/client_golang/prometheus"
	"github.com/stretchr/testify/require"
	"go.uber.org/goleak"
	"go.uber.org/zap"
	"go.uber.org/zap/zapcore"
	"go.uber.org/zap/zaptest/observer"

	"tuma/internal/airtime"
	"tuma/internal/intake"
	"tuma/internal/providers"
	"tuma/internal/redisconn"
	"tuma/internal/routing"
	"tuma/internal/state"
	"tuma/internal/test/proctest"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(proctest.Suite{M: m}) }

// inlet is an API on a state of its own.
type inlet struct {
	*API
	store *state.Store
	redis *miniredis.Miniredis // Nil on a real Redis.
	logs  *observer.ObservedLogs
	reg   *prometheus.Registry
}

// Two producers, the second with a token that is being replaced.
const twoProducers = "shop=shop-token,bank=bank-old,bank=bank-new"

func rules() intake.Rules {
	limits := map[airtime.Currency]providers.Limit{"KES": {Min: 10_00, Max: 1000_00}}
	return intake.Rules{Rules: routing.Rules{
		Providers: map[string]providers.Capabilities{
			"lipad":          {Name: "lipad", Limits: limits},
			"africastalking": {Name: "africastalking", Limits: limits},
		},
		DefaultProvider: "lipad",
	}}
}

// embedded is an inlet on an embedded Redis, with options changed.
func embedded(t *testing.T, change ...func(*Options)) *inlet {
	t.Helper()
	redis := miniredis.RunT(t)
	i := on(t, "redis://"+redis.Addr(), "tuma", change...)
	i.redis = redis
	return i
}

func on(t *testing.T, url, namespace string, change ...func(*Options)) *inlet {
	t.Helper()
	store, err := state.Open(context.Background(), state.Options{
		Options: redisconn.Options{URL: url}, Namespace: namespace, AllowVolatile: true,
		Providers: []providers.Capabilities{
			{Name: "lipad", Code: 'L'}, {Name: "africastalking", Code: 'A'},
		},
	})
	require.NoError(t, err)
	t.Cleanup(func() { _ = store.Close() })
	core, logs := observer.New(zapcore.DebugLevel)
	i := &inlet{store: store, logs: logs, reg: prometheus.NewRegistry()}
	options := Options{
		State: store, Rules: rules(), AirtimeProvider: "africastalking", Status: plainStatus,
		Summary: plainSummary, Recipient: plainRecipient,
		Registry: i.reg, Log: zap.New(core), Tokens: func() string { return twoProducers },
		Accept: func(ctx context.Context, d []state.Disbursal) ([]state.Outcome, error) {
			accepted, err := store.Accept(ctx, d)
			return accepted.Outcomes, err
		},
	}
	for _, c := range change {
		c(&options)
	}
	i.API = New(options)
	return i
}

// plainStatus writes a list of "reference phone status" per recipient, after the summary's.
func plainStatus(
	w io.Writer, sum state.Summary, rows func(each func(state.Row) error) error,
) error {
	lines := []string{fmt.Sprintf("%s %d", sum.Reference, sum.Recipients)}
	err := rows(func(r state.Row) error {
		lines = append(lines, fmt.Sprintf("%s %s %s", r.Reference, r.Phone.Digits(), r.Status))
		return nil
	})
	if err != nil {
		return err
	}
	return json.NewEncoder(w).Encode(lines)
}

// plainSummary is a summary with what the description wants of one.
func plainSummary(sum state.Summary) any {
	statuses := map[string]map[string]any{}
	for status, totals := range sum.Statuses {
		statuses[status.String()] = map[string]any{"recipients": totals.Recipients}
	}
	return map[string]any{
		"reference": sum.Reference, "recipients": sum.Recipients, "settled": sum.Settled,
		"statuses": statuses,
	}
}

// plainRecipient is a recipient with what the description wants of one.
func plainRecipient(r state.Row) any {
	return map[string]string{
		"reference": r.Reference, "campaign": "", "phone_number": r.Phone.Digits(), "amount": "",
		"currency": "", "provider": r.Provider, "status": r.Status.String(), "reason": "",
		"provider_reference": "", "batch": "", "message": "", "at": "", "id": r.ID, "discount": "",
		"release_at": "",
	}
}

func withoutTokens(o *Options) { o.Tokens = nil }

// request is one of the producer shop; headers are name, value, … and an empty value removes.
func (i *inlet) request(
	method, target string, body io.Reader, headers ...string,
) *http.Request {
	request := httptest.NewRequest(method, target, body)
	request.Host = "127.0.0.1:8080"
	request.Header.Set("Authorization", "Bearer shop-token")
	for n := 0; n+1 < len(headers); n += 2 {
		request.Header.Del(headers[n])
		if headers[n+1] != "" {
			request.Header.Set(headers[n], headers[n+1])
		}
	}
	return request
}

func (i *inlet) ask(method, target, body string, headers ...string) *httptest.ResponseRecorder {
	recorder := httptest.NewRecorder()
	i.ServeHTTP(recorder, i.request(method, target, strings.NewReader(body), headers...))
	return recorder
}

func (i *inlet) post(body string, headers ...string) *httptest.ResponseRecorder {
	return i.ask(http.MethodPost, disbursalsPath, body, headers...)
}

// result appends results of a producer, empty for none, by their numbers, which are also their ids.
func (i *inlet) result(t *testing.T, producer string, numbers ...int) {
	t.Helper()
	for _, n := range numbers {
		values := []string{
			"reference", fmt.Sprint("r-", n), "phone_number", "254711000001", "amount", "10.00",
			"currency", "KES", "provider", "lipad", "status", "successful", "reason", "",
			"provider_reference", "", "batch", "", "message", "", "campaign", "november",
			"corrected", "false", "at", "2026-11-21T09:17:04.120Z", "discount", "",
		}
		if producer != "" {
			values[1] = producer + "/" + values[1]
			values = append(values, "producer", producer)
		}
		_, err := i.redis.XAdd("{tuma}:results", fmt.Sprintf("%d-0", n), values)
		require.NoError(t, err)
	}
}

// trim drops all results, which are from long ago.
func (i *inlet) trim(t *testing.T) {
	t.Helper()
	_, err := i.store.TrimStreams(context.Background())
	require.NoError(t, err)
}

// job is a job of one recipient.
func job(reference, amount string) string {
	return fmt.Sprintf(
		`{"reference":%q,"recipients":[{"phone_number":"0711000001","amount":%q}]}`,
		reference, amount)
}

// errorsOf are the faults of an answer.
func errorsOf(t *testing.T, r *httptest.ResponseRecorder) []string {
	t.Helper()
	var view errorsView
	require.NoError(t, json.Unmarshal(r.Body.Bytes(), &view), r.Body.String())
	return view.Errors
}

// booked counts what the books hold of recipients requested.
func (i *inlet) booked(t *testing.T) (recipients int64) {
	t.Helper()
	figures, err := i.store.Stats(context.Background())
	require.NoError(t, err)
	for field, n := range figures.Book {
		if strings.HasSuffix(field, " requested") {
			recipients += n
		}
	}
	return recipients
}

// logged is everything that was logged, fields and all.
func (i *inlet) logged() string {
	var text strings.Builder
	for _, entry := range i.logs.All() {
		fmt.Fprintln(&text, entry.Message, entry.ContextMap())
	}
	return text.String()
}
