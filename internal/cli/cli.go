// Package cli is what the commands share: exit codes, usage errors, and stopping by signal.
package cli

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/signal"
	"syscall"

	"github.com/spf13/cobra"
)

// Exit codes of all commands.
const (
	ExitDone = 0
	// ExitFailed: something went wrong that is not listed below.
	ExitFailed = 1
	// ExitUsage: bad usage or configuration.
	ExitUsage = 2
	// ExitDrift: the books drifted.
	ExitDrift = 3
	// ExitSomeFailed: done, but some recipients failed.
	ExitSomeFailed = 4
	// ExitRefused: refused, nothing was accepted.
	ExitRefused = 5
	// ExitInDoubt: only in-doubt or overdue recipients are left.
	ExitInDoubt = 6
)

// ExitError ends a command with an exit code of its own.
type ExitError struct {
	Code int
	Err  error
}

// Error is the error's own text.
func (e *ExitError) Error() string { return e.Err.Error() }

// Unwrap returns the error.
func (e *ExitError) Unwrap() error { return e.Err }

// Exit marks an error with an exit code; nil stays nil.
func Exit(code int, err error) error {
	if err == nil {
		return nil
	}
	return &ExitError{Code: code, Err: err}
}

// Usage marks what the person at the keyboard can put right.
func Usage(err error) error { return Exit(ExitUsage, err) }

// Usagef is Usage of a formatted error.
func Usagef(format string, args ...any) error { return Usage(fmt.Errorf(format, args...)) }

// Run executes a command tree and returns the exit code. The first SIGINT or SIGTERM cancels the
// context, so that what is on the wire is finished and recorded; a second one stops at once.
func Run(root *cobra.Command) int {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	// Only a signal ends the context: what the program leaves registered at its end goes with it.
	context.AfterFunc(ctx, stop)
	return code(root.Name(), prepare(root).ExecuteContext(ctx))
}

// code prints an error and returns its exit code.
func code(name string, err error) int {
	if err == nil {
		return ExitDone
	}
	fmt.Fprintf(os.Stderr, "%s: %v\n", name, err)
	var exit *ExitError
	if errors.As(err, &exit) {
		return exit.Code
	}
	return ExitFailed
}

// prepare makes wrong flags, arguments and subcommands usage errors everywhere in the tree.
func prepare(root *cobra.Command) *cobra.Command {
	root.SilenceErrors, root.SilenceUsage = true, true
	root.CompletionOptions.HiddenDefaultCmd = true
	root.SetFlagErrorFunc(func(cmd *cobra.Command, err error) error {
		return Usagef("%w; see %s --help", err, cmd.CommandPath())
	})
	visit(root)
	return root
}

func visit(cmd *cobra.Command) {
	check := cmd.Args
	if check == nil {
		check = cobra.NoArgs
	}
	cmd.Args = func(cmd *cobra.Command, args []string) error {
		if err := check(cmd, args); err != nil {
			return Usagef("%w; see %s --help", err, cmd.CommandPath())
		}
		return nil
	}
	if !cmd.Runnable() && cmd.HasSubCommands() {
		cmd.RunE = func(cmd *cobra.Command, _ []string) error {
			return Usagef("name a command; see %s --help", cmd.CommandPath())
		}
	}
	for _, sub := range cmd.Commands() {
		visit(sub)
	}
}

// Plural writes a count with its noun: 1 callback, 2 callbacks.
func Plural[N int | int64](n N, noun string) string {
	if n == 1 {
		return "1 " + noun
	}
	return fmt.Sprintf("%d %ss", n, noun)
}
