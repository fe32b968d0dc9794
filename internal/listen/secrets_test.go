package listen

import (
	"context"
	"net/http"
	"net/http/httptest"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/stretchr/testify/require"
	"go.uber.org/zap"
	"go.uber.org/zap/zaptest/observer"
)

// TestWrongSecretsAreSlowedCountedAndSummed: 32 wait a second, more do not, and all are counted.
func TestWrongSecretsAreSlowedCountedAndSummed(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		core, lines := observer.New(zap.WarnLevel)
		registry := prometheus.NewRegistry()
		wrong := NewWrongSecrets("http", registry, zap.New(core))
		const asked = wrongWaiting + 5
		began := time.Now()
		var all sync.WaitGroup
		after := make(chan time.Duration, asked)
		for range asked {
			all.Go(func() {
				wrong.Seen(httptest.NewRequest(http.MethodGet, "/", nil))
				after <- time.Since(began)
			})
		}
		all.Wait()
		close(after)
		slowed := 0
		for took := range after {
			if took == wrongDelay {
				slowed++
			} else {
				require.Zero(t, took)
			}
		}
		require.Equal(t, wrongWaiting, slowed)
		families, err := registry.Gather()
		require.NoError(t, err)
		require.InDelta(t, asked, families[0].GetMetric()[0].GetCounter().GetValue(), 0)
		require.Equal(t, 1, lines.Len())
		time.Sleep(2 * wrongPace)
		require.Equal(t, 2, lines.Len())
		require.EqualValues(t, asked-1, lines.All()[1].ContextMap()["repeated"])

		ctx, cancel := context.WithCancel(t.Context())
		cancel() // A client that has gone frees its place.
		began = time.Now()
		wrong.Seen(httptest.NewRequest(http.MethodGet, "/", nil).WithContext(ctx))
		require.Zero(t, time.Since(began))
		time.Sleep(2 * wrongPace)
	})
	(*WrongSecrets)(nil).Seen(httptest.NewRequest(http.MethodGet, "/", nil))
}

func TestHosts(t *testing.T) {
	t.Parallel()
	handler := Hosts([]string{"metrics.example"}, "TUMA_OPS_HOSTS",
		http.HandlerFunc(func(http.ResponseWriter, *http.Request) {}))
	for host, want := range map[string]int{
		"127.0.0.1:9101": http.StatusOK, "10.1.2.3": http.StatusOK, "[::1]:9101": http.StatusOK,
		"[2001:db8::1]": http.StatusOK, "localhost:9101": http.StatusOK, "LocalHost": http.StatusOK,
		"metrics.example:9101": http.StatusOK, "Metrics.Example": http.StatusOK,
		"evil.example": http.StatusMisdirectedRequest, "": http.StatusMisdirectedRequest,
		"127.0.0.1.evil.example:9101": http.StatusMisdirectedRequest,
		"metrics.example.evil":        http.StatusMisdirectedRequest,
	} {
		request := httptest.NewRequest(http.MethodGet, "/metrics", nil)
		request.Host = host
		recorder := httptest.NewRecorder()
		handler.ServeHTTP(recorder, request)
		require.Equal(t, want, recorder.Code, host)
		if want != http.StatusOK {
			require.Contains(t, recorder.Body.String(), "TUMA_OPS_HOSTS")
		}
	}
}
