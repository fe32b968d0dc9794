package e2e_test

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/redis/go-redis/v9"
	"github.com/stretchr/testify/require"

	"tuma/internal/providers/catalog"
	"tuma/internal/redisconn"
	"tuma/internal/sandbox"
	"tuma/internal/state"
	"tuma/internal/test/proctest"
	"tuma/internal/test/redistest"
)

func TestMain(m *testing.M) { os.Exit(proctest.Suite{M: m, AtOnce: 6}.Run()) }

// The programs under test.
const (
	cmdEnqueuer = "./cmd/enqueuer"
	cmdWorker   = "./cmd/worker"
	cmdPoller   = "./cmd/poller"
	cmdSandbox  = "./cmd/sandbox"
)

const (
	// testTimeout only bounds a broken test on a busy machine.
	testTimeout = 2 * time.Minute
	// glance is the pause between two looks at something that is awaited.
	glance = 50 * time.Millisecond
)

// Short times make a lost answer cost seconds instead of minutes. What they are relative to each
// other is as in production.
const (
	submitTimeout = 2 * time.Second
	sendGuard     = time.Second
	settleDelay   = time.Second
	claimTimeout  = 2 * time.Second
)

// setup is what a test's harness looks like; the zero value is calm.
type setup struct {
	// redis changes the configuration of the server.
	redis []redistest.Option
	// at is a Redis beyond one server, which the test has started; with it there is no server.
	at redisAddress
	// faults is the JSON of the simulated providers' faults.
	faults string
	// four turns all providers on, and their callbacks; without it there is Lipad alone.
	four bool
	// batch is the most recipients of one request; zero leaves the provider's own.
	batch int
	// config is the rest of the configuration file.
	config string
	// environment is for every process of ours, after the harness's own.
	environment []string
}

// redisAddress is how to reach a Redis. Its client is of the node that holds the state.
type redisAddress struct {
	url, mode string
	rdb       *redis.Client
}

// harness is a test's own Redis, providers and processes.
type harness struct {
	t           *testing.T
	at          redisAddress
	redis       *redistest.Server // nil beyond one server
	rdb         *redis.Client
	store       *state.Store
	providers   string
	gateway     *gateway // nil without callbacks
	environment []string
}

// newHarness starts Redis and the simulated providers. Workers and pollers are the test's to start.
func newHarness(t *testing.T, s setup) *harness {
	t.Helper()
	h := &harness{t: t, at: s.at, rdb: s.at.rdb}
	if h.at.url == "" {
		h.redis = redistest.Start(t, s.redis...)
		h.at, h.rdb = redisAddress{url: h.redis.URL(), mode: "single"}, h.redis.Client(t)
	}
	address := proctest.FreeAddr(t)
	h.providers = "http://" + address
	arguments := []string{"providers", "--addr", address, "--seed", "7"}
	if s.faults != "" {
		arguments = append(arguments, "--faults", s.faults)
	}
	if s.four {
		h.gateway = newGateway(t)
		arguments = append(arguments, "--callbacks", h.gateway.base)
	}
	h.launch(proctest.Build(t, cmdSandbox), arguments, nil)
	h.environment = []string{
		"TUMA_REDIS_URL=" + h.at.url, "TUMA_REDIS_MODE=" + h.at.mode,
		"TUMA_SUBMIT_TIMEOUT=" + submitTimeout.String(), "TUMA_SEND_GUARD=" + sendGuard.String(),
		"TUMA_SETTLE_DELAY=" + settleDelay.String(), "TUMA_CLAIM_TIMEOUT=" + claimTimeout.String(),
		"TUMA_SWEEP_INTERVAL=500ms", "TUMA_POLL_INITIAL=200ms", "TUMA_POLL_MAX=2s",
	}
	on := []string{sandbox.Lipad}
	if s.four {
		on = sandbox.Providers()
		h.environment = append(h.environment, "TUMA_CALLBACK_TOKEN="+callbackToken)
	}
	h.environment = append(h.environment, catalog.Simulated(h.providers, on...)...)
	if text := s.config + batches(s.batch); text != "" {
		config := filepath.Join(t.TempDir(), "tuma.yaml")
		require.NoError(t, os.WriteFile(config, []byte(text), 0o600))
		h.environment = append(h.environment, "TUMA_CONFIG="+config)
	}
	h.environment = append(h.environment, s.environment...)
	h.await("the simulated providers answer", func() bool {
		answer, err := http.Get(h.providers + "/sandbox/ledger")
		return err == nil && answer.Body.Close() == nil
	})
	if s.four {
		// It never tells who failed: only where nobody does, unconfirmed and paid are the same.
		h.faults(sandbox.QuickSMS, `{"outcomes":{"successful":1}}`)
	}
	return h
}

// batches is the section of the configuration file that bounds requests; none for zero.
func batches(most int) string {
	if most == 0 {
		return ""
	}
	text := "batch:\n  max_recipients:\n"
	for _, provider := range sandbox.Providers() {
		text += fmt.Sprintf("    %s: %d\n", provider, most)
	}
	return text
}

// open gives the test its own look at the state. A Redis that can forget has none.
func (h *harness) open() *state.Store {
	h.t.Helper()
	if h.store == nil {
		// The same times as the processes have: whoever meets a restarted Redis first freezes it.
		store, err := state.Open(h.t.Context(), state.Options{
			Options:      redisconn.Options{URL: h.at.url, Mode: h.at.mode},
			Unreplicated: true, SubmitTimeout: submitTimeout,
			Guard: sendGuard, SettleDelay: settleDelay, ClaimTimeout: claimTimeout,
			Providers: catalog.Known(),
		})
		require.NoError(h.t, err)
		h.t.Cleanup(func() { _ = store.Close() })
		h.store = store
	}
	return h.store
}

// launch starts a program whose output must be free of phone numbers.
func (h *harness) launch(program string, arguments, environment []string) *proctest.Process {
	h.t.Helper()
	p := proctest.Start(h.t, program, arguments, environment)
	h.t.Cleanup(func() {
		p.Kill()
		refuseNumbers(h.t, filepath.Base(program), p.Output())
	})
	return p
}

// start starts one of our commands with an operations address of its own.
func (h *harness) start(command string, arguments ...string) *proctest.Process {
	h.t.Helper()
	return h.run(proctest.Build(h.t, command), nil, arguments...)
}

// run is start for a program that was built otherwise or gets settings of its own.
func (h *harness) run(
	program string, environment []string, arguments ...string,
) *proctest.Process {
	h.t.Helper()
	all := append(h.environment[:len(h.environment):len(h.environment)],
		"TUMA_OPS_ADDR="+proctest.FreeAddr(h.t))
	if h.gateway != nil {
		all = append(all, "TUMA_CALLBACK_ADDR="+h.gateway.pod(proctest.FreeAddr(h.t)))
	}
	return h.launch(program, arguments, append(all, environment...))
}

// pods starts that many workers and pollers and waits until they serve.
func (h *harness) pods(each int) (workers, pollers []*proctest.Process) {
	h.t.Helper()
	for range each {
		workers = append(workers, h.start(cmdWorker))
		pollers = append(pollers, h.start(cmdPoller))
	}
	for _, p := range append(workers[:each:each], pollers...) {
		p.WaitOutput("serving", testTimeout)
	}
	return workers, pollers
}

// said is what a command that has ended printed.
type said struct {
	code        int
	out, errors string
}

// enqueuer runs one enqueuer command to its end.
func (h *harness) enqueuer(arguments ...string) said {
	h.t.Helper()
	ctx, cancel := context.WithTimeout(h.t.Context(), testTimeout)
	defer cancel()
	var out, errors bytes.Buffer
	command := exec.CommandContext(ctx, proctest.Build(h.t, cmdEnqueuer), arguments...)
	command.Env, command.Stdout, command.Stderr = h.environment, &out, &errors
	err := command.Run()
	require.NoError(h.t, ctx.Err(), "enqueuer %s takes too long", strings.Join(arguments, " "))
	if exited := new(exec.ExitError); err != nil {
		require.ErrorAs(h.t, err, &exited)
	}
	refuseNumbers(h.t, "enqueuer", errors.String())
	require.NotContains(h.t, errors.String(), "DATA RACE")
	return said{command.ProcessState.ExitCode(), out.String(), errors.String()}
}

// must is enqueuer for a command that has to end with the given code.
func (h *harness) must(code int, arguments ...string) said {
	h.t.Helper()
	s := h.enqueuer(arguments...)
	require.Equal(h.t, code, s.code, "enqueuer %s:\n%s\n%s",
		strings.Join(arguments, " "), s.out, s.errors)
	return s
}

// await waits until something is so.
func (h *harness) await(what string, so func() bool) {
	h.t.Helper()
	h.awaitFor(testTimeout, what, so)
}

// awaitFor is await with a limit of its own.
func (h *harness) awaitFor(limit time.Duration, what string, so func() bool) {
	h.t.Helper()
	for end := time.Now().Add(limit); !so(); time.Sleep(glance) {
		if time.Now().After(end) {
			require.FailNow(h.t, "not within "+limit.String()+": "+what)
		}
	}
}

// ledger is what the simulated providers know of themselves.
func (h *harness) ledger() sandbox.Totals {
	h.t.Helper()
	var totals sandbox.Totals
	h.get("/sandbox/ledger", func(body io.Reader) error {
		return json.NewDecoder(body).Decode(&totals)
	})
	return totals
}

// awaitSends waits until the providers have that many sends in hand, answered or not.
func (h *harness) awaitSends(n int) {
	h.t.Helper()
	h.await(fmt.Sprintf("%d sends", n), func() bool { return h.ledger().Requests["send"] >= n })
}

func (h *harness) get(path string, read func(io.Reader) error) {
	h.t.Helper()
	answer, err := http.Get(h.providers + path)
	require.NoError(h.t, err)
	defer func() { _ = answer.Body.Close() }()
	require.NoError(h.t, read(answer.Body))
}

// number finds whole Kenyan phone numbers, in both of their forms, but not inside of ids.
var number = regexp.MustCompile(
	`(^|[^0-9A-Za-z-])(\+?254[17][0-9]{8}|0[17][0-9]{8})([^0-9A-Za-z-]|$)`)

// refuseNumbers fails the test when a text shows a phone number.
func refuseNumbers(t *testing.T, who, text string) {
	t.Helper()
	if found := number.FindString(text); found != "" {
		t.Errorf("%s shows the phone number %q", who, strings.TrimSpace(found))
	}
}
