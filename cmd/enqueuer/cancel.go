package main

import (
	"errors"
	"fmt"

	"github.com/spf13/cobra"

	"tuma/internal/airtime"
	"tuma/internal/app"
	"tuma/internal/cli"
	"tuma/internal/intake"
	"tuma/internal/state"
)

// cancelOptions are the flags of "enqueuer cancel".
type cancelOptions struct {
	naming
	json bool
}

func newCancelCommand() *cobra.Command {
	var options cancelOptions
	cmd := &cobra.Command{
		Use:   "cancel REF",
		Short: "Withdraw what is not on the wire, now and later",
		Long: `Withdraw what is not on the wire of a disbursal, import or campaign. The mark lasts:
what comes later under this name is refused. A name that does not exist yet can be cancelled when a
flag says what it is. Nothing is asked; recipients on the wire or beyond are too late and go on.`,
		Example: `  enqueuer cancel rewards-2026-11-21-000917
  enqueuer cancel rewards-november --campaign`,
		Args: cobra.ExactArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			return withApp(cmd.Context(), func(a *app.App) error {
				return cancel(cmd, a.Store, options, args[0])
			})
		},
	}
	options.addFlags(cmd)
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

func cancel(cmd *cobra.Command, s *state.Store, options cancelOptions, name string) error {
	ctx := cmd.Context()
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
	names := []string{found.name}
	if unknown { // Whatever will come that can be meant.
		names = options.readings(name)
	}
	for _, name := range names {
		if _, err := s.Cancel(ctx, kind, name); err != nil {
			return err
		}
	}
	sum, err := s.Summarize(ctx, kind, names[0])
	if err != nil && !errors.Is(err, state.ErrNotFound) {
		return err
	}
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
	if options.json {
		return writeJSON(cmd.OutOrStdout(), view)
	}
	fmt.Fprintf(cmd.OutOrStdout(), "%s %s is cancelled: %d withdrawn, %d too late (on the wire, at "+
		"the provider or in doubt), %d settled before\n", kind, name, view.Withdrawn, view.TooLate,
		view.Settled)
	switch {
	case unknown:
		fmt.Fprintln(cmd.OutOrStdout(), "nothing has this name yet; what comes under it is refused")
	case view.Withdrawn > 0 && kind == state.KindCampaign:
		fmt.Fprintf(cmd.OutOrStdout(), "to send them after all, give them another campaign in the file: "+
			"%s\n", sendAgain(kind, name, airtime.Cancelled))
	case view.Withdrawn > 0:
		fmt.Fprintf(cmd.OutOrStdout(), "to send them after all: %s\n",
			sendAgain(kind, name, airtime.Cancelled))
	}
	return nil
}

// sendAgain says which commands send those of a name that ended in a status once more.
func sendAgain(kind state.Kind, name string, status airtime.Status) string {
	return fmt.Sprintf("enqueuer report --%s %s --status %s -o rest.csv, "+
		"then enqueuer import rest.csv", kind, name, status)
}
