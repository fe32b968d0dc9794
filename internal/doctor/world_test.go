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
	"tuma/internal/proctest"
	"tuma/internal/providers/catalog"
	"tuma/internal/redistest"
	"tuma/internal/sandbox"
	"tuma/internal/state"
)

func TestMain(m *testing.M) { os.Exit(proctest.Suite{M: m, AtOnce: 6}.Run()) }

// patience is how long a test waits for what should take a moment.
const patience = 60 * time.Second

// token is a good one.
const token = "c41f0e7b2a9d8365-token"

// world is a deployment: a Redis, the simulated providers, and settings that tests make wrong.
type world struct {
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

// newWorld is a world on a database of the shared Redis.
func newWorld(t *testing.T) *world {
	t.Helper()
	url, namespace := redistest.Shared(t)
	return worldAt(t, url, namespace)
}

// ownWorld is a world on a Redis of its own, set up as it should be.
func ownWorld(t *testing.T) (*world, *redistest.Server) {
	t.Helper()
	server := redistest.Start(t, redistest.WithConfig("appendfsync", "always"),
		redistest.WithConfig("maxmemory", "1gb"))
	return worldAt(t, server.URL(), "tuma"), server
}

func worldAt(t *testing.T, url, namespace string) *world {
	t.Helper()
	simulator := sandbox.New(sandbox.Options{})
	server := httptest.NewServer(simulator)
	t.Cleanup(server.Close)
	t.Cleanup(simulator.Close)
	w := &world{t: t, url: url, namespace: namespace, simulator: simulator}
	w.settings = map[string]string{
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
	w.client = redis.NewClient(options)
	t.Cleanup(func() { _ = w.client.Close() })
	w.store, err = state.Open(t.Context(), state.Options{
		URL: url, Namespace: namespace, Providers: catalog.Known(),
	})
	require.NoError(t, err)
	t.Cleanup(func() { _ = w.store.Close() })
	return w
}

func (w *world) set(settings map[string]string) { maps.Copy(w.settings, settings) }

func (w *world) config() *config.Config {
	w.t.Helper()
	c, err := config.Load(func(name string) string { return w.settings[name] }, nil)
	require.NoError(w.t, err)
	return c
}

// examine makes the checks that are named, or all.
func (w *world) examine(only ...string) doctor.Report {
	w.t.Helper()
	options, end := app.Doctor(w.config())
	defer end()
	options.Only = only
	if w.edit != nil {
		w.edit(&options)
	}
	report, err := doctor.Run(w.t.Context(), options)
	require.NoError(w.t, err)
	for _, f := range report.Findings {
		require.NotEmpty(w.t, f.Detail, f.Check)
		advised := f.Result == doctor.Warning || f.Result == doctor.Failed
		require.Equal(w.t, advised, f.Advice != "", "%+v", f)
		for _, secret := range []string{token, "lipadword", "talkingword"} {
			require.NotContains(w.t, f.Detail+f.Advice, secret)
		}
	}
	return report
}

// work runs a worker and a poller until the test ends; the poller takes callbacks.
func (w *world) work() {
	w.t.Helper()
	a, err := app.Open(w.t.Context(), w.config(), zap.NewNop())
	require.NoError(w.t, err)
	var g run.Group
	ctx, cancel := context.WithCancel(context.Background())
	app.AddSignal(ctx, &g)
	require.NoError(w.t, a.AddWorker(&g))
	require.NoError(w.t, a.AddPoller(&g))
	ended := make(chan error, 1)
	go func() { ended <- g.Run() }()
	w.t.Cleanup(func() {
		cancel()
		require.NoError(w.t, <-ended)
		require.NoError(w.t, a.Close())
	})
	require.Eventually(w.t, func() bool {
		servers, err := w.client.ZCard(w.t.Context(), "asynq:servers").Result()
		return err == nil && servers == 6 // Four providers, disbursals, poll.
	}, patience, 10*time.Millisecond, "the servers are there")
}

// do runs a command of Redis; {ns} is the start of our keys.
func (w *world) do(command string) {
	w.t.Helper()
	var words []any
	for word := range strings.FieldsSeq(command) {
		words = append(words, strings.ReplaceAll(word, "{ns}", "{"+w.namespace+"}"))
	}
	require.NoError(w.t, w.client.Do(w.t.Context(), words...).Err(), command)
}

// queue is the key of a queue of asynq.
func (w *world) queue(name, part string) string {
	if w.namespace != "tuma" {
		name = w.namespace + "-" + name
	}
	return "asynq:{" + name + "}:" + part
}

// accept queues a recipient at Lipad.
func (w *world) accept() {
	w.t.Helper()
	_, err := w.store.Accept(w.t.Context(), []state.Disbursal{{
		Reference: "r-1", Provider: "lipad", Currency: "KES", Recipients: []airtime.Recipient{{
			Phone:  airtime.MSISDNFromE164("254711222333"),
			Amount: airtime.Money{Minor: 1000, Currency: "KES"},
		}},
	}})
	require.NoError(w.t, err)
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
