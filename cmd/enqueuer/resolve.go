package main

import (
	"context"
	"errors"
	"fmt"
	"os/user"
	"slices"
	"strings"

	"github.com/spf13/cobra"

	"tuma/internal/airtime"
	"tuma/internal/app"
	"tuma/internal/cli"
	"tuma/internal/state"
)

// resolveOptions are the flags of "enqueuer indoubt resolve".
type resolveOptions struct {
	batch, reference, phone, file string
	as, evidence, who             string
	resubmit, unconfirmed, json   bool
}

func newResolveCommand() *cobra.Command {
	var options resolveOptions
	cmd := &cobra.Command{
		Use:   "resolve",
		Short: "Settle recipients by a person's word",
		Long: `Settle recipients of the lane by a person's word, which is kept with who, when and
why. --batch and --reference take those that are in doubt or overdue; --unconfirmed adds the
unconfirmed, and --phone names one recipient, also to correct an earlier word. --file takes the
rows of indoubt list --csv or of report. Refused (5) if a status has moved since it was listed, or
while the request may still be on the wire. Unpaid recipients are settled as failed; only
--resubmit puts them back in the queue.`,
		Example: `  enqueuer indoubt resolve --batch 0198… --as paid --evidence "portal shows all as sent"
  enqueuer indoubt resolve --reference r-17 --phone 0711000000 --as unpaid --resubmit \
    --evidence "ticket 4711"
  enqueuer indoubt resolve --file lane.csv --as unpaid --evidence "statement of 21 November"`,
		RunE: func(cmd *cobra.Command, _ []string) error {
			if err := options.check(); err != nil {
				return err
			}
			return withApp(cmd.Context(), func(a *app.App) error { return resolve(cmd, a, options) })
		},
	}
	flags := cmd.Flags()
	flags.StringVar(&options.batch, "batch", "", "recipients of this batch")
	flags.StringVar(&options.reference, "reference", "", "recipients of this disbursal")
	flags.StringVar(&options.phone, "phone", "", "with --reference: this recipient only")
	flags.StringVar(&options.file, "file", "", "CSV with reference, phone_number and status")
	flags.StringVar(&options.as, "as", "", "paid or unpaid")
	flags.StringVar(&options.evidence, "evidence", "", "how it is known")
	flags.StringVar(&options.who, "who", "", "who says so (default: the user of this process)")
	flags.BoolVar(&options.resubmit, "resubmit", false, "with unpaid: back to the queue")
	flags.BoolVar(&options.unconfirmed, "unconfirmed", false, "also unconfirmed recipients")
	flags.BoolVar(&options.json, "json", false, "write JSON")
	return cmd
}

func (o *resolveOptions) check() error {
	named := 0
	for _, name := range []string{o.batch, o.reference, o.file} {
		if name != "" {
			named++
		}
	}
	switch {
	case named != 1:
		return cli.Usagef("name one of --batch, --reference and --file")
	case o.phone != "" && o.reference == "":
		return cli.Usagef("--phone goes with --reference")
	case o.as != "paid" && o.as != "unpaid":
		return cli.Usagef("--as: say paid or unpaid")
	case o.resubmit && o.as == "paid":
		return cli.Usagef("--resubmit goes with --as unpaid: who is paid is not sent again")
	case strings.TrimSpace(o.evidence) == "":
		return cli.Usagef("--evidence: say how it is known; it is kept with the decision")
	}
	if o.phone != "" {
		if _, err := airtime.ParseMSISDN(o.phone); err != nil {
			return cli.Usagef("--phone: %w", err)
		}
	}
	if o.who == "" {
		current, err := user.Current()
		if err != nil {
			return cli.Usagef("--who: say who decides: %w", err)
		}
		o.who = current.Username
	}
	return nil
}

func resolve(cmd *cobra.Command, a *app.App, options resolveOptions) error {
	ctx := cmd.Context()
	p := picker{store: a.Store, options: options}
	var err error
	if p.overdue, err = overdueBatches(ctx, a.Store); err != nil {
		return err
	}
	switch {
	case options.batch != "":
		err = p.batch(ctx)
	case options.file != "":
		err = p.file(ctx)
	default:
		err = p.reference(ctx)
	}
	if err != nil {
		return err
	}
	if len(p.picked) == 0 {
		return cli.Exit(cli.ExitRefused, errors.New("nothing to settle: no such recipient is in "+
			"doubt or overdue; nothing was changed"))
	}
	resolved, err := speak(ctx, a.Store, options, p.picked)
	if options.json {
		err = errors.Join(writeJSON(cmd.OutOrStdout(), map[string]int{"resolved": resolved}), err)
	} else if resolved > 0 {
		after := ""
		if options.resubmit {
			after = " and queued again"
		}
		fmt.Fprintf(cmd.OutOrStdout(), "%s settled as %s%s by the word of %s\n",
			cli.Plural(resolved, "recipient"), options.as, after, options.who)
	}
	return err
}

// speak takes the word to the state, a thousand recipients at a time.
func speak(
	ctx context.Context, s *state.Store, options resolveOptions, picked []state.Resolution,
) (int, error) {
	word := state.Word{
		Paid: options.as == "paid", Resubmit: options.resubmit, Who: options.who,
		Evidence: options.evidence,
	}
	resolved := 0
	for chunk := range slices.Chunk(picked, state.MaxRecipients) {
		n, err := s.Resolve(ctx, word, chunk)
		resolved += n
		if err != nil {
			err = fmt.Errorf("%w; %d of %s settled", err, resolved,
				cli.Plural(len(picked), "recipient"))
		}
		if errors.Is(err, state.ErrMoved) || errors.Is(err, state.ErrEarly) {
			err = cli.Exit(cli.ExitRefused, err)
		}
		if err != nil {
			return resolved, err
		}
	}
	return resolved, nil
}

// picker finds the recipients that a person's word is about.
type picker struct {
	store   *state.Store
	options resolveOptions
	overdue map[string]bool // Batches on the lane of the overdue.
	picked  []state.Resolution
}

// listed reports whether a recipient stands in the lane for people.
func (p *picker) listed(status airtime.Status, batch string) bool {
	switch status {
	case airtime.InDoubt:
		return true
	case airtime.Submitted, airtime.Processing, airtime.Jammed, airtime.Reprocessing:
		return p.overdue[batch]
	case airtime.Unconfirmed:
		return p.options.unconfirmed
	case airtime.Queued, airtime.Sending, airtime.Rejected, airtime.Cancelled, airtime.Failed,
		airtime.Successful, airtime.Reversed, airtime.Refunded:
		return false
	}
	return false
}

// named reports whether a person may also speak about a recipient who was named one by one.
func (p *picker) named(r state.Row) bool {
	return p.listed(r.Status, r.Batch) || r.Status == airtime.Unconfirmed ||
		r.Status.Settled() && r.Reason == airtime.ReasonPerson
}

// batch picks from one batch.
func (p *picker) batch(ctx context.Context) error {
	b, err := p.store.Load(ctx, p.options.batch)
	if err != nil {
		return err
	}
	for _, m := range b.Members {
		if m.Here && p.listed(m.Status, b.ID) {
			p.picked = append(p.picked, m.Resolution())
		}
	}
	return nil
}

// reference picks from one disbursal.
func (p *picker) reference(ctx context.Context) error {
	var phone airtime.MSISDN
	if p.options.phone != "" {
		var err error
		if phone, err = airtime.ParseMSISDN(p.options.phone); err != nil {
			return cli.Usagef("--phone: %w", err)
		}
	}
	return p.store.Report(ctx, state.KindDisbursal, p.options.reference, func(r state.Row) error {
		if phone.IsZero() && p.listed(r.Status, r.Batch) || r.Phone == phone && p.named(r) {
			p.picked = append(p.picked, r.Resolution())
		}
		return nil
	})
}
