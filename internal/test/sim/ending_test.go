package sim_test

import (
	"context"
	"slices"
	"strings"
	"time"

	"github.com/redis/go-redis/v9"

	"tuma/internal/sandbox"
	"tuma/internal/state"
	"tuma/internal/tasks"
)

const (
	// afterwards is how long everything may take to settle once all faults are over.
	afterwards = 3 * time.Hour
	// lively is how long most things go on; from then on it is enough to look now and then.
	lively = 4 * time.Minute
	// slowestPoll is the most that lies between two queries about a batch before it is overdue.
	slowestPoll = 10 * time.Minute
	// longestOverdue is longer than any provider's.
	longestOverdue = 73 * time.Hour
)

// soon is when a query that a callback has brought forward comes at the latest: it may correct
// a recipient that is settled.
const soon = 5 * time.Second

// turningPoint is the line of the scenario where all faults are over.
const turningPoint = "-- from here on everything works --"

// end lets the scenario come to its end: no more faults, and nothing but triggers, sweeps and the
// schedule of queries. Then every recipient is settled, or the reason why not is known.
func (h *harness) end() {
	h.logf("%s", turningPoint)
	h.recover()
	h.settleFor(afterwards, afterwards/6)
	h.explained()
	h.inspect()
	if len(h.unsettled()) > 0 && !h.failed() {
		h.slowest = 24 * time.Hour
		h.settleFor(longestOverdue, longestOverdue)
		h.listed()
		h.slowest = slowestPoll
		h.decideAll()
		h.settleFor(afterwards, afterwards/6)
		h.explained()
		h.inspect()
	}
	h.eraseRest()
	h.books()
	h.found()
	h.postRest()
	h.fed()
	h.listedNames()
}

// recover ends all faults: who was stopped in the middle stays so, its process begins anew.
func (h *harness) recover() {
	for _, p := range h.pods {
		if p.running != nil {
			if next := h.waiting(p.running); len(next) == 0 || next[0].name != "claim" {
				h.excuse(p.running)
			}
			h.kill(p.running)
		}
		h.revive(p)
	}
	clear(h.paused)
	h.resumeAll()
	h.mendHooks()
	for name := range h.faults {
		must(h.simulate.SetProviderFaults(name, h.healed(name)))
		must(h.rdb.Del(background, "asynq:{"+h.queues[0].Name(name)+"}:paused").Err())
	}
	for _, j := range h.jobs {
		if !j.held {
			h.accept(h.pods[0], 0, false, j)
			h.finishPod(h.pods[0])
		}
	}
	entries := slices.Collect(h.simulate.Ledger().Entries())
	for _, entry := range entries {
		h.report(entry)
	}
}

// report delivers the callback about how a recipient ended, if its provider sends any.
func (h *harness) report(entry sandbox.Entry) {
	if code := final(entry); code >= 602 && !h.silent[entry.Provider] {
		for _, said := range []int{code, 601} { // And then old news.
			h.deliver(h.pods[0], entry, said, false)
			h.finishPod(h.pods[0])
		}
	}
}

func (h *harness) finishPod(p *pod) {
	if p.running != nil {
		h.finish(p.running)
		h.settleUp(p)
	}
}

// settleFor runs what a deployment runs by itself until everybody is settled, or those who are not
// have been explained for a while, or the time is over.
func (h *harness) settleFor(limit, least time.Duration) {
	reported, enough := map[string]bool{}, time.Now().Add(least)
	closely := time.Now().Add(lively)
	for until := time.Now().Add(limit); time.Now().Before(until) && !h.failed(); {
		h.turn()
		for _, entry := range slices.Collect(h.simulate.Ledger().Entries()) {
			name := entry.Provider + " " + entry.Reference + " " + entry.PhoneNumber
			if final(entry) >= 602 && !reported[name] {
				reported[name] = true
				h.report(entry)
			}
		}
		o := h.outlook()
		open := len(h.unsettled()) > 0 || o.due < soon
		if !open || time.Now().After(enough) && len(h.unexplained()) == 0 {
			return
		}
		shortest := h.slowest / 30
		if time.Now().Before(closely) || o.due <= 0 { // More is due than is handed out at once.
			shortest = 5 * time.Second
		}
		h.pass(min(max(o.next, shortest), time.Until(until)+time.Second))
	}
}

// turn does once what workers and pollers do all the time. Sweeps and looks that would find nothing
// are left out.
func (h *harness) turn() {
	p, o := h.pods[0], h.outlook()
	if len(o.sweep) > 0 {
		sweeper := h.sweeper(p)
		sweeper.Providers = o.sweep
		p.running = h.start("sweep", func(ctx context.Context) error {
			sweeper.Once(ctx)
			return nil
		})
		h.finishPod(p)
	}
	if o.drips {
		p.running = h.start("drip", func(ctx context.Context) error {
			h.drip(p).Once(ctx)
			return nil
		})
		h.finishPod(p)
	}
	if o.due <= 0 {
		p.running = h.start("due", func(ctx context.Context) error {
			h.due(p).Once(ctx)
			return nil
		})
		h.finishPod(p)
	}
	if len(h.hooks) > 0 {
		p.running = h.start("webhooks", func(ctx context.Context) error {
			h.webhooks(p).Once(ctx)
			return nil
		})
		h.finishPod(p)
	}
	for _, t := range h.triggers(h.queueNames(tasks.QueueWebhooks)) {
		h.take(t)
		h.run(p, t)
		h.finishPod(p)
	}
	if _, any := h.rules.MovesAfter(); any && o.paused {
		p.running = h.start("reroute", h.rerouter(p).Once)
		h.finishPod(p)
	}
	for range o.kept {
		p.running = h.start("kept callbacks", p.receiver.Round)
		h.finishPod(p)
	}
}

// outlook is what there is to do by itself, and how long there is nothing.
type outlook struct {
	sweep     []string // Providers with something that a sweep may move.
	drips     bool     // Campaigns are controlled.
	paused    bool
	kept      int
	due, next time.Duration
}

// outlook reads when the next query, lapse, callback and end of a pause are due.
func (h *harness) outlook() outlook {
	pipe, now := h.rdb.Pipeline(), time.Now()
	left := func(ms float64) time.Duration { return time.UnixMilli(int64(ms)).Sub(now) }
	due := pipe.ZRangeWithScores(background, h.key("due", ""), 0, 0)
	kept := pipe.ZRangeWithScores(background, h.key("parkeddue", ""), 0, -1)
	held := pipe.ZCard(background, h.key("held", ""))
	controlled := pipe.Exists(background, h.key("controlled", ""))
	lists, lapses := map[string][]*redis.IntCmd{}, map[string][]*redis.ZSliceCmd{}
	pauses := map[string]*redis.StringCmd{}
	for _, name := range h.providers {
		for _, kind := range []string{"pending", "urgent", "refused", "ready"} {
			lists[name] = append(lists[name], pipe.LLen(background, h.key(kind, name)))
		}
		lapses[name] = append(lapses[name],
			pipe.ZRangeWithScores(background, h.key("slots", name), 0, 0))
		pauses[name] = pipe.HGet(background, h.key("channel", name), "paused_until")
	}
	execute(pipe)
	o := outlook{next: h.slowest, due: h.slowest}
	for _, z := range due.Val() {
		o.due = left(z.Score)
	}
	o.next = min(o.next, o.due)
	if held.Val() > 0 { // Each sweep releases who is due.
		o.sweep, o.next = h.providers[:1:1], min(o.next, 20*time.Minute)
	}
	if controlled.Val() == 1 {
		o.drips, o.next = true, min(o.next, time.Second)
	}
	for _, z := range kept.Val() {
		if o.next = min(o.next, left(z.Score)); left(z.Score) <= 0 {
			o.kept++
		}
	}
	for _, name := range h.providers {
		waits := int64(0)
		for _, n := range lists[name] {
			waits += n.Val()
		}
		for _, set := range lapses[name] {
			for _, z := range set.Val() {
				waits++
				o.next = min(o.next, left(z.Score))
			}
		}
		if ms := number(pauses[name].Val()); left(float64(ms)) > 0 {
			o.paused, o.next = true, min(o.next, left(float64(ms)))
		} else if waits > 0 {
			o.next = min(o.next, 3*time.Second)
		}
		if waits > 0 && !slices.Contains(o.sweep, name) {
			o.sweep = append(o.sweep, name)
		}
	}
	return o
}

func (h *harness) unsettled() []row {
	return slices.DeleteFunc(h.rows(h.rdb), func(r row) bool {
		return settledNow(r.status)
	})
}

// explained checks that who is not settled has a reason that the provider's abilities explain.
func (h *harness) explained() {
	for _, fault := range h.unexplained() {
		h.violated("not settled in the end: %s", fault)
	}
}

func (h *harness) unexplained() []string {
	var faults []string
	for _, r := range h.unsettled() {
		if why := h.overdue(r); why != "" {
			faults = append(faults, r.String()+": "+why)
		}
	}
	return faults
}

// overdue says why a recipient should be settled; empty if it need not be.
func (h *harness) overdue(r row) string {
	entry, known := h.entryOf(r)
	switch r.status {
	case 'h':
		return h.stillHeld(r)
	case 'q':
		if h.rdb.HExists(background, h.key("doubtphones", r.provider), r.phone).Val() {
			return "" // The number is in doubt there, and withheld until a person decides.
		}
		for _, entry := range h.rdb.LRange(background, h.key("refused", r.provider), 0, -1).Val() {
			if strings.Contains(entry, " "+r.location+" ") {
				return "" // It was refused alone, and its provider has accepted no recipient since.
			}
		}
		return "no process sends it"
	case 's':
		return "it is not listed as lost"
	}
	code := final(entry)
	final := known && code >= 602 && code != 604 && code != 607 && code < 608
	switch r.provider {
	case lipad:
		b := h.rdb.HGetAll(background, h.key("batch", r.location)).Val()
		if final {
			return "Lipad would say how it ended"
		}
		// An object in place of the list says nothing, so that nothing follows from it.
		says := h.faults[lipad].UnknownReference != sandbox.UnknownObject
		if r.status == 'd' && !known && says && h.resendSame && b["known"] != "1" &&
			b["attempt"] == "1" &&
			b["doubtful"] == b["n"] && h.rdb.Exists(background, h.key("superseded", "")).Val() == 0 {
			return "Lipad does not know it, so that it may be sent again"
		}
	case quicksms:
		if !h.excused[quicksms] && !h.answerLost(r) {
			return "its answer was not lost"
		}
	case talking:
		if final && r.status != 'd' {
			return "Africa's Talking would say how it ended"
		}
		fallthrough
	case sozuri:
		if final && h.delivered[entry.Provider+" "+entry.Reference+" "+entry.PhoneNumber] &&
			!h.ambiguous(r.phone) && h.resubmitted[r.recipient] == 0 {
			return "a callback has said how it ended"
		}
	}
	return ""
}

// entryOf finds what a provider has booked about a recipient.
func (h *harness) entryOf(r row) (sandbox.Entry, bool) {
	for entry := range h.simulate.Ledger().Entries() {
		named := entry.Provider == lipad || entry.Provider == talking
		if entry.Provider == r.provider && recipientOf(entry) == r.recipient &&
			(!named || entry.Reference == r.location) {
			return entry, true
		}
	}
	return sandbox.Entry{}, false
}

// answerLost reports whether the provider's answer about a recipient did not reach us.
func (h *harness) answerLost(r row) bool {
	return slices.ContainsFunc(h.simulate.Ledger().Lost(), func(l sandbox.Lost) bool {
		return l.Provider == r.provider && l.PhoneNumber == r.phone
	})
}

// ambiguous reports whether a number is there more than once: then a number does not identify the
// recipient that a callback means.
func (h *harness) ambiguous(phone string) bool {
	n := 0
	for _, j := range h.jobs {
		for _, p := range j.recipients {
			if p.phone == phone {
				n++
			}
		}
	}
	return n > 1
}

// listed checks that every recipient is listed that is not settled when it is overdue.
func (h *harness) listed() {
	h.sync()
	items, err := h.stores[0].ReviewItems(background)
	must(err)
	shown := map[string]bool{}
	for _, c := range items {
		for _, m := range c.Concerned() {
			shown[m.Reference+" "+h.known(m.Phone.Digits())] = true
		}
	}
	for _, r := range h.unsettled() {
		if r.status != 'q' && r.status != 'h' && !shown[r.reference+" "+r.phone] {
			h.violated("invariant 9: %s is not settled and not listed", r)
		}
	}
}

// decideAll has persons settle what is listed, by the providers' ledgers.
func (h *harness) decideAll() {
	h.sync()
	items, err := h.stores[0].ReviewItems(background)
	must(err)
	for _, c := range items {
		for _, m := range c.Concerned() {
			if c.Queue != state.ReviewOverpaid {
				h.resolve(h.pods[0], listing{m, c.Batch.Resolution(m)}, false)
				h.finishPod(h.pods[0])
			}
		}
	}
}

// books compares the providers' ledgers with ours, recipient by recipient.
func (h *harness) books() {
	type sum struct{ paid, said, open int }
	sums := map[recipient]*sum{}
	of := func(p recipient) *sum {
		if sums[p] == nil {
			sums[p] = &sum{}
		}
		return sums[p]
	}
	for entry := range h.simulate.Ledger().Entries() {
		of(recipientOf(entry)).paid += entry.TimesPaid
	}
	for _, r := range h.rows(h.rdb) {
		s := of(r.recipient)
		switch r.status {
		case 'S':
			s.said++
		case 'v', 'n', 'u':
			s.open++ // Paid and taken back, or never paid; or the provider never reports.
		case 'x', 'c', 'f':
		default:
			s.open++
		}
		h.exact(r)
	}
	for who, s := range sums {
		if s.paid < s.said || s.paid > s.said+s.open {
			h.violated("MISREPORTED: %s was paid %d times, reported as paid %d times, not known %d",
				who, s.paid, s.said, s.open)
		}
	}
}

// exact compares one recipient with the entry under its very batch, where the provider has one.
func (h *harness) exact(r row) {
	if !r.inBatch() || r.provider != lipad && r.provider != talking || h.decidedByPerson(r) {
		return
	}
	entry, known := h.entryOf(r)
	paid := known && entry.TimesPaid > 0
	wrong := false
	switch r.status {
	case 'S':
		wrong = !paid
	case 'x', 'c', 'f':
		wrong = paid
	case 'v', 'n':
		wrong = !known || entry.Status != 605 && entry.Status != 606
	}
	if wrong {
		h.violated("MISREPORTED: %s, the ledger of %s says: known %t, paid %t, %d", r, r.provider,
			known, paid, entry.Status)
	}
}
