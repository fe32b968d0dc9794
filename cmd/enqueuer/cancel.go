package main

import (
	"errors"
	"fmt"
	"io"

	"github.com/spf13/cobra"
	"go.uber.org/zap"

	"tuma/internal/airtime"
	"tuma/internal/app"
	"tuma/internal/cli"
	"tuma/internal/intake"
	"tuma/internal/state"
)

// cancelOptions are the flags of "enqueuer cancel".
type cancelOptions struct {
	naming
	who, note string
	json, yes bool
}

func newCancelCommand() *cobra.Command {
	var options cancelOptions
	cmd := &cobra.Command{
		Use:   "cancel REF",
		Short: "Withdraw what is not on the wire, now and later",
		Long: `Withdraw what is not on the wire of a disbursal, import or campaign. The mark lasts:
what comes later under this name is refused. A name that does not exist yet can be cancelled when a
flag says what it is; a campaign that nothing has used is asked about first, since that is mostly a
misspelt one. Recipients on the wire or beyond are too late and go on.`,
		Example: `  enqueuer cancel rewards-2026-11-21-000917
  enqueuer cancel rewards-november --campaign --note "wrong list"`,
		Args: cobra.ExactArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			return withApp(cmd.Context(), func(a *app.App) error {
				return cancel(cmd, a, options, args[0])
			})
		},
	}
	options.addFlags(cmd)
	addWho(cmd, &options.who)
	cmd.Flags().StringVar(&options.note, "note", "", "why; it is kept in the audit")
	addYes(cmd, &options.yes)
	cmd.Flags().BoolVar(&options.json, "json", false, "write JSON")
	return cmd
}

// cancelView is the JSON of cancel. Recipients that had settled before are in none of the counts
// but settled.
type cancelView struct {
	Reference string     `json:"reference"`
	Kind      state.Kind `json:"kind"`
	Withdrawn int64      `json:"withdrawn"`
	TooLate   int64      `json:"too_late"`
	Settled   int64      `json:"settled"`
}

func cancel(cmd *cobra.Command, a *app.App, options cancelOptions, name string) error {
	setWho(&options.who)
	ctx, s := cmd.Context(), a.Store
	found, err := options.find(ctx, s, name)
	kind, unknown := found.kind, errors.Is(err, state.ErrNotFound)
	if err != nil && (!unknown || kind == "") {
		return err
	}
	if unknown && kind != state.KindCampaign {
		// A mark on a name that cannot be would only hide a typing error.
		if err := intake.CheckReference(name); err != nil {
			return cli.Usagef("REF: %w", err)
		}
	}
	if unknown && kind == state.KindCampaign {
		err := confirm(cmd, options.yes, fmt.Sprintf("Nothing has used the campaign %s. Refuse it "+
			"for ever?", name))
		if err != nil {
			return err
		}
	}
	names := []string{found.name}
	if unknown { // Whatever will come that can be meant.
		names = options.readings(name)
	}
	for _, name := range names {
		if _, err := s.Cancel(ctx, kind, name, options.who, options.note); err != nil {
			return err
		}
	}
	sum, err := s.Summarize(ctx, kind, names[0])
	if err != nil && !errors.Is(err, state.ErrNotFound) {
		return err
	}
	view := viewOfCancel(sum, kind, name)
	log := personLog(a)
	log.Info("cancelled by a person", zap.String("who", options.who),
		zap.String("note", options.note), zap.String("kind", string(kind)), zap.String("name", name),
		zap.Int64("withdrawn", view.Withdrawn), zap.Int64("too_late", view.TooLate))
	if options.json {
		return writeJSON(cmd.OutOrStdout(), view)
	}
	printCancel(cmd.OutOrStdout(), options, view, unknown)
	return nil
}

// printCancel says what a cancel came to, and how those withdrawn are sent after all.
func printCancel(out io.Writer, options cancelOptions, view cancelView, unknown bool) {
	kind, name := view.Kind, view.Reference
	fmt.Fprintf(out, "%s %s is cancelled: %d withdrawn, %d too late (on the wire, at "+
		"the provider or in doubt), %d settled before\n", kind, name, view.Withdrawn, view.TooLate,
		view.Settled)
	for _, other := range options.also {
		if other == "" {
			break
		}
		fmt.Fprintf(out, "the %s %s has the same recipients; what comes later under it is accepted, "+
			"unless you cancel it with --%s\n", other, name, other)
	}
	switch {
	case unknown:
		fmt.Fprintln(out, "nothing has this name yet; what comes under it is refused")
	case view.Withdrawn > 0 && kind == state.KindCampaign:
		fmt.Fprintf(out, "to send them after all, give them another campaign in the file: "+
			"%s\n", sendAgain(kind, name, airtime.Cancelled))
	case view.Withdrawn > 0:
		fmt.Fprintf(out, "to send them after all: %s\n", sendAgain(kind, name, airtime.Cancelled))
	}
}

func viewOfCancel(sum state.Summary, kind state.Kind, name string) cancelView {
	view := cancelView{Reference: name, Kind: kind}
	for status, totals := range sum.Statuses {
		switch {
		case status == airtime.Cancelled:
			view.Withdrawn += totals.Recipients
		case status.Settled():
			view.Settled += totals.Recipients
		default:
			view.TooLate += totals.Recipients
		}
	}
	return view
}

// sendAgain says which commands send those of a name that ended in a status once more.
func sendAgain(kind state.Kind, name string, status airtime.Status) string {
	return fmt.Sprintf("enqueuer report --%s %s --status %s -o rest.csv, "+
		"then enqueuer import rest.csv", kind, name, status)
}
