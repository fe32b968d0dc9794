package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"
	"time"

	"github.com/spf13/cobra"
	"go.uber.org/zap"

	"tuma/internal/airtime"
	"tuma/internal/app"
	"tuma/internal/cli"
	"tuma/internal/state"
)

// resolveOptions are the flags of "enqueuer indoubt resolve".
type resolveOptions struct {
	batch, reference, phone, file string
	as, evidence, who, producer   string
	resubmit, unconfirmed, json   bool
	yes                           bool
}

func newResolveCommand() *cobra.Command {
	var options resolveOptions
	cmd := &cobra.Command{
		Use:   "resolve",
		Short: "Settle recipients by a person's word",
		Long: `Settle recipients that wait for a person by a decision, which is kept with who, when and
why. --batch and --reference take those that are in doubt or overdue; --unconfirmed adds the
unconfirmed, and --phone names one recipient, also to correct an earlier word. --file takes the
rows of indoubt list --csv or of report, with their status, batch and amount.

What will be settled is shown, and asked about; --yes is for scripts. A word is for the sending and
the amount that were seen: refused (5) if status, batch, attempt or amount are others than listed,
or while the request may still be on the wire. Unpaid recipients are settled as failed; only
--resubmit puts them back in the queue.`,
		Example: `  enqueuer indoubt resolve --batch 0198… --as paid --evidence "portal shows all as sent"
  enqueuer indoubt resolve --reference r-17 --phone 0711000000 --as unpaid --resubmit \
    --evidence "ticket 4711"
  enqueuer indoubt resolve --file doubts.csv --as unpaid --evidence "portal, 21 Nov" --yes`,
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
	addProducerFlag(cmd, &options.producer)
	completeFlag(cmd, "reference", state.KindDisbursal, &options.producer)
	flags.StringVar(&options.file, "file", "",
		"CSV with reference, phone_number, amount, status and batch, as indoubt list --csv writes it")
	flags.StringVar(&options.as, "as", "", "paid or unpaid")
	flags.StringVar(&options.evidence, "evidence", "", "how it is known")
	addWho(cmd, &options.who)
	addYes(cmd, &options.yes)
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
	case o.producer != "" && o.reference == "":
		return cli.Usagef("--producer goes with --reference")
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
	setWho(&o.who)
	return nil
}

func resolve(cmd *cobra.Command, a *app.App, options resolveOptions) error {
	ctx := cmd.Context()
	p := picker{store: a.Store, options: options}
	var err error
	if p.listing, err = readListing(ctx, a.Store); err != nil {
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
	preview(cmd.ErrOrStderr(), p.picked, p.listing, stamps(a, cmd.ErrOrStderr()))
	if err := confirm(cmd, options.yes, options.question(p.picked)); err != nil {
		return err
	}
	resolved, err := speak(ctx, a.Store, options, p.picked)
	if resolved > 0 {
		log := personLog(a)
		log.Info("recipients decided by a person", zap.String("who", options.who),
			zap.String("note", options.evidence), zap.String("as", options.as),
			zap.Bool("resubmitted", options.resubmit), zap.Int("recipients", resolved))
	}
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

// question is what a person is asked before recipients are settled.
func (o *resolveOptions) question(picked []pick) string {
	minor := map[airtime.Currency]int64{}
	for _, r := range picked {
		minor[r.Amount.Currency] += r.Amount.Minor
	}
	then := ""
	if o.resubmit {
		then = " and send them again"
	}
	return fmt.Sprintf("Settle %s, %s, as %s%s?", cli.Plural(len(picked), "recipient"),
		airtime.SumsText(minor), o.as, then)
}

// previewed is how many lines of what a word is about are shown.
const previewed = 20

// preview shows what a word is about, a line per sending and reason, and since when it is listed.
func preview(w io.Writer, picked []pick, listed listing, stamp func(time.Time) string) {
	type line struct {
		batch    string
		attempt  int
		provider string
		status   airtime.Status
		why      airtime.Reason
	}
	var lines []line
	sums := map[line]*reviewItem{}
	for _, r := range picked {
		l := line{r.Batch, r.Attempt, r.provider, r.Seen, r.why}
		if sums[l] == nil {
			lines, sums[l] = append(lines, l), &reviewItem{}
		}
		sums[l].add(state.Member{Recipient: airtime.Recipient{Amount: r.Amount}})
	}
	t := newTable("batch", "#attempt", "provider", "status", "since", "why", "#recipients", "#amount")
	for _, l := range lines[:min(len(lines), previewed)] {
		attempt := ""
		if l.attempt > 0 {
			attempt = number(l.attempt)
		}
		since := ""
		if at := listed.sinceBatch(l.status, l.batch); !at.IsZero() {
			since = stamp(at)
		}
		t.add(l.batch, attempt, l.provider, l.status.String(), since, string(l.why),
			number(sums[l].Recipients), airtime.SumsText(sums[l].minor))
	}
	t.write(w)
	if more := len(lines) - previewed; more > 0 {
		fmt.Fprintf(w, "and %d more lines\n", more)
	}
}

// speak takes the word to the state, a thousand recipients at a time.
func speak(
	ctx context.Context, s *state.Store, options resolveOptions, picked []pick,
) (int, error) {
	decision := state.Decision{
		Paid: options.as == "paid", Resubmit: options.resubmit, Who: options.who,
		Evidence: options.evidence,
	}
	resolved := 0
	for group := range slices.Chunk(picked, state.MaxRecipients) {
		list := make([]state.Resolution, len(group))
		for i, r := range group {
			list[i] = r.Resolution
		}
		n, err := s.Resolve(ctx, decision, list)
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

// pick is a recipient that a person's word is about, with what is shown of it.
type pick struct {
	state.Resolution
	provider string
	why      airtime.Reason
}

func pickRow(r state.Row) pick { return pick{r.Resolution(), r.Provider, r.Reason} }

// listing is since when batches are in the review queues, as the list shows it.
type listing struct{ doubt, overdue, mismatched map[string]time.Time }

func readListing(ctx context.Context, s *state.Store) (listing, error) {
	l := listing{map[string]time.Time{}, map[string]time.Time{}, map[string]time.Time{}}
	items, err := s.ReviewItems(ctx)
	for _, c := range items {
		switch c.Queue {
		case state.ReviewInDoubt:
			l.doubt[c.Batch.ID] = c.Since
		case state.ReviewOverdue:
			l.overdue[c.Batch.ID] = c.Since
		case state.ReviewMismatched:
			for _, m := range c.Concerned() {
				l.mismatched[m.Reference+" "+m.Phone.Digits()] = c.Since
			}
		case state.ReviewOverpaid:
		}
	}
	return l, err
}

// since is when a recipient came into its review queue; zero where that does not say anything.
func (l listing) since(r state.Row) time.Time {
	at, disputed := l.mismatched[r.Reference+" "+r.Phone.Digits()]
	if disputed && r.Status != airtime.InDoubt {
		return at
	}
	return l.sinceBatch(r.Status, r.Batch)
}

// sinceBatch is when a batch's recipients of a status came into their review queue; zero where that
// does not say anything.
func (l listing) sinceBatch(status airtime.Status, batch string) time.Time {
	if status == airtime.InDoubt {
		return l.doubt[batch]
	}
	return l.overdue[batch]
}

// picker finds the recipients that a person's word is about.
type picker struct {
	store   *state.Store
	options resolveOptions
	listing listing
	picked  []pick
}

// listed reports whether a recipient stands in a review queue.
func (p *picker) listed(status airtime.Status, batch string) bool {
	if status == airtime.Unconfirmed {
		return p.options.unconfirmed
	}
	_, late := p.listing.overdue[batch]
	return status == airtime.InDoubt || late && status.Live() && !status.Settled()
}

// named reports whether a person may also speak about a recipient who was named one by one.
func (p *picker) named(r state.Row) bool {
	_, disputed := p.listing.mismatched[r.Reference+" "+r.Phone.Digits()]
	return p.listed(r.Status, r.Batch) || r.Status == airtime.Unconfirmed || disputed ||
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
			p.picked = append(p.picked, pick{b.Resolution(m), b.Provider, b.Why})
		}
	}
	return nil
}

// disbursal finds the name in the state of a disbursal.
func (p *picker) disbursal(ctx context.Context, reference string) (string, error) {
	names := naming{disbursal: true, producer: p.options.producer}
	found, err := names.find(ctx, p.store, reference)
	return found.name, err
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
	name, err := p.disbursal(ctx, p.options.reference)
	if err != nil {
		return err
	}
	return p.store.Report(ctx, state.KindDisbursal, name, func(r state.Row) error {
		if phone.IsZero() && p.listed(r.Status, r.Batch) || r.Phone == phone && p.named(r) {
			p.picked = append(p.picked, pickRow(r))
		}
		return nil
	})
}
