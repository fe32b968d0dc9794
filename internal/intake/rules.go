package intake

import (
	"fmt"
	"maps"
	"slices"
	"strings"
	"unicode"
	"unicode/utf8"

	"tuma/internal/airtime"
	"tuma/internal/routing"
)

// Limits of the texts in a job.
const (
	maxReference   = 128
	maxCampaign    = 128
	maxRecipientID = 64
)

// defaultCurrency is the currency of a job that names none, unless the rules say otherwise.
const defaultCurrency airtime.Currency = "KES"

// Rules are what jobs are checked against. They are read only, and may be shared by goroutines.
type Rules struct {
	routing.Rules
	// DefaultCurrency is the currency of jobs that name none; empty means KES.
	DefaultCurrency airtime.Currency
}

// Faults is every fault of one job or row: "recipients[3].amount: below the minimum of KES 10". It
// is the error that decoding returns, and holds no full phone number.
type Faults []string

// maxFaults bounds the list that one hostile job can produce; a job of 1,000 recipients with three
// faults each stays below it.
const maxFaults = 5000

// Error joins the faults.
func (f Faults) Error() string { return strings.Join(f, "; ") }

// add appends a fault at a path such as "recipients[3].amount".
func (f *Faults) add(path, format string, values ...any) {
	f.append(path + ": " + fmt.Sprintf(format, values...))
}

func (f *Faults) append(fault string) {
	switch {
	case len(*f) < maxFaults:
		*f = append(*f, fault)
	case len(*f) == maxFaults:
		*f = append(*f, "and more faults than are listed")
	}
}

// findings are the faults of one job or row, in the order in which they were found.
type findings struct {
	Faults
	// unreadable is set when one of them keeps its content from being known: then it is not
	// known whether the state holds it. Today's rules may be against anything that it holds.
	unreadable bool
}

// add appends a fault that keeps the content from being known.
func (f *findings) add(path, format string, values ...any) {
	f.unreadable = true
	f.Faults.add(path, format, values...)
}

// object appends what today's rules have against content that is known.
func (f *findings) object(path, format string, values ...any) {
	f.Faults.add(path, format, values...)
}

// merge appends the findings of an element at a path.
func (f *findings) merge(path string, of findings) {
	f.unreadable = f.unreadable || of.unreadable
	for _, fault := range of.Faults {
		f.append(path + fault)
	}
}

// err returns the faults if the content cannot be known for them, else nil.
func (f *findings) err() error {
	if f.unreadable {
		return f.Faults
	}
	return nil
}

// route is where the recipients of one disbursal go: all to the provider of the coverage, or
// each where the rules send it.
type route struct {
	routing.Coverage
	currency airtime.Currency
	routed   bool             // The rules decide for each recipient; the coverage is empty.
	choices  []routing.Choice // The rules that are left to decide.
}

// routeOf finds the provider and currency for what a job or row names; empty names mean the rules
// and the defaults.
func (r Rules) routeOf(provider, currency, campaign, path string, faults *findings) route {
	route := route{currency: airtime.Currency(currency)}
	if currency == "" {
		route.currency = r.currency()
	}
	if !route.currency.Known() {
		faults.add(path+"currency", "%s is not a known currency", shown(currency))
		route.currency = ""
	}
	if provider == "" && len(r.Routing) > 0 {
		route.routed, route.choices = true, r.Choices(route.currency, campaign)
		return route
	}
	if provider == "" {
		provider = r.DefaultProvider
	}
	route.Coverage = r.Coverage(provider, route.currency)
	switch {
	case provider == "":
		faults.object(path+"provider", "missing, and no default provider is configured")
	case !route.Known:
		faults.object(path+"provider", "%s", r.notConfigured(provider))
	case route.currency != "" && !route.Limited:
		faults.object(path+"currency", "%s does not take %s", provider, route.currency)
	}
	return route
}

func (r Rules) notConfigured(provider string) string {
	return fmt.Sprintf("%s is not configured here; known: %s",
		shown(provider), strings.Join(slices.Sorted(maps.Keys(r.Providers)), ", "))
}

func (r Rules) currency() airtime.Currency {
	if r.DefaultCurrency == "" {
		return defaultCurrency
	}
	return r.DefaultCurrency
}

// phone reads a number and checks it against the currency.
func (r *route) phone(text, path string, faults *findings) airtime.MSISDN {
	if text == "" {
		faults.add(path+"phone_number", "missing")
		return airtime.MSISDN{}
	}
	phone, err := airtime.ParseMSISDN(text)
	if err != nil {
		faults.add(path+"phone_number", "%s", err)
		return airtime.MSISDN{}
	}
	if r.currency != "" && !r.currency.UsedBy(phone) {
		faults.object(path+"phone_number", "%s is not a number of a country that uses %s",
			phone, r.currency)
	}
	return phone
}

// amount reads an amount of the currency.
func (r *route) amount(text, path string, faults *findings) airtime.Money {
	if text == "" {
		faults.add(path+"amount", "missing")
		return airtime.Money{}
	}
	if r.currency == "" {
		return airtime.Money{} // The number of decimals depends on the currency.
	}
	money, err := airtime.ParseAmount(text, r.currency)
	if err != nil {
		faults.add(path+"amount", "%s", err)
	}
	return money
}

// checkCoverage adds a fault when no provider takes the recipient. What could not be read of the
// recipient or the route is zero, and has been reported.
func (r Rules) checkCoverage(route *route, to airtime.Recipient, faults *findings) {
	c := route.Coverage
	switch {
	case to.Amount.Minor == 0:
		return
	case route.routed && to.Phone.IsZero():
		return
	case route.routed:
		c = r.CoverageFor(route.choices, to)
	case !c.Limited: // The route has been reported.
		return
	}
	if network := r.Network(to.Phone); !c.Takes(to.Amount.Minor, network) {
		r.addRefusal(c, to, network, faults)
	}
}

// addRefusal says why a provider does not take a recipient.
func (r Rules) addRefusal(
	c routing.Coverage, to airtime.Recipient, network airtime.Network, faults *findings,
) {
	amount := to.Amount
	switch {
	case c.Provider == "":
		faults.object("provider", "no rule matches, and no default provider is configured")
	case !c.Known:
		faults.object("provider", "%s", r.notConfigured(c.Provider))
	case !c.Limited:
		faults.object("amount", "%s does not take %s", c.Provider, amount.Currency)
	case amount.Minor < c.Limit.Min:
		faults.object("amount", "below the minimum of %s", short(c.Limit.Min, amount.Currency))
	case amount.Minor > c.Limit.Max:
		faults.object("amount", "above the maximum of %s", short(c.Limit.Max, amount.Currency))
	case c.Unit > 0 && amount.Minor%c.Unit != 0:
		faults.object("amount", "%s takes whole %s only", c.Provider, amount.Currency)
	case amount.Currency.UsedBy(to.Phone): // Else that has been reported, as has a missing number.
		faults.object("phone_number", "%s is of the network %s, and %s takes %s only (settings: "+
			"%s.networks; routing.ported for a number that changed its network)",
			to.Phone, network, c.Provider, listed(c.Networks), c.Provider)
	}
}

// listed spells networks with commas between them.
func listed(networks []airtime.Network) string {
	names := make([]string, len(networks))
	for i, network := range networks {
		names[i] = network.String()
	}
	return strings.Join(names, ", ")
}

func short(minor int64, currency airtime.Currency) string {
	return string(currency) + " " + airtime.Money{Minor: minor, Currency: currency}.Short()
}

// CheckReference returns an error that says what is wrong with a reference: it must be 1 to 128
// printable ASCII characters without spaces.
func CheckReference(reference string) error { return checkReference(reference, maxReference) }

func checkReference(reference string, longest int) error {
	switch {
	case reference == "":
		return fmt.Errorf("missing")
	case len(reference) > longest:
		return fmt.Errorf("longer than %d characters", longest)
	}
	for _, c := range []byte(reference) {
		if c <= ' ' || c > '~' {
			return fmt.Errorf("may hold only printable ASCII characters without spaces")
		}
	}
	return nil
}

// recipientIDOf checks a producer's own id of a recipient, which may be empty.
func recipientIDOf(id, path string, faults *findings) string {
	if id == "" {
		return ""
	}
	if err := checkReference(id, maxRecipientID); err != nil {
		faults.add(path+"id", "%s", err)
		return ""
	}
	return id
}

// checkCampaign lets through at most 128 printable characters.
func checkCampaign(campaign string) error {
	if utf8.RuneCountInString(campaign) > maxCampaign {
		return fmt.Errorf("longer than %d characters", maxCampaign)
	}
	for _, c := range campaign {
		// The replacement character is what a decoder leaves of bytes that it could not read.
		if !unicode.IsPrint(c) || c == utf8.RuneError {
			return fmt.Errorf("may hold only printable characters")
		}
	}
	return nil
}

// shown quotes a text from outside for an error: cut short, and with every run of digits that could
// be a phone number hidden, since columns and fields do get mixed up.
func shown(text string) string {
	const longest, digitsMax = 40, 6
	var out strings.Builder
	runes, digits := 0, 0
	for _, c := range text {
		switch {
		case unicode.IsDigit(c):
			digits++
		case unicode.IsLetter(c): // Everything else may stand within a number.
			digits = 0
		}
		if runes == longest || digits > digitsMax {
			out.WriteString("…")
			break
		}
		out.WriteRune(c)
		runes++
	}
	return fmt.Sprintf("%q", out.String())
}
