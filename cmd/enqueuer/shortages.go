package main

import (
	"context"
	"errors"
	"fmt"

	"tuma/internal/airtime"
	"tuma/internal/app"
	"tuma/internal/cli"
	"tuma/internal/state"
)

// shortageView is the JSON of an account that needs more than is left there.
type shortageView struct {
	Provider string           `json:"provider"`
	Currency airtime.Currency `json:"currency"`
	Needed   string           `json:"needed"`
	Left     string           `json:"left"`
}

func viewOfShortage(s state.Shortage) shortageView {
	return shortageView{
		s.Provider, s.Currency, airtime.FormatMinor(s.Needed, s.Currency),
		airtime.FormatMinor(s.Left(), s.Currency),
	}
}

// findShortages compares what the import needs, less what the state holds of it, with the floats.
func (i *importing) findShortages(ctx context.Context, a *app.App) error {
	held, err := a.Store.ImportedFor(ctx, i.plan.Reference)
	if err != nil {
		return err
	}
	needed := map[state.FloatAccount]int64{}
	for route, total := range i.plan.Totals {
		account := state.FloatAccount{Provider: route.Provider, Currency: route.Currency}
		needed[account] = total.Minor - held[account]
	}
	i.holdsOnLowFloat = a.Config.HoldOnLowFloat
	i.shortages, err = a.Store.Shortages(ctx, needed)
	return err
}

// tooLittle says where less is left than the import needs. On a terminal it asks whether to import
// it all the same, unless what goes beyond is held anyway, and returns a refusal if not.
func (i *importing) tooLittle(path string) error {
	if len(i.shortages) == 0 {
		return nil
	}
	follows := "what goes beyond it waits until somebody tops it up; the channel may pause meanwhile"
	if i.holdsOnLowFloat {
		follows = "what goes beyond it is held for budget until more is there"
	}
	for _, s := range i.shortages {
		fmt.Fprintf(i.cmd.ErrOrStderr(), "warning: %s: %s\n", s, follows)
	}
	if i.holdsOnLowFloat || i.dryRun || path == "-" || !canAsk(i.cmd) {
		return nil
	}
	if ask(i.cmd, "Import it all the same?") {
		return nil
	}
	return cli.Exit(cli.ExitRefused, errors.New("the answer was no; nothing was accepted"))
}
