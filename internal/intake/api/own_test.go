package api

import (
	"context"
	"fmt"
	"net/http"
	"net/url"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"tuma/internal/airtime"
	"tuma/internal/state"
)

// bring has the state accept a disbursal of one recipient from another inlet.
func (i *inlet) bring(t *testing.T, d state.Disbursal) {
	t.Helper()
	d.Provider, d.Currency = "lipad", "KES"
	d.Recipients = []airtime.Recipient{{
		Phone:  airtime.MSISDNFromE164("254722000000"),
		Amount: airtime.Money{Minor: 50_00, Currency: "KES"},
	}}
	accepted, err := i.store.Accept(context.Background(), []state.Disbursal{d})
	require.NoError(t, err)
	require.Equal(t, []state.Outcome{state.Accepted}, accepted.Outcomes)
}

// TestOtherInletsReachNothingOfAProducers: whatever imports, the stream and tasks call theirs, a
// producer neither sees it nor is kept from its own by it, and the other way round.
func TestOtherInletsReachNothingOfAProducers(t *testing.T) {
	t.Parallel()
	i := embedded(t)
	for _, d := range []state.Disbursal{
		{Reference: "shop/1", Import: "shop"}, // An import named shop.
		{Reference: "shop/r-1"},
		{Reference: "r-1"},
		{Reference: "shop//1", Import: "shop/"},
		{Reference: "shop"},
		{Reference: "named", Import: "shop/r-2", Campaign: "november"},
	} {
		i.bring(t, d)
	}
	own := []string{"1", "r-1", "shop/1", "/1", "named", "r-2"}
	for _, reference := range own {
		path := disbursalsPath + "/" + url.PathEscape(reference)
		require.Equal(t, http.StatusNotFound, i.ask("GET", path, "").Code, reference)
		require.Equal(t, http.StatusAccepted, i.post(job(reference, "10")).Code, reference)
		shown := i.ask("GET", path, "")
		require.Contains(t, shown.Body.String(), "254711000001")
		require.NotContains(t, shown.Body.String(), "254722000000", "another's recipient")
	}
	// Cancelling what others brought, before and after, says nothing about the producer's.
	for _, name := range []string{"shop", "shop/", "shop/r-2", "shop/r-3"} {
		for _, kind := range []state.Kind{
			state.KindImport, state.KindDisbursal, state.KindCampaign,
		} {
			_, err := i.store.Cancel(context.Background(), kind, name, "amina", "")
			require.NoError(t, err)
		}
	}
	require.Equal(t, http.StatusAccepted, i.post(job("r-3", "10")).Code)
	require.Equal(t, http.StatusOK, i.post(job("1", "10")).Code)
	_, err := i.store.Cancel(context.Background(), state.KindDisbursal,
		state.Own("shop", "r-1"), "amina", "")
	require.NoError(t, err)
	sum, err := i.store.Summarize(context.Background(), state.KindDisbursal, "shop/r-1")
	require.NoError(t, err)
	require.False(t, sum.Cancelled)
	// What is no reference reaches nothing either: the separator of the state least of all.
	open := embedded(t, withoutTokens, func(o *Options) { o.State = i.store })
	for _, a := range []*inlet{i, open} {
		require.Equal(t, http.StatusNotFound,
			a.ask("GET", disbursalsPath+"/"+url.PathEscape(state.Own("shop", "1")), "").Code)
		require.Equal(t, http.StatusUnprocessableEntity,
			a.post(`{"reference":"shop\u001fr-9","recipients":[{"phone_number":"0711000001",`+
				`"amount":"10"}]}`).Code)
	}
	require.Error(t, func() error {
		_, err := i.store.Accept(context.Background(), []state.Disbursal{{
			Reference: state.Own("shop", "r-9"), Provider: "lipad", Currency: "KES",
			Recipients: []airtime.Recipient{{Phone: airtime.MSISDNFromE164("254722000000")}},
		}})
		return err
	}())
}

// reaches are questions, by route, with which a producer may try to reach what is another's.
var reaches = map[string][]string{
	"POST " + disbursalsPath: {disbursalsPath},
	"GET " + disbursalsPath: {
		disbursalsPath, disbursalsPath + "?campaign=november", disbursalsPath + "?campaign=shop/november",
	},
	"GET " + disbursalsPath + "/{reference...}": {
		disbursalsPath + "/r-9", disbursalsPath + "/shop/r-9", disbursalsPath + "/shop%1Fr-9",
	},
	"POST " + disbursalsPath + "/{reference}/cancel": {
		disbursalsPath + "/r-9/cancel", disbursalsPath + "/shop%2Fr-9/cancel",
		disbursalsPath + "/shop%1Fr-9/cancel",
	},
	"GET " + recipientsPath: {
		recipientsPath + "?phone=0733000009", recipientsPath + "?id=order-9",
		recipientsPath + "?provider_reference=order-9",
	},
	"GET " + resultsPath: {resultsPath, resultsPath + "?after=0-0&limit=1"},
}

// TestNoRouteShowsAnothers: whatever a producer asks, nothing of another's is in the answer, and
// nothing of it has changed.
func TestNoRouteShowsAnothers(t *testing.T) {
	t.Parallel()
	i := embedded(t)
	const sent = `{"reference":%q,"campaign":"november","recipients":[` +
		`{"phone_number":"0733000009","amount":"99"}]}`
	for _, reference := range []string{"r-8", "r-9"} {
		require.Equal(t, http.StatusAccepted, i.post(fmt.Sprintf(sent, reference)).Code)
	}
	_, err := i.store.Cancel(t.Context(), state.KindDisbursal, state.Own("shop", "r-8"), "amina",
		"")
	require.NoError(t, err)
	shows := func(headers ...string) (all string) {
		for _, route := range i.routes() {
			if !strings.HasPrefix(route.path, "/v1/") {
				continue
			}
			require.NotEmpty(t, reaches[route.pattern()], "nobody tries %s", route.pattern())
			for _, target := range reaches[route.pattern()] {
				if route.method == "GET" || headers != nil {
					all += i.ask(route.method, target, job("b-1", "10"), headers...).Body.String()
				}
			}
		}
		return all
	}
	before := shows()
	require.Contains(t, before, "254733000009")
	for _, word := range []string{"0733000009", "254733000009", "r-8", "99.00", "shop"} {
		require.NotContains(t, shows("Authorization", "Bearer bank-new"), word)
	}
	require.Equal(t, before, shows())
}

// TestCampaignsAreAProducersOwn: two producers and an import that say november mean three.
func TestCampaignsAreAProducersOwn(t *testing.T) {
	t.Parallel()
	i := embedded(t)
	post := func(reference, token string) int {
		return i.post(`{"reference":"`+reference+`","campaign":"november","recipients":[`+
			`{"phone_number":"0711000001","amount":"10"}]}`, "Authorization", "Bearer "+token).Code
	}
	i.bring(t, state.Disbursal{Reference: "x", Campaign: "november"})
	require.Equal(t, http.StatusAccepted, post("r-1", "shop-token"))
	require.Equal(t, http.StatusAccepted, post("r-1", "bank-new"))
	_, err := i.store.Cancel(context.Background(), state.KindCampaign,
		state.Own("shop", "november"), "amina", "")
	require.NoError(t, err)
	for name, cancelled := range map[string]int64{
		"november": 0, state.Own("shop", "november"): 1, state.Own("bank", "november"): 0,
	} {
		sum, err := i.store.Summarize(context.Background(), state.KindCampaign, name)
		require.NoError(t, err)
		require.Equal(t, int64(1), sum.Recipients, name)
		require.Equal(t, cancelled, sum.Statuses[airtime.Cancelled].Recipients, name)
	}
	list, err := i.store.List(context.Background(), 50, state.KindCampaign)
	require.NoError(t, err)
	submitters := map[string]string{}
	for _, listed := range list {
		submitters[listed.Reference] = listed.SubmittedBy
	}
	require.Equal(t, map[string]string{
		"november": state.Unknown, "shop/november": "shop", "bank/november": "bank",
	}, submitters)
	require.Equal(t, http.StatusConflict, post("r-2", "shop-token"))
	require.Equal(t, http.StatusAccepted, post("r-2", "bank-new"))
	// The result has the producer's word, and says whose it is.
	results, err := i.redis.Stream("{tuma}:results")
	require.NoError(t, err)
	require.Len(t, results, 1)
	values := map[string]string{}
	for n := 0; n < len(results[0].Values); n += 2 {
		values[results[0].Values[n]] = results[0].Values[n+1]
	}
	require.Equal(t, "shop/r-1", values["reference"])
	require.Equal(t, "november", values["campaign"])
	require.Equal(t, "shop", values["producer"])
}
