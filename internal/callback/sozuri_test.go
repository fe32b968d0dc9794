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
	"tuma/internal/redistest"
	"tuma/internal/state"
)

// TestSozurisCallbackIsAppliedAtOnce: it is never repeated, and there is nobody to ask.
func TestSozurisCallbackIsAppliedAtOnce(t *testing.T) {
	t.Parallel()
	w := newWorld(t, nil)
	w.accept(t, disbursal(sozuri, "d", 0, 3))
	w.send(t, sozuri)
	w.tell(t, sozuri, sozuriBody(sozText(0), phone(0).Digits(), "KES 10.00", "success"))
	w.tell(t, sozuri, sozuriBody(sozText(1), phone(1).Digits(), "KES 10.00", "failed"))
	w.tell(t, sozuri, sozuriBody(sozText(0), phone(0).Digits(), "KES 10.00", "success"))
	w.tell(t, sozuri, sozuriBody(sozText(0), phone(0).Digits(), "KES 10.00", "failed"))
	w.tell(t, sozuri, sozuriBody(sozText(2), phone(2).Digits(), "KES 10.00", "pondering"))
	rows := w.rows(t, "d")
	require.Equal(t, airtime.Successful, rows[0].Status)
	require.Equal(t, sozText(0), rows[0].ProviderReference)
	require.Equal(t, airtime.Failed, rows[1].Status)
	require.Equal(t, airtime.ReasonProvider, rows[1].Reason)
	require.Equal(t, airtime.Submitted, rows[2].Status)
	require.Equal(t, 2, w.count(t, "tuma_callbacks_total", sozuri, "applied"))
	require.Equal(t, 2, w.count(t, "tuma_callbacks_total", sozuri, "unchanged"))
	require.Equal(t, 1, w.count(t, "tuma_callbacks_total", sozuri, "unplaced"),
		"nobody will explain that word, so people are shown it")
	require.EqualValues(t, 1, w.figures(t).Unplaced)
	require.Zero(t, w.figures(t).Kept)
	w.balanced(t)
}

// TestAFailureIsCorrectedByASuccess in whichever order they come.
func TestAFailureIsCorrectedByASuccess(t *testing.T) {
	t.Parallel()
	for _, words := range [][]string{{"failed", "success"}, {"success", "failed"}} {
		t.Run(fmt.Sprint(words), func(t *testing.T) {
			t.Parallel()
			for _, early := range []bool{false, true} {
				w := newWorld(t, nil)
				tell := func([]string) bool {
					for _, word := range words {
						w.tell(t, sozuri, sozuriBody(sozText(0), phone(0).Digits(), "KES 10", word))
					}
					return true
				}
				if early {
					w.vendor.before = tell
				}
				w.accept(t, disbursal(sozuri, "d", 0, 1))
				w.send(t, sozuri)
				if !early {
					tell(nil)
				}
				w.run(t, w.settings)
				w.becomes(t, "d", airtime.Successful)
				w.balanced(t)
			}
		})
	}
}

// TestSozurisKeyInTheBody: without it, or with another, nothing is believed.
func TestSozurisKeyInTheBody(t *testing.T) {
	t.Parallel()
	key := apiKey + "-in-the-body"
	w := newWorld(t, func(o *callback.Options) {
		entry := o.Entries[sozuri]
		entry.CallbackKey = func() string { return key }
		o.Entries[sozuri] = entry
	})
	w.accept(t, disbursal(sozuri, "d", 0, 1))
	w.send(t, sozuri)
	with := func(field string) string {
		body := sozuriBody(sozText(0), phone(0).Digits(), "KES 10", "success")
		return "{" + field + body[1:]
	}
	for _, field := range []string{
		"", `"authKey":"",`, `"authKey":null,`, `"authKey":"none",`, `"authKey":"x",`,
		fmt.Sprintf(`"authKey":%q,`, key[:len(key)-1]), fmt.Sprintf(`"authKey":%q,`, key+"x"),
	} {
		answer := w.post("/callbacks/"+token+"/sozuri", asJSON, with(field))
		require.Equal(t, http.StatusForbidden, answer.Code, field)
		require.NotContains(t, answer.Body.String(), key)
	}
	w.is(t, "d", airtime.Submitted)
	require.Zero(t, w.figures(t).Kept)
	require.Equal(t, 7, w.count(t, "tuma_callbacks_total", sozuri, "unauthorised"))
	w.tell(t, sozuri, with(fmt.Sprintf(`"authKey":%q,`, key)))
	w.is(t, "d", airtime.Successful)
}

// TestSozurisOtherProductsAreIgnored: the same address may be sent reports about messages, whose
// ids are numbers like those of airtime.
func TestSozurisOtherProductsAreIgnored(t *testing.T) {
	t.Parallel()
	w := newWorld(t, nil)
	w.accept(t, disbursal(sozuri, "d", 0, 1))
	w.send(t, sozuri)
	w.tell(t, sozuri, fmt.Sprintf(
		`{"type":"smsDelivery","requestId":%q,"number":%q,"status":"success","amount":"KES 10"}`,
		sozText(0), phone(0).Digits()))
	w.is(t, "d", airtime.Submitted)
	require.Equal(t, 1, w.count(t, "tuma_callbacks_total", sozuri, "ignored"))
	figures := w.figures(t)
	require.Zero(t, figures.Kept+figures.Unplaced)
}

// TestSozurisOtherAmountIsFlagged and the id counts.
func TestSozurisOtherAmountIsFlagged(t *testing.T) {
	t.Parallel()
	w := newWorld(t, nil)
	w.accept(t, disbursal(sozuri, "d", 0, 2))
	w.send(t, sozuri)
	w.tell(t, sozuri, sozuriBody(sozText(0), phone(0).Digits(), "KES 1000.00", "success"))
	require.Equal(t, airtime.Successful, w.rows(t, "d")[0].Status)
	require.Equal(t, 1, w.count(t, "tuma_callback_amount_mismatches_total", sozuri))
	w.tell(t, sozuri, sozuriBody(sozText(1), phone(1).Digits(), "KES 0.00", "failed"))
	require.Equal(t, airtime.Failed, w.rows(t, "d")[1].Status)
	require.Equal(t, 1, w.count(t, "tuma_callback_amount_mismatches_total", sozuri),
		"no amount is no other amount")
	require.Equal(t, 1, w.logs.FilterMessageSnippet("another amount than was sent").Len())
}

// TestAnEarlyCallbackOfSozuriIsNeverLost: it comes before the answer, and the poller and Redis are
// restarted before anybody learns whom its id names.
func TestAnEarlyCallbackOfSozuriIsNeverLost(t *testing.T) {
	t.Parallel()
	server := redistest.Start(t, redistest.WithConfig("appendfsync", "always"))
	w := newWorldAt(t, server.URL(), "ns", whileRedisRestarts, nil)
	clock := w.clocked(t)
	const n = 5
	w.vendor.before = func([]string) bool {
		for i := range n {
			w.tell(t, sozuri, sozuriBody(sozText(i), phone(i).Digits(), "KES 10", "success"))
		}
		w.rounds(t, clock, 3, 100*time.Millisecond)
		server.Kill()
		server.Restart()
		return true
	}
	w.accept(t, disbursal(sozuri, "d", 0, n))
	w.send(t, sozuri)
	w.is(t, "d", airtime.Submitted)
	require.EqualValues(t, n, w.figures(t).Kept)
	w.rounds(t, clock, 1, time.Minute)
	w.is(t, "d", airtime.Successful)
	require.Zero(t, w.figures(t).Kept)
	w.settledOnce(t, "d", n)
	w.balanced(t)
}

// TestABetterWordOutlivesTheRetryOfAnOlderOne: it comes while the older one is in hand.
func TestABetterWordOutlivesTheRetryOfAnOlderOne(t *testing.T) {
	t.Parallel()
	w := newWorld(t, nil)
	var inHand []state.Kept
	w.vendor.before = func([]string) bool {
		w.tell(t, sozuri, sozuriBody(sozText(0), phone(0).Digits(), "KES 10", "failed"))
		require.Eventually(t, func() bool {
			var err error
			inHand, err = w.store.Kept(context.Background(), 10, time.Minute)
			require.NoError(t, err)
			return len(inHand) == 1
		}, patience, 20*time.Millisecond)
		w.tell(t, sozuri, sozuriBody(sozText(0), phone(0).Digits(), "KES 10", "success"))
		return true
	}
	w.accept(t, disbursal(sozuri, "d", 0, 1))
	w.send(t, sozuri)
	_, err := w.store.Apply(context.Background(), inHand[0].Callback)
	require.NoError(t, err)
	w.run(t, w.settings)
	w.becomes(t, "d", airtime.Successful)
	w.balanced(t)
}

// TestAnIDWithAnotherNumberIsNotApplied: it is kept, and people are told.
func TestAnIDWithAnotherNumberIsNotApplied(t *testing.T) {
	t.Parallel()
	w := newWorld(t, nil)
	w.accept(t, disbursal(sozuri, "d", 0, 2))
	w.send(t, sozuri)
	w.tell(t, sozuri, sozuriBody(sozText(0), phone(1).Digits(), "KES 10.00", "success"))
	w.is(t, "d", airtime.Submitted)
	require.Equal(t, 1, w.count(t, "tuma_callback_number_mismatches_total", sozuri))
	require.EqualValues(t, 1, w.figures(t).Kept)
}

// TestSozurisCallbackSettlesWhoseAnswerWasLost, with an id or without one.
func TestSozurisCallbackSettlesWhoseAnswerWasLost(t *testing.T) {
	t.Parallel()
	w := newWorld(t, nil)
	w.vendor.before = func([]string) bool { return false }
	w.accept(t, disbursal(sozuri, "d", 0, 3))
	w.send(t, sozuri)
	w.is(t, "d", airtime.InDoubt)
	w.tell(t, sozuri, sozuriBody(sozText(0), phone(0).Digits(), "KES 10.00", "success"))
	w.tell(t, sozuri, fmt.Sprintf(
		`{"type":"airtimeDelivery","number":%q,"amount":"KES 10","status":"failed"}`,
		phone(1).Digits()))
	w.tell(t, sozuri, sozuriBody(sozText(2), phone(2).Digits(), "KES 12.00", "success"))
	rows := w.rows(t, "d")
	require.Equal(t, airtime.Successful, rows[0].Status)
	require.Equal(t, airtime.Failed, rows[1].Status)
	require.Equal(t, airtime.InDoubt, rows[2].Status, "not this amount")
	require.EqualValues(t, 1, w.figures(t).Kept)
	w.balanced(t)
}
