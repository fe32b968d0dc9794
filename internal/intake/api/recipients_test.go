package api

import (
	"encoding/json"
	"fmt"
	"net/http"
	"net/url"
	"testing"

	"github.com/stretchr/testify/require"
)

// found are the references of all recipients that a question finds, in pages of the limit.
func (i *inlet) found(t *testing.T, token string, question url.Values) (references []string) {
	t.Helper()
	question.Del("after")
	for {
		answer := i.ask(http.MethodGet, recipientsPath+"?"+question.Encode(), "",
			"Authorization", "Bearer "+token)
		require.Equal(t, http.StatusOK, answer.Code, answer.Body.String())
		fits(t, "Recipients", answer.Body.Bytes())
		var page struct {
			Recipients []map[string]string
			Next       string
		}
		require.NoError(t, json.Unmarshal(answer.Body.Bytes(), &page))
		for _, recipient := range page.Recipients {
			references = append(references, recipient["reference"])
		}
		if page.Next == "" {
			return references
		}
		question.Set("after", page.Next)
	}
}

// TestRecipientsAreFound: a producer's own, by number however it is written and by its id, newest
// first, in any pages.
func TestRecipientsAreFound(t *testing.T) {
	t.Parallel()
	i := embedded(t)
	for n := range 5 {
		body := fmt.Sprintf(`{"reference":"r-%d","recipients":[{"phone_number":"07110000%02d",`+
			`"amount":"10","id":"order-%d"},{"phone_number":"0722000000","amount":"10"}]}`, n, n%2, n)
		require.Equal(t, http.StatusAccepted, i.post(body).Code)
		require.Equal(t, http.StatusAccepted,
			i.post(body, "Authorization", "Bearer bank-new").Code)
	}
	for _, limit := range []string{"1", "2", "100", ""} {
		for _, phone := range []string{"0711000001", "+254 711 000 001", "254711000001"} {
			question := url.Values{"phone": {phone}, "limit": {limit}}
			require.Equal(t, []string{"r-3", "r-1"}, i.found(t, "shop-token", question), phone)
		}
		question := url.Values{"phone": {"0722000000"}, "limit": {limit}}
		require.Equal(t, []string{"r-4", "r-3", "r-2", "r-1", "r-0"},
			i.found(t, "bank-new", question), "no one of the other producer's")
	}
	require.Equal(t, []string{"r-2"}, i.found(t, "shop-token", url.Values{"id": {"order-2"}}))
	for _, question := range []url.Values{
		{"id": {"0711000001"}}, {"provider_reference": {"order-2"}}, {"phone": {"0711000009"}},
	} {
		require.Empty(t, i.found(t, "shop-token", question), question)
	}
	open := embedded(t, withoutTokens, func(o *Options) { o.State = i.store })
	require.ElementsMatch(t, []string{"shop/r-2", "bank/r-2"},
		open.found(t, "", url.Values{"id": {"order-2"}}))
}

func TestQuestionsForRecipientsAreChecked(t *testing.T) {
	t.Parallel()
	i := embedded(t)
	const one = "exactly one of phone, id and provider_reference"
	for query, says := range map[string]string{
		"": one, "phone=0711000001&id=x": one, "id=&phone=": one, "phone=x": "phone: ",
		"phone=12": "phone: ", "id=x&after=y": "after: ", "id=x&limit=101": "1 to 100",
		"number=0711000001": "phone, id, provider_reference", "id=x&id=y": "given twice",
	} {
		answer := i.ask(http.MethodGet, recipientsPath+"?"+query, "")
		require.Equal(t, http.StatusBadRequest, answer.Code, query)
		require.Contains(t, answer.Body.String(), says, query)
	}
}
