package main

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"time"

	"github.com/redis/go-redis/v9"

	"tuma/internal/test/proctest"
)

// startLimit is how long a process may take until it serves.
const startLimit = 30 * time.Second

// setting is what a scenario's harness looks like. The zero value is a Redis that keeps nothing on
// disk, and a Lipad that answers at once and has settled everybody by the first query.
type setting struct {
	// fsync is appendfsync; without it there is no append-only file.
	fsync string
	// faults is the JSON of the simulated provider's faults, over calm.
	faults string
	// environment is for our processes, over the ones of every harness: TUMA_MAX_IN_FLIGHT=8.
	environment []string
	// profile is the folder for CPU profiles; the programs are then built to take them.
	profile string
	// watched puts a watch between our processes and the provider.
	watched bool
}

// calm lets every number be ordinary and settled by the first query.
const calm = `{"magic_numbers":false,"pace":{"open_polls":0}}`

// sensible are the settings of every harness. The defaults are for providers that take seconds; a
// simulated one that takes none is asked at once.
var sensible = []string{
	"TUMA_ALLOW_VOLATILE=true", "TUMA_MAX_IN_FLIGHT=4", "TUMA_CONCURRENCY=16",
	"TUMA_POLL_INITIAL=50ms", "TUMA_POLL_MAX=2s", "TUMA_SWEEP_INTERVAL=5s",
}

// harness is the processes of one run: a Redis of its own, the simulated provider, and ours.
type harness struct {
	bench     *bench
	folder    string
	programs  string
	profile   string
	redis     string // host:port
	provider  string // base URL of the simulated provider
	watch     *watch // nil without
	rdb       *redis.Client
	settings  []string
	processes []*process
	release   []func()
}

// newHarness starts Redis and the simulated provider. Ours are the scenario's to start.
func (b *bench) newHarness(ctx context.Context, s setting) (h *harness, err error) {
	h = &harness{bench: b, programs: b.programs, profile: s.profile}
	defer func() {
		if err != nil {
			h.close()
		}
	}()
	if s.profile != "" {
		h.programs = b.profiled
	}
	if h.folder, err = os.MkdirTemp(b.folder, "harness-"); err != nil {
		return nil, fmt.Errorf("make a folder for a run: %w", err)
	}
	if err := h.startRedis(ctx, s.fsync); err != nil {
		return nil, err
	}
	if err := h.startProvider(ctx, s.faults); err != nil {
		return nil, err
	}
	if s.watched {
		h.watch = newWatch(h.provider)
		h.release = append(h.release, h.watch.close)
	}
	h.settings = slices.Concat(sensible, s.environment)
	return h, nil
}

// close ends everything that the harness started.
func (h *harness) close() {
	for _, p := range slices.Backward(h.processes) {
		p.Kill()
	}
	if h.rdb != nil {
		_ = h.rdb.Close() // Its server is dead.
	}
	for _, release := range h.release {
		release()
	}
	_ = os.RemoveAll(h.folder) // The folder above it is removed at the end.
}

func (h *harness) address() (string, error) {
	address, release, err := proctest.ReserveAddr()
	if err != nil {
		return "", err
	}
	h.release = append(h.release, release)
	return address, nil
}

func (h *harness) startRedis(ctx context.Context, fsync string) (err error) {
	program, err := exec.LookPath("redis-server")
	if err != nil {
		return errors.New("redis-server is not installed: run scripts/need-redis once")
	}
	if h.redis, err = h.address(); err != nil {
		return err
	}
	host, port, _ := strings.Cut(h.redis, ":")
	arguments := []string{
		"--bind", host, "--port", port, "--dir", h.folder, "--save", "",
		"--maxmemory-policy", "noeviction", "--auto-aof-rewrite-percentage", "0",
	}
	if fsync != "" {
		arguments = append(arguments, "--appendonly", "yes", "--appendfsync", fsync)
	}
	if _, err := h.launch("redis", program, arguments, nil); err != nil {
		return err
	}
	// The second protocol answers lists where the third has maps: see memory.
	h.rdb = redis.NewClient(&redis.Options{Addr: h.redis, Protocol: 2})
	return h.await(ctx, startLimit, "redis-server answers", func() (bool, error) {
		return h.rdb.Ping(ctx).Err() == nil, nil
	})
}

func (h *harness) startProvider(ctx context.Context, faults string) error {
	address, err := h.address()
	if err != nil {
		return err
	}
	h.provider = "http://" + address
	arguments := []string{"providers", "--addr", address, "--seed", "7", "--faults", calm}
	_, err = h.launch("sandbox", filepath.Join(h.programs, "sandbox"), arguments, nil)
	if err != nil {
		return err
	}
	err = h.await(ctx, startLimit, "the simulated provider answers", func() (bool, error) {
		answer, err := http.Get(h.provider + "/sandbox/faults")
		return err == nil && answer.Body.Close() == nil, nil
	})
	if err != nil || faults == "" {
		return err
	}
	return h.faults(ctx, faults)
}

// launch starts a process that belongs to the harness.
func (h *harness) launch(
	name, program string, arguments, environment []string,
) (*process, error) {
	if h.profile != "" {
		file := filepath.Join(h.profile, name+".pprof")
		environment = append(slices.Clone(environment), profileVariable+"="+file)
	}
	p, err := launch(name, program, arguments, environment, h.bench.logf)
	if err != nil {
		return nil, err
	}
	h.processes = append(h.processes, p)
	return p, nil
}

// environment is what our processes are given.
func (h *harness) environment() []string {
	provider := h.provider
	if h.watch != nil {
		provider = h.watch.url()
	}
	return append([]string{
		"TUMA_REDIS_URL=redis://" + h.redis + "/0", "LIPAD_BASE_URL=" + provider,
		"LIPAD_CONSUMER_KEY=bench", "LIPAD_CONSUMER_SECRET=bench",
	}, h.settings...)
}

// start starts one of our processes and waits until it serves.
func (h *harness) start(ctx context.Context, name string, arguments ...string) error {
	ops, err := h.address()
	if err != nil {
		return err
	}
	p, err := h.launch(name, filepath.Join(h.programs, name), arguments,
		append(h.environment(), "TUMA_OPS_ADDR="+ops))
	if err != nil {
		return err
	}
	p.ops = ops
	return h.await(ctx, startLimit, name+" serves", func() (bool, error) {
		if !p.Running() {
			return false, fmt.Errorf("%s ended:\n%s", name, p.Output())
		}
		return strings.Contains(p.Output(), `"serving"`), nil
	})
}

// startAll starts a worker, a poller and what else is named.
func (h *harness) startAll(ctx context.Context, more ...[]string) error {
	for _, one := range append([][]string{{"worker"}, {"poller"}}, more...) {
		if err := h.start(ctx, one[0], one[1:]...); err != nil {
			return err
		}
	}
	return nil
}

// stop ends the processes of a name cleanly.
func (h *harness) stop(name string) error {
	for _, p := range h.processes {
		if p.name != name || !p.Running() {
			continue
		}
		if code := p.end(); code != 0 {
			return fmt.Errorf("%s ended with %d:\n%s", name, code, p.Output())
		}
	}
	return nil
}

// enqueuer runs one command of the enqueuer to its end.
func (h *harness) enqueuer(ctx context.Context, arguments ...string) (*process, error) {
	p, err := h.launch("enqueuer", filepath.Join(h.programs, "enqueuer"), arguments, h.environment())
	if err != nil {
		return nil, err
	}
	select {
	case <-p.Done():
	case <-ctx.Done():
		p.Kill()
		return nil, fmt.Errorf("enqueuer %s: %w", arguments[0], ctx.Err())
	}
	if code := p.command.ProcessState.ExitCode(); code != 0 {
		return nil, fmt.Errorf("enqueuer %s ended with %d:\n%s", arguments[0], code, p.Output())
	}
	return p, nil
}

// await looks until something is so. An error is returned when it takes longer than the limit, when
// the context ends, or when looking fails.
func (h *harness) await(
	ctx context.Context, limit time.Duration, what string, so func() (bool, error),
) error {
	ctx, cancel := context.WithTimeout(ctx, limit)
	defer cancel()
	for {
		yes, err := so()
		if err != nil || yes {
			return err
		}
		select {
		case <-ctx.Done():
			return fmt.Errorf("waiting until %s: %w", what, ctx.Err())
		case <-time.After(glance):
		}
	}
}

// glance is the pause between two looks: it bounds the error of every time that is measured so.
const glance = 10 * time.Millisecond

// usage is what the processes have used, by name.
type usage map[string]time.Duration

// measure is the time on a processor that every process has used so far; this one's is "bench".
func (h *harness) measure() usage {
	u := usage{"bench": ourCPU()}
	for _, p := range h.processes {
		u[p.name] += p.cpu()
	}
	return u
}

// since is what was used after an earlier measurement.
func (u usage) since(before usage) usage {
	spent := usage{}
	for name, total := range u {
		spent[name] = total - before[name]
	}
	return spent
}

// sum is the time of all processes but this one.
func (u usage) sum() (all time.Duration) {
	for name, spent := range u {
		if name != "bench" {
			all += spent
		}
	}
	return all
}

func ourCPU() time.Duration {
	var own syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &own); err != nil {
		return 0
	}
	return time.Duration(own.Utime.Nano() + own.Stime.Nano())
}
