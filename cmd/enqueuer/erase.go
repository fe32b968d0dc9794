package main

import (
	"errors"
	"fmt"
	"io"
	"time"

	"github.com/spf13/cobra"
	"go.uber.org/zap"

	"tuma/internal/airtime"
	"tuma/internal/app"
	"tuma/internal/cli"
	"tuma/internal/state"
)

// eraseOptions are the flags of "enqueuer erase".
type eraseOptions struct {
	who, note string
	yes       bool
}

func newEraseCommand() *cobra.Command {
	var options eraseOptions
	cmd := &cobra.Command{
		Use:   "erase PHONE",
		Short: "Replace a phone number by a keyed hash, wherever it is kept",
		Long: `Replace a phone number by what reads erased-… (a keyed hash), wherever Tuma keeps it:
recipients, their ids and what was said of them, indexes, parked callbacks, rejected jobs and dead
letters. Results of it are deleted once each consumer group and webhook has them; before that, and
those of the HTTP inlet, they stay until they are trimmed. The books do not change, and the same job
sent again is still known. It is refused (5) while a recipient with the number has not settled. It
asks first; where nobody can be asked it needs --yes. Say it again to finish what was left. It shows
what it cannot reach.`,
		Example: `  enqueuer erase 0711000123 --note "letter of 30 November"`,
		Args:    cobra.ExactArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			phone, err := airtime.ParseMSISDN(args[0])
			if err != nil {
				return cli.Usagef("PHONE: %w", err)
			}
			return withApp(cmd.Context(), func(a *app.App) error { return erase(cmd, a, options, phone) })
		},
	}
	addWho(cmd, &options.who)
	cmd.Flags().StringVar(&options.note, "note", "", "why; it is kept in the audit")
	addYes(cmd, &options.yes)
	return cmd
}

func erase(cmd *cobra.Command, a *app.App, options eraseOptions, phone airtime.MSISDN) error {
	setWho(&options.who)
	ctx, out := cmd.Context(), cmd.OutOrStdout()
	found, err := a.Store.Erasure(ctx, phone)
	if err != nil {
		return refusedErasure(err)
	}
	if !found.Empty() {
		err := confirm(cmd, options.yes, fmt.Sprintf("Erase %s for ever: %s?", phone, foundOf(found)))
		if err != nil {
			return err
		}
	}
	// What was said meanwhile of those who were erased before is erased without a question.
	if err := found.Run(ctx, options.who, options.note); err != nil {
		return refusedErasure(err)
	}
	switch {
	case found.Changed:
		personLog(a).Info("number erased by a person", zap.String("who", options.who),
			zap.String("note", options.note), zap.Stringer("number", found.Number),
			zap.Int("recipients", found.Recipients))
		fmt.Fprintf(out, "%s is %s now: %s\n", phone, found.Number, foundOf(found))
	case found.Kept > 0:
		fmt.Fprintf(out, "nothing more of %s can be erased now\n", phone)
	default:
		fmt.Fprintf(out, "nothing is kept of %s\n", phone)
	}
	printLeft(out, found, stamps(a, out))
	return nil
}

// refusedErasure gives an erasure that has to wait its exit code.
func refusedErasure(err error) error {
	if errors.Is(err, state.ErrOpen) {
		return cli.Exit(cli.ExitRefused, fmt.Errorf("%w; erase it when all of its recipients have "+
			"settled", err))
	}
	return err
}

func foundOf(e *state.Erasure) string {
	masked := cli.Plural(e.Rejected, "rejected job") + ", " +
		cli.Plural(e.DeadLetters, "dead letter") + " and " + cli.Plural(e.Parked, "parked callback")
	return fmt.Sprintf("%s; %s masked; %s deleted", cli.Plural(e.Recipients, "recipient"), masked,
		cli.Plural(e.Results, "result"))
}

// printLeft says what an erasure has left, and what it cannot reach.
func printLeft(out io.Writer, e *state.Erasure, stamp func(time.Time) string) {
	if e.Kept > 0 {
		fmt.Fprintf(out, "kept: %s on the stream, which not every reader is known to have; trimmed "+
			"after %s, or say this again when all have read\n", cli.Plural(e.Kept, "result"),
			stamp(e.KeptUntil))
	}
	if e.Names > 0 {
		fmt.Fprintf(out, "kept: %s with the number in them (references, campaigns, providers' ids): "+
			"jobs and callbacks are known by them\n", cli.Plural(e.Names, "name"))
	}
	fmt.Fprintln(out, "not reached: backups and dumps, the append-only file until it is rewritten "+
		"(BGREWRITEAOF), tasks that a service keeps in asynq, logs and files of others, and what "+
		"consumers, producers and providers have: docs/operations.md#personal-data")
}
