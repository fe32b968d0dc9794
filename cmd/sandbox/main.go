// Command sandbox runs simulated providers, for tests and for people trying Tuma.
package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/signal"
	"syscall"

	"github.com/spf13/cobra"
)

// Exit codes, as all commands of Tuma have them.
const (
	exitDone   = 0
	exitFailed = 1
	exitUsage  = 2
)

// subcommands build the tree under the root; each lives in its own file.
var subcommands = []func() *cobra.Command{
	newProvidersCommand,
}

// usageError marks what the person at the keyboard can put right: exit code 2.
type usageError struct{ error }

func (e usageError) Unwrap() error { return e.error }

func main() { os.Exit(run()) }

// run is main without the exit, so that deferred calls run.
func run() int {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	// After the first signal the default behaviour is back: a second one stops at once.
	context.AfterFunc(ctx, stop)
	err := newRootCommand().ExecuteContext(ctx)
	if err == nil {
		return exitDone
	}
	fmt.Fprintf(os.Stderr, "sandbox: %v\n", err)
	if errors.As(err, &usageError{}) {
		return exitUsage
	}
	return exitFailed
}

func newRootCommand() *cobra.Command {
	root := &cobra.Command{
		Use:           "sandbox",
		Short:         "Simulated airtime providers",
		SilenceErrors: true,
		SilenceUsage:  true,
		Args:          usageArgs(cobra.NoArgs),
		RunE: func(cmd *cobra.Command, _ []string) error {
			return usageError{fmt.Errorf("name a command; see %q", cmd.CommandPath()+" --help")}
		},
	}
	// Inherited by all subcommands.
	root.SetFlagErrorFunc(func(_ *cobra.Command, err error) error { return usageError{err} })
	for _, build := range subcommands {
		root.AddCommand(build())
	}
	return root
}

// usageArgs makes a wrong number of arguments a usage error.
func usageArgs(check cobra.PositionalArgs) cobra.PositionalArgs {
	return func(cmd *cobra.Command, args []string) error {
		if err := check(cmd, args); err != nil {
			return usageError{err}
		}
		return nil
	}
}
