package main

import (
	"fmt"
	"io"
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/spf13/cobra"
	"go.uber.org/zap"

	"tuma/internal/airtime"
	"tuma/internal/app"
	"tuma/internal/cli"
	"tuma/internal/state"
)

// floatOptions are the flags of "enqueuer float" and "float set".
type floatOptions struct {
	who, note, currency string
	json                bool
}

func newFloatCommand() *cobra.Command {
	var options floatOptions
	cmd := &cobra.Command{
		Use:   "float",
		Short: "Show what money is left at each provider, and for how long",
		Long: `Show what money is left at each provider: the last known balance, less what was spent
since. What waits in the queue, is on the wire, in doubt or paid counts; what failed, was refunded
or reversed comes back. It runs dry at the pace of the last hour, if that is known. The poller asks
providers that show a balance for it; of the others, enqueuer float set says it.`,
		Example: `  enqueuer float
  enqueuer float --json
  enqueuer float set lipad 250000 --note "transfer of Monday"`,
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			return withApp(cmd.Context(), func(a *app.App) error {
				return showFloats(cmd, a, options.json)
			})
		},
	}
	cmd.Flags().BoolVar(&options.json, "json", false, "write JSON")
	cmd.AddCommand(newFloatSetCommand())
	return cmd
}

func newFloatSetCommand() *cobra.Command {
	var options floatOptions
	cmd := &cobra.Command{
		Use:   "set PROVIDER AMOUNT",
		Short: "Say what balance a provider shows right now",
		Long: `Say what balance a provider shows right now, on its own page: what was paid between that
look and this command is not known to be gone. It stands until the next balance, and is kept with
who, when and note. With TUMA_HOLD_ON_LOW_FLOAT, who was held for a low float is released as far as
this one goes, within seconds.`,
		Example: `  enqueuer float set lipad 250000
  enqueuer float set quicksms 12500.50 --who amina --note "their page at 9:40"`,
		Args: cobra.ExactArgs(2),
		RunE: func(cmd *cobra.Command, args []string) error {
			setWho(&options.who)
			return withApp(cmd.Context(), func(a *app.App) error {
				return setFloat(cmd, a, &options, args[0], args[1])
			})
		},
	}
	addWho(cmd, &options.who)
	flags := cmd.Flags()
	flags.StringVar(&options.note, "note", "", "why; it is kept and shown")
	flags.StringVar(&options.currency, "currency", "KES", "currency of the amount")
	flags.BoolVar(&options.json, "json", false, "write JSON")
	return cmd
}

func setFloat(
	cmd *cobra.Command, a *app.App, options *floatOptions, provider, amount string,
) error {
	capabilities, known := a.Rules.Providers[provider]
	if !known {
		return noProvider(provider, slices.Sorted(maps.Keys(a.Rules.Providers)))
	}
	currency := airtime.Currency(options.currency)
	if _, taken := capabilities.Limits[currency]; !taken {
		return cli.Usagef("--currency: %s does not take %q; nothing was changed", provider, currency)
	}
	balance, err := airtime.ParseBound(amount, currency)
	if err != nil {
		return cli.Usagef("AMOUNT: %q %w; nothing was changed", amount, err)
	}
	if err := a.Store.SetFloat(cmd.Context(), provider, balance, options.who,
		options.note); err != nil {
		return err
	}
	personLog(a).Info("float set by a person", zap.String("provider", provider),
		zap.Stringer("balance", balance), zap.String("who", options.who),
		zap.String("note", options.note))
	floats, err := a.Store.Floats(cmd.Context())
	if err != nil {
		return err
	}
	at := slices.IndexFunc(floats, func(f state.Float) bool {
		return f.Provider == provider && f.Currency == currency
	})
	if at < 0 {
		return fmt.Errorf("the float of %s is not there any more: set it again", provider)
	}
	if options.json {
		return writeJSON(cmd.OutOrStdout(), viewOfFloat(floats[at]))
	}
	fmt.Fprintln(cmd.OutOrStdout(), describeFloat(floats[at]))
	return nil
}

// describeFloat says what is left: "NAME: KES 40.00 left of KES 50.00, …".
func describeFloat(f state.Float) string {
	money := func(minor int64) string {
		return airtime.Money{Minor: minor, Currency: f.Currency}.String()
	}
	return fmt.Sprintf("%s: %s left of %s, less %s that is queued, on the wire or paid since",
		f.Provider, money(f.Left()), money(f.Balance), money(f.Spent))
}

// floatView is the JSON of what is left at a provider in a currency; amounts are decimals.
type floatView struct {
	Provider string           `json:"provider"`
	Currency airtime.Currency `json:"currency"`
	// Balance is the last known one, At when it was that; Who said so, and Note why, are left out
	// where it was the provider itself.
	Balance string    `json:"balance"`
	At      time.Time `json:"at"`
	Who     string    `json:"who,omitempty"`
	Note    string    `json:"note,omitempty"`
	// Spent is what went since, Queued what of it waits to be sent, Left what remains.
	Spent  string `json:"spent"`
	Queued string `json:"queued"`
	Left   string `json:"left"`
	// PerHour is the pace of the last hour, and RunsDry in how many seconds nothing is left at it;
	// left out where that is not known.
	PerHour string   `json:"per_hour,omitempty"`
	RunsDry *float64 `json:"runs_dry_seconds,omitempty"`
}

func viewOfFloat(f state.Float) floatView {
	decimal := func(minor int64) string { return airtime.FormatMinor(minor, f.Currency) }
	v := floatView{
		Provider: f.Provider, Currency: f.Currency, Balance: decimal(f.Balance), At: f.At, Who: f.Who,
		Note: f.Note, Spent: decimal(f.Spent), Queued: decimal(f.Queued), Left: decimal(f.Left()),
	}
	if f.PerHour > 0 {
		v.PerHour = decimal(f.PerHour)
	}
	if in, known := f.RunsDry(); known {
		seconds := in.Round(time.Second).Seconds()
		v.RunsDry = &seconds
	}
	return v
}

func viewsOfFloats(floats []state.Float) []floatView {
	views := make([]floatView, len(floats))
	for i, f := range floats {
		views[i] = viewOfFloat(f)
	}
	return views
}

func showFloats(cmd *cobra.Command, a *app.App, asJSON bool) error {
	floats, err := a.Store.Floats(cmd.Context())
	if err != nil {
		return err
	}
	out := cmd.OutOrStdout()
	if asJSON {
		return writeJSON(out, map[string][]floatView{"floats": viewsOfFloats(floats)})
	}
	if len(floats) == 0 {
		fmt.Fprintln(out, "no balance is known; say one with enqueuer float set PROVIDER AMOUNT")
		return nil
	}
	printFloats(out, floats, stamps(a, out))
	return nil
}

// printFloats shows what is left at each provider.
func printFloats(w io.Writer, floats []state.Float, at func(time.Time) string) {
	t := newTable("provider", "currency", "#balance", "#spent since", "#left", "runs dry", "as of",
		"by")
	for _, f := range floats {
		v := viewOfFloat(f)
		by := f.Who
		if by == "" {
			by = "the provider"
		}
		if f.Note != "" {
			by += ": " + f.Note
		}
		t.add(f.Provider, string(f.Currency), v.Balance, v.Spent, v.Left, runsDry(f), at(f.At), by)
	}
	t.write(w)
}

// runsDry says in how long nothing is left at the present pace.
func runsDry(f state.Float) string {
	in, known := f.RunsDry()
	switch {
	case !known:
		return "not foreseen"
	case in == 0:
		return "now"
	default:
		return "in " + strings.TrimSuffix(max(time.Minute, in.Round(time.Minute)).String(), "0s")
	}
}
