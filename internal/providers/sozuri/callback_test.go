package sozuri

import (
	"fmt"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/stretchr/testify/require"

	"tuma/internal/airtime"
	"tuma/internal/providers"
)

const (
	jsonType = "application/json"
	formType = "application/x-www-form-urlencoded"
)

func readCallback(mediaType, body string) (providers.Callback, error) {
	return newAt("http://127.0.0.1:1", nil).ReadCallback(mediaType, []byte(body))
}

func TestTheCallbackOfThePage(t *testing.T) {
	t.Parallel()
	want := saying(providers.RecipientStatus{
		ProviderReference: "5015342", Phone: airtime.MSISDNFromE164(paged),
		Status: airtime.Successful, Message: "success",
		Sums: providers.Sums{
			Amount: airtime.Money{Minor: 1000_00, Currency: "KES"}, Discount: "0",
		},
	})
	body := fixture(t, "callback.json")
	for _, mediaType := range []string{jsonType, jsonType + "; charset=utf-8", "", formType} {
		got, err := readCallback(mediaType, body)
		require.NoError(t, err, mediaType)
		require.Empty(t, cmp.Diff(want, got, byDigits), mediaType)
	}
	form := "number=%2B254725164293&amount=KES+1000.00&requestId=5015342&status=success" +
		"&type=airtimeDelivery&description=success&timestamp=1603713484&discount=KES+0.00"
	for _, mediaType := range []string{formType, "", "text/plain"} {
		got, err := readCallback(mediaType, form)
		require.NoError(t, err, mediaType)
		require.Empty(t, cmp.Diff(want, got, byDigits), mediaType)
	}
}

func TestCallbackFields(t *testing.T) {
	t.Parallel()
	const about = `"type":"airtimeDelivery","requestId":5015342,`
	kes := func(minor int64) providers.Sums {
		return providers.Sums{Amount: airtime.Money{Minor: minor, Currency: "KES"}}
	}
	cases := []struct {
		body string
		want providers.Callback
	}{
		{`{` + about + `"status":"failed"}`, saying(providers.RecipientStatus{Status: airtime.Failed})},
		{
			`{` + about + `"status":" SUCCESS "}`,
			saying(providers.RecipientStatus{Status: airtime.Successful}),
		},
		{`{` + about + `"status":"Expired"}`, saying(providers.RecipientStatus{Code: "Expired"})},
		{`{` + about + `"status":21}`, saying(providers.RecipientStatus{Code: "21"})},
		{
			`{` + about + `"status":"something long beyond"}`,
			saying(providers.RecipientStatus{Code: "something long b"}),
		},
		{
			`{` + about + `"status":"failed","description":"to 0711000100: ` + testAPIKey + ` k-1",` +
				`"authKey":"k-1"}`,
			providers.Callback{AuthKey: "k-1", RecipientStatus: providers.RecipientStatus{
				Status: airtime.Failed, Message: "to •••100: ••• •••",
			}},
		},
		{
			`{` + about + `"status":"failed","amount":10,"number":"0711000100"}`,
			saying(providers.RecipientStatus{
				Status: airtime.Failed, Sums: kes(10_00), Phone: airtime.MSISDNFromE164(first),
			}),
		},
		{`{` + about + `"status":"failed","amount":"KES 0.00"}`, saying(providers.RecipientStatus{
			Status: airtime.Failed, Sums: kes(0),
		})},
		{`{` + about + `"status":"failed","amount":"KES 1,000","discount":"4%"}`, providers.Callback{
			Unread: "amount: no amount", RecipientStatus: providers.RecipientStatus{
				Status: airtime.Failed, Sums: providers.Sums{OddAmount: true, OddDiscount: true},
			},
		}},
		{`{` + about + `"status":"success","amount":"KES 27.5000"}`, saying(providers.RecipientStatus{
			Status: airtime.Successful, Sums: kes(27_50),
		})},
		// Without a type the amount shows what it is about.
		{`{"requestId":"5015342","status":"success","amount":"KES 10"}`, saying(providers.RecipientStatus{
			Status: airtime.Successful, Sums: kes(10_00),
		})},
	}
	for _, c := range cases {
		got, err := readCallback(jsonType, c.body)
		require.NoError(t, err, c.body)
		c.want.ProviderReference = "5015342"
		require.Empty(t, cmp.Diff(c.want, got, byDigits), c.body)
	}
}

// An id that has got lost leaves the number and the amount to go by.
func TestACallbackWithoutAnID(t *testing.T) {
	t.Parallel()
	for _, id := range []string{``, `"requestId":null,`, `"requestId":"none",`} {
		got, err := readCallback(jsonType, `{`+id+`"type":"airtimeDelivery","status":"success",`+
			`"number":"254711000100","amount":"KES 10"}`)
		require.NoError(t, err, id)
		require.Equal(t, first, got.Phone.Digits())
		require.Equal(t, airtime.Money{Minor: 10_00, Currency: "KES"}, got.Amount)
		require.Empty(t, got.ProviderReference)
	}
}

func TestCallbacksThatAreNotOurs(t *testing.T) {
	t.Parallel()
	for _, kind := range []string{"smsDelivery", "airtime", "0"} {
		_, err := readCallback(jsonType,
			fmt.Sprintf(`{"type":%q,"requestId":"1","status":"success"}`, kind))
		require.ErrorIs(t, err, providers.ErrNotAirtime, kind)
	}
	_, err := readCallback(formType, "type=smsDelivery")
	require.ErrorIs(t, err, providers.ErrNotAirtime)
}

func TestCallbacksThatCannotBeRead(t *testing.T) {
	t.Parallel()
	const about = `{"type":"airtimeDelivery",`
	for body, want := range map[string]string{
		``:                                     "type: missing",
		`null`:                                 "no JSON object",
		`[]`:                                   "no JSON object",
		`{"a":`:                                "no JSON object",
		`{"requestId":"1","status":"success"}`: "type: missing",
		about + `"requestId":"1"}`:             "status: missing",
		about + `"requestId":"1","status":"none"}`:                             "status: missing",
		about + `"status":"success"}`:                                          "requestId: missing",
		about + `"status":"success","number":"0711000100"}`:                    "requestId: missing",
		about + `"status":"success","amount":"KES 10"}`:                        "requestId: missing",
		about + `"status":"success","requestId":{"a":1}}`:                      "requestId: missing",
		about + `"status":"x","requestId":"` + strings.Repeat("1", 129) + `"}`: "requestId: longer",
		about + `"status":"x","requestId":"1","number":"nobody"}`:              "number: ",
		about + `"status":"x","number":"0711000100","amount":"KES 1,000"}`:     "amount: ",
		about + `"status":"x","number":"0711000100","amount":"KES 10.005"}`:    "amount: ",
		about + `"status":"x","number":"0711000100","amount":1e3}`:             "amount: ",
		about + `"status":"x","number":"0711000100","amount":"-5"}`:            "amount: ",
	} {
		mediaType := jsonType
		if body == "" {
			mediaType = formType
		}
		_, err := readCallback(mediaType, body)
		require.ErrorContains(t, err, want, body)
		require.NotErrorIs(t, err, providers.ErrNotAirtime)
	}
	got, err := readCallback(jsonType, about+`"status":"success","requestId":"1","amount":"1,000"}`)
	require.NoError(t, err, "the id says enough")
	require.Contains(t, got.Unread, "amount: ")
	require.Zero(t, got.Amount)
	for body, want := range map[string]string{
		"%zz": "no form", "a;b": "no form", "status=success&status=failed": `"status": given twice`,
		"0711000100=1&0711000100=2": `"•••100": given twice`,
	} {
		_, err := readCallback(formType, body)
		require.ErrorContains(t, err, want, body)
	}
}

// saying is a callback that says only this.
func saying(status providers.RecipientStatus) providers.Callback {
	return providers.Callback{RecipientStatus: status}
}
