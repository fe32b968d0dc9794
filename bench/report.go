package main

import (
	"cmp"
	"fmt"
	"io"
	"maps"
	"slices"
	"strings"
	"time"

	"tuma/bench/figures"
)

// goal is one figure that is held against a target.
type goal struct {
	what, target, figure string
	met                  bool
	// open is set when there was nothing to compare with.
	open bool
}

func (g goal) verdict() string {
	switch {
	case g.open:
		return "not compared"
	case g.met:
		return "met"
	default:
		return "**not met**"
	}
}

// atLeast and atMost are goals for figures that are shown as they are, with a unit.
func atLeast(what string, figure, target float64, unit string) goal {
	return goal{
		what: what, target: "at least " + figures.Short(target) + unit,
		figure: figures.Short(figure) + unit, met: figure >= target,
	}
}

func atMost(what string, figure, target float64, unit string) goal {
	return goal{
		what: what, target: "at most " + figures.Short(target) + unit,
		figure: figures.Short(figure) + unit, met: figure <= target,
	}
}

// table is a table of a section.
type table struct {
	head []string
	rows [][]string
}

func (t *table) add(cells ...string) { t.rows = append(t.rows, cells) }

func (t table) write(to io.Writer) {
	line := func(cells []string) { fmt.Fprintf(to, "| %s |\n", strings.Join(cells, " | ")) }
	line(t.head)
	rule := make([]string, len(t.head))
	for i := range rule {
		rule[i] = "---"
		if i > 0 {
			rule[i] = "---:"
		}
	}
	line(rule)
	for _, row := range t.rows {
		line(row)
	}
	fmt.Fprintln(to)
}

// section is what one scenario found.
type section struct {
	name string
	// about says what was measured and how.
	about  string
	goals  []goal
	tables []table
	// costs are names and figures of what a recipient costs beside time.
	costs [][]string
	// blocks are texts that keep their form.
	blocks []string
	// fault is why the scenario has no figures.
	fault string
}

func (s section) write(to io.Writer) {
	fmt.Fprintf(to, "## %s\n\n", s.name)
	if s.about != "" {
		fmt.Fprintf(to, "%s\n\n", wrap(s.about))
	}
	if s.fault != "" {
		fmt.Fprintf(to, "**No figures:** %s\n\n", s.fault)
	}
	if len(s.goals) > 0 {
		goalTable(s.goals).write(to)
	}
	for _, t := range s.tables {
		t.write(to)
	}
	for _, text := range s.blocks {
		fmt.Fprintf(to, "```\n%s\n```\n\n", strings.TrimSpace(text))
	}
}

func goalTable(goals []goal) table {
	t := table{head: []string{"", "target", "figure", "verdict"}}
	for _, g := range goals {
		t.add(g.what, g.target, g.figure, g.verdict())
	}
	return t
}

// summary is one line per goal of all scenarios.
func summary(sections []section) table {
	t := table{head: []string{"scenario", "what", "target", "figure", "verdict"}}
	for _, s := range sections {
		if s.fault != "" {
			t.add(s.name, "", "", "", "no figures")
		}
		for _, g := range s.goals {
			t.add(s.name, g.what, g.target, g.figure, g.verdict())
		}
	}
	return t
}

// page is docs/benchmarks.md.
type page struct {
	command, machine string
	settings         []string
	began            time.Time
	quick            bool
	sections         []section
}

func (p page) write(to io.Writer) {
	p.begin(to)
	p.conclude(to)
	for _, s := range p.sections {
		s.write(to)
	}
}

// begin writes what everything was measured with.
func (p page) begin(to io.Writer) {
	fmt.Fprintf(to, "# Benchmarks\n\n%s\n\n", wrap("Written by `"+p.command+"` on "+
		p.began.UTC().Format("2 January 2006")+". Everything ran on one machine, at the same time "+
		"and in processes of its own: Redis, the simulated provider, Tuma's, and the program that "+
		"measures. A run in which the simulated provider's ledger does not hold every recipient "+
		"exactly once is an error, not a figure."))
	if p.quick {
		fmt.Fprintf(to, "%s\n\n", wrap("**This was a quick run, with a tenth of the recipients: "+
			"its figures are for a first look, not for comparisons.**"))
	}
	fmt.Fprintf(to, "Machine: %s\n\n", p.machine)
	fmt.Fprintf(to, "Settings of every process, unless a scenario names others:\n\n```\n%s\n```\n\n",
		strings.Join(p.settings, "\n"))
}

// conclude writes what all scenarios have found, in short.
func (p page) conclude(to io.Writer) {
	fmt.Fprintf(to, "## Targets\n\n")
	summary(p.sections).write(to)
	costs := table{head: []string{"scenario", "cost", "per recipient"}}
	for _, s := range p.sections {
		for _, row := range s.costs {
			costs.add(append([]string{s.name}, row...)...)
		}
	}
	if len(costs.rows) > 0 {
		fmt.Fprintf(to, "## Costs\n\n")
		costs.write(to)
	}
}

// wrap breaks a text into lines of at most 100 columns.
func wrap(text string) string {
	var out strings.Builder
	column := 0
	for _, word := range strings.Fields(text) {
		switch {
		case column == 0:
		case column+1+len(word) > 100:
			out.WriteByte('\n')
			column = 0
		default:
			out.WriteByte(' ')
			column++
		}
		out.WriteString(word)
		column += len(word)
	}
	return out.String()
}

// shares is a table of which process used how much of the processors.
func shares(spent usage, took time.Duration, recipients int) table {
	t := table{head: []string{"process", "CPU", "share", "cores", "µs per recipient"}}
	names := slices.SortedFunc(maps.Keys(spent), func(a, b string) int {
		return cmp.Or(cmp.Compare(spent[b], spent[a]), cmp.Compare(a, b))
	})
	all := spent.sum() + spent["bench"]
	for _, name := range names {
		one := spent[name]
		t.add(name, figures.Seconds(one), figures.Percent(figures.Ratio(float64(one), float64(all))),
			figures.Short(figures.Ratio(float64(one), float64(took))), perRecipient(one, recipients))
	}
	return t
}

// perRecipient is a time in microseconds for each recipient.
func perRecipient(spent time.Duration, recipients int) string {
	micros := float64(spent) / float64(time.Microsecond)
	return figures.Short(figures.Ratio(micros, float64(recipients)))
}
