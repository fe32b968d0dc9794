package main

import (
	"cmp"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"

	"github.com/spf13/cobra"

	"tuma/internal/airtime"
	"tuma/internal/app"
	"tuma/internal/cli"
	"tuma/internal/state"
)

func newVerifyCommand() *cobra.Command {
	var asJSON bool
	cmd := &cobra.Command{
		Use:   "verify",
		Short: "Recount the books",
		Long: `Recount every disbursal against the books, while work goes on, and show what was
requested and where it stands, per provider and currency; and recompute the chain of the audit.
Exits with 3 when anything differs.`,
		Example: `  enqueuer verify
  enqueuer verify --json | jq .drift`,
		RunE: func(cmd *cobra.Command, _ []string) error {
			return withApp(cmd.Context(), func(a *app.App) error { return verify(cmd, a, asJSON) })
		},
	}
	cmd.Flags().BoolVar(&asJSON, "json", false, "write JSON")
	return cmd
}

func verify(cmd *cobra.Command, a *app.App, asJSON bool) error {
	recounting := newProgress(cmd.ErrOrStderr(), "recounting", false)
	recount, err := a.Store.Verify(cmd.Context(), func(page, pages int) {
		recounting.set(int64(page), int64(pages))
	})
	recounting.finish()
	if err != nil {
		return err
	}
	chain, err := a.Store.VerifyAudit(cmd.Context())
	if err != nil {
		return err
	}
	stats, err := a.Store.Stats(cmd.Context())
	if err != nil {
		return err
	}
	balances := balancesOf(stats.Book)
	if asJSON {
		err = writeJSON(cmd.OutOrStdout(), recountView{
			Balanced: len(recount.Drift) == 0, Disbursals: recount.Disbursals,
			Recipients: recount.Recipients, Overpaid: recount.Overpaid, Balances: balances,
			Drift: append([]string{}, recount.Drift...), Decisions: chain.Entries,
			AuditFault: chain.Fault,
		})
	} else {
		printRecount(cmd.OutOrStdout(), recount, balances)
		printChain(cmd.OutOrStdout(), chain)
	}
	if err != nil {
		return err
	}
	if recount.Overpaid > 0 {
		fmt.Fprintf(cmd.ErrOrStderr(), "warning: %s with a second effect; see enqueuer indoubt list\n",
			cli.Plural(recount.Overpaid, "recipient"))
	}
	var drifted error
	if len(recount.Drift) > 0 {
		drifted = cli.Exit(cli.ExitDrift, fmt.Errorf("the books drifted: %s",
			cli.Plural(len(recount.Drift), "difference")))
	}
	return errors.Join(drifted, brokenChain(chain))
}

// recountView is the JSON of verify.
type recountView struct {
	Balanced   bool      `json:"balanced"`
	Disbursals int       `json:"disbursals"`
	Recipients int       `json:"recipients"`
	Overpaid   int64     `json:"overpaid"`
	Balances   []balance `json:"balances"`
	Drift      []string  `json:"drift"`
	// Decisions counts the entries of the audit, AuditFault says where its chain breaks.
	Decisions  int    `json:"decisions"`
	AuditFault string `json:"audit_fault"`
}

// balance is the book of one provider and currency: what was requested, and the sum over statuses.
type balance struct {
	Provider  string                 `json:"provider"`
	Currency  airtime.Currency       `json:"currency"`
	Requested figure                 `json:"requested"`
	Total     figure                 `json:"total"`
	Statuses  map[string]figure      `json:"statuses"`
	minor     map[string]minorFigure // By status, and "requested".
}

// figure is a count and an amount, as a decimal.
type figure struct {
	Recipients int64  `json:"recipients"`
	Amount     string `json:"amount"`
}

type minorFigure struct{ recipients, minor int64 }

func (m minorFigure) in(c airtime.Currency) figure {
	return figure{m.recipients, airtime.FormatMinor(m.minor, c)}
}

const requested = "requested"

// balancesOf sorts the book of the state, whose fields are "provider currency status", and the same
// with " minor" and " discount".
func balancesOf(book map[string]int64) []balance {
	byRoute := map[string]*balance{}
	for field, value := range book {
		words := strings.Fields(field)
		if len(words) < 3 || words[len(words)-1] == "discount" {
			continue // Nobody requests a discount.
		}
		route := words[0] + " " + words[1]
		if byRoute[route] == nil {
			byRoute[route] = &balance{
				Provider: words[0], Currency: airtime.Currency(words[1]),
				Statuses: map[string]figure{}, minor: map[string]minorFigure{},
			}
		}
		entry := byRoute[route].minor[words[2]]
		if len(words) == 4 {
			entry.minor = value
		} else {
			entry.recipients = value
		}
		byRoute[route].minor[words[2]] = entry
	}
	balances := make([]balance, 0, len(byRoute))
	for _, b := range byRoute {
		b.sum()
		balances = append(balances, *b)
	}
	slices.SortFunc(balances, func(a, b balance) int {
		return cmp.Or(cmp.Compare(a.Provider, b.Provider), cmp.Compare(a.Currency, b.Currency))
	})
	return balances
}

// sum fills in what is shown.
func (b *balance) sum() {
	var total minorFigure
	for status, entry := range b.minor {
		if status == requested {
			b.Requested = entry.in(b.Currency)
			continue
		}
		total.recipients += entry.recipients
		total.minor += entry.minor
		if entry != (minorFigure{}) {
			b.Statuses[status] = entry.in(b.Currency)
		}
	}
	b.Total = total.in(b.Currency)
}

func printRecount(w io.Writer, recount state.Recount, balances []balance) {
	t := newTable("provider", "currency", "status", "#recipients", "#amount")
	for _, b := range balances {
		row := func(what string, f figure) {
			t.add(b.Provider, string(b.Currency), what, number(f.Recipients), f.Amount)
		}
		for _, status := range airtime.Statuses() {
			if f, there := b.Statuses[status.String()]; there {
				row(status.String(), f)
			}
		}
		row("= all statuses", b.Total)
		row("= requested", b.Requested)
	}
	if len(balances) > 0 {
		t.write(w)
	}
	word := "the books balance"
	if len(recount.Drift) > 0 {
		word = "the books drifted"
	}
	fmt.Fprintf(w, "%s: %s in %s recounted\n", word, cli.Plural(recount.Recipients, "recipient"),
		cli.Plural(recount.Disbursals, "disbursal"))
	for _, line := range recount.Drift {
		fmt.Fprintln(w, "drift:", line)
	}
}
