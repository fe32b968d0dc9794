// Command console serves the web console for people: it shows where recipients stand and lets those
// with a role release, cancel and pause. It parses flags and starts the parts; internal/console
// does the work. user.go writes an entry of the file of users.
package main

import (
	"maps"
	"os"
	"slices"

	"github.com/oklog/run"
	"github.com/spf13/cobra"
	"go.uber.org/zap"

	"tuma/internal/app"
	"tuma/internal/cli"
	"tuma/internal/console"
)

func main() {
	root := &cobra.Command{
		Use:   "console",
		Short: "Serve the web console for people",
		Long: `Serve the web console at TUMA_CONSOLE_ADDR (default 127.0.0.1:8090), until stopped: where
recipients stand, what waits for a person, who is held and why, the timeline of each recipient, the
channels, and who decided what. Who may sign in is in the file TUMA_CONSOLE_USERS; without it the
console starts on loopback only, with one user demo in every role. /healthz, /readyz and /metrics
are at TUMA_OPS_ADDR (default :9105).`,
		Example: `  console user wanjiku --roles sender,approver >>users.yaml
  TUMA_REDIS_URL=redis://127.0.0.1:6379/0 TUMA_CONSOLE_USERS=users.yaml console`,
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			return app.Serve(cmd.Context(), app.Process{OpsAddr: ":9105", Add: addConsole})
		},
	}
	root.AddCommand(newUserCommand())
	os.Exit(cli.Run(root))
}

// addConsole adds the console to the process.
func addConsole(a *app.App, g *run.Group) error {
	options := console.Options{
		State: a.Store, Wake: a.Queues.Wake, CheckRules: a.CheckRules, Log: a.Log,
		Providers: slices.Sorted(maps.Keys(a.Rules.Providers)), Timezone: a.Config.Timezone,
	}
	if path := a.Config.ConsoleUsers; path != "" {
		users, err := console.ReadUsers(path)
		if err != nil {
			return err
		}
		options.Users = users
	}
	server, err := console.Listen(a.Config.ConsoleAddr, options)
	if err != nil {
		return err
	}
	app.AddLoop(g, server.Run)
	a.Log.Info("serving the console", zap.String("http", server.Addr()))
	return nil
}
