package main

import (
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/spf13/cobra"
	"go.uber.org/zap"

	"tuma/internal/airtime"
	"tuma/internal/app"
	"tuma/internal/cli"
	"tuma/internal/state"
)

// releaseOptions are the flags of "enqueuer release".
type releaseOptions struct {
	naming
	reason, digest, who, note string
	json, yes, otherRules     bool
}

func newReleaseCommand() *cobra.Command {
	var options releaseOptions
	cmd := &cobra.Command{
		Use:   "release REF",
		Short: "Release who is held",
		Long: `Release who is held under a disbursal, import or campaign, for one reason or for all of
them. What held them is passed; the rest is looked at again, so that an approved list still waits
for its time, and for room in a budget. An approval needs the digest that enqueuer holds shows,
and another person than the one who submitted it. Who is not released can be withdrawn: enqueuer
cancel.`,
		Example: `  enqueuer release payroll --reason approval --digest 3f0c… --note "seen with finance"
  enqueuer release rewards-17 --reason duplicate
  enqueuer release rewards-november --campaign --reason budget`,
		Args: cobra.ExactArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			name := args[0]
			return withApp(cmd.Context(), func(a *app.App) error { return release(cmd, a, options, name) })
		},
	}
	options.addFlags(cmd)
	addWho(cmd, &options.who)
	flags := cmd.Flags()
	flags.StringVar(&options.reason, "reason", "",
		"release only who is held for this: "+heldReasons()+" (default: all)")
	flags.StringVar(&options.digest, "digest", "",
		"release exactly those whom enqueuer holds shows with this digest")
	flags.StringVar(&options.note, "note", "", "why; it is kept in the audit")
	flags.BoolVar(&options.json, "json", false, "write JSON")
	addYes(cmd, &options.yes)
	addOtherRules(cmd, &options.otherRules)
	return cmd
}

// heldReasons lists the reasons to hold a recipient.
func heldReasons() string {
	var words []string
	for _, reason := range state.HoldReasons() {
		words = append(words, string(reason))
	}
	return strings.Join(words, ", ")
}

// releaseView is the JSON of release.
type releaseView struct {
	Name      string     `json:"name"`
	Kind      state.Kind `json:"kind"`
	Released  int        `json:"released"`
	Held      int        `json:"held"`
	Cancelled int        `json:"cancelled"`
}

func release(cmd *cobra.Command, a *app.App, options releaseOptions, name string) error {
	setWho(&options.who)
	reason := airtime.Reason(options.reason)
	if options.reason != "" && !slices.Contains(state.HoldReasons(), reason) {
		return cli.Usagef("--reason: %q is none; there are %s", options.reason, heldReasons())
	}
	if err := state.CheckSubmitter(options.who); err != nil {
		return cli.Usagef("--who: %w", err)
	}
	ctx := cmd.Context()
	if !options.otherRules {
		if err := a.CheckRules(ctx); err != nil {
			return err
		}
	}
	found, err := options.find(ctx, a.Store, name)
	if errors.Is(err, state.ErrNotFound) {
		return cli.Exit(cli.ExitRefused, fmt.Errorf("%w; nothing was released", err))
	}
	if err != nil {
		return err
	}
	if canAsk(cmd) && options.digest == "" {
		question := fmt.Sprintf("Release who is held under %s? They are sent then.", name)
		if err := confirm(cmd, options.yes, question); err != nil {
			return err
		}
	}
	released, err := a.Store.Release(ctx, state.Release{
		Kind: found.kind, Name: found.name, Reason: reason, Digest: options.digest, Who: options.who,
		Note: options.note,
	})
	for i := range released.Wakeups {
		a.Queues.Wake(ctx, &released.Wakeups[i])
	}
	if err != nil {
		return explainRelease(err, name)
	}
	personLog(a).Info("released by a person", zap.String("who", options.who),
		zap.String("note", options.note), zap.String("kind", string(found.kind)),
		zap.String("name", name), zap.String("reason", options.reason),
		zap.Int("recipients", released.Queued))
	view := releaseView{name, found.kind, released.Queued, released.Held, released.Cancelled}
	if options.json {
		return writeJSON(cmd.OutOrStdout(), view)
	}
	fmt.Fprintf(cmd.OutOrStdout(), "%s %s: %s released", view.Kind, name,
		cli.Plural(int64(view.Released), "recipient"))
	if view.Held > 0 {
		fmt.Fprintf(cmd.OutOrStdout(), ", %d held for another reason now (enqueuer holds %s)", view.Held,
			name)
	}
	if view.Cancelled > 0 {
		fmt.Fprintf(cmd.OutOrStdout(), ", %d cancelled", view.Cancelled)
	}
	fmt.Fprintln(cmd.OutOrStdout())
	return nil
}

// explainRelease says why nobody was released, and what to do.
func explainRelease(err error, name string) error {
	switch {
	case errors.Is(err, state.ErrNothingHeld):
		return cli.Exit(cli.ExitRefused, fmt.Errorf("%w under %s (enqueuer holds shows what is)", err,
			name))
	case errors.Is(err, state.ErrDigestNeeded):
		return cli.Usagef("%w: give --digest as enqueuer holds %s shows it; nothing was released", err,
			name)
	case errors.Is(err, state.ErrMoved):
		return cli.Exit(cli.ExitRefused, fmt.Errorf("%w: look again with enqueuer holds %s; nothing "+
			"was released", err, name))
	case errors.Is(err, state.ErrOwnApproval):
		return cli.Exit(cli.ExitRefused, fmt.Errorf("%s was %w: another person has to approve it; "+
			"nothing was released", name, err))
	}
	return err
}
