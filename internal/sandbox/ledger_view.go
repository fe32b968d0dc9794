package sandbox

import (
	"cmp"
	"iter"
	"maps"
	"slices"
	"strconv"
	"strings"
	"time"
)

// Ledger is the record of the money of one provider or of all. It is safe for concurrent use.
type Ledger struct{ accounts []*account }

// Entry is one (reference, phone number) of accepted requests.
type Entry struct {
	Provider  string `json:"provider"`
	Reference string `json:"reference"`
	// RequestID is the provider's own id of the recipient, the first one when there are several;
	// Lipad has none.
	RequestID   string `json:"request_id,omitempty"`
	PhoneNumber string `json:"phone_number"`
	Currency    string `json:"currency"`
	// Amount was asked for; AmountPaid moved, over all times.
	Amount     Cents `json:"amount"`
	TimesPaid  int   `json:"times_paid"`
	AmountPaid Cents `json:"amount_paid"`
	// Status is, in Lipad's codes, what the last status query showed, or 600 before the first; when
	// the pace is by time, what a query would show now.
	Status int `json:"status"`
}

// PhoneTotal is what one phone number received from one provider under all references.
type PhoneTotal struct {
	Provider    string   `json:"provider"`
	PhoneNumber string   `json:"phone_number"`
	References  []string `json:"references"`
	RequestIDs  []string `json:"request_ids,omitempty"` // beside the references
	TimesPaid   int      `json:"times_paid"`
	AmountPaid  Cents    `json:"amount_paid"`
}

// RecipientCounts count (reference, phone number) pairs, but for PhoneNumbers.
type RecipientCounts struct {
	Accepted int `json:"accepted"`
	Paid     int `json:"paid"`       // at least once
	Twice    int `json:"paid_twice"` // more than once under one reference: wrong
	Unpaid   int `json:"unpaid"`
	Returned int `json:"returned"` // paid, and visibly 605 or 606 by now
	// PhoneNumbers counts the different phone numbers.
	PhoneNumbers int `json:"phone_numbers"`
}

// BatchCounts count requests that were carried out, whether or not their answer arrived.
type BatchCounts struct {
	Accepted int `json:"accepted"` // references taken
	Refused  int `json:"refused"`  // requests refused whole
	Repeated int `json:"repeated"` // sends of a reference that was taken
}

// CallbackCounts count what the provider posted to us.
type CallbackCounts struct {
	Sent       int `json:"sent"`       // posts, the second ones and the repeated ones too
	Unanswered int `json:"unanswered"` // posts of these that were not answered with 2xx
	Lost       int `json:"lost"`       // callbacks never sent
	Duplicated int `json:"duplicated"` // callbacks sent twice
	// Asked counts validations, Denied those that were not answered with "Validated".
	Asked  int `json:"validations_asked"`
	Denied int `json:"validations_denied"`
}

func (c *CallbackCounts) add(o CallbackCounts) {
	c.Sent += o.Sent
	c.Unanswered += o.Unanswered
	c.Lost += o.Lost
	c.Duplicated += o.Duplicated
	c.Asked += o.Asked
	c.Denied += o.Denied
}

// LostCounts count requests whose answer the client cannot have understood.
type LostCounts struct {
	Before int `json:"before"` // and which were not processed
	After  int `json:"after"`  // although they were processed
}

// allProviders is the name of the sum.
const allProviders = "all"

// Totals are a whole ledger in one view.
type Totals struct {
	// Provider is the name, or "all".
	Provider   string          `json:"provider"`
	Recipients RecipientCounts `json:"recipients"`
	// Totals is the money that moved, by currency; Returned the part that visibly came back.
	Totals   map[string]Cents `json:"totals"`
	Returned map[string]Cents `json:"returned"`
	// Statuses count recipients by visible code.
	Statuses map[int]int    `json:"statuses"`
	Batches  BatchCounts    `json:"batches"`
	Requests map[string]int `json:"requests"`
	Lost     LostCounts     `json:"lost"`
	// Faults count what was injected, as "send.lost_after".
	Faults map[string]int `json:"faults"`
	// Callbacks are left out when there was none.
	Callbacks CallbackCounts `json:"callbacks,omitzero"`
	// Providers are the parts of the sum, by name.
	Providers map[string]Totals `json:"providers,omitempty"`
}

// Entries yields all recipients of accepted requests, by provider and in the order of acceptance.
// Requests that are accepted while it runs may be left out.
func (l *Ledger) Entries() iter.Seq[Entry] {
	return func(yield func(Entry) bool) {
		for _, a := range l.accounts {
			for b, r := range a.recipients() {
				if !yield(Entry{
					Provider:    a.name,
					Reference:   b.reference,
					RequestID:   a.requestID(r.number),
					PhoneNumber: strconv.FormatUint(r.phone, 10),
					Currency:    Currency,
					Amount:      r.amount,
					TimesPaid:   int(r.paid),
					AmountPaid:  r.moved,
					Status:      r.status,
				}) {
					return
				}
			}
		}
	}
}

// recipientView is a recipient with its visible status, and its number where the provider has ids.
type recipientView struct {
	recipient
	number uint64
	status int
}

// recipients yields each (reference, phone number) once: payments under one reference are added up,
// whether they came in one request or in several.
func (a *account) recipients() iter.Seq2[batch, recipientView] {
	return func(yield func(batch, recipientView) bool) {
		w := viewer{a.injector.current().Pace, a.now()}
		for b := range a.book.each() {
			if len(b.again) > 0 || b.doubled {
				for _, r := range w.merged(&b) {
					if !yield(b, r) {
						return
					}
				}
				continue
			}
			for index := range b.recipients {
				if !yield(b, w.view(&b, index)) {
					return
				}
			}
		}
	}
}

// viewer looks at recipients at one moment.
type viewer struct {
	pace Pace
	now  time.Time
}

func (w viewer) view(b *batch, index int) recipientView {
	r := b.recipients[index]
	c := w.pace.progress(b.pollsOf(index), w.now.Sub(b.accepted))
	s := recipientView{recipient: r, status: r.outcome.visible(c, b.hash, r.phone)}
	if b.first > 0 {
		s.number = b.first + uint64(index)
	}
	return s
}

// merged adds up what a reference paid to each phone number. What was asked for, and what shows, is
// that of the first.
func (w viewer) merged(b *batch) []recipientView {
	var all []recipientView
	indexes := map[uint64]int{}
	for _, one := range append([]*batch{b}, b.again...) {
		for index := range one.recipients {
			r := w.view(one, index)
			if at, found := indexes[r.phone]; found {
				all[at].paid += r.paid
				all[at].moved += r.moved
				continue
			}
			indexes[r.phone] = len(all)
			all = append(all, r)
		}
	}
	return all
}

// Phones returns what each phone number received, in the order of the numbers, and of the providers
// for one number.
func (l *Ledger) Phones() []PhoneTotal {
	type key struct {
		phone    uint64
		provider int
	}
	totals := map[key]*PhoneTotal{}
	for i, a := range l.accounts {
		for b, r := range a.recipients() {
			one := totals[key{r.phone, i}]
			if one == nil {
				one = &PhoneTotal{Provider: a.name, PhoneNumber: strconv.FormatUint(r.phone, 10)}
				totals[key{r.phone, i}] = one
			}
			one.References = append(one.References, b.reference)
			if r.number > 0 {
				one.RequestIDs = append(one.RequestIDs, a.requestID(r.number))
			}
			one.TimesPaid += int(r.paid)
			one.AmountPaid += r.moved
		}
	}
	order := slices.SortedFunc(maps.Keys(totals), func(x, y key) int {
		return cmp.Or(cmp.Compare(x.phone, y.phone), cmp.Compare(x.provider, y.provider))
	})
	all := make([]PhoneTotal, len(order))
	for i, k := range order {
		all[i] = *totals[k]
	}
	return all
}

// Totals counts the whole ledger. That of all providers holds their parts.
func (l *Ledger) Totals() Totals {
	if len(l.accounts) == 1 {
		t, _ := l.accounts[0].totals()
		return t
	}
	sum := newTotals(allProviders)
	sum.Providers = map[string]Totals{}
	phones := map[uint64]struct{}{}
	for _, a := range l.accounts {
		t, theirs := a.totals()
		sum.add(t)
		sum.Providers[a.name] = t
		if len(phones) == 0 {
			phones = theirs // most often the only ones
		} else {
			maps.Copy(phones, theirs)
		}
	}
	sum.Recipients.PhoneNumbers = len(phones)
	return sum
}

func newTotals(provider string) Totals {
	return Totals{
		Provider: provider, Statuses: map[int]int{}, Requests: map[string]int{},
		Totals: map[string]Cents{Currency: 0}, Returned: map[string]Cents{Currency: 0},
		Faults: map[string]int{},
	}
}

// add adds the totals of a provider, but for its phone numbers, which others may have too.
func (t *Totals) add(o Totals) {
	t.Recipients.Accepted += o.Recipients.Accepted
	t.Recipients.Paid += o.Recipients.Paid
	t.Recipients.Twice += o.Recipients.Twice
	t.Recipients.Unpaid += o.Recipients.Unpaid
	t.Recipients.Returned += o.Recipients.Returned
	t.Batches.Accepted += o.Batches.Accepted
	t.Batches.Refused += o.Batches.Refused
	t.Batches.Repeated += o.Batches.Repeated
	t.Lost.Before += o.Lost.Before
	t.Lost.After += o.Lost.After
	t.Callbacks.add(o.Callbacks)
	addUp(t.Totals, o.Totals)
	addUp(t.Returned, o.Returned)
	addUp(t.Statuses, o.Statuses)
	addUp(t.Requests, o.Requests)
	addUp(t.Faults, o.Faults)
}

func addUp[K comparable, N int | Cents](sum, part map[K]N) {
	for key, n := range part {
		sum[key] += n
	}
}

// totals counts the provider's ledger and returns the different phone numbers, too.
func (a *account) totals() (Totals, map[uint64]struct{}) {
	t := newTotals(a.name)
	phones := map[uint64]struct{}{}
	var moved, returned Cents
	for _, r := range a.recipients() {
		phones[r.phone] = struct{}{}
		t.Statuses[r.status]++
		t.Recipients.add(r)
		moved += r.moved
		if r.returned() {
			returned += r.moved
		}
	}
	t.Recipients.PhoneNumbers = len(phones)
	t.Totals[Currency], t.Returned[Currency] = moved, returned
	a.injector.addTo(&t)
	t.Lost = countLost(t.Faults)
	a.book.mu.Lock()
	defer a.book.mu.Unlock()
	t.Batches = BatchCounts{len(a.book.batches), a.book.refused, a.book.repeated}
	return t, phones
}

func (r recipientView) returned() bool {
	return r.paid > 0 && (r.status == codeReversed || r.status == codeRefunded)
}

func (c *RecipientCounts) add(r recipientView) {
	c.Accepted++
	switch {
	case r.paid == 0:
		c.Unpaid++
	case r.paid > 1:
		c.Twice++
		c.Paid++
	default:
		c.Paid++
	}
	if r.returned() {
		c.Returned++
	}
}

// countLost adds up the injected faults after which a client knows nothing.
func countLost(injected map[string]int) LostCounts {
	var lost LostCounts
	for name, n := range injected {
		_, fault, _ := strings.Cut(name, ".")
		switch fault {
		case hangBefore, lostBefore, errorBefore:
			lost.Before += n
		case hangAfter, lostAfter, errorAfter, brokenJSON, cutBody:
			lost.After += n
		}
	}
	return lost
}
