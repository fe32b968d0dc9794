package main

import (
	"cmp"
	"errors"
	"fmt"
	"time"

	"github.com/spf13/cobra"

	"tuma/internal/airtime"
	"tuma/internal/app"
	"tuma/internal/state"
)

// holdsOptions are the flags of "enqueuer holds".
type holdsOptions struct {
	naming
	json bool
}

func newHoldsCommand() *cobra.Command {
	var options holdsOptions
	cmd := &cobra.Command{
		Use:   "holds [REF]",
		Short: "List who is held, and why",
		Long: `List who is accepted and must not be sent yet: a line for each name, reason and rule. The
name is the import's, or the reference of a single job; with REF it is that one, also a campaign or
one disbursal of an import. The reasons are looked at in this order:

  approval   another person than the one who submitted it has to approve: enqueuer release
  schedule   released by the clock
  duplicate  the same amount to the same number before: enqueuer release, or cancel
  velocity   more than a guard allows one phone number: enqueuer release, or cancel
  budget     more than a guard allows in this period: released by itself when there is room

The digest is of exactly these recipients: reference, phone number, amount and provider.`,
		Example: `  enqueuer holds
  enqueuer holds rewards-november --campaign
  enqueuer holds --json`,
		Args: cobra.MaximumNArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			return withApp(cmd.Context(), func(a *app.App) error { return listHolds(cmd, a, options, args) })
		},
	}
	options.addFlags(cmd)
	cmd.Flags().BoolVar(&options.json, "json", false, "write JSON Lines")
	return cmd
}

// heldView is the JSON of who is held for one reason.
type heldView struct {
	Name        string            `json:"name"`
	Kind        state.Kind        `json:"kind"`
	Reason      airtime.Reason    `json:"reason"`
	Rule        string            `json:"rule"`
	Recipients  int64             `json:"recipients"`
	Amounts     map[string]string `json:"amounts"`
	Since       string            `json:"since"`
	Until       string            `json:"until"`
	SubmittedBy string            `json:"submitted_by"`
	Digest      string            `json:"digest"`
}

func viewOfHeld(g *state.HeldGroup) heldView {
	view := heldView{
		Name: g.Name, Kind: g.Kind, Reason: g.Reason, Rule: g.Rule, Recipients: g.Recipients,
		Amounts: map[string]string{}, Since: g.Since.Format(atLayout),
		SubmittedBy: cmp.Or(g.SubmittedBy, state.Unknown), Digest: g.Digest,
	}
	if !g.Until.IsZero() {
		view.Until = g.Until.Format(atLayout)
	}
	for currency, minor := range g.Amounts {
		view.Amounts[string(currency)] = airtime.FormatMinor(minor, currency)
	}
	return view
}

func listHolds(cmd *cobra.Command, a *app.App, options holdsOptions, args []string) error {
	ctx := cmd.Context()
	var groups []state.HeldGroup
	var err error
	if len(args) == 0 {
		groups, err = a.Store.Holds(ctx)
	} else {
		var found target
		if found, err = options.find(ctx, a.Store, args[0]); err == nil {
			groups, err = a.Store.HeldUnder(ctx, found.kind, found.name)
		}
	}
	if err != nil && !errors.Is(err, state.ErrNotFound) {
		return err
	}
	out := cmd.OutOrStdout()
	if options.json {
		for i := range groups {
			if err := writeJSON(out, viewOfHeld(&groups[i])); err != nil {
				return err
			}
		}
		return nil
	}
	if len(groups) == 0 {
		fmt.Fprintln(out, "nothing is held")
		return nil
	}
	stamp := stamps(a, out)
	at := func(t time.Time) string {
		if t.IsZero() {
			return ""
		}
		return stamp(t)
	}
	t := newTable("name", "kind", "reason", "rule", "#recipients", "#amounts", "since", "until",
		"submitted_by", "digest")
	for i := range groups {
		g := &groups[i]
		t.add(g.Name, string(g.Kind), string(g.Reason), g.Rule, number(g.Recipients),
			airtime.SumsText(g.Amounts),
			at(g.Since), at(g.Until), cmp.Or(g.SubmittedBy, state.Unknown), g.Digest)
	}
	t.write(out)
	return nil
}
