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

// requestFaults are the faults of one request. All are drawn before the request is processed, so
// that a change of the switches never splits a request.
type requestFaults struct {
	switches Faults
	common   CallFaults // those of the request's own call
	hash     uint64
	delay    time.Duration
	before   string // the fault that prevents processing, "" for none
	after    string // the fault that spoils the answer, "" for none

	wrongTypes, expireToken, partial, unknownCodes, reorder, missingLines bool

	// contentType is the content type of the answer, set by the code that writes it; "" is JSON.
	contentType string
}

// hits says whether a fault about some of n recipients hits the one at index: it hits about half
// of them, and at least one.
func (rf *requestFaults) hits(index, n int) bool {
	half := mix(mix(rf.hash, saltMember), uint64(index))&1 == 1
	return half || index == int(rf.hash%uint64(n))
}

// faultInjector holds the switches of one provider, draws the faults of each request and callback,
// and counts requests, callbacks and injected faults.
type faultInjector struct {
	seed uint64
	// keyed says that static keys stand for tokens, and that the answer to a send has lines.
	keyed bool

	mu        sync.Mutex
	switches  Faults
	requests  [callStatus + 1]int
	callbacks CallbackCounts
	injected  map[string]int // by "call.fault"
}

func newFaultInjector(seed uint64, f Faults) *faultInjector {
	return &faultInjector{seed: seed, switches: f, injected: map[string]int{}}
}

func (fi *faultInjector) current() Faults {
	fi.mu.Lock()
	defer fi.mu.Unlock()
	return fi.switches
}

func (fi *faultInjector) replace(f Faults) {
	fi.mu.Lock()
	defer fi.mu.Unlock()
	fi.switches = f
}

func (fi *faultInjector) reset(f Faults) {
	fi.mu.Lock()
	defer fi.mu.Unlock()
	fi.switches = f
	fi.requests, fi.callbacks = [callStatus + 1]int{}, CallbackCounts{}
	clear(fi.injected)
}

// merge lays JSON over the current switches in one step, so that two writers do not undo each
// other.
func (fi *faultInjector) merge(data []byte) error {
	fi.mu.Lock()
	defer fi.mu.Unlock()
	f, err := mergeFaults(fi.switches, data)
	if err != nil {
		return err
	}
	fi.switches = f
	return nil
}

// addTo adds to the total of requests, callbacks and injected faults.
func (fi *faultInjector) addTo(t *Totals) {
	fi.mu.Lock()
	defer fi.mu.Unlock()
	for c, n := range fi.requests {
		t.Requests[call(c).String()] += n
	}
	t.Callbacks, t.Faults = fi.callbacks, maps.Clone(fi.injected)
}

// countCallback changes the counts of callbacks.
func (fi *faultInjector) countCallback(change func(*CallbackCounts)) {
	fi.mu.Lock()
	defer fi.mu.Unlock()
	change(&fi.callbacks)
}

// debit takes an amount out of the wallet. It returns false, and takes nothing, when the wallet
// holds less than the amount or less than the floor.
func (fi *faultInjector) debit(amount, floor Cents) bool {
	fi.mu.Lock()
	defer fi.mu.Unlock()
	left, endless := fi.switches.wallet()
	if endless {
		return true
	}
	if left < amount || left < floor {
		return false
	}
	fi.switches.Balance = (left - amount).String()
	return true
}

// credit puts an amount back into the wallet.
func (fi *faultInjector) credit(amount Cents) {
	fi.mu.Lock()
	defer fi.mu.Unlock()
	if left, endless := fi.switches.wallet(); !endless {
		fi.switches.Balance = (left + amount).String()
	}
}

// wallet reads the balance; a valid one that is not empty is an amount.
func (f *Faults) wallet() (left Cents, endless bool) {
	left, err := parseCents(f.Balance)
	return left, err != nil
}

// drawRequest counts a request and draws its faults. A request that follows our own redirect is not
// redirected again.
func (fi *faultInjector) drawRequest(c call, redirected bool) requestFaults {
	fi.mu.Lock()
	defer fi.mu.Unlock()
	fi.requests[c]++
	d := faultDraw{injector: fi, group: c.String()}
	d.hash = mix(hashText(fi.seed, c.String()), uint64(fi.requests[c]))
	common := fi.switches.common(c)
	rf := requestFaults{hash: d.hash, common: *common}
	rf.delay = time.Duration(common.Latency) +
		time.Duration(unit(mix(d.hash, saltDelay))*float64(common.Jitter))
	before := common.before()
	if redirected {
		before = before[:len(before)-1]
	}
	if rf.before = d.first(before); rf.before == "" {
		rf.after = d.first(common.after())
	}
	if rf.before == "" && rf.after == "" {
		d.drawAnswerFaults(c, &rf)
	}
	rf.switches = fi.switches
	return rf
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

// deliveryFaults are the faults of one callback.
type deliveryFaults struct {
	lose, duplicate, early, form bool
	delay                        time.Duration
}

// reorderSpan is the time over which reordered callbacks are spread.
const reorderSpan = time.Second

// drawDelivery draws the faults of a callback; h is its own hash, f are the switches of its
// request, and forms says that its provider sends forms too.
func (fi *faultInjector) drawDelivery(h uint64, f *CallbackFaults, forms bool) deliveryFaults {
	fi.mu.Lock()
	defer fi.mu.Unlock()
	d := faultDraw{injector: fi, group: "callbacks", hash: mix(h, saltCallback)}
	live := &fi.switches.Callbacks
	delay := float64(f.Jitter) * unit(mix(d.hash, saltDelay))
	if f.Reorder {
		delay += float64(reorderSpan) * unit(mix(d.hash, saltMember))
	}
	df := deliveryFaults{delay: time.Duration(f.Delay) + time.Duration(delay)}
	if df.lose = d.hit(namedChance{lose, &live.Lose}); df.lose {
		fi.callbacks.Lost++
		return df
	}
	if df.duplicate = d.hit(namedChance{duplicate, &live.Duplicate}); df.duplicate {
		fi.callbacks.Duplicated++
	}
	df.early = d.hit(namedChance{early, &live.Early})
	df.form = forms && d.hit(namedChance{asForm, &live.Form})
	return df
}

// drawForm draws whether a validation is a form; h is its own hash.
func (fi *faultInjector) drawForm(h uint64) bool {
	fi.mu.Lock()
	defer fi.mu.Unlock()
	d := faultDraw{injector: fi, group: "callbacks", hash: mix(h, saltValidation)}
	return d.hit(namedChance{asForm, &fi.switches.Callbacks.Form})
}

// faultDraw draws the faults of one request or callback; the injector's lock is held.
type faultDraw struct {
	injector *faultInjector
	group    string // the call, or "callbacks"
	hash     uint64
}

// hit draws one fault, uses up its count and counts it.
func (d *faultDraw) hit(n namedChance) bool {
	switch {
	case n.chance.Next > 0:
		n.chance.Next--
	case n.chance.Probability > 0 && unit(hashText(d.hash, n.name)) < n.chance.Probability:
	default:
		return false
	}
	d.injector.injected[d.group+"."+n.name]++
	return true
}

// first returns the name of the first fault that hits; the later ones keep their counts.
func (d *faultDraw) first(faults []namedChance) string {
	for _, n := range faults {
		if d.hit(n) {
			return n.name
		}
	}
	return ""
}

// drawAnswerFaults draws what may happen to an answer that arrives.
func (d *faultDraw) drawAnswerFaults(c call, out *requestFaults) {
	f := &d.injector.switches
	out.wrongTypes = d.hit(namedChance{wrongTypes, &f.common(c).WrongTypes})
	switch c {
	case callSend:
		if d.injector.keyed {
			out.missingLines = d.hit(namedChance{missingLines, &f.MissingLines})
			return
		}
		out.expireToken = d.hit(namedChance{expireToken, &f.Send.ExpireToken})
	case callStatus:
		out.unknownCodes = d.hit(namedChance{unknownCodes, &f.Status.UnknownCodes})
		if d.injector.keyed {
			return
		}
		out.expireToken = d.hit(namedChance{expireToken, &f.Status.ExpireToken})
		out.partial = d.hit(namedChance{partialList, &f.Status.Partial})
		out.reorder = d.hit(namedChance{reorder, &f.Status.Reorder})
	case callAuth:
	}
}
