package callback_test

import (
	"context"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"tuma/internal/airtime"
	"tuma/internal/callback"
	"tuma/internal/state"
	"tuma/internal/test/redistest"
)

// vouched asks the validation callback and returns whether the payment is ours.
func (h *harness) vouched(t *testing.T, id, number, amount string) bool {
	t.Helper()
	body := atQuestion(id, number, amount)
	answer := h.post("/callbacks/"+token+"/"+atValidation, asJSON, body)
	require.Equal(t, http.StatusOK, answer.Code, answer.Body)
	require.Equal(t, asJSON, answer.Header().Get("Content-Type"))
	word, err := io.ReadAll(answer.Body)
	require.NoError(t, err)
	require.Contains(t, []string{`{"status":"Validated"}`, `{"status":"Failed"}`},
		string(word[:len(word)-1]))
	return string(word) == `{"status":"Validated"}`+"\n"
}

// TestOnlyWhoIsOnTheWireIsVouchedFor, with the amount, and once.
func TestOnlyWhoIsOnTheWireIsVouchedFor(t *testing.T) {
	t.Parallel()
	h := newHarness(t, nil)
	h.accept(t, disbursal(lipad, "elsewhere", 5, 1))
	h.send(t, lipad)
	h.accept(t, disbursal(at, "d", 0, 2))
	first, second := phone(0).Digits(), phone(1).Digits()
	require.False(t, h.vouched(t, "q1", first, "10"), "its sending has not begun")
	asked := false
	h.vendor.before = func([]string) bool {
		require.False(t, h.vouched(t, "q2", first, "10.01"), "another amount")
		require.False(t, h.vouched(t, "q2", first, "9.99"))
		require.False(t, h.vouched(t, "q3", phone(9).Digits(), "10"), "nobody's number")
		require.False(t, h.vouched(t, "q4", phone(5).Digits(), "10"), "on the wire elsewhere")
		require.True(t, h.vouched(t, "q5", first, "10"))
		require.True(t, h.vouched(t, "q5", first, `"10.00"`), "the same question again")
		require.False(t, h.vouched(t, "q5", first, "20"), "the same id about something else")
		require.False(t, h.vouched(t, "q6", first, "10"), "a second payment")
		asked = true
		return true
	}
	h.send(t, at)
	require.True(t, asked)
	require.True(t, h.vouched(t, "q7", second, "10.00"), "accepted, and not settled")
	require.False(t, h.vouched(t, "q8", second, "10.00"))
	require.True(t, h.vouched(t, "q5", first, "10"), "the same question is answered as before")
	require.Equal(t, 4, h.count(t, "tuma_validations_total", "validated", at))
	require.Equal(t, 8, h.count(t, "tuma_validations_total", "refused", at))
}

func TestWhoIsSettledOrRefusedIsNotVouchedFor(t *testing.T) {
	t.Parallel()
	h := newHarness(t, func(o *callback.Options) { o.Trusted = []string{at} })
	h.accept(t, disbursal(at, "d", 0, 2))
	h.send(t, at)
	h.tell(t, atStatus, atBody(atID(0), phone(0).Digits(), "Success"))
	require.False(t, h.vouched(t, "q1", phone(0).Digits(), "10"))
	require.True(t, h.vouched(t, "q2", phone(1).Digits(), "10"))
}

// TestEachAttemptIsVouchedForOnce: the second sending of a batch is a payment of its own to ask
// about, for the provider may have kept the first from being paid.
func TestEachAttemptIsVouchedForOnce(t *testing.T) {
	t.Parallel()
	h := newHarness(t, nil)
	h.accept(t, disbursal(at, "d", 0, 1))
	times := 0
	h.vendor.before = func([]string) bool {
		times++
		id := fmt.Sprint("q", times)
		require.True(t, h.vouched(t, id, phone(0).Digits(), "10"), id)
		require.False(t, h.vouched(t, id+"x", phone(0).Digits(), "10"), id)
		return times > 1
	}
	h.send(t, at)
	h.is(t, "d", airtime.InDoubt)
	require.Eventually(t, func() bool {
		b, err := h.store.Load(t.Context(), h.rows(t, "d")[0].Batch)
		require.NoError(t, err)
		again, err := h.store.Resend(t.Context(), b)
		require.NoError(t, err)
		return again.Ready
	}, testTimeout, 50*time.Millisecond)
	h.send(t, at)
	require.Equal(t, 2, times)
	h.is(t, "d", airtime.Submitted)
}

// TestTwoOfOneNumberAreVouchedForTwice: both are ours.
func TestTwoOfOneNumberAreVouchedForTwice(t *testing.T) {
	t.Parallel()
	h := newHarness(t, nil)
	for i := range 2 {
		h.accept(t, disbursal(at, fmt.Sprint("d", i), 0, 1))
		h.send(t, at)
	}
	require.True(t, h.vouched(t, "q1", phone(0).Digits(), "10"))
	require.True(t, h.vouched(t, "q2", phone(0).Digits(), "10"))
	require.False(t, h.vouched(t, "q3", phone(0).Digits(), "10"))
}

func TestValidationsAreTakenAsForms(t *testing.T) {
	t.Parallel()
	h := newHarness(t, nil)
	h.accept(t, disbursal(at, "d", 0, 1))
	h.send(t, at)
	form := url.Values{
		"transactionId": {"ATXid_1"}, "phoneNumber": {"+" + phone(0).Digits()},
		"currencyCode": {"KES"}, "amount": {"10.00"},
	}
	answer := h.post("/callbacks/"+token+"/"+atValidation, asForm, form.Encode())
	require.JSONEq(t, `{"status":"Validated"}`, answer.Body.String())
}

// TestValidationsAreAnsweredAtOnce: the provider waits with each of them, so it costs one script,
// and nobody else is asked.
func TestValidationsAreAnsweredAtOnce(t *testing.T) {
	t.Parallel()
	server := redistest.Start(t)
	h := newHarnessAt(t, server.URL(), "ns", whileRedisRestarts, nil)
	const n = 20
	h.accept(t, disbursal(at, "d", 0, state.MaxRecipients))
	h.send(t, at)
	require.True(t, h.vouched(t, "known to Redis", phone(n).Digits(), "10"))
	ctx := context.Background()
	require.NoError(t, h.rdb.ConfigResetStat(ctx).Err())
	for i := range n {
		require.True(t, h.vouched(t, fmt.Sprint("q", i), phone(i).Digits(), "10"))
	}
	stats, err := h.rdb.InfoMap(ctx, "commandstats").Result()
	require.NoError(t, err)
	require.Contains(t, stats["Commandstats"]["cmdstat_evalsha"], fmt.Sprintf("calls=%d,", n))
	require.Zero(t, h.vendor.asked())
}
