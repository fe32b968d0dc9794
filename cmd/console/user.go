package main

import (
	"bufio"
	"fmt"
	"io"
	"os"
	"strings"

	"github.com/spf13/cobra"
	"golang.org/x/term"

	"tuma/internal/cli"
	"tuma/internal/console"
)

func newUserCommand() *cobra.Command {
	var roles []string
	cmd := &cobra.Command{
		Use:   "user NAME",
		Short: "Write an entry for the file of users",
		Long: `Write an entry for the file of users, TUMA_CONSOLE_USERS, to standard output. The password
is asked for at a terminal, else read from standard input; only its hash is written. Everybody who
has signed in may look. Roles: viewer for only that, sender to cancel, approver to release who is
held, operator to pause and resume channels. The file begins with the line "users:".`,
		Example: `  echo users: >users.yaml
  console user wanjiku --roles sender >>users.yaml`,
		Args: cobra.ExactArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			list := make([]console.Role, len(roles))
			for i, role := range roles {
				list[i] = console.Role(strings.TrimSpace(role))
			}
			if err := console.CheckRoles(list); err != nil {
				return cli.Usagef("--%w", err)
			}
			password, err := readPassword(cmd)
			if err != nil {
				return err
			}
			entry, err := console.Entry(args[0], password, list)
			if err != nil {
				return cli.Usage(err)
			}
			_, err = io.WriteString(cmd.OutOrStdout(), entry)
			return err
		},
	}
	cmd.Flags().StringSliceVar(&roles, "roles", nil, "viewer, sender, approver, operator, with commas")
	return cmd
}

// readPassword asks for a password twice at a terminal, and reads a line elsewhere.
func readPassword(cmd *cobra.Command) (string, error) {
	in, terminal := cmd.InOrStdin().(*os.File)
	if !terminal || !term.IsTerminal(int(in.Fd())) {
		line, err := bufio.NewReader(cmd.InOrStdin()).ReadString('\n')
		if err != nil && line == "" {
			return "", cli.Usagef("the password could not be read from standard input: %w", err)
		}
		return strings.TrimRight(line, "\r\n"), nil
	}
	var typed [2]string
	for i, question := range []string{"Password: ", "Once more: "} {
		fmt.Fprint(cmd.ErrOrStderr(), question)
		text, err := term.ReadPassword(int(in.Fd()))
		fmt.Fprintln(cmd.ErrOrStderr())
		if err != nil {
			return "", fmt.Errorf("read the password: %w", err)
		}
		typed[i] = string(text)
	}
	if typed[0] != typed[1] {
		return "", cli.Usagef("the two passwords differ; nothing was written")
	}
	return typed[0], nil
}
