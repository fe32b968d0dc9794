package lipad

import (
	"testing"

	"github.com/stretchr/testify/require"

	"tuma/internal/airtime"
	"tuma/internal/providers"
)

func TestCallbackOfThePage(t *testing.T) {
	t.Parallel()
	p := newAt("http://127.0.0.1:1", nil)
	got, err := p.ReadCallback("application/json; charset=utf-8", []byte(`{
		"phone_number": "254711000000", "amount": 10, "service_status": 602,
		"external_reference": "da091c64-07d6-4a7c-9a9f-e0134869166c",
		"provider_reference": "2611175", "correlation_id": "GHCRODJAPX6I",
		"message": "Airtime request processed successfully"}`))
	require.NoError(t, err)
	require.Equal(t, providers.Callback{
		BatchID: "da091c64-07d6-4a7c-9a9f-e0134869166c",
		RecipientStatus: providers.RecipientStatus{
			ProviderReference: "2611175", Phone: airtime.MSISDNFromE164("254711000000"),
			Sums:   providers.Sums{Amount: airtime.Money{Minor: 10_00, Currency: "KES"}},
			Status: airtime.Successful, Message: "Airtime request processed successfully",
		},
	}, got)
	got, err = p.ReadCallback("", []byte(`{"phone_number":254711000000,"amount":"10.50",`+
		`"service_status":"699","external_reference":"b","provider_reference":null}`))
	require.NoError(t, err)
	require.Equal(t, int64(10_50), got.Amount.Minor, "types are mixed")
	require.Zero(t, got.Status)
	require.Equal(t, "699", got.Code, "a code that we do not know is open")
	got, err = p.ReadCallback("", []byte(`{"phone_number":254711000000,"service_status":"603",`+
		`"external_reference":"b","provider_reference":null,"correlation_id":"GHCRODJAPX6I"}`))
	require.NoError(t, err)
	require.Equal(t, "GHCRODJAPX6I", got.ProviderReference, "the only id of a failure")
}

func TestCallbacksThatSayTooLittleNameTheField(t *testing.T) {
	t.Parallel()
	p := newAt("http://127.0.0.1:1", nil)
	const reference, phone = `{"external_reference":"b",`, `"phone_number":"254711000000"`
	for body, field := range map[string]string{
		`{}`:                               "external_reference",
		reference[:len(reference)-1] + `}`: "phone_number",
		`[]`:                               "object",
		`{"external_reference":["b"]}`:     "external_reference",
		reference + `"phone_number":"2547XXX","service_status":602}`: "phone_number",
		reference + phone + `}`: "service_status",
	} {
		_, err := p.ReadCallback("application/json", []byte(body))
		require.ErrorContains(t, err, field, body)
		require.NotContains(t, err.Error(), "711000000", body)
	}
}
