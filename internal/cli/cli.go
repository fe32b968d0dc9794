// Package cli is what the commands share: exit codes, usage errors with the nearest known name, and
// stopping by signal.
package cli

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/signal"
	"runtime/debug"
	"syscall"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"tuma/internal/nearest"
)

// Exit codes of all commands.
const (
	// ExitDone: done.
	ExitDone = 0
	// ExitFailed: failed, for a reason without an exit code of its own.
	ExitFailed = 1
	// ExitUsage: bad usage or configuration.
	ExitUsage = 2
	// ExitDrift: the books drifted, or the chain of the audit is broken.
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
	root.Version = Version()
	root.SetVersionTemplate("{{.Name}} {{.Version}}\n")
	root.SetFlagErrorFunc(func(cmd *cobra.Command, err error) error {
		return Usagef("%w%s; see %s --help", err, meantFlag(cmd, err), cmd.CommandPath())
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
		cmd.RunE = func(cmd *cobra.Command, args []string) error {
			if len(args) == 0 {
				return Usagef("name a command; see %s --help", cmd.CommandPath())
			}
			return Usagef("unknown command %q for %q%s; see %s --help", args[0], cmd.CommandPath(),
				meantCommand(cmd, args[0]), cmd.CommandPath())
		}
		cmd.Args = cobra.ArbitraryArgs // RunE says what may have been meant.
	}
	for _, sub := range cmd.Commands() {
		visit(sub)
	}
}

// Version says what the program was built from: the version of the module, or the revision.
func Version() string {
	build, known := debug.ReadBuildInfo()
	if !known {
		return "unknown"
	}
	text := build.Main.Version
	for _, setting := range build.Settings {
		switch {
		case setting.Key == "vcs.revision":
			text += ", revision " + setting.Value
		case setting.Key == "vcs.modified" && setting.Value == "true":
			text += ", with changes"
		}
	}
	return text + ", " + build.GoVersion
}

// meantCommand says which command a misspelt one may stand for.
func meantCommand(cmd *cobra.Command, name string) string {
	var known []string
	for _, sub := range cmd.Commands() {
		if sub.IsAvailableCommand() {
			known = append(known, sub.Name())
		}
	}
	return meant(nearest.Close(name, known))
}

// meantFlag says which flag a misspelt one may stand for.
func meantFlag(cmd *cobra.Command, err error) string {
	var missing *pflag.NotExistError
	if !errors.As(err, &missing) {
		return ""
	}
	var known []string
	cmd.Flags().VisitAll(func(f *pflag.Flag) { known = append(known, "--"+f.Name) })
	return meant(nearest.Close("--"+missing.GetSpecifiedName(), known))
}

func meant(name string) string {
	if name == "" {
		return ""
	}
	return "; did you mean " + name + "?"
}

// Plural writes a count with its noun: 1 callback, 2 callbacks.
func Plural[N int | int64](n N, noun string) string {
	if n == 1 {
		return "1 " + noun
	}
	return fmt.Sprintf("%d %ss", n, noun)
}
