package api

import (
	"context"
	"net/http"
	"net/http/httptest"
	"regexp"
	"testing"

	"github.com/stretchr/testify/require"

	"tuma/internal/state"
)

// streamID is how the state must be asked for results.
var streamID = regexp.MustCompile(`^(|(0|[1-9][0-9]{0,19})-(0|[1-9][0-9]{0,19}))$`)

// questioned is a state that checks what it is asked.
type questioned struct {
	State
	t *testing.T
}

func (q questioned) ResultsAfter(
	_ context.Context, after string, _ int,
) (state.ResultsPage, error) {
	require.Regexp(q.t, streamID, after)
	return state.ResultsPage{Next: "7-0"}, nil
}

func (q questioned) Disbursals(
	_ context.Context, asked state.DisbursalsAsked,
) ([]state.Summary, string, error) {
	require.Equal(q.t, "shop", asked.Producer)
	require.NotContains(q.t, asked.Campaign, "\x1f", "it could be another's name")
	require.Positive(q.t, asked.Limit)
	require.LessOrEqual(q.t, asked.Limit, disbursalsLimit)
	return nil, "", nil
}

// FuzzQuestions asks the routes that read with any parameters: each is refused as the description
// says, or asks the state for what a producer may have.
func FuzzQuestions(f *testing.F) {
	for _, seed := range []string{
		"", "after=1-1&limit=10", "after=18446744073709551616-0", "after=(1-0", "limit=-1",
		"campaign=november", "campaign=shop%1Fnovember", "after=0.1.2.a", "%zz", "a;b", "after=+1",
		"after=1&after=2", "limit=00000000000000000000001",
		"wait=60s", "wait=-1h", "wait=1ns&after=1",
	} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, query string) {
		api, _ := fuzzed(0)
		api.options.State = questioned{t: t}
		api.feed.stop() // Nothing waits.
		for _, path := range []string{resultsPath, disbursalsPath} {
			request := httptest.NewRequest(http.MethodGet, path, nil)
			request.URL.RawQuery = query
			request.Header.Set("Authorization", "Bearer shop-token")
			answer := httptest.NewRecorder()
			api.ServeHTTP(answer, request)
			require.Contains(t, []int{http.StatusOK, http.StatusBadRequest}, answer.Code)
		}
	})
}
