package tasks_test

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"maps"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/hibiken/asynq"
	"github.com/redis/go-redis/v9"
	standardwebhooks "github.com/standard-webhooks/standard-webhooks/libraries/go"
	"github.com/stretchr/testify/require"

	"tuma/internal/config"
	"tuma/internal/state"
	"tuma/internal/tasks"
	"tuma/internal/webhook"
)

const hookSecret = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"

// hook is an endpoint of a test: it keeps what it got, and answers as the test says.
type hook struct {
	*tasks.Endpoint
	t *testing.T
	// answer says what to answer to the n-th request for a result, from 1.
	answer func(id string, n int) int

	mu     sync.Mutex
	bodies map[string][]string // By id.
	faults []string
	busy   int
	most   int // How many requests were there at once.
}

// newHook starts an endpoint that wants the results of some producers, or all.
func newHook(t *testing.T, name string, answer func(id string, n int) int,
	producers ...string,
) *hook {
	t.Helper()
	k := &hook{t: t, answer: answer, bodies: map[string][]string{}}
	server := httptest.NewServer(k)
	t.Cleanup(server.Close)
	u, err := webhook.ParseURL(server.URL, true)
	require.NoError(t, err)
	sender := webhook.NewSender(webhook.SenderOptions{
		URL: u, Secret: func() string { return hookSecret }, AllowPrivate: true,
	})
	t.Cleanup(sender.Close)
	settings := config.Webhook{Name: name, Producers: producers}
	k.Endpoint = &tasks.Endpoint{Name: name, Wants: settings.Wants, Sender: sender}
	return k
}

func (k *hook) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	body, _ := io.ReadAll(r.Body)
	id := r.Header.Get("webhook-id")
	verifier, err := standardwebhooks.NewWebhook(hookSecret)
	if err == nil {
		err = verifier.Verify(body, r.Header)
	}
	k.mu.Lock()
	if err != nil {
		k.faults = append(k.faults, err.Error())
	}
	k.bodies[id] = append(k.bodies[id], string(body))
	n := len(k.bodies[id])
	k.busy++
	k.most = max(k.most, k.busy)
	k.mu.Unlock()
	status := k.answer(id, n)
	k.mu.Lock()
	k.busy--
	k.mu.Unlock()
	w.Header().Set("Location", "http://127.0.0.1:1/")
	w.WriteHeader(status)
}

// requests are how many there were for a result.
func (k *hook) requests(id string) int {
	k.mu.Lock()
	defer k.mu.Unlock()
	return len(k.bodies[id])
}

// held are the requests at once: now, and at most.
func (k *hook) held() (now, most int) {
	k.mu.Lock()
	defer k.mu.Unlock()
	return k.busy, k.most
}

// got are the bodies by id; the signature of each was right.
func (k *hook) got() map[string][]string {
	k.mu.Lock()
	defer k.mu.Unlock()
	require.Empty(k.t, k.faults)
	return maps.Clone(k.bodies)
}

// gets waits until the endpoint has had each result at least so often.
func (k *hook) gets(ids []string, times int) {
	k.t.Helper()
	require.Eventually(k.t, func() bool {
		return !slices.ContainsFunc(ids, func(id string) bool { return k.requests(id) < times })
	}, testTimeout, 10*time.Millisecond)
}

func always(status int) func(string, int) int { return func(string, int) int { return status } }

// hooks are the loop and the handler of one poller. Retries follow at once, and a lost task counts
// as lost soon.
func (h *harness) hooks(endpoints ...*hook) *tasks.Deliver {
	loop := &tasks.Webhooks{
		Store: h.store, Queues: h.queues, Log: h.log, Lost: 300 * time.Millisecond,
	}
	for _, k := range endpoints {
		loop.Endpoints = append(loop.Endpoints, k.Endpoint)
	}
	return &tasks.Deliver{
		Webhooks: loop, Metrics: tasks.NewWebhookMetrics(h.registry, loop.Endpoints),
		Pause: func(int) time.Duration { return 20 * time.Millisecond },
	}
}

// delivers runs both until the test ends.
func (h *harness) delivers(t *testing.T, d *tasks.Deliver) {
	t.Helper()
	server, err := tasks.NewServer(tasks.ServerOptions{
		Redis: h.options, Queue: tasks.QueueWebhooks, Type: tasks.TypeDeliver, Handler: d,
		Accept: h.inlet(), Concurrency: tasks.WebhookSlots * len(d.Endpoints),
		ShutdownTimeout: 20 * time.Second, Log: h.log,
	})
	require.NoError(t, err)
	require.NoError(t, server.Start())
	t.Cleanup(server.Shutdown)
	loop(t, d.Run)
}

// publish adds results of a producer, as the scripts do.
func (h *harness) publish(t *testing.T, producer string, n int) (ids []string) {
	t.Helper()
	for i := range n {
		id, err := h.rdb.XAdd(context.Background(), &redis.XAddArgs{
			Stream: "{" + h.options.Namespace + "}:results",
			Values: []string{
				"reference", fmt.Sprintf("%s/order-%d", producer, i), "phone_number", "254711000001",
				"amount", "10.00", "currency", "KES", "provider", lipad, "status", "successful",
				"reason", "", "campaign", "november", "corrected", "false",
				"at", "2026-11-30T07:00:00.000Z", "producer", producer,
			},
		}).Result()
		require.NoError(t, err)
		ids = append(ids, id)
	}
	return ids
}

// nothingWaits waits until an endpoint has everything.
func (h *harness) nothingWaits(t *testing.T, name string) state.Webhook {
	t.Helper()
	var found state.Webhook
	require.Eventually(t, func() bool {
		found = h.webhook(t, name)
		return found.Cursor != "" && found.Waiting == 0 && found.Oldest == 0
	}, testTimeout, 10*time.Millisecond)
	return found
}

func (h *harness) webhook(t *testing.T, name string) state.Webhook {
	t.Helper()
	list, err := h.store.Webhooks(context.Background())
	require.NoError(t, err)
	for _, w := range list {
		if w.Endpoint == name {
			return w
		}
	}
	return state.Webhook{}
}

// TestEachResultIsPosted once to each endpoint that wants it, and again under the same id as long
// as the answer is not 2xx.
func TestEachResultIsPosted(t *testing.T) {
	t.Parallel()
	h := newHarness(t, nil)
	refusals := []int{500, 302, 404, 503, 200}
	moody := newHook(t, "moody", func(_ string, n int) int { return refusals[min(n, 5)-1] })
	shop := newHook(t, "shop", always(204), "shop")
	d := h.hooks(moody, shop)
	h.publish(t, "shop", 3) // Before there was an endpoint.
	d.Once(t.Context())
	h.delivers(t, d)
	ours, theirs := h.publish(t, "shop", 20), h.publish(t, "bank", 20)
	shop.gets(ours, 1)
	moody.gets(append(ours, theirs...), 5)
	h.nothingWaits(t, "moody")
	h.nothingWaits(t, "shop")
	require.Len(t, shop.got(), 20, "nothing of another producer, and nothing of before")
	require.Len(t, moody.got(), 40)
	for _, bodies := range moody.got() {
		require.Len(t, slices.Compact(slices.Sorted(slices.Values(bodies))), 1, "always the same body")
	}
	var event struct {
		Type, Timestamp string
		Data            map[string]string
	}
	require.NoError(t, json.Unmarshal([]byte(shop.got()[ours[4]][0]), &event))
	require.Equal(t, "recipient.settled", event.Type)
	require.Equal(t, []string{"order-4", "shop", "254711000001"}, []string{
		event.Data["reference"], event.Data["producer"], event.Data["phone_number"],
	})
	require.InDelta(t, 20, h.count(t, "tuma_webhook_requests_total", "endpoint", "shop",
		"outcome", "delivered"), 0)
	require.InDelta(t, 40, h.count(t, "tuma_webhook_requests_total", "endpoint", "moody",
		"outcome", "redirect"), 0)
}

// TestTasksOfWebhooksHoldNoNumber: the dashboard and the logs show ids.
func TestTasksOfWebhooksHoldNoNumber(t *testing.T) {
	t.Parallel()
	h := newHarness(t, nil)
	shop := newHook(t, "shop", func(_ string, n int) int { return []int{500, 200}[min(n, 2)-1] })
	d := h.hooks(shop)
	d.Once(t.Context())
	h.delivers(t, d)
	ids := h.publish(t, "shop", 1)
	shop.gets(ids, 2)
	h.nothingWaits(t, "shop")
	require.Eventually(t, func() bool {
		return len(h.completed(t, tasks.QueueWebhooks)) == 2
	}, testTimeout, 10*time.Millisecond)
	for _, info := range h.completed(t, tasks.QueueWebhooks) {
		require.Equal(t, tasks.TypeDeliver, info.Type)
		require.True(t, strings.HasPrefix(info.ID, "shop:"), info.ID)
		require.Contains(t, string(info.Payload), ids[0])
		require.NotContains(t, string(info.Payload)+string(info.Result), "254711")
	}
	for _, line := range h.logs.All() {
		require.NotContains(t, fmt.Sprint(line.Message, line.ContextMap()), "254711")
	}
}

// TestAHangingEndpointHoldsUpNoOther: while every request to one is held, another gets all of its
// results, and no more requests are held than one endpoint may have.
func TestAHangingEndpointHoldsUpNoOther(t *testing.T) {
	t.Parallel()
	h := newHarness(t, nil)
	release := make(chan struct{})
	hangs := newHook(t, "hangs", func(string, int) int { <-release; return 200 })
	shop := newHook(t, "shop", always(200))
	d := h.hooks(hangs, shop)
	d.Once(t.Context())
	h.delivers(t, d)
	ids := h.publish(t, "shop", 5*tasks.WebhookSlots)
	require.Eventually(t, func() bool {
		now, _ := hangs.held()
		return now == tasks.WebhookSlots
	}, testTimeout, 10*time.Millisecond)
	shop.gets(ids, 1)
	h.nothingWaits(t, "shop")
	_, most := hangs.held()
	require.Equal(t, tasks.WebhookSlots, most)
	close(release)
	hangs.gets(ids, 1)
	h.nothingWaits(t, "hangs")
}

// TestLostTasksOfWebhooks: all tasks are deleted while deliveries wait, and a poller ends with some
// in its hands; everything is delivered by another.
func TestLostTasksOfWebhooks(t *testing.T) {
	t.Parallel()
	h := newHarness(t, nil)
	shop := newHook(t, "shop", always(200))
	d := h.hooks(shop)
	d.Once(t.Context())
	ids := h.publish(t, "shop", 3*tasks.WebhookSlots)
	d.Once(t.Context())
	pending, err := h.inspector.ListPendingTasks(h.queues.Name(tasks.QueueWebhooks))
	require.NoError(t, err)
	require.Len(t, pending, tasks.WebhookSlots)
	// One begins to deliver, and never comes back.
	taken := h.webhook(t, "shop")
	require.EqualValues(t, tasks.WebhookSlots, taken.Out)
	try, _, err := h.store.TryWebhook(t.Context(), state.Delivery{
		Endpoint: "shop", Result: ids[0], Number: 1,
	}, "stopped", 300*time.Millisecond)
	require.NoError(t, err)
	require.Equal(t, state.WebhookGo, try)
	keys, err := h.rdb.Keys(t.Context(), "asynq:{"+h.queues.Name(tasks.QueueWebhooks)+"}*").Result()
	require.NoError(t, err)
	require.NoError(t, h.rdb.Del(t.Context(), keys...).Err())
	h.delivers(t, d)
	shop.gets(ids, 1)
	h.nothingWaits(t, "shop")
}

// TestGoneSwitchesOff: after a 410 the endpoint gets nothing more, until it is switched on.
func TestGoneSwitchesOff(t *testing.T) {
	t.Parallel()
	h := newHarness(t, nil)
	var mu sync.Mutex
	status := http.StatusGone
	shop := newHook(t, "shop", func(string, int) int {
		mu.Lock()
		defer mu.Unlock()
		return status
	})
	d := h.hooks(shop)
	d.Once(t.Context())
	h.delivers(t, d)
	first := h.publish(t, "shop", 1)
	require.Eventually(t, func() bool { return !h.webhook(t, "shop").Off.IsZero() },
		testTimeout, 10*time.Millisecond)
	more := h.publish(t, "shop", 20)
	for range 3 {
		d.Once(t.Context())
	}
	require.Equal(t, 1, shop.requests(first[0]))
	require.Zero(t, shop.requests(more[0]))
	off := h.webhook(t, "shop")
	require.Contains(t, off.Why, "HTTP 410")
	require.Positive(t, off.Oldest)
	mu.Lock()
	status = http.StatusOK
	mu.Unlock()
	_, _, err := h.store.SwitchWebhookOn(t.Context(), "shop")
	require.NoError(t, err)
	shop.gets(append(first, more...), 1)
	h.nothingWaits(t, "shop")
}

// TestWebhookTriggersThatAreNone do nothing.
func TestWebhookTriggersThatAreNone(t *testing.T) {
	t.Parallel()
	h := newHarness(t, nil)
	shop := newHook(t, "shop", always(200))
	d := h.hooks(shop)
	d.Once(t.Context())
	id := h.publish(t, "shop", 1)[0]
	for _, payload := range []string{
		`{"endpoint":"nobody","result":"1-1","number":1}`,
		`{"endpoint":"shop","result":"1-1","number":1}`,
		`{"endpoint":"shop","result":"` + id + `","number":7}`,
	} {
		require.NoError(t, d.ProcessTask(t.Context(), task(tasks.TypeDeliver, payload)))
	}
	require.ErrorIs(t, d.ProcessTask(t.Context(), task(tasks.TypeDeliver, "{")), asynq.SkipRetry)
	require.Zero(t, shop.requests(id))
	// One whose result was trimmed is counted.
	d.Once(t.Context())
	require.NoError(t, h.rdb.XDel(t.Context(), "{"+h.options.Namespace+"}:results", id).Err())
	require.NoError(t, d.ProcessTask(t.Context(), task(tasks.TypeDeliver,
		`{"endpoint":"shop","result":"`+id+`","number":1}`)))
	require.EqualValues(t, 1, h.webhook(t, "shop").Missed)
}

func TestPausesOfWebhooks(t *testing.T) {
	t.Parallel()
	for tries, want := range []time.Duration{
		5 * time.Second, 30 * time.Second, 2 * time.Minute, 10 * time.Minute, 30 * time.Minute,
		time.Hour, 3 * time.Hour, 3 * time.Hour,
	} {
		drawn := map[time.Duration]bool{}
		for range 100 {
			pause := tasks.WebhookPause(tries)
			require.InDelta(t, want, pause, 0.1*float64(want))
			drawn[pause] = true
		}
		require.Greater(t, len(drawn), 1, "jitter")
	}
}
