package tasks_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"net/http"
	"regexp"
	"strconv"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"tuma/internal/airtime"
	"tuma/internal/providers"
	"tuma/internal/state"
	"tuma/internal/tasks"
	"tuma/internal/test/proctest"
	"tuma/internal/test/redistest"
)

// rewire puts a wire between the harness and its Redis.
func (h *harness) rewire(t testing.TB, judge func([]byte) wireAction) *wire {
	t.Helper()
	o, w := h.onWire(t, judge)
	h.options = o
	h.store, h.queues = h.openStore(t, o), h.openQueues(t, o)
	return w
}

func TestAnAnswerIsStoredWhenRedisComesBack(t *testing.T) {
	t.Parallel()
	h := newHarness(t, nil)
	w := h.rewire(t, nil)
	h.provider.instead(send, func(out http.ResponseWriter, q *http.Request) {
		w.cut()
		h.simulator.ServeHTTP(out, q)
	})
	h.worker(t)
	h.accept(t, disbursal("d", 0, 100))
	require.Eventually(t, func() bool { return w.down.Load() }, testTimeout, time.Millisecond)
	require.Eventually(t, func() bool {
		return h.logs.FilterMessage("answer not stored yet").Len() > 0
	}, testTimeout, time.Millisecond)
	w.mend()
	h.all(t, "d", airtime.Submitted, 100)
	require.Equal(t, 1, h.provider.sends())
	require.Zero(t, h.statuses(t, "d")[airtime.InDoubt], "the answer was not lost")
	h.paidOnce(t, 100)
}

// repliesLost loses the replies to the next requests that hold a text.
type repliesLost struct {
	text string
	next atomic.Int64
}

func (l *repliesLost) judge(request []byte) wireAction {
	if bytes.Contains(request, []byte(l.text)) && l.next.Add(-1) >= 0 {
		return lose
	}
	return pass
}

// distinct are durations that no other script is given, so that BeginSend can be told on the wire.
func distinct(o *state.Options) {
	o.SubmitTimeout, o.Guard = 1234*time.Millisecond, 567*time.Millisecond
	o.ClaimTimeout = 3456 * time.Millisecond
}

const (
	claimText = "\r\n3456\r\n"
	beginText = "\r\n1234\r\n$3\r\n567\r\n"
)

func TestLostRepliesSendNothingTwice(t *testing.T) {
	t.Parallel()
	for name, row := range map[string]struct {
		text string
		lost int64
	}{
		// go-redis repeats a request three times: five losses are more than it hides.
		"one of begin":     {beginText, 1},
		"all of begin":     {beginText, 4},
		"one of record":    {"\r\naccepted\r\n", 1},
		"many of record":   {"\r\naccepted\r\n", 9},
		"one of claim":     {claimText, 1},
		"all of claim":     {claimText, 4},
		"one of a trigger": {"batch:submit", 1},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			h := newHarness(t, distinct)
			lost := &repliesLost{text: row.text}
			h.rewire(t, lost.judge)
			h.worker(t)
			h.poller(t)
			h.accept(t, disbursal("warm", 0, 10)) // Every script is known to Redis from now on.
			h.all(t, "warm", airtime.Successful, 10)
			lost.next.Store(row.lost)
			h.accept(t, disbursal("d", 10, 10))
			require.Eventually(t, func() bool { return lost.next.Load() <= 0 }, testTimeout,
				time.Millisecond, "nothing was lost")
			h.all(t, "d", airtime.Successful, 10)
			require.Equal(t, 2, h.provider.sends())
			h.paidOnce(t, 20)
		})
	}
}

// unready is a provider that cannot prepare anything for a while.
type unready struct {
	providers.Provider
	cause error
	times atomic.Int64
	left  atomic.Int64
}

func (u *unready) Prepare(
	ctx context.Context, b providers.Batch,
) (*providers.Submission, error) {
	u.times.Add(1)
	if u.left.Add(-1) >= 0 {
		return nil, u.cause
	}
	return u.Provider.Prepare(ctx, b)
}

func TestABatchThatCannotBePreparedIsReleased(t *testing.T) {
	t.Parallel()
	for name, row := range map[string]struct {
		cause  error
		reason airtime.Reason
		pause  time.Duration
	}{
		"with a wish": {&providers.PrepareError{
			Reason: airtime.ReasonBalance, RetryAfter: 1500 * time.Millisecond,
			Err: errors.New("empty"),
		}, airtime.ReasonBalance, 1500 * time.Millisecond},
		"without": {errors.New("no reason"), airtime.ReasonConnect, time.Second},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			h := newHarness(t, nil)
			broken := &unready{Provider: h.entry.Provider, cause: row.cause}
			broken.left.Store(1)
			h.entry.Provider = broken
			clock := h.clocked(t)
			h.worker(t)
			h.accept(t, disbursal("d", 0, 5))
			require.Eventually(t, func() bool { return len(h.completed(t, lipad)) > 0 }, testTimeout,
				time.Millisecond)
			require.Equal(t, "5: 0 accepted, 0 rejected, 5 returned",
				string(h.completed(t, lipad)[0].Result))
			channel := h.channel(t)
			require.Equal(t, row.reason, channel.PauseReason)
			require.Equal(t, row.pause, channel.Paused)
			require.Zero(t, channel.InFlight)
			require.Equal(t, map[airtime.Status]int64{airtime.Queued: 5}, h.statuses(t, "d"))
			require.Zero(t, h.provider.sends())

			clock.Pass(row.pause)
			h.all(t, "d", airtime.Submitted, 5)
			require.Equal(t, int64(3), broken.times.Load(), "in vain, a probe of one, the others")
		})
	}
}

func TestRefusedCredentialsPauseTheChannel(t *testing.T) {
	t.Parallel()
	for _, kind := range []string{"/v1/auth", send} {
		t.Run(kind, func(t *testing.T) {
			t.Parallel()
			h := newHarness(t, nil)
			h.provider.instead(kind, func(w http.ResponseWriter, _ *http.Request) {
				w.WriteHeader(http.StatusUnauthorized)
			})
			h.worker(t)
			h.accept(t, disbursal("d", 0, 5))
			require.Eventually(t, func() bool { return h.channel(t).Paused > 0 }, testTimeout,
				time.Millisecond)
			require.Equal(t, airtime.ReasonCredentials, h.channel(t).PauseReason)
			require.Equal(t, map[airtime.Status]int64{airtime.Queued: 5}, h.statuses(t, "d"))
			h.provider.instead(kind, nil)
			h.all(t, "d", airtime.Submitted, 5)
			h.paidOnce(t, 5)
		})
	}
}

func TestTooManyRequestsPauseAsLongAsTheProviderAsks(t *testing.T) {
	t.Parallel()
	h := newHarness(t, nil)
	h.provider.instead(send, func(w http.ResponseWriter, q *http.Request) {
		if h.provider.sends() > 1 {
			h.simulator.ServeHTTP(w, q)
			return
		}
		w.Header().Set("Retry-After", "3")
		w.WriteHeader(http.StatusTooManyRequests)
	})
	clock := h.clocked(t)
	h.worker(t)
	h.accept(t, disbursal("d", 0, 5))
	require.Eventually(t, func() bool { return h.channel(t).Paused > 0 }, testTimeout,
		time.Millisecond)
	require.Equal(t, airtime.ReasonRateLimited, h.channel(t).PauseReason)
	require.Equal(t, 3*time.Second, h.channel(t).Paused)
	h.accept(t, disbursal("more", 5, 5))
	clock.Pass(3 * time.Second)
	h.all(t, "more", airtime.Submitted, 5)
	require.Equal(t, 3, h.provider.sends(),
		"one refused, a probe of one, the others of both disbursals")
	h.paidOnce(t, 10)
}

func TestAQueryThatIsTooManyWaitsAsLongAsTheProviderAsks(t *testing.T) {
	t.Parallel()
	h := newHarness(t, nil)
	h.provider.instead("status", func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Retry-After", "120")
		w.WriteHeader(http.StatusTooManyRequests)
	})
	h.accept(t, disbursal("d", 0, 1))
	h.turn(t)
	require.Equal(t, "no answer, next query in 2m0s", h.query(t))
	require.InDelta(t, 1, h.count(t, "tuma_queries_total", "provider", lipad, "outcome",
		"rate_limited"), 0)
}

func TestAProviderThatIsDownDoesNotMakeWorkersSpin(t *testing.T) {
	t.Parallel()
	h := newHarness(t, nil)
	h.entry = h.lipadAt("http://" + proctest.FreeAddr(t))
	clock := h.clocked(t)
	h.serve(t, lipad, tasks.TypeSubmit, h.submit(nil))
	h.serve(t, lipad, tasks.TypeSubmit, h.submit(nil))
	h.accept(t, disbursal("d", 0, 999))
	// Pauses of one, two and four seconds.
	h.beats(t, clock, 80, 50*time.Millisecond, h.sweep(lipad))
	claims := h.logs.FilterMessage("batch released and channel paused").All()
	require.NotEmpty(t, claims)
	require.LessOrEqual(t, len(claims), 4, "claims in four seconds")
	for _, entry := range claims {
		require.Equal(t, "connect", entry.ContextMap()["reason"])
	}
	require.Equal(t, map[airtime.Status]int64{airtime.Queued: 999}, h.statuses(t, "d"))
}

// scripts counts the scripts that the harness's Redis has run, for a harness that has it alone.
func (h *harness) scripts(t *testing.T) int {
	t.Helper()
	stats, err := h.rdb.Info(context.Background(), "commandstats").Result()
	require.NoError(t, err)
	sum := 0
	for _, match := range regexp.MustCompile(`cmdstat_eval(sha)?:calls=(\d+)`).
		FindAllStringSubmatch(stats, -1) {
		n, err := strconv.Atoi(match[2])
		require.NoError(t, err)
		sum += n
	}
	return sum
}

// TestServersGoOnWhenRedisIsNotFullAnyMore: until then it answers every fetch with an error.
func TestServersGoOnWhenRedisIsNotFullAnyMore(t *testing.T) {
	t.Parallel()
	server := redistest.Start(t)
	h := newHarness(t, func(o *state.Options) { o.URL = server.URL() })
	ctx := context.Background()
	h.serve(t, lipad, tasks.TypeSubmit, &counter{})
	require.NoError(t, h.rdb.ConfigSet(ctx, "maxmemory", "1mb").Err())
	before := h.scripts(t)
	require.Eventually(t, func() bool { return h.scripts(t)-before > 2 }, testTimeout,
		10*time.Millisecond)

	require.NoError(t, h.rdb.ConfigSet(ctx, "maxmemory", "0").Err())
	h.queues.Wake(ctx, &state.Wakeup{Provider: lipad, Number: 1})
	require.Eventually(t, func() bool { return len(h.completed(t, lipad)) == 1 }, testTimeout,
		10*time.Millisecond, "it goes on when Redis does")
}

// TestAClosedStoreEndsTheRepetition: a process that has closed its connections cannot store
// anything, and the sweep of another one finds out what became of the batch.
func TestAClosedStoreEndsTheRepetition(t *testing.T) {
	t.Parallel()
	h := newHarness(t, nil)
	h.acceptSilently(t, disbursal("d", 0, 1))
	h.provider.instead(send, func(w http.ResponseWriter, q *http.Request) {
		_ = h.store.Close()
		h.simulator.ServeHTTP(w, q)
	})
	err := h.submit(nil).ProcessTask(context.Background(), task(tasks.TypeSubmit, "{}"))
	require.Error(t, err)
}

func TestLogsAndErrorsHoldNoPhoneNumbers(t *testing.T) {
	t.Parallel()
	h := newHarness(t, nil)
	faults := h.simulator.Faults()
	faults.RefuseAll = true
	require.NoError(t, h.simulator.SetFaults(faults))
	h.accept(t, disbursal("d", 0, 3))
	h.turn(t)
	h.entry = h.lipadAt("http://" + proctest.FreeAddr(t))
	h.accept(t, disbursal("e", 10, 3))
	h.turn(t)
	require.NotZero(t, h.logs.Len())
	for _, entry := range h.logs.All() {
		line := fmt.Sprint(entry.Message, entry.ContextMap())
		require.NotRegexp(t, `2547\d{8}`, line)
	}
}
