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
func (w *world) queried(t *testing.T) {
	t.Helper()
	require.Eventually(t, func() bool { return w.query(t) == 1 }, patience, 5*time.Millisecond)
}

// TestLipadsCallbacksBringOneQueryForward however many they are; without them it is an hour away.
func TestLipadsCallbacksBringOneQueryForward(t *testing.T) {
	t.Parallel()
	w := newWorld(t, nil)
	clock := w.clocked(t)
	const n = 50
	w.accept(t, disbursal(lipad, "d", 0, n))
	w.send(t, lipad)
	require.Zero(t, w.query(t))
	batch := w.rows(t, "d")[0].Batch
	for i := range n {
		w.vendor.say(phone(i).Digits(), "602")
	}
	queries := 0
	for i := range n {
		w.tell(t, lipad, lipadBody(batch, phone(i).Digits(), "602"))
		clock.Pass(20 * time.Millisecond)
		queries += w.query(t)
	}
	require.Equal(t, 1, queries, "queries in a second")
	require.Equal(t, 1, w.vendor.asked())
	w.is(t, "d", airtime.Successful)
	w.settledOnce(t, "d", n)
	require.Equal(t, n, w.count(t, "tuma_callbacks_total", lipad, "hinted"))
	w.balanced(t)
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
			w := newWorld(t, nil)
			w.accept(t, disbursal(lipad, "d", 0, 1))
			w.send(t, lipad)
			w.vendor.say(phone(0).Digits(), row.query)
			w.tell(t, lipad, lipadBody(w.rows(t, "d")[0].Batch, phone(0).Digits(), row.callback))
			w.is(t, "d", airtime.Submitted)
			w.queried(t)
			w.is(t, "d", row.want)
		})
	}
}

// TestASettledBatchIsLookedAtAgain when a callback says that something happened to it.
func TestASettledBatchIsLookedAtAgain(t *testing.T) {
	t.Parallel()
	w := newWorld(t, nil)
	clock := w.clocked(t)
	w.accept(t, disbursal(lipad, "d", 0, 1))
	w.send(t, lipad)
	batch := w.rows(t, "d")[0].Batch
	w.vendor.say(phone(0).Digits(), "602")
	w.tell(t, lipad, lipadBody(batch, phone(0).Digits(), "602"))
	clock.Pass(time.Millisecond)
	require.Equal(t, 1, w.query(t))
	w.is(t, "d", airtime.Successful)
	w.vendor.say(phone(0).Digits(), "605")
	w.tell(t, lipad, lipadBody(batch, phone(0).Digits(), "605"))
	clock.Pass(3*time.Second - 2*time.Millisecond)
	require.Zero(t, w.query(t), "three seconds lie between two queries that callbacks bring")
	clock.Pass(time.Millisecond)
	require.Equal(t, 1, w.query(t))
	w.is(t, "d", airtime.Reversed)
	w.balanced(t)
}

func TestATrustedLipadIsAppliedAtOnce(t *testing.T) {
	t.Parallel()
	w := newWorld(t, func(o *callback.Options) { o.Trusted = []string{lipad} })
	w.accept(t, disbursal(lipad, "d", 0, 3))
	w.send(t, lipad)
	batch := w.rows(t, "d")[0].Batch
	for i, code := range []string{"602", "603", "601"} {
		w.tell(t, lipad, lipadBody(batch, phone(i).Digits(), code))
	}
	rows := w.rows(t, "d")
	require.Equal(t, airtime.Successful, rows[0].Status)
	require.Equal(t, "RK14", rows[0].ProviderReference)
	require.Equal(t, airtime.Failed, rows[1].Status)
	require.Equal(t, airtime.ReasonProvider, rows[1].Reason)
	require.Equal(t, airtime.Processing, rows[2].Status)
	require.Equal(t, 3, w.count(t, "tuma_callbacks_total", lipad, "applied"))
	w.tell(t, lipad, lipadBody(batch, phone(0).Digits(), "602"))
	require.Equal(t, 1, w.count(t, "tuma_callbacks_total", lipad, "unchanged"))
	require.Zero(t, w.vendor.asked())
	require.Zero(t, w.query(t))

	w.tell(t, lipad, lipadBody(batch, phone(2).Digits(), "699"))
	require.Equal(t, 1, w.count(t, "tuma_callbacks_total", lipad, "hinted"), "only a query can tell")
	w.queried(t)
	w.balanced(t)
}

// TestLipadsCallbackAboutNobodyIsKeptAndCounted, be the batch or the number not ours.
func TestLipadsCallbackAboutNobodyIsKeptAndCounted(t *testing.T) {
	t.Parallel()
	for _, trusted := range [][]string{nil, {lipad}} {
		t.Run(fmt.Sprint("trusted ", trusted), func(t *testing.T) {
			t.Parallel()
			w := newWorld(t, func(o *callback.Options) { o.Trusted = trusted })
			w.accept(t, disbursal(lipad, "d", 0, 1))
			w.send(t, lipad)
			w.tell(t, lipad, documented[lipad].body)
			require.Equal(t, 1, w.count(t, "tuma_callbacks_total", lipad, "unplaced"))
			require.EqualValues(t, 1, w.figures(t).Unplaced)
			w.tell(t, lipad, lipadBody(w.rows(t, "d")[0].Batch, phone(5).Digits(), "602"))
			w.is(t, "d", airtime.Submitted)
			if trusted != nil {
				require.Equal(t, 2, w.count(t, "tuma_callbacks_total", lipad, "unplaced"))
			}
		})
	}
}

// TestATrustedLipadNamingAnotherAmountIsFlagged: the status counts all the same.
func TestATrustedLipadNamingAnotherAmountIsFlagged(t *testing.T) {
	t.Parallel()
	w := newWorld(t, func(o *callback.Options) { o.Trusted = []string{lipad} })
	d := disbursal(lipad, "d", 0, 1)
	d.Recipients[0].Amount.Minor = 50_00
	w.accept(t, d)
	w.send(t, lipad)
	w.tell(t, lipad, lipadBody(w.rows(t, "d")[0].Batch, phone(0).Digits(), "602"))
	w.is(t, "d", airtime.Successful)
	require.Equal(t, 1, w.count(t, "tuma_callback_amount_mismatches_total", lipad))
	require.Equal(t, 1, w.logs.FilterMessageSnippet("another amount than was sent").Len())
}

// TestLipadsCallbackBeforeTheAnswer: it comes while the request is on the wire.
func TestLipadsCallbackBeforeTheAnswer(t *testing.T) {
	t.Parallel()
	for _, trusted := range [][]string{nil, {lipad}} {
		t.Run(fmt.Sprint("trusted ", trusted), func(t *testing.T) {
			t.Parallel()
			w := newWorld(t, func(o *callback.Options) { o.Trusted = trusted })
			w.accept(t, disbursal(lipad, "d", 0, 1))
			w.vendor.say(phone(0).Digits(), "602")
			w.vendor.before = func([]string) bool {
				w.tell(t, lipad, lipadBody(w.rows(t, "d")[0].Batch, phone(0).Digits(), "602"))
				return true
			}
			w.send(t, lipad)
			if trusted != nil {
				w.is(t, "d", airtime.Successful)
				w.settledOnce(t, "d", 1)
				w.balanced(t)
				return
			}
			w.is(t, "d", airtime.Submitted)
			require.Equal(t, 1, w.count(t, "tuma_callbacks_total", lipad, "hinted"))
		})
	}
}

// TestACallbackDuringAQueryBringsAnother: the answer on its way may be older than the news.
func TestACallbackDuringAQueryBringsAnother(t *testing.T) {
	t.Parallel()
	w := newWorld(t, nil)
	w.accept(t, disbursal(lipad, "d", 0, 1))
	w.send(t, lipad)
	batch := w.rows(t, "d")[0].Batch
	w.vendor.say(phone(0).Digits(), "601")
	w.tell(t, lipad, lipadBody(batch, phone(0).Digits(), "601"))
	w.vendor.set(func(v *vendor) {
		v.during = func() { w.tell(t, lipad, lipadBody(batch, phone(0).Digits(), "602")) }
	})
	w.queried(t)
	w.is(t, "d", airtime.Processing)
	w.vendor.set(func(v *vendor) { v.during = nil })
	w.vendor.say(phone(0).Digits(), "602")
	w.queried(t)
	w.is(t, "d", airtime.Successful)
}
