package config

import (
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	"gopkg.in/yaml.v3"

	"tuma/internal/airtime"
	"tuma/internal/routing"
)

// The keys of the lists of guards and of approvals.
const (
	keyGuards    = "guards"
	keyApprovals = "approvals"
)

// The keys of a guard and of an approval beside the name and the conditions.
const (
	keyLimit           = "limit"
	keyCount           = "count"
	keyPer             = "per"
	keyOf              = "of"
	keyDuplicateWithin = "duplicate_within"
	keyThen            = "then"
	keyAbove           = "above"
)

// wordRefuse is then: refuse; the other word is wordHold.
const wordRefuse = "refuse"

// Bounds of what a guard says.
const (
	maxCount        = 1_000_000_000
	longestWindow   = 30 * 24 * time.Hour
	windowPrecision = time.Minute
)

// describeGuards returns guards and approvals as name=value.
func describeGuards(r routing.Rules) []string {
	var shown []string
	for _, g := range r.Guards {
		then := wordHold
		if g.Refuse {
			then = wordRefuse
		}
		shown = append(shown, fmt.Sprintf("%s.%s=%s, %s", keyGuards, g.Name, boundOf(&g), then))
	}
	for _, a := range r.Approvals {
		shown = append(shown, fmt.Sprintf("%s.%s=above %s", keyApprovals, a.Name, moneyText(a.Above)))
	}
	return shown
}

// boundOf says what a guard bounds, as in "3 recipients, KES 1000.00 per day of phone".
func boundOf(g *routing.Guard) string {
	if g.DuplicateWithin > 0 {
		return "duplicates within " + wholeMinutes.Replace(g.DuplicateWithin.String())
	}
	var bounds []string
	if g.Count > 0 {
		bounds = append(bounds, fmt.Sprintf("%d recipients", g.Count))
	}
	if len(g.Limit) > 0 {
		bounds = append(bounds, moneyText(g.Limit))
	}
	if g.Per == routing.PerBalance {
		return "what is left at each provider"
	}
	return fmt.Sprintf("%s per %s of %s", strings.Join(bounds, ", "), g.Per, g.Of)
}

func moneyText(limits map[airtime.Currency]int64) string {
	var sums []string
	for _, currency := range slices.Sorted(maps.Keys(limits)) {
		sums = append(sums, airtime.Money{Minor: limits[currency], Currency: currency}.String())
	}
	return strings.Join(sums, ", ")
}

// wholeMinutes leaves zeros out of a duration.
var wholeMinutes = strings.NewReplacer("h0m0s", "h", "m0s", "m")

// guards reads the list of guards.
func (f *yamlFile) guards(node *yaml.Node) {
	f.entries(node, keyGuards, "guard", func(entry *entryReader) {
		r := guardReader{moneyReader: newMoneyReader(entry)}
		r.conditions = &r.guard.Conditions
		r.read()
		if window, given := r.texts[keyDuplicateWithin]; given {
			f.windows[len(f.routing.Guards)] = window
		}
		f.routing.Guards = append(f.routing.Guards, r.guard)
	})
	f.atMost(node, keyGuards)
}

// approvals reads the list of approvals.
func (f *yamlFile) approvals(node *yaml.Node) {
	f.entries(node, keyApprovals, "approval", func(entry *entryReader) {
		r := approvalReader{moneyReader: newMoneyReader(entry)}
		r.conditions = &r.approval.Conditions
		r.read()
		f.routing.Approvals = append(f.routing.Approvals, r.approval)
	})
	f.atMost(node, keyApprovals)
}

func (f *yamlFile) atMost(node *yaml.Node, things string) {
	if n := len(node.Content); node.Kind == yaml.SequenceNode && n > routing.MaxGuards {
		f.problem(node, things, "there are %d, and at most %d are possible: join some",
			n, routing.MaxGuards)
	}
}

// addLowFloat adds the guard of low floats behind those of the file, which have room and its name
// for it.
func (f *yamlFile) addLowFloat(c *Config) {
	if !c.HoldOnLowFloat {
		return
	}
	named := func(g routing.Guard) bool { return g.Name == routing.FloatGuard }
	switch {
	case len(f.routing.Guards) == routing.MaxGuards:
		*f.problems = append(*f.problems, fmt.Sprintf("%s: with TUMA_HOLD_ON_LOW_FLOAT at most %d are "+
			"possible: join some", keyGuards, routing.MaxGuards-1))
	case slices.ContainsFunc(f.routing.Guards, named):
		*f.problems = append(*f.problems, fmt.Sprintf("%s: %s is the name of the guard of "+
			"TUMA_HOLD_ON_LOW_FLOAT: choose another", keyGuards, routing.FloatGuard))
	default:
		f.routing.Guards = append(f.routing.Guards, routing.LowFloat())
	}
}

// checkWindows looks at what needs the setting of another place: who is forgotten is no duplicate.
func (f *yamlFile) checkWindows(retention time.Duration) {
	for i, g := range f.routing.Guards {
		if retention > 0 && g.DuplicateWithin > retention {
			f.report(f.windows[i], fmt.Errorf("must not be longer than TUMA_RETENTION (%s), after which "+
				"recipients are forgotten", retention))
		}
	}
}

// moneyReader reads an entry that bounds sums of money by currency.
type moneyReader struct {
	conditionReader
	limits map[string]map[airtime.Currency]int64 // By key.
}

func newMoneyReader(entry *entryReader) moneyReader {
	return moneyReader{
		conditionReader: conditionReader{entryReader: entry, forGuard: true},
		limits:          map[string]map[airtime.Currency]int64{},
	}
}

// money reads a bound in each of some currencies.
func (r *moneyReader) money(key, path string, node *yaml.Node) {
	if node.Kind == yaml.MappingNode && len(node.Content) == 0 {
		r.problem(node, path, "must have an amount in at least one currency")
	}
	limits := map[airtime.Currency]int64{}
	r.limits[key] = limits
	r.fields(node, path+".", func(name, path string, node *yaml.Node) {
		currency := airtime.Currency(name)
		if !currency.Known() {
			r.problem(node, path, "%q is not a known currency", name)
			return
		}
		r.keep(key+"."+name, path, node)
		r.text(key+"."+name, func(value string) error {
			money, err := airtime.ParseBound(value, currency)
			limits[currency] = money.Minor
			return err
		})
	})
}

// checkMoney refuses a bound that could never apply: it would be taken for one.
func (r *moneyReader) checkMoney(key string) map[airtime.Currency]int64 {
	for _, currency := range slices.Sorted(maps.Keys(r.limits[key])) {
		if r.has(keyCurrencies) && !slices.Contains(r.conditions.Currencies, currency) {
			r.report(r.texts[key+"."+string(currency)],
				errors.New("never applies: add the currency to currencies, or leave those out"))
		}
	}
	return r.limits[key]
}

// guardReader reads one guard.
type guardReader struct {
	moneyReader
	guard routing.Guard
}

func (r *guardReader) read() {
	r.fields(r.node, r.path+".", r.field)
	r.name(&r.guard.Name)
	r.amounts()
	r.guard.Limit = r.checkMoney(keyLimit)
	then := wordHold
	r.word(keyThen, &then, wordHold, wordRefuse)
	r.guard.Refuse = then == wordRefuse
	if r.has(keyDuplicateWithin) {
		r.duplicates()
	} else {
		r.period()
	}
}

func (r *guardReader) field(key, path string, node *yaml.Node) {
	switch key {
	case keyLimit:
		r.money(key, path, node)
	case keyName, keyCount, keyPer, keyOf, keyDuplicateWithin, keyThen:
		r.keep(key, path, node)
	default:
		r.condition(key, path, node,
			keyName, keyLimit, keyCount, keyPer, keyOf, keyDuplicateWithin, keyThen)
	}
}

// duplicates reads a guard about duplicates.
func (r *guardReader) duplicates() {
	for _, key := range []string{keyLimit, keyCount, keyPer, keyOf} {
		if node := valueOf(r.node, key); node != nil {
			r.problem(node, r.path+"."+key, "does not go with %s: make two guards of it",
				keyDuplicateWithin)
			break
		}
	}
	r.text(keyDuplicateWithin, func(value string) error {
		window, err := ParseDuration(value)
		if err != nil || window < windowPrecision || window > longestWindow ||
			window%windowPrecision != 0 {
			return errors.New("must be a duration such as 24h or 30d, from 1m to 30d, in whole minutes")
		}
		r.guard.DuplicateWithin = window
		return nil
	})
}

// period reads a guard about a period.
func (r *guardReader) period() {
	if !slices.ContainsFunc([]string{keyLimit, keyCount, keyPer, keyOf}, r.has) {
		r.problem(r.node, r.path, "must have %s; or %s or %s with %s and %s", keyDuplicateWithin,
			keyLimit, keyCount, keyPer, keyOf)
		return
	}
	if !r.has(keyLimit) && !r.has(keyCount) {
		r.problem(r.node, r.path, "must have %s or %s", keyLimit, keyCount)
	}
	for _, key := range []string{keyPer, keyOf} {
		if !r.has(key) {
			r.problem(r.node, r.path, "must have %s", key)
		}
	}
	r.word(keyPer, (*string)(&r.guard.Per), string(routing.PerHour), string(routing.PerDay),
		string(routing.PerWeek), string(routing.PerMonth))
	r.word(keyOf, (*string)(&r.guard.Of), string(routing.OfAll), string(routing.OfProvider),
		string(routing.OfProducer), string(routing.OfCampaign), string(routing.OfPhone))
	r.text(keyCount, func(value string) error {
		var count int
		err := whole(func(*Config) *int { return &count }, 1, maxCount)(nil, value)
		r.guard.Count = int64(count)
		return err
	})
}

// approvalReader reads one approval.
type approvalReader struct {
	moneyReader
	approval routing.Approval
}

func (r *approvalReader) read() {
	r.fields(r.node, r.path+".", r.field)
	r.name(&r.approval.Name)
	r.amounts()
	if !r.has(keyAbove) {
		r.problem(r.node, r.path, "must have %s", keyAbove)
	}
	r.approval.Above = r.checkMoney(keyAbove)
}

func (r *approvalReader) field(key, path string, node *yaml.Node) {
	switch key {
	case keyName:
		r.keep(key, path, node)
	case keyAbove:
		r.money(key, path, node)
	default:
		r.condition(key, path, node, keyName, keyAbove)
	}
}
