package main

import (
	"context"
	"fmt"
	"os"
	"path/filepath"

	"tuma/bench/figures"
)

// guardSettings are what guards counts with, from none on: nobody is held by any.
var guardSettings = []struct{ name, text string }{
	{"none", ""},
	{"budget", "guards:\n" + budgetGuard},
	{"duplicates", "guards:\n" + duplicatesGuard},
	{"both", "guards:\n" + budgetGuard + duplicatesGuard},
}

const (
	budgetGuard     = "  - {name: budget, limit: {KES: \"1000000000\"}, per: month, of: all}\n"
	duplicatesGuard = "  - {name: same-again, duplicate_within: 24h}\n"
)

// guards holds a file, and jobs of one recipient, that pass guards against those without any.
func guards(ctx context.Context, b *bench) (section, error) {
	s := section{about: "The same file, and the same jobs of one recipient each, while guards count " +
		"everybody and hold nobody: a budget of all in a month, and duplicates within 24 hours."}
	t := table{head: []string{
		"guards", "file, recipients/s", "of none", "jobs, recipients/s", "of none",
	}}
	var base, last [2]float64
	for _, of := range guardSettings {
		with := setting{}
		if of.text != "" {
			path := filepath.Join(b.folder, of.name+".yaml")
			if err := os.WriteFile(path, []byte(of.text), 0o600); err != nil {
				return s, fmt.Errorf("write the guards: %w", err)
			}
			defer os.Remove(path)
			with.environment = []string{"TUMA_CONFIG=" + path}
		}
		file, err := b.bulkRun(ctx, with, b.size(500_000))
		if err != nil {
			return s, fmt.Errorf("a file, guards %s: %w", of.name, err)
		}
		jobs, err := b.smallRun(ctx, with, b.size(100_000))
		if err != nil {
			return s, fmt.Errorf("jobs, guards %s: %w", of.name, err)
		}
		last = [2]float64{file.rate(), jobs.rate()}
		if of.text == "" {
			base = last
		}
		t.add(of.name, figures.Count(last[0]), figures.Short(figures.Ratio(last[0], base[0])),
			figures.Count(last[1]), figures.Short(figures.Ratio(last[1], base[1])))
	}
	s.goals = []goal{
		atLeast("a file with both, of none", figures.Ratio(last[0], base[0]), 0.7, ""),
		atLeast("jobs with both, of none", figures.Ratio(last[1], base[1]), 0.7, ""),
	}
	s.tables = []table{t}
	return s, nil
}
