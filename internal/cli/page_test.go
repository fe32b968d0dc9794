package cli_test

import (
	"strconv"
	"testing"

	"tuma/internal/test/pagetest"
)

// TestThePageOfExitCodesIsTheCode holds the exit codes of the readme against their comments.
func TestThePageOfExitCodesIsTheCode(t *testing.T) {
	t.Parallel()
	rows := [][]string{{"exit code", "means"}}
	for code, says := range pagetest.Comments(t, "cli.go", "Exit") {
		rows = append(rows, []string{strconv.Itoa(code), says})
	}
	pagetest.Part(t, "README.md", "exit codes", pagetest.Table(rows...))
}
