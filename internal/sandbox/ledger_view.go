package sandbox

import (
	"cmp"
	"iter"
	"maps"
	"slices"
	"strconv"
	"strings"
)

// Entry is one (reference, phone number) of an accepted request.
type Entry struct {
	Provider    string `json:"provider"`
	Reference   string `json:"reference"`
	PhoneNumber string `json:"phone_number"`
	Currency    string `json:"currency"`
	// Amount was asked for; AmountPaid moved, over all times.
	Amount     Cents `json:"amount"`
	TimesPaid  int   `json:"times_paid"`
	AmountPaid Cents `json:"amount_paid"`
	// Status is the code that the last status query showed, or 600 before the first; when the pace
	// is by time, the code that a query would show now.
	Status int `json:"status"`
}

// PhoneTotal is what one phone number received under all references.
type PhoneTotal struct {
	PhoneNumber string   `json:"phone_number"`
	References  []string `json:"references"`
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
	Refused  int `json:"refused"`  // answers with 721
	Repeated int `json:"repeated"` // sends of a reference that was taken
}

// LostCounts count requests whose answer the client cannot have understood.
type LostCounts struct {
	Before int `json:"before"` // and which were not processed
	After  int `json:"after"`  // although they were processed
}

// Totals are the whole ledger in one view.
type Totals struct {
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
}

// Entries yields all recipients of accepted requests, in the order of acceptance. Requests that are
// accepted while it runs may be left out.
func (l *Ledger) Entries() iter.Seq[Entry] {
	return func(yield func(Entry) bool) {
		for b, r := range l.recipients() {
			if !yield(Entry{
				Provider:    Provider,
				Reference:   b.reference,
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

// seen is a recipient with its visible status.
type seen struct {
	recipient
	status int
}

func (l *Ledger) recipients() iter.Seq2[batch, seen] {
	return func(yield func(batch, seen) bool) {
		pace, now := l.board.current().Pace, l.now()
		for b := range l.each() {
			c := pace.clock(b.polls, now.Sub(b.accepted))
			for _, r := range b.recipients {
				if !yield(b, seen{r, r.fate.visible(c, b.hash, r.phone)}) {
					return
				}
			}
		}
	}
}

// Phones returns what each phone number received, in the order of the numbers.
func (l *Ledger) Phones() []PhoneTotal {
	totals := map[uint64]*PhoneTotal{}
	for b, r := range l.recipients() {
		one := totals[r.phone]
		if one == nil {
			one = &PhoneTotal{PhoneNumber: strconv.FormatUint(r.phone, 10)}
			totals[r.phone] = one
		}
		one.References = append(one.References, b.reference)
		one.TimesPaid += int(r.paid)
		one.AmountPaid += r.moved
	}
	all := make([]PhoneTotal, 0, len(totals))
	for _, phone := range slices.SortedFunc(maps.Keys(totals), cmp.Compare[uint64]) {
		all = append(all, *totals[phone])
	}
	return all
}

// Totals counts the whole ledger.
func (l *Ledger) Totals() Totals {
	t := Totals{Provider: Provider, Statuses: map[int]int{}}
	phones := map[uint64]struct{}{}
	var moved, returned Cents
	for _, r := range l.recipients() {
		phones[r.phone] = struct{}{}
		t.Statuses[r.status]++
		t.Recipients.add(r)
		moved += r.moved
		if r.returned() {
			returned += r.moved
		}
	}
	t.Recipients.PhoneNumbers = len(phones)
	t.Totals = map[string]Cents{Currency: moved}
	t.Returned = map[string]Cents{Currency: returned}
	requests, injected := l.board.counts()
	t.Requests = map[string]int{}
	for c, n := range requests {
		t.Requests[call(c).String()] = n
	}
	t.Faults, t.Lost = injected, countLost(injected)
	l.mu.Lock()
	defer l.mu.Unlock()
	t.Batches = BatchCounts{Accepted: len(l.order), Refused: l.refused, Repeated: l.repeated}
	return t
}

func (r seen) returned() bool {
	return r.paid > 0 && (r.status == codeReversed || r.status == codeRefunded)
}

func (c *RecipientCounts) add(r seen) {
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
