package state_test

import (
	"cmp"
	"math"
	"slices"
	"time"

	"tuma/internal/airtime"
	"tuma/internal/state"
)

// The model is the specification of the verbs in plain Go: no scripts, no packing, no Redis. Times
// are milliseconds of the simulated clock.

const (
	modelTimeout = 30_000
	modelGuard   = 60_000
	modelSettle  = 60_000
	modelAside   = 300_000
	modelClaim   = 15_000
	modelSlots   = 3
)

type modelResult struct {
	status    airtime.Status
	corrected bool
}

type modelFact struct {
	batch  *modelBatch
	status airtime.Status
}

type modelRecipient struct {
	ref        string
	position   int
	provider   string
	amount     int64    // In minor units.
	history    []string // The providers that it went on from.
	phone      string
	accepted   time.Time
	status     airtime.Status
	batch      *modelBatch // Where it is; nil while pending, and after a withdrawal.
	superseded []modelFact // What batches show that it has left, in the order of arrival.
	person     bool        // Whether a person settled it last.
	refused    int64       // Since when it is refused, while it is queued and goes alone; else zero.
	results    []modelResult
	paidBy     map[*modelBatch]bool // What an honest provider really did.
}

type modelBatch struct {
	id, holder        string
	provider          string
	child             bool
	state             state.BatchState
	attempt, recorded int
	polls             int
	answered          state.Recorded
	members           []*modelRecipient
	deadline, lapse   int64 // Lapse is zero when the batch holds no slot.
	missing           int64
	refusedSince      int64 // When the first sending began that refused its members.
	sent              int64
	refused, known    bool
	aside             int64 // Since when its one recipient is aside; zero when it is not.
	asides            int
	held              bool // Whether an honest provider really has it.
	hinted            bool // Whether a callback ever was about it.
}

type model struct {
	now      int64
	channels map[string]*modelChannel
	people   []*modelRecipient
	refs     map[string][]*modelRecipient
	label    map[string]string // Campaigns, by reference.
	content  map[string]string
	given    map[string]string // Providers as producers named them, by reference.
	marks    map[string]bool   // "campaign c", "disbursal r"
	batches  []*modelBatch
}

func newModel(now int64, providers []string) *model {
	m := &model{
		now: now, channels: map[string]*modelChannel{}, refs: map[string][]*modelRecipient{},
		label: map[string]string{}, content: map[string]string{}, given: map[string]string{},
		marks: map[string]bool{},
	}
	for _, name := range providers {
		m.channels[name] = newModelChannel(name)
	}
	return m
}

func (m *model) of(b *modelBatch) *modelChannel { return m.channels[b.provider] }

// queued counts who is queued at a provider.
func (m *model) queued(provider string) (n int) {
	for _, r := range m.people {
		if r.provider == provider && r.status == airtime.Queued {
			n++
		}
	}
	return n
}

func (m *model) cancelled(r *modelRecipient) bool {
	return m.marks["disbursal "+r.ref] || m.marks["campaign "+m.label[r.ref]]
}

// move puts a recipient somewhere; settling and correcting publishes.
func (m *model) move(r *modelRecipient, to airtime.Status, where *modelBatch) {
	if r.status != to && (r.status.Settled() || to.Settled()) {
		r.results = append(r.results, modelResult{to, r.status.Settled()})
	}
	if to.Settled() {
		r.person = false
	}
	r.status, r.batch, r.refused = to, where, 0
	if where != nil {
		r.provider = where.provider
	}
}

// live reports whether an effect stands or may still come to stand.
func live(s airtime.Status) bool {
	return s.Effect() && s != airtime.Failed && s != airtime.Reversed && s != airtime.Refunded
}

func weight(s airtime.Status) int {
	if live(s) {
		return 100 + s.Rank()
	}
	return s.Rank()
}

func (m *model) reattach(r *modelRecipient) bool {
	if len(r.superseded) == 0 || live(r.status) {
		return false
	}
	best := -1
	for i, e := range r.superseded {
		better := best < 0 || weight(e.status) > weight(r.superseded[best].status)
		if (e.status != airtime.Failed || r.status.Settled()) && better {
			best = i
		}
	}
	if best < 0 {
		return false
	}
	e := r.superseded[best]
	if weight(e.status) <= weight(r.status) {
		return false
	}
	r.superseded = slices.Delete(r.superseded, best, best+1)
	if r.status.Effect() {
		r.superseded = append(r.superseded, modelFact{r.batch, r.status})
	}
	m.move(r, e.status, e.batch)
	return true
}

func (m *model) requeue(r *modelRecipient) {
	if m.cancelled(r) {
		m.move(r, airtime.Cancelled, nil)
	} else {
		m.move(r, airtime.Queued, nil)
	}
	m.reattach(r)
}

// failover queues a recipient that its provider surely does not pay at the next one.
func (m *model) failover(r *modelRecipient, next string) {
	r.history = append(r.history, r.provider)
	if !m.cancelled(r) {
		r.provider = next
	}
	m.requeue(r)
}

func (m *model) unready(b *modelBatch) {
	channel := m.of(b)
	channel.ready = slices.DeleteFunc(channel.ready, func(o *modelBatch) bool { return o == b })
}

// requeueBatch gives back what a batch holds that has not begun to send.
func (m *model) requeueBatch(b *modelBatch) {
	b.lapse, b.state = 0, state.BatchReturned
	m.unready(b)
	for _, r := range b.members {
		if r.status == airtime.Queued && r.batch == b {
			m.requeue(r)
		}
	}
}

// see merges a fact about a recipient in a batch.
func (m *model) see(b *modelBatch, r *modelRecipient, status airtime.Status) {
	if r.batch == b {
		if merged := airtime.Merge(r.status, status); merged != r.status {
			m.move(r, merged, b)
			if merged.Settled() {
				m.reattach(r)
			}
		} else if status.Rank() == r.status.Rank() {
			r.person = false // The provider confirms it: now it is its word.
		}
		return
	}
	if !status.Effect() {
		return
	}
	i := slices.IndexFunc(r.superseded, func(e modelFact) bool { return e.batch == b })
	switch {
	case i < 0:
		r.superseded = append(r.superseded, modelFact{b, status})
	case r.superseded[i].status.Rank() > status.Rank():
		return
	default:
		r.superseded[i].status = status
	}
	switch {
	case r.status == airtime.Queued && r.batch != nil && status != airtime.Failed:
		m.requeueBatch(r.batch)
	case r.status != airtime.Sending && r.status != airtime.InDoubt:
		m.reattach(r)
	}
}

func (b *modelBatch) count(match func(*modelRecipient) bool) int {
	n := 0
	for _, r := range b.members {
		if r.batch == b && match(r) {
			n++
		}
	}
	return n
}

func (b *modelBatch) open() int {
	return b.count(func(r *modelRecipient) bool { return !r.status.Settled() })
}

func (b *modelBatch) doubtful() int {
	return b.count(func(r *modelRecipient) bool { return r.status == airtime.InDoubt })
}

// conclude derives the states of all batches from their members.
func (m *model) conclude() {
	for _, b := range m.batches {
		switch b.state {
		case state.BatchReady, state.BatchClaimed, state.BatchSending:
			continue
		case state.BatchReturned:
			if b.open() == 0 {
				continue
			}
		}
		switch {
		case b.doubtful() > 0:
			b.state = state.BatchDoubt
		case b.open() > 0:
			b.state = state.BatchOpen
		default:
			b.state = state.BatchDone
		}
	}
}

// begin returns why a sending is refused, or "go".
func (m *model) begin(b *modelBatch, holder string, attempt int) string {
	if b.state == state.BatchSending && b.attempt == attempt && b.holder == holder {
		return "go"
	}
	if b.state != state.BatchClaimed || b.holder != holder || b.attempt != attempt-1 {
		return "moved"
	}
	want := airtime.InDoubt
	if attempt == 1 {
		want = airtime.Queued
	}
	whole := b.count(func(r *modelRecipient) bool { return r.status == want }) == len(b.members)
	if !whole || attempt > 1 && (b.known || m.withheld(b)) {
		if attempt == 1 {
			m.requeueBatch(b)
		} else {
			b.state, b.lapse = state.BatchDoubt, 0
		}
		return "known"
	}
	for _, r := range b.members {
		m.move(r, airtime.Sending, b)
	}
	b.state, b.attempt, b.missing = state.BatchSending, attempt, 0
	b.deadline = m.now + modelTimeout
	if b.sent == 0 {
		b.sent = m.now
	}
	b.lapse = b.deadline
	return "go"
}

// record returns what the script answers, and false for what an attempt of a batch that has moved
// on brings.
func (m *model) record(b *modelBatch, a answered) state.Recorded {
	if b.recorded == a.Attempt {
		return b.answered
	}
	stale := a.Attempt < b.attempt || b.state == state.BatchReturned && a.Attempt == b.attempt
	got := state.Recorded{Stale: stale}
	if !stale {
		b.lapse = 0
		if a.Verdict == airtime.Refused &&
			a.Reason == airtime.ReasonBatchRefused {
			b.refused = b.refused || a.Attempt == 1 || b.asides > 0
			b.known = b.known || a.Attempt > 1 && b.asides == 0 // The first attempt may be why.
		}
	}
	handed, unclear := 0, 0
	var refused []*modelRecipient
	for i, r := range b.members {
		v := verdict{Verdict: a.Verdict, Reason: a.Reason, Message: a.Message}
		if at := slices.IndexFunc(a.Verdicts, func(v verdict) bool {
			return v.Position == i
		}); at >= 0 {
			v = a.Verdicts[at]
		}
		if m.refusedWhole(b, r, a, v, stale) {
			m.move(r, airtime.Sending, b)
			refused = append(refused, r)
			continue
		}
		was, doubt := len(r.history), got.InDoubt
		m.judge(b, r, a, v, stale, &got)
		handed += len(r.history) - was
		if v.Verdict == airtime.Unknown {
			unclear += got.InDoubt - doubt
		}
	}
	if stale {
		return got
	}
	if len(refused) > 0 {
		got.Returned += len(refused)
		if m.divide(b, airtime.Sending, a.Children) == state.Rejected {
			got.Returned--
			got.Rejected++
		}
	}
	b.state, b.recorded, b.answered = state.BatchOpen, a.Attempt, got
	if got.Returned == len(b.members) {
		b.state = state.BatchReturned
	}
	m.unready(b)
	if got.Accepted > 0 {
		b.known = true
		m.of(b).accepted(m.now)
	}
	m.of(b).heard(m.now, a, got, handed, unclear, m.queued(b.provider))
	return got
}

func (m *model) judge(
	b *modelBatch, r *modelRecipient, a answered, v verdict, stale bool,
	got *state.Recorded,
) {
	here := r.batch == b && (r.status == airtime.Sending || r.status == airtime.InDoubt)
	if stale || !here {
		if v.Verdict == airtime.Accepted {
			if !stale {
				got.Accepted++
			}
			m.see(b, r, a.Accepted)
		}
		return
	}
	switch {
	case v.Verdict == airtime.Accepted:
		got.Accepted++
		m.move(r, a.Accepted, b)
	case v.Verdict == airtime.Refused && a.Attempt == 1 && v.Next != "" &&
		!slices.Contains(r.history, v.Next):
		got.Returned++
		m.failover(r, v.Next)
	case v.Verdict == airtime.Refused && a.Attempt == 1 && !b.refused:
		got.Rejected++
		m.move(r, airtime.Rejected, b)
		m.reattach(r)
	case v.Verdict == airtime.Unsent && a.Attempt == 1:
		got.Returned++
		m.requeue(r)
	default:
		got.InDoubt++
		m.move(r, airtime.InDoubt, b)
	}
}

// refusedWhole says whether a member comes back from a request that its provider refused whole.
func (m *model) refusedWhole(
	b *modelBatch, r *modelRecipient, a answered, v verdict, stale bool,
) bool {
	here := r.batch == b && (r.status == airtime.Sending || r.status == airtime.InDoubt)
	return here && !stale && a.Attempt == 1 && v.Verdict == airtime.Unsent &&
		v.Reason == airtime.ReasonBatchRefused
}

// paidElsewhere says whether another batch shows an effect of a recipient, or may still show one.
func (r *modelRecipient) paidElsewhere() bool {
	return slices.ContainsFunc(r.superseded, func(e modelFact) bool {
		return e.status != airtime.Failed
	})
}

// withheld says whether a member must not be sent again.
func (m *model) withheld(b *modelBatch) bool {
	return slices.ContainsFunc(b.members, (*modelRecipient).paidElsewhere)
}

// unclaim takes a claimed batch from its holder.
func (m *model) unclaim(b *modelBatch) {
	switch {
	case b.attempt > 0:
		b.state = state.BatchDoubt
	case b.refusedSince > 0:
		m.makeReady(b)
	default:
		m.requeueBatch(b)
	}
	b.lapse = 0
}

func (m *model) makeReady(b *modelBatch) {
	b.state = state.BatchReady
	m.of(b).ready = append(m.of(b).ready, b)
}

func (m *model) sweep(provider string) (returned, doubted int) {
	var lapsed []*modelBatch
	for _, b := range m.batches {
		if b.lapse > 0 && b.lapse <= m.now && b.provider == provider {
			lapsed = append(lapsed, b)
		}
	}
	slices.SortFunc(lapsed, func(a, b *modelBatch) int {
		return cmp.Or(cmp.Compare(a.lapse, b.lapse), cmp.Compare(a.id, b.id))
	})
	for _, b := range lapsed {
		if b.state == state.BatchClaimed {
			m.unclaim(b)
			returned++
			continue
		}
		for _, r := range b.members {
			if r.batch == b && r.status == airtime.Sending {
				m.move(r, airtime.InDoubt, b)
			}
		}
		b.state, b.lapse = state.BatchOpen, 0
		m.of(b).ramp = 0
		doubted++
	}
	return returned, doubted
}

// notKnown decides what follows from a provider's word that it does not know a batch.
// It was asked at a time before.
func (m *model) notKnown(
	b *modelBatch, again bool, children state.Children, asked int64,
) state.NextStep {
	if b.state != state.BatchDoubt || b.known {
		return state.KeepAsking
	}
	if b.missing == 0 {
		b.missing = asked
	}
	since := b.missing
	if !b.refused {
		since = max(since, b.deadline+modelGuard)
	}
	if asked < since+modelSettle {
		return state.KeepAsking
	}
	if r := b.members[0]; b.aside > 0 && !m.cancelled(r) && !r.paidElsewhere() {
		rested := m.of(b).acceptedAt >= b.aside || m.now-b.aside >= modelAside
		if asked < b.deadline+modelGuard || !rested || !again || b.doubtful() != 1 {
			return state.KeepAsking
		}
		b.aside, b.refused = 0, false
	}
	if b.refused {
		step := m.divide(b, airtime.InDoubt, children)
		if step == state.PutAside && b.aside > 0 {
			return step
		}
		if step != state.Rejected && b.open() == 0 {
			b.state = state.BatchReturned
		}
		if step == "" {
			return state.KeepAsking
		}
		return step
	}
	if again && b.doubtful() == len(b.members) && !m.withheld(b) {
		m.makeReady(b)
		return state.Resend
	}
	return state.KeepAsking
}

// divide halves a batch that was refused as a whole, or judges its single member.
func (m *model) divide(
	b *modelBatch, at airtime.Status, children state.Children,
) state.NextStep {
	var left []*modelRecipient
	for _, r := range b.members {
		switch mine := r.batch == b && r.status == at; {
		case mine && (m.cancelled(r) || r.paidElsewhere()):
			m.requeue(r)
		case mine:
			left = append(left, r)
		}
	}
	since := b.refusedSince
	if since == 0 {
		since = b.sent
	}
	if since == 0 {
		since = m.now
	}
	switch channel := m.of(b); {
	case len(left) == 0:
		return ""
	case len(left) > 1:
		m.halve(b, left, since, children)
		return state.Halved
	case channel.acceptedAt > since:
		m.move(left[0], airtime.Rejected, b)
		m.reattach(left[0])
		return state.Rejected
	default:
		counted := b.asides > 0 || !b.child && b.refusedSince > 0
		b.refusedSince = since
		if at == airtime.InDoubt && len(b.members) == 1 {
			b.aside, b.asides = m.now, b.asides+1
		} else {
			m.move(left[0], airtime.Queued, nil)
			left[0].refused = since
		}
		if !counted {
			channel.refusedAlone(m.now)
		}
		return state.PutAside
	}
}

func (m *model) halve(
	b *modelBatch, left []*modelRecipient, since int64, children state.Children,
) {
	half := (len(left) + 1) / 2
	for i, members := range [][]*modelRecipient{left[:half], left[half:]} {
		child := &modelBatch{
			id: children[i], provider: b.provider, child: true, refusedSince: since,
			state: state.BatchReady, members: slices.Clone(members),
		}
		for _, r := range members {
			m.move(r, airtime.Queued, child)
		}
		m.batches = append(m.batches, child)
		m.of(b).ready = slices.Insert(m.of(b).ready, i, child)
	}
}

// out counts the batches that hold a slot at a provider.
func (m *model) out(provider string) int {
	n := 0
	for _, b := range m.batches {
		if b.lapse > 0 && b.provider == provider {
			n++
		}
	}
	return n
}

// idle says why there is no claim at a provider, and how long to wait; empty when there may be one.
func (m *model) idle(provider string) (state.Idle, int64) {
	channel := m.channels[provider]
	left, bound := channel.tokensLeft(m.now)
	switch out := m.out(provider); {
	case channel.paused > m.now:
		return state.IdlePaused, channel.paused - m.now
	case out >= modelSlots:
		return state.IdleBusy, 0
	case channel.halfOpen && out > 0:
		return state.IdleHalfOpen, 0
	case bound && left < 1:
		return state.IdleRate, int64(math.Ceil((1 - left) * 1000 / channel.rate.PerSecond))
	}
	return "", 0
}

// reroute moves who still waits at a paused provider, and counts who did.
func (m *model) reroute(provider string, list []*modelRecipient, next string) int {
	moved := 0
	for _, r := range list {
		waits := r.status == airtime.Queued && r.batch == nil && r.provider == provider
		been := slices.Contains(r.history, next)
		if waits && !been && m.channels[provider].paused > m.now {
			m.failover(r, next)
			moved++
		}
	}
	return moved
}

// cancel withdraws a name and returns how many recipients are out, and how many were too late.
func (m *model) cancel(kind state.Kind, name string) (withdrawn, late int) {
	m.marks[string(kind)+" "+name] = true
	var mine []*modelRecipient
	for _, r := range m.people {
		if r.ref == name && kind == state.KindDisbursal ||
			m.label[r.ref] == name && kind == state.KindCampaign {
			mine = append(mine, r)
		}
	}
	for _, r := range mine {
		if r.status == airtime.Queued && r.batch != nil {
			m.requeueBatch(r.batch)
		}
		if r.status == airtime.Queued {
			m.move(r, airtime.Cancelled, nil)
		}
	}
	for _, r := range mine {
		switch r.status {
		case airtime.Cancelled:
			withdrawn++
		case airtime.Rejected:
		default:
			late++
		}
	}
	return withdrawn, late
}

// resolve takes a person's word; it reports false when the recipients are not open to it.
func (m *model) resolve(decision state.Decision, list []*modelRecipient) bool {
	for _, r := range list {
		open := !r.status.Settled() || r.status == airtime.Unconfirmed || r.person
		if r.batch == nil || r.status == airtime.Queued || r.status == airtime.Sending || !open {
			return false
		}
	}
	for _, r := range list {
		if decision.Paid {
			m.move(r, airtime.Successful, r.batch)
			r.person = true
			continue
		}
		m.move(r, airtime.Failed, r.batch)
		r.person = true
		if !m.reattach(r) && decision.Resubmit && !m.cancelled(r) {
			m.move(r, airtime.Queued, nil)
		}
	}
	return true
}
