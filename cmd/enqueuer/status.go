package main

import (
	"context"
	"errors"
	"fmt"
	"io"

	"github.com/spf13/cobra"

	"tuma/internal/airtime"
	"tuma/internal/app"
	"tuma/internal/cli"
	"tuma/internal/state"
)

// statusOptions are the flags of "enqueuer status".
type statusOptions struct {
	naming
	recipients, json bool
}

func newStatusCommand() *cobra.Command {
	var options statusOptions
	cmd := &cobra.Command{
		Use:   "status [REF]",
		Short: "Show where a disbursal, import or campaign stands, or the channels of the providers",
		Long: `Show where the recipients of a disbursal, import or campaign stand: counts and
amounts per status. --recipients adds every recipient; in JSON they are the list "recipients_list",
with the fields of enqueuer report. Without REF, show the channels to the providers: what waits
there, what is on the wire, and which are paused since when and why.`,
		Example: `  enqueuer status
  enqueuer status rewards-2026-11-21-000917
  enqueuer status rewards-november --campaign --json
  enqueuer status wave-7/1 --recipients`,
		Args: cobra.MaximumNArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			if len(args) == 0 {
				if options.recipients || options.naming != (naming{}) {
					return cli.Usagef("name the disbursal, import or campaign")
				}
				return withApp(cmd.Context(), func(a *app.App) error {
					return channels(cmd, a, options.json)
				})
			}
			return withApp(cmd.Context(), func(a *app.App) error {
				return status(cmd, a, options, args[0])
			})
		},
	}
	options.addFlags(cmd)
	cmd.Flags().BoolVar(&options.recipients, "recipients", false, "list every recipient")
	cmd.Flags().BoolVar(&options.json, "json", false, "write JSON")
	return cmd
}

func status(cmd *cobra.Command, a *app.App, options statusOptions, name string) error {
	ctx, s := cmd.Context(), a.Store
	sum, err := options.summarize(ctx, s, name)
	if err != nil {
		return err
	}
	if options.json {
		return statusJSON(ctx, cmd.OutOrStdout(), s, sum, options.recipients)
	}
	now, err := readOverview(ctx, a)
	if err != nil {
		return err
	}
	if now.stats.Overdue > 0 && !sum.Settled {
		if sum.Overdue, err = overdue(ctx, s, sum.Kind, sum.Name); err != nil {
			return err
		}
	}
	printSummary(cmd.OutOrStdout(), sum)
	var lines []string
	switch at := stamps(a, cmd.OutOrStdout()); {
	case !sum.Settled:
		lines = now.blockers(at)
	case sum.Kind == state.KindCampaign:
		lines = describeControl(sum.Name, now.controls[sum.Name], at)
	}
	for _, line := range lines {
		fmt.Fprintln(cmd.OutOrStdout(), line)
	}
	if options.recipients {
		return listRecipients(ctx, cmd.OutOrStdout(), a, sum)
	}
	return nil
}

// summarize finds the name and counts. A name of which nothing is known but a cancel mark counts as
// found when a flag says what it is.
func (n *naming) summarize(
	ctx context.Context, s *state.Store, name string,
) (state.Summary, error) {
	found, missing := n.find(ctx, s, name)
	if missing != nil && (!errors.Is(missing, state.ErrNotFound) || found.kind == "") {
		return state.Summary{}, missing
	}
	sum, err := s.Summarize(ctx, found.kind, found.name)
	if missing != nil && sum.Cancelled && errors.Is(err, state.ErrNotFound) {
		err = nil
	}
	if missing != nil && !sum.Cancelled {
		err = missing
	}
	return sum, err
}

// overdue counts the recipients of a name that are overdue.
func overdue(ctx context.Context, s *state.Store, kind state.Kind, name string) (int64, error) {
	listed, err := readListing(ctx, s)
	if err != nil || len(listed.overdue) == 0 {
		return 0, err
	}
	var count int64
	err = s.Report(ctx, kind, name, func(r state.Row) error {
		if _, late := listed.overdue[r.Batch]; late && !r.Status.Settled() &&
			r.Status != airtime.InDoubt {
			count++
		}
		return nil
	})
	return count, err
}

// statusView is the JSON of status.
type statusView struct {
	Reference  string                `json:"reference"`
	Recipients int64                 `json:"recipients"`
	Settled    bool                  `json:"settled"`
	Statuses   map[string]totalsView `json:"statuses"`
	// Discounts are per currency, left out where no provider gave any.
	Discounts map[string]string `json:"discounts,omitempty"`
}

type totalsView struct {
	Recipients int64             `json:"recipients"`
	Amounts    map[string]string `json:"amounts"`
}

func viewOf(sum state.Summary) statusView {
	view := statusView{
		Reference: sum.Reference, Recipients: sum.Recipients, Settled: sum.Settled,
		Statuses: map[string]totalsView{},
	}
	for s, totals := range sum.Statuses {
		amounts := map[string]string{}
		for currency, minor := range totals.Amounts {
			amounts[string(currency)] = airtime.FormatMinor(minor, currency)
		}
		view.Statuses[s.String()] = totalsView{totals.Recipients, amounts}
	}
	view.Discounts = discounts(sum)
	return view
}

// discounts writes what providers took off, per currency; nil where they gave none.
func discounts(sum state.Summary) map[string]string {
	var texts map[string]string
	for currency, units := range sum.Discounts {
		if texts == nil {
			texts = map[string]string{}
		}
		texts[string(currency)] = airtime.FormatDiscount(units)
	}
	return texts
}

// statusJSON writes the view, of a campaign with what people decided about it; the recipients are
// streamed behind it, since they may be a million.
func statusJSON(
	ctx context.Context, w io.Writer, s *state.Store, sum state.Summary, recipients bool,
) error {
	if !recipients {
		controls, err := s.CampaignControls(ctx)
		if err != nil {
			return err
		}
		view := struct {
			statusView
			controlView
		}{statusView: viewOf(sum)}
		if sum.Kind == state.KindCampaign {
			view.controlView = viewOfControl(controls[sum.Name])
		}
		return writeJSON(w, view)
	}
	return writeStatus(w, sum, func(each func(state.Row) error) error {
		if sum.Recipients == 0 {
			return nil
		}
		return s.Report(ctx, sum.Kind, sum.Name, each)
	})
}

// printSummary shows counts and amounts per status.
func printSummary(w io.Writer, sum state.Summary) {
	word := "open"
	if sum.Settled {
		word = "settled"
	}
	fmt.Fprintf(w, "%s %s: %s, %s\n", sum.Kind, sum.Reference, cli.Plural(sum.Recipients, "recipient"),
		word)
	if sum.Cancelled {
		fmt.Fprintln(w, "cancelled: what comes later under this name is refused")
	}
	if sum.Overdue > 0 {
		fmt.Fprintf(w, "overdue: %s open for longer than the provider takes; see enqueuer indoubt list\n",
			cli.Plural(sum.Overdue, "recipient"))
	}
	if len(sum.Statuses) == 0 {
		return
	}
	t := newTable("status", "#recipients", "#amount")
	all := map[airtime.Currency]int64{}
	for _, s := range airtime.Statuses() {
		totals, there := sum.Statuses[s]
		if !there {
			continue
		}
		for currency, minor := range totals.Amounts {
			all[currency] += minor
		}
		t.add(s.String(), number(totals.Recipients), airtime.SumsText(totals.Amounts))
	}
	t.add("total", number(sum.Recipients), airtime.SumsText(all))
	t.write(w)
}

// listedAtOnce is how many recipients are laid out together.
const listedAtOnce = 1000

// listRecipients shows every recipient, in tables of bounded size.
func listRecipients(ctx context.Context, w io.Writer, a *app.App, sum state.Summary) error {
	if sum.Recipients == 0 {
		return nil
	}
	stamp := stamps(a, w)
	var t *table
	fresh := func() {
		t = newTable("reference", "phone_number", "#amount", "provider", "status", "reason", "at")
	}
	fresh()
	err := a.Store.Report(ctx, sum.Kind, sum.Name, func(r state.Row) error {
		t.add(r.Reference, r.Phone.Digits(), r.Amount.String(), r.Provider+before(r),
			r.Status.String(), string(r.Reason), stamp(r.At))
		if len(t.rows) == listedAtOnce {
			t.write(w)
			fresh()
		}
		return nil
	})
	if len(t.rows) > 0 {
		t.write(w)
	}
	return err
}
