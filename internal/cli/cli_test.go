package cli_test

import (
	"errors"
	"fmt"
	"os"
	"syscall"
	"testing"

	"github.com/spf13/cobra"
	"github.com/stretchr/testify/require"

	"tuma/internal/cli"
)

var errPlain = errors.New("plain")

// tree is a command with subcommands, one with flags, whose end is given.
func tree(end error) *cobra.Command {
	root := &cobra.Command{Use: "tuma", Short: "test"}
	leaf := &cobra.Command{
		Use: "leaf FILE", Args: cobra.ExactArgs(1),
		RunE: func(*cobra.Command, []string) error { return end },
	}
	leaf.Flags().Int("number", 0, "a number")
	bare := &cobra.Command{Use: "bare", RunE: func(*cobra.Command, []string) error { return end }}
	group := &cobra.Command{Use: "group"}
	group.AddCommand(&cobra.Command{
		Use: "inner", RunE: func(*cobra.Command, []string) error { return end },
	})
	root.AddCommand(leaf, bare, group)
	return root
}

func TestExitCodes(t *testing.T) {
	t.Parallel()
	for _, row := range []struct {
		name string
		end  error
		args []string
		code int
	}{
		{"done", nil, []string{"bare"}, cli.ExitDone},
		{"help", nil, []string{"--help"}, cli.ExitDone},
		{"plain error", errPlain, []string{"bare"}, cli.ExitFailed},
		{"own code", cli.Exit(cli.ExitDrift, errPlain), []string{"bare"}, cli.ExitDrift},
		{
			"wrapped code", fmt.Errorf("x: %w", cli.Exit(cli.ExitInDoubt, errPlain)),
			[]string{"bare"},
			cli.ExitInDoubt,
		},
		{
			"joined code", errors.Join(cli.Exit(cli.ExitRefused, errPlain), errPlain),
			[]string{"bare"},
			cli.ExitRefused,
		},
		{"usage", cli.Usagef("x"), []string{"bare"}, cli.ExitUsage},
		{"no command", nil, nil, cli.ExitUsage},
		{"no inner command", nil, []string{"group"}, cli.ExitUsage},
		{"unknown command", nil, []string{"other"}, cli.ExitUsage},
		{"unknown inner command", nil, []string{"group", "other"}, cli.ExitUsage},
		{"inner command", nil, []string{"group", "inner"}, cli.ExitDone},
		{"missing argument", nil, []string{"leaf"}, cli.ExitUsage},
		{"surplus argument", nil, []string{"leaf", "a", "b"}, cli.ExitUsage},
		{"surplus argument of a bare command", nil, []string{"bare", "a"}, cli.ExitUsage},
		{"unknown flag", nil, []string{"leaf", "a", "--other"}, cli.ExitUsage},
		{"unknown flag of the root", nil, []string{"--other"}, cli.ExitUsage},
		{"bad value", nil, []string{"leaf", "a", "--number", "x"}, cli.ExitUsage},
		{"good value", nil, []string{"leaf", "a", "--number", "1"}, cli.ExitDone},
	} {
		t.Run(row.name, func(t *testing.T) {
			t.Parallel()
			root := tree(row.end)
			root.SetArgs(append([]string{}, row.args...))
			require.Equal(t, row.code, cli.Run(root))
		})
	}
}

func TestExitKeepsNilAndCauses(t *testing.T) {
	t.Parallel()
	require.NoError(t, cli.Exit(cli.ExitDrift, nil))
	require.NoError(t, cli.Usage(nil))
	err := cli.Exit(cli.ExitDrift, errPlain)
	require.ErrorIs(t, err, errPlain)
	require.EqualError(t, err, "plain")
}

// TestASignalEndsTheContext is not parallel: the signal goes to the whole process.
func TestASignalEndsTheContext(t *testing.T) { //nolint:paralleltest // See above.
	for _, signal := range []syscall.Signal{syscall.SIGINT, syscall.SIGTERM} {
		root := &cobra.Command{Use: "tuma", RunE: func(cmd *cobra.Command, _ []string) error {
			if err := syscall.Kill(os.Getpid(), signal); err != nil {
				return err
			}
			<-cmd.Context().Done()
			return nil
		}}
		root.SetArgs([]string{})
		require.Equal(t, cli.ExitDone, cli.Run(root))
	}
}
