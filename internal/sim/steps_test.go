package sim_test

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/hibiken/asynq"
	"github.com/redis/go-redis/v9"
	"go.uber.org/zap"

	"tuma/internal/airtime"
	"tuma/internal/sandbox"
	"tuma/internal/state"
	"tuma/internal/tasks"
)

// step is one moment of the story. Each draws from a source of its own, so that leaving one out
// leaves the others as they are.
func (w *world) step(i int) {
	c := newChance(w.seed, uint64(i)+2)
	p, kind := w.pods[c.IntN(slots)], c.Float64()
	switch {
	case kind < 0.08:
		w.pass(time.Duration(c.ExpFloat64() * float64(w.haste)))
	case kind < 0.08+0.02*w.wild:
		w.disturb(c)
	default:
		if p.running == nil {
			w.open(c, p)
		}
		for p.running != nil && c.hit(0.75) {
			w.goOn(c, p)
		}
	}
}

// goOn gives the next effect of a process its fate.
func (w *world) goOn(c chance, p *pod) {
	if p.running.done.Load() {
		w.settleUp(p)
		return
	}
	waiting := w.waiting(p.running)
	if len(waiting) == 0 {
		return // It waits for time to pass.
	}
	next := waiting[c.IntN(len(waiting))]
	f := happens
	if x := c.Float64() / w.wild; x < 0.16 {
		f = [...]fate{
			fails, replyLost, again, diesBefore, diesAfter, hangsBefore, hangsAfter, hangsLate,
		}[int(x/0.02)]
	}
	if !fits(f, next.name) {
		f = happens
	}
	if f == diesBefore || f == diesAfter ||
		f != happens && (strings.HasPrefix(next.name, "begin") || next.name == "submission") {
		w.excuse(next.a)
	}
	w.decide(next, f)
	if p.running.dead.Load() {
		w.revive(p)
	} else if p.running.done.Load() {
		w.settleUp(p)
	}
}

// excuse notes that an answer of the provider that an actor sends to may be lost on our side.
func (w *world) excuse(a *actor) {
	if words := strings.Fields(a.title); words[0] == "submit" {
		w.excused[words[1]] = true
	}
}

// fits reports whether a fate can happen to an effect: only requests hang, and a submission is
// never repeated by its client.
func fits(f fate, name string) bool {
	request := strings.HasPrefix(name, "submission") || strings.HasPrefix(name, "question")
	switch f {
	case hangsBefore, hangsAfter:
		return request
	case hangsLate:
		return strings.HasPrefix(name, "submission")
	case again:
		return !strings.HasPrefix(name, "submission")
	}
	return true
}

// settleUp ends a handler that has returned.
func (w *world) settleUp(p *pod) {
	if err := p.running.err; err != nil {
		w.tell("%s ends: %v", p.running, err)
	}
	w.kill(p.running) // Whatever it has left behind, such as the fetching of a token.
	p.running = nil
}

// disturb changes something outside of our processes.
func (w *world) disturb(c chance) {
	name := one(c, w.providers...)
	switch kind := c.IntN(10); kind {
	case 0:
		w.tell("Redis comes back as another process")
		must(w.rdb.HSet(background, w.key("state", ""), "run_id", "another").Err())
	case 1:
		w.tell("all triggers are lost")
		for _, queue := range w.queueNames() {
			must(w.rdb.Del(background, pendingKey(queue)).Err())
		}
	case 2:
		w.paused[name] = !w.paused[name]
		w.tell("an operator pauses the queue of %s: %t", name, w.paused[name])
		key := "asynq:{" + w.queues[0].Name(name) + "}:paused"
		if w.paused[name] {
			must(w.rdb.Set(background, key, 1, 0).Err())
		} else {
			must(w.rdb.Del(background, key).Err())
		}
	default:
		w.change(c, name)
	}
}

// change turns a switch of a provider.
func (w *world) change(c chance, name string) {
	f, err := w.simulate.ProviderFaults(name)
	must(err)
	what := ""
	switch c.IntN(8) {
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
		f, what = healed(w.faults[name]), "works again"
	}
	w.tell("%s %s", name, what)
	must(w.simulate.SetProviderFaults(name, f))
}

// open starts a handler in a process that is free.
func (w *world) open(c chance, p *pod) {
	kind := c.IntN(100)
	var missing []*job
	for _, j := range w.jobs {
		if !j.held {
			missing = append(missing, j)
		}
	}
	switch {
	case kind < 12 && len(missing) > 0:
		w.accept(p, one(c, missing...), 0)
	case kind < 16:
		w.accept(p, one(c, w.jobs...), int64(c.IntN(2)))
	case kind < 50:
		w.pull(c, p)
	case kind < 54:
		w.submit(p, one(c, w.providers...), "by chance")
	case kind < 62:
		p.running = w.start("sweep", func(ctx context.Context) error {
			w.sweeper(p).Once(ctx)
			return nil
		})
	case kind < 74:
		p.running = w.start("due", func(ctx context.Context) error {
			w.due(p).Once(ctx)
			return nil
		})
	case kind < 78:
		p.running = w.start("kept callbacks", p.receiver.Round)
	case kind < 81:
		p.running = w.start("reroute", w.rerouter(p).Once)
	case kind < 93:
		w.callBack(c, p)
	case kind < 98:
		w.decideByPerson(c, p)
	default:
		w.cancel(c, p)
	}
}

// rulesOf are the routing rules as one process knows them.
func (w *world) failover(p *pod) tasks.Failover {
	rules := w.rules
	if w.halfRules && p.number%2 == 1 {
		rules.Routing = nil
	}
	return tasks.Failover{Rules: rules, Entries: p.entries}
}

func (w *world) backoff() tasks.Backoff {
	return tasks.Backoff{Initial: 5 * time.Second, Max: w.slowest, Multiplier: 1.6}
}

func (w *world) submit(p *pod, provider, why string) {
	i := p.number % 2
	handler := &tasks.Submit{
		Store: w.stores[i], Queues: w.queues[i], Entry: p.entries[provider], Backoff: w.backoff(),
		Meter: taskMeter, Log: zap.NewNop(), MaxRecipients: w.batchMax, Failover: w.failover(p),
		IDs: w.newID,
	}
	p.running = w.start("submit "+provider+" "+why, func(ctx context.Context) error {
		return handler.ProcessTask(ctx, asynq.NewTask(tasks.TypeSubmit, []byte("{}")))
	})
}

func (w *world) poll(p *pod, t trigger) {
	i := p.number % 2
	handler := &tasks.Poll{
		Store: w.stores[i], Queues: w.queues[i], Entries: p.entries, Known: w.rules.Providers,
		Backoff: w.backoff(), Timeout: w.options[i].SubmitTimeout, ResendSame: w.resendSame,
		IDs: w.newID, Meter: taskMeter, Log: zap.NewNop(),
	}
	batch, number, _ := strings.Cut(t.id, ":")
	payload := fmt.Sprintf(`{"batch":%q,"number":%s}`, batch, number)
	p.running = w.start("poll "+t.id, func(ctx context.Context) error {
		return handler.ProcessTask(ctx, asynq.NewTask(tasks.TypePoll, []byte(payload)))
	})
}

// accept hands a job in as a service does, which repeats its task until it ends without an error.
func (w *world) accept(p *pod, j *job, extra int64) {
	i := p.number % 2
	handler := &tasks.Accept{
		Inlet: tasks.Inlet{Store: w.stores[i], Queues: w.queues[i]}, Rules: w.failover(p).Rules,
	}
	if extra > 0 && !j.held {
		extra = 0
	}
	p.running = w.start(fmt.Sprintf("accept %s+%d", j.reference, extra),
		func(ctx context.Context) error {
			err := handler.ProcessTask(ctx, asynq.NewTask(tasks.TypeAccept, j.payload(extra)))
			if err == nil && extra == 0 && !j.cancelled {
				j.held = true
			}
			return err
		})
}

func (w *world) sweeper(p *pod) *tasks.Sweeper {
	i := p.number % 2
	return &tasks.Sweeper{
		Store: w.stores[i], Queues: w.queues[i], Providers: w.providers, Log: zap.NewNop(),
	}
}

func (w *world) due(p *pod) *tasks.Due {
	i := p.number % 2
	return &tasks.Due{
		Store: w.stores[i], Queues: w.queues[i], Log: zap.NewNop(),
		Redeliver: w.options[i].SubmitTimeout + 10*time.Second,
	}
}

func (w *world) rerouter(p *pod) *tasks.Rerouter {
	i := p.number % 2
	return &tasks.Rerouter{
		Store: w.stores[i], Queues: w.queues[i], Failover: w.failover(p), Log: zap.NewNop(),
	}
}

func (w *world) cancel(c chance, p *pod) {
	kind, name := state.KindDisbursal, one(c, w.jobs...).reference
	if c.hit(0.3) {
		kind, name = state.KindCampaign, "june"
	}
	for _, j := range w.jobs {
		if j.reference == name || j.campaign == name {
			j.cancelled = true
		}
	}
	p.running = w.start(fmt.Sprintf("cancel %s %s", kind, name), func(ctx context.Context) error {
		_, err := w.stores[0].Cancel(ctx, kind, name)
		return err
	})
}

// trigger is one task of asynq: its queue and its id, which says all that it carries.
type trigger struct{ queue, id string }

func pendingKey(queue string) string { return "asynq:{" + queue + "}:pending" }

func (w *world) queueNames() []string {
	var names []string
	for _, name := range append(slices.Clone(w.providers), tasks.QueuePoll) {
		names = append(names, w.queues[0].Name(name))
	}
	return names
}

// triggers lists what waits in the queues, oldest first.
func (w *world) triggers() []trigger {
	pipe := w.rdb.Pipeline()
	queues := w.queueNames()
	waiting := make([]*redis.StringSliceCmd, len(queues))
	for i, queue := range queues {
		waiting[i] = pipe.LRange(background, pendingKey(queue), 0, -1)
	}
	execute(pipe)
	var list []trigger
	for i, queue := range queues {
		for _, id := range slices.Backward(waiting[i].Val()) {
			list = append(list, trigger{queue, id})
		}
	}
	return list
}

// pull takes a trigger from its queue and runs it, or loses it, or leaves it for another to run at
// the same time; at times one that has run before comes again.
func (w *world) pull(c chance, p *pod) {
	if c.hit(0.08) && len(w.past) > 0 {
		w.run(p, one(c, w.past...))
		return
	}
	list := w.triggers()
	if len(list) == 0 {
		return
	}
	t := one(c, list...)
	if w.paused[strings.TrimPrefix(t.queue, namespace+"-")] {
		return
	}
	switch x := c.Float64() / w.wild; {
	case x < 0.04:
		w.tell("the trigger %s is lost", t.id)
		w.take(t)
		return
	case x < 0.08:
	default:
		w.take(t)
	}
	w.past = append(w.past, t)
	w.run(p, t)
}

func (w *world) take(t trigger) {
	must(w.rdb.LRem(background, pendingKey(t.queue), 1, t.id).Err())
}

func (w *world) run(p *pod, t trigger) {
	name := strings.TrimPrefix(t.queue, namespace+"-")
	if name == tasks.QueuePoll {
		w.poll(p, t)
	} else {
		w.submit(p, name, "by trigger "+t.id)
	}
}

// decideByPerson has somebody look at what is listed, ask the provider's people, and say so.
func (w *world) decideByPerson(c chance, p *pod) {
	w.sync()
	cases, err := w.stores[0].Cases(background)
	must(err)
	var members []state.Member
	for _, one := range cases {
		if one.Lane != state.LaneOverpaid {
			members = append(members, one.Concerned()...)
		}
	}
	if len(members) == 0 {
		return
	}
	w.resolve(p, one(c, members...), c.hit(0.5))
}

// resolve settles one recipient by what the provider's ledger says, if that is clear.
func (w *world) resolve(p *pod, m state.Member, resubmit bool) {
	who := person{m.Phone.Digits(), m.Amount.Minor / 100}
	paid, clear := w.truth(who)
	if !clear {
		return
	}
	word := state.Word{Paid: paid, Resubmit: resubmit && !paid, Who: "sim", Evidence: "ledger"}
	title := fmt.Sprintf("a person says of %s (%s): paid %t, send again %t", m.Reference, who, paid,
		word.Resubmit)
	p.running = w.start(title, func(ctx context.Context) error {
		if word.Resubmit {
			w.resubmitted[who]++
		}
		_, err := w.stores[0].Resolve(ctx, word, []state.Resolution{m.Resolution()})
		if errors.Is(err, state.ErrMoved) || errors.Is(err, state.ErrEarly) {
			return nil
		}
		return err
	})
}

// truth is whether somebody was paid. It is not clear where several have one number and amount, and
// while the provider still works on it.
func (w *world) truth(who person) (paid, clear bool) {
	asked, got := 0, 0
	for _, j := range w.jobs {
		for _, other := range j.people {
			if other == who {
				asked++
			}
		}
	}
	for entry := range w.simulate.Ledger().Entries() {
		if personOf(entry) != who {
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
