package client

import (
	"context"
	"encoding/json"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

// inlet answers requests one after the other, the last answer for ever, and keeps what was asked.
type inlet struct {
	answers []http.HandlerFunc

	mu    sync.Mutex // Guards what follows.
	asked []string
}

// ServeHTTP gives the next answer.
func (i *inlet) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	body, _ := io.ReadAll(r.Body)
	i.mu.Lock()
	answer := i.answers[min(len(i.asked), len(i.answers)-1)]
	i.asked = append(i.asked, r.Method+" "+r.RequestURI+" "+string(body))
	i.mu.Unlock()
	answer(w, r)
}

func says(status int, text string, headers ...string) http.HandlerFunc {
	return func(w http.ResponseWriter, _ *http.Request) {
		for n := 0; n+1 < len(headers); n += 2 {
			w.Header().Set(headers[n], headers[n+1])
		}
		w.WriteHeader(status)
		_, _ = io.WriteString(w, text)
	}
}

func cutOff(http.ResponseWriter, *http.Request) { panic(http.ErrAbortHandler) }

func cutShort(w http.ResponseWriter, _ *http.Request) {
	w.Header().Set("Content-Length", "100")
	_, _ = io.WriteString(w, `{"reference":`)
}

func serve(t *testing.T, answers ...http.HandlerFunc) (*Client, *inlet) {
	t.Helper()
	i := &inlet{answers: answers}
	server := httptest.NewServer(i)
	t.Cleanup(server.Close)
	c, err := New(server.URL, "shop-token")
	require.NoError(t, err)
	c.firstPause = time.Millisecond
	return c, i
}

var order = Job{
	Reference:  "order/1",
	Recipients: []JobRecipient{{PhoneNumber: "254711000001", Amount: "10"}},
}

// TestAJobIsSentUntilItIsAnswered: whatever is no answer, the same job comes again.
func TestAJobIsSentUntilItIsAnswered(t *testing.T) {
	t.Parallel()
	c, i := serve(t, cutOff, cutShort, says(503, `{"error":"busy"}`, "Retry-After", "0"),
		says(503, "no JSON", "Retry-After", "soon"), says(502, "<html>"), says(504, ""),
		says(429, `{"error":"too many"}`), says(500, ""), says(200, "<html>"),
		says(202, `{"reference":"order/1","status":"accepted"}`))
	held, err := c.Send(t.Context(), order)
	require.NoError(t, err)
	require.Equal(t, Held{Reference: "order/1", Status: "accepted"}, held)
	require.Len(t, i.asked, len(i.answers))
	for _, asked := range i.asked {
		require.Equal(t, `POST /v1/disbursals {"reference":"order/1","recipients":[`+
			`{"phone_number":"254711000001","amount":"10"}]}`, asked)
	}
}

func TestARefusalIsTheLastWord(t *testing.T) {
	t.Parallel()
	for status, row := range map[int]struct {
		text string
		want []string
	}{
		409: {`{"error":"other content"}`, []string{"other content"}},
		422: {`{"errors":["one","two"]}`, []string{"one", "two"}},
		401: {"<html>", []string{"Unauthorized"}},
		307: {"", []string{"Temporary Redirect"}},
		404: {`{"error":""}`, []string{"Not Found"}},
	} {
		c, i := serve(t, says(status, row.text, "Location", "http://127.0.0.1:1/"))
		_, err := c.Send(t.Context(), order)
		var refused *Error
		require.ErrorAs(t, err, &refused)
		require.Equal(t, &Error{status, row.want}, refused)
		require.ErrorContains(t, err, strings.Join(row.want, "; "))
		require.Len(t, i.asked, 1, "it is not asked again")
	}
}

// TestTheContextEndsACall: the error says that nothing is confirmed, and why, without a number.
func TestTheContextEndsACall(t *testing.T) {
	t.Parallel()
	ctx, cancel := context.WithCancel(t.Context())
	c, _ := serve(t, func(w http.ResponseWriter, r *http.Request) {
		cancel()
		says(503, `{"error":"redis is away"}`)(w, r)
	})
	_, err := c.Send(ctx, order)
	require.ErrorIs(t, err, context.Canceled)
	require.ErrorContains(t, err, "not confirmed")
	nowhere, err := New("http://127.0.0.1:1", "")
	require.NoError(t, err)
	_, err = nowhere.Status(ctx, "254711000001") // It has ended.
	require.ErrorIs(t, err, context.Canceled)
	require.NotContains(t, err.Error(), "254711000001")
}

// TestResultsGoOnWhereTheyStopped: the position moves with what was returned, and over pages that
// have none of the producer's.
func TestResultsGoOnWhereTheyStopped(t *testing.T) {
	t.Parallel()
	page := func(next string, ids ...string) http.HandlerFunc {
		view := resultsPage{Results: []Result{}, Next: next}
		for _, id := range ids {
			view.Results = append(view.Results, Result{ResultID: id, Corrected: id == "2-0"})
		}
		text, err := json.Marshal(view)
		require.NoError(t, err)
		return says(200, string(text))
	}
	c, i := serve(t, page("5-0", "1-0", "2-0"), page("8-0"), cutOff, page("9-0", "9-0"),
		says(410, `{"error":"gone"}`))
	results := c.Results("")
	require.Empty(t, results.Position())
	var got, positions []string
	for result, err := range results.All(t.Context()) {
		if err != nil {
			var refused *Error
			require.ErrorAs(t, err, &refused)
			require.Equal(t, http.StatusGone, refused.Status)
			break
		}
		require.Equal(t, result.ResultID == "2-0", result.Corrected)
		got, positions = append(got, result.ResultID), append(positions, results.Position())
	}
	require.Equal(t, []string{"1-0", "2-0", "9-0"}, got)
	require.Equal(t, []string{"1-0", "5-0", "9-0"}, positions)
	require.Equal(t, []string{
		"GET /v1/results?wait=30s ", "GET /v1/results?after=5-0&wait=30s ",
		"GET /v1/results?after=8-0&wait=30s ", "GET /v1/results?after=8-0&wait=30s ",
		"GET /v1/results?after=9-0&wait=30s ",
	}, i.asked)
}

func TestAnInletHasAURL(t *testing.T) {
	t.Parallel()
	for _, base := range []string{"", "127.0.0.1:8080", "ftp://tuma.example", "http://", "/v1"} {
		_, err := New(base, "")
		require.ErrorContains(t, err, "not the URL of an inlet", base)
	}
}
