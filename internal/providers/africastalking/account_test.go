package africastalking

import (
	"net/http"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"tuma/internal/airtime"
	"tuma/internal/providers"
)

func TestTheAccountShowsItsBalance(t *testing.T) {
	t.Parallel()
	s := newServer(t)
	s.answer(http.StatusOK, asJSON, `{"UserData":{"balance":"KES 1785.5000"}}`)
	before := time.Now().Truncate(time.Second)
	got, err := s.CheckAccount(t.Context())
	require.NoError(t, err)
	require.Equal(t, airtime.Money{Minor: 1785_50, Currency: "KES"}, got.Balance)
	require.False(t, got.At.Before(before) || got.At.After(time.Now()), "as of now")
	require.Len(t, s.requests(), 1)
	sent := s.requests()[0]
	require.Equal(t, http.MethodGet, sent.method)
	require.Equal(t, "/version1/user", sent.path)
	require.Equal(t, testUser, sent.query.Get("username"))
	require.Equal(t, testKey, sent.header.Get("apiKey"))
	require.Equal(t, "application/json", sent.header.Get("Accept"))
	require.Empty(t, sent.body)
}

// TestABalanceThatCannotBeReadIsNoRefusal: the answer shows that we are known.
func TestABalanceThatCannotBeReadIsNoRefusal(t *testing.T) {
	t.Parallel()
	s := newServer(t)
	for _, balance := range []string{`"XXX 10.00"`, `12.5`, `"KES -3.00"`, `"plenty"`} {
		s.answer(http.StatusOK, asJSON, `{"UserData":{"balance":`+balance+`}}`)
		got, err := s.CheckAccount(t.Context())
		require.NoError(t, err, balance)
		require.Empty(t, got.Balance, balance)
	}
}

func TestAnAccountThatIsNotShown(t *testing.T) {
	t.Parallel()
	s := newServer(t)
	for _, row := range []struct {
		status int
		body   string
		want   airtime.Reason
	}{
		{401, "The supplied authentication is invalid", airtime.ReasonCredentials},
		{403, testKey, airtime.ReasonCredentials},
		{429, "", airtime.ReasonRateLimited},
		{503, "", airtime.ReasonServerError},
		{302, "", airtime.ReasonUnreadable},
		{200, "<html>", airtime.ReasonUnreadable},
		{200, `{}`, airtime.ReasonUnreadable},
		{200, `{"UserData":{"balance":null}}`, airtime.ReasonUnreadable},
	} {
		s.answer(row.status, "text/plain", row.body)
		got, err := s.CheckAccount(t.Context())
		require.Empty(t, got)
		var refused *providers.QueryError
		require.ErrorAs(t, err, &refused, row.status)
		require.Equal(t, row.want, refused.Reason, row.status)
		require.NotContains(t, err.Error(), testKey)
	}
}

func TestAnAccountWithoutAKeyIsNotAskedFor(t *testing.T) {
	t.Parallel()
	s := newServer(t)
	s.o.APIKey = func() string { return "" }
	_, err := s.CheckAccount(t.Context())
	require.ErrorContains(t, err, "AFRICASTALKING_API_KEY")
	require.Empty(t, s.requests())
}
