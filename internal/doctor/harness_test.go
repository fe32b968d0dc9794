package doctor_test

import (
	"context"
	"maps"
	"net/http/httptest"
	"os"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/oklog/run"
	"github.com/redis/go-redis/v9"
	"github.com/stretchr/testify/require"
	"go.uber.org/zap"

	"tuma/internal/airtime"
	"tuma/internal/app"
	"tuma/internal/config"
	"tuma/internal/doctor"
	"tuma/internal/providers/catalog"
	"tuma/internal/redisconn"
	"tuma/internal/sandbox"
	"tuma/internal/state"
	"tuma/internal/test/proctest"
	"tuma/internal/test/redistest"
)

func TestMain(m *testing.M) { os.Exit(proctest.Suite{M: m, AtOnce: 6}.Run()) }

// testTimeout is how long a test waits for what should take a moment.
const testTimeout = 60 * time.Second

// token is a good one.
const token = "c41f0e7b2a9d8365-token"

// harness is a deployment: a Redis, the simulated providers, and settings that tests make wrong.
type harness struct {
	t         *testing.T
	url       string
	namespace string
	settings  map[string]string
	client    *redis.Client
	store     *state.Store
	simulator *sandbox.Simulator
	// edit changes what is looked over.
	edit func(*doctor.Options)
}

// newHarness is a harness on a database of the shared Redis.
func newHarness(t *testing.T) *harness {
	t.Helper()
	url, namespace := redistest.Shared(t)
	return harnessAt(t, url, namespace)
}

// ownHarness is a harness on a Redis of its own, set up as it should be.
func ownHarness(t *testing.T) (*harness, *redistest.Server) {
	t.Helper()
	server := redistest.Start(t, redistest.WithConfig("appendfsync", "always"),
		redistest.WithConfig("maxmemory", "1gb"))
	return harnessAt(t, server.URL(), "tuma"), server
}

func harnessAt(t *testing.T, url, namespace string) *harness {
	t.Helper()
	simulator := sandbox.New(sandbox.Options{})
	server := httptest.NewServer(simulator)
	t.Cleanup(server.Close)
	t.Cleanup(simulator.Close)
	h := &harness{t: t, url: url, namespace: namespace, simulator: simulator}
	h.settings = map[string]string{
		"TUMA_REDIS_URL": url, "TUMA_NAMESPACE": namespace, "TUMA_OPS_ADDR": "127.0.0.1:0",
		"TUMA_CALLBACK_TOKEN": token, "TUMA_CALLBACK_ADDR": "127.0.0.1:0",
		"TUMA_SUBMIT_TIMEOUT": "5s", "TUMA_LOG_LEVEL": "error",
		"LIPAD_BASE_URL": server.URL, "LIPAD_CONSUMER_KEY": "k", "LIPAD_CONSUMER_SECRET": "lipadword",
		"AFRICASTALKING_BASE_URL": server.URL, "AFRICASTALKING_USERNAME": "u",
		"AFRICASTALKING_API_KEY": "talkingword",
		"QUICKSMS_BASE_URL":      server.URL, "QUICKSMS_APP_KEY": "k", "QUICKSMS_APP_TOKEN": "w",
		"SOZURI_BASE_URL": server.URL, "SOZURI_PROJECT": "p", "SOZURI_API_KEY": "w",
	}
	options, err := redis.ParseURL(url)
	require.NoError(t, err)
	h.client = redis.NewClient(options)
	t.Cleanup(func() { _ = h.client.Close() })
	h.store, err = state.Open(t.Context(), state.Options{
		Options: redisconn.Options{URL: url}, Namespace: namespace, Providers: catalog.Known(),
	})
	require.NoError(t, err)
	t.Cleanup(func() { _ = h.store.Close() })
	return h
}

func (h *harness) set(settings map[string]string) { maps.Copy(h.settings, settings) }

func (h *harness) config() *config.Config {
	h.t.Helper()
	c, err := config.Load(func(name string) string { return h.settings[name] }, nil)
	require.NoError(h.t, err)
	return c
}

// examine makes the checks that are named, or all.
func (h *harness) examine(only ...string) doctor.Report {
	h.t.Helper()
	options, end := app.Doctor(h.config())
	defer end()
	options.Only = only
	if h.edit != nil {
		h.edit(&options)
	}
	report, err := doctor.Run(h.t.Context(), options)
	require.NoError(h.t, err)
	for _, f := range report.Findings {
		require.NotEmpty(h.t, f.Detail, f.Check)
		advised := f.Result == doctor.Warning || f.Result == doctor.Failed
		require.Equal(h.t, advised, f.Advice != "", "%+v", f)
		for _, secret := range []string{token, "lipadword", "talkingword"} {
			require.NotContains(h.t, f.Detail+f.Advice, secret)
		}
	}
	return report
}

// work runs a worker and a poller until the test ends; the poller takes callbacks.
func (h *harness) work() {
	h.t.Helper()
	a, err := app.Open(h.t.Context(), h.config(), zap.NewNop())
	require.NoError(h.t, err)
	var g run.Group
	ctx, cancel := context.WithCancel(context.Background())
	app.AddSignal(ctx, &g)
	require.NoError(h.t, a.AddWorker(&g))
	require.NoError(h.t, a.AddPoller(&g))
	ended := make(chan error, 1)
	go func() { ended <- g.Run() }()
	h.t.Cleanup(func() {
		cancel()
		require.NoError(h.t, <-ended)
		require.NoError(h.t, a.Close())
	})
	require.Eventually(h.t, func() bool {
		servers, err := h.client.ZCard(h.t.Context(), "asynq:servers").Result()
		return err == nil && servers == 6 // Four providers, disbursals, poll.
	}, testTimeout, 10*time.Millisecond, "the servers are there")
}

// do runs a command of Redis; {ns} is the start of our keys.
func (h *harness) do(command string) {
	h.t.Helper()
	var words []any
	for word := range strings.FieldsSeq(command) {
		words = append(words, strings.ReplaceAll(word, "{ns}", "{"+h.namespace+"}"))
	}
	require.NoError(h.t, h.client.Do(h.t.Context(), words...).Err(), command)
}

// queue is the key of a queue of asynq.
func (h *harness) queue(name, part string) string {
	if h.namespace != "tuma" {
		name = h.namespace + "-" + name
	}
	return "asynq:{" + name + "}:" + part
}

// accept queues a recipient at Lipad.
func (h *harness) accept() {
	h.t.Helper()
	_, err := h.store.Accept(h.t.Context(), []state.Disbursal{{
		Reference: "r-1", Provider: "lipad", Currency: "KES", Recipients: []airtime.Recipient{{
			Phone:  airtime.MSISDNFromE164("254711222333"),
			Amount: airtime.Money{Minor: 1000, Currency: "KES"},
		}},
	}})
	require.NoError(h.t, err)
}

// ago is an instant before now as Redis's scores have it, in ms.
func ago(d time.Duration) int64 { return time.Now().Add(-d).UnixMilli() }

// old is ago as text.
func old(d time.Duration) string { return strconv.FormatInt(ago(d), 10) }

// requireFound requires a finding of that result whose detail and advice hold these words.
func requireFound(t *testing.T, report doctor.Report, want doctor.Finding) {
	t.Helper()
	require.True(t, slices.ContainsFunc(report.Findings, func(f doctor.Finding) bool {
		return f.Check == want.Check && f.Result == want.Result &&
			strings.Contains(f.Detail, want.Detail) && strings.Contains(f.Advice, want.Advice)
	}), "want %+v\ngot  %+v", want, report.Findings)
}
