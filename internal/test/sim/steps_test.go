package sim_test

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/redis/go-redis/v9"

	"tuma/internal/airtime"
	"tuma/internal/sandbox"
	"tuma/internal/state"
	"tuma/internal/tasks"
)

// step is one moment of the scenario. Each draws from a source of its own, so that leaving one out
// leaves the others as they are.
func (h *harness) step(i int) {
	c := newChance(h.seed, uint64(i)+2)
	p, kind := h.pods[c.IntN(slots)], c.Float64()
	switch {
	case kind < 0.08:
		h.pass(time.Duration(c.ExpFloat64() * float64(h.haste)))
	case kind < 0.08+0.02*h.wild:
		h.disturb(c)
	default:
		if p.running == nil {
			h.open(c, p)
		}
		for p.running != nil && c.hit(0.75) {
			h.goOn(c, p)
		}
	}
}

// goOn gives the next effect of a process its outcome.
func (h *harness) goOn(c chance, p *pod) {
	if p.running.done.Load() {
		h.settleUp(p)
		return
	}
	waiting := h.waiting(p.running)
	if len(waiting) == 0 {
		return // It waits for time to pass.
	}
	next := waiting[c.IntN(len(waiting))]
	f := h.draw(c, next.name)
	if f == diesBefore || f == diesAfter ||
		f != happens && (strings.HasPrefix(next.name, "begin") || next.name == "submission") {
		h.excuse(next.a)
	}
	h.decide(next, f)
	if p.running.dead.Load() {
		h.revive(p)
	} else if p.running.done.Load() {
		h.settleUp(p)
	} else if c.hit(h.freezes) {
		h.logf("all processes stand still")
		h.pass(time.Duration(c.Float64() * 1.5 * float64(h.options[0].SubmitTimeout)))
	}
}

// draw draws the outcome of an effect.
func (h *harness) draw(c chance, name string) outcome {
	f := happens
	if x := c.Float64() / h.wild; x < 0.2 {
		f = [...]outcome{
			fails, replyLost, again, diesBefore, diesAfter, hangsBefore, hangsAfter, hangsLate,
			breaksLate, doubled,
		}[int(x/0.02)]
	}
	if len(h.oftenOutcomes) > 0 && strings.HasPrefix(name, h.oftenEffect) && c.hit(0.2) {
		f = one(c, h.oftenOutcomes...)
	}
	if len(h.addedOutcomes) > 0 && strings.HasPrefix(name, h.addedEffect) && c.hit(0.15) {
		f = one(c, h.addedOutcomes...)
	}
	if !h.fits(f, name) {
		return happens
	}
	if f == doubled {
		h.doubles++
	}
	return f
}

// excuse notes that an answer of the provider that an actor sends to may be lost on our side.
func (h *harness) excuse(a *actor) {
	if words := strings.Fields(a.title); words[0] == "submit" {
		h.excused[words[1]] = true
	}
}

// fits reports whether an effect can have an outcome: only requests hang, and a submission is
// never repeated by its client.
func (h *harness) fits(f outcome, name string) bool {
	submission := strings.HasPrefix(name, "submission")
	switch f {
	case hangsBefore, hangsAfter:
		return submission || strings.HasPrefix(name, "question") || name == "webhook"
	case hangsLate, breaksLate:
		return submission
	case doubled:
		// Only where nothing else goes wrong: were the second one turned away unread, no check could
		// know of the first. And only twice: three refused ones in a row are sent anew.
		return submission && h.calm && h.doubles < 2
	case again:
		return !submission
	}
	return true
}

// settleUp ends a handler that has returned.
func (h *harness) settleUp(p *pod) {
	if err := p.running.err; err != nil {
		h.logf("%s ends: %v", p.running, err)
	} else if p.running.then != nil {
		p.running.then()
	}
	h.kill(p.running) // Whatever it has left behind, such as the fetching of a token.
	p.running = nil
}

// disturb changes something outside of our processes.
func (h *harness) disturb(c chance) {
	name := one(c, h.providers...)
	switch kind := c.IntN(10); kind {
	case 0:
		h.logf("Redis comes back as another process")
		if h.rdb.Exists(background, h.key("state", "")).Val() == 1 { // An empty one knows of none.
			must(h.rdb.HSet(background, h.key("state", ""), "run_id", "another").Err())
		}
	case 1:
		h.logf("all triggers are lost")
		for _, queue := range h.queueNames(tasks.QueueWebhooks) {
			must(h.rdb.Del(background, pendingKey(queue)).Err())
		}
	case 2:
		for other, paused := range h.paused {
			if paused {
				name = other // One at a time, and not for long.
			}
		}
		h.paused[name] = !h.paused[name]
		h.logf("an operator pauses the queue of %s: %t", name, h.paused[name])
		key := "asynq:{" + h.queues[0].Name(name) + "}:paused"
		if h.paused[name] {
			must(h.rdb.Set(background, key, 1, 0).Err())
		} else {
			must(h.rdb.Del(background, key).Err())
		}
	default:
		h.change(c, name)
	}
}

// change turns a switch of a provider.
func (h *harness) change(c chance, name string) {
	f, err := h.simulate.ProviderFaults(name)
	must(err)
	what, kind := "", c.IntN(8)
	if h.calm || h.upset[name] { // What goes wrong all the time leaves nothing to happen.
		kind = 7
	}
	h.upset[name] = kind < 7
	switch kind {
	case 0:
		f.RefuseAll, what = !f.RefuseAll, "refuses all"
	case 1:
		f.RefuseCredentials, what = !f.RefuseCredentials, "refuses our credentials"
	case 2:
		f.NotEnabled, what = !f.NotEnabled, "has not enabled us"
	case 3:
		f.Balance, what = one(c, "", "60.00", "500.00"), "has another balance"
	case 4:
		f.Send.ErrorBefore, what = sandbox.NextRequests(c.between(1, 5)), "is down"
	case 5:
		f.Send.LostAfter, what = sandbox.NextRequests(c.between(1, 3)), "loses answers"
	case 6:
		f.RefuseSuffix, what = one(c, "", "1", "3", "00"), "refuses other numbers"
	default:
		f, what = h.healed(name), "works again"
	}
	h.logf("%s %s", name, what)
	must(h.simulate.SetProviderFaults(name, f))
}

// trigger is one task of asynq: its queue, its id, and when a query is due that is only scheduled.
type trigger struct{ queue, id, due string }

func pendingKey(queue string) string { return "asynq:{" + queue + "}:pending" }

// queueNames are the queues that a worker and a poller have, and some more, as asynq names them.
func (h *harness) queueNames(more ...string) []string {
	var names []string
	for _, name := range slices.Concat(h.providers, []string{tasks.QueuePoll}, more) {
		names = append(names, h.queues[0].Name(name))
	}
	return names
}

// triggers lists what waits in queues, oldest first.
func (h *harness) triggers(queues []string) []trigger {
	pipe := h.rdb.Pipeline()
	waiting := make([]*redis.StringSliceCmd, len(queues))
	for i, queue := range queues {
		waiting[i] = pipe.LRange(background, pendingKey(queue), 0, -1)
	}
	execute(pipe)
	var list []trigger
	for i, queue := range queues {
		for _, id := range slices.Backward(waiting[i].Val()) {
			list = append(list, trigger{queue: queue, id: id})
		}
	}
	return list
}

// pull takes a trigger from its queue and runs it, or loses it, or leaves it for another to run at
// the same time; at times one that has run before comes again.
func (h *harness) pull(c chance, p *pod, waiting []trigger) {
	if c.hit(0.08) && len(h.past) > 0 {
		h.run(p, one(c, h.past...))
		return
	}
	if len(waiting) == 0 {
		return
	}
	t := one(c, waiting...)
	if h.paused[strings.TrimPrefix(t.queue, namespace+"-")] {
		return
	}
	switch x := c.Float64() / h.wild; {
	case x < 0.04:
		h.logf("the trigger %s is lost", t.id)
		h.take(t)
		return
	case x < 0.08:
	default:
		h.take(t)
	}
	h.past = append(h.past, t)
	h.run(p, t)
}

func (h *harness) take(t trigger) {
	must(h.rdb.LRem(background, pendingKey(t.queue), 1, t.id).Err())
}

func (h *harness) run(p *pod, t trigger) {
	name := strings.TrimPrefix(t.queue, namespace+"-")
	switch name {
	case tasks.QueuePoll:
		h.poll(p, t)
	case tasks.QueueWebhooks:
		h.post(p, t)
	default:
		h.submit(p, name, "by trigger "+t.id)
	}
}

// decideByPerson has a person look at what is listed, ask the provider, and decide. Of a
// request that may still arrive the outcome is not known, and the list says so.
func (h *harness) decideByPerson(c chance, p *pod) {
	h.sync()
	items, err := h.stores[0].ReviewItems(background)
	must(err)
	var listed []listing
	for _, one := range items {
		if one.Queue == state.ReviewOverpaid || one.Batch.StillOut > 0 {
			continue
		}
		for _, m := range one.Concerned() {
			listed = append(listed, listing{m, one.Batch.Resolution(m)})
		}
	}
	if len(listed) == 0 {
		return
	}
	h.resolve(p, one(c, listed...), c.hit(0.5))
}

// listing is a recipient on the review queue.
type listing struct {
	state.Member
	seen state.Resolution
}

// resolve settles one recipient by what the provider's ledger says, if that is clear.
func (h *harness) resolve(p *pod, m listing, resubmit bool) {
	who := recipient{h.known(m.Phone.Digits()), m.Amount.Minor / 100}
	paid, clear := h.truth(who)
	if !clear {
		return
	}
	decision := state.Decision{Paid: paid, Resubmit: resubmit && !paid, Who: "sim", Evidence: "ledger"}
	title := fmt.Sprintf("a person says of %s (%s): paid %t, send again %t", m.Reference, who, paid,
		decision.Resubmit)
	p.running = h.start(title, func(ctx context.Context) error {
		if decision.Resubmit {
			h.resubmitted[who]++
		}
		_, err := h.stores[0].Resolve(ctx, decision, []state.Resolution{m.seen})
		if errors.Is(err, state.ErrMoved) || errors.Is(err, state.ErrEarly) {
			return nil
		}
		return err
	})
}

// truth is whether a recipient was paid. It is not clear where several have one number and amount,
// and while the provider still works on it.
func (h *harness) truth(who recipient) (paid, clear bool) {
	asked, got := 0, 0
	for _, j := range h.jobs {
		for _, other := range j.recipients {
			if other == who {
				asked++
			}
		}
	}
	for entry := range h.simulate.Ledger().Entries() {
		if recipientOf(entry) != who {
			continue
		}
		got += entry.TimesPaid
		if entry.TimesPaid == 0 && !slices.Contains([]int{603, 605, 606}, entry.Status) {
			return false, false
		}
	}
	return got > 0, got == 0 || got == asked
}

// settledNow reports whether nothing more is expected for a recipient.
func settledNow(code byte) bool {
	return statusOf(code) != airtime.Queued && statusOf(code).Settled()
}
