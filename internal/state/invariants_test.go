package state_test

import (
	"fmt"
	"slices"
	"strconv"
	"strings"

	"github.com/redis/go-redis/v9"

	"tuma/internal/airtime"
	"tuma/internal/state"
)

// snapshot is what Redis holds, as far as it concerns invariants, read without the scripts.
type snapshot struct {
	statuses map[string]airtime.Status // By recipient.
	places   map[string]string         // Its batch; empty when it is in none.
	// pending and held list the recipients that valid entries cover, once per entry.
	pending, held []string
	batches       map[string]map[string]string
	slots, due    map[string]float64
	ready         []string
	overpaid      []string
	doubt         map[string]string // Batches in doubt per phone number.
	results       map[string][]modelResult
}

// look reads a snapshot.
func (x *machine) look() snapshot {
	got := snapshot{
		statuses: map[string]airtime.Status{}, places: map[string]string{},
		batches: map[string]map[string]string{}, slots: map[string]float64{},
		due: map[string]float64{}, results: map[string][]modelResult{},
	}
	pipe := x.store.Client().Pipeline()
	lists := map[string]*redis.StringSliceCmd{}
	for _, kind := range []string{"pending", "held", "ready"} {
		lists[kind] = pipe.LRange(background, x.store.Key(kind, x.provider), 0, -1)
	}
	slots := pipe.ZRangeWithScores(background, x.store.Key("slots", x.provider), 0, -1)
	due := pipe.ZRangeWithScores(background, x.store.Key("due", ""), 0, -1)
	overpaid := pipe.SMembers(background, x.store.Key("overpaid", ""))
	doubt := pipe.HGetAll(background, x.store.Key("doubtphones", x.provider))
	results := pipe.XRange(background, x.store.Key("results", ""), "-", "+")
	disbursals := map[string]*redis.MapStringStringCmd{}
	for ref := range x.refs {
		disbursals[ref] = pipe.HGetAll(background, x.store.Key("disbursal", ref))
	}
	batches := map[string]*redis.MapStringStringCmd{}
	for _, b := range x.batches {
		batches[b.id] = pipe.HGetAll(background, x.store.Key("batch", b.id))
	}
	_, err := pipe.Exec(background)
	x.must(err)

	for ref, fields := range disbursals {
		x.unpack(got, ref, fields.Val()["rows"])
	}
	for id, fields := range batches {
		got.batches[id] = fields.Val()
	}
	got.pending = x.cover(disbursals, lists["pending"].Val())
	got.held = x.cover(disbursals, lists["held"].Val())
	got.ready = lists["ready"].Val()
	for _, z := range slots.Val() {
		got.slots[fmt.Sprint(z.Member)] = z.Score
	}
	for _, z := range due.Val() {
		got.due[fmt.Sprint(z.Member)] = z.Score
	}
	got.overpaid, got.doubt = overpaid.Val(), doubt.Val()
	for _, entry := range results.Val() {
		x.published(got, entry)
	}
	return got
}

func (x *machine) unpack(got snapshot, ref, rows string) {
	for i := range x.refs[ref] {
		row := rows[i*37 : (i+1)*37]
		status, err := airtime.StatusFromCode(row[0])
		x.must(err)
		name := fmt.Sprintf("%s %d", ref, i)
		got.statuses[name], got.places[name] = status, ""
		if row[1] != '+' {
			got.places[name] = row[1:]
		}
	}
}

// cover lists the recipients that entries stand for: queued, and still at the entry's place.
func (x *machine) cover(
	disbursals map[string]*redis.MapStringStringCmd, entries []string,
) []string {
	var covered []string
	for _, entry := range entries {
		words := strings.Fields(entry)
		from, err := strconv.Atoi(words[1])
		x.must(err)
		to, err := strconv.Atoi(words[2])
		x.must(err)
		rows := disbursals[words[0]].Val()["rows"]
		for i := from - 1; i < to; i++ {
			if rows[i*37:(i+1)*37] == "q"+words[3] {
				covered = append(covered, fmt.Sprintf("%s %d", words[0], i))
			}
		}
	}
	return covered
}

func (x *machine) published(got snapshot, entry redis.XMessage) {
	status, err := airtime.ParseStatus(fmt.Sprint(entry.Values["status"]))
	x.must(err)
	ref := fmt.Sprint(entry.Values["reference"])
	i := slices.IndexFunc(x.refs[ref], func(r *modelRecipient) bool {
		return r.phone == entry.Values["phone_number"]
	})
	name := fmt.Sprintf("%s %d", ref, i)
	result := modelResult{status, entry.Values["corrected"] == "true"}
	got.results[name] = append(got.results[name], result)
}

// check compares the store with the model and looks for broken invariants.
func (x *machine) check() {
	before := x.seen
	x.seen = x.look()
	x.checkRecipients(before)
	x.checkBatches()
	x.checkPending()
	x.checkDoubt()
	if x.honest {
		x.checkHonesty()
	}
	audit, err := x.store.Verify(background, nil)
	x.must(err)
	x.equal([]string(nil), audit.Drift, "books")
	x.equal(len(x.people), audit.Recipients, "recipients")
}

func (x *machine) checkRecipients(before snapshot) {
	var overpaid []string
	for _, r := range x.people {
		name, place := r.name(), ""
		if r.batch != nil {
			place = r.batch.id
		}
		x.equal([]string{r.status.String(), place},
			[]string{x.seen.statuses[name].String(), x.seen.places[name]}, name)
		if fmt.Sprint(r.results) != fmt.Sprint(x.seen.results[name]) {
			x.t.Fatalf("results of %s: %v, want %v", name, x.seen.results[name], r.results)
		}
		old := before.statuses[name]
		sent := old == airtime.Sending || old == airtime.InDoubt
		if sent && r.status == airtime.Queued && !x.returns {
			x.t.Fatalf("%s returned from %s", name, old)
		}
		if old == airtime.Cancelled && r.status == airtime.Sending {
			x.t.Fatalf("%s was cancelled and sent", name)
		}
		if slices.ContainsFunc(r.earlier, func(e modelFact) bool { return live(e.status) }) {
			overpaid = append(overpaid, fmt.Sprintf("%s %d", r.ref, r.position+1))
		}
	}
	slices.Sort(overpaid)
	slices.Sort(x.seen.overpaid)
	if !slices.Equal(overpaid, x.seen.overpaid) {
		x.t.Fatalf("overpaid: %v, want %v", x.seen.overpaid, overpaid)
	}
}

func (x *machine) checkBatches() {
	for _, b := range x.batches {
		fields := x.seen.batches[b.id]
		attempt := fields["attempt"]
		if attempt == "" {
			attempt = "0"
		}
		x.equal([]string{string(b.state), strconv.Itoa(b.attempt)},
			[]string{fields["state"], attempt}, "batch "+b.id)
		lapse, slot := x.seen.slots[b.id]
		out := b.state == state.BatchClaimed || b.state == state.BatchSending
		if slot != out || slot && int64(lapse) != b.lapse {
			x.t.Fatalf("batch %s (%s): slot %v until %.0f, want %d", b.id, b.state, slot, lapse,
				b.lapse)
		}
		_, due := x.seen.due[b.id]
		asked := b.state == state.BatchOpen || b.state == state.BatchDoubt && b.suspect == 0
		if x.asks && asked && !due {
			x.t.Fatalf("batch %s (%s) is never asked about", b.id, b.state)
		}
	}
	var ready []string
	for _, b := range x.ready {
		ready = append(ready, b.id)
	}
	if !slices.Equal(ready, x.seen.ready) {
		x.t.Fatalf("ready: %v, want %v", x.seen.ready, ready)
	}
}

// checkPending wants exactly one entry for everybody who is queued and in no batch.
func (x *machine) checkPending() {
	covered := map[string]int{}
	for _, name := range slices.Concat(x.seen.pending, x.seen.held) {
		covered[name]++
	}
	for _, r := range x.people {
		want := 0
		if r.status == airtime.Queued && r.batch == nil {
			want = 1
		}
		if covered[r.name()] != want {
			x.t.Fatalf("%s (%s) has %d pending entries, want %d", r.name(), r.status,
				covered[r.name()], want)
		}
	}
}

func (x *machine) checkDoubt() {
	want := map[string]string{}
	for _, r := range x.people {
		if r.status == airtime.InDoubt {
			n, _ := strconv.Atoi(want[r.phone])
			want[r.phone] = strconv.Itoa(n + 1)
		}
	}
	if fmt.Sprint(want) != fmt.Sprint(x.seen.doubt) {
		x.t.Fatalf("numbers in doubt: %v, want %v", x.seen.doubt, want)
	}
}

// checkHonesty is what all of it is for: with a provider and people who tell the truth, nobody is
// paid twice, and nobody is reported as what they are not.
func (x *machine) checkHonesty() {
	for _, r := range x.people {
		if len(r.paidBy) > 1 {
			x.t.Fatalf("%s was paid %d times", r.name(), len(r.paidBy))
		}
		unpaid := r.status == airtime.Rejected || r.status == airtime.Cancelled ||
			r.status == airtime.Failed
		if unpaid && len(r.paidBy) > 0 {
			x.t.Fatalf("%s was paid and is %s", r.name(), r.status)
		}
		paid := r.status == airtime.Successful || r.status == airtime.Unconfirmed
		if paid && len(r.paidBy) == 0 {
			x.t.Fatalf("%s was not paid and is %s", r.name(), r.status)
		}
	}
}
