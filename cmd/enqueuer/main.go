// Command enqueuer accepts disbursals from files (import), from the jobs stream (stream) and over
// HTTP (serve), and shows and changes what the state holds: status, report, find, show, list,
// statement, holds, release, cancel, erase, indoubt, channel, campaign, float, webhook, verify,
// audit, rejected, doctor. Each command has a file of its name; names.go finds what a name means,
// acceptance.go hands disbursals to the state for all inlets of this command, terminal.go asks and
// draws, person.go records who decides.
package main

import (
	"context"
	"errors"
	"os"

	"github.com/spf13/cobra"
	"go.uber.org/zap"

	"tuma/internal/app"
	"tuma/internal/cli"
)

func main() { os.Exit(enqueuer()) }

// enqueuer is main without the exit, so that tests can run it as a program of its own.
func enqueuer() int {
	return cli.Run(newRootCommand())
}

// subcommands build the tree under the root; each lives in its own file.
var subcommands = []func() *cobra.Command{
	newImportCommand,
	newStreamCommand,
	newServeCommand,
	newStatusCommand,
	newReportCommand,
	newListCommand,
	newStatementCommand,
	newFindCommand,
	newShowCommand,
	newRejectedCommand,
	newHoldsCommand,
	newReleaseCommand,
	newCancelCommand,
	newEraseCommand,
	newInDoubtCommand,
	newChannelCommand,
	newCampaignCommand,
	newFloatCommand,
	newWebhookCommand,
	newVerifyCommand,
	newAuditCommand,
	newDoctorCommand,
}

func newRootCommand() *cobra.Command {
	root := &cobra.Command{
		Use:   "enqueuer",
		Short: "Take disbursals in, and see where they stand",
		Long: `Take disbursals in, and see where they stand.

Exit codes: 0 done; 1 failed; 2 bad usage or configuration; 3 the books drifted, or the chain of
the audit is broken; 4 done, but some recipients failed; 5 refused, nothing was accepted; 6 only
in-doubt or overdue recipients are left.
All settings are environment variables; docs/configuration.md lists them.`,
		Example: `  enqueuer import rewards.csv --follow
  enqueuer status rewards-november --campaign
  enqueuer report rewards-november -o rewards.csv`,
	}
	for _, build := range subcommands {
		root.AddCommand(build())
	}
	return root
}

// withApp connects, runs one command and closes. Warnings about Redis are for the processes that
// run for long; here only errors are logged, so that what a person asked for stands alone.
func withApp(ctx context.Context, body func(*app.App) error) (err error) {
	a, err := app.OpenFromEnvironment(ctx, zap.IncreaseLevel(zap.ErrorLevel))
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, a.Close()) }()
	return body(a)
}
