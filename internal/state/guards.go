package state

import (
	"cmp"
	"crypto/sha256"
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"
	"time"

	"tuma/internal/airtime"
	"tuma/internal/routing"
)

// guardTables writes the guards as Lua: GUARD_LIST in their order, GUARDS by their names.
func guardTables(guards []routing.Guard) string {
	var b strings.Builder
	b.WriteString("local GUARD_LIST, GUARDS = {\n")
	for _, g := range guards {
		fmt.Fprintf(&b, "  {name = '%s', count = %d, limit = {", g.Name, g.Count)
		for _, currency := range slices.Sorted(maps.Keys(g.Limit)) {
			fmt.Fprintf(&b, "%s = %d, ", currency, g.Limit[currency])
		}
		b.WriteString("}")
		if g.DuplicateWithin > 0 {
			fmt.Fprintf(&b, ", within = %d", g.DuplicateWithin.Milliseconds())
		} else {
			fmt.Fprintf(&b, ", of = '%s', per = '%s'", g.Of, g.Per)
		}
		if g.Refuse {
			b.WriteString(", refuse = true")
		}
		b.WriteString("},\n")
	}
	b.WriteString("}, {}\nfor _, g in ipairs(GUARD_LIST) do GUARDS[g.name] = g end\n")
	return b.String()
}

// checkGuards makes sure that the scripts can be built of the guards.
func (o *Options) checkGuards() error {
	if len(o.Rules.Guards) > routing.MaxGuards {
		return fmt.Errorf("%d guards, at most %d are possible", len(o.Rules.Guards), routing.MaxGuards)
	}
	names := map[string]bool{}
	for _, g := range o.Rules.Guards {
		if names[g.Name] || g.Name == "" || strings.ContainsAny(g.Name, " \t\n'\\") {
			return fmt.Errorf("guard %q: the name is missing, used twice or unfit", g.Name)
		}
		names[g.Name] = true
		if (g.DuplicateWithin > 0) == (g.Per != "") {
			return fmt.Errorf("guard %q: is about a period or about duplicates", g.Name)
		}
	}
	return nil
}

// looksForDuplicates reports whether a guard does.
func (o *Options) looksForDuplicates() bool {
	return slices.ContainsFunc(o.Rules.Guards, func(g routing.Guard) bool {
		return g.DuplicateWithin > 0
	})
}

// printsOf spells the payments of recipients as lua/include/duplicates.lua reads them.
func printsOf(recipients []airtime.Recipient) string {
	var prints strings.Builder
	for _, r := range recipients {
		prints.WriteString(printOf(r))
	}
	return prints.String()
}

// printAlphabet are the characters that a print may begin with.
const printAlphabet = "0123456789abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ-_"

// printOf is one of 64 characters and seven bytes of a hash of a payment.
func printOf(r airtime.Recipient) string {
	payment := r.Phone.Digits() + " " + strconv.FormatInt(r.Amount.Minor, 10) + " " +
		string(r.Amount.Currency)
	sum := sha256.Sum256([]byte(payment))
	return printAlphabet[sum[0]%64:][:1] + string(sum[1:8])
}

// admissions are what is asked of each recipient of a disbursal; nil when nothing is.
func (s *Store) admissions(d *Disbursal) []routing.Admission {
	gate := s.options.Rules.Gate(d.Currency, d.Campaign, d.Producer)
	if gate.Open() {
		return nil
	}
	sums := d.Sums
	if sums == nil {
		sums = routing.Sums{}
		for _, to := range d.Recipients {
			gate.AddSums(sums, to)
		}
	}
	admissions := make([]routing.Admission, len(d.Recipients))
	for i, to := range d.Recipients {
		admissions[i] = gate.Admission(to, sums)
	}
	return admissions
}

// admissionsOf spells what is asked of recipients as accept.lua reads it: once if it is the same of
// all, else neighbours of whom the same is asked are one line.
func admissionsOf(admissions []routing.Admission) string {
	var b strings.Builder
	for first := 0; first < len(admissions); {
		last := first
		for last+1 < len(admissions) && admissions[last+1] == admissions[first] {
			last++
		}
		if last-first+1 == len(admissions) {
			return admissionText(admissions[first])
		}
		fmt.Fprintf(&b, "%d %s\n", last-first+1, admissionText(admissions[first]))
		first = last + 1
	}
	return cmp.Or(b.String(), nothingAsked)
}

// nothingAsked is the text of no admission.
const nothingAsked = "0"

func admissionText(a routing.Admission) string {
	return strings.TrimSuffix(fmt.Sprintf("%d %s", a.Guards, a.Approval), " ")
}

// guardedOf lists whom guards refuse of a disbursal: the list holds a name, a position in the order
// of phone numbers, and a guard each.
func guardedOf(d *Disbursal, refused reply) []Guarded {
	var list []Guarded
	order := phoneOrder(d.Recipients)
	for i := 0; i+2 < len(refused); i += 3 {
		if refused.text(i) != Own(d.Producer, d.Reference) {
			continue
		}
		index := refused.int(i+1) - 1
		if order != nil {
			index = order[index]
		}
		list = append(list, Guarded{Recipient: index, Guard: refused.text(i + 2)})
	}
	return list
}

// objection says what a guard has against a recipient.
func (g Guarded) objection(d *Disbursal) string {
	to := d.Recipients[g.Recipient]
	return fmt.Sprintf("recipients[%d]: refused by the guard %s (%s to %s)", g.Recipient, g.Guard,
		to.Amount, to.Phone)
}

// Holding counts recipients that are held for one reason.
type Holding struct {
	Hold
	Currency   airtime.Currency
	Recipients int64
	Minor      int64
}

func heldOf(list reply) []Holding {
	var held []Holding
	for i := 0; i+3 < len(list); i += 4 {
		held = append(held, Holding{
			Hold: holdOf(list.text(i)), Currency: airtime.Currency(list.text(i + 1)),
			Recipients: int64(list.int(i + 2)), Minor: int64(list.int(i + 3)),
		})
	}
	return held
}

// periodEnd is when the period of a guard ends that an instant is in; zero for a guard that is not
// known here.
func (s *Store) periodEnd(name string, at time.Time) time.Time {
	if g := s.guard(name); g.Per != "" {
		return g.Per.End(at.In(s.options.Timezone)).UTC()
	}
	return time.Time{}
}

// guard is that of a name; the zero value for one that is not known here.
func (s *Store) guard(name string) routing.Guard {
	for _, g := range s.options.Rules.Guards {
		if g.Name == name {
			return g
		}
	}
	return routing.Guard{}
}
