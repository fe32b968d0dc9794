package main

import (
	"encoding/json"
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
	"tuma/internal/state"
)

// statementOptions are the flags of "enqueuer statement".
type statementOptions struct {
	month, provider string
	csv, json       bool
}

// monthLayout is how a month is written.
const monthLayout = "2006-01"

func newStatementCommand() *cobra.Command {
	var options statementOptions
	cmd := &cobra.Command{
		Use:   "statement",
		Short: "Say what became of the money of a month",
		Long: `Say what became of the money of a month: a line for each day of acceptance (in
TUMA_TIMEZONE), provider, currency and campaign. The money of a recipient who went on to another
provider stands at that one. requested is the sum of paid (successful, or unconfirmed where the
provider tells no more), failed, reversed, refunded, in_doubt, open, rejected and cancelled.
discount is what the provider took off for those who are paid, and no part of requested.

The figures are those of the books, to the cent the sums over the recipients in reports, and go on
to follow them until all are settled. What is no longer kept (TUMA_RETENTION) stays in them for
ever. A table leaves columns without money out; --csv and --json have all.`,
		Example: `  enqueuer statement --month 2026-11
  enqueuer statement --month 2026-11 --csv > november.csv`,
		RunE: func(cmd *cobra.Command, _ []string) error {
			if options.csv && options.json {
				return cli.Usagef("choose one of --csv and --json")
			}
			return withApp(cmd.Context(), func(a *app.App) error {
				return options.run(cmd, a)
			})
		},
	}
	flags := cmd.Flags()
	flags.StringVar(&options.month, "month", "", "the month, such as 2026-11 (default: this month)")
	flags.StringVar(&options.provider, "provider", "", "only this provider")
	flags.BoolVar(&options.csv, "csv", false, "write CSV")
	flags.BoolVar(&options.json, "json", false, "write JSON Lines")
	return cmd
}

func (o statementOptions) run(cmd *cobra.Command, a *app.App) error {
	if o.month == "" {
		o.month = time.Now().In(a.Config.Timezone).Format(monthLayout)
	}
	month, err := time.Parse(monthLayout, o.month)
	if err != nil {
		return cli.Usagef("--month: %q is no month; write it as 2026-11", o.month)
	}
	out := o.writer(cmd.OutOrStdout())
	err = a.Store.Statement(cmd.Context(), month.Year(), month.Month(),
		func(l state.StatementLine) error {
			if o.provider != "" && o.provider != l.Provider {
				return nil
			}
			return out.line(l)
		})
	if err != nil {
		return err
	}
	return out.end()
}

// statementWriter writes the lines of a statement.
type statementWriter interface {
	line(state.StatementLine) error
	end() error
}

func (o statementOptions) writer(out io.Writer) statementWriter {
	switch {
	case o.json:
		return statementJSON{out}
	case o.csv:
		cells := intake.NewCellWriter(out)
		_ = cells.Write(statementColumns) // Flush reports what went wrong.
		return statementCSV{cells}
	}
	totals := map[airtime.Currency]state.StatementLine{}
	return &statementTable{out: out, month: o.month, totals: totals}
}

// statementColumns are the columns of a statement, in order. Those before recipients are words,
// those behind it money.
var statementColumns = []string{
	"day", "provider", "currency", "campaign", "recipients", "requested", "paid", "failed", "reversed",
	"refunded", "discount", "in_doubt", "open", "rejected", "cancelled",
}

// statementCells are the values of a line, in the order of statementColumns.
func statementCells(l state.StatementLine) []string {
	money := func(minor int64) string { return airtime.FormatMinor(minor, l.Currency) }
	return []string{
		l.Day, l.Provider, string(l.Currency), l.Campaign, number(l.Recipients), money(l.Requested),
		money(l.Paid), money(l.Failed), money(l.Reversed), money(l.Refunded),
		airtime.FormatDiscount(l.Discount), money(l.InDoubt), money(l.Open), money(l.Rejected),
		money(l.Cancelled),
	}
}

// recipientsColumn is the column that is a count.
const recipientsColumn = 4

// statementJSON writes JSON Lines.
type statementJSON struct{ out io.Writer }

func (w statementJSON) line(l state.StatementLine) error {
	text := []byte("{")
	for i, cell := range statementCells(l) {
		value := json.RawMessage(cell)
		if i != recipientsColumn {
			value, _ = json.Marshal(cell) // A text: it cannot fail.
		}
		if i > 0 {
			text = append(text, ',')
		}
		text = append(strconv.AppendQuote(text, statementColumns[i]), ':')
		text = append(text, value...)
	}
	if _, err := w.out.Write(append(text, "}\n"...)); err != nil {
		return fmt.Errorf("write statement: %w", err)
	}
	return nil
}

func (w statementJSON) end() error { return nil }

// statementCSV writes CSV.
type statementCSV struct{ cells *intake.CellWriter }

func (w statementCSV) line(l state.StatementLine) error { return w.cells.Write(statementCells(l)) }

func (w statementCSV) end() error { return w.cells.Flush() }

// statementTable lays the lines out for people, with a total for each currency.
type statementTable struct {
	out    io.Writer
	month  string
	lines  []state.StatementLine
	totals map[airtime.Currency]state.StatementLine
}

func (w *statementTable) line(l state.StatementLine) error {
	w.lines = append(w.lines, l)
	w.totals[l.Currency] = w.totals[l.Currency].Plus(l)
	return nil
}

func (w *statementTable) end() error {
	if len(w.lines) == 0 {
		fmt.Fprintf(w.out, "nothing was accepted in %s\n", w.month)
		return nil
	}
	var rows [][]string
	for _, l := range w.lines {
		rows = append(rows, statementCells(l))
	}
	for _, currency := range slices.Sorted(maps.Keys(w.totals)) {
		total := w.totals[currency]
		total.Day, total.Currency = "total", currency
		rows = append(rows, statementCells(total))
	}
	var head []string
	var shown []int
	for i, name := range statementColumns {
		if i >= recipientsColumn {
			name = "#" + name
		}
		if i <= recipientsColumn+2 || slices.ContainsFunc(rows, func(row []string) bool {
			return hasMoney(row[i])
		}) {
			head, shown = append(head, name), append(shown, i)
		}
	}
	t := newTable(head...)
	for _, row := range rows {
		var cells []string
		for _, i := range shown {
			cells = append(cells, row[i])
		}
		t.add(cells...)
	}
	t.write(w.out)
	return nil
}

// hasMoney reports whether an amount is not zero.
func hasMoney(amount string) bool {
	return slices.ContainsFunc([]byte(amount), func(c byte) bool { return c >= '1' && c <= '9' })
}
