package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"slices"
	"strings"

	"github.com/spf13/cobra"

	"tuma/internal/cli"
	"tuma/internal/state"
)

// naming is how a command is told which kind of thing a name belongs to.
type naming struct {
	disbursal, imported, campaign bool
	// producer is whose name it is; nobody's when it is noProducer.
	producer string
	// also are the other kinds that have the name and mean the same recipients.
	also [2]state.Kind
}

// noProducer stands for whatever did not come over HTTP with a token.
const noProducer = "-"

func (n *naming) addFlags(cmd *cobra.Command) {
	flags := cmd.Flags()
	flags.BoolVar(&n.disbursal, "disbursal", false, "REF is the reference of a disbursal")
	flags.BoolVar(&n.imported, "import", false, "REF is the reference of an import")
	flags.BoolVar(&n.campaign, "campaign", false, "REF is the name of a campaign")
	addProducerFlag(cmd, &n.producer)
	cmd.ValidArgsFunction = completeName(n)
}

func addProducerFlag(cmd *cobra.Command, producer *string) {
	cmd.Flags().StringVar(producer, "producer", "", "REF is what this producer of the HTTP inlet "+
		"calls it ("+noProducer+" for none); without it, producer/REF")
}

// readings are the names in the state that a name may stand for.
func (n *naming) readings(name string) []string {
	switch n.producer {
	case "":
		return state.Readings(name)
	case noProducer:
		return []string{name}
	}
	return []string{state.Own(n.producer, name)}
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

// target is what a name stands for.
type target struct {
	kind state.Kind
	// name is the one in the state.
	name string
}

// find returns what the name stands for. state.ErrNotFound is returned, beside the kind that the
// flags ask for, when nothing of that kind has the name; a usage error when several things have it
// and no flag chooses.
func (n *naming) find(ctx context.Context, s *state.Store, name string) (target, error) {
	asked, err := n.kind()
	if err != nil {
		return target{}, err
	}
	var found []target
	var missing error
	for _, reading := range n.readings(name) {
		kind, err := n.findKind(ctx, s, asked, reading)
		switch {
		case err == nil:
			found = append(found, target{kind, reading})
		case !errors.Is(err, state.ErrNotFound):
			return target{}, err
		case missing == nil:
			missing = err
		}
	}
	switch len(found) {
	case 0:
		return target{asked, n.readings(name)[0]}, fmt.Errorf("%w (what a producer sent over HTTP has "+
			"the producer in front: shop/%s)", missing, name)
	case 1:
		return found[0], nil
	}
	producer, own, _ := strings.Cut(name, "/")
	return target{}, cli.Usagef("%s is several things: a %s of this name, and the %s that the "+
		"producer %s calls %s: choose with --producer %s, or with --producer %s and %s", name,
		found[0].kind, found[1].kind, producer, own, noProducer, producer, own)
}

// findKind returns what a name in the state belongs to, among the kind that is asked for.
func (n *naming) findKind(
	ctx context.Context, s *state.Store, asked state.Kind, name string,
) (state.Kind, error) {
	found, err := s.KindOf(ctx, name)
	var ambiguous *state.AmbiguousError
	switch {
	case errors.As(err, &ambiguous) && asked == "":
		return n.choose(ctx, s, name, ambiguous)
	case errors.As(err, &ambiguous) && slices.Contains(ambiguous.Kinds, asked):
		return asked, nil
	case errors.As(err, &ambiguous):
		found = ambiguous.Kinds[0]
	case err != nil:
		return asked, err
	}
	if asked != "" && asked != found {
		return asked, fmt.Errorf("%s %s: %w; there is a %s of this name", asked, state.Shown(name),
			state.ErrNotFound, found)
	}
	return found, nil
}

// choose decides what a name of several kinds is taken for. Where all of them mean the same
// recipients it makes no difference, and an import stands for them; else a person is asked, and
// without one a usage error is returned.
func (n *naming) choose(
	ctx context.Context, s *state.Store, name string, ambiguous *state.AmbiguousError,
) (state.Kind, error) {
	same, err := s.SameRecipients(ctx, name, ambiguous.Kinds)
	if err != nil {
		return "", err
	}
	if same {
		chosen := ambiguous.Kinds[0]
		if slices.Contains(ambiguous.Kinds, state.KindImport) {
			chosen = state.KindImport
		}
		copy(n.also[:], slices.DeleteFunc(slices.Clone(ambiguous.Kinds),
			func(k state.Kind) bool { return k == chosen }))
		return chosen, nil
	}
	if !isTerminal(os.Stdin) {
		return "", cli.Usage(ambiguous)
	}
	words := make([]string, len(ambiguous.Kinds))
	for i, kind := range ambiguous.Kinds {
		sum, err := s.Summarize(ctx, kind, name)
		if err != nil {
			return "", err
		}
		words[i] = fmt.Sprintf("%s (%s)", kind, cli.Plural(sum.Recipients, "recipient"))
	}
	fmt.Fprintf(os.Stderr, "%s is several things: which do you mean, %s? ",
		ambiguous.Name, strings.Join(words, " or "))
	answer, err := readLine(ctx, os.Stdin)
	if err != nil {
		return "", fmt.Errorf("read the answer: %w", err)
	}
	for _, kind := range ambiguous.Kinds {
		if text := strings.ToLower(strings.TrimSpace(answer)); text != "" &&
			strings.HasPrefix(string(kind), text) {
			return kind, nil
		}
	}
	return "", cli.Usage(ambiguous)
}
