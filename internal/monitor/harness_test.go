package monitor_test

import (
	"context"
	"encoding/base64"
	"errors"
	"fmt"
	"io"
	"maps"
	"net/http"
	"net/http/httptest"
	"os"
	"testing"
	"time"

	"github.com/hibiken/asynq"
	group "github.com/oklog/run"
	"github.com/stretchr/testify/require"
	"go.uber.org/zap"

	"tuma/internal/airtime"
	"tuma/internal/app"
	"tuma/internal/config"
	"tuma/internal/redisconn"
	"tuma/internal/sandbox"
	"tuma/internal/state"
	"tuma/internal/test/proctest"
	"tuma/internal/test/redistest"
)

func TestMain(m *testing.M) { os.Exit(proctest.Suite{M: m}.Run()) }

const (
	user, password = "ops", "right-and-long"
	secret         = "secret-of-lipad"
	token          = "token-of-callbacks"
)

// harness is a worker and a poller in one process, on a Redis of their own, before a simulated
// provider.
type harness struct {
	app       *app.App
	base      string
	client    *asynq.Client
	simulator *sandbox.Simulator
}

func newHarness(t *testing.T, more map[string]string) *harness {
	t.Helper()
	url, _ := redistest.Shared(t)
	faults := sandbox.DefaultFaults()
	faults.Outcomes = sandbox.Weights{Successful: 1}
	h := &harness{simulator: sandbox.New(sandbox.Options{Seed: 1, Faults: faults})}
	provider := httptest.NewServer(h.simulator)
	t.Cleanup(provider.Close)
	settings := map[string]string{
		"TUMA_REDIS_URL": url, "TUMA_MONITOR_USER": user, "TUMA_MONITOR_PASSWORD": password,
		"LIPAD_BASE_URL": provider.URL, "LIPAD_CONSUMER_KEY": "key", "LIPAD_CONSUMER_SECRET": secret,
		"TUMA_OPS_ADDR": "127.0.0.1:0", "TUMA_CALLBACK_ADDR": "127.0.0.1:0",
		"TUMA_CALLBACK_TOKEN": token,
		"TUMA_POLL_INITIAL":   "100ms", "TUMA_POLL_MAX": "1s", "TUMA_SWEEP_INTERVAL": "200ms",
	}
	maps.Copy(settings, more)
	c, err := config.Load(func(name string) string { return settings[name] }, nil)
	require.NoError(t, err)
	h.app, err = app.Open(context.Background(), c, zap.NewNop())
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, h.app.Close()) })
	h.run(t)
	options, err := asynq.ParseRedisURI(url)
	require.NoError(t, err)
	h.client = asynq.NewClient(options)
	t.Cleanup(func() { require.NoError(t, h.client.Close()) })
	h.fail(t, options)
	return h
}

// run runs everything until the test ends.
func (h *harness) run(t *testing.T) {
	t.Helper()
	var g group.Group
	ctx, cancel := context.WithCancel(context.Background())
	app.AddSignal(ctx, &g)
	addr, err := h.app.AddOps(&g, "127.0.0.1:0", true)
	require.NoError(t, err)
	h.base = "http://" + addr
	require.NoError(t, h.app.AddWorker(&g))
	require.NoError(t, h.app.AddPoller(&g))
	ended := make(chan error, 1)
	go func() { ended <- g.Run() }()
	t.Cleanup(func() {
		cancel()
		require.NoError(t, <-ended)
	})
}

// fail runs a service's own queue whose tasks fail with a phone number in their errors.
func (h *harness) fail(t *testing.T, redis asynq.RedisConnOpt) {
	t.Helper()
	server := asynq.NewServer(redis, asynq.Config{
		Queues: map[string]int{"services": 1}, LogLevel: asynq.FatalLevel,
	})
	require.NoError(t, server.Start(asynq.HandlerFunc(func(_ context.Context, t *asynq.Task) error {
		err := errors.New("no route for 0711 000-003 (+254711000003)")
		if t.Type() == "archived" {
			err = fmt.Errorf("%w: %w", err, asynq.SkipRetry)
		}
		return err
	})))
	t.Cleanup(server.Shutdown)
}

// enqueue pushes a task as a Go service does.
func (h *harness) enqueue(t *testing.T, queue, kind, id, payload string, more ...asynq.Option) {
	t.Helper()
	_, err := h.client.Enqueue(asynq.NewTask(kind, []byte(payload)), append(more,
		asynq.Queue(queue), asynq.TaskID(id), asynq.Retention(time.Hour))...)
	require.NoError(t, err)
}

// job is the payload of a disbursal to phone numbers as they are written.
func job(reference string, phones ...string) string {
	text := `{"reference":"` + reference + `","recipients":[`
	for i, phone := range phones {
		if i > 0 {
			text += ","
		}
		text += `{"phone_number":"` + phone + `","amount":"10"}`
	}
	return text + "]}"
}

// settled waits until n recipients of a disbursal have been paid.
func (h *harness) settled(t *testing.T, reference string, n int64) {
	t.Helper()
	require.Eventually(t, func() bool {
		return h.count(t, reference, airtime.Successful) == n
	}, testTimeout, 20*time.Millisecond, "%s is not paid", reference)
}

func (h *harness) count(t *testing.T, reference string, status airtime.Status) int64 {
	t.Helper()
	summary, err := h.app.Store.Summarize(context.Background(), state.KindDisbursal, reference)
	if errors.Is(err, state.ErrNotFound) {
		return 0
	}
	require.NoError(t, err)
	return summary.Statuses[status].Recipients
}

// accept hands one recipient in by the inlet of Go services.
func (h *harness) accept(t *testing.T, reference, phone string) {
	t.Helper()
	_, err := h.app.Inlet().Accept(context.Background(), []state.Disbursal{{
		Reference: reference, Provider: "lipad", Currency: "KES",
		Recipients: []airtime.Recipient{{
			Phone:  airtime.MSISDNFromE164(phone),
			Amount: airtime.Money{Minor: 10_00, Currency: "KES"},
		}},
	}})
	require.NoError(t, err)
}

func basic(user, password string) string {
	return "Basic " + base64.StdEncoding.EncodeToString([]byte(user+":"+password))
}

// ask makes a request of the dashboard with the right password, changed by change.
func (h *harness) ask(
	t *testing.T, method, path string, change func(*http.Request),
) *http.Response {
	t.Helper()
	request, err := http.NewRequestWithContext(t.Context(), method, h.base+path, nil)
	require.NoError(t, err)
	request.SetBasicAuth(user, password)
	if change != nil {
		change(request)
	}
	client := http.Client{Transport: &http.Transport{DisableKeepAlives: true}}
	answer, err := client.Do(request)
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, answer.Body.Close()) })
	return answer
}

// answer asks with a header of its own; what it returns of a failure is no answer.
func (h *harness) answer(t *testing.T, method, path, header string) (status int, body string) {
	t.Helper()
	request, err := http.NewRequestWithContext(t.Context(), method, h.base+path, nil)
	if err != nil {
		return 0, err.Error()
	}
	if header != "" {
		request.Header.Set("Authorization", header)
	}
	client := http.Client{Transport: &http.Transport{DisableKeepAlives: true}}
	answer, err := client.Do(request)
	if err != nil {
		return 0, err.Error()
	}
	defer func() { _ = answer.Body.Close() }()
	text, err := io.ReadAll(answer.Body)
	if err != nil {
		return 0, err.Error()
	}
	return answer.StatusCode, string(text)
}

// paused reports whether the queue of the provider is paused.
func (h *harness) paused(t *testing.T) bool {
	t.Helper()
	inspector := asynq.NewInspector(connection{h.app.Store.Options().Options})
	defer func() { require.NoError(t, inspector.Close()) }()
	info, err := inspector.GetQueueInfo("lipad")
	require.NoError(t, err)
	return info.Paused
}

// connection gives asynq a client.
type connection struct{ options redisconn.Options }

func (c connection) MakeRedisClient() any {
	client, err := redisconn.Dial(c.options)
	if err != nil {
		panic(err)
	}
	return client
}
