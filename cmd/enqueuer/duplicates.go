package main

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"

	"go.uber.org/zap"

	"tuma/internal/app"
	"tuma/internal/cli"
	"tuma/internal/intake"
	"tuma/internal/routing"
	"tuma/internal/state"
)

// look compares the file with what was accepted before: what today's rules have against it may be
// held already, and what they have nothing against may be paid already. It returns the connection,
// nil where the file is refused whatever the state holds. A dry run does without Redis.
func (i *importing) look(ctx context.Context) (*app.App, error) {
	if i.plan.Opposed() == 0 && i.refusal() != nil && !i.dryRun {
		return nil, nil
	}
	a, err := app.OpenFromEnvironment(ctx, zap.IncreaseLevel(zap.ErrorLevel))
	if err == nil {
		if err = i.compare(ctx, a); err == nil {
			return a, nil
		}
		err = errors.Join(fmt.Errorf("%w; nothing was accepted", err), a.Close())
	}
	var exit *cli.ExitError
	if ctx.Err() != nil || a != nil && errors.As(err, &exit) || !i.dryRun && i.refusal() == nil {
		return nil, err
	}
	fmt.Fprintf(i.cmd.ErrOrStderr(), "not compared with what was accepted before: %v\n", err)
	return nil, nil
}

// otherName says what to do about a reference that is taken.
const otherName = "What it holds stays as it is (enqueuer report shows it): import what it lacks " +
	"under another reference, or the whole file under none: it says then who was accepted before"

// compare asks the state about the import and its rows.
func (i *importing) compare(ctx context.Context, a *app.App) error {
	if !i.otherRules {
		if err := a.CheckRules(ctx); err != nil {
			return err
		}
	}
	_, err := a.Store.LookImport(ctx, i.manifest())
	switch {
	case errors.Is(err, state.ErrConflict):
		err = cli.Exit(cli.ExitRefused, fmt.Errorf("%w. %s", err, otherName))
	case errors.Is(err, state.ErrCancelled):
		err = cli.Exit(cli.ExitRefused, err)
	}
	if err != nil {
		return err
	}
	if err := i.plan.Recall(ctx, a.Store); err != nil {
		return err
	}
	if err := i.rehearse(ctx, a); err != nil {
		return err
	}
	if i.refusal() != nil && !i.dryRun {
		return nil
	}
	if err := i.findShortages(ctx, a); err != nil {
		return err
	}
	comparing := newProgress(i.cmd.ErrOrStderr(), "comparing with what was accepted before", false)
	defer comparing.finish()
	i.duplicates, err = i.plan.Duplicates(ctx, a.Store, comparing.set)
	return err
}

// rehearse finds who would be held, and the rows that guards refuse.
func (i *importing) rehearse(ctx context.Context, a *app.App) error {
	if !i.dryRun && !slices.ContainsFunc(a.Config.Routing.Guards, func(g routing.Guard) bool {
		return g.Refuse
	}) {
		return nil
	}
	rehearsing := newProgress(i.cmd.ErrOrStderr(), "asking the guards", false)
	defer rehearsing.finish()
	done := int64(0)
	return i.plan.Rehearse(ctx, func(
		ctx context.Context, disbursals []state.Disbursal, so *state.Rehearsal,
	) (state.Acceptance, error) {
		for i := range disbursals {
			done += int64(len(disbursals[i].Recipients))
		}
		rehearsing.set(done, max(done, i.plan.Recipients))
		return a.Store.Rehearse(ctx, disbursals, so)
	})
}

// repeated asks about rows that were accepted under another name, or returns why the import is
// refused for them.
func (i *importing) repeated(path string) error {
	if i.duplicates.Rows == 0 {
		return nil
	}
	for _, row := range i.duplicates.First {
		fmt.Fprintln(i.cmd.ErrOrStderr(), row.Error())
	}
	if rest := i.duplicates.Rows - int64(len(i.duplicates.First)); rest > 0 {
		fmt.Fprintf(i.cmd.ErrOrStderr(), "and %d more\n", rest)
	}
	found := fmt.Sprintf("%d of %s accepted under another name in the last 30 days: %s",
		i.duplicates.Rows, cli.Plural(i.plan.Recipients, "recipient"), named(i.duplicates))
	switch {
	case i.again:
		fmt.Fprintln(i.cmd.ErrOrStderr(), found+"; they are paid again, unless a guard holds them")
		return nil
	case !i.dryRun && path != "-" && canAsk(i.cmd):
		if ask(i.cmd, found+". Pay them again?") {
			return nil
		}
	}
	return cli.Exit(cli.ExitRefused, errors.New(found+"; nothing was accepted: leave them out (the "+
		"file of --rejects holds what is missing), or pay them again with --again"))
}

// namesShown is how many names of duplicates are printed.
const namesShown = 5

// named lists what duplicates were accepted under.
func named(d intake.Duplicates) string {
	var names []string
	rest := d.Rows
	for n, name := range d.Names {
		if n == namesShown {
			break
		}
		names = append(names, fmt.Sprintf("%d under %s", name.Rows, name))
		rest -= name.Rows
	}
	if rest > 0 {
		names = append(names, fmt.Sprintf("%d under others", rest))
	}
	return strings.Join(names, ", ")
}
