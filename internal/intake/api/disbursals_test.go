package api

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"sync"
	"testing"

	"github.com/stretchr/testify/require"

	"tuma/internal/airtime"
	"tuma/internal/intake"
	"tuma/internal/providers"
	"tuma/internal/state"
	"tuma/internal/test/redistest"
)

func TestAHundredPostsOfOneReferenceMakeOneDisbursal(t *testing.T) {
	t.Parallel()
	for name, open := range map[string]func(t *testing.T) *inlet{
		"embedded": func(t *testing.T) *inlet { t.Helper(); return embedded(t) },
		"real": func(t *testing.T) *inlet {
			t.Helper()
			address, namespace := redistest.Shared(t)
			return on(t, address, namespace)
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			i := open(t)
			server := httptest.NewServer(i)
			defer server.Close()
			var mu sync.Mutex
			var all sync.WaitGroup
			counts := map[int]int{}
			for range 100 {
				all.Go(func() {
					status := http.StatusServiceUnavailable
					for status == http.StatusServiceUnavailable { // It got no turn: busy.
						status = postOver(t, server, job("one", "10"))
					}
					mu.Lock()
					defer mu.Unlock()
					counts[status]++
				})
			}
			all.Wait()
			require.Equal(t, map[int]int{http.StatusAccepted: 1, http.StatusOK: 99}, counts)
			require.Equal(t, int64(1), i.booked(t))
		})
	}
}

// postOver posts over a connection and returns the status, 0 when there was none.
func postOver(t *testing.T, server *httptest.Server, body string) int {
	request, err := http.NewRequestWithContext(t.Context(), http.MethodPost,
		server.URL+disbursalsPath, strings.NewReader(body))
	if err != nil {
		return 0
	}
	request.Header.Set("Authorization", "Bearer shop-token")
	answer, err := server.Client().Do(request)
	if err != nil {
		return 0
	}
	_, _ = io.Copy(io.Discard, answer.Body)
	_ = answer.Body.Close()
	return answer.StatusCode
}

func TestTheHeaderMayStandForTheReference(t *testing.T) {
	t.Parallel()
	const nameless = `{"recipients":[{"phone_number":"0711000001","amount":"10"}]}`
	const faulty = `{"reference":"r-1","recipients":[{"phone_number":"0711000001","amount":"x"}]}`
	for _, row := range []struct {
		body, key string
		status    int
		faults    []string
	}{
		{nameless, "r-1", http.StatusAccepted, nil},
		{job("r-1", "10"), "r-1", http.StatusAccepted, nil},
		{job("r-1", "10"), "", http.StatusAccepted, nil},
		{nameless, "", http.StatusUnprocessableEntity, []string{"reference: missing"}},
		{job("r-1", "10"), "r-2", http.StatusUnprocessableEntity, []string{
			"reference: is not the Idempotency-Key; give one of them, or both alike",
		}},
		{faulty, "r-2", http.StatusUnprocessableEntity, []string{
			"reference: is not the Idempotency-Key; give one of them, or both alike",
			"recipients[0].amount: must be a plain decimal such as 10 or 10.50",
		}},
		{faulty, "r-1", http.StatusUnprocessableEntity, []string{
			"recipients[0].amount: must be a plain decimal such as 10 or 10.50",
		}},
	} {
		i := embedded(t)
		answer := i.post(row.body, "Idempotency-Key", row.key)
		require.Equal(t, row.status, answer.Code, answer.Body.String())
		if row.faults != nil {
			require.Equal(t, row.faults, errorsOf(t, answer))
			require.Zero(t, i.booked(t))
			continue
		}
		require.JSONEq(t, `{"reference":"r-1","status":"accepted"}`, answer.Body.String())
		require.Equal(t, http.StatusOK, i.post(job("r-1", "10")).Code)
	}
	i := embedded(t)
	request := i.request(http.MethodPost, disbursalsPath, strings.NewReader(nameless))
	request.Header["Idempotency-Key"] = []string{"r-1", "r-2"}
	recorder := httptest.NewRecorder()
	i.ServeHTTP(recorder, request)
	require.Equal(t, http.StatusUnprocessableEntity, recorder.Code)
	require.Contains(t, errorsOf(t, recorder), "Idempotency-Key: given twice")
}

func TestAReferenceLeavesRoomForItsProducer(t *testing.T) {
	t.Parallel()
	require.NoError(t, intake.CheckReference(strings.Repeat("x", maxReference)))
	require.Error(t, intake.CheckReference(strings.Repeat("x", maxReference+1)))
	i := embedded(t)
	for length, status := range map[int]int{
		123: http.StatusAccepted, 124: http.StatusUnprocessableEntity,
		128: http.StatusUnprocessableEntity, 129: http.StatusUnprocessableEntity,
	} {
		answer := i.post(job(strings.Repeat("x", length), "10"))
		require.Equal(t, status, answer.Code, length)
		if status != http.StatusAccepted {
			require.Equal(t, []string{
				"reference: longer than 123 characters, since it is kept as shop/… in at most 128",
			}, errorsOf(t, answer), length)
		}
		key := i.ask("GET", sendPath+"?phone=0711000001&amount=10&idempotencyKey="+
			strings.Repeat("y", length), "")
		require.Equal(t, status == http.StatusAccepted, key.Code == http.StatusOK, length)
	}
	// Together with another fault both are listed, whatever the length.
	answer := i.post(job(strings.Repeat("x", 125), "1"))
	require.Len(t, errorsOf(t, answer), 2)
	alone := embedded(t, withoutTokens)
	require.Equal(t, http.StatusAccepted, alone.post(job(strings.Repeat("x", 128), "10")).Code)
}

func TestProducersHaveTheirOwnReferences(t *testing.T) {
	t.Parallel()
	i := embedded(t)
	bank := []string{"Authorization", "Bearer bank-new"}
	require.Equal(t, http.StatusAccepted, i.post(job("r-1", "10")).Code)
	require.Equal(t, http.StatusNotFound,
		i.ask("GET", disbursalsPath+"/r-1", "", bank...).Code, "another's disbursal was shown")
	require.Equal(t, http.StatusNotFound, i.ask("GET", disbursalsPath+"/shop/r-1", "", bank...).Code)
	require.Equal(t, http.StatusAccepted, i.post(job("r-1", "20"), bank...).Code)
	require.Equal(t, int64(2), i.booked(t))
	sum, err := i.store.Summarize(context.Background(), state.KindDisbursal, state.Own("shop", "r-1"))
	require.NoError(t, err)
	require.Equal(t, int64(1), sum.Recipients)
	shown := i.ask("GET", disbursalsPath+"/r-1", "")
	require.JSONEq(t, `["r-1 1", "r-1 254711000001 queued"]`, shown.Body.String(),
		"the producer sees its own reference, in the head and in every row")
	// Without tokens nothing stands in front.
	alone := embedded(t, withoutTokens)
	require.Equal(t, http.StatusAccepted, alone.post(job("r-1", "10")).Code)
	_, err = alone.store.Summarize(context.Background(), state.KindDisbursal, "r-1")
	require.NoError(t, err)
}

// TestAnyReferenceCanBeAskedFor: a reference may hold every printable character, and two that
// differ in what a path tidies up are two.
func TestAnyReferenceCanBeAskedFor(t *testing.T) {
	t.Parallel()
	i := embedded(t)
	references := []string{
		"a/b", "a//b", "/a", "a/", "..", "a/../b", ".", "b", "100%", "a%2Fb", "what?", "#1", "a+b", "\\",
		"\"<&>\"", "~!@$^*()[]{};:'|,=`",
	}
	for _, reference := range references {
		require.Equal(t, http.StatusAccepted, i.post(job(reference, "10")).Code, reference)
	}
	shown := func(path string) (reference string) {
		answer := i.ask("GET", disbursalsPath+"/"+path, "")
		require.Equal(t, http.StatusOK, answer.Code, path)
		var lines []string
		require.NoError(t, json.Unmarshal(answer.Body.Bytes(), &lines))
		return strings.TrimSuffix(lines[0], " 1")
	}
	for _, reference := range references {
		require.Equal(t, reference, shown(url.PathEscape(reference)))
		slashes := strings.ReplaceAll(url.PathEscape(reference), "%2F", "/")
		require.Equal(t, reference, shown(slashes), "slashes as they are")
	}
	require.Equal(t, http.StatusNotFound, i.ask("GET", disbursalsPath+"/", "").Code)
}

func TestWhatIsRefusedIsNotKept(t *testing.T) {
	t.Parallel()
	i := embedded(t)
	answer := i.post(`{"reference":"two words","colour":"red","recipients":[
		{"phone_number":"0711000001","amount":"1"},{"phone_number":"254711000001","amount":10},
		{"phone_number":"0800000001","amount":"10"}]}`)
	require.Equal(t, http.StatusUnprocessableEntity, answer.Code)
	faults := errorsOf(t, answer)
	require.Len(t, faults, 5, faults)
	require.NotRegexp(t, `(254|0)711\d{6}|0800000001`, answer.Body.String())
	for _, body := range []string{"", "not json", "[]", job("r-1", "10") + "{}", "\xff"} {
		answer := i.post(body)
		require.Equal(t, http.StatusUnprocessableEntity, answer.Code, body)
		require.Len(t, errorsOf(t, answer), 1, body)
	}
	answer = i.post(strings.Replace(job("r-1", "10"), "{", `{"submitted_by":"me",`, 1))
	require.Equal(t, http.StatusUnprocessableEntity, answer.Code)
	require.Equal(t, []string{
		"submitted_by: the producer's name stands for it: leave it out",
	}, errorsOf(t, answer))
	require.Zero(t, i.booked(t))
}

func TestACancelledReferenceIsAConflict(t *testing.T) {
	t.Parallel()
	i := embedded(t)
	_, err := i.store.Cancel(context.Background(), state.KindDisbursal,
		state.Own("shop", "r-1"), "amina", "")
	require.NoError(t, err)
	answer := i.post(job("r-1", "10"))
	require.Equal(t, http.StatusConflict, answer.Code)
	require.Contains(t, answer.Body.String(), "cancelled")
}

func TestMediaTypesSayNothing(t *testing.T) {
	t.Parallel()
	for _, media := range []string{
		"", "application/json", "Application/JSON; charset=utf-8", "application/vnd.shop.job+json",
		"text/plain", formType, ";",
	} {
		require.Equal(t, http.StatusAccepted,
			embedded(t).post(job("r-1", "10"), "Content-Type", media).Code, media)
	}
	i := embedded(t)
	require.Equal(t, http.StatusUnsupportedMediaType,
		i.post(job("r-1", "10"), "Content-Encoding", "gzip").Code)
}

// TestNothingIsConfirmedThatIsNotHeld: whatever the state says instead of an outcome is a 503, and
// the same job is taken when the state is back.
func TestNothingIsConfirmedThatIsNotHeld(t *testing.T) {
	t.Parallel()
	fault := error(nil)
	outcome := state.Outcome(0)
	i := embedded(t, func(o *Options) {
		accept := o.Accept
		o.Accept = func(ctx context.Context, d []state.Disbursal) ([]state.Outcome, error) {
			switch {
			case fault != nil:
				return nil, fault
			case outcome == 99:
				return []state.Outcome{outcome}, nil
			}
			return accept(ctx, d)
		}
	})
	for _, fault = range []error{state.ErrFull, errors.New("no answer about 254711000001"), nil} {
		outcome = 99
		for _, answer := range []*httptest.ResponseRecorder{
			i.post(job("r-1", "10")), i.ask("GET", sendPath+"?"+sendQuery, ""),
		} {
			require.Equal(t, http.StatusServiceUnavailable, answer.Code)
			require.Equal(t, "5", answer.Header().Get("Retry-After"))
		}
	}
	require.Zero(t, i.booked(t))
	require.NotContains(t, i.logged(), "254711000001")
	outcome = 0
	require.Equal(t, http.StatusAccepted, i.post(job("r-1", "10")).Code)
}

// TestAClientThatGoesAwayChangesNothing: what it asked for is finished.
func TestAClientThatGoesAwayChangesNothing(t *testing.T) {
	t.Parallel()
	i := embedded(t, func(o *Options) {
		accept := o.Accept
		o.Accept = func(ctx context.Context, d []state.Disbursal) ([]state.Outcome, error) {
			if _, limited := ctx.Deadline(); !limited {
				return nil, errors.New("a silent Redis would hold the request for ever")
			}
			return accept(ctx, d)
		}
	})
	ctx, cancel := context.WithCancel(t.Context())
	request := i.request(http.MethodPost, disbursalsPath, goneAfter{
		strings.NewReader(job("r-1", "10")), cancel,
	}).WithContext(ctx)
	recorder := httptest.NewRecorder()
	i.ServeHTTP(recorder, request)
	require.Equal(t, http.StatusAccepted, recorder.Code, recorder.Body.String())
	require.Equal(t, int64(1), i.booked(t))
}

// goneAfter is the body of a client that goes away when it is read.
type goneAfter struct {
	io.Reader
	cancel func()
}

func (g goneAfter) Read(p []byte) (int, error) {
	n, err := g.Reader.Read(p)
	if err == io.EOF {
		g.cancel()
	}
	return n, err
}

// halfState knows a disbursal and fails while its recipients are read.
type halfState struct{ State }

func (halfState) Summarize(context.Context, state.Kind, string) (state.Summary, error) {
	return state.Summary{}, nil
}

func (halfState) Report(
	_ context.Context, _ state.Kind, _ string, fn func(state.Row) error,
) error {
	return errors.Join(fn(state.Row{}), errors.New("redis went away"))
}

func TestHalfAnAnswerIsNotTakenForAWholeOne(t *testing.T) {
	t.Parallel()
	for written, name := range map[bool]string{false: "before the first byte", true: "after it"} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			i := embedded(t, func(o *Options) {
				o.State = halfState{}
				o.Status = func(
					w io.Writer, _ state.Summary, rows func(func(state.Row) error) error,
				) error {
					return rows(func(state.Row) error {
						if written {
							fmt.Fprint(w, `{"recipients":2,`)
						}
						return nil
					})
				}
			})
			if written {
				require.PanicsWithValue(t, http.ErrAbortHandler, func() {
					i.ask("GET", disbursalsPath+"/r-1", "")
				}, "the connection must be cut")
				return
			}
			require.Equal(t, http.StatusServiceUnavailable,
				i.ask("GET", disbursalsPath+"/r-1", "").Code)
		})
	}
}

// What the state holds stays held when rules have changed since: only what it does not hold is
// refused for them.
func TestAHeldJobIsKnownWhateverTheRulesSayNow(t *testing.T) {
	t.Parallel()
	before := embedded(t)
	require.Equal(t, http.StatusAccepted, before.post(job("r-1", "500")).Code)
	const send = "phone=0711000001&amount=500&idempotencyKey="
	require.Equal(t, http.StatusOK, before.ask(http.MethodGet, sendPath+"?"+send+"k-1", "").Code)
	lowered := on(t, "redis://"+before.redis.Addr(), "tuma", func(o *Options) {
		for name, provider := range o.Rules.Providers {
			provider.Limits = map[airtime.Currency]providers.Limit{"KES": {Min: 10_00, Max: 100_00}}
			o.Rules.Providers[name] = provider
		}
	})
	require.Equal(t, http.StatusOK, lowered.post(job("r-1", "500")).Code)
	require.Equal(t, http.StatusConflict, lowered.post(job("r-1", "600")).Code)
	refused := lowered.post(job("r-2", "500"))
	require.Equal(t, http.StatusUnprocessableEntity, refused.Code)
	require.Equal(t, []string{"recipients[0].amount: above the maximum of KES 100"},
		errorsOf(t, refused))
	known := lowered.ask(http.MethodGet, sendPath+"?"+send+"k-1", "")
	require.Equal(t, http.StatusOK, known.Code)
	require.Contains(t, known.Body.String(), "requested before")
	refused = lowered.ask(http.MethodGet, sendPath+"?"+send+"k-2", "")
	require.Equal(t, http.StatusBadRequest, refused.Code)
	require.Contains(t, refused.Body.String(), "'amount': above the maximum of KES 100")
}
