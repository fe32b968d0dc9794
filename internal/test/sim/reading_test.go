package sim_test

import (
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"

	"github.com/redis/go-redis/v9"

	"tuma/internal/providers/catalog"
	"tuma/internal/state/statetest"
)

// row is where a recipient stands, read without the scripts.
type row struct {
	recipient
	// kept is what the state has for the number: the number, or what stands for one that was erased.
	kept      string
	reference string
	position  int // From 1.
	status    byte
	provider  string
	// place is a batch, or what begins with + and stands for a pending entry.
	location string
	campaign string
	accepted int64 // When, in ms.
	// chunk and at are where the state keeps the recipient.
	chunk string
	at    int
}

func (r row) who() string   { return fmt.Sprintf("%s %d", r.reference, r.position) }
func (r row) inBatch() bool { return r.location[0] != '+' && r.location[0] != '=' }

// names are those of the cancel marks that are about a recipient.
func (r row) names() []string {
	return []string{"disbursal " + r.reference, "campaign " + r.campaign}
}

// mark is the earliest cancel mark that is about a recipient, in ms.
func (r row) mark(marks map[string]string) (ms int64, cancelled bool) {
	for _, name := range r.names() {
		if at := number(marks[name]); at > 0 && (ms == 0 || at < ms) {
			ms = at
		}
	}
	return ms, ms > 0
}

func (r row) String() string {
	return fmt.Sprintf("%s (%s): %c at %s in %s", r.who(), r.phone, r.status, r.provider, r.location)
}

// codes are the characters of the providers in rows.
var codes = func() map[byte]string {
	names := map[byte]string{}
	for _, known := range catalog.Known() {
		names[known.Code] = known.Name
	}
	return names
}()

// readRows reads all recipients that the state holds, disbursal by disbursal.
func readRows(rdb redis.UniversalClient, jobs []*job) []row {
	names := make([]string, len(jobs))
	for i, j := range jobs {
		names[i] = "{" + namespace + "}:disbursal:" + j.reference
	}
	places, err := rdb.MGet(background, names...).Result()
	must(err)
	pipe, chunks := rdb.Pipeline(), map[string]*redis.SliceCmd{}
	cells, locations := map[string]*redis.StringCmd{}, map[string]*redis.MapStringStringCmd{}
	for _, place := range places {
		if id := chunkOf(place); id != "" && chunks[id] == nil {
			chunks[id] = pipe.HMGet(background, "{"+namespace+"}:chunk:"+id, "content", "head")
			cells[id] = pipe.Get(background, "{"+namespace+"}:rows:"+id)
			locations[id] = pipe.HGetAll(background, "{"+namespace+"}:locations:"+id)
		}
	}
	execute(pipe)
	var rows []row
	for i, j := range jobs {
		if id := chunkOf(places[i]); id != "" {
			rows = append(rows,
				rowsOf(j, fmt.Sprint(places[i]), chunks[id].Val(),
					statetest.Cells(cells[id].Val(), locations[id].Val()))...)
		}
	}
	return rows
}

// rows reads all recipients that the state holds. Those who were erased have the number by which
// their provider knows them.
func (h *harness) rows(rdb redis.UniversalClient) []row {
	rows := readRows(rdb, h.jobs)
	for i := range rows {
		rows[i].phone = h.known(rows[i].kept)
	}
	return rows
}

// chunkOf is the chunk in what says where a disbursal is; empty if it is nowhere.
func chunkOf(place any) string {
	text, _ := place.(string)
	if text == "" {
		return ""
	}
	return strings.Fields(text)[1]
}

// rowsOf reads the recipients of one disbursal off their chunk, content and head, and its rows.
func rowsOf(j *job, place string, chunk []any, cells []statetest.Cell) []row {
	var id string
	var before, n int
	_, err := fmt.Sscanf(place, "%s %s %d %d", new(string), &id, &before, &n)
	must(err)
	content, _ := chunk[0].(string)
	text, _ := chunk[1].(string)
	head, lines := strings.Split(text, "\t"), strings.Split(content, "\n")
	rows := make([]row, n)
	for k := range rows {
		at := before + k
		phone, minor, _ := strings.Cut(lines[at], " ")
		cell := cells[at]
		rows[k] = row{
			recipient: recipient{phone, number(minor) / 100}, kept: phone,
			reference: j.reference, position: k + 1, status: cell.Status,
			provider: codes[cell.Provider], location: cell.Location,
			accepted: number(head[4]), campaign: j.campaign, chunk: id, at: at + 1,
		}
	}
	return rows
}

// execute runs what was put in a pipeline; something that is not there is no error.
func execute(pipe redis.Pipeliner) {
	if _, err := pipe.Exec(background); !errors.Is(err, redis.Nil) {
		must(err)
	}
}

// number reads a stored figure; what is not there is zero.
func number(text string) int64 {
	if text == "" {
		return 0
	}
	whole, _, _ := strings.Cut(text, ".")
	n, err := strconv.ParseInt(whole, 10, 64)
	must(err)
	return n
}

// channel is what Redis holds about the channel of one provider.
type channel struct {
	pending, blocked, refused, ready, withheld []string

	slots    []redis.Z
	doubtful map[string]string
}

// picture is what Redis holds at one moment.
type picture struct {
	rows     []row
	batches  map[string]map[string]string
	channels map[string]channel
	doubt    map[string]bool
	overpaid []string
	results  []redis.XMessage // New ones.
	rejected []redis.XMessage // All of them.
	dropped  int64
	marks    map[string]string
}

// look reads a picture.
func (h *harness) look() picture {
	p := picture{
		rows: h.rows(h.rdb), batches: map[string]map[string]string{},
		channels: map[string]channel{}, doubt: map[string]bool{},
	}
	pipe := h.rdb.Pipeline()
	batches := map[string]*redis.MapStringStringCmd{}
	for _, r := range p.rows {
		if r.inBatch() && batches[r.location] == nil {
			batches[r.location] = pipe.HGetAll(background, h.key("batch", r.location))
		}
	}
	lists := map[string][4]*redis.StringSliceCmd{}
	blocked := map[string]*redis.StringSliceCmd{}
	withheld := map[string][]*redis.StringSliceCmd{}
	slots := map[string]*redis.ZSliceCmd{}
	doubtful := map[string]*redis.MapStringStringCmd{}
	for _, name := range h.providers {
		var four [4]*redis.StringSliceCmd
		for i, kind := range []string{"pending", "refused", "ready", "urgent"} {
			four[i] = pipe.LRange(background, h.key(kind, name), 0, -1)
		}
		blocked[name] = pipe.ZRange(background, h.key("blockedsince", name), 0, -1)
		lists[name] = four
		for _, campaign := range h.names {
			withheld[name] = append(withheld[name],
				pipe.LRange(background, h.key("withheld", name+":"+campaign), 0, -1))
		}
		slots[name] = pipe.ZRangeWithScores(background, h.key("slots", name), 0, -1)
		doubtful[name] = pipe.HGetAll(background, h.key("doubtphones", name))
	}
	doubt := pipe.ZRange(background, h.key("doubt", ""), 0, -1)
	overpaid := pipe.SMembers(background, h.key("overpaid", ""))
	results := pipe.XRange(background, h.key("results", ""), "("+h.seen.last, "+")
	rejected := pipe.XRange(background, h.key("rejected", ""), "-", "+")
	dropped := pipe.HGet(background, h.key("state", ""), "callbacks_dropped")
	marks := pipe.HGetAll(background, h.key("cancelled", ""))
	execute(pipe)
	for id, fields := range batches {
		p.batches[id] = fields.Val()
	}
	for _, name := range h.providers {
		c := channel{
			pending: slices.Concat(lists[name][0].Val(), lists[name][3].Val()),
			blocked: blocked[name].Val(), refused: lists[name][1].Val(), ready: lists[name][2].Val(),
			slots: slots[name].Val(), doubtful: doubtful[name].Val(),
		}
		for _, list := range withheld[name] {
			c.withheld = append(c.withheld, list.Val()...)
		}
		p.channels[name] = c
	}
	for _, id := range doubt.Val() {
		p.doubt[id] = true
	}
	p.overpaid, p.results, p.marks = overpaid.Val(), results.Val(), marks.Val()
	p.dropped, p.rejected = number(dropped.Val()), rejected.Val()
	return p
}
