package main

import (
	"errors"
	"fmt"
	"io"
	"slices"

	"github.com/spf13/cobra"

	"tuma/internal/app"
	"tuma/internal/cli"
	"tuma/internal/state"
)

// mostFound bounds what one command lists.
const mostFound = 10_000

// findOptions are the flags of "enqueuer find".
type findOptions struct {
	limit int
	json  bool
}

func newFindCommand() *cobra.Command {
	var options findOptions
	cmd := &cobra.Command{
		Use:   "find TEXT",
		Short: "Find recipients by phone number, id or a provider's reference",
		Long: `Find everybody who has a phone number, in any accepted way of writing it, an id that their
producer gave, or a provider's reference; newest by acceptance first. --json writes JSON Lines with
the columns of a report. Who settled longer ago than TUMA_RETENTION is no longer kept. The exit code
is 4 when no recipient matches.`,
		Example: `  enqueuer find 0711000123
  enqueuer find order-4711 --json`,
		Args: cobra.ExactArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			if options.limit < 1 || options.limit > mostFound {
				return cli.Usagef("--limit: %d is not from 1 to %d", options.limit, mostFound)
			}
			return withApp(cmd.Context(), func(a *app.App) error { return find(cmd, a, options, args[0]) })
		},
	}
	cmd.Flags().IntVar(&options.limit, "limit", 50, "at most so many")
	cmd.Flags().BoolVar(&options.json, "json", false, "write JSON Lines")
	return cmd
}

// errNoMatch ends a search that found nobody.
var errNoMatch = errors.New("no recipient has this phone number, id or provider's reference")

func find(cmd *cobra.Command, a *app.App, options findOptions, text string) error {
	search := state.SearchFor(text)
	search.Limit = options.limit
	rows, next, err := a.Store.Find(cmd.Context(), search)
	if err != nil {
		return err
	}
	if len(rows) == 0 {
		return cli.Exit(cli.ExitSomeFailed, errNoMatch)
	}
	if next != "" {
		fmt.Fprintf(cmd.ErrOrStderr(), "these are the newest %d; --limit shows more\n", len(rows))
	}
	if !options.json {
		writeRows(cmd.OutOrStdout(), a, rows)
		return nil
	}
	out := newRowWriter(cmd.OutOrStdout())
	for _, row := range rows {
		if err := out.row(row); err != nil {
			return err
		}
	}
	return out.flush()
}

// writeRows writes the columns of a report that any of the rows fills.
func writeRows(w io.Writer, a *app.App, rows []state.Row) {
	stamp := stamps(a, w)
	lines := make([][]string, len(rows))
	for i, row := range rows {
		lines[i] = cells(row)
		lines[i][slices.Index(reportColumns, "at")] = stamp(row.At)
	}
	var head []string
	filled := func(column int) bool {
		return slices.ContainsFunc(lines, func(line []string) bool { return line[column] != "" })
	}
	for column, name := range reportColumns {
		if filled(column) {
			head = append(head, name)
		}
	}
	t := newTable(head...)
	for _, line := range lines {
		var shown []string
		for column := range reportColumns {
			if filled(column) {
				shown = append(shown, line[column])
			}
		}
		t.add(shown...)
	}
	t.write(w)
}
