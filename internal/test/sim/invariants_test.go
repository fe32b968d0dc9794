package sim_test

import (
	"fmt"
	"slices"
	"strconv"
	"strings"

	"github.com/redis/go-redis/v9"

	"tuma/internal/airtime"
	"tuma/internal/sandbox"
	"tuma/internal/state"
)

// history is what the checks remember from one look to the next.
type history struct {
	last string // Entry of the results stream.
	// published is the status that the results stream says last, by recipient.
	published map[string]airtime.Status
	batch     map[string]string // In which it was.
	// regained is the money of those who had surely got nothing and were paid after all, in
	// shillings, and regainers how many these are.
	regained, regainers int64
	rows                map[string]row
	// counted is how often a result was published, and results are all of them.
	counted int
	results []redis.XMessage
	// fed is where a reader of results is, read how many it has read, and told the status that it was
	// told last, by reference and number.
	fed  string
	read int
	told map[string]string
	// paused is since when campaigns were paused.
	paused map[string]string
	// looked are those whom a person has last seen to be held for an approval, digest is theirs, and
	// approved says who was seen before a release.
	looked   []string
	digest   string
	approved map[string]bool
}

func newHistory() history {
	return history{
		last: "0-0", published: map[string]airtime.Status{}, rows: map[string]row{},
		batch: map[string]string{}, told: map[string]string{}, approved: map[string]bool{},
	}
}

// inspect checks every invariant that can be seen at one moment, or between two.
func (h *harness) inspect() {
	h.sync()
	p := h.look()
	h.pendingOnce(p)
	h.batchesAgree(p)
	h.ranks(p)
	h.resultsFollow(p)
	h.refusalsFollow(p)
	h.guards(p)
	h.approved(p)
	h.feed(2)
	h.campaignsStop(p)
	h.hooksAgree()
	h.ledgers()
	for _, over := range p.overpaid {
		h.violated("invariant 5: %s is listed as overpaid", over)
	}
	if p.dropped > 0 {
		h.violated("invariant 9: %d callbacks were dropped", p.dropped)
	}
	for _, r := range p.rows {
		if _, marked := p.marks["disbursal "+r.reference]; marked && r.status == 'q' {
			h.violated("invariant 10: %s is queued although it is cancelled", r)
		}
		if mark, cancelled := r.mark(p.marks); cancelled && r.accepted > mark {
			h.violated("invariant 10: %s was taken although it is cancelled", r)
		}
		if before, known := h.seen.rows[r.who()]; known && before != r {
			h.note("            → " + r.String())
		}
		h.seen.rows[r.who()] = r
	}
	audit, err := h.stores[0].Verify(background, nil)
	must(err)
	if len(audit.Drift) > 0 {
		h.violated("invariant 7: %s", strings.Join(audit.Drift, "; "))
	}
}

// pendingOnce checks invariant 1: a pending recipient is in one queue once, others in none.
func (h *harness) pendingOnce(p picture) {
	entries := map[string]int{}
	for name, channel := range p.channels {
		for _, entry := range slices.Concat(channel.pending, channel.blocked, channel.refused,
			channel.withheld) {
			var ref, place string
			var from, to int
			if _, err := fmt.Sscanf(entry, "%s %d %d %s", &ref, &from, &to, &place); err != nil {
				h.violated("invariant 1: %s has the entry %q", name, entry)
				continue
			}
			for position := from; position <= to; position++ {
				entries[fmt.Sprintf("%s %d %s", ref, position, place)]++
			}
		}
	}
	held := map[string]bool{}
	for _, r := range p.rows {
		held[r.reference] = true
		n := entries[fmt.Sprintf("%s %d %s", r.chunk, r.at, r.location)]
		switch {
		case r.status == 'q' && !r.inBatch() && n != 1:
			h.violated("invariant 1: %s is covered by %d entries", r, n)
		case r.inBatch() && len(p.batches[r.location]) == 0:
			h.violated("invariant 1: %s is in no batch that there is", r)
		}
	}
	for _, j := range h.jobs {
		if j.held && !held[j.reference] {
			h.violated("invariant 1: %s was accepted and is gone", j.reference)
		}
	}
}

// states are the states of a batch that a recipient in that status may be in.
var states = map[byte]string{
	'q': "claimed ready", 's': "sending", 'd': "doubt open ready claimed",
}

// batchesAgree checks that recipients stand where their batches say, and slots with them.
func (h *harness) batchesAgree(p picture) {
	doubtful := map[string]map[string]int64{}
	for _, r := range p.rows {
		b := p.batches[r.location]
		if want := states[r.status]; r.inBatch() && want != "" &&
			!strings.Contains(want, b["state"]) {
			h.violated("invariant 1: %s, but its batch is %s", r, b["state"])
		}
		if r.status == 'd' {
			if !p.doubt[r.location] {
				h.violated("invariant 9: %s is in doubt and not listed", r)
			}
			if doubtful[r.provider] == nil {
				doubtful[r.provider] = map[string]int64{}
			}
			doubtful[r.provider][r.phone]++
		}
	}
	for name, channel := range p.channels {
		for phone, n := range doubtful[name] {
			if number(channel.doubtful[phone]) != n {
				h.violated("invariant 3: %s is in doubt %d times at %s, noted %s times",
					phone, n, name, channel.doubtful[phone])
			}
		}
		if most := max(h.inFlight[0], h.inFlight[1]); len(channel.slots) > most {
			h.violated("%d requests are out at %s, at most %d may be", len(channel.slots), name, most)
		}
	}
}

// ranks checks invariant 5 between two looks: in one batch the evidence never shrinks but by a
// person's word.
func (h *harness) ranks(p picture) {
	for _, r := range p.rows {
		before, known := h.seen.rows[r.who()]
		if !known || before.location != r.location || before.status == r.status {
			continue
		}
		was, now := statusOf(before.status), statusOf(r.status)
		if now.Rank() < was.Rank() && !h.decidedByPerson(r) {
			h.violated("invariant 5: %s was %s in the same batch", r, was)
		}
	}
}

func statusOf(code byte) airtime.Status {
	s, err := airtime.StatusFromCode(code)
	must(err)
	return s
}

// decidedByPerson reports whether a person has decided about a recipient.
func (h *harness) decidedByPerson(r row) bool {
	chunk := h.rdb.HGetAll(background, h.key("chunk", r.chunk)).Val()
	if alone := chunk[strconv.Itoa(r.at)]; alone != "" {
		return strings.Contains(alone, "\tperson\t")
	}
	lines := strings.Split(chunk["evidence"], "\n")
	return r.at <= len(lines) && strings.Contains(lines[r.at-1], "\tperson\t")
}

// resultsFollow checks invariant 6: one result per settling and correction, and none besides.
func (h *harness) resultsFollow(p picture) {
	place, people := map[string]string{}, map[string]recipient{}
	for _, r := range p.rows {
		place[r.reference+" "+r.phone] = r.who()
		people[r.who()] = r.recipient
	}
	for _, entry := range p.results {
		h.seen.last = entry.ID
		h.seen.counted++
		h.seen.results = append(h.seen.results, entry)
		text := func(field string) string { s, _ := entry.Values[field].(string); return s }
		who := place[text("reference")+" "+h.known(text("phone_number"))]
		status, err := airtime.ParseStatus(text("status"))
		must(err)
		before, published := h.seen.published[who]
		corrected := published && before.Settled()
		if corrected != (text("corrected") == "true") || !corrected && !status.Settled() {
			h.violated("invariant 6: %s is published as %s, corrected %s, after %s",
				who, status, text("corrected"), before)
		}
		if before == status {
			h.violated("invariant 6: %s is published as %s twice", who, status)
		}
		if published && status.Rank() < before.Rank() && text("reason") != "person" &&
			h.seen.batch[who] == text("batch") {
			h.violated("invariant 5: %s is published as %s after %s", who, status, before)
		}
		if published {
			h.seen.regain(people[who], before, status)
		}
		h.seen.published[who], h.seen.batch[who] = status, text("batch")
	}
	for _, r := range p.rows {
		now, said := statusOf(r.status), h.seen.published[r.who()]
		if now.Settled() && said != now || !now.Settled() && said.Settled() {
			h.violated("invariant 6: %s, but the results say %s", r, said)
		}
	}
}

// refusalsFollow checks invariants 4 and 9: other content under a reference is on the stream of
// rejected jobs, the same content is not.
func (h *harness) refusalsFollow(p picture) {
	conflicts := 0
	for _, entry := range p.rejected {
		job, _ := entry.Values["job"].(string)
		why, _ := entry.Values["error"].(string)
		if !strings.Contains(why, state.ErrConflict.Error()) {
			continue
		}
		conflicts++
		for _, j := range h.jobs {
			if job == string(j.payload(0, false)) || job == string(j.payload(0, true)) {
				h.violated("invariant 4: %s is refused: %s", job, why)
			}
		}
	}
	if conflicts < h.conflicts {
		h.violated("invariant 9: %d jobs are in conflict, only %d are shown", h.conflicts, conflicts)
	}
}

// booked is what the providers know about recipients that look the same from outside.
type booked struct{ accepted, paid int }

// ledgers checks that no recipient is paid, or taken, more often than asked for: at all providers
// together, but for those that a person has decided to send again.
func (h *harness) ledgers() {
	asked, got := map[recipient]int{}, map[recipient]booked{}
	for _, j := range h.jobs {
		for _, who := range j.recipients {
			asked[who]++
		}
	}
	for entry := range h.simulate.Ledger().Entries() {
		who := recipientOf(entry)
		one := got[who]
		got[who] = booked{one.accepted + 1, one.paid + entry.TimesPaid}
		if entry.TimesPaid > 1 {
			h.violated("PAID TWICE: %s under %s at %s", who, entry.Reference, entry.Provider)
		}
	}
	for who, n := range got {
		switch {
		case n.paid > asked[who]:
			h.violated("PAID TWICE: %s was paid %d times, asked for %d", who, n.paid, asked[who])
		case n.accepted > asked[who]+h.resubmitted[who]:
			h.violated("SENT TWICE: %s was taken %d times, asked for %d", who, n.accepted, asked[who])
		}
	}
}

func recipientOf(entry sandbox.Entry) recipient {
	return recipient{entry.PhoneNumber, int64(entry.Amount / 100)}
}
