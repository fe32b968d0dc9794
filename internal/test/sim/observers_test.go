package sim_test

import (
	"fmt"
	"slices"
	"strings"

	"tuma/internal/airtime"
	"tuma/internal/state"
)

// found looks for everybody as people do, by number and by the provider's reference, and has their
// timelines told: they must agree with the state.
func (h *harness) found() {
	told := map[string]int64{} // Of how many each attempt is told.
	for _, r := range h.rows(h.rdb) {
		byPhone := h.find(r, state.Search{Phone: airtime.MSISDNFromE164(r.kept)})
		if byPhone == nil {
			continue
		}
		if reference := byPhone.ProviderReference; reference != "" {
			h.find(r, state.Search{ProviderReference: reference})
		}
		timeline, err := h.stores[0].Timeline(background, *byPhone)
		must(err)
		if last := stands(timeline); byPhone.Status.Settled() != (last == byPhone.Status.String()) {
			h.violated("TIMELINE: %s is %s: %+v", r.who(), byPhone.Status, timeline.Events)
		}
		for _, e := range timeline.Events {
			if e.What == "sending" {
				told[fmt.Sprint(e.Batch, " ", e.Attempt)]++
			}
		}
	}
	for attempt := range h.posts {
		id, _, _ := strings.Cut(attempt, " ")
		members := number(h.rdb.HGet(background, h.key("batch", id), "n").Val())
		if members != told[attempt] {
			h.violated("TIMELINE: attempt %s was posted for %d, and is told of %d", attempt, members,
				told[attempt])
		}
	}
}

// feed reads the next few results as a producer does, who remembers where it was.
func (h *harness) feed(most int) (more bool) {
	page, err := h.stores[1].ResultsAfter(background, h.seen.fed, most)
	must(err)
	for _, r := range page.Results {
		h.seen.read++
		h.seen.told[r.Fields["reference"]+" "+h.known(r.Fields["phone_number"])] = r.Fields["status"]
	}
	if len(page.Results) > 0 && page.Next == h.seen.fed {
		h.violated("FEED: results behind %s end there", page.Next)
	}
	h.seen.fed = page.Next
	return page.More
}

// fed reads the rest of the results: every one was read once, and the last of each recipient is
// where it stands.
func (h *harness) fed() {
	for h.feed(3) {
	}
	if h.seen.read != h.seen.counted {
		h.violated("FEED: %d results were read, there are %d", h.seen.read, h.seen.counted)
	}
	for _, r := range h.rows(h.rdb) {
		said, now := h.seen.told[r.reference+" "+r.phone], statusOf(r.status)
		if now.Settled() && said != now.String() {
			h.violated("FEED: %s, but its last result is %s", r, said)
		}
	}
}

// listedNames compares the list of campaigns with the recipients.
func (h *harness) listedNames() {
	counted := map[string]int64{}
	for _, r := range h.rows(h.rdb) {
		if r.campaign != "" {
			counted[r.campaign]++
		}
	}
	list, err := h.stores[0].List(background, 100, state.KindCampaign)
	must(err)
	for _, l := range list {
		if l.Recipients != counted[l.Reference] {
			h.violated("LIST: %s has %d recipients, listed with %d", l.Reference, counted[l.Reference],
				l.Recipients)
		}
		delete(counted, l.Reference)
	}
	for name := range counted {
		h.violated("LIST: %s is not listed", name)
	}
}

// stands is the status that the last settling or correction of a timeline came to, empty for none.
// The status of a recipient that is open again is not settled.
func stands(timeline state.Timeline) (status string) {
	for _, e := range timeline.Events {
		detail := e.Detail
		switch e.What {
		case "corrected":
			_, detail, _ = strings.Cut(detail, " to ")
		case "settled":
		default:
			continue
		}
		status, _, _ = strings.Cut(detail, ",")
	}
	return status
}

// find looks for a recipient, who must be among those who are found as the state has them.
func (h *harness) find(r row, search state.Search) *state.Row {
	rows, _, err := h.stores[0].Find(background, search)
	must(err)
	i := slices.IndexFunc(rows, func(row state.Row) bool {
		return row.Reference == r.reference && row.Phone.Digits() == r.kept
	})
	switch {
	case i < 0:
		h.violated("NOT FOUND: %s by %+v", r.who(), search)
		return nil
	case rows[i].Status.Code() != r.status || rows[i].Provider != r.provider:
		h.violated("MISREPORTED: %s is %c at %s, found as %s at %s", r.who(), r.status, r.provider,
			rows[i].Status, rows[i].Provider)
	}
	return &rows[i]
}
