package sandbox

import (
	"maps"
	"sync"
	"time"
)

// call names one of the three kinds of calls that providers have.
type call int

const (
	callAuth call = iota
	callSend
	callStatus
)

// String is the call's name in the faults and the counters.
func (c call) String() string { return [...]string{"auth", "send", "status"}[c] }

// round is the fate of one request, decided whole before anything happens to it, so that a change
// of the switches never splits a request.
type round struct {
	faults Faults
	common CallFaults // those of the round's own call
	draw   uint64
	delay  time.Duration
	before string // the fault that prevents processing, "" for none
	after  string // the fault that spoils the answer, "" for none

	wrongTypes, expireToken, partial, unknownCodes, reorder, missingLines bool

	// kind is the content type of the answer, set by whoever writes it; "" is JSON.
	kind string
}

// chosen says whether a fault about some of n recipients hits the one at a place: about half of
// them, and always one.
func (r *round) chosen(at, n int) bool {
	struck := mix(mix(r.draw, saltMember), uint64(at))&1 == 1
	return struck || at == int(r.draw%uint64(n))
}

// switchboard holds one provider's faults as they are now and counts requests, callbacks and
// injected faults.
type switchboard struct {
	seed uint64
	// keyed says that static keys stand for tokens, and that the answer to a send has lines.
	keyed bool

	mu        sync.Mutex
	faults    Faults
	requests  [callStatus + 1]int
	callbacks CallbackCounts
	injected  map[string]int // by "call.fault"
}

func newSwitchboard(seed uint64, f Faults) *switchboard {
	return &switchboard{seed: seed, faults: f, injected: map[string]int{}}
}

func (b *switchboard) current() Faults {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.faults
}

func (b *switchboard) replace(f Faults) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.faults = f
}

func (b *switchboard) reset(f Faults) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.faults = f
	b.requests, b.callbacks = [callStatus + 1]int{}, CallbackCounts{}
	clear(b.injected)
}

// merge lays JSON over the current faults in one step, so that two writers do not undo each other.
func (b *switchboard) merge(data []byte) error {
	b.mu.Lock()
	defer b.mu.Unlock()
	f, err := mergeFaults(b.faults, data)
	if err != nil {
		return err
	}
	b.faults = f
	return nil
}

// count adds to the total of requests, callbacks and injected faults.
func (b *switchboard) count(t *Totals) {
	b.mu.Lock()
	defer b.mu.Unlock()
	for c, n := range b.requests {
		t.Requests[call(c).String()] += n
	}
	t.Callbacks, t.Faults = b.callbacks, maps.Clone(b.injected)
}

// note counts what happened to a callback.
func (b *switchboard) note(change func(*CallbackCounts)) {
	b.mu.Lock()
	defer b.mu.Unlock()
	change(&b.callbacks)
}

// spend takes an amount out of the wallet. It returns false, and takes nothing, when the wallet
// holds less than the amount or less than the floor.
func (b *switchboard) spend(amount, floor Cents) bool {
	b.mu.Lock()
	defer b.mu.Unlock()
	left, endless := b.faults.wallet()
	if endless {
		return true
	}
	if left < amount || left < floor {
		return false
	}
	b.faults.Balance = (left - amount).String()
	return true
}

// refund puts an amount back into the wallet.
func (b *switchboard) refund(amount Cents) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if left, endless := b.faults.wallet(); !endless {
		b.faults.Balance = (left + amount).String()
	}
}

// wallet reads the balance; a valid one that is not empty is an amount.
func (f *Faults) wallet() (left Cents, endless bool) {
	left, err := parseCents(f.Balance)
	return left, err != nil
}

// next counts a request and decides its fate. A request that follows our own redirect is not
// redirected again.
func (b *switchboard) next(c call, redirected bool) round {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.requests[c]++
	d := dealer{board: b, group: c.String()}
	d.draw = mix(hashText(b.seed, c.String()), uint64(b.requests[c]))
	common := b.faults.common(c)
	r := round{draw: d.draw, common: *common}
	r.delay = time.Duration(common.Latency) +
		time.Duration(unit(mix(d.draw, saltDelay))*float64(common.Jitter))
	before := common.before()
	if redirected {
		before = before[:len(before)-1]
	}
	if r.before = d.first(before); r.before == "" {
		r.after = d.first(common.after())
	}
	if r.before == "" && r.after == "" {
		d.shape(c, &r)
	}
	r.faults = b.faults
	return r
}

// common finds the faults that a call shares with the others.
func (f *Faults) common(c call) *CallFaults {
	switch c {
	case callSend:
		return &f.Send.CallFaults
	case callStatus:
		return &f.Status.CallFaults
	case callAuth:
	}
	return &f.Auth
}

// stamp is the fate of one callback.
type stamp struct {
	lose, duplicate, early, form bool
	delay                        time.Duration
}

// reorderSpan is the time over which reordered callbacks are spread.
const reorderSpan = time.Second

// stamp decides the fate of a callback; h is its own hash, f are the switches of its request, and
// forms says that its provider sends forms too.
func (b *switchboard) stamp(h uint64, f *CallbackFaults, forms bool) stamp {
	b.mu.Lock()
	defer b.mu.Unlock()
	d := dealer{board: b, group: "callbacks", draw: mix(h, saltCallback)}
	live := &b.faults.Callbacks
	delay := float64(f.Jitter) * unit(mix(d.draw, saltDelay))
	if f.Reorder {
		delay += float64(reorderSpan) * unit(mix(d.draw, saltMember))
	}
	s := stamp{delay: time.Duration(f.Delay) + time.Duration(delay)}
	if s.lose = d.hit(namedChance{lose, &live.Lose}); s.lose {
		b.callbacks.Lost++
		return s
	}
	if s.duplicate = d.hit(namedChance{duplicate, &live.Duplicate}); s.duplicate {
		b.callbacks.Duplicated++
	}
	s.early = d.hit(namedChance{early, &live.Early})
	s.form = forms && d.hit(namedChance{asForm, &live.Form})
	return s
}

// stampForm decides whether a validation is a form; h is its own hash.
func (b *switchboard) stampForm(h uint64) bool {
	b.mu.Lock()
	defer b.mu.Unlock()
	d := dealer{board: b, group: "callbacks", draw: mix(h, saltValidation)}
	return d.hit(namedChance{asForm, &b.faults.Callbacks.Form})
}

// dealer draws the faults of one request or callback; the board's lock is held.
type dealer struct {
	board *switchboard
	group string // the call, or "callbacks"
	draw  uint64
}

// hit decides one fault, uses up its count and books it.
func (d *dealer) hit(n namedChance) bool {
	switch {
	case n.chance.Next > 0:
		n.chance.Next--
	case n.chance.Probability > 0 && unit(hashText(d.draw, n.name)) < n.chance.Probability:
	default:
		return false
	}
	d.board.injected[d.group+"."+n.name]++
	return true
}

// first returns the name of the first fault that hits; the later ones keep their counts.
func (d *dealer) first(faults []namedChance) string {
	for _, n := range faults {
		if d.hit(n) {
			return n.name
		}
	}
	return ""
}

// shape draws what may happen to an answer that arrives.
func (d *dealer) shape(c call, r *round) {
	f := &d.board.faults
	r.wrongTypes = d.hit(namedChance{wrongTypes, &f.common(c).WrongTypes})
	switch c {
	case callSend:
		if d.board.keyed {
			r.missingLines = d.hit(namedChance{missingLines, &f.MissingLines})
			return
		}
		r.expireToken = d.hit(namedChance{expireToken, &f.Send.ExpireToken})
	case callStatus:
		r.unknownCodes = d.hit(namedChance{unknownCodes, &f.Status.UnknownCodes})
		if d.board.keyed {
			return
		}
		r.expireToken = d.hit(namedChance{expireToken, &f.Status.ExpireToken})
		r.partial = d.hit(namedChance{partialList, &f.Status.Partial})
		r.reorder = d.hit(namedChance{reorder, &f.Status.Reorder})
	case callAuth:
	}
}
