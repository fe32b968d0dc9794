package lipad

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"tuma/internal/airtime"
	"tuma/internal/providers"
)

// TestTheAccountIsAskedForAfresh: a token from before says nothing about the credentials of now.
func TestTheAccountIsAskedForAfresh(t *testing.T) {
	t.Parallel()
	p := newLipad(t)
	p.send(t)
	for asked := 2; asked <= 3; asked++ {
		before := time.Now().Truncate(time.Second)
		got, err := p.CheckAccount(t.Context())
		require.NoError(t, err)
		require.Empty(t, got.Balance)
		require.False(t, got.At.Before(before) || got.At.After(time.Now()), "as of now")
		require.Equal(t, asked, p.authCount())
	}
}

func TestAnAccountThatLipadDoesNotKnow(t *testing.T) {
	t.Parallel()
	p := newLipad(t)
	for status, want := range map[int]airtime.Reason{
		400: airtime.ReasonCredentials, 401: airtime.ReasonCredentials,
		429: airtime.ReasonRateLimited, 503: airtime.ReasonServerError,
		302: airtime.ReasonConnect, 200: airtime.ReasonUnreadable,
	} {
		p.authReply = func(int) (int, string) { return status, `{"error":"no secret-of-ours"}` }
		got, err := p.CheckAccount(t.Context())
		require.Empty(t, got)
		var refused *providers.QueryError
		require.ErrorAs(t, err, &refused, status)
		require.Equal(t, want, refused.Reason, status)
		require.NotContains(t, err.Error(), "secret-of-ours")
	}
}
