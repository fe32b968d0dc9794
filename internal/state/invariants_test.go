package state_test

import (
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/redis/go-redis/v9"

	"tuma/internal/airtime"
	"tuma/internal/providers"
	"tuma/internal/state"
	"tuma/internal/state/statetest"
)

// snapshot is what Redis holds, as far as it concerns invariants, read without the scripts.
type snapshot struct {
	statuses map[string]airtime.Status // By recipient.
	places   map[string]string         // Its batch; empty when it is in none.
	at       map[string]string         // Its provider.
	history  map[string][]string       // The providers that it went on from.
	// pending, blocked and aside list the recipients that valid entries cover, once per entry.
	pending, blocked []string
	aside            []string
	batches          map[string]map[string]string
	slots, due       map[string]float64
	ready            map[string][]string // By provider.
	overpaid         []string
	doubt            map[string]map[string]string // Batches in doubt per provider and number.
	book             map[string]string
	channels         map[string]map[string]string
	results          map[string][]modelResult
}

// look reads a snapshot.
func (x *machine) look() snapshot {
	chunks := x.readChunks()
	got := snapshot{
		statuses: map[string]airtime.Status{}, places: map[string]string{},
		at: map[string]string{}, history: map[string][]string{},
		batches: map[string]map[string]string{}, slots: map[string]float64{},
		due: map[string]float64{}, results: map[string][]modelResult{},
		ready: map[string][]string{}, doubt: map[string]map[string]string{},
		channels: map[string]map[string]string{},
	}
	pipe := x.store.Client().Pipeline()
	channels := map[string]*channelReads{}
	for _, provider := range x.providers {
		channels[provider] = x.readChannel(pipe, provider)
	}
	due := pipe.ZRangeWithScores(background, x.store.Key("due", ""), 0, -1)
	overpaid := pipe.SMembers(background, x.store.Key("overpaid", ""))
	book := pipe.HGetAll(background, x.store.Key("book", ""))
	results := pipe.XRange(background, x.store.Key("results", ""), "-", "+")
	batches := map[string]*redis.MapStringStringCmd{}
	for _, b := range x.batches {
		batches[b.id] = pipe.HGetAll(background, x.store.Key("batch", b.id))
	}
	_, err := pipe.Exec(background)
	x.must(err)

	names := map[string][]string{} // By chunk, in the order of the positions.
	for id, chunk := range chunks {
		names[id] = x.unpack(got, chunk)
		for _, line := range chunk.history {
			words := strings.Split(line, "\t")
			position, err := strconv.Atoi(words[0])
			x.must(err)
			name := names[id][position-1]
			got.history[name] = append(got.history[name], words[2])
		}
	}
	for id, fields := range batches {
		got.batches[id] = fields.Val()
	}
	for provider, reads := range channels {
		code := modelProviders[slices.IndexFunc(modelProviders, func(p providers.Capabilities) bool {
			return p.Name == provider
		})].Code
		pending, blocked := reads.pending(), x.blockedEntries(provider, reads)
		got.pending = append(got.pending, x.cover(names, chunks, code, pending)...)
		got.blocked = append(got.blocked, x.cover(names, chunks, code, blocked)...)
		refused := reads.lists["refused"].Val()
		got.aside = append(got.aside, x.cover(names, chunks, code, refused)...)
		got.ready[provider] = reads.lists["ready"].Val()
		got.doubt[provider], got.channels[provider] = reads.doubt.Val(), reads.channel.Val()
		for _, z := range reads.slots.Val() {
			got.slots[fmt.Sprint(z.Member)] = z.Score
		}
	}
	for _, z := range due.Val() {
		got.due[fmt.Sprint(z.Member)] = z.Score
	}
	got.book = book.Val()
	for _, field := range overpaid.Val() {
		chunk, number, _ := strings.Cut(field, " ")
		position, err := strconv.Atoi(number)
		x.must(err)
		got.overpaid = append(got.overpaid, names[chunk][position-1])
	}
	for _, entry := range results.Val() {
		x.published(got, entry)
	}
	return got
}

// channelReads are the reads of a snapshot that are about one provider.
type channelReads struct {
	lists                   map[string]*redis.StringSliceCmd
	withheld                []*redis.StringSliceCmd // By campaign.
	slots                   *redis.ZSliceCmd
	doubt, channel, blocked *redis.MapStringStringCmd
}

// pending returns the entries of the queue, and those that are withheld from it.
func (r *channelReads) pending() []string {
	entries := slices.Concat(r.lists["pending"].Val(), r.lists["urgent"].Val())
	for _, withheld := range r.withheld {
		entries = slices.Concat(entries, withheld.Val())
	}
	return entries
}

// blockedEntries returns the entries that wait for their numbers at a provider, each of which must
// be in doubt there.
func (x *machine) blockedEntries(provider string, reads *channelReads) []string {
	var entries []string
	numbers := 0
	for field, value := range reads.blocked.Val() {
		phone, _, isEntry := strings.Cut(field, " ")
		if isEntry {
			entries = append(entries, value)
			continue
		}
		n, err := strconv.Atoi(value)
		x.must(err)
		numbers += n
		if reads.doubt.Val()[phone] == "" {
			x.t.Fatalf("entries at %s wait for %s, which is not in doubt there", provider, phone)
		}
	}
	since := slices.Clone(reads.lists["blockedsince"].Val())
	slices.Sort(entries)
	slices.Sort(since)
	if numbers != len(entries) || !slices.Equal(entries, since) {
		x.t.Fatalf("%d entries at %s wait for their numbers: %q, by time %q", numbers, provider,
			entries, since)
	}
	return entries
}

func (x *machine) readChannel(pipe redis.Pipeliner, provider string) *channelReads {
	reads := &channelReads{lists: map[string]*redis.StringSliceCmd{}}
	for _, kind := range []string{"pending", "urgent", "refused", "ready"} {
		reads.lists[kind] = pipe.LRange(background, x.store.Key(kind, provider), 0, -1)
	}
	for _, campaign := range slices.Compact(slices.Sorted(maps.Values(x.label))) {
		reads.withheld = append(reads.withheld, pipe.LRange(background,
			x.store.Key("withheld", provider+":"+campaign), 0, -1))
	}
	reads.lists["blockedsince"] = pipe.ZRange(background, x.store.Key("blockedsince", provider), 0, -1)
	reads.blocked = pipe.HGetAll(background, x.store.Key("blocked", provider))
	reads.slots = pipe.ZRangeWithScores(background, x.store.Key("slots", provider), 0, -1)
	reads.doubt = pipe.HGetAll(background, x.store.Key("doubtphones", provider))
	reads.channel = pipe.HGetAll(background, x.store.Key("channel", provider))
	return reads
}

// storedChunk is what Redis holds about a chunk.
type storedChunk struct {
	refs    string
	history []string
	cells   []statetest.Cell
}

// readChunks reads the chunks of the known disbursals, by their ids.
func (x *machine) readChunks() map[string]storedChunk {
	pipe := x.store.Client().Pipeline()
	reads, rows := map[string]*redis.MapStringStringCmd{}, map[string]*redis.StringCmd{}
	locations := map[string]*redis.MapStringStringCmd{}
	histories := map[string]*redis.StringSliceCmd{}
	for ref := range x.refs {
		key := x.store.ChunkOf(ref)
		id := key[strings.LastIndexByte(key, ':')+1:]
		if reads[id] == nil {
			reads[id] = pipe.HGetAll(background, key)
			rows[id] = pipe.Get(background, x.store.Key("rows", id))
			locations[id] = pipe.HGetAll(background, x.store.Key("locations", id))
			histories[id] = pipe.LRange(background, x.store.Key("history", id), 0, -1)
		}
	}
	_, err := pipe.Exec(background)
	x.must(err)
	chunks := map[string]storedChunk{}
	for id, read := range reads {
		chunks[id] = storedChunk{
			read.Val()["refs"], histories[id].Val(),
			statetest.Cells(rows[id].Val(), locations[id].Val()),
		}
	}
	return chunks
}

// unpack reads the rows of a chunk, and returns the names of its recipients.
func (x *machine) unpack(got snapshot, chunk storedChunk) []string {
	var names []string
	for line := range strings.SplitSeq(chunk.refs, "\n") {
		ref, number, _ := strings.Cut(line, " ")
		n, err := strconv.Atoi(number)
		x.must(err)
		for i := range n {
			names = append(names, fmt.Sprintf("%s %d", ref, i))
		}
	}
	for i, name := range names {
		cell := chunk.cells[i]
		status, err := airtime.StatusFromCode(cell.Status)
		x.must(err)
		got.statuses[name], got.places[name] = status, ""
		got.at[name] = map[byte]string{'L': "lipad", 'Q': "quicksms"}[cell.Provider]
		if !strings.HasPrefix(cell.Location, "+") {
			got.places[name] = cell.Location
		}
	}
	return names
}

// cover lists the recipients that a provider's entries stand for: queued there, and still at the
// entry's place.
func (x *machine) cover(
	names map[string][]string, chunks map[string]storedChunk, code byte, entries []string,
) []string {
	var covered []string
	for _, entry := range entries {
		words := strings.Fields(entry)
		from, err := strconv.Atoi(words[1])
		x.must(err)
		to, err := strconv.Atoi(words[2])
		x.must(err)
		entry := statetest.Cell{Status: 'q', Provider: code, Location: words[3]}
		for i := from - 1; i < to; i++ {
			if chunks[words[0]].cells[i] == entry {
				covered = append(covered, names[words[0]][i])
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
	x.checkBooks()
	x.checkStatements()
	x.checkChannels()
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
		x.equal([]string{r.status.String(), place, r.provider},
			[]string{x.seen.statuses[name].String(), x.seen.places[name], x.seen.at[name]}, name)
		if !slices.Equal(r.history, x.seen.history[name]) {
			x.t.Fatalf("history of %s: %v, want %v", name, x.seen.history[name], r.history)
		}
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
		if slices.ContainsFunc(r.superseded, func(e modelFact) bool { return live(e.status) }) {
			overpaid = append(overpaid, r.name())
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
		empty := !slices.ContainsFunc(x.people, func(r *modelRecipient) bool { return r.batch == b })
		if b.state == state.BatchReturned && empty && due && !b.hinted {
			x.t.Fatalf("batch %s is asked about, but nobody is in it", b.id)
		}
		asked := b.state == state.BatchOpen || b.state == state.BatchDoubt
		if x.of(b).asks && asked && !due {
			x.t.Fatalf("batch %s (%s) is never asked about", b.id, b.state)
		}
	}
	for provider, channel := range x.channels {
		var ready []string
		for _, b := range channel.ready {
			ready = append(ready, b.id)
		}
		if !slices.Equal(ready, x.seen.ready[provider]) {
			x.t.Fatalf("ready: %v, want %v", x.seen.ready[provider], ready)
		}
	}
}

// checkBooks counts everybody per provider and status.
func (x *machine) checkBooks() {
	want := map[string]int64{}
	for _, r := range x.people {
		for _, word := range []string{"requested", r.status.String()} {
			want[r.provider+" KES "+word]++
			want[r.provider+" KES "+word+" minor"] += r.amount
		}
	}
	got := map[string]int64{}
	for field, figures := range x.seen.book {
		var n, minor, units int64
		_, err := fmt.Sscan(figures, &n, &minor, &units)
		x.must(err)
		if n != 0 || minor != 0 {
			got[field], got[field+" minor"] = n, minor
		}
	}
	x.equal(want, got, "book")
}

// checkStatements counts everybody per day of acceptance, provider, campaign and status.
func (x *machine) checkStatements() {
	want, months := map[string]*state.StatementLine{}, map[time.Time]bool{}
	for _, r := range x.people {
		day, campaign := r.accepted.Format(time.DateOnly), x.label[r.ref]
		months[time.Date(r.accepted.Year(), r.accepted.Month(), 1, 0, 0, 0, 0, time.UTC)] = true
		name := fmt.Sprintf("%s %s %q", day, r.provider, campaign)
		if want[name] == nil {
			want[name] = &state.StatementLine{
				Day: day, Provider: r.provider, Currency: "KES", Campaign: campaign,
			}
		}
		addToLine(want[name], r.status, r.amount)
	}
	got := map[string]*state.StatementLine{}
	for month := range months {
		for _, line := range statement(x.t, x.store, month.Year(), month.Month()) {
			got[fmt.Sprintf("%s %s %q", line.Day, line.Provider, line.Campaign)] = &line
		}
	}
	if diff := cmp.Diff(want, got); diff != "" {
		x.t.Fatalf("statements (-want +got):\n%s", diff)
	}
}

// addToLine adds a recipient to the line of a statement.
func addToLine(line *state.StatementLine, status airtime.Status, minor int64) {
	line.Recipients++
	line.Requested += minor
	switch {
	case status == airtime.InDoubt:
		line.InDoubt += minor
	case !status.Settled():
		line.Open += minor
	case status == airtime.Successful || status == airtime.Unconfirmed:
		line.Paid += minor
	case status == airtime.Failed:
		line.Failed += minor
	case status == airtime.Reversed:
		line.Reversed += minor
	case status == airtime.Refunded:
		line.Refunded += minor
	case status == airtime.Rejected:
		line.Rejected += minor
	default:
		line.Cancelled += minor
	}
}

// checkChannels compares what each channel remembers.
func (x *machine) checkChannels() {
	for provider, channel := range x.channels {
		got := x.seen.channels[provider]
		number := func(field string) int64 {
			n, err := strconv.ParseFloat("0"+got[field], 64)
			x.must(err)
			return int64(n)
		}
		var halfOpen int64
		if channel.halfOpen {
			halfOpen = 1
		}
		want := []int64{
			channel.paused, channel.since, halfOpen, int64(channel.failures), int64(channel.ramp),
			int64(channel.careful),
		}
		var stored []int64
		for _, field := range []string{
			"paused_until", "paused_since", "half_open", "consecutive_failures", "ramp", "careful",
		} {
			stored = append(stored, number(field))
		}
		x.equal(want, stored, "what pauses "+provider+", and how large its batches are")
	}
}

// checkPending wants exactly one entry for everybody who is queued and in no batch.
func (x *machine) checkPending() {
	covered := map[string]int{}
	for _, name := range slices.Concat(x.seen.pending, x.seen.blocked, x.seen.aside) {
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
	want := map[string]map[string]string{}
	for _, provider := range x.providers {
		want[provider] = map[string]string{}
	}
	for _, r := range x.people {
		if r.status == airtime.InDoubt {
			n, _ := strconv.Atoi(want[r.provider][r.phone])
			want[r.provider][r.phone] = strconv.Itoa(n + 1)
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
