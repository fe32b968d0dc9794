package sim_test

import (
	"context"
	"fmt"

	"go.uber.org/zap"

	"tuma/internal/tasks"
)

// oversee has a person release who is held, or control a campaign.
func (h *harness) oversee(c chance, p *pod) {
	if c.hit(0.7) {
		h.release(c, p)
		return
	}
	h.control(c, p)
}

// control has a person pause or resume a campaign, or set its rate.
func (h *harness) control(c chance, p *pod) {
	name, rate := one(c, h.names...), float64(one(c, 0, 1, 5))
	what := one(c, "pauses", "resumes", "slows")
	store := h.stores[p.number%2]
	title := fmt.Sprintf("a person %s the campaign %s", what, name)
	p.running = h.start(title, func(ctx context.Context) (err error) {
		switch what {
		case "pauses":
			_, _, err = store.PauseCampaign(ctx, name, "sim", "")
		case "resumes":
			_, err = store.ResumeCampaign(ctx, name, "sim", "")
		default:
			_, _, err = store.SetCampaignRate(ctx, name, rate, "sim", "")
		}
		return err
	})
}

// resumeAll has a person resume all campaigns; rates stay.
func (h *harness) resumeAll() {
	for _, name := range h.names {
		p := h.pods[0]
		p.running = h.start("a person resumes "+name, func(ctx context.Context) error {
			_, err := h.stores[0].ResumeCampaign(ctx, name, "sim", "")
			return err
		})
		h.finishPod(p)
	}
}

// drip is the loop that brings back who was withheld, as one process has it.
func (h *harness) drip(p *pod) *tasks.Drip {
	i := p.number % 2
	return &tasks.Drip{Store: h.stores[i], Queues: h.queues[i], Log: zap.NewNop()}
}

// pausedCampaigns returns since when campaigns are paused, by name.
func (h *harness) pausedCampaigns() map[string]string {
	paused := map[string]string{}
	for _, name := range h.rdb.SMembers(background, h.key("controlled", "")).Val() {
		if since := h.rdb.HGet(background, h.key("control", name), "paused").Val(); since != "" {
			paused[name] = since
		}
	}
	return paused
}

// campaignsStop checks invariant 12: while a campaign is paused nobody of it is drawn for a batch.
func (h *harness) campaignsStop(p picture) {
	paused := h.pausedCampaigns()
	for _, r := range p.rows {
		since := paused[r.campaign]
		before, known := h.seen.rows[r.who()]
		if known && since != "" && since == h.seen.paused[r.campaign] && r.inBatch() &&
			before.status == 'q' && !before.inBatch() {
			h.violated("invariant 12: %s was drawn although %s is paused", r, r.campaign)
		}
	}
	h.seen.paused = paused
}
