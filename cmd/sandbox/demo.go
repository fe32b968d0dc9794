package main

import (
	"context"
	_ "embed"
	"errors"
	"fmt"
	"io"
	"os"
	"text/tabwriter"
	"time"

	"github.com/schollz/progressbar/v3"
	"golang.org/x/term"

	"tuma/internal/airtime"
	"tuma/internal/app"
	"tuma/internal/cli"
	"tuma/internal/intake"
	"tuma/internal/sandbox"
	"tuma/internal/state"
)

// sample is what the demo imports when no file is named.
//
//go:embed sample.csv
var sample []byte

// rules are the demo's routing.
//
//go:embed rules.yaml
var rules []byte

// demo is the main job end to end: import, follow, and compare with the providers' ledger.
type demo struct {
	app       *app.App
	simulator *sandbox.Simulator
	out       io.Writer
}

func (d demo) run(ctx context.Context, args []string) error {
	path, done, err := input(args)
	if err != nil {
		return err
	}
	reference, recipients, err := d.load(ctx, path)
	if err := errors.Join(err, done()); err != nil {
		return err
	}
	began := time.Now()
	summary, err := d.follow(ctx, reference, recipients)
	if err != nil {
		return err
	}
	d.table(summary)
	fmt.Fprintf(d.out, "\nsettled in %s\n", time.Since(began).Round(100*time.Millisecond))
	return d.compare(ctx, summary)
}

// load imports a file and returns its reference and how many recipients it has.
func (d demo) load(ctx context.Context, path string) (string, int64, error) {
	plan, err := intake.Scan(ctx, path, intake.Options{SubmittedBy: "sandbox"}, d.app.Rules)
	if err != nil {
		return "", 0, cli.Usage(err)
	}
	defer func() { _ = plan.Close() }()
	if len(plan.Faults) > 0 {
		return "", 0, cli.Exit(cli.ExitRefused, fmt.Errorf("%w (%d refused rows in all; nothing "+
			"was accepted)", plan.Faults[0], plan.Refused()))
	}
	_, err = d.app.Store.OpenImport(ctx, state.Manifest{
		Reference: plan.Reference, ContentHash: plan.ContentHash, Rows: plan.Rows,
		SubmittedBy: "sandbox",
	})
	if err != nil {
		return "", 0, err
	}
	inlet := d.app.Inlet()
	err = plan.Disbursals(func(disbursal state.Disbursal) error {
		outcomes, err := inlet.Accept(ctx, []state.Disbursal{disbursal})
		if err != nil {
			return err
		}
		return outcomes[0].Refusal(&disbursal)
	})
	if err != nil {
		return "", 0, fmt.Errorf("import %s: %w", path, err)
	}
	fmt.Fprintf(d.out, "imported %d recipients in %d disbursals\n", plan.Recipients, plan.Count)
	return plan.Reference, plan.Recipients, nil
}

// follow waits until every recipient has settled.
func (d demo) follow(ctx context.Context, reference string, all int64) (state.Summary, error) {
	bar := progressbar.NewOptions64(all, progressbar.OptionSetWriter(os.Stderr),
		progressbar.OptionSetDescription("settled"), progressbar.OptionShowCount(),
		progressbar.OptionClearOnFinish(),
		progressbar.OptionSetVisibility(term.IsTerminal(int(os.Stderr.Fd()))))
	for {
		summary, err := d.app.Store.Summarize(ctx, state.KindImport, reference)
		if err != nil {
			return summary, err
		}
		var settled int64
		for status, totals := range summary.Statuses {
			if status.Settled() {
				settled += totals.Recipients
			}
		}
		_ = bar.Set64(settled) // A progress bar that cannot be drawn is no reason to stop.
		if summary.Settled {
			return summary, bar.Finish()
		}
		select {
		case <-ctx.Done():
			return summary, ctx.Err()
		case <-time.After(200 * time.Millisecond):
		}
	}
}

// table shows where the recipients ended.
func (d demo) table(summary state.Summary) {
	const currency = sandbox.Currency
	w := tabwriter.NewWriter(d.out, 0, 0, 2, ' ', tabwriter.AlignRight)
	fmt.Fprintf(w, "\nstatus\trecipients\t%s\t\n", currency)
	var total int64
	for _, status := range airtime.Statuses() {
		totals, any := summary.Statuses[status]
		if !any {
			continue
		}
		total += totals.Amounts[currency]
		fmt.Fprintf(w, "%s\t%d\t%s\t\n", status, totals.Recipients,
			airtime.FormatMinor(totals.Amounts[currency], currency))
	}
	fmt.Fprintf(w, "total\t%d\t%s\t\n", summary.Recipients, airtime.FormatMinor(total, currency))
	_ = w.Flush() // Standard output is gone if this fails; the exit code still tells.
}

// compare holds our books against themselves and against the providers' ledgers.
func (d demo) compare(ctx context.Context, summary state.Summary) error {
	recount, err := d.app.Store.Verify(ctx, nil)
	if err != nil {
		return err
	}
	if len(recount.Drift) > 0 {
		return cli.Exit(cli.ExitDrift, fmt.Errorf("the books drifted: %s", recount.Drift[0]))
	}
	fmt.Fprintf(d.out, "books: balanced, %d recipients recounted\n", recount.Recipients)
	ledger := d.simulator.Ledger().Totals()
	least, most := paid(summary)
	theirs := ledger.Totals[sandbox.Currency]
	fmt.Fprintf(d.out, "providers' ledgers: %d paid once, %d paid twice, %s %s; %d requests or "+
		"answers were lost on the way\n", ledger.Recipients.Paid-ledger.Recipients.Twice,
		ledger.Recipients.Twice, sandbox.Currency, theirs,
		ledger.Lost.Before+ledger.Lost.After)
	for _, name := range sandbox.Providers() {
		one, err := d.simulator.ProviderLedger(name)
		if err != nil {
			return err
		}
		t := one.Totals()
		fmt.Fprintf(d.out, "  %-15s %4d paid in %d requests\n", name, t.Recipients.Paid,
			t.Batches.Accepted)
	}
	if moved := int64(theirs); ledger.Recipients.Twice > 0 || moved < least || moved > most {
		return fmt.Errorf("the providers' ledgers say %s %s and %d paid twice, our books %s to %s",
			sandbox.Currency, theirs, ledger.Recipients.Twice,
			airtime.FormatMinor(least, sandbox.Currency), airtime.FormatMinor(most, sandbox.Currency))
	}
	return nil
}

// paid bounds what moved, in minor units: all that is successful did; what is reversed or refunded
// may have moved before, and what is unconfirmed may have or not.
func paid(summary state.Summary) (least, most int64) {
	least = summary.Statuses[airtime.Successful].Amounts[sandbox.Currency]
	return least, least + summary.Statuses[airtime.Reversed].Amounts[sandbox.Currency] +
		summary.Statuses[airtime.Refunded].Amounts[sandbox.Currency] +
		summary.Statuses[airtime.Unconfirmed].Amounts[sandbox.Currency]
}
