package main

import (
	"fmt"

	"github.com/spf13/cobra"

	"tuma/internal/airtime"
	"tuma/internal/app"
	"tuma/internal/cli"
	"tuma/internal/state"
)

// namesOptions are the flags of "enqueuer list".
type namesOptions struct {
	imports, campaigns, json bool
	limit                    int
}

// mostListed bounds what one command reads: of a campaign a book for each of its days.
const mostListed = 10_000

func newListCommand() *cobra.Command {
	var options namesOptions
	cmd := &cobra.Command{
		Use:   "list",
		Short: "List imports and campaigns, newest first",
		Long: `List imports and campaigns, newest first: when they were first accepted, who submitted
them (the user who imported, the producer, or what the job said; unknown where nothing did, several
where a campaign has more than one), and where their recipients stand. They are listed as long as
one of their disbursals is kept (TUMA_RETENTION).`,
		Example: `  enqueuer list
  enqueuer list --imports --limit 5
  enqueuer list --json`,
		RunE: func(cmd *cobra.Command, _ []string) error {
			if options.limit < 1 || options.limit > mostListed {
				return cli.Usagef("--limit: %d is not from 1 to %d", options.limit, mostListed)
			}
			return withApp(cmd.Context(), func(a *app.App) error { return listNames(cmd, a, options) })
		},
	}
	flags := cmd.Flags()
	flags.BoolVar(&options.imports, "imports", false, "only imports")
	flags.BoolVar(&options.campaigns, "campaigns", false, "only campaigns")
	flags.IntVar(&options.limit, "limit", 50, "at most so many")
	flags.BoolVar(&options.json, "json", false, "write JSON Lines")
	return cmd
}

// kinds are those that the flags ask for: without one, and with both, all.
func (o namesOptions) kinds() []state.Kind {
	switch {
	case o.imports && !o.campaigns:
		return []state.Kind{state.KindImport}
	case o.campaigns && !o.imports:
		return []state.Kind{state.KindCampaign}
	}
	return []state.Kind{state.KindImport, state.KindCampaign}
}

// listedView is the JSON of an import or a campaign.
type listedView struct {
	Name        string            `json:"name"`
	Kind        string            `json:"kind"`
	At          string            `json:"at"`
	SubmittedBy string            `json:"submitted_by"`
	Recipients  int64             `json:"recipients"`
	Settled     int64             `json:"settled"`
	Held        int64             `json:"held"`
	Amounts     map[string]string `json:"amounts"`
}

// heldStatus is of those who are accepted and must not be sent yet.
const heldStatus = "held"

func listNames(cmd *cobra.Command, a *app.App, options namesOptions) error {
	found, err := a.Store.List(cmd.Context(), options.limit, options.kinds()...)
	if err != nil {
		return err
	}
	out := cmd.OutOrStdout()
	if options.json {
		for _, l := range found {
			if err := writeJSON(out, listedJSON(l)); err != nil {
				return err
			}
		}
		return nil
	}
	if len(found) == 0 {
		fmt.Fprintln(out, "no import or campaign is kept")
		return nil
	}
	at := stamps(a, out)
	t := newTable("name", "kind", "at", "submitted_by", "#recipients", "#settled", "#held", "#amounts")
	for _, l := range found {
		t.add(l.Reference, string(l.Kind), at(l.At), l.SubmittedBy, number(l.Recipients),
			number(l.SettledRecipients()), number(l.InStatus(heldStatus)), airtime.SumsText(l.Requested()))
	}
	t.write(out)
	return nil
}

func listedJSON(l state.Listed) listedView {
	view := listedView{
		Name: l.Reference, Kind: string(l.Kind), At: l.At.Format(atLayout), SubmittedBy: l.SubmittedBy,
		Recipients: l.Recipients, Settled: l.SettledRecipients(), Held: l.InStatus(heldStatus),
		Amounts: map[string]string{},
	}
	for currency, minor := range l.Requested() {
		view.Amounts[string(currency)] = airtime.FormatMinor(minor, currency)
	}
	return view
}
