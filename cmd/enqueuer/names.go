package main

import (
	"context"
	"errors"
	"fmt"
	"slices"

	"github.com/spf13/cobra"

	"tuma/internal/cli"
	"tuma/internal/state"
)

// naming is how a command is told which kind of thing a name belongs to.
type naming struct{ disbursal, imported, campaign bool }

func (n *naming) addFlags(cmd *cobra.Command) {
	flags := cmd.Flags()
	flags.BoolVar(&n.disbursal, "disbursal", false, "REF is the reference of a disbursal")
	flags.BoolVar(&n.imported, "import", false, "REF is the reference of an import")
	flags.BoolVar(&n.campaign, "campaign", false, "REF is the name of a campaign")
}

// kind returns what the flags say, or nothing. A usage error is returned when they disagree.
func (n *naming) kind() (state.Kind, error) {
	var named []state.Kind
	for _, flag := range []struct {
		set  bool
		kind state.Kind
	}{
		{n.disbursal, state.KindDisbursal},
		{n.imported, state.KindImport},
		{n.campaign, state.KindCampaign},
	} {
		if flag.set {
			named = append(named, flag.kind)
		}
	}
	switch len(named) {
	case 0:
		return "", nil
	case 1:
		return named[0], nil
	default:
		return "", cli.Usagef("choose one of --disbursal, --import and --campaign")
	}
}

// find returns what the name belongs to. state.ErrNotFound is returned, beside the kind that the
// flags ask for, when nothing of that kind has the name; a usage error when several kinds have it
// and no flag chooses.
func (n *naming) find(ctx context.Context, s *state.Store, name string) (state.Kind, error) {
	asked, err := n.kind()
	if err != nil {
		return "", err
	}
	found, err := s.KindOf(ctx, name)
	var ambiguous *state.AmbiguousError
	switch {
	case errors.As(err, &ambiguous) && asked == "":
		return "", cli.Usage(err)
	case errors.As(err, &ambiguous) && slices.Contains(ambiguous.Kinds, asked):
		return asked, nil
	case errors.As(err, &ambiguous):
		found = ambiguous.Kinds[0]
	case err != nil:
		return asked, err
	}
	if asked != "" && asked != found {
		return asked, fmt.Errorf("%s %s: %w; there is a %s of this name", asked, name,
			state.ErrNotFound, found)
	}
	return found, nil
}
