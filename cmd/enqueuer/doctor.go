package main

import (
	"errors"
	"fmt"
	"io"
	"net/url"
	"strings"

	"github.com/spf13/cobra"

	"tuma/internal/app"
	"tuma/internal/cli"
	"tuma/internal/doctor"
)

// doctorOptions are the flags of "enqueuer doctor".
type doctorOptions struct {
	only        []string
	callbackURL string
	noProviders bool
	json        bool
}

func newDoctorCommand() *cobra.Command {
	var options doctorOptions
	cmd := &cobra.Command{
		Use:   "doctor",
		Short: "Look everything over: Redis, clocks, credentials, processes, queues, books",
		Long: `Look everything over, and say what is wrong and what to do about it. Nothing is
changed and nothing is sent; providers are asked about our account where they document a way.

Checks: ` + strings.Join(doctor.Checks(), ", ") + `.

Exit codes: 0 all well, or warnings only; 1 something failed; 2 bad usage or configuration; 3 the
books drifted.`,
		Example: `  enqueuer doctor
  enqueuer doctor --callback-url https://callbacks.example.com
  enqueuer doctor --only redis,persistence,memory --json
  enqueuer doctor --no-providers`,
		RunE: func(cmd *cobra.Command, _ []string) error { return examine(cmd, options) },
	}
	flags := cmd.Flags()
	flags.StringSliceVar(&options.only, "only", nil, "make these checks only, with commas between")
	flags.StringVar(&options.callbackURL, "callback-url", "",
		"the address that providers were given for callbacks, without /callbacks/…: ask whether the "+
			"poller is reached there")
	flags.BoolVar(&options.noProviders, "no-providers", false, "ask no provider")
	flags.BoolVar(&options.json, "json", false, "write JSON Lines: an object per finding")
	return cmd
}

func examine(cmd *cobra.Command, options doctorOptions) error {
	if err := checkCallbackURL(options.callbackURL); err != nil {
		return cli.Usagef("--callback-url: %w", err)
	}
	c, err := app.Load()
	if err != nil {
		return err
	}
	examined, end := app.Doctor(c)
	defer end()
	examined.Only, examined.NoProviders = options.only, options.noProviders
	examined.CallbackURL = options.callbackURL
	shown := &steps{out: cmd.ErrOrStderr()}
	examined.Progress = shown.set
	report, err := doctor.Run(cmd.Context(), examined)
	shown.finish()
	if errors.Is(err, doctor.ErrNoSuchCheck) {
		return cli.Usagef("--only: %w", err)
	}
	if err != nil {
		return err
	}
	if err := writeReport(cmd.OutOrStdout(), report, options.json); err != nil {
		return err
	}
	failed := report.Count(doctor.Failed)
	switch {
	case report.Drifted:
		return cli.Exit(cli.ExitDrift, fmt.Errorf("the books drifted; %s in all",
			cli.Plural(failed, "failure")))
	case failed > 0:
		return errors.New(cli.Plural(failed, "failure"))
	}
	return nil
}

// checkCallbackURL refuses what is no address of a listener.
func checkCallbackURL(text string) error {
	parsed, err := url.Parse(text)
	switch {
	case text == "":
		return nil
	case err != nil || parsed.Hostname() == "" || parsed.User != nil || parsed.RawQuery != "",
		parsed.Scheme != "https" && parsed.Scheme != "http":
		return errors.New("must be scheme and host, such as https://callbacks.example.com")
	case strings.Contains(parsed.Path, "/callbacks"):
		return errors.New("must end before /callbacks: the rest, with the token, is added")
	}
	return nil
}

// steps shows the progress of one step after the other.
type steps struct {
	out     io.Writer
	step    string
	current *progress
}

func (s *steps) set(step string, done, total int) {
	if s.current == nil || s.step != step {
		s.finish()
		s.step, s.current = step, newProgress(s.out, step, false)
	}
	s.current.set(int64(done), int64(total))
}

func (s *steps) finish() {
	if s.current != nil {
		s.current.finish()
	}
}

// marks stand before findings for people.
var marks = map[doctor.Result]string{
	doctor.OK: "✓", doctor.Warning: "!", doctor.Failed: "✗", doctor.Skipped: "-",
}

// writeReport writes a line per finding, with the advice below it, and a sum; or JSON Lines.
func writeReport(w io.Writer, report doctor.Report, asJSON bool) error {
	if asJSON {
		for _, f := range report.Findings {
			if err := writeJSON(w, f); err != nil {
				return err
			}
		}
		return nil
	}
	width := 0
	for _, f := range report.Findings {
		width = max(width, len(f.Check))
	}
	for _, f := range report.Findings {
		fmt.Fprintf(w, "%s %-*s  %s\n", marks[f.Result], width, f.Check, f.Detail)
		if f.Advice != "" {
			fmt.Fprintf(w, "  %-*s  → %s\n", width, "", f.Advice)
		}
	}
	fmt.Fprintf(w, "\n%d ok, %s, %s, %d skipped\n", report.Count(doctor.OK),
		cli.Plural(report.Count(doctor.Warning), "warning"),
		cli.Plural(report.Count(doctor.Failed), "failure"), report.Count(doctor.Skipped))
	return nil
}
