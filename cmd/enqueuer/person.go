package main

import (
	"fmt"
	"os"
	"os/user"

	"github.com/spf13/cobra"
	"go.uber.org/zap"

	"tuma/internal/app"
	"tuma/internal/state"
)

// addWho adds the flag that names who decides.
func addWho(cmd *cobra.Command, who *string) {
	cmd.Flags().StringVar(who, "who", "", "who says so (default: the user of this process)")
}

// addYes adds the flag without which a person is asked.
func addYes(cmd *cobra.Command, yes *bool) {
	cmd.Flags().BoolVarP(yes, "yes", "y", false, "do not ask: for scripts")
}

// setWho fills in the user of this process: where that has no name that can be kept, as in a
// container, its number.
func setWho(who *string) {
	if *who != "" {
		return
	}
	*who = fmt.Sprintf("uid %d", os.Getuid())
	if current, err := user.Current(); err == nil && state.CheckSubmitter(current.Username) == nil {
		*who = current.Username
	}
}

// personLog is the log for what people decide. Everything else that a command does is told to the
// person alone; this has to be found later.
func personLog(a *app.App) *zap.Logger {
	log, err := app.NewLogger(a.Config)
	if err != nil { // It could be built when the command began.
		return a.Log
	}
	return log
}
