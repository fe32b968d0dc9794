package ops_test

import (
	"context"
	"encoding/json"
	"io"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/stretchr/testify/require"
	"go.uber.org/goleak"
	"go.uber.org/zap"

	"tuma/internal/airtime"
	"tuma/internal/ops"
	"tuma/internal/providers"
	"tuma/internal/redisconn"
	"tuma/internal/state"
	"tuma/internal/tasks"
	"tuma/internal/test/proctest"
	"tuma/internal/test/redistest"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(proctest.Suite{M: m, AtOnce: 6}) }

// serve opens the listener of a process on a Redis of its own.
func serve(t *testing.T) (*redistest.Server, *state.Store, string) {
	t.Helper()
	server := redistest.Start(t)
	store, err := state.Open(context.Background(), state.Options{
		// Without limits of our own, a silent Redis would take an hour.
		Options: redisconn.Options{URL: server.URL() + "?read_timeout=1h&max_retries=-1"},
		Providers: []providers.Capabilities{
			{Name: "lipad", Code: 'L', Asks: providers.AskByBatch},
		},
	})
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, store.Close()) })
	registry := prometheus.NewRegistry()
	queues, err := tasks.OpenQueues(store.Options(), zap.NewNop())
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, queues.Close()) })
	registry.MustRegister(ops.StateMetrics{Store: store, Queues: queues})
	more := map[string]http.Handler{"/more/": http.NotFoundHandler()}
	listener, err := ops.Listen("127.0.0.1:0", []string{"metrics.example"}, registry, store, more)
	require.NoError(t, err)
	ctx, cancel := context.WithCancel(context.Background())
	ended := make(chan error, 1)
	go func() { ended <- listener.Run(ctx) }()
	t.Cleanup(func() {
		cancel()
		require.NoError(t, <-ended)
	})
	return server, store, "http://" + listener.Addr()
}

// get returns the status and the body.
func get(t *testing.T, url string) (int, string) {
	t.Helper()
	transport := &http.Transport{DisableKeepAlives: true}
	client := http.Client{Transport: transport, Timeout: 20 * time.Second}
	answer, err := client.Get(url)
	require.NoError(t, err)
	defer func() { _ = answer.Body.Close() }()
	body, err := io.ReadAll(answer.Body)
	require.NoError(t, err)
	return answer.StatusCode, string(body)
}

func fields(t *testing.T, body string) map[string]string {
	t.Helper()
	var answer map[string]string
	require.NoError(t, json.Unmarshal([]byte(body), &answer))
	return answer
}

// TestMetricsAnswerNoStrangeHost: a page that leads its own name here would read the amounts.
// Prometheus asks by address.
func TestMetricsAnswerNoStrangeHost(t *testing.T) {
	t.Parallel()
	_, _, base := serve(t)
	for host, want := range map[string]int{
		"evil.example": http.StatusMisdirectedRequest, "metrics.example": http.StatusOK,
		"10.1.2.3:9101": http.StatusOK,
	} {
		request, err := http.NewRequestWithContext(t.Context(), http.MethodGet, base+"/metrics", nil)
		require.NoError(t, err)
		request.Host = host
		answer, err := http.DefaultClient.Do(request)
		require.NoError(t, err)
		require.NoError(t, answer.Body.Close())
		require.Equal(t, want, answer.StatusCode, host)
	}
}

func TestAliveReadyAndNot(t *testing.T) {
	t.Parallel()
	redis, _, base := serve(t)
	status, body := get(t, base+"/healthz")
	require.Equal(t, http.StatusOK, status)
	require.Equal(t, map[string]string{"status": "alive"}, fields(t, body))

	status, body = get(t, base+"/readyz")
	require.Equal(t, http.StatusOK, status)
	require.Equal(t, "ready", fields(t, body)["status"])
	require.Contains(t, fields(t, body)["warning"], "appendfsync everysec without replicas")

	client := redis.Client(t)
	require.NoError(t, client.ConfigSet(t.Context(), "maxmemory-policy", "allkeys-lru").Err())
	status, body = get(t, base+"/readyz")
	require.Equal(t, http.StatusServiceUnavailable, status)
	require.Contains(t, fields(t, body)["error"], "maxmemory-policy")
	_, body = get(t, base+"/metrics")
	require.Contains(t, body, "\ntuma_state_safe 0\n")
	require.Contains(t, body, "\ntuma_state_up 1\n")
	require.NoError(t, client.ConfigSet(t.Context(), "maxmemory-policy", "noeviction").Err())

	redis.Kill()
	for _, wanted := range []struct {
		path   string
		status int
	}{
		{"/healthz", http.StatusOK}, // Restarting the process would not bring Redis back.
		{"/readyz", http.StatusServiceUnavailable},
		{"/metrics", http.StatusOK},
	} {
		status, body = get(t, base+wanted.path)
		require.Equal(t, wanted.status, status, wanted.path)
	}
	require.Contains(t, body, "tuma_state_up 0")
	redis.Restart()
	require.Eventually(t, func() bool {
		status, _ := get(t, base+"/readyz")
		return status == http.StatusOK
	}, testTimeout, 50*time.Millisecond)
}

// TestASilentRedisIsNotReady: a frozen Redis keeps its connections open and never answers.
func TestASilentRedisIsNotReady(t *testing.T) {
	t.Parallel()
	redis, _, base := serve(t)
	redis.Pause()
	defer redis.Resume()
	for path, wanted := range map[string]int{
		"/readyz": http.StatusServiceUnavailable, "/metrics": http.StatusOK,
	} {
		status, body := get(t, base+path)
		require.Equal(t, wanted, status, body)
	}
}

func TestStatsOfTheState(t *testing.T) {
	t.Parallel()
	_, store, base := serve(t)
	disbursal := state.Disbursal{
		Reference: "secret-reference", Campaign: "secret-campaign", Provider: "lipad",
		Currency: "KES", Recipients: []airtime.Recipient{
			{Phone: airtime.MSISDNFromE164("254711222333"), Amount: airtime.Money{
				Minor:    1050,
				Currency: "KES",
			}},
			{Phone: airtime.MSISDNFromE164("254711222444"), Amount: airtime.Money{
				Minor:    1000,
				Currency: "KES",
			}},
		},
	}
	_, err := store.Accept(t.Context(), []state.Disbursal{disbursal})
	require.NoError(t, err)
	require.NoError(t, store.Reject(t.Context(), state.Refusal{Job: "{}", Source: "test"}))
	require.NoError(t, store.Pause(t.Context(), "lipad", airtime.ReasonBalance, time.Minute))
	require.NoError(t, store.SetFloat(t.Context(), "lipad",
		airtime.Money{Minor: 5000, Currency: "KES"}, "secret-person", "secret-note"))
	_, body := get(t, base+"/metrics")
	for _, line := range []string{
		`tuma_float_balance_minor{currency="KES",provider="lipad"} 5000`,
		`tuma_float_left_minor{currency="KES",provider="lipad"} 2950`,
		`tuma_float_runs_dry_seconds{currency="KES",provider="lipad"} +Inf`,
		`tuma_recipients{currency="KES",provider="lipad",status="queued"} 2`,
		`tuma_recipients{currency="KES",provider="lipad",status="requested"} 2`,
		`tuma_amount_minor{currency="KES",provider="lipad",status="queued"} 2050`,
		`tuma_pending_entries{provider="lipad"} 1`,
		`tuma_ready_batches{provider="lipad"} 0`,
		`tuma_blocked_entries{provider="lipad"} 0`,
		`tuma_in_flight_batches{provider="lipad"} 0`,
		"tuma_due_batches 0", "tuma_in_doubt_batches 0", "tuma_overdue_batches 0",
		"tuma_overpaid_recipients 0", `tuma_stream_entries{stream="jobs"} 0`,
		`tuma_stream_entries{stream="rejected"} 1`, `tuma_stream_added_total{stream="rejected"} 1`,
		`tuma_stream_groups{stream="results"} 0`, "tuma_fenced_seconds 0", "tuma_state_up 1",
		"tuma_state_safe 1", "tuma_redis_memory_share 0", "tuma_in_doubt_oldest_seconds 0",
		"tuma_overdue_oldest_seconds 0", `tuma_open_batches{provider="lipad"} 0`,
		`tuma_books_drift_recipients{currency="KES",provider="lipad"} 0`,
		`tuma_books_drift_minor{currency="KES",provider="lipad"} 0`,
		`tuma_batch_seconds_count{from="sent",provider="lipad",to="settled"} 0`,
		`tuma_queue_tasks{queue="lipad",state="pending"} 0`, `tuma_queue_paused{queue="poll"} 0`,
	} {
		require.Contains(t, body, "\n"+line+"\n")
	}
	require.Regexp(t, `tuma_float_age_seconds\{currency="KES",provider="lipad"\} 0?[.0-9e-]+\n`, body)
	require.Regexp(t, `tuma_oldest_open_seconds\{provider="lipad"\} 0?[.0-9e-]+\n`, body)
	require.Regexp(t, `tuma_channel_troubled_seconds\{provider="lipad",reason="balance"\} [.0-9]+`,
		body)
	require.Regexp(t, `tuma_channel_paused_seconds\{provider="lipad",reason="balance"\} [56]\d`, body)
	// Labels are words of ours: nothing that a producer or a provider wrote.
	require.NotContains(t, body, "secret")
	for line := range strings.Lines(body) {
		line, _, _ = strings.Cut(line, `le="`) // The bounds of histograms are numbers.
		require.NotRegexp(t, `\{[^}]*\d{6}`, line)
	}
}

// TestFaultyBooksAreTold, with the stats by which requested differs from the statuses.
func TestFaultyBooksAreTold(t *testing.T) {
	t.Parallel()
	redis, _, base := serve(t)
	client := redis.Client(t)
	for field, figures := range map[string]string{
		"lipad KES requested": "3 300 0", "lipad KES queued": "1 0 0",
		"lipad KES successful": "1 450 0", "lipad UGX requested": "1 0 0",
		"lipad UGX failed": "1 0 0",
	} {
		require.NoError(t, client.HSet(t.Context(), "{tuma}:book", field, figures).Err())
	}
	_, body := get(t, base+"/metrics")
	for _, line := range []string{
		`tuma_books_drift_recipients{currency="KES",provider="lipad"} 1`,
		`tuma_books_drift_minor{currency="KES",provider="lipad"} -150`,
		`tuma_books_drift_recipients{currency="UGX",provider="lipad"} 0`,
	} {
		require.Contains(t, body, "\n"+line+"\n")
	}
}

func TestATakenAddressNamesTheSetting(t *testing.T) {
	t.Parallel()
	_, _, base := serve(t)
	_, err := ops.Listen(strings.TrimPrefix(base, "http://"), nil, prometheus.NewRegistry(), nil, nil)
	require.ErrorContains(t, err, "TUMA_OPS_ADDR")
	require.ErrorContains(t, err, strings.TrimPrefix(base, "http://"))
}

// TestRunEndsAfterItsAnswers: what was asked before the end is answered.
func TestRunEndsAfterItsAnswers(t *testing.T) {
	t.Parallel()
	entered, leave := make(chan struct{}), make(chan struct{})
	listener, err := ops.Listen("127.0.0.1:0", nil, prometheus.NewRegistry(), nil,
		map[string]http.Handler{"/slow": http.HandlerFunc(
			func(w http.ResponseWriter, _ *http.Request) {
				close(entered)
				<-leave
				_, _ = io.WriteString(w, "done")
			})})
	require.NoError(t, err)
	ctx, cancel := context.WithCancel(context.Background())
	ended, answered := make(chan error, 1), make(chan string, 1)
	go func() { ended <- listener.Run(ctx) }()
	go func() {
		//nolint:testifylint // A failed assertion inside ends the test by its timeout.
		_, body := get(t, "http://"+listener.Addr()+"/slow")
		answered <- body
	}()
	<-entered
	cancel()
	time.Sleep(100 * time.Millisecond)
	require.Empty(t, ended, "it ended before its answer")
	close(leave)
	require.Equal(t, "done", <-answered)
	require.NoError(t, <-ended)
}
