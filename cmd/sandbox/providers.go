package main

import (
	"errors"
	"fmt"
	"os"
	"strings"

	"github.com/spf13/cobra"

	"tuma/internal/cli"
	"tuma/internal/sandbox"
)

// providersOptions are the flags of "sandbox providers".
type providersOptions struct {
	addr        string
	faults      string
	seed        uint64
	allowRemote bool
}

func newProvidersCommand() *cobra.Command {
	var options providersOptions
	cmd := &cobra.Command{
		Use:   "providers",
		Short: "Serve the simulated providers until stopped",
		Long: `Serve the simulated providers on one address until SIGINT or SIGTERM.

The first line on standard output sets the variables of a Tuma that is to use them. The ledger is
at /sandbox/ledger, /sandbox/ledger/recipients and /sandbox/ledger/phones; /sandbox/faults shows
the faults (GET), replaces them (PUT) and changes some (PATCH); POST /sandbox/reset starts afresh.`,
		Example: `  sandbox providers
  sandbox providers --faults '{"send":{"lost_after":0.05,"latency":"200ms"},"repeat":"replay"}'
  sandbox providers --faults hostile --seed 7`,
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error { return serveProviders(cmd, options) },
	}
	flags := cmd.Flags()
	flags.StringVar(&options.addr, "addr", "127.0.0.1:9090", "address to listen on")
	flags.StringVar(&options.faults, "faults", "",
		"a JSON file, JSON itself, or the word hostile (default: no faults)")
	flags.Uint64Var(&options.seed, "seed", 0, "seed of every draw; the same seed, the same fates")
	flags.BoolVar(&options.allowRemote, "allow-remote", false,
		"listen on an address that other machines reach")
	return cmd
}

func serveProviders(cmd *cobra.Command, options providersOptions) error {
	faults, err := readFaults(options.faults)
	if err != nil {
		return cli.Usagef("--faults: %w", err)
	}
	listener, err := sandbox.Listen(options.addr, options.allowRemote)
	if errors.Is(err, sandbox.ErrNotLoopback) {
		return cli.Usagef("--addr: %w; add --allow-remote if it is meant", err)
	}
	if err != nil {
		return err
	}
	base := "http://" + listener.Addr().String()
	fmt.Fprintf(cmd.OutOrStdout(), "export LIPAD_BASE_URL=%s LIPAD_CONSUMER_KEY=sandbox "+
		"LIPAD_CONSUMER_SECRET=sandbox # simulated providers on %s\n", base, base)
	simulator := sandbox.New(sandbox.Options{Seed: options.seed, Faults: faults})
	return simulator.Serve(cmd.Context(), listener)
}

// readFaults reads the flag: nothing, the word hostile, JSON itself, or the name of a JSON file.
func readFaults(flag string) (sandbox.Faults, error) {
	switch {
	case flag == "":
		return sandbox.DefaultFaults(), nil
	case flag == "hostile":
		return sandbox.HostileFaults(), nil
	case strings.HasPrefix(strings.TrimSpace(flag), "{"):
		return sandbox.ParseFaults([]byte(flag))
	}
	data, err := os.ReadFile(flag)
	if err != nil {
		return sandbox.Faults{}, err
	}
	return sandbox.ParseFaults(data)
}
