package sim_test

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/hibiken/asynq"
	"go.uber.org/zap"

	"tuma/internal/state"
	"tuma/internal/tasks"
)

// open starts a handler in a process that is free. What finds nothing to do is started, too, but
// seldom: a story of looks at empty queues says little.
func (w *world) open(c chance, p *pod) {
	outside := c.Float64()
	switch {
	case w.often != nil && c.hit(0.2):
		w.often(w, c, p)
		return
	case outside < w.cancels:
		w.cancel(c, p)
		return
	case outside < w.cancels+w.persons:
		w.decideByPerson(c, p)
		return
	}
	const seldom = 1
	list, sum := w.doings(c, p), 0
	for i := range list {
		if !list[i].useful {
			list[i].weight = seldom
		}
		sum += list[i].weight
	}
	at := c.IntN(sum)
	for _, d := range list {
		if at -= d.weight; at < 0 {
			d.begin()
			return
		}
	}
}

// doing is something that a process may begin with; the weights say how often.
type doing struct {
	weight int
	useful bool
	begin  func()
}

func (w *world) doings(c chance, p *pod) []doing {
	var missing []*job
	for _, j := range w.jobs {
		if !j.held {
			missing = append(missing, j)
		}
	}
	o, waiting := w.outlook(), w.triggers()
	_, moves := w.rules.MovesAfter()
	start := func(title string, body func(context.Context)) func() {
		return func() {
			p.running = w.start(title, func(ctx context.Context) error {
				body(ctx)
				return nil
			})
		}
	}
	return []doing{
		{20, len(missing) > 0, func() {
			w.accept(p, 0, false, together(c, append(missing, w.jobs[0])...)...)
		}},
		{2, true, func() { w.accept(p, int64(c.IntN(2)), c.hit(0.5), together(c, w.jobs...)...) }},
		{40, len(waiting) > 0, func() { w.pull(c, p, waiting) }},
		{4, len(o.sweep) > 0, func() { w.submit(p, one(c, w.providers...), "by chance") }},
		{8, len(o.sweep) > 0, start("sweep", w.sweeper(p).Once)},
		{20, o.due <= 0, start("due", w.due(p).Once)},
		{3, true, func() { w.runScheduled(c, p) }},
		{8, o.kept > 0, func() { p.running = w.start("kept callbacks", p.receiver.Round) }},
		{8, o.paused && moves, func() { p.running = w.start("reroute", w.rerouter(p).Once) }},
		{9, true, func() { w.callBack(c, p) }},
	}
}

// failover has the routing rules as one process knows them.
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
	entry := p.entries[provider]
	entry.Capabilities.MaxRecipients = min(entry.Capabilities.MaxRecipients, w.batchMax)
	handler := &tasks.Submit{
		Store: w.stores[i], Queues: w.queues[i], Entry: entry, Backoff: w.backoff(),
		Metrics: taskMetrics, Log: zap.NewNop(), Failover: w.failover(p), IDs: w.newID,
	}
	p.running = w.start("submit "+provider+" "+why, func(ctx context.Context) error {
		return handler.ProcessTask(ctx, asynq.NewTask(tasks.TypeSubmit, []byte("{}")))
	})
}

func (w *world) poll(p *pod, t trigger) {
	i := p.number % 2
	handler := &tasks.Poll{
		Store: w.stores[i], Queues: w.queues[i], Entries: p.entries, Known: w.rules.Providers,
		Backoff: w.backoff(), Timeout: w.options[i].SubmitTimeout,
		Redeliver: w.due(p).Redeliver, IDs: w.newID, Metrics: taskMetrics, Log: zap.NewNop(),
	}
	batch, number, _ := strings.Cut(t.id, ":")
	payload := fmt.Sprintf(`{"batch":%q,"number":%s%s}`, batch, number, t.due)
	p.running = w.start("poll "+t.id, func(ctx context.Context) error {
		return handler.ProcessTask(ctx, asynq.NewTask(tasks.TypePoll, []byte(payload)))
	})
}

// runScheduled has a person run a query in the dashboard that stands there for later, or that stood
// there once.
func (w *world) runScheduled(c chance, p *pod) {
	polls, err := w.stores[0].Upcoming(background, 20)
	must(err)
	for _, u := range polls {
		w.scheduled = append(w.scheduled, trigger{
			id:  fmt.Sprintf("%s:%d", u.Batch, u.Number),
			due: fmt.Sprintf(`,"due":%q`, u.Due.Format(time.RFC3339Nano)),
		})
	}
	if len(w.scheduled) > 0 {
		w.poll(p, one(c, w.scheduled...))
	}
}

// together draws one or a few of the jobs.
func together(c chance, jobs ...*job) []*job {
	list := slices.Clone(jobs)
	c.Shuffle(len(list), func(i, j int) { list[i], list[j] = list[j], list[i] })
	return list[:min(len(list), one(c, 1, 1, 2, 4))]
}

// accept hands jobs in as a service does, which repeats its task until it ends without an error.
// With extra shillings, it is other content under the reference of the only one.
func (w *world) accept(p *pod, extra int64, turned bool, jobs ...*job) {
	i := p.number % 2
	handler := &tasks.Accept{
		Inlet: tasks.Inlet{Store: w.stores[i], Queues: w.queues[i]}, Rules: w.failover(p).Rules,
	}
	if len(jobs) > 1 || !jobs[0].held {
		extra = 0
	}
	var names, payloads []string
	for _, j := range jobs {
		names = append(names, j.reference)
		payloads = append(payloads, string(j.payload(extra, turned)))
	}
	payload := payloads[0]
	if len(jobs) > 1 {
		payload = `{"jobs":[` + strings.Join(payloads, ",") + `]}`
	}
	p.running = w.start(fmt.Sprintf("accept %s+%d", strings.Join(names, " "), extra),
		func(ctx context.Context) error {
			err := handler.ProcessTask(ctx, asynq.NewTask(tasks.TypeAccept, []byte(payload)))
			for _, j := range jobs {
				j.held = j.held || err == nil && extra == 0 && !j.cancelled
			}
			if err == nil && extra > 0 {
				w.conflicts++
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
	chosen := one(c, w.jobs...)
	kind, name := state.KindDisbursal, chosen.reference
	if chosen.campaign != "" && c.hit(0.5) {
		kind, name = state.KindCampaign, chosen.campaign
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
