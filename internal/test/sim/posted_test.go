package sim_test

import (
	"fmt"
	"net/url"
	"regexp"
	"strconv"
)

var (
	phonePattern     = regexp.MustCompile(`254\d{9}`)
	referencePattern = regexp.MustCompile(`"reference":"([^"]+)"`)
)

// posted checks a request at the moment when it reaches its provider: everybody in it is sending,
// in one batch there whose time is not over, and that attempt has not been posted before. Of a
// repetition a callback may have come since it was begun: its provider knows the batch by its name,
// and pays no recipient again.
func (h *harness) posted(provider, key string, body []byte) {
	named, phones := readPost(provider, key, body)
	h.note(fmt.Sprintf("            %s gets a request for %d: %s", provider, len(phones), named))
	rows := h.rows(h.fixture.rdb)
	batches := map[string]int{}
	for _, row := range rows {
		if row.provider != provider || named != "" && named != row.location {
			continue
		}
		if row.status != 's' && (named == "" || h.begun[row.who()] != h.attemptAt(named)) {
			continue
		}
		for _, phone := range phones {
			if phone == row.phone {
				batches[row.location]++
			}
		}
	}
	fits := 0
	for id, members := range batches {
		b := h.fixture.rdb.HGetAll(background, h.key("batch", id)).Val()
		late := h.now.Load()/1e6 > number(b["deadline"])
		if int(number(b["n"])) != len(phones) || members < len(phones) || b["state"] != "sending" ||
			late {
			continue
		}
		fits++
		if named != "" || len(batches) == 1 {
			h.attempted(id, b, rows)
		}
	}
	if fits == 0 {
		h.violated("invariant 2: %s got a request for %v (%s) that nobody is sending in time",
			provider, phones, named)
	}
}

// noteBegun remembers who is being sent when an attempt is begun.
func (h *harness) noteBegun() {
	for _, row := range h.rows(h.fixture.rdb) {
		if row.status == 's' {
			h.begun[row.who()] = h.attemptAt(row.location)
		}
	}
}

// attemptAt names the attempt that a batch is at.
func (h *harness) attemptAt(batch string) string {
	return batch + " " + h.fixture.rdb.HGet(background, h.key("batch", batch), "attempt").Val()
}

// readPost finds in a request what names its batch, if anything does, and its numbers.
func readPost(provider, key string, body []byte) (named string, phones []string) {
	text := string(body)
	if decoded, err := url.QueryUnescape(text); err == nil && key != "" {
		text = decoded
	}
	named = key
	if found := referencePattern.FindStringSubmatch(text); provider == lipad && found != nil {
		named = found[1]
	}
	return named, phonePattern.FindAllString(text, -1)
}

// attempted checks that an attempt is posted once, a repetition not before the guard has passed,
// and no recipient that a cancel mark should have kept from being claimed.
func (h *harness) attempted(id string, b map[string]string, rows []row) {
	attempt := id + " " + b["attempt"]
	if h.posts[attempt]++; h.posts[attempt] > 1 {
		h.violated("invariant 2: %s was posted twice in one attempt", attempt)
	}
	free := h.deadlines[id] + h.options[0].Guard.Milliseconds()
	if now := h.now.Load() / 1e6; b["attempt"] != "1" && now < free {
		h.violated("invariant 3: %s is posted again %d ms before its guard has passed", id, free-now)
	}
	h.deadlines[id] = number(b["deadline"])
	if b["attempt"] != "1" {
		return
	}
	for _, r := range rows {
		for _, name := range r.names() {
			if marked, is := h.marked[name]; is && r.location == id && numberOf(id) > marked {
				h.violated("invariant 10: %s was claimed although it is cancelled", r)
			}
		}
	}
}

// noteMarks remembers how many ids there were when a cancel mark was set: time mostly stands still.
func (h *harness) noteMarks() {
	for name := range h.rdb.HGetAll(background, h.key("cancelled", "")).Val() {
		if _, known := h.marked[name]; !known {
			h.marked[name] = h.ids.Load()
		}
	}
}

// numberOf is the number of an id in its scenario, of which no scenario has 4096.
func numberOf(id string) uint64 {
	n, err := strconv.ParseUint(id[15:18], 16, 64)
	must(err)
	return n
}
