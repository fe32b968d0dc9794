package sim_test

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/redis/go-redis/v9"

	"tuma/internal/airtime"
	"tuma/internal/state"
)

// known is the number that a text of the state stands for: itself, or one that was erased.
func (h *harness) known(text string) string {
	if number, erased := h.erased[text]; erased {
		return number
	}
	return text
}

// eraseAny has a person erase a number: mostly one whose recipients have all settled.
func (h *harness) eraseAny(c chance, p *pod) {
	var all, settled []string
	open := map[string]bool{}
	for _, r := range h.rows(h.rdb) {
		all = append(all, r.phone)
		open[r.phone] = open[r.phone] || !statusOf(r.status).Settled()
	}
	for _, phone := range all {
		if !open[phone] {
			settled = append(settled, phone)
		}
	}
	if len(settled) > 0 && c.hit(0.8) {
		all = settled
	}
	if len(all) == 0 {
		return
	}
	if c.hit(0.3) {
		h.readResults()
	}
	phone := one(c, all...)
	if !slices.Contains(h.toErase, phone) {
		h.toErase = append(h.toErase, phone)
	}
	h.erase(p, phone)
}

// eraseKey makes erasures the same in every run of a seed.
const eraseKey = "of the simulation"

// erase has a person erase a number, and looks at what is left of it.
func (h *harness) erase(p *pod, phone string) {
	must(h.rdb.HSetNX(background, h.key("state", ""), "erase_key", eraseKey).Err())
	store, began, books := h.stores[p.number%2], h.decided, h.storedBooks()
	var e *state.Erasure
	p.running = h.start("a person erases "+phone, func(ctx context.Context) (err error) {
		if e, err = store.Erasure(ctx, airtime.MSISDNFromE164(phone)); err == nil {
			h.erased[e.Number.Digits()] = phone
			err = e.Run(ctx, "sim", "")
		}
		if errors.Is(err, state.ErrOpen) {
			e = nil
			return nil
		}
		return err
	})
	running := p.running
	running.then = func() {
		alone := h.decided-began == running.started
		switch {
		case !alone: // What comes in between may have the number.
		case e == nil:
			h.refusedRightly(phone)
		default:
			h.gone(phone, e)
			if now := h.storedBooks(); !maps.Equal(now, books) {
				h.violated("invariant 14: the books were %v, after an erasure %v", books, now)
			}
		}
	}
}

func (h *harness) storedBooks() map[string]string {
	return h.rdb.HGetAll(background, h.key("book", "")).Val()
}

// refusedRightly checks that somebody with a number that was not erased has not settled.
func (h *harness) refusedRightly(phone string) {
	for _, r := range h.rows(h.rdb) {
		if r.kept == phone && !statusOf(r.status).Settled() {
			return
		}
	}
	h.violated("invariant 14: %s is not erased, and all who have it have settled", phone)
}

// gone checks that nothing is left of a number that was erased, but in results that somebody may
// still read, and that its recipients are found by what stands for it.
func (h *harness) gone(phone string, e *state.Erasure) {
	for _, r := range h.rows(h.rdb) {
		if r.kept == phone {
			h.violated("invariant 14: %s was erased, and is %s", phone, r)
		}
		if r.phone == phone {
			h.find(r, state.Search{Phone: e.Number})
		}
	}
	rows, _, err := h.stores[0].Find(background, state.SearchFor(phone))
	must(err)
	if len(rows) > 0 {
		h.violated("invariant 14: %s was erased, and is found: %+v", phone, rows)
	}
	kept := 0
	for _, entry := range h.rdb.XRange(background, h.key("results", ""), "-", "+").Val() {
		if strings.Contains(fmt.Sprint(entry.Values), phone) {
			kept++
		}
	}
	if kept != e.Kept {
		h.violated("invariant 14: %d results have %s, said of %d", kept, phone, e.Kept)
	}
	for _, key := range h.holders(phone) {
		if key != h.key("results", "") {
			h.violated("invariant 14: %s was erased, and is in %s", phone, key)
		}
	}
}

// holders lists the keys that have a number in their name or value, however it is written.
func (h *harness) holders(phone string) (holders []string) {
	keys := h.rdb.Keys(background, "*").Val()
	slices.Sort(keys)
	kinds, reads := h.rdb.Pipeline(), h.rdb.Pipeline()
	types := make([]*redis.StatusCmd, len(keys))
	for i, key := range keys {
		types[i] = kinds.Type(background, key)
	}
	execute(kinds)
	values := make([]redis.Cmder, len(keys))
	for i, key := range keys {
		switch kind := types[i].Val(); kind {
		case "string":
			values[i] = reads.Get(background, key)
		case "hash":
			values[i] = reads.HGetAll(background, key)
		case "list":
			values[i] = reads.LRange(background, key, 0, -1)
		case "set":
			values[i] = reads.SMembers(background, key)
		case "zset":
			values[i] = reads.ZRange(background, key, 0, -1)
		case "stream":
			values[i] = reads.XRange(background, key, "-", "+")
		default:
			panic("simulation: a key of another kind: " + key + ": " + kind)
		}
	}
	execute(reads)
	const countryCode = 3
	for i, key := range keys {
		text := strings.NewReplacer(" ", "", "-", "").Replace(key + values[i].String())
		if strings.Contains(text, phone[countryCode:]) {
			holders = append(holders, key)
		}
	}
	return holders
}

// readResults has a consumer group read and acknowledge all results: those of numbers that are
// erased go. What checks them has read them, too.
func (h *harness) readResults() {
	stream := h.key("results", "")
	h.inspect()
	for h.feed(100) {
	}
	err := h.rdb.XGroupCreateMkStream(background, stream, "sim", "0").Err()
	if err != nil && !strings.HasPrefix(err.Error(), "BUSYGROUP") {
		must(err)
	}
	read, err := h.rdb.XReadGroup(background, &redis.XReadGroupArgs{
		Group: "sim", Consumer: "sim", Streams: []string{stream, ">"}, Block: -1,
	}).Result()
	if errors.Is(err, redis.Nil) {
		return
	}
	must(err)
	for _, entry := range read[0].Messages {
		must(h.rdb.XAck(background, stream, "sim", entry.ID).Err())
	}
}

// eraseRest has all those numbers erased that a person wanted to have erased: some erasures were
// interrupted or refused, and what came late has other numbers again.
func (h *harness) eraseRest() {
	for _, phone := range h.toErase {
		h.erase(h.pods[0], phone)
		h.finishPod(h.pods[0])
	}
	if len(h.toErase) > 0 {
		h.inspect()
	}
}
