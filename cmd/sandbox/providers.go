package main

import (
	"errors"
	"fmt"
	"os"
	"strings"

	"github.com/spf13/cobra"

	"tuma/internal/cli"
	"tuma/internal/providers/catalog"
	"tuma/internal/sandbox"
)

// providersOptions are the flags of "sandbox providers".
type providersOptions struct {
	addr        string
	faults      string
	seed        uint64
	callbacks   string
	allowRemote bool
}

func newProvidersCommand() *cobra.Command {
	var options providersOptions
	cmd := &cobra.Command{
		Use:   "providers",
		Short: "Serve the simulated providers until stopped",
		Long: `Serve the simulated providers on one address until SIGINT or SIGTERM: Lipad, Africa's
Talking, QuickSMS and Sozuri. They take any credentials.

The first line on standard output sets the variables of a Tuma that is to use them. The ledger is
at /sandbox/ledger, /sandbox/ledger/recipients and /sandbox/ledger/phones; /sandbox/ledger/lost
lists the recipients whose answer was lost; /sandbox/faults shows the faults (GET), replaces
them (PUT) and changes some (PATCH); ?provider=NAME narrows all of these to one provider. POST
/sandbox/reset starts afresh. With --callbacks they report how recipients ended, as a poller's
callback listener expects it.`,
		Example: `  sandbox providers
  sandbox providers --faults '{"send":{"lost_after":0.05,"latency":"200ms"},"repeat":"replay"}'
  sandbox providers --faults hostile --seed 7
  sandbox providers --callbacks "http://127.0.0.1:8081/callbacks/$TUMA_CALLBACK_TOKEN"`,
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error { return serveProviders(cmd, options) },
	}
	flags := cmd.Flags()
	flags.StringVar(&options.addr, "addr", "127.0.0.1:9090", "address to listen on")
	flags.StringVar(&options.faults, "faults", "",
		"a JSON file, JSON itself, or the word hostile (default: no faults)")
	flags.Uint64Var(&options.seed, "seed", 0, "seed of every draw; the same seed, the same outcomes")
	flags.StringVar(&options.callbacks, "callbacks", "",
		"URL under which callbacks are posted (default: no callbacks)")
	flags.BoolVar(&options.allowRemote, "allow-remote", false,
		"listen on an address that other machines reach, and post callbacks to other machines")
	return cmd
}

func serveProviders(cmd *cobra.Command, options providersOptions) error {
	faults, err := readFaults(options.faults)
	if err != nil {
		return cli.Usagef("--faults: %w", err)
	}
	if options.callbacks != "" {
		switch err := sandbox.CheckCallbacks(options.callbacks, options.allowRemote); {
		case errors.Is(err, sandbox.ErrNotLoopback):
			return cli.Usagef("--callbacks: %w; add --allow-remote if it is meant", err)
		case err != nil:
			return cli.Usagef("--callbacks: %w", err)
		}
	}
	listener, err := sandbox.Listen(options.addr, options.allowRemote)
	if errors.Is(err, sandbox.ErrNotLoopback) {
		return cli.Usagef("--addr: %w; add --allow-remote if it is meant", err)
	}
	if err != nil {
		return err
	}
	fmt.Fprintln(cmd.OutOrStdout(), exports("http://"+listener.Addr().String()))
	simulator := sandbox.New(sandbox.Options{
		Seed: options.seed, Faults: faults, Callbacks: options.callbacks,
	})
	return simulator.Serve(cmd.Context(), listener)
}

// exports is the line for a shell that sets the variables of all providers.
func exports(base string) string {
	return "export " + strings.Join(catalog.Simulated(base), " ") +
		" # simulated providers on " + base
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
