package api

import (
	"context"
	"crypto/sha256"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/stretchr/testify/require"
	"go.uber.org/zap"
	"golang.org/x/time/rate"

	"tuma/internal/config"
	"tuma/internal/listen"
	"tuma/internal/state"
)

func TestOnlyATokenLetsIn(t *testing.T) {
	t.Parallel()
	i := embedded(t)
	for header, status := range map[string]int{
		"":                       http.StatusUnauthorized,
		"Bearer":                 http.StatusUnauthorized,
		"Bearer ":                http.StatusUnauthorized,
		"Bearer shop-toke":       http.StatusUnauthorized,
		"Bearer shop-token2":     http.StatusUnauthorized,
		"Bearer shop":            http.StatusUnauthorized,
		"Bearer shop=shop-token": http.StatusUnauthorized,
		"Basic shop-token":       http.StatusUnauthorized,
		"shop-token":             http.StatusUnauthorized,
		"Bearer shop-token":      http.StatusNotFound,
		"bearer  shop-token ":    http.StatusNotFound,
		"Bearer bank-old":        http.StatusNotFound,
		"Bearer bank-new":        http.StatusNotFound,
	} {
		answer := i.ask("GET", disbursalsPath+"/r-1", "", "Authorization", header)
		require.Equal(t, status, answer.Code, header)
		if status == http.StatusUnauthorized {
			require.Equal(t, `Bearer realm="tuma"`, answer.Header().Get("WWW-Authenticate"))
		}
	}
	two := i.request(http.MethodPost, disbursalsPath, strings.NewReader(job("r-1", "10")))
	two.Header["Authorization"] = []string{"Bearer shop-token", "Bearer bank-old"}
	answer := httptest.NewRecorder()
	i.ServeHTTP(answer, two)
	require.Equal(t, http.StatusUnauthorized, answer.Code, "nobody knows which producer's job it is")
	refused := i.post(job("r-1", "10"), "Authorization", "Bearer wrong")
	require.Equal(t, http.StatusUnauthorized, refused.Code)
	require.Zero(t, i.booked(t))
}

// TestAHashLetsItsTokenInAndNotItself: whoever reads the settings cannot use what stands there.
func TestAHashLetsItsTokenInAndNotItself(t *testing.T) {
	t.Parallel()
	hash := fmt.Sprintf("sha256:%x", sha256.Sum256([]byte("shop-token")))
	i := embedded(t, func(o *Options) { o.Tokens = func() string { return "shop=" + hash } })
	require.Equal(t, http.StatusAccepted, i.post(job("r-1", "10")).Code)
	for _, token := range []string{hash, strings.TrimPrefix(hash, "sha256:"), "shop-token2"} {
		answer := i.post(job("r-1", "10"), "Authorization", "Bearer "+token)
		require.Equal(t, http.StatusUnauthorized, answer.Code, token)
	}
}

// TestAScopePermitsItsRoutesOnly: each route has its scope, and a refusal names it and its setting.
func TestAScopePermitsItsRoutesOnly(t *testing.T) {
	t.Parallel()
	i := embedded(t, func(o *Options) {
		o.Tokens = func() string {
			return "shop:send=t-send,shop:read=t-read,shop:cancel=t-cancel,shop:send+read=t-both"
		}
	})
	scopes := map[string][]config.Scope{
		"t-send": {config.ScopeSend}, "t-read": {config.ScopeRead},
		"t-cancel": {config.ScopeCancel}, "t-both": {config.ScopeSend, config.ScopeRead},
	}
	asked := map[config.Scope]bool{}
	for _, route := range i.routes() {
		asked[route.scope] = true
		well := wellFormed[route.pattern()]
		for token, has := range scopes {
			answer := i.ask(route.method, well.target, well.body,
				append([]string{"Authorization", "Bearer " + token}, well.headers...)...)
			if route.scope == "" || slices.Contains(has, route.scope) {
				require.Contains(t, route.answers, answer.Code)
				require.NotEqual(t, http.StatusForbidden, answer.Code, route.pattern())
				continue
			}
			require.Equal(t, http.StatusForbidden, answer.Code, "%s %s", route.pattern(), token)
			require.Contains(t, answer.Body.String(), fmt.Sprintf("lacks the scope %s: "+
				"TUMA_HTTP_TOKENS must name it for shop, as in shop:%[1]s=", route.scope))
		}
	}
	require.Equal(t, map[config.Scope]bool{
		"": true, config.ScopeSend: true, config.ScopeRead: true, config.ScopeCancel: true,
	}, asked)
}

func TestWrongTokensAreCounted(t *testing.T) {
	t.Parallel()
	registry := prometheus.NewRegistry()
	i := embedded(t, func(o *Options) {
		o.Wrong = listen.NewWrongSecrets("http", registry, zap.NewNop())
	})
	for _, header := range []string{"", "Bearer shop-token", "Bearer wrong", "Basic shop-token"} {
		gone, cancel := context.WithCancel(t.Context())
		cancel() // Whoever has gone is not made to wait.
		request := i.request(http.MethodGet, disbursalsPath+"/r-1", nil, "Authorization", header)
		i.ServeHTTP(httptest.NewRecorder(), request.WithContext(gone))
	}
	families, err := registry.Gather()
	require.NoError(t, err)
	require.Equal(t, "tuma_wrong_secrets_total", families[0].GetName())
	require.InDelta(t, 2, families[0].GetMetric()[0].GetCounter().GetValue(), 0)
}

func TestReplacedTokensHoldAtOnce(t *testing.T) {
	t.Parallel()
	text := twoProducers
	i := embedded(t, func(o *Options) { o.Tokens = func() string { return text } })
	status := func(token string) int {
		return i.ask("GET", disbursalsPath+"/r-1", "", "Authorization", "Bearer "+token).Code
	}
	require.Equal(t, http.StatusNotFound, status("bank-old"))
	text = "shop=shop-token\nbank=bank-new"
	require.Equal(t, http.StatusUnauthorized, status("bank-old"))
	require.Equal(t, http.StatusNotFound, status("bank-new"))
	text = "secret-without-a-producer"
	require.Equal(t, http.StatusNotFound, status("bank-new"), "the last that could be read hold")
	require.Equal(t, http.StatusUnauthorized, status("secret-without-a-producer"))
	require.Contains(t, i.logged(), "TUMA_HTTP_TOKENS")
	require.NotContains(t, i.logged(), "secret")
}

// TestOnlyProgramsHereAskWithoutTokens: whatever a browser sent or came by another host name is
// refused, at every route and where there is none.
func TestOnlyProgramsHereAskWithoutTokens(t *testing.T) {
	t.Parallel()
	for _, row := range []struct {
		host, name, value string
		status            int
	}{
		{"127.0.0.1:8080", "", "", http.StatusOK},
		{"localhost", "", "", http.StatusOK},
		{"[::1]", "", "", http.StatusOK},
		{"127.0.0.1:8080", "Sec-Fetch-Site", "none", http.StatusForbidden},
		{"127.0.0.1:8080", "Sec-Fetch-Site", "cross-site", http.StatusForbidden},
		{"127.0.0.1:8080", "Sec-Fetch-User", "?1", http.StatusForbidden},
		{"127.0.0.1:8080", "sec-fetch-dest", "document", http.StatusForbidden},
		{"127.0.0.1:8080", "Sec-Purpose", "prefetch", http.StatusForbidden},
		{"127.0.0.1:8080", "Origin", "null", http.StatusForbidden},
		{"127.0.0.1:8080", "Origin", "http://127.0.0.1:8080", http.StatusForbidden},
		{"evil.example:8080", "", "", http.StatusForbidden},
		{"evil.example", "", "", http.StatusForbidden},
		{"", "", "", http.StatusForbidden},
	} {
		i := embedded(t, withoutTokens)
		ask := func(method, target string) int {
			request := i.request(method, target, nil, row.name, row.value)
			request.Host = row.host
			recorder := httptest.NewRecorder()
			i.ServeHTTP(recorder, request)
			return recorder.Code
		}
		require.Equal(t, row.status, ask("POST", sendPath+"?"+sendQuery), "%s %s", row.host, row.value)
		require.Equal(t, row.status == http.StatusOK, i.booked(t) == 1)
		require.Equal(t, row.status, ask("GET", "/openapi.yaml"))
		if row.status == http.StatusForbidden {
			for _, method := range []string{"GET", "HEAD", "OPTIONS"} {
				require.Equal(t, http.StatusForbidden, ask(method, "/nowhere"), method)
			}
		}
	}
}

// TestMoneyByGetNeedsAToken: a link is opened by more than those who meant it.
func TestMoneyByGetNeedsAToken(t *testing.T) {
	t.Parallel()
	i := embedded(t, withoutTokens)
	for _, query := range []string{sendQuery, "", sendQuery + "&token=shop-token"} {
		require.Equal(t, http.StatusForbidden, i.ask("GET", sendPath+"?"+query, "").Code, query)
	}
	require.Zero(t, i.booked(t))
}

func TestProducersComeByAnyHostName(t *testing.T) {
	t.Parallel()
	// With tokens a page has none, and other host names are how producers come.
	i := embedded(t)
	request := i.request("GET", sendPath+"?"+sendQuery, nil)
	request.Host = "tuma.example"
	recorder := httptest.NewRecorder()
	i.ServeHTTP(recorder, request)
	require.Equal(t, http.StatusOK, recorder.Code)
}

func TestEachProducerHasItsOwnRate(t *testing.T) {
	t.Parallel()
	i := embedded(t)
	i.limits.perSecond, i.limits.burst = rate.Every(time.Hour), 2
	require.Equal(t, http.StatusAccepted, i.post(job("r-1", "10")).Code)
	require.Equal(t, http.StatusAccepted, i.post(job("r-2", "10")).Code)
	late := i.post(job("r-3", "10"))
	require.Equal(t, http.StatusTooManyRequests, late.Code)
	require.Equal(t, "1", late.Header().Get("Retry-After"))
	require.Equal(t, http.StatusAccepted,
		i.post(job("r-1", "10"), "Authorization", "Bearer bank-new").Code)
	require.Equal(t, int64(3), i.booked(t))
	require.Equal(t, http.StatusOK, i.ask("GET", "/openapi.yaml", "").Code)
}

func TestWithoutTokensTheListenerStaysOnLoopback(t *testing.T) {
	t.Parallel()
	for _, addr := range []string{":8080", "0.0.0.0:0", "[::]:0", "192.0.2.1:0"} {
		_, err := Listen(addr, Options{})
		require.ErrorIs(t, err, ErrOpen)
		require.ErrorContains(t, err, "TUMA_HTTP_TOKENS")
	}
}

func TestATakenAddressNamesItsSetting(t *testing.T) {
	t.Parallel()
	taken, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	defer func() { _ = taken.Close() }()
	_, err = Listen(taken.Addr().String(), Options{
		Tokens: func() string { return twoProducers }, Registry: prometheus.NewRegistry(),
		Log: zap.NewNop(),
	})
	require.ErrorContains(t, err, "TUMA_HTTP_ADDR")
}

func TestAStopAnswersWhatIsInHand(t *testing.T) {
	t.Parallel()
	begun, finish := make(chan struct{}), make(chan struct{})
	var server *listen.Server
	i := embedded(t, func(o *Options) {
		accept, listened := o.Accept, *o
		listened.Accept = func(ctx context.Context, d []state.Disbursal) ([]state.Outcome, error) {
			close(begun)
			<-finish
			return accept(ctx, d)
		}
		var err error
		server, err = Listen("127.0.0.1:0", listened)
		require.NoError(t, err)
		o.Registry = prometheus.NewRegistry()
	})
	ctx, cancel := context.WithCancel(context.Background())
	ended, answered := make(chan error, 1), make(chan string, 1)
	var all sync.WaitGroup
	all.Go(func() { ended <- server.Run(ctx) })
	all.Go(func() { answered <- overTheWire(server.Addr(), job("r-1", "10")) })
	<-begun
	cancel()
	time.Sleep(50 * time.Millisecond)
	require.Empty(t, ended, "it ended with a request in hand")
	close(finish)
	require.Contains(t, <-answered, "202 Accepted")
	require.NoError(t, <-ended)
	all.Wait()
	require.Equal(t, int64(1), i.booked(t))
}

// overTheWire posts a body and returns all that comes back.
func overTheWire(addr, body string) string {
	connection, err := net.Dial("tcp", addr)
	if err != nil {
		return err.Error()
	}
	defer func() { _ = connection.Close() }()
	lines := []string{
		"POST " + disbursalsPath + " HTTP/1.1", "Host: " + addr, "Connection: close",
		"Authorization: Bearer shop-token", "Transfer-Encoding: chunked", "",
		fmt.Sprintf("%x", len(body)), body, "0", "", "",
	}
	if _, err := io.WriteString(connection, strings.Join(lines, "\r\n")); err != nil {
		return err.Error()
	}
	answer, err := io.ReadAll(connection)
	if err != nil {
		return err.Error()
	}
	return string(answer)
}
