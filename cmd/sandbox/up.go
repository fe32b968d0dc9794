package main

import (
	"context"
	"errors"
	"fmt"
	"net"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"time"

	"github.com/alicebob/miniredis/v2"
	"github.com/oklog/run"
	"github.com/spf13/cobra"

	"tuma/internal/app"
	"tuma/internal/cli"
	"tuma/internal/config"
	"tuma/internal/monitor"
	"tuma/internal/providers/catalog"
	"tuma/internal/sandbox"
)

// upOptions are the flags of "sandbox up".
type upOptions struct {
	faults string
	seed   uint64
	stay   bool
	ops    string
}

func newUpCommand() *cobra.Command {
	var options upOptions
	cmd := &cobra.Command{
		Use:   "up [FILE]",
		Short: "Run everything in one process and disburse FILE to simulated phones",
		Long: `Run everything in one process: an embedded Redis, the simulated providers, a worker, a
poller and the dashboard. FILE (CSV or JSON Lines; a shipped sample by default) is imported and
followed until every recipient has settled; then a table, the books and the providers' ledgers are
shown. Safaricom numbers go through Lipad, Airtel through Africa's Talking, Telkom through Sozuri,
Equitel through QuickSMS. No money moves, and nothing is left behind.`,
		Example: `  sandbox up
  sandbox up --stay rewards.csv
  sandbox up --faults hostile --seed 7`,
		Args: cobra.MaximumNArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			return up(cmd, options, args)
		},
	}
	flags := cmd.Flags()
	flags.StringVar(&options.faults, "faults", "",
		"of the simulated Lipad: a JSON file, JSON itself, or the word hostile (default: one "+
			"request and one answer are lost); the others stay calm, since they could not settle "+
			"a lost answer without a person")
	flags.Uint64Var(&options.seed, "seed", 1, "seed of every draw; the same seed, the same outcomes")
	flags.BoolVar(&options.stay, "stay", false, "keep serving when all have settled")
	flags.StringVar(&options.ops, "ops", "127.0.0.1:9102", "address of the dashboard and metrics")
	return cmd
}

// up starts the parts, runs the demo beside them, and stops them when it has ended.
func up(cmd *cobra.Command, options upOptions, args []string) (err error) {
	faults := demoFaults()
	if options.faults != "" {
		if faults, err = readFaults(options.faults); err != nil {
			return cli.Usagef("--faults: %w", err)
		}
	}
	redis, err := startRedis()
	if err != nil {
		return err
	}
	defer redis.close()
	listener, err := sandbox.Listen("127.0.0.1:0", false)
	if err != nil {
		return err
	}
	defer func() { _ = listener.Close() }() // It is closed already when the simulator has served.
	callbacks, err := freeAddr()
	if err != nil {
		return err
	}
	simulator := sandbox.New(sandbox.Options{
		Seed: options.seed, Callbacks: "http://" + callbacks + "/callbacks/" + demoToken,
	})
	if err := simulator.SetProviderFaults(sandbox.Lipad, faults); err != nil {
		return err
	}
	a, err := openDemo(cmd.Context(), redis.server.Addr(), listener.Addr(), callbacks)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, a.Close()) }()

	var g run.Group
	app.AddLoop(&g, func(ctx context.Context) error { return simulator.Serve(ctx, listener) })
	addr, err := a.AddOps(&g, options.ops, true) // First: a taken address is the likely fault.
	if err != nil {
		return cli.Usagef("--ops: %w", err)
	}
	if err := a.AddWorker(&g); err != nil {
		return err
	}
	if err := a.AddPoller(&g); err != nil {
		return err
	}
	fmt.Fprintf(cmd.OutOrStdout(), "dashboard http://%s%s   metrics http://%s/metrics   "+
		"simulated providers http://%s\n\n", addr, monitor.Path, addr, listener.Addr())
	d := demo{app: a, simulator: simulator, out: cmd.OutOrStdout()}
	ctx, cancel := context.WithCancel(cmd.Context())
	g.Add(func() error {
		err := d.run(ctx, args)
		if err == nil && options.stay {
			fmt.Fprintln(cmd.OutOrStdout(), "\nserving until stopped (Ctrl-C)")
			<-ctx.Done()
		}
		return err
	}, func(error) { cancel() })
	return g.Run()
}

// embedded is the demo's Redis. Its keys expire only when its clock is pushed.
type embedded struct {
	server *miniredis.Miniredis
	stop   chan struct{}
	clock  sync.WaitGroup
}

func startRedis() (*embedded, error) {
	server, err := miniredis.Run()
	if err != nil {
		return nil, fmt.Errorf("start the embedded Redis: %w", err)
	}
	e := &embedded{server: server, stop: make(chan struct{})}
	e.clock.Go(func() {
		ticks := time.NewTicker(time.Second)
		defer ticks.Stop()
		for {
			select {
			case <-e.stop:
				return
			case <-ticks.C:
				server.FastForward(time.Second)
			}
		}
	})
	return e, nil
}

func (e *embedded) close() {
	close(e.stop)
	e.clock.Wait()
	e.server.Close()
}

// openDemo is app.Open with the settings of the demo: everything fast, and nothing of the caller's
// environment, so that no real provider can be reached. What the demo lasts is the settle delay of
// the lost request and then the queries; a shorter delay would be beaten by the slow knowledge of
// the hostile faults, and the request sent again although it had arrived.
func openDemo(
	ctx context.Context, redis string, provider net.Addr, callbacks string,
) (*app.App, error) {
	rules, done, err := inFolder("rules.yaml", rules)
	if err != nil {
		return nil, err
	}
	settings := map[string]string{
		"TUMA_REDIS_URL": "redis://" + redis, "TUMA_ALLOW_VOLATILE": "true", "TUMA_CONFIG": rules,
		"TUMA_CALLBACK_ADDR": callbacks, "TUMA_CALLBACK_TOKEN": demoToken,
		"TUMA_POLL_INITIAL": "300ms", "TUMA_POLL_MAX": "500ms", "TUMA_SUBMIT_TIMEOUT": "1s",
		"TUMA_SEND_GUARD": "500ms", "TUMA_SETTLE_DELAY": "2s", "TUMA_SWEEP_INTERVAL": "1s",
		"TUMA_LOG_LEVEL": "error",
	}
	for _, variable := range catalog.Simulated("http://" + provider.String()) {
		name, value, _ := strings.Cut(variable, "=")
		settings[name] = value
	}
	c, err := config.Load(func(name string) string { return settings[name] }, nil)
	err = errors.Join(err, done())
	if err != nil {
		return nil, err
	}
	log, err := app.NewLogger(c)
	if err != nil {
		return nil, err
	}
	return app.Open(ctx, c, log)
}

// demoFaults are the calm ones, but for one request that is lost before the provider saw it, and
// one whose answer is lost after it has paid: the two look the same from outside.
func demoFaults() sandbox.Faults {
	faults := sandbox.DefaultFaults()
	faults.Send.Latency = sandbox.Duration(150 * time.Millisecond)
	faults.Send.LostBefore = sandbox.NextRequests(1)
	faults.Send.LostAfter = sandbox.NextRequests(1)
	faults.Jam = 0.02
	return faults
}

// input returns the file to import: the argument, or the shipped sample in a temporary folder.
func input(args []string) (path string, done func() error, err error) {
	if len(args) == 1 {
		return args[0], func() error { return nil }, nil
	}
	return inFolder("sample.csv", sample)
}

// inFolder writes a file into a temporary folder of its own.
func inFolder(name string, text []byte) (path string, done func() error, err error) {
	folder, err := os.MkdirTemp("", "tuma-demo-")
	if err != nil {
		return "", nil, fmt.Errorf("write %s: %w", name, err)
	}
	path = filepath.Join(folder, name)
	if err := os.WriteFile(path, text, 0o600); err != nil {
		return "", nil, errors.Join(fmt.Errorf("write %s: %w", name, err), os.RemoveAll(folder))
	}
	return path, func() error { return os.RemoveAll(folder) }, nil
}

// demoToken is in the addresses that the simulated providers report to.
const demoToken = "demo"

// freeAddr finds an address for the callbacks: the simulator must know it before the listener
// starts.
func freeAddr() (string, error) {
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return "", fmt.Errorf("find an address for callbacks: %w", err)
	}
	return listener.Addr().String(), listener.Close()
}
