package africastalking

import (
	"net/url"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/stretchr/testify/require"

	"tuma/internal/airtime"
	"tuma/internal/providers"
)

const asForm = "application/x-www-form-urlencoded"

// form spells the same fields as a form.
func form(pairs ...string) string {
	values := url.Values{}
	for i := 0; i < len(pairs); i += 2 {
		values.Set(pairs[i], pairs[i+1])
	}
	return values.Encode()
}

func reader() *AfricasTalking { return newAt("http://127.0.0.1:1", nil) }

func TestCallbacksAreReadAsFormAndAsJSON(t *testing.T) {
	t.Parallel()
	want := saying(providers.RecipientStatus{
		ProviderReference: sentID, Phone: phone("254711000111"),
		Status: airtime.Successful, Message: "Airtime Delivered Successfully",
		Sums: providers.Sums{
			Amount: airtime.Money{Minor: 100_00, Currency: "KES"}, Discount: "0.6",
		},
	})
	asFields := form("phoneNumber", "+254711000111", "status", "Success", "requestId", sentID,
		"description", "Airtime Delivered Successfully", "discount", "KES 0.6000",
		"value", "KES 100.0000")
	asObject := fixture(t, "status.json")
	cases := []struct{ mediaType, body string }{
		{"application/json", asObject},
		{"application/json; charset=utf-8", asObject},
		{"APPLICATION/JSON", asObject},
		{"application/vnd.api+json", asObject},
		{"", asObject},
		{asForm, asObject},
		{"text/plain", " \r\n" + asObject},
		{"application/octet-stream", asObject},
		{"no media type/;", asObject},
		{asForm, asFields},
		{asForm + "; charset=UTF-8", asFields + "\n"},
		{"", asFields},
		{"text/plain", asFields},
		{"multipart/form-data", asFields},
	}
	for _, c := range cases {
		got, err := reader().ReadCallback(c.mediaType, []byte(c.body))
		require.NoError(t, err, c.mediaType)
		require.Empty(t, cmp.Diff(want, got, byDigits), c.mediaType)
	}
}

func TestCallbacksOfTheOldVersionHaveTwoFields(t *testing.T) {
	t.Parallel()
	want := saying(providers.RecipientStatus{ProviderReference: sentID, Status: airtime.Failed})
	for mediaType, body := range map[string]string{
		asForm: form("requestId", sentID, "status", "Failed"),
		asJSON: `{"requestId":"` + sentID + `","status":"Failed"}`,
	} {
		got, err := reader().ReadCallback(mediaType, []byte(body))
		require.NoError(t, err)
		require.Empty(t, cmp.Diff(want, got, byDigits))
	}
}

func TestCallbackFieldsAreReadLeniently(t *testing.T) {
	t.Parallel()
	const base = `{"requestId":4971724,"status":" failed "`
	sums := func(minor int64, currency airtime.Currency) providers.Callback {
		return saying(providers.RecipientStatus{Sums: providers.Sums{
			Amount: airtime.Money{Minor: minor, Currency: currency},
		}})
	}
	called := saying(providers.RecipientStatus{Phone: phone("254711000111")})
	worded := saying(providers.RecipientStatus{Message: "to •••111 •••"})
	odd := saying(providers.RecipientStatus{Sums: providers.Sums{OddAmount: true}})
	odd.Unread = "value: no amount"
	cases := map[string]providers.Callback{
		`}`: {},
		`,"value":"0","description":"None","phoneNumber":null}`: {},
		`,"value":"KES 0.0000","description":null,"x":[1]}`:     sums(0, "KES"),
		`,"value":null}`:                                  {},
		`,"phoneNumber":254711000111}`:                    called,
		`,"phoneNumber":" 0711 000 111"}`:                 called,
		`,"value":"UGX 500.0000"}`:                        sums(500, "UGX"),
		`,"value":"KES 38.67"}`:                           sums(38_67, "KES"),
		`,"description":"to 0711000111 ` + testKey + `"}`: worded,
		// What cannot be read of the money does not cost the report the rest.
		`,"value":"100"}`:          odd,
		`,"value":"KES 100.0050"}`: odd,
		`,"value":"UGX 100.5"}`:    odd,
		`,"value":"KES -1"}`:       odd,
		`,"value":"254711000111"}`: odd,
	}
	for rest, want := range cases {
		want.ProviderReference, want.Status = "4971724", airtime.Failed
		got, err := reader().ReadCallback(asJSON, []byte(base+rest))
		require.NoError(t, err, rest)
		require.Empty(t, cmp.Diff(want, got, byDigits), rest)
	}
	got, err := reader().ReadCallback(asJSON, []byte(`{"requestId":"a","status":"Refunded"}`))
	require.NoError(t, err)
	want := saying(providers.RecipientStatus{ProviderReference: "a", Code: "Refunded"})
	require.Empty(t, cmp.Diff(want, got))
}

func TestAnUnreadableCallbackNamesTheField(t *testing.T) {
	t.Parallel()
	const good = `{"requestId":"a","status":"Success"`
	cases := []struct{ mediaType, body, want string }{
		{asJSON, `{"status":"Success"}`, "requestId: missing"},
		{asJSON, `{"status":"Success","requestId":"None"}`, "requestId: missing"},
		{asJSON, `{"status":"Success","requestId":""}`, "requestId: missing"},
		{asJSON, `{"status":"Success","requestId":{"a":1}}`, "requestId: missing"},
		{asJSON, `{"status":"Success","requestID":"a"}`, "requestId: missing"},
		{
			asJSON, `{"status":"Success","requestId":"` + strings.Repeat("a", providers.MaxID+1) + `"}`,
			"requestId: longer than 128 bytes, or with characters that cannot be printed",
		},
		{asJSON, `{"requestId":"a"}`, "status: missing"},
		{asJSON, `{"requestId":"a","status":null}`, "status: missing"},
		{asForm, form("requestId", "a"), "status: missing"},
		{asForm, form("status", "Success"), "requestId: missing"},
		{asForm, "requestId=a&status=Success&status=Failed", `"status": given twice`},
		{asForm, "requestId=a&254711000111=a&254711000111=b", `"•••111": given twice`},
		{asJSON, good + `,"phoneNumber":"+254711XXXYYY"}`, "phoneNumber: missing, or no phone number"},
		{
			asJSON, good + `,"phoneNumber":"254711000111222333"}`,
			"phoneNumber: missing, or no phone number",
		},
		{asJSON, good, "the body is no JSON object"},
		{asJSON, `null`, "the body is no JSON object"},
		{asJSON, `[]`, "the body is no JSON object"},
		{asJSON, form("requestId", "a", "status", "Success"), "the body is no JSON object"},
		{"", good, "the body is no JSON object"},
		{asForm, "requestId=%zz254711000111", "the body is no form"},
		{asForm, good, "the body is no JSON object"},
		{"", "", "requestId: missing"},
		{"", "<xml/>", "requestId: missing"},
	}
	for _, c := range cases {
		got, err := reader().ReadCallback(c.mediaType, []byte(c.body))
		require.EqualError(t, err, c.want, c.body)
		require.Zero(t, got, c.body)
	}
}

func TestValidationsAreReadAsFormAndAsJSON(t *testing.T) {
	t.Parallel()
	want := providers.Validation{
		ID: "ATXid_5d0b6f1c9e8a4f7b2c3d", Phone: phone("254711000111"),
		Amount: airtime.Money{Minor: 500_00, Currency: "KES"},
	}
	object := fixture(t, "validation.json")
	cases := []struct{ mediaType, body string }{
		{asJSON, object},
		{"", object},
		{asJSON, strings.Replace(object, "500.00", `"500.00"`, 1)},
		{asJSON, strings.Replace(object, "500.00", `"KES 500.0000"`, 1)},
		{asJSON, strings.Replace(object, "500.00", `500`, 1)},
		{asJSON, strings.Replace(object, `"sourceIpAddress": "127.12.32.24",`, "", 1)},
		{asForm, form("transactionId", want.ID, "phoneNumber", "+254711000111",
			"sourceIpAddress", "::1", "currencyCode", "KES", "amount", "500.00")},
		// A plus sign that was not escaped is a space.
		{asForm, "transactionId=" + want.ID +
			"&phoneNumber=+254711000111&currencyCode=KES&amount=500.00"},
	}
	for _, c := range cases {
		got, err := reader().ReadValidation(c.mediaType, []byte(c.body))
		require.NoError(t, err, c.body)
		require.Empty(t, cmp.Diff(want, got, byDigits), c.body)
	}
}

func TestAnUnreadableValidationNamesTheField(t *testing.T) {
	t.Parallel()
	object := fixture(t, "validation.json")
	cases := []struct{ old, new, want string }{
		{`"transactionId"`, `"id"`, "transactionId: missing"},
		{`"ATXid_5d0b6f1c9e8a4f7b2c3d"`, `"None"`, "transactionId: missing"},
		{`"phoneNumber"`, `"phone"`, "phoneNumber: missing, or no phone number"},
		{`+254711000111`, `+254711`, "phoneNumber: missing, or no phone number"},
		{`"currencyCode"`, `"currency"`, "currencyCode: missing, or not known"},
		{`"KES"`, `"ABC"`, "currencyCode: missing, or not known"},
		{`"amount"`, `"value"`, "amount: must be a plain decimal such as 10 or 10.50"},
		{`500.00`, `0`, "amount: not above zero"},
		{`500.00`, `5e2`, "amount: must be a plain decimal such as 10 or 10.50"},
		{`500.00`, `500.005`, "amount: has more decimals than KES has (2)"},
		{`500.00`, `"UGX 500"`, "amount: in another currency than currencyCode"},
		{`{`, ``, "the body is no JSON object"},
	}
	for _, c := range cases {
		body := strings.Replace(object, c.old, c.new, 1)
		got, err := reader().ReadValidation(asJSON, []byte(body))
		require.EqualError(t, err, c.want, body)
		require.Zero(t, got)
	}
}

// saying is a callback that says only this.
func saying(status providers.RecipientStatus) providers.Callback {
	return providers.Callback{RecipientStatus: status}
}
