package api

import (
	"net/http"
	"testing"

	"github.com/stretchr/testify/require"

	"tuma/internal/airtime"
	"tuma/internal/providers"
	"tuma/internal/redisconn"
	"tuma/internal/routing"
	"tuma/internal/state"
	"tuma/internal/test/redistest"
)

// A dry run says who would be held, or refused, and holds nothing.
func TestADryRunHoldsNothing(t *testing.T) {
	t.Parallel()
	url, namespace := redistest.Shared(t)
	guarded := rules().Rules
	guarded.Guards = []routing.Guard{
		{
			Name: "budget", Per: routing.PerDay, Of: routing.OfProducer,
			Limit: map[airtime.Currency]int64{"KES": 2000},
		},
		{
			Name: "few", Per: routing.PerDay, Of: routing.OfCampaign, Count: 1, Refuse: true,
			Conditions: routing.Conditions{Campaigns: []string{"few"}},
		},
	}
	store, err := state.Open(t.Context(), state.Options{
		Options: redisconn.Options{URL: url}, Namespace: namespace, Rules: guarded,
		Providers: []providers.Capabilities{
			{Name: "lipad", Code: 'L'}, {Name: "africastalking", Code: 'A'},
		},
	})
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, store.Close()) })
	i := on(t, url, namespace, func(o *Options) { o.State = store })
	post := func(query, campaign string) (int, string) {
		w := i.ask(http.MethodPost, "/v1/disbursals"+query,
			`{"reference":"r","campaign":"`+campaign+`","recipients":[`+
				`{"phone_number":"0711000000","amount":"20"},`+
				`{"phone_number":"0711000001","amount":"10"}]}`)
		return w.Code, w.Body.String()
	}
	code, body := post("?dry_run=true", "")
	require.Equal(t, http.StatusOK, code)
	require.JSONEq(t, `{"reference":"r","status":"accepted","dry_run":true,"held":[`+
		`{"reason":"budget","rule":"budget","recipients":1,"amounts":{"KES":"10.00"}}]}`, body)
	require.NoError(t, store.SetFloat(t.Context(), "lipad",
		airtime.Money{Minor: 2500, Currency: "KES"}, "amina", ""))
	_, body = post("?dry_run=true", "")
	require.Contains(t, body,
		`"short":[{"provider":"lipad","currency":"KES","needed":"30.00","left":"25.00"}]`)
	code, body = post("?dry_run=true", "few")
	require.Equal(t, http.StatusUnprocessableEntity, code)
	require.Contains(t, body, "recipients[1]: refused by the guard few (KES 10.00 to 254711•••001)")
	code, _ = post("?dry_run=perhaps", "")
	require.Equal(t, http.StatusBadRequest, code)
	code, _ = post("?dryrun=true", "")
	require.Equal(t, http.StatusBadRequest, code)
	_, err = store.Summarize(t.Context(), state.KindDisbursal, state.Own("shop", "r"))
	require.ErrorIs(t, err, state.ErrNotFound)
}
