package sim_test

import (
	"context"
	"encoding/json"
	"fmt"
	"maps"
	"net/http"
	"slices"
	"time"

	"github.com/hibiken/asynq"
	"github.com/prometheus/client_golang/prometheus"
	"go.uber.org/zap"

	"tuma/internal/state"
	"tuma/internal/tasks"
	"tuma/internal/webhook"
)

// hookPath is before the name of an endpoint, and hookSecret signs what is posted there.
const (
	hookPath   = "/hooks/"
	hookSecret = "whsec_c2ltdWxhdGlvbiBvZiBhbiBlbmRwb2ludCBvZiBhIHNob3A="
)

// hook is an endpoint of a producer.
type hook struct {
	*tasks.Endpoint
	metrics *tasks.WebhookMetrics
	// status is what it answers; 0 if the connection breaks. Deaf says that it takes nothing then.
	status int
	deaf   bool
	// bodies are those that were posted, by their ids, and taken the ids of those that it has taken.
	bodies map[string]string
	taken  map[string]bool
}

// openHooks opens two endpoints, one for everything and one for campaigns, and begins to read the
// results for them.
func (h *harness) openHooks() {
	if !h.webhooked {
		return
	}
	wants := map[string]func(string, string) bool{
		"all": func(string, string) bool { return true },
		"may": func(_, campaign string) bool { return campaign != "" },
	}
	h.inspector = asynq.NewInspectorFromRedisClient(h.rdb)
	for _, name := range slices.Sorted(maps.Keys(wants)) {
		u, err := webhook.ParseURL(h.fixture.base()+hookPath+name, true)
		must(err)
		k := &hook{status: http.StatusOK, bodies: map[string]string{}, taken: map[string]bool{}}
		k.Endpoint = &tasks.Endpoint{
			Name: name, Wants: wants[name], Sender: webhook.NewSender(webhook.SenderOptions{
				URL: u, Secret: func() string { return hookSecret }, AllowPrivate: true,
			}),
		}
		k.metrics = tasks.NewWebhookMetrics(prometheus.NewRegistry(), []*tasks.Endpoint{k.Endpoint})
		h.hooks = append(h.hooks, k)
	}
	h.webhooks(h.pods[0]).Once(background)
}

// webhooks is the loop that hands out deliveries, as one process has it.
func (h *harness) webhooks(p *pod) *tasks.Webhooks {
	i := p.number % 2
	loop := &tasks.Webhooks{Store: h.stores[i], Queues: h.queues[i], Log: zap.NewNop()}
	for _, k := range h.hooks {
		loop.Endpoints = append(loop.Endpoints, k.Endpoint)
	}
	return loop
}

// post runs the task that posts one result.
func (h *harness) post(p *pod, t trigger) {
	info, err := h.inspector.GetTaskInfo(t.queue, t.id)
	must(err)
	handler := &tasks.Deliver{
		Webhooks: h.webhooks(p), Metrics: h.hooks[0].metrics,
		Pause: func(tries int) time.Duration {
			return time.Duration(min(tries+1, 20)) * 15 * time.Second
		},
	}
	p.running = h.start("webhook "+t.id, func(ctx context.Context) error {
		return handler.ProcessTask(ctx, asynq.NewTask(tasks.TypeDeliver, info.Payload))
	})
}

// hookDoings are what there is to do about webhooks.
func (h *harness) hookDoings(c chance, p *pod) []doing {
	if len(h.hooks) == 0 {
		return nil
	}
	waiting := h.triggers([]string{h.queues[0].Name(tasks.QueueWebhooks)})
	k := one(c, h.hooks...)
	return []doing{
		{12, true, func() {
			p.running = h.start("webhooks", func(ctx context.Context) error {
				h.webhooks(p).Once(ctx)
				return nil
			})
		}},
		{25, len(waiting) > 0, func() { h.pull(c, p, waiting) }},
		{4, true, func() {
			k.status, k.deaf = one(c, 200, 200, 204, 500, 302, 410, 0), c.hit(0.5)
			h.logf("the endpoint %s answers %d from now on; deaf %t", k.Name, k.status, k.deaf)
		}},
		{4, h.hookOff(k), func() { h.switchOn(p, k) }},
	}
}

func (h *harness) hookOff(k *hook) bool {
	return h.rdb.HExists(background, h.key("webhook", k.Name), "off").Val()
}

// switchOn has a person switch an endpoint on.
func (h *harness) switchOn(p *pod, k *hook) {
	p.running = h.start("a person switches on "+k.Name, func(ctx context.Context) error {
		_, _, err := h.stores[p.number%2].SwitchWebhookOn(ctx, k.Name)
		return err
	})
}

// hooked is an endpoint that gets a result.
func (h *harness) hooked(w http.ResponseWriter, name, id, body string) {
	k := h.hooks[slices.IndexFunc(h.hooks, func(k *hook) bool { return k.Name == name })]
	h.note(fmt.Sprintf("            the endpoint %s gets a result, and answers %d", name, k.status))
	before, again := k.bodies[id]
	if again && before != body {
		h.violated("invariant 13: %s got %s and %s under one id", name, before, body)
	}
	k.bodies[id] = body
	if k.status/100 == 2 || k.status == 0 && !k.deaf {
		k.taken[id] = true
	}
	if k.status == 0 {
		panic(http.ErrAbortHandler)
	}
	w.WriteHeader(k.status)
}

// hooksAgree checks that what was read of the results for an endpoint was taken by it, or waits.
func (h *harness) hooksAgree() {
	for _, k := range h.hooks {
		cursor := h.rdb.HGet(background, h.key("webhook", k.Name), "cursor").Val()
		waiting := map[string]bool{}
		for _, kind := range []string{"webhookwaiting", "webhookgivenup"} {
			for _, id := range h.rdb.ZRange(background, h.key(kind, k.Name), 0, -1).Val() {
				waiting[id] = true
			}
		}
		for _, id := range h.wantedBy(k) {
			if !state.OlderResult(cursor, id) && !k.taken[id] && !waiting[id] {
				h.violated("invariant 13: a result was read for %s, and is neither taken nor waits", k.Name)
			}
		}
	}
}

// wantedBy lists the results that are for an endpoint.
func (h *harness) wantedBy(k *hook) (ids []string) {
	for _, entry := range h.seen.results {
		campaign, _ := entry.Values["campaign"].(string)
		if k.Wants("", campaign) {
			ids = append(ids, entry.ID)
		}
	}
	return ids
}

// mendHooks has endpoints work again, and persons switch them on.
func (h *harness) mendHooks() {
	for _, k := range h.hooks {
		k.status = http.StatusOK
		h.switchOn(h.pods[0], k)
		h.finishPod(h.pods[0])
	}
}

// postRest delivers what is left: every result was taken by those that it is for, as it stands on
// the stream, and nothing else was.
func (h *harness) postRest() {
	for range 60 {
		if len(h.hooks) == 0 {
			return
		}
		h.turn()
		left := int64(0)
		for _, k := range h.hooks {
			left += h.rdb.ZCard(background, h.key("webhookwaiting", k.Name)).Val()
		}
		if left == 0 {
			break
		}
		h.pass(15 * time.Second)
	}
	h.inspect()
	for _, k := range h.hooks {
		wanted := h.wantedBy(k)
		for _, id := range wanted {
			if !k.taken[id] {
				h.violated("invariant 13: a result for %s never came there", k.Name)
			}
		}
		for _, entry := range h.seen.results {
			if body, posted := k.bodies[entry.ID]; posted {
				h.samePosted(k, entry.Values, body)
			}
		}
		if len(k.bodies) > len(wanted) {
			h.violated("invariant 13: %s got %d results, %d are for it", k.Name, len(k.bodies),
				len(wanted))
		}
	}
}

// samePosted checks that a result was posted as it stands on the stream.
func (h *harness) samePosted(k *hook, entry map[string]any, body string) {
	var posted struct {
		Data map[string]any `json:"data"`
	}
	must(json.Unmarshal([]byte(body), &posted))
	if !maps.Equal(posted.Data, entry) {
		h.violated("invariant 13: %s got %v of %v", k.Name, posted.Data, entry)
	}
}
