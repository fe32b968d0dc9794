package main

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"maps"
	"slices"
	"strconv"
	"time"

	"github.com/spf13/cobra"

	"tuma/internal/airtime"
	"tuma/internal/app"
	"tuma/internal/cli"
	"tuma/internal/intake"
	"tuma/internal/providers"
	"tuma/internal/state"
)

func newInDoubtCommand() *cobra.Command {
	cmd := &cobra.Command{
		Use:   "indoubt",
		Short: "What only a person can settle",
		Long: `What only a person can settle: recipients that may or may not have been paid (in
doubt), that are open for longer than their provider takes (overdue), that were paid twice
(overpaid), of whom their provider says what cannot be right (mismatched: another amount than
was sent, or failed although a person said paid), and on request those of which the provider
cannot tell more (unconfirmed).`,
		Example: `  enqueuer indoubt list
  enqueuer indoubt resolve --batch 0198… --as paid --evidence "provider's portal, 21 Nov"`,
	}
	cmd.AddCommand(newInDoubtListCommand(), newResolveCommand(), newParkedCommand())
	return cmd
}

// reviewUnconfirmed is the queue of recipients that are settled as far as a provider can tell.
const reviewUnconfirmed = state.ReviewQueue("unconfirmed")

// listOptions are the flags of "enqueuer indoubt list".
type listOptions struct {
	json, csv, unconfirmed        bool
	reference, imported, campaign string
	producer                      string
}

func newInDoubtListCommand() *cobra.Command {
	var options listOptions
	cmd := &cobra.Command{
		Use:   "list",
		Short: "List what is in doubt, overdue, overpaid and mismatched",
		Long: `List what is in doubt, overdue, overpaid and mismatched: since when, why, how much, and
what would settle it. --csv writes one row per recipient, which indoubt resolve --file takes back.

"not before" is when the request has surely arrived or never will: what the provider's people or
its portal say earlier proves nothing, and --csv leaves such recipients out, as it does whom
Redis has forgotten.`,
		Example: `  enqueuer indoubt list
  enqueuer indoubt list --unconfirmed --import wave-7
  enqueuer indoubt list --csv >doubts.csv`,
		RunE: func(cmd *cobra.Command, _ []string) error {
			if err := options.check(); err != nil {
				return err
			}
			return withApp(cmd.Context(), func(a *app.App) error {
				return listItems(cmd, a, options)
			})
		},
	}
	flags := cmd.Flags()
	flags.BoolVar(&options.json, "json", false, "write JSON")
	flags.BoolVar(&options.csv, "csv", false, "write one CSV row per recipient")
	flags.BoolVar(&options.unconfirmed, "unconfirmed", false,
		"also the unconfirmed of the --reference, --import or --campaign")
	flags.StringVar(&options.reference, "reference", "", "disbursal for --unconfirmed")
	flags.StringVar(&options.imported, "import", "", "import for --unconfirmed")
	flags.StringVar(&options.campaign, "campaign", "", "campaign for --unconfirmed")
	addProducerFlag(cmd, &options.producer)
	completeFlag(cmd, "reference", state.KindDisbursal, &options.producer)
	completeFlag(cmd, "import", state.KindImport, &options.producer)
	completeFlag(cmd, "campaign", state.KindCampaign, &options.producer)
	return cmd
}

func (o listOptions) check() error {
	named := 0
	for _, name := range []string{o.reference, o.imported, o.campaign} {
		if name != "" {
			named++
		}
	}
	switch {
	case o.json && o.csv:
		return cli.Usagef("choose one of --json and --csv")
	case o.unconfirmed && named != 1:
		return cli.Usagef("--unconfirmed: name one --reference, --import or --campaign")
	case !o.unconfirmed && (named > 0 || o.producer != ""):
		return cli.Usagef("--reference, --import, --campaign and --producer go with --unconfirmed")
	}
	return nil
}

// find returns what --unconfirmed is about.
func (o listOptions) find(ctx context.Context, s *state.Store) (target, error) {
	names := naming{
		disbursal: o.reference != "", imported: o.imported != "", campaign: o.campaign != "",
		producer: o.producer,
	}
	return names.find(ctx, s, o.reference+o.imported+o.campaign)
}

// itemView is the JSON of one recipient that waits for people.
type itemView struct {
	Kind      state.ReviewQueue `json:"kind"`
	Reference string            `json:"reference"`
	Phone     string            `json:"phone_number"`
	Amount    string            `json:"amount"`
	Currency  string            `json:"currency"`
	Provider  string            `json:"provider"`
	Batch     string            `json:"batch"`
	Attempt   int               `json:"attempt,omitempty"`
	Since     string            `json:"since"`
	Reason    airtime.Reason    `json:"reason"`
	Message   string            `json:"message"`
	NotBefore string            `json:"not_before"`
	SettleBy  string            `json:"settle_by"`
}

// viewItems lists the recipients of the items, one each.
func viewItems(items []reviewItem) []itemView {
	views := []itemView{}
	for _, c := range items {
		view := itemView{
			Kind: c.Queue, Provider: c.Provider, Batch: c.Batch, Attempt: c.Attempt,
			Since: c.since(inMillis), SettleBy: c.Settle,
		}
		if c.NotBefore != nil {
			view.NotBefore = c.NotBefore.Format(time.RFC3339)
		}
		for _, m := range c.members {
			view.Reference, view.Phone = m.Reference, m.Phone.Digits()
			view.Amount, view.Currency = amountOf(m), string(m.Amount.Currency)
			view.Reason, view.Message = m.Reason, m.Message
			views = append(views, view)
		}
	}
	return views
}

// reviewItem is one line of the list, with everything that is said about it.
type reviewItem struct {
	Queue      state.ReviewQueue
	Since      time.Time
	Batch      string
	Provider   string
	Recipients int
	Why        airtime.Reason
	Settle     string
	// NotBefore is when it can be known what became of them; nil when that has passed.
	NotBefore *time.Time
	// Attempt is the last sending of the batch.
	Attempt int

	minor   map[airtime.Currency]int64
	members []state.Member
}

func (c *reviewItem) add(m state.Member) {
	if c.minor == nil {
		c.minor = map[airtime.Currency]int64{}
	}
	c.members = append(c.members, m)
	c.Recipients++
	if m.Amount.Currency == "" {
		return // Nobody knows the amount any more.
	}
	c.minor[m.Amount.Currency] += m.Amount.Minor
}

// since writes since when it waits, where that is known.
func (c *reviewItem) since(stamp func(time.Time) string) string {
	if c.Since.IsZero() {
		return ""
	}
	return stamp(c.Since)
}

func inMillis(at time.Time) string { return at.UTC().Format(atLayout) }

// amountOf writes the amount of a recipient, where the state still knows it.
func amountOf(m state.Member) string {
	if m.Amount.Currency == "" {
		return ""
	}
	return m.Amount.Decimal()
}

func listItems(cmd *cobra.Command, a *app.App, options listOptions) error {
	stamp := stamps(a, cmd.OutOrStdout())
	if options.json {
		stamp = utc
	}
	items, err := reviewItems(cmd.Context(), a, stamp)
	if err != nil {
		return err
	}
	if options.unconfirmed {
		found, err := options.find(cmd.Context(), a.Store)
		if err != nil {
			return err
		}
		more, err := unconfirmed(cmd.Context(), a.Store, found.kind, found.name)
		if err != nil {
			return err
		}
		items = append(items, more...)
	}
	switch out := cmd.OutOrStdout(); {
	case options.json:
		return writeJSON(out, map[string][]itemView{"cases": viewItems(items)})
	case options.csv:
		return writeItems(out, cmd.ErrOrStderr(), items)
	case len(items) == 0:
		fmt.Fprintln(out, "nothing waits for people")
	default:
		printItems(out, items, stamp)
	}
	return nil
}

// reviewItems lists what the state has for people with what would settle them, in which stamp
// writes instants.
func reviewItems(
	ctx context.Context, a *app.App, stamp func(time.Time) string,
) ([]reviewItem, error) {
	found, err := a.Store.ReviewItems(ctx)
	if err != nil {
		return nil, err
	}
	items := make([]reviewItem, len(found))
	for i, c := range found {
		items[i] = reviewItem{
			Queue: c.Queue, Since: c.Since, Batch: c.Batch.ID, Attempt: c.Batch.Attempt,
			Provider: c.Batch.Provider, Why: c.Why,
			Settle: settler(a.Rules.Providers[c.Batch.Provider], c),
		}
		if c.Queue == state.ReviewInDoubt && c.Batch.StillOut > 0 {
			// Whole seconds, rounded up: who looks at that second is not too early.
			at := c.Batch.Read.Add(c.Batch.StillOut + time.Second).Truncate(time.Second)
			items[i].NotBefore = &at
			items[i].Settle = "not before " + stamp(at) +
				", when the request has surely arrived or never will: " + items[i].Settle
		}
		for _, m := range c.Concerned() {
			items[i].add(m)
		}
	}
	return items, nil
}

// unconfirmed lists the unconfirmed recipients of a name, batch by batch.
func unconfirmed(
	ctx context.Context, s *state.Store, kind state.Kind, name string,
) ([]reviewItem, error) {
	byBatch := map[string]*reviewItem{}
	err := s.Report(ctx, kind, name, func(r state.Row) error {
		if r.Status != airtime.Unconfirmed {
			return nil
		}
		c := byBatch[r.Batch]
		if c == nil {
			c = &reviewItem{
				Queue: reviewUnconfirmed, Since: r.At, Batch: r.Batch, Provider: r.Provider,
				Why: r.Reason, Settle: "a person: the provider cannot tell more",
			}
			byBatch[r.Batch] = c
		}
		c.add(state.Member{
			Recipient: airtime.Recipient{Phone: r.Phone, Amount: r.Amount},
			Reference: r.Reference, Status: r.Status, Reason: r.Reason, Message: r.Message,
		})
		return nil
	})
	items := make([]reviewItem, 0, len(byBatch))
	for _, batch := range slices.Sorted(maps.Keys(byBatch)) {
		items = append(items, *byBatch[batch])
	}
	return items, err
}

// settler says what would settle a case, as far as the catalog knows the provider.
func settler(p providers.Capabilities, c state.ReviewItem) string {
	left := p.ResendWithin - c.Batch.Age
	switch {
	case c.Queue == state.ReviewOverpaid && c.Batch.Members[0].Phone.IsZero():
		return forgottenSettler(c.Batch.Members[0].Reference)
	case c.Queue == state.ReviewOverpaid:
		return "nothing here: two effects were seen; ask the provider for one back"
	case c.Queue == state.ReviewMismatched && c.Why == airtime.ReasonAmount:
		return "a person: ask the provider which amount was paid, then resolve --as paid"
	case c.Queue == state.ReviewMismatched:
		return "a person: the provider says failed where paid was said; look again"
	case c.Queue == state.ReviewInDoubt && p.Asks == providers.AskByBatch:
		return "query by reference, repeated until known; or a person"
	case c.Queue == state.ReviewInDoubt && left > 0 && c.Why != airtime.ReasonDuplicate:
		return "sent again with the same key if that ends within " + seconds(left) +
			"; a callback about this number and amount; or a person"
	case c.Queue == state.ReviewInDoubt && p.Callbacks:
		return "a callback about this number and amount, while it is the only one out; or a person"
	case c.Queue == state.ReviewOverdue && p.Asks != providers.AskNothing:
		return "the provider, still asked now and then; or a person"
	case c.Queue == state.ReviewOverdue && p.Callbacks:
		return "a late callback; or a person"
	default:
		return "a person: the provider cannot tell"
	}
}

// forgottenSettler says what would settle an acceptance of which Redis has forgotten the recipient.
func forgottenSettler(reference string) string {
	if reference == "" {
		return "nothing here: Redis has forgotten the recipient; ask the provider for the batch"
	}
	return "accept " + reference + " again: Redis has forgotten it, and no recipient is paid twice; " +
		"else ask the provider"
}

func printItems(w io.Writer, items []reviewItem, stamp func(time.Time) string) {
	t := newTable("kind", "since", "batch", "provider", "#recipients", "#amount", "why",
		"what would settle it")
	for _, c := range items {
		t.add(string(c.Queue), c.since(stamp), c.Batch, c.Provider,
			number(c.Recipients), airtime.SumsText(c.minor), string(c.Why), c.Settle)
	}
	t.write(w)
}

// writeItems writes one row per recipient, which resolve --file compares with what is then.
// Those of whom nobody can know yet, or whose number is forgotten, are left out and named on notes.
func writeItems(w, notes io.Writer, items []reviewItem) error {
	out := intake.NewCellWriter(w)
	err := out.Write([]string{
		"kind", "since", "batch", "attempt", "provider", "reference", "phone_number", "amount",
		"currency", "status", "why",
	})
	for _, c := range items {
		if c.NotBefore != nil {
			fmt.Fprintf(notes, "left out: %s of batch %s, whose request may still arrive until %s\n",
				cli.Plural(c.Recipients, "recipient"), c.Batch, c.NotBefore.Format(time.RFC3339))
			continue
		}
		for _, m := range c.members {
			if m.Phone.IsZero() {
				fmt.Fprintf(notes, "left out: a recipient of batch %s that Redis has forgotten (%s)\n",
					c.Batch, cmp.Or(m.Reference, "reference unknown"))
				continue
			}
			err = errors.Join(err, out.Write([]string{
				string(c.Queue), c.since(utc), c.Batch, strconv.Itoa(c.Attempt), c.Provider, m.Reference,
				m.Phone.Digits(), m.Amount.Decimal(), string(m.Amount.Currency),
				m.Status.String(), string(c.Why),
			}))
		}
	}
	return errors.Join(err, out.Flush())
}
