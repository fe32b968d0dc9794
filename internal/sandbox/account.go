package sandbox

import (
	"crypto/subtle"
	"errors"
	"fmt"
	"strconv"
	"strings"
	"time"
)

// Names of the simulated providers.
const (
	Lipad          = "lipad"
	AfricasTalking = "africastalking"
	QuickSMS       = "quicksms"
	Sozuri         = "sozuri"
)

// Providers lists the names in the order of the ledger.
func Providers() []string { return []string{Lipad, AfricasTalking, QuickSMS, Sozuri} }

// firstNumbers are where the providers' own ids of recipients begin: those of the pages' samples.
// Lipad has none, as it distinguishes recipients by reference and phone number.
var firstNumbers = map[string]uint64{AfricasTalking: 1, QuickSMS: 10_990, Sozuri: 4_971_724}

// account is one simulated provider: its switches, its counters and its record of the money.
type account struct {
	name        string
	seed        uint64
	credentials map[string]string
	now         func() time.Time
	injector    *faultInjector
	book        *book

	sender *callbackSender // nil without a URL for callbacks
	// payload writes a callback; nil where the provider has none.
	payload func(*delivery) payload
	// reportsSteps says that callbacks report the open statuses too, sendsForms that they may be
	// forms.
	reportsSteps, sendsForms bool
	// tries is how often a callback is sent until it is answered with 200.
	tries int
}

func newAccount(name string, o Options) *account {
	a := &account{
		name: name, seed: o.Seed, credentials: o.Credentials, now: o.Now,
		book: newBook(firstNumbers[name]), tries: 1,
	}
	if name != Lipad {
		a.seed = hashText(o.Seed, name)
	}
	a.injector = newFaultInjector(a.seed, o.Faults)
	a.injector.keyed = name != Lipad
	return a
}

// validCredentials says whether a pair of credentials is good: consumer key and secret, username
// and API key, App-Key and App-Token, or project and API key.
func (a *account) validCredentials(name, secret string, f *Faults) bool {
	if f.RefuseCredentials || secret == "" || !a.hasCustomer(name) {
		return false
	}
	want := secret
	if len(a.credentials) > 0 {
		want = a.credentials[name]
	}
	if f.Secret != "" {
		want = f.Secret
	}
	return subtle.ConstantTimeCompare([]byte(want), []byte(secret)) == 1
}

// hasCustomer says whether there is a customer of that name.
func (a *account) hasCustomer(name string) bool {
	_, found := a.credentials[name]
	return name != "" && (found || len(a.credentials) == 0)
}

// order is one recipient of a request as a provider with ids of its own has read it.
type order struct {
	phone   uint64
	amount  Cents
	refusal string // why the recipient is not accepted, "" while it may be
	number  uint64 // of an accepted recipient
}

// acceptOrders draws the outcomes of all orders that are not refused, takes their money out of the
// wallet, books them and schedules the callbacks. Orders for which the wallet does not hold enough
// are refused as poor; with poor empty the money was taken before. It returns how many were
// accepted.
func (a *account) acceptOrders(reference string, orders []order, f *Faults, poor string) int {
	b := &batch{reference: reference, hash: hashText(a.seed, reference), accepted: a.now()}
	indexes := make([]int, 0, len(orders))
	for i := range orders {
		o := &orders[i]
		if o.refusal == "" && poor != "" && !a.injector.debit(o.amount, 0) {
			o.refusal = poor
		}
		if o.refusal != "" {
			continue
		}
		drawn := f.drawOutcome(b.hash, o.phone).simple()
		if !drawn.pays() {
			a.injector.credit(o.amount)
		}
		b.recipients = append(b.recipients,
			recipient{phone: o.phone, amount: o.amount, outcome: drawn})
		indexes = append(indexes, i)
	}
	if len(indexes) == 0 {
		return 0
	}
	a.book.enter(b)
	for i, index := range indexes {
		orders[index].number = b.first + uint64(i)
	}
	a.scheduleCallbacks(b, f)
	return len(indexes)
}

// requestID is the provider's own id of a recipient, "" for none.
func (a *account) requestID(number uint64) string {
	switch {
	case number == 0:
		return ""
	case a.name == AfricasTalking:
		return fmt.Sprintf("ATQid_%016x%016x", mix(a.seed, number), number)
	default:
		return strconv.FormatUint(number, 10)
	}
}

// numberOf reads an id of requestID's for Africa's Talking, or returns 0.
func (a *account) numberOf(id string) uint64 {
	digits, _ := strings.CutPrefix(id, "ATQid_")
	if len(digits) != 32 {
		return 0
	}
	number, err := strconv.ParseUint(digits[16:], 16, 64)
	if err != nil || a.requestID(number) != id {
		return 0
	}
	return number
}

// parseE164 reads a Kenyan number with its plus sign.
func parseE164(text string) (uint64, error) {
	digits, found := strings.CutPrefix(text, "+")
	if !found {
		return 0, errors.New("want + and the country code")
	}
	return parsePhone(digits)
}
