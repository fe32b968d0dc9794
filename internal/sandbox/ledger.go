package sandbox

import (
	"cmp"
	"iter"
	"slices"
	"strconv"
	"sync"
	"sync/atomic"
	"time"
)

// recipient is one phone number in one accepted request: 40 bytes, so that a million fit easily.
type recipient struct {
	phone   uint64
	amount  Cents  // asked for
	moved   Cents  // paid, over all times
	paid    uint32 // how often
	outcome outcome
}

// batch is one accepted request. Its recipients are replaced, never changed, so that a reader may
// keep the slice.
type batch struct {
	reference  string
	hash       uint64
	accepted   time.Time
	polls      int // processed status queries that knew the reference
	recipients []recipient

	// first is the number of the first recipient at a provider with ids of its own; the others
	// count on from it. 0 is none.
	first uint64
	// asked counts, where recipients have ids, the queries for each of them.
	asked []atomic.Uint32
	// doubled says that a phone number is in it more than once.
	doubled bool
	// again are the later requests that were paid under the same reference.
	again []*batch
}

// book is one provider's record of the money. It books each (reference, phone number): one phone
// number may rightly be paid under several references, while a second payment under one reference
// is wrong.
type book struct {
	mu       sync.Mutex
	batches  map[string]*batch // by reference; the first of each
	order    []*batch
	refused  int
	repeated int
	numbered uint64               // the next recipient's number
	named    int                  // requests that got a name for want of a key
	usedKeys map[string]time.Time // keys of requests that were carried out
	lost     []Lost
}

func newBook(firstNumber uint64) *book {
	return &book{
		batches: map[string]*batch{}, numbered: firstNumber, usedKeys: map[string]time.Time{},
	}
}

// reset forgets everything but the numbers given out, as a client may still hold some.
func (l *book) reset() {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.batches, l.order = map[string]*batch{}, nil
	l.refused, l.repeated, l.named, l.lost = 0, 0, 0, nil
	clear(l.usedKeys)
}

func (l *book) refuse() {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.refused++
}

// move books the money that the outcomes of a request move.
func (b *batch) move() {
	for i := range b.recipients {
		if r := &b.recipients[i]; r.outcome.pays() {
			r.paid, r.moved = 1, r.amount
		}
	}
}

// How accept booked a request.
type acceptance int

const (
	carriedOut acceptance = iota + 1 // booked, and the money moved
	replayed                         // the reference was used; the same answer again, nothing moved
	rejected                         // the reference was used; refused
)

// accept books a request, in which every outcome is drawn already, as the switch repeat says.
func (l *book) accept(b *batch, repeat string) acceptance {
	b.move()
	l.mu.Lock()
	defer l.mu.Unlock()
	first, used := l.batches[b.reference]
	if !used {
		l.batches[b.reference] = b
		l.order = append(l.order, b)
		return carriedOut
	}
	l.repeated++
	switch repeat {
	case RepeatPay:
		first.recipients = payAgain(first.recipients, b.recipients)
		return carriedOut
	case RepeatReplay:
		return replayed
	default:
		l.refused++
		return rejected
	}
}

// enter books a request at a provider with ids of its own: it numbers the recipients, and adds what
// was paid under the same reference before.
func (l *book) enter(b *batch) {
	b.move()
	b.asked = make([]atomic.Uint32, len(b.recipients))
	b.doubled = repeats(b.recipients)
	l.mu.Lock()
	defer l.mu.Unlock()
	b.first = l.numbered
	l.numbered += uint64(len(b.recipients))
	l.order = append(l.order, b)
	first, used := l.batches[b.reference]
	if !used {
		l.batches[b.reference] = b
		return
	}
	l.repeated++
	first.again = append(first.again, b)
}

// nextName returns a reference for a request that brought none, such as "request-1".
func (l *book) nextName() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.named++
	return "request-" + strconv.Itoa(l.named)
}

// claim takes a key for a request. It returns false when the key was claimed within the window.
func (l *book) claim(key string, now time.Time, window time.Duration) bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	if before, found := l.usedKeys[key]; found && now.Sub(before) < window {
		l.repeated++
		l.refused++
		return false
	}
	l.usedKeys[key] = now
	return true
}

// unclaim frees the key of a request of which nothing was carried out.
func (l *book) unclaim(key string) {
	l.mu.Lock()
	defer l.mu.Unlock()
	delete(l.usedKeys, key)
}

// payAgain adds the payments of a repeated request, whose recipients and amounts may differ from
// the first's: what was asked for stays as it was first, what moved adds up.
func payAgain(first, again []recipient) []recipient {
	index := make(map[uint64]int, len(first))
	merged := make([]recipient, len(first), len(first)+len(again))
	for i, r := range first {
		merged[i] = r
		index[r.phone] = i
	}
	for _, r := range again {
		if i, found := index[r.phone]; found {
			merged[i].paid += r.paid
			merged[i].moved += r.moved
			continue
		}
		merged = append(merged, r)
	}
	return merged
}

// queryReference counts a status query and returns the reference as it is. It returns false when
// the reference is unknown, or younger than slow and so not known yet.
func (l *book) queryReference(reference string, now time.Time, slow time.Duration) (batch, bool) {
	l.mu.Lock()
	defer l.mu.Unlock()
	b, found := l.batches[reference]
	if !found || now.Sub(b.accepted) < slow {
		return batch{}, false
	}
	b.polls++
	return *b, true
}

// queryRecipient counts a query for one recipient and returns its request and its index there. It
// returns false when the number was not given out, or its request is younger than slow.
func (l *book) queryRecipient(number uint64, now time.Time, slow time.Duration) (batch, int, bool) {
	l.mu.Lock()
	defer l.mu.Unlock()
	at, exact := slices.BinarySearchFunc(l.order, number, func(b *batch, n uint64) int {
		return cmp.Compare(b.first, n)
	})
	if !exact {
		at-- // the request that began before it
	}
	if at < 0 {
		return batch{}, 0, false
	}
	b := l.order[at]
	index := int(number - b.first)
	if index >= len(b.recipients) || now.Sub(b.accepted) < slow {
		return batch{}, 0, false
	}
	b.asked[index].Add(1)
	return *b, index, true
}

// each yields copies of the first requests of all references, in the order of their acceptance.
func (l *book) each() iter.Seq[batch] {
	return func(yield func(batch) bool) {
		l.mu.Lock()
		order := l.order
		l.mu.Unlock()
		for _, b := range order {
			l.mu.Lock()
			one, first := *b, l.batches[b.reference] == b
			l.mu.Unlock()
			if first && !yield(one) {
				return
			}
		}
	}
}

// pollsOf counts the status queries that have shown one recipient.
func (b *batch) pollsOf(index int) int {
	if b.asked == nil {
		return b.polls
	}
	return int(b.asked[index].Load())
}
