package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"strconv"
	"time"

	"github.com/spf13/cobra"

	"tuma/internal/airtime"
	"tuma/internal/app"
	"tuma/internal/cli"
	"tuma/internal/state"
)

// showOptions are the flags of "enqueuer show".
type showOptions struct {
	naming
	json bool
}

func newShowCommand() *cobra.Command {
	var options showOptions
	cmd := &cobra.Command{
		Use:   "show REF PHONE",
		Short: "Show what happened to one recipient",
		Long: `Show what happened to one recipient, oldest first: accepted, held and released, queued,
each sending and what it was answered, callbacks, status queries, providers that refused before,
what people decided, how it settled and was corrected. The last line says where that leaves the
recipient. REF is a disbursal, or an import or campaign in which the number is once. --json writes
JSON Lines; the last one is the verdict.`,
		Example: `  enqueuer show wave-7/1 0711000123
  enqueuer show wave-7 254711000123 --json`,
		Args: cobra.ExactArgs(2),
		RunE: func(cmd *cobra.Command, args []string) error {
			phone, erased := airtime.ParseErased(args[1])
			if !erased {
				var err error
				if phone, err = airtime.ParseMSISDN(args[1]); err != nil {
					return cli.Usagef("PHONE: %w", err)
				}
			}
			return withApp(cmd.Context(), func(a *app.App) error {
				return show(cmd, a, options, args[0], phone)
			})
		},
	}
	options.addFlags(cmd)
	cmd.Flags().BoolVar(&options.json, "json", false, "write JSON Lines")
	return cmd
}

// errStop ends a report early.
var errStop = errors.New("enough was read")

// oneRow finds the recipient with a number under a name.
func oneRow(
	ctx context.Context, s *state.Store, found target, name string, phone airtime.MSISDN,
) (state.Row, error) {
	var rows []state.Row
	err := s.Report(ctx, found.kind, found.name, func(r state.Row) error {
		if r.Phone == phone {
			rows = append(rows, r)
		}
		if len(rows) > 1 {
			return errStop
		}
		return nil
	})
	switch {
	case err != nil && !errors.Is(err, errStop):
		return state.Row{}, err
	case len(rows) == 0:
		return state.Row{}, fmt.Errorf("%s has no recipient %s; enqueuer find shows where the number is",
			name, phone)
	case len(rows) > 1:
		return state.Row{}, cli.Usagef("%s has %s more than once: name a disbursal, such as %s", name,
			phone, rows[0].Reference)
	}
	return rows[0], nil
}

// eventView is the JSON of an event.
type eventView struct {
	At       string `json:"at"`
	What     string `json:"what"`
	Batch    string `json:"batch"`
	Attempt  string `json:"attempt"`
	Provider string `json:"provider"`
	Detail   string `json:"detail"`
}

func show(
	cmd *cobra.Command, a *app.App, options showOptions, name string, phone airtime.MSISDN,
) error {
	found, err := options.find(cmd.Context(), a.Store, name)
	if err != nil {
		return err
	}
	row, err := oneRow(cmd.Context(), a.Store, found, name, phone)
	if err != nil {
		return err
	}
	timeline, err := a.Store.Timeline(cmd.Context(), row)
	if err != nil {
		return err
	}
	out := cmd.OutOrStdout()
	if options.json {
		return writeEvents(out, timeline)
	}
	tabulate(out, timeline, stamps(a, out))
	return nil
}

// eventViewOf shows an event with its time as it is written.
func eventViewOf(e state.Event, stamp func(time.Time) string) eventView {
	view := eventView{What: e.What, Batch: e.Batch, Provider: e.Provider, Detail: e.Detail}
	if !e.At.IsZero() {
		view.At = stamp(e.At)
	}
	if e.Attempt > 0 {
		view.Attempt = strconv.Itoa(e.Attempt)
	}
	return view
}

// writeEvents writes a timeline for programs, and at the end its verdict.
func writeEvents(w io.Writer, timeline state.Timeline) error {
	for _, e := range timeline.Events {
		view := eventViewOf(e, func(at time.Time) string { return at.Format(atLayout) })
		if err := writeJSON(w, view); err != nil {
			return err
		}
	}
	return writeJSON(w, eventView{What: "verdict", Detail: timeline.Verdict})
}

// tabulate writes a timeline for people.
func tabulate(w io.Writer, timeline state.Timeline, stamp func(time.Time) string) {
	t := newTable("at", "what", "batch", "#attempt", "provider", "detail")
	for _, e := range timeline.Events {
		view := eventViewOf(e, stamp)
		t.add(view.At, view.What, view.Batch, view.Attempt, view.Provider, view.Detail)
	}
	t.write(w)
	fmt.Fprintln(w, timeline.Verdict)
}
