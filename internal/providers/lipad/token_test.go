package lipad

import (
	"context"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"tuma/internal/airtime"
	"tuma/internal/providers"
	"tuma/internal/providers/providertest"
)

func TestOneTokenForEverybody(t *testing.T) {
	t.Parallel()
	p := newLipad(t)
	var all sync.WaitGroup
	for range 16 {
		all.Go(func() {
			if _, err := p.Prepare(t.Context(), providertest.TwoRecipients()); err != nil {
				t.Error(err)
			}
		})
	}
	all.Wait()
	require.Equal(t, 1, p.authCount())
}

func TestACancelledCallerDoesNotFailTheOthers(t *testing.T) {
	t.Parallel()
	p := newLipad(t)
	p.authGate = make(chan struct{})
	impatient, cancel := context.WithCancel(t.Context())
	first := make(chan error, 1)
	go func() {
		_, err := p.Prepare(impatient, providertest.TwoRecipients())
		first <- err
	}()
	require.Eventually(t, func() bool {
		p.tokens.mu.Lock()
		defer p.tokens.mu.Unlock()
		return p.tokens.flight != nil
	}, 2*time.Minute, time.Millisecond)
	second := make(chan error, 1)
	go func() {
		_, err := p.Prepare(t.Context(), providertest.TwoRecipients())
		second <- err
	}()
	cancel()
	err := <-first
	require.ErrorIs(t, err, context.Canceled)
	var refused *providers.PrepareError
	require.ErrorAs(t, err, &refused)
	close(p.authGate)
	require.NoError(t, <-second)
	require.Equal(t, 1, p.authCount())
}

func TestTheTokenIsRenewedBeforeItExpires(t *testing.T) {
	t.Parallel()
	cases := []struct {
		answer string
		life   time.Duration
	}{
		{`{"access_token":"a","expiresIn":3600}`, 59 * time.Minute},
		{`{"access_token":"a","expiresIn":"6000"}`, 99 * time.Minute},
		{`{"access_token":"a","expires_in":100}`, 90 * time.Second},
		{`{"access_token":"a","expires_in":"100.9"}`, 90 * time.Second},
		{`{"access_token":"a"}`, time.Minute},
		{`{"access_token":"a","expiresIn":0}`, time.Minute},
		{`{"access_token":"a","expiresIn":-5}`, time.Minute},
		{`{"access_token":"a","expiresIn":null}`, time.Minute},
		{`{"access_token":"a","expiresIn":"soon"}`, time.Minute},
		{`{"access_token":"a","expiresIn":99999999}`, 24*time.Hour - time.Minute},
		{`{"access_token":"a","expiresIn":99999999999999999999}`, time.Minute},
	}
	for _, c := range cases {
		t.Run(c.answer, func(t *testing.T) {
			t.Parallel()
			p := newLipad(t)
			p.authReply = func(int) (int, string) { return 200, c.answer }
			p.send(t)
			p.clock.advance(c.life - time.Second)
			p.send(t)
			require.Equal(t, 1, p.authCount())
			p.clock.advance(time.Second)
			p.send(t)
			require.Equal(t, 2, p.authCount())
		})
	}
}

func TestAStaleTokenIsRenewedWithoutAPause(t *testing.T) {
	t.Parallel()
	for _, status := range []int{401, 403} {
		p := newLipad(t)
		require.Equal(t, airtime.Accepted, p.send(t).Verdict)
		p.revoke(status, "token-2")
		got := p.send(t)
		require.Equal(t, airtime.Unsent, got.Verdict)
		require.Equal(t, airtime.ReasonCredentials, got.Reason)
		require.Equal(t, airtime.NoReason, got.Pause)
		require.Equal(t, airtime.Accepted, p.send(t).Verdict)
		require.Equal(t, 2, p.authCount())
	}
}

func TestAFreshTokenThatIsRefusedPausesTheChannel(t *testing.T) {
	t.Parallel()
	p := newLipad(t)
	p.revoke(403)
	for range 3 {
		got := p.send(t)
		require.Equal(t, airtime.Unsent, got.Verdict)
		require.Equal(t, airtime.ReasonCredentials, got.Pause)
	}
	require.Equal(t, 3, p.authCount(), "each probe tries a new token: what was wrong may be mended")
}

// An account that may ask but not send must not look like a stale token for ever.
func TestATokenProvenByQueriesOnlyStillPauses(t *testing.T) {
	t.Parallel()
	p := newLipad(t)
	p.answer(403, "")
	_, err := p.Query(t.Context(), providers.Question{BatchID: batchID})
	require.NoError(t, err)
	require.Equal(t, airtime.ReasonCredentials, p.send(t).Pause)
}

func TestManyRefusalsOfOneTokenCauseOneRenewal(t *testing.T) {
	t.Parallel()
	p := newLipad(t)
	p.send(t)
	submissions := make([]*providers.Submission, 8)
	for i := range submissions {
		s, err := p.Prepare(t.Context(), providertest.TwoRecipients())
		require.NoError(t, err)
		submissions[i] = s
	}
	p.revoke(401, "token-2")
	var all sync.WaitGroup
	for _, s := range submissions {
		all.Go(func() {
			if answer := s.Send(t.Context()); answer.Pause != airtime.NoReason {
				t.Error("paused by a stale token")
			}
			_, err := p.Prepare(t.Context(), providertest.TwoRecipients())
			if err != nil {
				t.Error(err)
			}
		})
	}
	all.Wait()
	require.Equal(t, 2, p.authCount())
	require.Equal(t, airtime.Accepted, p.send(t).Verdict)
}

func TestAQueryRenewsTheTokenOnce(t *testing.T) {
	t.Parallel()
	p := newLipad(t)
	p.revoke(401, "token-2")
	_, err := p.Query(t.Context(), providers.Question{BatchID: batchID})
	require.NoError(t, err)
	require.Len(t, p.asks, 2)

	p.revoke(401)
	_, err = p.Query(t.Context(), providers.Question{BatchID: batchID})
	var nothing *providers.QueryError
	require.ErrorAs(t, err, &nothing)
	require.Equal(t, airtime.ReasonCredentials, nothing.Reason)
	require.Len(t, p.asks, 4, "two more, and no third")
}

func TestWithoutATokenNothingIsPrepared(t *testing.T) {
	t.Parallel()
	cases := []struct {
		status int
		body   string
		want   airtime.Reason
	}{
		{400, "", airtime.ReasonCredentials},
		{401, `{"message":"` + testSecret + `"}`, airtime.ReasonCredentials},
		{403, "", airtime.ReasonCredentials},
		{404, "", airtime.ReasonCredentials},
		{429, "", airtime.ReasonRateLimited},
		{500, "", airtime.ReasonServerError},
		{302, "", airtime.ReasonConnect},
		{200, "", airtime.ReasonUnreadable},
		{200, `{"expiresIn":3600}`, airtime.ReasonUnreadable},
		{200, `{"access_token":null,"expiresIn":3600}`, airtime.ReasonUnreadable},
		{200, `{"access_token":"a\r\nb","expiresIn":3600}`, airtime.ReasonUnreadable},
		{200, `[]`, airtime.ReasonUnreadable},
		{204, "", airtime.ReasonUnreadable},
	}
	for _, c := range cases {
		p := newLipad(t)
		p.authReply = func(int) (int, string) { return c.status, c.body }
		_, err := p.Prepare(t.Context(), providertest.TwoRecipients())
		var refused *providers.PrepareError
		require.ErrorAs(t, err, &refused, c.body)
		require.Equal(t, c.want, refused.Reason, "HTTP %d %s", c.status, c.body)
		require.NotContains(t, err.Error(), testSecret)
		if c.status == 429 {
			require.Equal(t, 3*time.Second, refused.RetryAfter)
		}
		_, err = p.Query(t.Context(), providers.Question{BatchID: batchID})
		var nothing *providers.QueryError
		require.ErrorAs(t, err, &nothing)
		require.Equal(t, c.want, nothing.Reason)
		require.ErrorAs(t, err, &refused, "the cause is kept")
		require.Empty(t, p.sends)
	}
}
