package cli

import (
	"bytes"
	"testing"

	"github.com/spf13/cobra"
	"github.com/stretchr/testify/require"
)

func tree() *cobra.Command {
	end := func(*cobra.Command, []string) error { return nil }
	root, group := &cobra.Command{Use: "tuma"}, &cobra.Command{Use: "group"}
	leaf := &cobra.Command{Use: "leaf FILE", Args: cobra.ExactArgs(1), RunE: end}
	leaf.Flags().Int("number", 0, "a number")
	group.AddCommand(&cobra.Command{Use: "inner", RunE: end})
	root.AddCommand(leaf, group)
	return prepare(root)
}

func TestWhatWasMeantIsSaid(t *testing.T) {
	t.Parallel()
	for want, args := range map[string][]string{
		`unknown command "inne" for "tuma group"; did you mean inner?`: {"group", "inne"},
		`unknown command "lef" for "tuma"; did you mean leaf?`:         {"lef"},
		`unknown command "weather" for "tuma"; see tuma --help`:        {"weather"},
		"unknown flag: --numbr; did you mean --number?":                {"leaf", "a", "--numbr", "1"},
	} {
		root := tree()
		root.SetArgs(args)
		require.ErrorContains(t, root.Execute(), want)
	}
}

func TestEveryProgramSaysItsVersion(t *testing.T) {
	t.Parallel()
	root, out := tree(), &bytes.Buffer{}
	root.SetOut(out)
	root.SetArgs([]string{"--version"})
	require.NoError(t, root.Execute())
	require.Regexp(t, `^tuma .*go1\.`, out.String())
}
