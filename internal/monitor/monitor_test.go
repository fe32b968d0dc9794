package monitor_test

import (
	"context"
	"io"
	"net/http"
	"net/http/httptest"
	"testing"

	"github.com/alicebob/miniredis/v2"
	"github.com/hibiken/asynq"
	"github.com/prometheus/client_golang/prometheus"
	"github.com/stretchr/testify/require"
	"go.uber.org/zap"

	"tuma/internal/listen"
	"tuma/internal/monitor"
	"tuma/internal/redisconn"
)

func get(t *testing.T, h http.Handler, path, user, password string) (int, string) {
	t.Helper()
	r := httptest.NewRequestWithContext(context.Background(), http.MethodGet, path, nil)
	r.Host = "127.0.0.1:9102"
	if user != "" {
		r.SetBasicAuth(user, password)
	}
	w := httptest.NewRecorder()
	h.ServeHTTP(w, r)
	body, err := io.ReadAll(w.Result().Body)
	require.NoError(t, err)
	return w.Code, string(body)
}

func TestDashboardMasksPhoneNumbers(t *testing.T) {
	t.Parallel()
	redis := miniredis.RunT(t)
	client := asynq.NewClient(asynq.RedisClientOpt{Addr: redis.Addr()})
	t.Cleanup(func() { require.NoError(t, client.Close()) })
	payload := `{"recipients":[{"phone_number":"254711222333"},{"phone_number":"0722 333-444"}]}`
	_, err := client.Enqueue(asynq.NewTask("disbursal:accept", []byte(payload)),
		asynq.Queue("disbursals"), asynq.TaskID("shown"))
	require.NoError(t, err)

	h, err := monitor.New(monitor.Options{
		Redis: redisconn.Options{URL: "redis://" + redis.Addr()}, Loopback: true,
	})
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, h.Close()) })
	for _, path := range []string{"pending_tasks", "tasks/shown"} {
		code, body := get(t, h, "/monitor/api/queues/disbursals/"+path, "", "")
		require.Equal(t, http.StatusOK, code)
		require.Contains(t, body, "254711•••333")
		require.NotContains(t, body, "254711222333")
		require.NotContains(t, body, "0722 333-444")
	}
	code, page := get(t, h, "/monitor/", "", "")
	require.Equal(t, http.StatusOK, code)
	require.Contains(t, page, "/monitor")
}

func TestDashboardNeedsAPasswordBeyondLoopback(t *testing.T) {
	t.Parallel()
	redis := redisconn.Options{URL: "redis://" + miniredis.RunT(t).Addr()}
	_, err := monitor.New(monitor.Options{Redis: redis})
	require.ErrorContains(t, err, "TUMA_MONITOR_PASSWORD")

	password := "right"
	h, err := monitor.New(monitor.Options{
		Redis: redis, User: "ops", Password: func() string { return password },
	})
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, h.Close()) })
	code, _ := get(t, h, "/monitor/", "ops", "wrong")
	require.Equal(t, http.StatusUnauthorized, code)
	code, _ = get(t, h, "/monitor/", "", "")
	require.Equal(t, http.StatusUnauthorized, code)
	code, _ = get(t, h, "/monitor/", "ops", "right")
	require.Equal(t, http.StatusOK, code)
	password = "rotated"
	code, _ = get(t, h, "/monitor/", "ops", "right")
	require.Equal(t, http.StatusUnauthorized, code)
	code, _ = get(t, h, "/monitor/", "ops", "rotated")
	require.Equal(t, http.StatusOK, code)
}

// TestWrongPasswordsAreCounted: the question that a browser asks first, without one, is none.
func TestWrongPasswordsAreCounted(t *testing.T) {
	t.Parallel()
	registry := prometheus.NewRegistry()
	h, err := monitor.New(monitor.Options{
		Redis: redisconn.Options{URL: "redis://" + miniredis.RunT(t).Addr()},
		User:  "ops", Password: func() string { return "right" },
		Wrong: listen.NewWrongSecrets("dashboard", registry, zap.NewNop()),
	})
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, h.Close()) })
	for _, login := range [][2]string{{"", ""}, {"ops", "right"}, {"ops", "wrong"}, {"eve", "right"}} {
		gone, cancel := context.WithCancel(t.Context())
		cancel() // Whoever has gone is not made to wait.
		r := httptest.NewRequestWithContext(gone, http.MethodHead, "/monitor/", nil)
		if login[0] != "" {
			r.SetBasicAuth(login[0], login[1])
		}
		h.ServeHTTP(httptest.NewRecorder(), r)
	}
	families, err := registry.Gather()
	require.NoError(t, err)
	require.Equal(t, "tuma_wrong_secrets_total", families[0].GetName())
	require.InDelta(t, 2, families[0].GetMetric()[0].GetCounter().GetValue(), 0)
}

// TestWithoutAPasswordOnlyThisMachineIsServed: a page on the web can have its own name lead here.
func TestWithoutAPasswordOnlyThisMachineIsServed(t *testing.T) {
	t.Parallel()
	redis := redisconn.Options{URL: "redis://" + miniredis.RunT(t).Addr()}
	h, err := monitor.New(monitor.Options{Redis: redis, Loopback: true, Write: true})
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, h.Close()) })
	for host, status := range map[string]int{
		"127.0.0.1:9102": http.StatusOK, "localhost": http.StatusOK, "[::1]:9102": http.StatusOK,
		"evil.example:9102": http.StatusForbidden, "": http.StatusForbidden,
		"127.0.0.1.evil.example": http.StatusForbidden,
	} {
		r := httptest.NewRequestWithContext(context.Background(), http.MethodGet,
			"/monitor/api/queues", nil)
		r.Host = host
		w := httptest.NewRecorder()
		h.ServeHTTP(w, r)
		require.Equal(t, status, w.Code, host)
	}
}
