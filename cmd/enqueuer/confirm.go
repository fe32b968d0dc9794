package main

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"strings"

	"github.com/spf13/cobra"

	"tuma/internal/cli"
)

// confirm asks a person before something is done. Yes is the flag --yes: nobody is asked. Without
// it and without a person at a terminal, a usage error is returned; whoever says no gets code 5.
func confirm(cmd *cobra.Command, yes bool, question string) error {
	if yes {
		return nil
	}
	if !isTerminal(cmd.InOrStdin()) {
		return cli.Usagef("%s Nobody can be asked here: say --yes; nothing was changed", question)
	}
	fmt.Fprintf(cmd.ErrOrStderr(), "%s [y/N] ", question)
	answer, err := readLine(cmd.Context(), cmd.InOrStdin())
	if err != nil {
		return fmt.Errorf("read the answer: %w; nothing was changed", err)
	}
	switch strings.ToLower(strings.TrimSpace(answer)) {
	case "y", "yes":
		return nil
	}
	return cli.Exit(cli.ExitRefused, errors.New("the answer was no; nothing was changed"))
}

// readLine reads one line, or nothing when the program is stopped first. The end of the input is an
// empty line.
func readLine(ctx context.Context, input io.Reader) (string, error) {
	type result struct {
		line string
		err  error
	}
	read := make(chan result, 1)
	go func() {
		line, err := bufio.NewReader(input).ReadString('\n')
		if errors.Is(err, io.EOF) {
			err = nil
		}
		read <- result{line, err}
	}()
	select {
	case <-ctx.Done():
		return "", context.Cause(ctx)
	case r := <-read:
		return r.line, r.err
	}
}
