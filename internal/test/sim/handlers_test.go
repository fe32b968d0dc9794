package sim_test

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/hibiken/asynq"
	"go.uber.org/zap"

	"tuma/internal/intake"
	"tuma/internal/state"
	"tuma/internal/tasks"
)

// open starts a handler in a process that is free. What finds nothing to do is started, too, but
// seldom: a scenario of looks at empty queues says little.
func (h *harness) open(c chance, p *pod) {
	outside := c.Float64()
	switch {
	case h.often != nil && c.hit(0.2):
		h.often(h, c, p)
		return
	case outside < h.cancels:
		h.cancel(c, p)
		return
	case outside < h.cancels+h.persons:
		h.decideByPerson(c, p)
		return
	case outside < h.cancels+h.persons+h.erasures:
		h.eraseAny(c, p)
		return
	}
	const seldom = 1
	list, sum := h.doings(c, p), 0
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

func (h *harness) doings(c chance, p *pod) []doing {
	var missing []*job
	for _, j := range h.jobs {
		if !j.held {
			missing = append(missing, j)
		}
	}
	o, waiting := h.outlook(), h.triggers(h.queueNames())
	_, moves := h.rules.MovesAfter()
	start := func(title string, body func(context.Context)) func() {
		return func() {
			p.running = h.start(title, func(ctx context.Context) error {
				body(ctx)
				return nil
			})
		}
	}
	return append(h.hookDoings(c, p), []doing{
		{20, len(missing) > 0, func() {
			h.accept(p, 0, false, together(c, append(missing, h.jobs[0])...)...)
		}},
		{2, true, func() { h.accept(p, int64(c.IntN(2)), c.hit(0.5), together(c, h.jobs...)...) }},
		{40, len(waiting) > 0, func() { h.pull(c, p, waiting) }},
		{4, len(o.sweep) > 0, func() { h.submit(p, one(c, h.providers...), "by chance") }},
		{8, len(o.sweep) > 0, start("sweep", h.sweeper(p).Once)},
		{20, o.due <= 0, start("due", h.due(p).Once)},
		{20, o.drips, start("drip", h.drip(p).Once)},
		{3, true, func() { h.runScheduled(c, p) }},
		{8, o.kept > 0, func() { p.running = h.start("kept callbacks", p.receiver.Round) }},
		{8, o.paused && moves, func() { p.running = h.start("reroute", h.rerouter(p).Once) }},
		{9, true, func() { h.callBack(c, p) }},
	}...)
}

// failover has the routing rules as one process knows them.
func (h *harness) failover(p *pod) tasks.Failover {
	rules := h.rules
	if h.halfRules && p.number%2 == 1 {
		rules.Routing = nil
	}
	return tasks.Failover{Rules: rules, Entries: p.entries}
}

func (h *harness) backoff() tasks.Backoff {
	return tasks.Backoff{Initial: 5 * time.Second, Max: h.slowest, Multiplier: 1.6}
}

func (h *harness) submit(p *pod, provider, why string) {
	i := p.number % 2
	entry := p.entries[provider]
	entry.Capabilities.MaxRecipients = min(entry.Capabilities.MaxRecipients, h.batchMax)
	handler := &tasks.Submit{
		Store: h.stores[i], Queues: h.queues[i], Entry: entry, Backoff: h.backoff(),
		Metrics: taskMetrics, Log: zap.NewNop(), Failover: h.failover(p), IDs: h.newID,
	}
	p.running = h.start("submit "+provider+" "+why, func(ctx context.Context) error {
		return handler.ProcessTask(ctx, asynq.NewTask(tasks.TypeSubmit, []byte("{}")))
	})
}

func (h *harness) poll(p *pod, t trigger) {
	i := p.number % 2
	handler := &tasks.Poll{
		Store: h.stores[i], Queues: h.queues[i], Entries: p.entries, Known: h.rules.Providers,
		Backoff: h.backoff(), Timeout: h.options[i].SubmitTimeout,
		Redeliver: h.due(p).Redeliver, IDs: h.newID, Metrics: taskMetrics, Log: zap.NewNop(),
	}
	batch, number, _ := strings.Cut(t.id, ":")
	payload := fmt.Sprintf(`{"batch":%q,"number":%s%s}`, batch, number, t.due)
	p.running = h.start("poll "+t.id, func(ctx context.Context) error {
		return handler.ProcessTask(ctx, asynq.NewTask(tasks.TypePoll, []byte(payload)))
	})
}

// runScheduled has a person run a query in the dashboard that stands there for later, or that stood
// there once.
func (h *harness) runScheduled(c chance, p *pod) {
	polls, err := h.stores[0].Upcoming(background, 20)
	must(err)
	for _, u := range polls {
		h.scheduled = append(h.scheduled, trigger{
			id:  fmt.Sprintf("%s:%d", u.Batch, u.Number),
			due: fmt.Sprintf(`,"due":%q`, u.Due.Format(time.RFC3339Nano)),
		})
	}
	if len(h.scheduled) > 0 {
		h.poll(p, one(c, h.scheduled...))
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
func (h *harness) accept(p *pod, extra int64, turned bool, jobs ...*job) {
	i := p.number % 2
	handler := &tasks.Accept{
		Inlet: tasks.Inlet{Store: h.stores[i], Queues: h.queues[i]},
		Rules: intake.Rules{Rules: h.failover(p).Rules},
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
	p.running = h.start(fmt.Sprintf("accept %s+%d", strings.Join(names, " "), extra),
		func(ctx context.Context) error {
			err := handler.ProcessTask(ctx, asynq.NewTask(tasks.TypeAccept, []byte(payload)))
			for _, j := range jobs {
				j.held = j.held || err == nil && extra == 0 && !j.cancelled
			}
			if err == nil && extra > 0 {
				h.conflicts++
			}
			return err
		})
}

func (h *harness) sweeper(p *pod) *tasks.Sweeper {
	i := p.number % 2
	return &tasks.Sweeper{
		Store: h.stores[i], Queues: h.queues[i], Providers: h.providers, Log: zap.NewNop(),
	}
}

func (h *harness) due(p *pod) *tasks.Due {
	i := p.number % 2
	return &tasks.Due{
		Store: h.stores[i], Queues: h.queues[i], Log: zap.NewNop(),
		Redeliver: h.options[i].SubmitTimeout + 10*time.Second,
	}
}

func (h *harness) rerouter(p *pod) *tasks.Rerouter {
	i := p.number % 2
	return &tasks.Rerouter{
		Store: h.stores[i], Queues: h.queues[i], Failover: h.failover(p), Log: zap.NewNop(),
	}
}

func (h *harness) cancel(c chance, p *pod) {
	chosen := one(c, h.jobs...)
	kind, name := state.KindDisbursal, chosen.reference
	if chosen.campaign != "" && c.hit(0.5) {
		kind, name = state.KindCampaign, chosen.campaign
	}
	for _, j := range h.jobs {
		if j.reference == name || j.campaign == name {
			j.cancelled = true
		}
	}
	p.running = h.start(fmt.Sprintf("cancel %s %s", kind, name), func(ctx context.Context) error {
		_, err := h.stores[0].Cancel(ctx, kind, name, "amina", "")
		return err
	})
}
