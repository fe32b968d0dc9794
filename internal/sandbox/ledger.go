package sandbox

import (
	"iter"
	"strconv"
	"sync"
	"time"
)

// recipient is one phone number in one accepted request: 40 bytes, so that a million fit easily.
type recipient struct {
	phone  uint64
	amount Cents  // asked for
	moved  Cents  // paid, over all times
	paid   uint32 // how often
	fate   fate
}

// batch is one accepted reference. Its recipients are replaced, never changed, so that a reader
// may keep the slice.
type batch struct {
	reference  string
	hash       uint64
	accepted   time.Time
	polls      int // processed status queries that knew the reference
	recipients []recipient
}

// Ledger is the record of the money. It books each (reference, phone number): one phone number may
// rightly be paid under several references, while a second payment under one reference is wrong.
// It is safe for concurrent use.
type Ledger struct {
	board *switchboard
	now   func() time.Time

	mu       sync.Mutex
	batches  map[string]*batch
	order    []*batch
	refused  int
	repeated int
}

func newLedger(board *switchboard, now func() time.Time) *Ledger {
	return &Ledger{board: board, now: now, batches: map[string]*batch{}}
}

func (l *Ledger) reset() {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.batches, l.order = map[string]*batch{}, nil
	l.refused, l.repeated = 0, 0
}

func (l *Ledger) refuse() {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.refused++
}

// accept books a request, in which every fate is drawn already, and moves its money. It returns
// false when the reference was used and repeated references are rejected.
func (l *Ledger) accept(b *batch, repeat string) bool {
	for i := range b.recipients {
		if r := &b.recipients[i]; r.fate.pays() {
			r.paid, r.moved = 1, r.amount
		}
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	first, used := l.batches[b.reference]
	if !used {
		l.batches[b.reference] = b
		l.order = append(l.order, b)
		return true
	}
	l.repeated++
	switch repeat {
	case RepeatPay:
		first.recipients = payAgain(first.recipients, b.recipients)
	case RepeatReplay:
	default:
		l.refused++
		return false
	}
	return true
}

// payAgain adds the payments of a repeated request, whose recipients and amounts may differ from
// the first's: what was asked for stays as it was first, what moved adds up.
func payAgain(first, again []recipient) []recipient {
	place := make(map[uint64]int, len(first))
	merged := make([]recipient, len(first), len(first)+len(again))
	for i, r := range first {
		merged[i] = r
		place[r.phone] = i
	}
	for _, r := range again {
		if i, found := place[r.phone]; found {
			merged[i].paid += r.paid
			merged[i].moved += r.moved
			continue
		}
		merged = append(merged, r)
	}
	return merged
}

// poll counts a status query and returns the reference as it is. It returns false when the
// reference is unknown, or younger than slow and so not known yet.
func (l *Ledger) poll(reference string, now time.Time, slow time.Duration) (batch, bool) {
	l.mu.Lock()
	defer l.mu.Unlock()
	b, found := l.batches[reference]
	if !found || now.Sub(b.accepted) < slow {
		return batch{}, false
	}
	b.polls++
	return *b, true
}

// each yields copies of all batches in the order of their acceptance.
func (l *Ledger) each() iter.Seq[batch] {
	return func(yield func(batch) bool) {
		l.mu.Lock()
		order := l.order
		l.mu.Unlock()
		for _, b := range order {
			l.mu.Lock()
			one := *b
			l.mu.Unlock()
			if !yield(one) {
				return
			}
		}
	}
}

// Cents is an amount in hundredths of the currency.
type Cents int64

// String writes the amount with two decimals, such as "10.50".
func (c Cents) String() string {
	text := strconv.AppendInt(nil, int64(c/100), 10)
	return string(append(text, '.', byte('0'+c/10%10), byte('0'+c%10)))
}

// MarshalText writes the amount as String does.
func (c Cents) MarshalText() ([]byte, error) { return []byte(c.String()), nil }

// UnmarshalText reads what MarshalText writes. An error is returned when the text is not a decimal
// with at most two decimals.
func (c *Cents) UnmarshalText(text []byte) error {
	value, err := parseCents(string(text))
	if err != nil {
		return err
	}
	*c = value
	return nil
}
