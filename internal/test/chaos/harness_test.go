package chaos_test

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"net/http/httputil"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	toxiproxy "github.com/Shopify/toxiproxy/v2"
	"github.com/redis/go-redis/v9"
	"github.com/rs/zerolog"
	"github.com/stretchr/testify/require"

	"tuma/internal/providers/catalog"
	"tuma/internal/redisconn"
	"tuma/internal/sandbox"
	"tuma/internal/state"
	"tuma/internal/test/proctest"
	"tuma/internal/test/redistest"
)

func TestMain(m *testing.M) {
	redisconn.LogTo(func(string) {}) // That Redis is away is what these tests are about.
	os.Exit(proctest.Suite{M: m, AtOnce: 6}.Run())
}

// Short times let a storm of a minute hold what takes an hour in production. What they are relative
// to each other is the same.
const (
	submitTimeout = 2 * time.Second
	sendGuard     = time.Second
	settleDelay   = time.Second
	// testTimeout only bounds a broken test on a busy machine.
	testTimeout = 3 * time.Minute
	// podWait is how long a callback waits for one pod: less than its sender does.
	podWait = 2 * time.Second
	// glance is the pause between two looks at something that is awaited.
	glance = 100 * time.Millisecond
)

const callbackToken = "a-token-of-the-storm"

// routing gives each network a provider of its own.
const routing = `
routing:
  rules:
    - {name: safaricom, networks: [safaricom], providers: [lipad]}
    - {name: airtel, networks: [airtel], providers: [africastalking]}
    - {name: telkom, networks: [telkom], providers: [quicksms]}
    - {name: equitel, networks: [equitel], providers: [sozuri]}
sozuri: {networks: [equitel]}
`

// harness is a Redis, the simulated providers, and a fault proxy before each of them.
type harness struct {
	t     *testing.T
	redis *redistest.Server
	// rdb and store reach Redis beside the fault proxy.
	rdb   *redis.Client
	store *state.Store
	// sandbox is the address of the simulated providers beside the fault proxy.
	sandbox string
	// toRedis and toProviders are what our processes connect to.
	toRedis, toProviders *toxiproxy.Proxy
	pollers              *gateway
	environment          []string
}

// newHarness starts everything but our own processes. The configuration is the rest of the file.
func newHarness(t *testing.T, server *redistest.Server, faults, configuration string) *harness {
	t.Helper()
	proctest.LongRuns(t, "make storm, or make lost,")
	h := &harness{t: t, redis: server, rdb: server.Client(t), pollers: newGateway(t)}
	address := proctest.FreeAddr(t)
	h.sandbox = "http://" + address
	proctest.Start(t, proctest.Build(t, "./cmd/sandbox"), []string{
		"providers", "--addr", address, "--seed", "7", "--faults", faults,
		"--callbacks", h.pollers.base + "/callbacks/" + callbackToken,
	}, nil)
	h.toRedis = newProxy(t, "redis", server.Addr())
	h.toProviders = newProxy(t, "providers", address)
	config := filepath.Join(t.TempDir(), "tuma.yaml")
	require.NoError(t, os.WriteFile(config, []byte(routing+configuration), 0o600))
	base := "http://" + h.toProviders.Listen
	h.environment = []string{
		"TUMA_REDIS_URL=redis://" + h.toRedis.Listen + "/0", "TUMA_CONFIG=" + config,
		"TUMA_SUBMIT_TIMEOUT=" + submitTimeout.String(), "TUMA_SEND_GUARD=" + sendGuard.String(),
		"TUMA_SETTLE_DELAY=" + settleDelay.String(), "TUMA_CLAIM_TIMEOUT=2s",
		"TUMA_SWEEP_INTERVAL=500ms", "TUMA_POLL_INITIAL=300ms", "TUMA_POLL_MAX=3s",
		"TUMA_MAX_IN_FLIGHT=8", "TUMA_CALLBACK_TOKEN=" + callbackToken,
	}
	h.environment = append(h.environment, catalog.Simulated(base)...)
	h.await("the simulated providers answer", func() bool {
		answer, err := http.Get(h.sandbox + "/sandbox/ledger")
		return err == nil && answer.Body.Close() == nil
	})
	// QuickSMS never tells who failed: only where nobody does, unconfirmed and paid are the same.
	h.faults(sandbox.QuickSMS, `{"outcomes":{"successful":1}}`)
	return h
}

// open gives the test its own look at the state. The times are those of the processes: whoever
// meets a restarted Redis first decides how long it freezes.
func (h *harness) open() {
	h.t.Helper()
	store, err := state.Open(h.t.Context(), state.Options{
		Options: redisconn.Options{URL: h.redis.URL()}, SubmitTimeout: submitTimeout, Guard: sendGuard,
		SettleDelay: settleDelay, Providers: catalog.Known(),
	})
	require.NoError(h.t, err)
	h.t.Cleanup(func() { _ = store.Close() }) // Nothing is lost with the connections of a test.
	h.store = store
}

// newProxy starts a fault proxy before an address.
func newProxy(t *testing.T, name, upstream string) *toxiproxy.Proxy {
	t.Helper()
	server := toxiproxy.NewServer(toxiproxy.NewMetricsContainer(nil), zerolog.Nop())
	proxy := toxiproxy.NewProxy(server, name, proctest.FreeAddr(t), upstream)
	require.NoError(t, proxy.Start())
	t.Cleanup(proxy.Stop)
	return proxy
}

// gateway stands before the pollers as a load balancer does.
type gateway struct {
	base  string
	addrs []string
}

func newGateway(t *testing.T) *gateway {
	t.Helper()
	g := &gateway{addrs: []string{proctest.FreeAddr(t), proctest.FreeAddr(t)}}
	server := httptest.NewServer(&httputil.ReverseProxy{
		Rewrite:   func(r *httputil.ProxyRequest) { r.SetURL(&url.URL{Scheme: "http", Host: "pollers"}) },
		Transport: g,
		ErrorHandler: func(w http.ResponseWriter, _ *http.Request, _ error) {
			w.WriteHeader(http.StatusBadGateway)
		},
	})
	t.Cleanup(server.Close)
	g.base = server.URL
	return g
}

// RoundTrip asks the pollers in turn until one answers.
func (g *gateway) RoundTrip(r *http.Request) (*http.Response, error) {
	body, err := io.ReadAll(r.Body)
	if err != nil {
		return nil, err
	}
	var faults error
	for _, address := range g.addrs {
		ctx, cancel := context.WithTimeout(r.Context(), podWait)
		again := r.Clone(ctx)
		again.URL.Host, again.Body = address, io.NopCloser(bytes.NewReader(body))
		answer, err := http.DefaultTransport.RoundTrip(again)
		if err == nil {
			answer.Body = closing{answer.Body, cancel}
			return answer, nil
		}
		cancel()
		faults = errors.Join(faults, err)
	}
	return nil, faults
}

// closing ends the context of an answer when its body is closed.
type closing struct {
	io.ReadCloser
	cancel func()
}

// Close closes the body.
func (c closing) Close() error {
	defer c.cancel()
	return c.ReadCloser.Close()
}

// faults changes some switches of one simulated provider, or of all for an empty name.
func (h *harness) faults(provider, change string) {
	h.t.Helper()
	request, err := http.NewRequestWithContext(h.t.Context(), http.MethodPatch,
		h.sandbox+"/sandbox/faults?provider="+provider, strings.NewReader(change))
	require.NoError(h.t, err)
	answer, err := http.DefaultClient.Do(request)
	require.NoError(h.t, err)
	text, err := io.ReadAll(answer.Body)
	require.NoError(h.t, errors.Join(err, answer.Body.Close()))
	require.Equal(h.t, http.StatusOK, answer.StatusCode, "%s", text)
}

// ledger reads one view of the simulated providers' ledger.
func ledger[T any](h *harness, view string) (all []T) {
	h.t.Helper()
	answer, err := http.Get(h.sandbox + "/sandbox/ledger" + view)
	require.NoError(h.t, err)
	defer func() { _ = answer.Body.Close() }()
	return lines[T](h.t, answer.Body)
}

// lines decodes JSON values until the end.
func lines[T any](t *testing.T, from io.Reader) (all []T) {
	t.Helper()
	decoder := json.NewDecoder(bufio.NewReader(from))
	for {
		var one T
		err := decoder.Decode(&one)
		if errors.Is(err, io.EOF) {
			return all
		}
		require.NoError(t, err)
		all = append(all, one)
	}
}

// totals is the ledger in one view.
func (h *harness) totals() sandbox.Totals {
	h.t.Helper()
	return ledger[sandbox.Totals](h, "")[0]
}

// enqueuer runs one command of the enqueuer to its end and returns its exit code, -1 if it takes
// too long, and what it said.
func (h *harness) enqueuer(arguments ...string) (code int, out, fault string) {
	program := h.program("./cmd/enqueuer") // Building it may take minutes.
	ctx, cancel := context.WithTimeout(context.Background(), testTimeout)
	defer cancel()
	var printed, complained bytes.Buffer
	command := exec.CommandContext(ctx, program, arguments...)
	command.Env, command.Stdout, command.Stderr = h.environment, &printed, &complained
	if err := command.Run(); command.ProcessState == nil {
		return -1, "", err.Error()
	}
	return command.ProcessState.ExitCode(), printed.String(), complained.String()
}

// program builds a command of ours, once.
func (h *harness) program(command string) string { return proctest.Build(h.t, command) }

// must is enqueuer for a command that has to succeed.
func (h *harness) must(arguments ...string) string {
	h.t.Helper()
	code, out, fault := h.enqueuer(arguments...)
	require.Zero(h.t, code, "enqueuer %s:\n%s\n%s", strings.Join(arguments, " "), out, fault)
	return out
}

// await waits until something is so.
func (h *harness) await(what string, so func() bool) {
	h.t.Helper()
	for end := time.Now().Add(testTimeout); !so(); time.Sleep(glance) {
		require.True(h.t, time.Now().Before(end), "not within %s: %s", testTimeout, what)
	}
}

// book counts the recipients in each status at each provider ("lipad queued"), without zeros.
func (h *harness) book() (map[string]int64, state.Stats, error) {
	h.t.Helper()
	figures, err := h.store.Stats(h.t.Context())
	book := map[string]int64{}
	for field, n := range figures.Book {
		if words := strings.Fields(field); len(words) == 3 && words[2] != "requested" && n != 0 {
			book[words[0]+" "+words[2]] += n
		}
	}
	return book, figures, err
}

// decimal writes cents as an amount.
func decimal(cents int64) string { return fmt.Sprintf("%d.%02d", cents/100, cents%100) }
