package callback_test

import (
	"context"
	"fmt"
	"net/http"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"tuma/internal/airtime"
	"tuma/internal/callback"
	"tuma/internal/state"
	"tuma/internal/test/redistest"
)

// TestSozurisCallbackIsAppliedAtOnce: it is never repeated, and there is nobody to ask.
func TestSozurisCallbackIsAppliedAtOnce(t *testing.T) {
	t.Parallel()
	h := newHarness(t, nil)
	h.accept(t, disbursal(sozuri, "d", 0, 3))
	h.send(t, sozuri)
	h.tell(t, sozuri, sozuriBody(sozText(0), phone(0).Digits(), "KES 10.00", "success"))
	h.tell(t, sozuri, sozuriBody(sozText(1), phone(1).Digits(), "KES 10.00", "failed"))
	h.tell(t, sozuri, sozuriBody(sozText(0), phone(0).Digits(), "KES 10.00", "success"))
	h.tell(t, sozuri, sozuriBody(sozText(0), phone(0).Digits(), "KES 10.00", "failed"))
	h.tell(t, sozuri, sozuriBody(sozText(2), phone(2).Digits(), "KES 10.00", "pondering"))
	rows := h.rows(t, "d")
	require.Equal(t, airtime.Successful, rows[0].Status)
	require.Equal(t, sozText(0), rows[0].ProviderReference)
	require.Equal(t, airtime.Failed, rows[1].Status)
	require.Equal(t, airtime.ReasonProvider, rows[1].Reason)
	require.Equal(t, airtime.Submitted, rows[2].Status)
	require.Equal(t, 2, h.count(t, "tuma_callbacks_total", sozuri, "applied"))
	require.Equal(t, 2, h.count(t, "tuma_callbacks_total", sozuri, "unchanged"))
	require.Equal(t, 1, h.count(t, "tuma_callbacks_total", sozuri, "unmatched"),
		"nobody will explain that word, so people are shown it")
	require.EqualValues(t, 1, h.figures(t).DeadLetters)
	require.Zero(t, h.figures(t).Parked)
	h.balanced(t)
}

// TestAFailureIsCorrectedByASuccess in whichever order they come.
func TestAFailureIsCorrectedByASuccess(t *testing.T) {
	t.Parallel()
	for _, words := range [][]string{{"failed", "success"}, {"success", "failed"}} {
		t.Run(fmt.Sprint(words), func(t *testing.T) {
			t.Parallel()
			for _, early := range []bool{false, true} {
				h := newHarness(t, nil)
				tell := func([]string) bool {
					for _, word := range words {
						h.tell(t, sozuri, sozuriBody(sozText(0), phone(0).Digits(), "KES 10", word))
					}
					return true
				}
				if early {
					h.vendor.before = tell
				}
				h.accept(t, disbursal(sozuri, "d", 0, 1))
				h.send(t, sozuri)
				if !early {
					tell(nil)
				}
				h.run(t, h.settings)
				h.becomes(t, "d", airtime.Successful)
				h.balanced(t)
			}
		})
	}
}

// TestSozurisKeyInTheBody: without it, or with another, nothing is believed.
func TestSozurisKeyInTheBody(t *testing.T) {
	t.Parallel()
	key := apiKey + "-in-the-body"
	h := newHarness(t, func(o *callback.Options) {
		entry := o.Entries[sozuri]
		entry.CallbackKey = func() string { return key }
		o.Entries[sozuri] = entry
	})
	h.accept(t, disbursal(sozuri, "d", 0, 1))
	h.send(t, sozuri)
	with := func(field string) string {
		body := sozuriBody(sozText(0), phone(0).Digits(), "KES 10", "success")
		return "{" + field + body[1:]
	}
	for _, field := range []string{
		"", `"authKey":"",`, `"authKey":null,`, `"authKey":"none",`, `"authKey":"x",`,
		fmt.Sprintf(`"authKey":%q,`, key[:len(key)-1]), fmt.Sprintf(`"authKey":%q,`, key+"x"),
	} {
		answer := h.post("/callbacks/"+token+"/sozuri", asJSON, with(field))
		require.Equal(t, http.StatusForbidden, answer.Code, field)
		require.NotContains(t, answer.Body.String(), key)
	}
	h.is(t, "d", airtime.Submitted)
	require.Zero(t, h.figures(t).Parked)
	require.Equal(t, 7, h.count(t, "tuma_callbacks_total", sozuri, "unauthorised"))
	h.tell(t, sozuri, with(fmt.Sprintf(`"authKey":%q,`, key)))
	h.is(t, "d", airtime.Successful)
}

// TestSozurisOtherProductsAreIgnored: the same address may be sent reports about messages, whose
// ids are numbers like those of airtime.
func TestSozurisOtherProductsAreIgnored(t *testing.T) {
	t.Parallel()
	h := newHarness(t, nil)
	h.accept(t, disbursal(sozuri, "d", 0, 1))
	h.send(t, sozuri)
	h.tell(t, sozuri, fmt.Sprintf(
		`{"type":"smsDelivery","requestId":%q,"number":%q,"status":"success","amount":"KES 10"}`,
		sozText(0), phone(0).Digits()))
	h.is(t, "d", airtime.Submitted)
	require.Equal(t, 1, h.count(t, "tuma_callbacks_total", sozuri, "ignored"))
	figures := h.figures(t)
	require.Zero(t, figures.Parked+figures.DeadLetters)
}

// TestSozurisOtherAmountIsFlagged and the id counts.
func TestSozurisOtherAmountIsFlagged(t *testing.T) {
	t.Parallel()
	h := newHarness(t, nil)
	h.accept(t, disbursal(sozuri, "d", 0, 2))
	h.send(t, sozuri)
	h.tell(t, sozuri, sozuriBody(sozText(0), phone(0).Digits(), "KES 1000.00", "success"))
	require.Equal(t, airtime.Successful, h.rows(t, "d")[0].Status)
	require.Equal(t, 1, h.count(t, "tuma_callback_amount_mismatches_total", sozuri))
	h.tell(t, sozuri, sozuriBody(sozText(1), phone(1).Digits(), "KES 0.00", "failed"))
	require.Equal(t, airtime.Failed, h.rows(t, "d")[1].Status)
	require.Equal(t, 1, h.count(t, "tuma_callback_amount_mismatches_total", sozuri),
		"no amount is no other amount")
	require.Equal(t, 1, h.logs.FilterMessageSnippet("another amount than was sent").Len())
}

// TestAnEarlyCallbackOfSozuriIsNeverLost: it comes before the answer, and the poller and Redis are
// restarted before anybody learns whom its id names.
func TestAnEarlyCallbackOfSozuriIsNeverLost(t *testing.T) {
	t.Parallel()
	server := redistest.Start(t, redistest.WithConfig("appendfsync", "always"))
	h := newHarnessAt(t, server.URL(), "ns", whileRedisRestarts, nil)
	clock := h.clocked(t)
	const n = 5
	h.vendor.before = func([]string) bool {
		for i := range n {
			h.tell(t, sozuri, sozuriBody(sozText(i), phone(i).Digits(), "KES 10", "success"))
		}
		h.rounds(t, clock, 3, 100*time.Millisecond)
		server.Kill()
		server.Restart()
		return true
	}
	h.accept(t, disbursal(sozuri, "d", 0, n))
	h.send(t, sozuri)
	h.is(t, "d", airtime.Submitted)
	require.EqualValues(t, n, h.figures(t).Parked)
	h.rounds(t, clock, 1, time.Minute)
	h.is(t, "d", airtime.Successful)
	require.Zero(t, h.figures(t).Parked)
	h.settledOnce(t, "d", n)
	h.balanced(t)
}

// TestABetterWordOutlivesTheRetryOfAnOlderOne: it comes while the older one is in hand.
func TestABetterWordOutlivesTheRetryOfAnOlderOne(t *testing.T) {
	t.Parallel()
	h := newHarness(t, nil)
	var inHand []state.DueCallback
	h.vendor.before = func([]string) bool {
		h.tell(t, sozuri, sozuriBody(sozText(0), phone(0).Digits(), "KES 10", "failed"))
		require.Eventually(t, func() bool {
			var err error
			inHand, err = h.store.DueCallbacks(context.Background(), 10, time.Minute)
			require.NoError(t, err)
			return len(inHand) == 1
		}, testTimeout, 20*time.Millisecond)
		h.tell(t, sozuri, sozuriBody(sozText(0), phone(0).Digits(), "KES 10", "success"))
		return true
	}
	h.accept(t, disbursal(sozuri, "d", 0, 1))
	h.send(t, sozuri)
	_, err := h.store.Apply(context.Background(), inHand[0].Callback)
	require.NoError(t, err)
	h.run(t, h.settings)
	h.becomes(t, "d", airtime.Successful)
	h.balanced(t)
}

// TestAnIDWithAnotherNumberIsNotApplied: it is kept, and people are told.
func TestAnIDWithAnotherNumberIsNotApplied(t *testing.T) {
	t.Parallel()
	h := newHarness(t, nil)
	h.accept(t, disbursal(sozuri, "d", 0, 2))
	h.send(t, sozuri)
	h.tell(t, sozuri, sozuriBody(sozText(0), phone(1).Digits(), "KES 10.00", "success"))
	h.is(t, "d", airtime.Submitted)
	require.Equal(t, 1, h.count(t, "tuma_callback_number_mismatches_total", sozuri))
	require.EqualValues(t, 1, h.figures(t).Parked)
}

// TestSozurisCallbackSettlesWhoseAnswerWasLost, with an id or without one.
func TestSozurisCallbackSettlesWhoseAnswerWasLost(t *testing.T) {
	t.Parallel()
	h := newHarness(t, nil)
	h.vendor.before = func([]string) bool { return false }
	h.accept(t, disbursal(sozuri, "d", 0, 3))
	h.send(t, sozuri)
	h.is(t, "d", airtime.InDoubt)
	h.tell(t, sozuri, sozuriBody(sozText(0), phone(0).Digits(), "KES 10.00", "success"))
	h.tell(t, sozuri, fmt.Sprintf(
		`{"type":"airtimeDelivery","number":%q,"amount":"KES 10","status":"failed"}`,
		phone(1).Digits()))
	h.tell(t, sozuri, sozuriBody(sozText(2), phone(2).Digits(), "KES 12.00", "success"))
	rows := h.rows(t, "d")
	require.Equal(t, airtime.Successful, rows[0].Status)
	require.Equal(t, airtime.Failed, rows[1].Status)
	require.Equal(t, airtime.InDoubt, rows[2].Status, "not this amount")
	require.EqualValues(t, 1, h.figures(t).Parked)
	h.balanced(t)
}
