package main

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"tuma/internal/airtime"
	"tuma/internal/app"
	"tuma/internal/cli"
	"tuma/internal/intake"
	"tuma/internal/state"
)

// faultsShown is how many refused rows are printed; all of them are counted.
const faultsShown = 20

// importOptions are the flags of "enqueuer import".
type importOptions struct {
	reference, provider, currency, rejects string
	dryRun, follow, allowRepeats, json     bool
	again, otherRules, ignoreExtra         bool
	who, sheet, at                         string
	maps                                   []string
	mapping                                intake.Mapping
	notBefore                              time.Time // What at says.
}

func newImportCommand() *cobra.Command {
	var options importOptions
	cmd := &cobra.Command{
		Use:   "import FILE",
		Short: "Import a file of disbursals",
		Long: `Import a CSV, XLSX or JSON Lines file (- is standard input, .gz is unpacked). Every row is
checked before anything is accepted. The same list under the same reference changes nothing,
however often it is imported and however it is saved: after an interruption, run the same command
again. Without --reference the list itself makes the reference: whom it pays what, in its order.

CSV may be in UTF-8 or UTF-16, with commas, semicolons or tabs. Headings may be in any case, with
spaces or underscores, and of other usual words (Phone, Mobile No, Value); --map names others.
Columns that are no field are refused by name, unless --map or --ignore-extra says that they are
left out. Of an XLSX file the first sheet is read, or --sheet. Numbers that a spreadsheet has
spoilt (2.54711E+11, a formula, a date) are refused.

Rows whose number and amount were accepted under another name in the last 30 days are counted, and
the name is shown: on a terminal you are asked, elsewhere it is refused unless --again. Where a
provider needs more than is left there (enqueuer float), that is said first, and on a terminal you
are asked.

Columns: phone_number and amount, and optionally reference, currency, provider, campaign, id; also
what report, indoubt list --csv and --rejects write. The rows of a report get new disbursals.
Without a reference column, disbursal R/k of import R holds the rows (k-1)*1000+1 to k*1000; rows
among them that differ in provider, currency or campaign, or repeat a number, make R/k.2 and so on.
With one, a faulty row refuses all rows of its reference. R may have 115 characters.`,
		Example: `  enqueuer import rewards.csv
  enqueuer import rewards.csv --dry-run
  enqueuer import rewards.csv.gz --reference rewards-november --rejects faulty.csv --follow
  enqueuer import staff.csv --map 'phone_number="Cell, private",amount=Bonus' --dry-run
  enqueuer import staff.xlsx --sheet November --ignore-extra
  zcat rewards.csv.gz | enqueuer import -`,
		Args: cobra.ExactArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			return (&importing{cmd: cmd, importOptions: options}).run(cmd.Context(), args[0])
		},
	}
	flags := cmd.Flags()
	flags.StringVar(&options.reference, "reference", "",
		"reference of the import (default: from the hash of what the file pays)")
	flags.StringVar(&options.provider, "provider", "", "provider of rows that name none")
	flags.StringVar(&options.currency, "currency", "KES", "currency of rows that name none")
	flags.BoolVar(&options.dryRun, "dry-run", false, "check and count only; touches nothing")
	flags.StringVar(&options.rejects, "rejects", "",
		"write faulty rows to this new file and import the others")
	flags.StringArrayVar(&options.maps, "map", nil,
		"FIELD=COLUMN,…: which columns of another's file are which fields; the rest is not read")
	flags.BoolVar(&options.ignoreExtra, "ignore-extra", false, "do not read columns that are no field")
	flags.StringVar(&options.sheet, "sheet", "", "sheet of an XLSX file (default: the first)")
	flags.BoolVar(&options.follow, "follow", false, "stay until all recipients are settled")
	flags.BoolVar(&options.allowRepeats, "allow-repeats", false,
		"let a phone number occur more than once")
	flags.BoolVar(&options.again, "again", false,
		"import rows that were accepted under another name, too: they are paid again")
	addOtherRules(cmd, &options.otherRules)
	addWho(cmd, &options.who)
	flags.StringVar(&options.at, "at", "", "do not send before this time: RFC 3339, or "+
		`"2026-12-04 09:00" in TUMA_TIMEZONE`)
	flags.BoolVar(&options.json, "json", false, "write the summary as JSON")
	return cmd
}

// importing is one import under way.
type importing struct {
	importOptions
	cmd   *cobra.Command
	plan  *intake.Plan
	known bool // The manifest was there before.
	// duplicates are what was accepted under another name.
	duplicates intake.Duplicates
	// shortages are the providers that need more than is left there.
	shortages       []state.Shortage
	holdsOnLowFloat bool
	tally           tally
}

func (i *importing) run(ctx context.Context, path string) (err error) {
	c, err := app.Load()
	if err != nil {
		return err
	}
	rules := intake.Rules{Rules: c.Routing}
	if err := i.check(rules); err != nil {
		return err
	}
	if err := i.checkTime(c.Timezone); err != nil {
		return err
	}
	if err := i.scan(ctx, path, rules); err != nil {
		return err
	}
	defer func() { err = errors.Join(err, i.plan.Close()) }()
	a, err := i.look(ctx)
	if err != nil {
		return err
	}
	if a != nil {
		defer func() { err = errors.Join(err, a.Close()) }()
	}
	i.printFaults()
	refused := i.refusal()
	if i.rejects != "" && !i.dryRun {
		if err := i.writeRejects(ctx); err != nil {
			return errors.Join(refused, err)
		}
	}
	if refused == nil {
		refused = i.repeated(path)
	}
	if refused == nil {
		refused = i.tooLittle(path)
	}
	if i.dryRun || refused != nil {
		return errors.Join(i.summarize(nil), refused)
	}
	return i.push(ctx, a)
}

// check finds wrong flags before anything is read.
func (i *importing) check(rules intake.Rules) error {
	setWho(&i.who)
	if err := state.CheckSubmitter(i.who); err != nil {
		return cli.Usagef("--who: %w", err)
	}
	if i.reference != "" {
		if err := intake.CheckImportReference(i.reference); err != nil {
			return cli.Usagef("--reference: %w", err)
		}
	}
	if _, known := rules.Providers[i.provider]; i.provider != "" && !known {
		return cli.Usagef("--provider: %q is not known; known: %s", i.provider,
			strings.Join(slices.Sorted(maps.Keys(rules.Providers)), ", "))
	}
	if !airtime.Currency(i.currency).Known() {
		return cli.Usagef("--currency: %q is not a known currency", i.currency)
	}
	if len(i.maps) == 0 {
		return nil
	}
	var err error
	if i.mapping, err = intake.ParseMapping(strings.Join(i.maps, ",")); err != nil {
		return cli.Usagef("--%w", err)
	}
	return nil
}

// checkTime reads when the import may be sent.
func (i *importing) checkTime(zone *time.Location) (err error) {
	if i.at == "" {
		return nil
	}
	if i.notBefore, err = intake.ParseAt(i.at, zone); err == nil {
		err = intake.CheckNotBefore(i.notBefore, time.Now())
	}
	if err != nil {
		return cli.Usagef("--at: %w", err)
	}
	return nil
}

// scan is the first pass: it checks every row and accepts nothing.
func (i *importing) scan(ctx context.Context, path string, rules intake.Rules) error {
	checking := newProgress(i.cmd.ErrOrStderr(), "checking", true)
	defer checking.finish()
	plan, err := intake.Scan(ctx, path, intake.Options{
		Reference: i.reference, Provider: i.provider, Currency: airtime.Currency(i.currency),
		Map: i.mapping, IgnoreExtra: i.ignoreExtra, Sheet: i.sheet,
		AllowRepeats: i.allowRepeats, Again: i.again, SubmittedBy: i.who, NotBefore: i.notBefore,
		Progress: checking.set, Stdin: i.cmd.InOrStdin(),
	}, rules)
	var file *fs.PathError
	var option *intake.OptionError
	switch {
	case err == nil:
		i.plan = plan
		return nil
	case errors.As(err, &option):
		return cli.Usagef("--%w", option)
	case ctx.Err() != nil:
		return errors.New("interrupted while the file was checked: nothing was accepted")
	case errors.As(err, &file):
		return cli.Usage(err)
	default:
		return cli.Exit(cli.ExitRefused, fmt.Errorf("%w; nothing was accepted", err))
	}
}

// printFaults shows what is to be known of the file, and the first refused rows.
func (i *importing) printFaults() {
	for _, notice := range i.plan.Notices {
		fmt.Fprintln(i.cmd.ErrOrStderr(), "notice: "+notice)
	}
	for n, fault := range i.plan.Faults {
		if n == faultsShown {
			fmt.Fprintf(i.cmd.ErrOrStderr(), "and %d more\n", i.plan.Refused()-faultsShown)
			return
		}
		fmt.Fprintln(i.cmd.ErrOrStderr(), fault.Error())
	}
}

// refusal returns why the file as a whole is refused, or nil.
func (i *importing) refusal() error {
	switch {
	case i.plan.Refused() > 0 && i.rejects == "":
		return cli.Exit(cli.ExitRefused, fmt.Errorf("%d of %s faulty: nothing was accepted; "+
			"correct the file, or let the good rows go with --rejects FILE", i.plan.Refused(),
			cli.Plural(i.plan.Rows, "row")))
	case i.plan.Recipients == 0:
		return cli.Exit(cli.ExitRefused, errors.New("every row is faulty: nothing was accepted"))
	default:
		return nil
	}
}

// manifest identifies the import: its content, and all options that decide what the disbursals are.
func (i *importing) manifest() state.Manifest {
	return state.Manifest{
		Reference: i.plan.Reference, ContentHash: i.plan.ContentHash, Rows: i.plan.Good,
		SubmittedBy: i.who, Amounts: i.amounts(),
		Options: i.manifestOptions(),
	}
}

// manifestOptions are the options that another run of the import has to have, too.
func (i *importing) manifestOptions() string {
	options := fmt.Sprintf("provider=%s currency=%s allow_repeats=%t", i.provider, i.currency,
		i.allowRepeats)
	if !i.notBefore.IsZero() {
		options += " at=" + i.notBefore.UTC().Format(time.RFC3339)
	}
	return options
}

// amounts are the sums of the good rows, for people.
func (i *importing) amounts() string {
	minor := map[airtime.Currency]int64{}
	for route, total := range i.plan.Totals {
		minor[route.Currency] += total.Minor
	}
	return airtime.SumsText(minor)
}

// push is the second pass: manifest, then disbursals, then whatever was asked for.
func (i *importing) push(ctx context.Context, a *app.App) error {
	accepting := newProgress(i.cmd.ErrOrStderr(), "accepting", false)
	defer accepting.finish()
	p := acceptance{
		inlet: a.Inlet(), progress: accepting, tally: &i.tally, total: i.plan.Recipients,
	}
	err := p.persist(ctx, func(ctx context.Context) (err error) {
		i.known, err = a.Store.OpenImport(ctx, i.manifest())
		return err
	})
	switch {
	case errors.Is(err, state.ErrConflict), errors.Is(err, state.ErrCancelled):
		return cli.Exit(cli.ExitRefused, fmt.Errorf("%w; nothing was accepted", err))
	case err != nil:
		return fmt.Errorf("%w; nothing was accepted", err)
	}
	err = p.run(ctx, i.plan)
	accepting.finish()
	if err == nil {
		err = errors.Join(i.conflicts(), i.lookHeld(ctx, a))
	}
	if err != nil || !i.follow {
		return errors.Join(i.summarize(nil), err)
	}
	if !i.json {
		if err := i.summarize(nil); err != nil {
			return err
		}
	}
	sum, err := follow(ctx, a, i.plan.Reference, i.cmd.ErrOrStderr())
	if i.json {
		return errors.Join(i.summarize(&sum), err)
	}
	printSummary(i.cmd.OutOrStdout(), sum)
	return err
}

// lookHeld counts who of the import is held now.
func (i *importing) lookHeld(ctx context.Context, a *app.App) error {
	i.plan.Held = nil
	// Who stops looking is told that the import goes on.
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), callTimeout)
	defer cancel()
	groups, err := a.Store.HeldUnder(ctx, state.KindImport, i.plan.Reference)
	for _, g := range groups {
		for currency, minor := range g.Amounts {
			i.plan.Held = append(i.plan.Held, state.Holding{
				Hold: g.Hold, Currency: currency, Recipients: g.Recipients, Minor: minor,
			})
		}
	}
	return err
}

// conflicts names the references that other content has taken.
func (i *importing) conflicts() error {
	if i.tally.conflictCount == 0 {
		return nil
	}
	names := strings.Join(i.tally.conflicts, ", ")
	if rest := i.tally.conflictCount - len(i.tally.conflicts); rest > 0 {
		names += fmt.Sprintf(" and %d more", rest)
	}
	rest := "all others are accepted"
	if i.tally.accepted+i.tally.known == 0 {
		rest = "nothing was accepted"
	}
	return cli.Exit(i.tally.refusedCode(), fmt.Errorf("%s refused, the reference is taken by other "+
		"content: %s; %s. %s", cli.Plural(i.tally.conflictCount, "disbursal"), names, rest,
		otherName))
}
