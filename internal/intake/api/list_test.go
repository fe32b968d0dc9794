package api

import (
	"encoding/json"
	"fmt"
	"net/http"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/stretchr/testify/require"

	"tuma/internal/state"
)

// listed are the references of all pages of disbursals, in their order.
func (i *inlet) listed(t *testing.T, token string, parameters url.Values) (references []string) {
	t.Helper()
	parameters.Del("after")
	for {
		answer := i.ask(http.MethodGet, disbursalsPath+"?"+parameters.Encode(), "",
			"Authorization", "Bearer "+token)
		require.Equal(t, http.StatusOK, answer.Code, answer.Body.String())
		fits(t, "Disbursals", answer.Body.Bytes())
		var page struct {
			Disbursals []struct{ Reference string }
			Next       string
		}
		require.NoError(t, json.Unmarshal(answer.Body.Bytes(), &page))
		for _, disbursal := range page.Disbursals {
			references = append(references, disbursal.Reference)
		}
		if page.Next == "" {
			return references
		}
		require.NotEmpty(t, page.Disbursals, "every page but the last one has some")
		parameters.Set("after", page.Next)
	}
}

// TestDisbursalsAreListedNewestFirst: a producer's own, all or of one campaign, in any pages.
func TestDisbursalsAreListedNewestFirst(t *testing.T) {
	t.Parallel()
	i := embedded(t)
	require.Empty(t, i.listed(t, "shop-token", url.Values{}))
	i.bring(t, state.Disbursal{Reference: "file/1", Import: "file", Campaign: "november"})
	for n := range 7 {
		campaign := []string{"november", "december", ""}[n%3]
		body := fmt.Sprintf(`{"reference":"r/%d","campaign":%q,"recipients":[`+
			`{"phone_number":"0711000001","amount":"10"}]}`, n, campaign)
		require.Equal(t, http.StatusAccepted, i.post(body).Code)
		require.Equal(t, http.StatusOK, i.post(body).Code)
	}
	require.Equal(t, http.StatusAccepted,
		i.post(job("r/1", "20"), "Authorization", "Bearer bank-new").Code)
	all := []string{"r/6", "r/5", "r/4", "r/3", "r/2", "r/1", "r/0"}
	for _, limit := range []string{"1", "2", "3", "7", "100", ""} {
		require.Equal(t, all, i.listed(t, "shop-token", url.Values{"limit": {limit}}), limit)
		require.Equal(t, []string{"r/6", "r/3", "r/0"},
			i.listed(t, "shop-token", url.Values{"limit": {limit}, "campaign": {"november"}}))
	}
	require.Equal(t, []string{"r/1"}, i.listed(t, "bank-new", url.Values{}))
	for _, campaign := range []string{"november", "shop/november", "nothing"} {
		require.Empty(t, i.listed(t, "bank-new", url.Values{"campaign": {campaign}}), campaign)
	}
	require.Equal(t, http.StatusBadRequest, i.ask(http.MethodGet, disbursalsPath+"?campaign="+
		url.QueryEscape(state.Own("shop", "november")), "").Code, "another's name in the state")
	// Without tokens all are there, as people see them.
	open := embedded(t, withoutTokens, func(o *Options) { o.State = i.store })
	require.Equal(t, []string{
		"bank/r/1", "shop/r/6", "shop/r/5", "shop/r/4", "shop/r/3", "shop/r/2", "shop/r/1", "shop/r/0",
		"file/1",
	}, open.listed(t, "", url.Values{"limit": {"2"}}))
	require.Equal(t, []string{"file/1"}, open.listed(t, "", url.Values{"campaign": {"november"}}))
}

func TestQuestionsForDisbursalsAreChecked(t *testing.T) {
	t.Parallel()
	i := embedded(t)
	for query, says := range map[string]string{
		"after=x": "after: ", "after=1.2.3": "after: ", "after=0.0.-1.a": "after: ",
		"after=a.0.0.b": "after: ", "limit=0": "1 to 100", "limit=101": "1 to 100",
		"campaigns=november": "campaign, after, limit", "campaign=a&campaign=b": "given twice",
	} {
		answer := i.ask(http.MethodGet, disbursalsPath+"?"+query, "")
		require.Equal(t, http.StatusBadRequest, answer.Code, query)
		require.Contains(t, answer.Body.String(), says, query)
	}
}

// TestCancelWithdrawsWhatIsTheProducersOwn: for ever, again and again alike, and nothing else.
func TestCancelWithdrawsWhatIsTheProducersOwn(t *testing.T) {
	t.Parallel()
	i := embedded(t)
	bank := []string{"Authorization", "Bearer bank-new"}
	references := []string{"r-1", "a/b", "a//b", "../cancel", "x/cancel", "cancel", "100%"}
	for _, reference := range references {
		require.Equal(t, http.StatusAccepted, i.post(job(reference, "10")).Code)
		require.Equal(t, http.StatusAccepted, i.post(job(reference, "10"), bank...).Code)
	}
	cancel := func(path string, headers ...string) (int, string) {
		answer := i.ask(http.MethodPost, disbursalsPath+"/"+path+cancelSuffix, "", headers...)
		return answer.Code, answer.Body.String()
	}
	for _, path := range []string{"nothing", "shop/r-1", "shop%1Fr-1", "bank%1Fr-1", "r-1/cancel"} {
		code, body := cancel(path)
		require.Equal(t, http.StatusNotFound, code, "%s: %s", path, body)
	}
	for _, reference := range references {
		for range 2 {
			code, body := cancel(url.PathEscape(reference))
			require.Equal(t, http.StatusOK, code, reference)
			require.JSONEq(t, `{"cancelled":1,"too_late":0}`, body)
		}
		require.Equal(t, http.StatusConflict, i.post(job(reference, "11")).Code)
		answer := i.ask(http.MethodGet, disbursalsPath+"/"+url.PathEscape(reference), "", bank...)
		require.Contains(t, answer.Body.String(), "queued", "another's is as it was")
	}
	var decided []string
	require.NoError(t, i.store.Audit(t.Context(), time.Time{}, func(e state.AuditEntry) error {
		decided = append(decided, e.Who+" "+e.What+" "+e.Name)
		return nil
	}))
	require.Len(t, decided, len(references), "one decision for each")
	require.Contains(t, decided, "shop cancel shop/r-1")
	// What is on the wire is too late, and so is what has settled.
	token := uuid.NewString()
	claim, err := i.store.Claim(t.Context(), "lipad", token, 1)
	require.NoError(t, err)
	_, err = i.store.BeginSend(t.Context(), claim.Batch, token)
	require.NoError(t, err)
	sent := strings.TrimPrefix(claim.Batch.Members[0].Reference, "bank/")
	code, body := cancel(url.PathEscape(sent), bank...)
	require.Equal(t, http.StatusOK, code)
	require.JSONEq(t, `{"cancelled":0,"too_late":1}`, body)
	// What was not there has no mark, and can come.
	require.Equal(t, http.StatusAccepted, i.post(job("nothing", "10")).Code)
	require.Contains(t, i.logged(), "disbursal cancelled")
}
