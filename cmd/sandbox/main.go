// Command sandbox runs simulated providers, for tests and for people trying Tuma.
package main

import (
	"os"

	"github.com/spf13/cobra"

	"tuma/internal/cli"
)

func main() {
	root := &cobra.Command{Use: "sandbox", Short: "Simulated airtime providers"}
	root.AddCommand(newUpCommand(), newProvidersCommand())
	os.Exit(cli.Run(root))
}
