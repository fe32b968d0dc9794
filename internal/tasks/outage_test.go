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
	"tuma/internal/proctest"
	"tuma/internal/providers"
	"tuma/internal/redistest"
	"tuma/internal/state"
	"tuma/internal/tasks"
)

// rewire puts a wire between the rig and its Redis.
func (r *rig) rewire(t testing.TB, judge func([]byte) fate) *wire {
	t.Helper()
	o, w := r.onWire(t, judge)
	r.options = o
	r.store, r.queues = r.openStore(t, o), r.openQueues(t, o)
	return w
}

func TestAnAnswerIsStoredWhenRedisComesBack(t *testing.T) {
	t.Parallel()
	r := newRig(t, nil)
	w := r.rewire(t, nil)
	r.provider.instead(send, func(out http.ResponseWriter, q *http.Request) {
		w.cut()
		r.simulator.ServeHTTP(out, q)
	})
	r.worker(t)
	r.accept(t, disbursal("d", 0, 100))
	require.Eventually(t, func() bool { return w.down.Load() }, patience, time.Millisecond)
	require.Eventually(t, func() bool {
		return r.logs.FilterMessage("answer not stored yet").Len() > 0
	}, patience, time.Millisecond)
	w.mend()
	r.all(t, "d", airtime.Submitted, 100)
	require.Equal(t, 1, r.provider.sends())
	require.Zero(t, r.statuses(t, "d")[airtime.InDoubt], "the answer was not lost")
	r.paidOnce(t, 100)
}

// repliesLost loses the replies to the next requests that hold a text.
type repliesLost struct {
	text string
	next atomic.Int64
}

func (l *repliesLost) judge(request []byte) fate {
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
			r := newRig(t, distinct)
			lost := &repliesLost{text: row.text}
			r.rewire(t, lost.judge)
			r.worker(t)
			r.poller(t)
			r.accept(t, disbursal("warm", 0, 10)) // Every script is known to Redis from now on.
			r.all(t, "warm", airtime.Successful, 10)
			lost.next.Store(row.lost)
			r.accept(t, disbursal("d", 10, 10))
			require.Eventually(t, func() bool { return lost.next.Load() <= 0 }, patience,
				time.Millisecond, "nothing was lost")
			r.all(t, "d", airtime.Successful, 10)
			require.Equal(t, 2, r.provider.sends())
			r.paidOnce(t, 20)
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
			r := newRig(t, nil)
			broken := &unready{Provider: r.entry.Provider, cause: row.cause}
			broken.left.Store(1)
			r.entry.Provider = broken
			clock := r.clocked(t)
			r.worker(t)
			r.accept(t, disbursal("d", 0, 5))
			require.Eventually(t, func() bool { return len(r.completed(t, lipad)) > 0 }, patience,
				time.Millisecond)
			require.Equal(t, "5: 0 accepted, 0 rejected, 5 returned",
				string(r.completed(t, lipad)[0].Result))
			channel := r.channel(t)
			require.Equal(t, row.reason, channel.PauseReason)
			require.Equal(t, row.pause, channel.Paused)
			require.Zero(t, channel.InFlight)
			require.Equal(t, map[airtime.Status]int64{airtime.Queued: 5}, r.statuses(t, "d"))
			require.Zero(t, r.provider.sends())

			clock.Pass(row.pause)
			r.all(t, "d", airtime.Submitted, 5)
			require.Equal(t, int64(3), broken.times.Load(), "in vain, a probe of one, the others")
		})
	}
}

func TestRefusedCredentialsPauseTheChannel(t *testing.T) {
	t.Parallel()
	for _, kind := range []string{"/v1/auth", send} {
		t.Run(kind, func(t *testing.T) {
			t.Parallel()
			r := newRig(t, nil)
			r.provider.instead(kind, func(w http.ResponseWriter, _ *http.Request) {
				w.WriteHeader(http.StatusUnauthorized)
			})
			r.worker(t)
			r.accept(t, disbursal("d", 0, 5))
			require.Eventually(t, func() bool { return r.channel(t).Paused > 0 }, patience,
				time.Millisecond)
			require.Equal(t, airtime.ReasonCredentials, r.channel(t).PauseReason)
			require.Equal(t, map[airtime.Status]int64{airtime.Queued: 5}, r.statuses(t, "d"))
			r.provider.instead(kind, nil)
			r.all(t, "d", airtime.Submitted, 5)
			r.paidOnce(t, 5)
		})
	}
}

func TestTooManyRequestsPauseAsLongAsTheProviderAsks(t *testing.T) {
	t.Parallel()
	r := newRig(t, nil)
	r.provider.instead(send, func(w http.ResponseWriter, q *http.Request) {
		if r.provider.sends() > 1 {
			r.simulator.ServeHTTP(w, q)
			return
		}
		w.Header().Set("Retry-After", "3")
		w.WriteHeader(http.StatusTooManyRequests)
	})
	clock := r.clocked(t)
	r.worker(t)
	r.accept(t, disbursal("d", 0, 5))
	require.Eventually(t, func() bool { return r.channel(t).Paused > 0 }, patience,
		time.Millisecond)
	require.Equal(t, airtime.ReasonRateLimited, r.channel(t).PauseReason)
	require.Equal(t, 3*time.Second, r.channel(t).Paused)
	r.accept(t, disbursal("more", 5, 5))
	clock.Pass(3 * time.Second)
	r.all(t, "more", airtime.Submitted, 5)
	require.Equal(t, 3, r.provider.sends(),
		"one refused, a probe of one, the others of both disbursals")
	r.paidOnce(t, 10)
}

func TestAQueryThatIsTooManyWaitsAsLongAsTheProviderAsks(t *testing.T) {
	t.Parallel()
	r := newRig(t, nil)
	r.provider.instead("status", func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Retry-After", "120")
		w.WriteHeader(http.StatusTooManyRequests)
	})
	r.accept(t, disbursal("d", 0, 1))
	r.turn(t)
	require.Equal(t, "no answer, next query in 2m0s", r.query(t))
	require.InDelta(t, 1, r.count(t, "tuma_queries_total", "provider", lipad, "outcome",
		"rate_limited"), 0)
}

func TestAProviderThatIsDownDoesNotMakeWorkersSpin(t *testing.T) {
	t.Parallel()
	r := newRig(t, nil)
	r.entry = r.lipadAt("http://" + proctest.FreeAddr(t))
	clock := r.clocked(t)
	r.serve(t, lipad, tasks.TypeSubmit, r.submit(nil))
	r.serve(t, lipad, tasks.TypeSubmit, r.submit(nil))
	r.accept(t, disbursal("d", 0, 999))
	// Pauses of one, two and four seconds.
	r.beats(t, clock, 80, 50*time.Millisecond, r.sweep(lipad))
	claims := r.logs.FilterMessage("batch released and channel paused").All()
	require.NotEmpty(t, claims)
	require.LessOrEqual(t, len(claims), 4, "claims in four seconds")
	for _, entry := range claims {
		require.Equal(t, "connect", entry.ContextMap()["reason"])
	}
	require.Equal(t, map[airtime.Status]int64{airtime.Queued: 999}, r.statuses(t, "d"))
}

// scripts counts the scripts that the rig's Redis has run, for a rig that has it alone.
func (r *rig) scripts(t *testing.T) int {
	t.Helper()
	stats, err := r.rdb.Info(context.Background(), "commandstats").Result()
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
	r := newRig(t, func(o *state.Options) { o.URL = server.URL() })
	ctx := context.Background()
	r.serve(t, lipad, tasks.TypeSubmit, &counter{})
	require.NoError(t, r.rdb.ConfigSet(ctx, "maxmemory", "1mb").Err())
	before := r.scripts(t)
	require.Eventually(t, func() bool { return r.scripts(t)-before > 2 }, patience,
		10*time.Millisecond)

	require.NoError(t, r.rdb.ConfigSet(ctx, "maxmemory", "0").Err())
	r.queues.Wake(ctx, &state.Wakeup{Provider: lipad, Number: 1})
	require.Eventually(t, func() bool { return len(r.completed(t, lipad)) == 1 }, patience,
		10*time.Millisecond, "it goes on when Redis does")
}

// TestAClosedStoreEndsTheRepetition: a process that has closed its connections cannot store
// anything, and the sweep of another one finds out what became of the batch.
func TestAClosedStoreEndsTheRepetition(t *testing.T) {
	t.Parallel()
	r := newRig(t, nil)
	r.acceptSilently(t, disbursal("d", 0, 1))
	r.provider.instead(send, func(w http.ResponseWriter, q *http.Request) {
		_ = r.store.Close()
		r.simulator.ServeHTTP(w, q)
	})
	err := r.submit(nil).ProcessTask(context.Background(), task(tasks.TypeSubmit, "{}"))
	require.Error(t, err)
}

func TestLogsAndErrorsHoldNoPhoneNumbers(t *testing.T) {
	t.Parallel()
	r := newRig(t, nil)
	faults := r.simulator.Faults()
	faults.RefuseAll = true
	require.NoError(t, r.simulator.SetFaults(faults))
	r.accept(t, disbursal("d", 0, 3))
	r.turn(t)
	r.entry = r.lipadAt("http://" + proctest.FreeAddr(t))
	r.accept(t, disbursal("e", 10, 3))
	r.turn(t)
	require.NotZero(t, r.logs.Len())
	for _, entry := range r.logs.All() {
		line := fmt.Sprint(entry.Message, entry.ContextMap())
		require.NotRegexp(t, `2547\d{8}`, line)
	}
}
