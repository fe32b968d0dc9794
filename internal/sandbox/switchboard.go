package sandbox

import (
	"maps"
	"sync"
	"time"
)

// call names one of the provider's three calls.
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

	wrongTypes, expireToken, partial, unknownCodes, reorder bool
}

// switchboard holds the faults as they are now and counts requests and injected faults.
type switchboard struct {
	seed uint64

	mu       sync.Mutex
	faults   Faults
	requests [callStatus + 1]int
	injected map[string]int // by "call.fault"
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
	b.requests = [callStatus + 1]int{}
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

func (b *switchboard) counts() (requests [callStatus + 1]int, injected map[string]int) {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.requests, maps.Clone(b.injected)
}

// next counts a request and decides its fate. A request that follows our own redirect is not
// redirected again.
func (b *switchboard) next(c call, redirected bool) round {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.requests[c]++
	d := dealer{board: b, call: c}
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
		d.shape(&r)
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

// dealer draws the faults of one request; the board's lock is held.
type dealer struct {
	board *switchboard
	call  call
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
	d.board.injected[d.call.String()+"."+n.name]++
	return true
}

// first returns the name of the first fault that strikes; the later ones keep their counts.
func (d *dealer) first(faults []namedChance) string {
	for _, n := range faults {
		if d.hit(n) {
			return n.name
		}
	}
	return ""
}

// shape draws what may happen to an answer that arrives.
func (d *dealer) shape(r *round) {
	f := &d.board.faults
	r.wrongTypes = d.hit(namedChance{wrongTypes, &f.common(d.call).WrongTypes})
	switch d.call {
	case callSend:
		r.expireToken = d.hit(namedChance{expireToken, &f.Send.ExpireToken})
	case callStatus:
		r.expireToken = d.hit(namedChance{expireToken, &f.Status.ExpireToken})
		r.partial = d.hit(namedChance{partialList, &f.Status.Partial})
		r.unknownCodes = d.hit(namedChance{unknownCodes, &f.Status.UnknownCodes})
		r.reorder = d.hit(namedChance{reorder, &f.Status.Reorder})
	case callAuth:
	}
}
