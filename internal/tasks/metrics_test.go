package tasks_test

import (
	"context"
	"fmt"
	"net/http"
	"net/http/httptest"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/hibiken/asynq"
	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/promhttp"
	"github.com/stretchr/testify/require"

	"tuma/internal/airtime"
	"tuma/internal/tasks"
)

// TestEveryReasonStartsAtZero, so that an alert on its growth sees the first one.
func TestEveryReasonStartsAtZero(t *testing.T) {
	t.Parallel()
	h := &harness{registry: prometheus.NewRegistry()}
	tasks.NewMetrics(h.registry, []string{lipad, "sozuri"})
	for _, provider := range []string{lipad, "sozuri"} {
		for _, verdict := range airtime.Verdicts() {
			for _, reason := range append(airtime.Reasons(), airtime.NoReason) {
				require.Zero(t, h.count(t, "tuma_submissions_total", "provider", provider,
					"verdict", verdict.String(), "reason", string(reason)))
			}
		}
		for _, reason := range airtime.Reasons() {
			require.Zero(t, h.count(t, "tuma_queries_total", "provider", provider,
				"outcome", string(reason)))
		}
		for _, name := range []string{
			"tuma_unmatched_lines_total", "tuma_unrecognised_statuses_total", "tuma_settled_total",
		} {
			require.Zero(t, h.count(t, name, "provider", provider))
		}
		for _, verdict := range airtime.Verdicts() {
			require.Zero(t, h.sample(t, fmt.Sprintf(
				`tuma_submission_seconds_count{provider="%s",verdict="%s"}`, provider, verdict)))
		}
		for _, outcome := range []string{"known", "unknown", "failed"} {
			require.Zero(t, h.sample(t, fmt.Sprintf(
				`tuma_query_seconds_count{outcome="%s",provider="%s"}`, outcome, provider)))
		}
		require.Zero(t, h.sample(t, fmt.Sprintf(
			`tuma_submission_recipients_count{provider="%s"}`, provider)))
	}
}

// sample returns the value of a line of the metrics page: its name and labels, as it stands there.
func (h *harness) sample(t *testing.T, line string) float64 {
	t.Helper()
	page := httptest.NewRecorder()
	promhttp.HandlerFor(h.registry, promhttp.HandlerOpts{}).ServeHTTP(page,
		httptest.NewRequest(http.MethodGet, "/metrics", http.NoBody))
	_, rest, found := strings.Cut(page.Body.String(), "\n"+line+" ")
	require.True(t, found, "no line %s", line)
	text, _, _ := strings.Cut(rest, "\n")
	value, err := strconv.ParseFloat(text, 64)
	require.NoError(t, err)
	return value
}

// TestTimesAreToldApartByOutcome, since a lost answer takes as long as we wait for it.
func TestTimesAreToldApartByOutcome(t *testing.T) {
	t.Parallel()
	h := newHarness(t, nil)
	submitted := func(verdict string) float64 {
		return h.sample(t, `tuma_submission_seconds_count{provider="lipad",verdict="`+verdict+`"}`)
	}
	queried := func(outcome string) float64 {
		return h.sample(t, `tuma_query_seconds_count{outcome="`+outcome+`",provider="lipad"}`)
	}
	h.accept(t, disbursal("d", 0, 3))
	h.turn(t)
	require.InDelta(t, 1, submitted("accepted"), 0)
	require.InDelta(t, 1, h.sample(t, `tuma_submission_recipients_count{provider="lipad"}`), 0)
	require.InDelta(t, 3, h.sample(t, `tuma_submission_recipients_sum{provider="lipad"}`), 0)

	broken := func(w http.ResponseWriter, _ *http.Request) {
		w.WriteHeader(http.StatusInternalServerError)
	}
	h.provider.instead(send, broken)
	h.accept(t, disbursal("e", 10, 1))
	h.turn(t)
	require.InDelta(t, 1, submitted("unknown"), 0)
	require.InDelta(t, 1, submitted("accepted"), 0)

	h.provider.instead("status", broken)
	h.poller(t)
	require.Eventually(t, func() bool { return queried("failed") > 0 }, testTimeout, glance)
	require.Zero(t, queried("known"))
	h.provider.instead("", nil)
	require.Eventually(t, func() bool { return queried("known") > 0 }, testTimeout, glance)
}

// glance is the pause between two looks at something that is awaited.
const glance = 10 * time.Millisecond

// TestSizesOfTheQueues holds them against what asynq itself says.
func TestSizesOfTheQueues(t *testing.T) {
	t.Parallel()
	h := newHarness(t, nil)
	client := asynq.NewClientFromRedisClient(h.rdb)
	add := func(queue string, options ...asynq.Option) {
		_, err := client.Enqueue(asynq.NewTask("test", nil),
			append(options, asynq.Queue(h.queues.Name(queue)))...)
		require.NoError(t, err)
	}
	add(lipad)
	add(lipad)
	add(lipad, asynq.ProcessIn(time.Hour))
	add(tasks.QueuePoll, asynq.TaskID("given up"))
	require.NoError(t, h.inspector.ArchiveTask(h.queues.Name(tasks.QueuePoll), "given up"))
	require.NoError(t, h.inspector.PauseQueue(h.queues.Name(lipad)))
	// A worker takes one and is silent.
	name := "asynq:{" + h.queues.Name(lipad) + "}:"
	require.NoError(t, h.rdb.LMove(context.Background(), name+"pending", name+"active", "right",
		"left").Err())

	sizes, err := h.queues.Sizes(context.Background())
	require.NoError(t, err)
	require.Len(t, sizes, 4)
	for _, size := range sizes {
		require.Equal(t, size.Queue == lipad, size.Paused, size.Queue)
		if size.Queue == tasks.QueueDisbursals || size.Queue == tasks.QueueWebhooks {
			continue // asynq does not know of them yet.
		}
		info, err := h.inspector.GetQueueInfo(h.queues.Name(size.Queue))
		require.NoError(t, err)
		require.Equal(t, map[string]int64{
			"pending": int64(info.Pending), "active": int64(info.Active),
			"scheduled": int64(info.Scheduled), "retry": int64(info.Retry),
			"archived": int64(info.Archived), "completed": int64(info.Completed),
		}, size.Tasks, size.Queue)
		require.Equal(t, info.Paused, size.Paused)
	}
	require.Equal(t, map[string]int64{
		"pending": 1, "active": 1, "scheduled": 1, "retry": 0, "archived": 0, "completed": 0,
	}, sizes[3].Tasks)
	require.EqualValues(t, 1, sizes[1].Tasks["archived"])
}
