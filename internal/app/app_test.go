package app

import (
	"context"
	"io"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/alicebob/miniredis/v2"
	"github.com/oklog/run"
	"github.com/stretchr/testify/require"
	"go.uber.org/goleak"
	"go.uber.org/zap"

	"tuma/internal/airtime"
	"tuma/internal/cli"
	"tuma/internal/config"
	"tuma/internal/intake"
	"tuma/internal/test/proctest"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// environment is a whole configuration on an embedded Redis.
func environment(t *testing.T, more map[string]string) map[string]string {
	t.Helper()
	redis := miniredis.RunT(t)
	all := map[string]string{
		"TUMA_REDIS_URL": "redis://" + redis.Addr(), "TUMA_ALLOW_VOLATILE": "true",
		"LIPAD_BASE_URL": "http://127.0.0.1:1", "LIPAD_CONSUMER_KEY": "k",
		"LIPAD_CONSUMER_SECRET": "s", "TUMA_SUBMIT_TIMEOUT": "1s", "TUMA_LOG_LEVEL": "error",
		"TUMA_OPS_ADDR": "127.0.0.1:0",
	}
	for name, value := range more {
		all[name] = value
	}
	return all
}

func open(t *testing.T, more map[string]string) *App {
	t.Helper()
	settings := environment(t, more)
	c, err := config.Load(func(name string) string { return settings[name] }, nil)
	require.NoError(t, err)
	a, err := Open(context.Background(), c, zap.NewNop())
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, a.Close()) })
	return a
}

func TestRulesKnowEveryProvider(t *testing.T) {
	t.Parallel()
	rules := func(settings map[string]string, file string) intake.Rules {
		path := filepath.Join(t.TempDir(), "tuma.yaml")
		require.NoError(t, os.WriteFile(path, []byte(file), 0o600))
		c, err := config.Load(func(name string) string {
			if name == "TUMA_CONFIG" {
				return path
			}
			return settings[name]
		}, nil)
		require.NoError(t, err)
		return intake.Rules{Rules: c.Routing}
	}
	off := rules(nil, "")
	require.Contains(t, off.Providers, "lipad", "an inlet needs no credentials")
	require.Equal(t, "lipad", off.DefaultProvider)
	limited := rules(map[string]string{"TUMA_DEFAULT_PROVIDER": "sozuri"},
		`limits: {lipad: {KES: {max: "500"}}}`)
	require.Equal(t, "sozuri", limited.DefaultProvider)
	sozuri := []airtime.Network{airtime.Safaricom, airtime.Airtel, airtime.Telkom}
	require.Equal(t, sozuri, limited.Providers["sozuri"].Networks)
	for text, networks := range map[string][]airtime.Network{"equitel": {airtime.Equitel}, "": {}} {
		said := rules(nil, "sozuri: {networks: ["+text+"]}")
		require.Equal(t, networks, said.Providers["sozuri"].Networks)
	}
	require.Equal(t, int64(500_00), limited.Providers["lipad"].Limits["KES"].Max)
}

func TestAWorkerWithoutProvidersDoesNotStart(t *testing.T) {
	t.Parallel()
	a := open(t, map[string]string{
		"LIPAD_BASE_URL": "", "LIPAD_CONSUMER_KEY": "", "LIPAD_CONSUMER_SECRET": "",
	})
	require.ErrorContains(t, a.AddWorker(new(run.Group)), "LIPAD_CONSUMER_KEY")
}

// get returns the status and the body.
func get(t *testing.T, url string) (int, string) {
	t.Helper()
	client := http.Client{Transport: &http.Transport{DisableKeepAlives: true}}
	request, err := http.NewRequestWithContext(t.Context(), http.MethodGet, url, nil)
	require.NoError(t, err)
	answer, err := client.Do(request)
	require.NoError(t, err)
	defer func() { _ = answer.Body.Close() }()
	body, err := io.ReadAll(answer.Body)
	require.NoError(t, err)
	return answer.StatusCode, string(body)
}

// operations runs the operations listener alone and returns its port.
func operations(t *testing.T, a *App, addr string) string {
	t.Helper()
	var g run.Group
	ctx, cancel := context.WithCancel(context.Background())
	AddSignal(ctx, &g)
	bound, err := a.AddOps(&g, addr, true)
	require.NoError(t, err)
	ended := make(chan error, 1)
	go func() { ended <- g.Run() }()
	t.Cleanup(func() {
		cancel()
		require.NoError(t, <-ended)
	})
	return bound
}

func TestTheDashboardIsClosedBeyondLoopback(t *testing.T) {
	t.Parallel()
	for _, row := range []struct {
		addr   string
		more   map[string]string
		status int
	}{
		{"127.0.0.1:0", nil, http.StatusOK},
		{"0.0.0.0:0", nil, http.StatusForbidden},
		{"0.0.0.0:0", map[string]string{
			"TUMA_MONITOR_USER": "ops", "TUMA_MONITOR_PASSWORD": "right",
		}, http.StatusUnauthorized},
	} {
		_, port, err := net.SplitHostPort(operations(t, open(t, row.more), row.addr))
		require.NoError(t, err)
		base := "http://127.0.0.1:" + port
		status, body := get(t, base+"/monitor/")
		require.Equal(t, row.status, status)
		if row.status == http.StatusForbidden {
			require.Contains(t, body, "TUMA_MONITOR_PASSWORD")
		}
		for _, path := range []string{"/healthz", "/readyz", "/metrics"} {
			status, _ = get(t, base+path)
			require.Equal(t, http.StatusOK, status, "the rest is served in any case")
		}
	}
}

func TestServeStopsWithinItsBudget(t *testing.T) {
	for name, value := range environment(t, nil) {
		t.Setenv(name, value)
	}
	for name, add := range map[string]func(*App, *run.Group) error{
		"worker": (*App).AddWorker, "poller": (*App).AddPoller,
	} {
		t.Run(name, func(t *testing.T) {
			ctx, cancel := context.WithCancel(context.Background())
			ended := make(chan error, 1)
			addr := proctest.FreeAddr(t)
			t.Setenv("TUMA_OPS_ADDR", addr)
			go func() {
				ended <- Serve(ctx, Process{OpsAddr: ":9999", Dashboard: true, Add: add})
			}()
			require.Eventually(t, func() bool {
				answer, err := http.Get("http://" + addr + "/healthz")
				return err == nil && answer.Body.Close() == nil && answer.StatusCode == http.StatusOK
			}, time.Minute, 10*time.Millisecond)
			cancel()
			require.NoError(t, <-ended)
		})
	}
}

//nolint:paralleltest // It sets the environment.
func TestServeRefusesABadConfiguration(t *testing.T) {
	for name, value := range environment(t, map[string]string{"TUMA_MAX_IN_FLIGHT": "many"}) {
		t.Setenv(name, value)
	}
	err := Serve(context.Background(), Process{})
	var exit *cli.ExitError
	require.ErrorAs(t, err, &exit)
	require.Equal(t, cli.ExitUsage, exit.Code)
	require.ErrorContains(t, err, "TUMA_MAX_IN_FLIGHT")
}
