package callback_test

import (
	"context"
	"fmt"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"tuma/internal/airtime"
	"tuma/internal/test/redistest"
)

// notStored wants the answer that has a provider send it again.
func notStored(t *testing.T, answer *httptest.ResponseRecorder) {
	t.Helper()
	require.Equal(t, http.StatusServiceUnavailable, answer.Code, answer.Body)
	require.NotEmpty(t, answer.Header().Get("Retry-After"))
}

// TestWithoutRedisNothingIsTakenAndNobodyVouchedFor, and when it is back everything is as it was.
func TestWithoutRedisNothingIsTakenAndNobodyVouchedFor(t *testing.T) {
	t.Parallel()
	server := redistest.Start(t)
	h := newHarnessAt(t, server.URL(), "ns", whileRedisRestarts, nil)
	h.accept(t, disbursal(at, "d", 1, 1))
	h.send(t, at)
	ours := atQuestion("ATXid_1", phone(1).Digits(), `"10.00"`)
	server.Stop()
	var all sync.WaitGroup // The client of Redis insists for seconds before it gives up.
	post := func(route, body string) func() *httptest.ResponseRecorder {
		var answer *httptest.ResponseRecorder
		all.Go(func() { answer = h.post("/callbacks/"+token+"/"+route, asJSON, body) })
		return func() *httptest.ResponseRecorder { return answer }
	}
	var refused, failed []func() *httptest.ResponseRecorder
	for route, row := range documented {
		if route == atValidation {
			failed = append(failed, post(route, row.body), post(route, ours))
			continue
		}
		refused = append(refused, post(route, row.body), post(route, "no object"))
	}
	all.Wait()
	for _, answer := range refused {
		notStored(t, answer())
	}
	for _, answer := range failed {
		require.Equal(t, http.StatusOK, answer().Code)
		require.JSONEq(t, `{"status":"Failed"}`, answer().Body.String(), "ours or not, who knows")
	}
	for _, provider := range []string{lipad, at, sozuri} {
		require.Equal(t, 1, h.count(t, "tuma_callbacks_total", provider, "refused"))
	}
	require.Equal(t, 2, h.count(t, "tuma_validations_total", "unavailable", at))

	server.Restart()
	require.Eventually(t, func() bool {
		answer := h.post("/callbacks/"+token+"/"+atValidation, asJSON, ours)
		return answer.Body.String() == `{"status":"Validated"}`+"\n"
	}, testTimeout, 20*time.Millisecond)
	h.tell(t, atStatus, documented[atStatus].body)
}

// TestAFrozenRedisDelaysNoValidation: the provider is waiting to pay.
func TestAFrozenRedisDelaysNoValidation(t *testing.T) {
	t.Parallel()
	server := redistest.Start(t)
	// Without a limit of our own it would take an hour.
	h := newHarnessAt(t, server.URL()+"?read_timeout=1h&max_retries=-1", "ns", whileRedisRestarts, nil)
	server.Pause()
	answer := h.post("/callbacks/"+token+"/"+atValidation, asJSON,
		documented[atValidation].body)
	server.Resume()
	require.Equal(t, http.StatusOK, answer.Code)
	require.JSONEq(t, `{"status":"Failed"}`, answer.Body.String())
}

// fill sets the memory limit so that a share of it is in use, and waits until the store knows it.
func (h *harness) fill(t *testing.T, share float64) {
	t.Helper()
	ctx := context.Background()
	info, err := h.rdb.Info(ctx, "memory").Result()
	require.NoError(t, err)
	var used float64
	for line := range strings.Lines(info) {
		if text, found := strings.CutPrefix(line, "used_memory:"); found {
			_, err := fmt.Sscan(text, &used)
			require.NoError(t, err)
		}
	}
	limit := fmt.Sprint(int64(used / share))
	require.NoError(t, h.rdb.ConfigSet(ctx, "maxmemory", limit).Err())
	time.Sleep(600 * time.Millisecond)
}

// TestAFullRedisKeepsNothingNewAndLosesNothing: what would have to be kept is refused, and what
// moves somebody on goes through.
func TestAFullRedisKeepsNothingNewAndLosesNothing(t *testing.T) {
	t.Parallel()
	server := redistest.Start(t)
	h := newHarnessAt(t, server.URL(), "ns", whileRedisRestarts, nil)
	h.accept(t, disbursal(sozuri, "s", 1, 1))
	h.send(t, sozuri)
	h.accept(t, disbursal(lipad, "l", 10, 1))
	h.send(t, lipad)
	h.accept(t, disbursal(at, "a", 20, 1))
	h.send(t, at)
	for _, share := range []float64{0.85, 1.25} {
		h.fill(t, share)
		for _, route := range []string{atStatus, sozuri, lipad} {
			notStored(t, h.post("/callbacks/"+token+"/"+route, asJSON, documented[route].body))
			notStored(t, h.post("/callbacks/"+token+"/"+route, asJSON, "no object"))
		}
	}
	figures := h.figures(t)
	require.Zero(t, figures.Parked+figures.DeadLetters)

	h.tell(t, sozuri, sozuriBody(sozText(0), phone(1).Digits(), "KES 10.00", "success"))
	h.is(t, "s", airtime.Successful)
	batch := h.rows(t, "l")[0].Batch
	h.tell(t, lipad, lipadBody(batch, phone(10).Digits(), "602"))
	h.queried(t)
	question := atQuestion("ATXid_1", phone(20).Digits(), "10")
	answer := h.post("/callbacks/"+token+"/"+atValidation, asJSON, question)
	require.JSONEq(t, `{"status":"Validated"}`, answer.Body.String())
	h.balanced(t)
}

// TestAPollerThatDiesAfterStoringLosesNothing: another one confirms what it has stored, be it
// before it was taken in hand or in the middle of that.
func TestAPollerThatDiesAfterStoringLosesNothing(t *testing.T) {
	t.Parallel()
	for _, inHand := range []bool{false, true} {
		t.Run(fmt.Sprint("in hand ", inHand), func(t *testing.T) {
			t.Parallel()
			h := newHarness(t, nil)
			h.accept(t, disbursal(at, "d", 1, 2))
			h.send(t, at)
			h.vendor.say(atID(0), "Success")
			h.vendor.say(atID(1), "Success")
			for i := range 2 {
				h.tell(t, atStatus,
					atBody(atID(i), phone(1+i).Digits(), "Success"))
			}
			if inHand {
				kept, err := h.store.DueCallbacks(context.Background(), 10, 300*time.Millisecond)
				require.NoError(t, err)
				require.Len(t, kept, 2)
			}
			other := h.settings
			other.Store = h.openStore(t)
			h.run(t, other)
			h.becomes(t, "d", airtime.Successful)
			require.Zero(t, h.figures(t).Parked)
		})
	}
}

// TestTwoPollersShareTheQuestions: each kept callback is taken in hand by one of them.
func TestTwoPollersShareTheQuestions(t *testing.T) {
	t.Parallel()
	h := newHarness(t, nil)
	const n = 50
	h.accept(t, disbursal(at, "d", 1, n))
	h.send(t, at)
	for range 2 {
		other := h.settings
		other.Store = h.openStore(t)
		h.run(t, other)
	}
	for i := range n {
		h.vendor.say(atID(i), "Success")
		h.tell(t, atStatus, atBody(atID(i), phone(1+i).Digits(), "Success"))
	}
	h.becomes(t, "d", airtime.Successful)
	require.Equal(t, n, h.vendor.asked(), "one question for each")
	h.settledOnce(t, "d", n)
	h.balanced(t)
}

// settledOnce wants one result for each of the n recipients of a disbursal.
func (h *harness) settledOnce(t *testing.T, reference string, n int) {
	t.Helper()
	results, err := h.rdb.XRange(context.Background(), "{"+h.options.Namespace+"}:results", "-",
		"+").Result()
	require.NoError(t, err)
	times := map[any]int{}
	for _, result := range results {
		if result.Values["reference"] == reference {
			times[result.Values["phone_number"]]++
		}
	}
	require.Len(t, times, n)
	for number, count := range times {
		require.Equal(t, 1, count, "%s settled more than once", number)
	}
}
