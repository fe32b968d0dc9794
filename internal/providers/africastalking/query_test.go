package africastalking

import (
	"context"
	"fmt"
	"net/http"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/stretchr/testify/require"

	"tuma/internal/airtime"
	"tuma/internal/providers"
	"tuma/internal/providers/providertest"
)

// ask is a question about one recipient per id: +254711000000, +254711000001 and so on.
func ask(ids ...string) providers.Question {
	q := providers.Question{BatchID: "batch-1"}
	for i, id := range ids {
		q.Recipients = append(q.Recipients, providers.Asked{
			Phone: phone(fmt.Sprintf("254711%06d", i)), ProviderReference: id,
		})
	}
	return q
}

func askMany(n int) providers.Question {
	ids := make([]string, n)
	for i := range ids {
		ids[i] = fmt.Sprintf("ATQid_%d", i)
	}
	return ask(ids...)
}

func requireNothing(
	t *testing.T, want airtime.Reason, reported providers.ProviderStatus, err error, why ...any,
) *providers.QueryError {
	t.Helper()
	require.Empty(t, reported, fmt.Sprint(why...))
	var nothing *providers.QueryError
	require.ErrorAs(t, err, &nothing, fmt.Sprint(why...))
	require.Equal(t, want, nothing.Reason, fmt.Sprint(why...))
	return nothing
}

func TestQueryAsksAboutEachRecipientByItsID(t *testing.T) {
	t.Parallel()
	s := newServer(t)
	s.set(func(w http.ResponseWriter, r *http.Request) {
		word := map[string]string{"ATQid_a": "Success", "ATQid_b&c": "Queued"}
		_, _ = fmt.Fprintf(w, `{"status":%q}`, word[r.URL.Query().Get("transactionId")])
	})
	got, err := s.Query(t.Context(), ask("ATQid_a", "ATQid_b&c"))
	require.NoError(t, err)
	want := providers.ProviderStatus{Known: true, Lines: []providers.RecipientStatus{
		{
			Phone: phone("254711000000"), Status: airtime.Successful,
			ProviderReference: "ATQid_a",
		},
		{
			Phone: phone("254711000001"), Status: airtime.Submitted,
			ProviderReference: "ATQid_b&c",
		},
	}}
	require.Empty(t, cmp.Diff(want, got, byDigits))
	require.Len(t, s.requests(), 2)
	for _, r := range s.requests() {
		require.Equal(t, http.MethodGet, r.method)
		require.Equal(t, "/query/transaction/find", r.path)
		require.Equal(t, testUser, r.query.Get("username"))
		require.Equal(t, testKey, r.header.Get("apiKey"))
		require.Equal(t, "application/json", r.header.Get("Accept"))
		require.Empty(t, r.body)
	}
}

func TestEveryWordOfTheProviderHasItsStatus(t *testing.T) {
	t.Parallel()
	words := map[string]airtime.Status{
		"Success": airtime.Successful, "Failed": airtime.Failed,
		"Sent": airtime.Submitted, "Queued": airtime.Submitted, "Submitted": airtime.Submitted,
		"Buffered": airtime.Processing, "Processed": airtime.Processing,
		"Incomplete": airtime.Processing, "PendingConfirmation": airtime.Processing,
		"PendingValidation": airtime.Processing,
		"Rejected":          airtime.Jammed, "InvalidRequest": airtime.Jammed,
		"NotSupported": airtime.Jammed, "InsufficientBalance": airtime.Jammed,
		"UserInInvalidState": airtime.Jammed, "UserNotFound": airtime.Jammed,
		"UnsupportedPhoneNumber": airtime.Jammed, "UserInBlacklist": airtime.Jammed,
		"ProductNotFound": airtime.Jammed, "InternalError": airtime.Jammed,
	}
	require.Len(t, statuses, len(words))
	s := newServer(t)
	for word, want := range words {
		require.Equal(t, word == "Success" || word == "Failed", want.Settled(), "only two are final")
		require.True(t, want.Effect(), word)
		s.answer(200, asJSON, `{"status":"`+word+`"}`)
		got, err := s.Query(t.Context(), ask("id"))
		require.NoError(t, err)
		require.Equal(t, want, got.Lines[0].Status, word)
		require.Empty(t, got.Lines[0].Code)

		callback, err := s.ReadCallback(asJSON, []byte(`{"requestId":"x","status":"`+word+`"}`))
		require.NoError(t, err)
		require.Equal(t, want, callback.Status, word)
		if want == airtime.Jammed {
			require.Equal(t, word, got.Lines[0].Message, "people see what the trouble is")
			require.Equal(t, word, callback.Message)
		}
	}
}

func TestAWordThatIsNotKnownIsOpen(t *testing.T) {
	t.Parallel()
	s := newServer(t)
	for word, code := range map[string]string{
		"Succeeded": "Succeeded", "Success1": "Success1", "NotFound": "NotFound", "602": "602",
		"call 0711000111 now, please, it is urgent": "call •••111 now, please, i",
	} {
		s.answer(200, asJSON, `{"status":"`+word+`"}`)
		got, err := s.Query(t.Context(), ask("id"))
		require.NoError(t, err)
		require.True(t, got.Known)
		require.Zero(t, got.Lines[0].Status)
		require.Equal(t, code, got.Lines[0].Code)
	}
}

func TestBothShapesOfAnAnswerAreRead(t *testing.T) {
	t.Parallel()
	cases := map[string]airtime.Status{
		`{"status":"Success"}`:                                                    airtime.Successful,
		`{"status":" success ","errorMessage":"None"}`:                            airtime.Successful,
		`{"status":"Failed","data":null}`:                                         airtime.Failed,
		`{"status":"Success","data":{"status":"Failed"}}`:                         airtime.Failed,
		`{"status":"Failed","data":{"status":"Queued"}}`:                          airtime.Submitted,
		`{"errorMessage":"None","data":{"status":"Success","requestId":"id"}}`:    airtime.Successful,
		`{"data":{"status":"Success","phoneNumber":"0711000000","amount":10}}`:    airtime.Successful,
		`{"data":{"status":"Sent","phoneNumber":"hidden","requestId":"None"}}`:    airtime.Submitted,
		`{"errorMessage":"","data":{"status":"Success"},"transactionDate":"now"}`: airtime.Successful,
	}
	s := newServer(t)
	for body, want := range cases {
		s.answer(200, asJSON, body)
		got, err := s.Query(t.Context(), ask("id"))
		require.NoError(t, err, body)
		require.Equal(t, want, got.Lines[0].Status, body)
	}
}

func TestAnswersThatSayNothingSettleNothing(t *testing.T) {
	t.Parallel()
	cases := []struct {
		status int
		body   string
		reason airtime.Reason
	}{
		{404, `{"status":"Failed"}`, airtime.ReasonUnreadable},
		{404, ``, airtime.ReasonUnreadable},
		{400, `The transaction was not found`, airtime.ReasonUnreadable},
		{500, `{"status":"Failed"}`, airtime.ReasonServerError},
		{302, `{"status":"Failed"}`, airtime.ReasonUnreadable},
		{408, ``, airtime.ReasonTimeout},
		{401, `The supplied authentication is invalid`, airtime.ReasonCredentials},
		{403, ``, airtime.ReasonCredentials},
		{429, ``, airtime.ReasonRateLimited},
		{200, ``, airtime.ReasonUnreadable},
		{200, `{}`, airtime.ReasonUnreadable},
		{200, `{"status":"None"}`, airtime.ReasonUnreadable},
		{200, `{"status":null}`, airtime.ReasonUnreadable},
		{200, `{"status":{"a":1}}`, airtime.ReasonUnreadable},
		{200, `{"status":"Failed"`, airtime.ReasonUnreadable},
		{200, `[{"status":"Failed"}]`, airtime.ReasonUnreadable},
		{200, `<status>Failed</status>`, airtime.ReasonUnreadable},
		{200, `{"status":"Failed","errorMessage":"Unknown id"}`, airtime.ReasonUnreadable},
		{200, `{"errorMessage":"x","data":{"status":"Failed"}}`, airtime.ReasonUnreadable},
		{200, `{"status":"Failed","data":{}}`, airtime.ReasonUnreadable},
		{200, `{"status":"Failed","data":[]}`, airtime.ReasonUnreadable},
		{200, `{"status":"Failed","data":"x"}`, airtime.ReasonUnreadable},
		{200, `{"data":{"status":"Failed","requestId":"other"}}`, airtime.ReasonUnreadable},
		{
			200, `{"data":{"status":"Failed","phoneNumber":"+254722000222"}}`,
			airtime.ReasonUnreadable,
		},
	}
	s := newServer(t)
	for _, c := range cases {
		s.answer(c.status, asJSON, c.body)
		reported, err := s.Query(t.Context(), ask("id"))
		got := requireNothing(t, c.reason, reported, err, c.status, c.body)
		require.ErrorContains(t, got, "batch-1")
	}
	reported, err := s.Query(t.Context(), providers.Question{BatchID: "batch-1"})
	_ = requireNothing(t, airtime.ReasonAccountFault, reported, err)
}

func TestWhoIsNotKnownHasNoLineAndTheOthersDo(t *testing.T) {
	t.Parallel()
	s := newServer(t)
	s.set(func(w http.ResponseWriter, r *http.Request) {
		switch r.URL.Query().Get("transactionId") {
		case "ATQid_1":
			http.NotFound(w, r)
		case "ATQid_2":
			w.WriteHeader(http.StatusBadGateway)
		case "ATQid_3":
			panic(http.ErrAbortHandler)
		case "ATQid_4":
			_, _ = fmt.Fprint(w, `{"data":{"status":"Success","requestId":"other"}}`)
		default:
			_, _ = fmt.Fprint(w, `{"status":"Success"}`)
		}
	})
	got, err := s.Query(t.Context(), askMany(20))
	require.NoError(t, err)
	require.True(t, got.Known)
	require.Equal(t, 1, got.Unmatched)
	require.Len(t, got.Lines, 16)
	for i, line := range got.Lines[1:] {
		require.Equal(t, fmt.Sprintf("ATQid_%d", i+5), line.ProviderReference, "in order")
	}
}

func TestAtMostEightQuestionsAreOnTheWire(t *testing.T) {
	t.Parallel()
	s := newServer(t)
	var now, most, total atomic.Int32
	full := make(chan struct{})
	s.set(func(w http.ResponseWriter, _ *http.Request) {
		n := now.Add(1)
		for seen := most.Load(); n > seen && !most.CompareAndSwap(seen, n); seen = most.Load() {
		}
		// The first eight wait for each other, and then a while for a ninth.
		if at := total.Add(1); at <= maxAsking {
			if at == maxAsking {
				close(full)
			}
			waitFor(full, 5*time.Second)
			waitFor(nil, 200*time.Millisecond)
		}
		now.Add(-1)
		_, _ = fmt.Fprint(w, `{"status":"Queued"}`)
	})
	got, err := s.Query(t.Context(), askMany(100))
	require.NoError(t, err)
	require.Len(t, got.Lines, 100)
	require.EqualValues(t, 8, most.Load())
}

func waitFor(done <-chan struct{}, limit time.Duration) {
	select {
	case <-done:
	case <-time.After(limit):
	}
}

func TestQueryEndsWhereItIsLetInNoMore(t *testing.T) {
	t.Parallel()
	for status, reason := range map[int]airtime.Reason{
		401: airtime.ReasonCredentials, 403: airtime.ReasonCredentials,
		429: airtime.ReasonRateLimited,
	} {
		s := newServer(t)
		s.answer(status, asText, "no")
		reported, err := s.Query(t.Context(), askMany(500))
		nothing := requireNothing(t, reason, reported, err)
		require.Equal(t, 3*time.Second, nothing.RetryAfter)
		require.LessOrEqual(t, len(s.requests()), 2*maxAsking)
	}
}

// A provider that lets in twenty questions at a time would otherwise never tell us anything.
func TestLinesBeforeTheEndAreKept(t *testing.T) {
	t.Parallel()
	s := newServer(t)
	var asked atomic.Int32
	s.set(func(w http.ResponseWriter, _ *http.Request) {
		if asked.Add(1) > 20 {
			w.WriteHeader(http.StatusTooManyRequests)
			return
		}
		_, _ = fmt.Fprint(w, `{"status":"Success"}`)
	})
	got, err := s.Query(t.Context(), askMany(500))
	require.NoError(t, err)
	require.True(t, got.Known)
	require.NotEmpty(t, got.Lines)
	require.LessOrEqual(t, len(got.Lines), 20)
	require.LessOrEqual(t, asked.Load(), int32(20+2*maxAsking))
}

func TestQueryEndsWithItsContext(t *testing.T) {
	t.Parallel()
	s := newServer(t)
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	s.set(func(_ http.ResponseWriter, r *http.Request) {
		cancel()
		<-r.Context().Done()
	})
	reported, err := s.Query(ctx, askMany(500))
	_ = requireNothing(t, airtime.ReasonTimeout, reported, err)
	require.LessOrEqual(t, len(s.requests()), maxAsking)
}

func TestQueryAsksNothingOnceItsContextHasEnded(t *testing.T) {
	t.Parallel()
	s := newServer(t)
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	reported, err := s.Query(ctx, askMany(500))
	_ = requireNothing(t, airtime.ReasonTimeout, reported, err)
	require.Empty(t, s.requests())
}

func TestQueryEndsWithoutAConnection(t *testing.T) {
	t.Parallel()
	var dials atomic.Int32
	client := providertest.NewClient(t, func(o *providers.ClientOptions) {
		local := o.Dialer.Control
		o.Dialer.Control = func(network, address string, raw syscall.RawConn) error {
			dials.Add(1)
			return local(network, address, raw)
		}
	})
	reported, err := newAt("http://127.0.0.1:1", client).Query(t.Context(), askMany(500))
	_ = requireNothing(t, airtime.ReasonConnect, reported, err)
	require.LessOrEqual(t, dials.Load(), int32(2*maxAsking))
}

func TestTheTextOfAFailedLookupIsCleaned(t *testing.T) {
	t.Parallel()
	s := newServer(t)
	s.answer(200, asJSON, `{"status":"Failed","errorMessage":"no `+testKey+` for 0711000111"}`)
	_, err := s.Query(t.Context(), ask("id"))
	require.EqualError(t, err, "unreadable: batch batch-1: HTTP 200: no ••• for •••111")
}
