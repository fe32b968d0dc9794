package callback_test

import (
	"fmt"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"tuma/internal/airtime"
	"tuma/internal/callback"
)

// queried waits for the one query that is due and makes it.
func (h *harness) queried(t *testing.T) {
	t.Helper()
	require.Eventually(t, func() bool { return h.query(t) == 1 }, testTimeout, 5*time.Millisecond)
}

// TestLipadsCallbacksBringOneQueryForward however many they are; without them it is an hour away.
func TestLipadsCallbacksBringOneQueryForward(t *testing.T) {
	t.Parallel()
	h := newHarness(t, nil)
	clock := h.clocked(t)
	const n = 50
	h.accept(t, disbursal(lipad, "d", 0, n))
	h.send(t, lipad)
	require.Zero(t, h.query(t))
	batch := h.rows(t, "d")[0].Batch
	for i := range n {
		h.vendor.say(phone(i).Digits(), "602")
	}
	queries := 0
	for i := range n {
		h.tell(t, lipad, lipadBody(batch, phone(i).Digits(), "602"))
		clock.Pass(20 * time.Millisecond)
		queries += h.query(t)
	}
	require.Equal(t, 1, queries, "queries in a second")
	require.Equal(t, 1, h.vendor.asked())
	h.is(t, "d", airtime.Successful)
	h.settledOnce(t, "d", n)
	require.Equal(t, n, h.count(t, "tuma_callbacks_total", lipad, "hinted"))
	h.balanced(t)
}

// TestTheQueryDecidesNotTheCallback: nobody signs Lipad's callbacks.
func TestTheQueryDecidesNotTheCallback(t *testing.T) {
	t.Parallel()
	for _, row := range []struct {
		callback, query string
		want            airtime.Status
	}{
		{"602", "603", airtime.Failed},
		{"603", "602", airtime.Successful},
		{"602", "601", airtime.Processing},
		{"606", "604", airtime.Jammed},
		{"699", "602", airtime.Successful},
	} {
		t.Run(row.callback+" against "+row.query, func(t *testing.T) {
			t.Parallel()
			h := newHarness(t, nil)
			h.accept(t, disbursal(lipad, "d", 0, 1))
			h.send(t, lipad)
			h.vendor.say(phone(0).Digits(), row.query)
			h.tell(t, lipad, lipadBody(h.rows(t, "d")[0].Batch, phone(0).Digits(), row.callback))
			h.is(t, "d", airtime.Submitted)
			h.queried(t)
			h.is(t, "d", row.want)
		})
	}
}

// TestASettledBatchIsLookedAtAgain when a callback says that something happened to it.
func TestASettledBatchIsLookedAtAgain(t *testing.T) {
	t.Parallel()
	h := newHarness(t, nil)
	clock := h.clocked(t)
	h.accept(t, disbursal(lipad, "d", 0, 1))
	h.send(t, lipad)
	batch := h.rows(t, "d")[0].Batch
	h.vendor.say(phone(0).Digits(), "602")
	h.tell(t, lipad, lipadBody(batch, phone(0).Digits(), "602"))
	clock.Pass(time.Millisecond)
	require.Equal(t, 1, h.query(t))
	h.is(t, "d", airtime.Successful)
	h.vendor.say(phone(0).Digits(), "605")
	h.tell(t, lipad, lipadBody(batch, phone(0).Digits(), "605"))
	clock.Pass(3*time.Second - 2*time.Millisecond)
	require.Zero(t, h.query(t), "three seconds lie between two queries that callbacks bring")
	clock.Pass(time.Millisecond)
	require.Equal(t, 1, h.query(t))
	h.is(t, "d", airtime.Reversed)
	h.balanced(t)
}

func TestATrustedLipadIsAppliedAtOnce(t *testing.T) {
	t.Parallel()
	h := newHarness(t, func(o *callback.Options) { o.Trusted = []string{lipad} })
	h.accept(t, disbursal(lipad, "d", 0, 3))
	h.send(t, lipad)
	batch := h.rows(t, "d")[0].Batch
	for i, code := range []string{"602", "603", "601"} {
		h.tell(t, lipad, lipadBody(batch, phone(i).Digits(), code))
	}
	rows := h.rows(t, "d")
	require.Equal(t, airtime.Successful, rows[0].Status)
	require.Equal(t, "RK14", rows[0].ProviderReference)
	require.Equal(t, airtime.Failed, rows[1].Status)
	require.Equal(t, airtime.ReasonProvider, rows[1].Reason)
	require.Equal(t, airtime.Processing, rows[2].Status)
	require.Equal(t, 3, h.count(t, "tuma_callbacks_total", lipad, "applied"))
	h.tell(t, lipad, lipadBody(batch, phone(0).Digits(), "602"))
	require.Equal(t, 1, h.count(t, "tuma_callbacks_total", lipad, "unchanged"))
	require.Zero(t, h.vendor.asked())
	require.Zero(t, h.query(t))

	h.tell(t, lipad, lipadBody(batch, phone(2).Digits(), "699"))
	require.Equal(t, 1, h.count(t, "tuma_callbacks_total", lipad, "hinted"), "only a query can tell")
	h.queried(t)
	h.balanced(t)
}

// TestLipadsCallbackAboutNobodyIsKeptAndCounted, be the batch or the number not ours.
func TestLipadsCallbackAboutNobodyIsKeptAndCounted(t *testing.T) {
	t.Parallel()
	for _, trusted := range [][]string{nil, {lipad}} {
		t.Run(fmt.Sprint("trusted ", trusted), func(t *testing.T) {
			t.Parallel()
			h := newHarness(t, func(o *callback.Options) { o.Trusted = trusted })
			h.accept(t, disbursal(lipad, "d", 0, 1))
			h.send(t, lipad)
			h.tell(t, lipad, documented[lipad].body)
			require.Equal(t, 1, h.count(t, "tuma_callbacks_total", lipad, "unmatched"))
			require.EqualValues(t, 1, h.figures(t).DeadLetters)
			h.tell(t, lipad, lipadBody(h.rows(t, "d")[0].Batch, phone(5).Digits(), "602"))
			h.is(t, "d", airtime.Submitted)
			if trusted != nil {
				require.Equal(t, 2, h.count(t, "tuma_callbacks_total", lipad, "unmatched"))
			}
		})
	}
}

// TestATrustedLipadNamingAnotherAmountIsFlagged: the status counts all the same.
func TestATrustedLipadNamingAnotherAmountIsFlagged(t *testing.T) {
	t.Parallel()
	h := newHarness(t, func(o *callback.Options) { o.Trusted = []string{lipad} })
	d := disbursal(lipad, "d", 0, 1)
	d.Recipients[0].Amount.Minor = 50_00
	h.accept(t, d)
	h.send(t, lipad)
	h.tell(t, lipad, lipadBody(h.rows(t, "d")[0].Batch, phone(0).Digits(), "602"))
	h.is(t, "d", airtime.Successful)
	require.Equal(t, 1, h.count(t, "tuma_callback_amount_mismatches_total", lipad))
	require.Equal(t, 1, h.logs.FilterMessageSnippet("another amount than was sent").Len())
}

// TestLipadsCallbackBeforeTheAnswer: it comes while the request is on the wire.
func TestLipadsCallbackBeforeTheAnswer(t *testing.T) {
	t.Parallel()
	for _, trusted := range [][]string{nil, {lipad}} {
		t.Run(fmt.Sprint("trusted ", trusted), func(t *testing.T) {
			t.Parallel()
			h := newHarness(t, func(o *callback.Options) { o.Trusted = trusted })
			h.accept(t, disbursal(lipad, "d", 0, 1))
			h.vendor.say(phone(0).Digits(), "602")
			h.vendor.before = func([]string) bool {
				h.tell(t, lipad, lipadBody(h.rows(t, "d")[0].Batch, phone(0).Digits(), "602"))
				return true
			}
			h.send(t, lipad)
			if trusted != nil {
				h.is(t, "d", airtime.Successful)
				h.settledOnce(t, "d", 1)
				h.balanced(t)
				return
			}
			h.is(t, "d", airtime.Submitted)
			require.Equal(t, 1, h.count(t, "tuma_callbacks_total", lipad, "hinted"))
		})
	}
}

// TestACallbackDuringAQueryBringsAnother: the answer on its way may be older than the news.
func TestACallbackDuringAQueryBringsAnother(t *testing.T) {
	t.Parallel()
	h := newHarness(t, nil)
	h.accept(t, disbursal(lipad, "d", 0, 1))
	h.send(t, lipad)
	batch := h.rows(t, "d")[0].Batch
	h.vendor.say(phone(0).Digits(), "601")
	h.tell(t, lipad, lipadBody(batch, phone(0).Digits(), "601"))
	h.vendor.set(func(v *vendor) {
		v.during = func() { h.tell(t, lipad, lipadBody(batch, phone(0).Digits(), "602")) }
	})
	h.queried(t)
	h.is(t, "d", airtime.Processing)
	h.vendor.set(func(v *vendor) { v.during = nil })
	h.vendor.say(phone(0).Digits(), "602")
	h.queried(t)
	h.is(t, "d", airtime.Successful)
}
