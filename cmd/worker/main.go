// Command worker accepts disbursals from asynq, draws batches and submits them to providers. It
// parses flags and starts the parts; internal/tasks (accept.go, submit.go) does the work.
package main

import (
	"os"

	"github.com/oklog/run"
	"github.com/spf13/cobra"

	"tuma/internal/app"
	"tuma/internal/cli"
)

func main() {
	os.Exit(cli.Run(&cobra.Command{
		Use:   "worker",
		Short: "Batch disbursals per provider and submit them",
		Long: `Batch disbursals per provider and submit them, until stopped.

SIGINT or SIGTERM stops cleanly: requests on the wire are finished and recorded, which takes at most
TUMA_SUBMIT_TIMEOUT and ten seconds. A second signal stops at once; still nothing is paid twice.
All settings are environment variables; docs/configuration.md lists them.`,
		Example: `  TUMA_REDIS_URL=redis://127.0.0.1:6379/0 LIPAD_BASE_URL=https://… \
    LIPAD_CONSUMER_KEY=… LIPAD_CONSUMER_SECRET=… worker`,
		RunE: func(cmd *cobra.Command, _ []string) error {
			return app.Serve(cmd.Context(), app.Process{
				OpsAddr: ":9101",
				Add:     func(a *app.App, g *run.Group) error { return a.AddWorker(g) },
			})
		},
	}))
}
