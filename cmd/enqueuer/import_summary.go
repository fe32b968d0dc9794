package main

import (
	"cmp"
	"fmt"
	"io"
	"slices"

	"tuma/internal/airtime"
	"tuma/internal/cli"
	"tuma/internal/state"
)

// importView is the JSON of import. Recipients is what the good rows hold; of those, accepted are
// new, known were there already, and conflicting ones are neither.
type importView struct {
	Reference  string      `json:"reference"`
	DryRun     bool        `json:"dry_run"`
	Rows       int64       `json:"rows"`
	Refused    int64       `json:"refused"`
	Repeats    int64       `json:"repeats"`
	Disbursals int64       `json:"disbursals"`
	Recipients int64       `json:"recipients"`
	Accepted   int64       `json:"accepted"`
	Known      int64       `json:"known"`
	Totals     []routeView `json:"totals"`
	Rejects    string      `json:"rejects,omitempty"`
	Faults     []faultView `json:"faults,omitempty"`
	Conflicts  []string    `json:"conflicts,omitempty"`
	// Notices are what is to be known of the file, such as columns that are not read.
	Notices []string `json:"notices,omitempty"`
	// Duplicates counts the recipients that were accepted under another name in the last 30 days.
	Duplicates      int64           `json:"duplicates"`
	DuplicatesUnder []duplicateView `json:"duplicates_under,omitempty"`
	// Held are those who are not sent yet; of a dry run, those who would not be.
	Held []holdingView `json:"held,omitempty"`
	// Short are the providers that need more for it than is left there, before it was accepted.
	Short []shortageView `json:"short,omitempty"`
	// Status is where the recipients stood in the end, with --follow.
	Status *statusView `json:"status,omitempty"`
}

type routeView struct {
	Provider   string           `json:"provider"`
	Currency   airtime.Currency `json:"currency"`
	Recipients int64            `json:"recipients"`
	Amount     string           `json:"amount"`
}

// holdingView is the JSON of how many are held for one reason.
type holdingView struct {
	Reason     airtime.Reason   `json:"reason"`
	Rule       string           `json:"rule"`
	Currency   airtime.Currency `json:"currency"`
	Recipients int64            `json:"recipients"`
	Amount     string           `json:"amount"`
}

func viewOfHolding(h state.Holding) holdingView {
	return holdingView{
		Reason: h.Reason, Rule: h.Rule, Currency: h.Currency, Recipients: h.Recipients,
		Amount: airtime.FormatMinor(h.Minor, h.Currency),
	}
}

type duplicateView struct {
	Import     string `json:"import,omitempty"`
	Disbursal  string `json:"disbursal,omitempty"`
	Recipients int64  `json:"recipients"`
}

type faultView struct {
	Line   int      `json:"line"`
	Faults []string `json:"faults"`
}

func (i *importing) view(sum *state.Summary) importView {
	v := importView{
		Reference: i.plan.Reference, DryRun: i.dryRun, Rows: i.plan.Rows,
		Refused: i.plan.Refused(), Repeats: i.plan.Repeats, Disbursals: i.plan.Count,
		Recipients: i.plan.Recipients, Accepted: i.tally.accepted, Known: i.tally.known,
		Totals: []routeView{}, Conflicts: i.tally.conflicts, Duplicates: i.duplicates.Rows,
		Notices: i.plan.Notices,
	}
	for _, name := range i.duplicates.Names {
		v.DuplicatesUnder = append(v.DuplicatesUnder,
			duplicateView{name.Import, name.Disbursal, name.Rows})
	}
	for _, s := range i.shortages {
		v.Short = append(v.Short, viewOfShortage(s))
	}
	for _, held := range i.plan.Held {
		v.Held = append(v.Held, viewOfHolding(held))
	}
	if i.plan.Refused() > 0 && !i.dryRun {
		v.Rejects = i.rejects
	}
	for _, fault := range i.plan.Faults {
		v.Faults = append(v.Faults, faultView{fault.Line, fault.Faults})
	}
	for route, total := range i.plan.Totals {
		v.Totals = append(v.Totals, routeView{
			Provider: route.Provider, Currency: route.Currency, Recipients: total.Recipients,
			Amount: airtime.FormatMinor(total.Minor, route.Currency),
		})
	}
	slices.SortFunc(v.Totals, func(a, b routeView) int {
		return cmp.Or(cmp.Compare(a.Provider, b.Provider), cmp.Compare(a.Currency, b.Currency))
	})
	if sum != nil {
		status := viewOf(*sum)
		v.Status = &status
	}
	return v
}

// summarize writes what the import came to; the summary is where its recipients stand, if known.
func (i *importing) summarize(sum *state.Summary) error {
	v := i.view(sum)
	if i.json {
		return writeJSON(i.cmd.OutOrStdout(), v)
	}
	v.print(i.cmd.OutOrStdout())
	if i.known && v.Accepted == 0 && v.Known == v.Recipients {
		fmt.Fprintln(i.cmd.OutOrStdout(), "already imported: nothing changed")
	}
	return nil
}

func (v importView) print(w io.Writer) {
	t := newTable("import", v.Reference)
	rows := number(v.Rows)
	if v.Refused > 0 {
		rows += fmt.Sprintf(", %d refused", v.Refused)
	}
	if v.Rejects != "" {
		rows += " and written to " + v.Rejects
	}
	t.add("rows", rows)
	if v.Repeats > 0 {
		t.add("repeats", cli.Plural(v.Repeats, "recipient")+" whose number occurred before")
	}
	if v.Duplicates > 0 {
		t.add("duplicates", cli.Plural(v.Duplicates, "recipient")+" accepted under another name")
	}
	t.add("disbursals", number(v.Disbursals))
	if v.DryRun {
		t.add("dry run", "nothing was accepted")
	} else {
		t.add("accepted", cli.Plural(v.Accepted, "recipient"))
		t.add("known", cli.Plural(v.Known, "recipient"))
	}
	t.write(w)
	if len(v.Totals) == 0 {
		return
	}
	totals := newTable("provider", "currency", "#recipients", "#amount")
	for _, route := range v.Totals {
		totals.add(route.Provider, string(route.Currency), number(route.Recipients), route.Amount)
	}
	totals.write(w)
	if len(v.Held) == 0 {
		return
	}
	held := newTable("held for", "rule", "currency", "#recipients", "#amount")
	for _, h := range v.Held {
		held.add(string(h.Reason), h.Rule, string(h.Currency), number(h.Recipients), h.Amount)
	}
	held.write(w)
}
