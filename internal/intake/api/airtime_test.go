package api

import (
	"context"
	"net/http"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"tuma/internal/airtime"
	"tuma/internal/state"
)

func TestTheAirtimeServiceSaysThatItIsReady(t *testing.T) {
	t.Parallel()
	i := embedded(t)
	require.JSONEq(t, `{"service":"airtime","status":"ready"}`,
		i.ask("GET", "/airtime/", "").Body.String())
	i.redis.Close()
	require.Equal(t, http.StatusServiceUnavailable, i.ask("GET", "/airtime/", "").Code)
}

func TestAirtimeIsSentOncePerKey(t *testing.T) {
	t.Parallel()
	i := embedded(t)
	form := []string{"Content-Type", formType}
	first := i.ask("GET",
		sendPath+"?phone=%2B254711000001&amount=10&currency=KES&idempotencyKey=k", "")
	require.Equal(t, http.StatusOK, first.Code, first.Body.String())
	require.JSONEq(t, `{"message":"Airtime is queued",
		"response":{"reference":"k","phone":"+254711000001","status":"queued"}}`, first.Body.String())
	var rows []state.Row
	collect := func(r state.Row) error { rows = append(rows, r); return nil }
	require.NoError(t, i.store.Report(context.Background(), state.KindDisbursal,
		state.Own("shop", "k"), collect))
	require.Len(t, rows, 1)
	require.Equal(t, "africastalking", rows[0].Provider)
	require.Equal(t, airtime.Money{Minor: 10_00, Currency: "KES"}, rows[0].Amount)
	require.Equal(t, "254711000001", rows[0].Phone.Digits())

	_, err := i.store.Cancel(context.Background(), state.KindDisbursal,
		state.Own("shop", "k"), "amina", "")
	require.NoError(t, err)
	for _, again := range []string{"GET", "POST"} {
		answer := i.ask(again, sendPath+"?phone=0711000001&amount=10.00&idempotencyKey=k", "")
		require.Equal(t, http.StatusOK, answer.Code)
		require.JSONEq(t, `{"message":"Airtime was requested before; nothing is sent twice",
			"response":{"reference":"k","phone":"0711000001","status":"cancelled"}}`,
			answer.Body.String(), "the state says where it stands")
	}
	// A form, and half a form.
	other := i.ask("POST", sendPath, "phone=0711000001&amount=11&idempotencyKey=k", form...)
	require.Equal(t, http.StatusConflict, other.Code)
	half := i.ask("POST", sendPath+"?idempotencyKey=k2", "phone=0711000001&amount=11", form...)
	require.Equal(t, http.StatusOK, half.Code, half.Body.String())
	require.Equal(t, int64(2), i.booked(t))
}

func TestTheParametersAreChecked(t *testing.T) {
	t.Parallel()
	i := embedded(t)
	const key = "&idempotencyKey=k"
	const notPositive = "'amount' must be a positive number"
	for query, want := range map[string]string{
		"amount=10" + key:                      "Missing 'phone' query parameter",
		"phone=&amount=10" + key:               "Missing 'phone' query parameter",
		"phone=0711000001&amount=10":           "Missing 'idempotencyKey' query parameter",
		"phone=0711000001" + key:               notPositive,
		"phone=0711000001&amount=0" + key:      notPositive,
		"phone=0711000001&amount=0.0" + key:    notPositive,
		"phone=0711000001&amount=-1" + key:     notPositive,
		"phone=0711000001&amount=1e3" + key:    notPositive,
		"phone=0711000001&amount=.5" + key:     notPositive,
		"phone=0711000001&amount=9.9" + key:    "'amount': below the minimum of KES 10",
		"phone=0711000001&amount=10.001" + key: "'amount': has more decimals than KES has (2)",
		"phone=0800000001&amount=10" + key: "'phone': 0800•••001 is not a mobile number " +
			"(07… or 01…, ten digits)",
		"phone=0711000001&amount=1&idempotencyKey=a+b": "'idempotencyKey': may hold only " +
			"printable ASCII characters without spaces; " +
			"'amount': below the minimum of KES 10",
		"phone=0711000001&amount=10&currrency=UGX" + key: "Unknown query parameter; known: " +
			"phone, amount, currency, idempotencyKey",
		"phone=0711000001&amount=10&amount=20" + key: "'amount' is given twice",
		"phone=%zz&amount=10" + key: "the body or the query " +
			"could not be read to its end",
	} {
		for _, method := range []string{"GET", "POST"} {
			answer := i.ask(method, sendPath+"?"+query, "")
			require.Equal(t, http.StatusBadRequest, answer.Code, query)
			fits(t, "Error", answer.Body.Bytes())
			require.Equal(t, `{"error":"`+want+`"}`, strings.TrimSpace(answer.Body.String()), query)
		}
	}
	answer := i.ask("POST", sendPath+"?"+sendQuery, "amount=20", "Content-Type", formType)
	require.Contains(t, answer.Body.String(), "'amount' is given twice")
	require.Zero(t, i.booked(t))
}

// TestHeadDisbursesNothing: monitors and previews ask with HEAD, which routers take for GET.
func TestHeadDisbursesNothing(t *testing.T) {
	t.Parallel()
	i := embedded(t)
	answer := i.ask("HEAD", sendPath+"?"+sendQuery, "")
	require.Equal(t, http.StatusMethodNotAllowed, answer.Code)
	require.Zero(t, i.booked(t))
}
