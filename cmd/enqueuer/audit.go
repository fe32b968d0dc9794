package main

import (
	"errors"
	"fmt"
	"io"
	"time"

	"github.com/spf13/cobra"

	"tuma/internal/app"
	"tuma/internal/cli"
	"tuma/internal/config"
	"tuma/internal/state"
)

// auditOptions are the flags of "enqueuer audit".
type auditOptions struct {
	since        string
	json, verify bool
}

func newAuditCommand() *cobra.Command {
	var options auditOptions
	cmd := &cobra.Command{
		Use:   "audit",
		Short: "List the decisions of people and producers, oldest first",
		Long: `List the decisions of people and producers, oldest first: who imported, cancelled or
settled what, who paused and resumed a provider, when and why. They hold no phone number, and are
never trimmed. Each entry has a hash over itself and the hash before it; --verify recomputes them
all, compares the last one with the head that the state keeps, and exits with 3 where the chain
breaks. Keep the hash that it shows somewhere else: then a whole chain cannot be replaced unseen.`,
		Example: `  enqueuer audit --since 24h
  enqueuer audit --since 2026-11-01 --json | jq 'select(.what == "resolve")'
  enqueuer audit --verify`,
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			if options.verify && (options.json || options.since != "") {
				return cli.Usagef("--verify goes without --json and --since: it recomputes the whole chain")
			}
			return withApp(cmd.Context(), func(a *app.App) error {
				if options.verify {
					return verifyChain(cmd, a.Store)
				}
				return listAudit(cmd, a, options)
			})
		},
	}
	flags := cmd.Flags()
	flags.StringVar(&options.since, "since", "",
		"only from then on: an age (24h, 30d), a date, or a time in RFC 3339")
	flags.BoolVar(&options.json, "json", false, "write JSON Lines")
	flags.BoolVar(&options.verify, "verify", false, "recompute the chain instead of listing it")
	return cmd
}

// from is the instant that --since means; a date begins in the given time zone.
func (o auditOptions) from(now time.Time, zone *time.Location) (time.Time, error) {
	if o.since == "" {
		return time.Time{}, nil
	}
	if age, err := config.ParseDuration(o.since); err == nil && age >= 0 {
		return now.Add(-age), nil
	}
	if date, err := time.ParseInLocation(time.DateOnly, o.since, zone); err == nil {
		return date, nil
	}
	at, err := time.Parse(time.RFC3339, o.since)
	if err != nil {
		return time.Time{}, cli.Usagef("--since: %q is no age (24h, 30d), no date (2026-11-30) and no "+
			"time in RFC 3339 (2026-11-30T09:00:00+03:00)", o.since)
	}
	return at, nil
}

// auditView is the JSON of an entry.
type auditView struct {
	At     string `json:"at"`
	Who    string `json:"who"`
	What   string `json:"what"`
	Name   string `json:"name"`
	Detail string `json:"detail"`
	Hash   string `json:"hash"`
}

func listAudit(cmd *cobra.Command, a *app.App, options auditOptions) error {
	since, err := options.from(time.Now(), a.Config.Timezone)
	if err != nil {
		return err
	}
	out := cmd.OutOrStdout()
	if options.json {
		return a.Store.Audit(cmd.Context(), since, func(e state.AuditEntry) error {
			return writeJSON(out, auditView(e))
		})
	}
	stamp := stamps(a, out)
	var t *table
	fresh := func() { t = newTable("at", "who", "what", "name", "detail", "hash") }
	fresh()
	found := false
	err = a.Store.Audit(cmd.Context(), since, func(e state.AuditEntry) error {
		at := e.At
		if instant, err := time.Parse(time.RFC3339, e.At); err == nil {
			at = stamp(instant)
		}
		t.add(at, e.Who, e.What, e.Name, e.Detail, e.Hash)
		if found = true; len(t.rows) == listedAtOnce {
			t.write(out)
			fresh()
		}
		return nil
	})
	switch {
	case err != nil:
		return err
	case !found:
		fmt.Fprintln(out, "nothing was decided")
	case len(t.rows) > 0:
		t.write(out)
	}
	return nil
}

func verifyChain(cmd *cobra.Command, s *state.Store) error {
	chain, err := s.VerifyAudit(cmd.Context())
	if err != nil {
		return err
	}
	printChain(cmd.OutOrStdout(), chain)
	return brokenChain(chain)
}

// printChain says whether the chain of the audit holds.
func printChain(w io.Writer, chain state.AuditChain) {
	word := "holds"
	if chain.Fault != "" {
		word = "is broken"
	}
	fmt.Fprintf(w, "the audit %s: %s, the last with the hash %s\n", word,
		cli.Plural(chain.Entries, "decision"), chain.Head)
}

// brokenChain is the error of a chain that does not hold.
func brokenChain(chain state.AuditChain) error {
	if chain.Fault == "" {
		return nil
	}
	return cli.Exit(cli.ExitDrift, errors.New("the audit is broken: "+chain.Fault))
}
