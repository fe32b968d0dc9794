// Command poller asks providers for the status of submitted recipients, receives callbacks, sweeps
// and serves the dashboard. It parses flags and starts the parts; internal/tasks (poll.go,
// loops.go) and internal/callback do the work.
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
		Use:   "poller",
		Short: "Ask providers about open recipients, sweep, and serve the dashboard",
		Long: `Ask providers about open recipients until they have settled, mend what stopped processes
left behind, and serve the dashboard on /monitor/ of TUMA_OPS_ADDR.

SIGINT or SIGTERM stops cleanly, a second signal at once; nothing is lost either way.
All settings are environment variables; docs/configuration.md lists them.`,
		Example: `  TUMA_REDIS_URL=redis://127.0.0.1:6379/0 LIPAD_BASE_URL=https://… \
    LIPAD_CONSUMER_KEY=… LIPAD_CONSUMER_SECRET=… poller`,
		RunE: func(cmd *cobra.Command, _ []string) error {
			return app.Serve(cmd.Context(), app.Process{
				OpsAddr:   ":9102",
				Dashboard: true,
				Add:       func(a *app.App, g *run.Group) error { return a.AddPoller(g) },
			})
		},
	}))
}
