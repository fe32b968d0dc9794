package catalog_test

import (
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"
	"testing"

	"tuma/internal/airtime"
	"tuma/internal/providers"
	"tuma/internal/providers/catalog"
	"tuma/internal/test/pagetest"
)

// nothing is an empty cell of a table.
const nothing = "–"

// traits are the lines of the table of providers.
var traits = []struct {
	what string
	of   func(providers.Spec) string
}{
	{"name", func(s providers.Spec) string { return "`" + s.Capabilities.Name + "`" }},
	{"variables", func(s providers.Spec) string {
		return "`" + providers.VariableName(s.Capabilities.Name, "*") + "`"
	}},
	{"recipients in a request", func(s providers.Spec) string {
		return strconv.Itoa(s.Capabilities.MaxRecipients)
	}},
	{"least and most per recipient", limits},
	{"networks that its page names", func(s providers.Spec) string {
		return strings.ReplaceAll(providers.NetworkNames(s.Capabilities.Networks), ",", ", ")
	}},
	{"batches ramp up 1, 10, 100, 1,000", func(s providers.Spec) string {
		return either(s.Capabilities.RampsUp, "yes", "no")
	}},
	{"accepted means", func(s providers.Spec) string {
		accepted := s.Capabilities.Accepted
		return accepted.String() + either(accepted.Settled(), ": it never tells more", "")
	}},
	{"can be asked", func(s providers.Spec) string {
		return map[providers.Asking]string{
			providers.AskNothing: "no", providers.AskByBatch: "by our reference",
			providers.AskByRecipient: "by its ids",
		}[s.Capabilities.Asks]
	}},
	{"a request whose answer was lost is sent again", resends},
	{"callbacks", reports},
	{"asks before it pays", func(s providers.Spec) string {
		return either(slices.ContainsFunc(s.Routes, asks), "yes, if set up there", "no")
	}},
	{"open too long after", func(s providers.Spec) string {
		hours := s.Capabilities.OverdueAfter.Hours()
		return either(hours > 0, fmt.Sprintf("%.0f h", hours), "")
	}},
}

func either(yes bool, a, b string) string {
	if yes {
		return a
	}
	return b
}

func asks(r providers.Route) bool { return r.Asks }

func limits(s providers.Spec) string {
	c := s.Capabilities
	var all []string
	for _, currency := range slices.Sorted(maps.Keys(c.Limits)) {
		limit := c.Limits[currency]
		all = append(all, fmt.Sprintf("%s %s to %s", currency,
			airtime.Money{Minor: limit.Min, Currency: currency}.Short(),
			airtime.Money{Minor: limit.Max, Currency: currency}.Short()))
	}
	return strings.Join(all, "; ") + either(c.WholeUnits, ", whole units only", "")
}

func resends(s providers.Spec) string {
	switch c := s.Capabilities; {
	case c.ResendSame:
		return "with the same reference, once it is not known"
	case c.ResendWithin > 0:
		return fmt.Sprintf("with the same key, within %.0f minutes", c.ResendWithin.Minutes())
	}
	return "never"
}

func reports(s providers.Spec) string {
	if !slices.ContainsFunc(s.Routes, func(r providers.Route) bool { return !r.Asks }) {
		return "none"
	}
	return map[providers.Asking]string{
		providers.AskNothing: "applied", providers.AskByBatch: "bring the query forward",
		providers.AskByRecipient: "confirmed by a query",
	}[s.Capabilities.Asks]
}

// TestThePageOfProvidersIsTheCatalog holds the tables of providers against their specs.
func TestThePageOfProvidersIsTheCatalog(t *testing.T) {
	t.Parallel()
	head := []string{""}
	rows := make([][]string, len(traits))
	addresses := [][]string{{"provider", "where it is entered there", "address"}}
	secrets := [][]string{{"provider", "files"}}
	for _, s := range catalog.Specs() {
		head = append(head, s.Title)
		for i, trait := range traits {
			of := trait.of(s)
			rows[i] = append(rows[i], either(of == "", nothing, of))
		}
		name := s.Capabilities.Name
		for _, r := range s.Routes {
			addresses = append(addresses,
				[]string{s.Title, r.Where, "`https://HOST/callbacks/TOKEN/" + r.Under(name) + "`"})
		}
		var files []string
		for _, setting := range s.Settings {
			if setting.Form == providers.FormSecret && setting.Needed {
				variable := providers.VariableName(name, setting.Key)
				files = append(files, "`"+strings.ToLower(variable)+"`")
			}
		}
		secrets = append(secrets, []string{s.Title, strings.Join(files, ", ")})
	}
	table := [][]string{head}
	for i, trait := range traits {
		table = append(table, append([]string{trait.what}, rows[i]...))
	}
	const page = "docs/providers.md"
	pagetest.Part(t, page, "providers", pagetest.Table(table...))
	pagetest.Part(t, page, "addresses", pagetest.Table(addresses...))
	pagetest.Part(t, "docs/operations.md", "secrets", pagetest.Table(secrets...))
}
