package state

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/redis/go-redis/v9"

	"tuma/internal/airtime"
)

// batchFacts are what is kept of a batch for people, as lua/include/batches.lua describes it.
type batchFacts struct {
	id, provider string
	// member is the recipient's index in it.
	member                    int
	log, words, said, journal string
	// asked is zero for a batch that was never asked about.
	asked   int64
	queries string
}

// sent has the sendings, queries and callbacks of the batches that the recipient was in. A chunk
// keeps the locations of its recipients, also those that they have left.
func (t *timelineOf) sent(ctx context.Context) error {
	locations, err := t.client.HGetAll(ctx, t.keys.named("locations", t.at.chunk)).Result()
	if err != nil {
		return err
	}
	ids := map[string]bool{t.row.Batch: true}
	for _, past := range t.row.History {
		ids[past.Batch] = true
	}
	for _, location := range locations {
		ids[location] = !strings.HasPrefix(location, "+")
	}
	maps.DeleteFunc(ids, func(id string, isBatch bool) bool { return id == "" || !isBatch })
	for some := range slices.Chunk(slices.Sorted(maps.Keys(ids)), 256) {
		batches, err := t.ofBatches(ctx, some)
		if err != nil {
			return err
		}
		for _, b := range batches {
			if err := t.ofBatch(b); err != nil {
				return fmt.Errorf("batch %s: %w", b.id, err)
			}
		}
	}
	return nil
}

// ofBatches reads those of the batches that the recipient was in.
func (t *timelineOf) ofBatches(ctx context.Context, ids []string) ([]batchFacts, error) {
	pipe := t.client.Pipeline()
	fields := make([]*redis.SliceCmd, len(ids))
	for i, id := range ids {
		fields[i] = pipe.HMGet(ctx, t.keys.batch(id), "slices", "provider", "log", "words", "said",
			"queries", "asked")
	}
	if _, err := pipe.Exec(ctx); err != nil {
		return nil, err
	}
	var list []batchFacts
	for i, id := range ids {
		values := fields[i].Val()
		text := func(at int) string {
			value, _ := values[at].(string)
			return value
		}
		member, err := t.memberOf(text(0))
		if err != nil {
			return nil, fmt.Errorf("batch %s: %w", id, err)
		}
		if member < 0 {
			continue
		}
		b := batchFacts{
			id: id, provider: text(1), member: member, log: text(2), words: text(3), said: text(4),
			queries: text(5), asked: whole(values[6]),
		}
		b.journal, err = t.client.Get(ctx, t.keys.named("journal", id)).Result()
		if err != nil && !errors.Is(err, redis.Nil) {
			return nil, err
		}
		list = append(list, b)
	}
	return list, nil
}

// memberOf is the recipient's index in a batch with these slices: lines "chunk from to", or
// "@reference from to"; -1 if it is not in it.
func (t *timelineOf) memberOf(slices string) (int, error) {
	before := 0
	for line := range strings.Lines(slices) {
		words := strings.Fields(line)
		if len(words) != 3 {
			return 0, errors.New("stored slices are damaged")
		}
		from, err := strconv.Atoi(words[1])
		to, toErr := strconv.Atoi(words[2])
		if err := errors.Join(err, toErr); err != nil {
			return 0, fmt.Errorf("stored slices: %w", err)
		}
		pos := 0
		switch words[0] {
		case t.at.chunk:
			pos = t.at.pos
		case "@" + t.row.name:
			pos = t.row.position + 1
		}
		if from <= pos && pos <= to {
			return before + pos - from, nil
		}
		before += to - from + 1
	}
	return -1, nil
}

// ofBatch has the events of one batch.
func (t *timelineOf) ofBatch(b batchFacts) error {
	if err := t.sendings(b); err != nil {
		return err
	}
	if b.asked > 0 {
		_, words, _ := strings.Cut(b.said, " ")
		queries := b.queries + " queries; the last was answered: "
		if b.queries == "1" {
			queries = "1 query, answered: "
		}
		t.add(Event{
			At: time.UnixMilli(b.asked).UTC(), What: "asked", Batch: b.id, Provider: b.provider,
			Detail: queries + words,
		})
	}
	for line := range strings.Lines(b.journal) {
		words := strings.SplitN(strings.TrimSuffix(line, "\n"), " ", 6)
		if len(words) < 5 {
			return errors.New("stored journal is damaged")
		}
		if words[1] != strconv.Itoa(b.member) {
			continue
		}
		ms, err := strconv.ParseInt(words[2], 10, 64)
		if err != nil {
			return fmt.Errorf("stored journal: %w", err)
		}
		if err := t.journaled(b, time.UnixMilli(ms).UTC(), words); err != nil {
			return err
		}
	}
	return nil
}

// effects says what callbacks did, by the words of the journal.
var effects = map[string]string{
	"moved": "it moved the recipient", "nothing": "it changed nothing",
	"asked": "the provider is asked",
}

// journaled reads one line of a journal as lua/include/journal.lua describes it.
func (t *timelineOf) journaled(b batchFacts, at time.Time, words []string) error {
	var status airtime.Status
	if words[3] != "-" {
		var err error
		if status, err = airtime.StatusFromCode(words[3][0]); err != nil {
			return fmt.Errorf("stored journal: %w", err)
		}
	}
	if words[0] == "callback" {
		t.add(Event{
			At: at, What: "callback", Batch: b.id, Provider: b.provider,
			Detail: wordOf(status) + "; " + effects[words[4]],
		})
		return nil
	}
	if words[0] != "was" || len(words) != 6 {
		return errors.New("stored journal is damaged")
	}
	was := phase{Row: Row{Status: status, Provider: b.provider, Batch: words[4]}, until: at}
	was.tell(words[5], t.row.Accepted.UnixMilli())
	t.past = append(t.past, was)
	return nil
}

// sendings reads the log of a batch as lua/include/batches.lua describes it.
func (t *timelineOf) sendings(b batchFacts) error {
	var begun time.Time
	for line := range strings.Lines(b.log) {
		parts := strings.SplitN(strings.TrimSuffix(line, "\n"), " ", 10)
		if len(parts) < 3 {
			return errors.New("stored log is damaged")
		}
		attempt, err := strconv.Atoi(parts[1])
		ms, atErr := strconv.ParseInt(parts[2], 10, 64)
		if err := errors.Join(err, atErr); err != nil {
			return fmt.Errorf("stored log: %w", err)
		}
		e := Event{
			At: time.UnixMilli(ms).UTC(), What: parts[0], Batch: b.id, Attempt: attempt,
			Provider: b.provider,
		}
		switch {
		case e.What == "begun":
			begun, e.What = e.At, "sending"
		case e.What == "silent":
			e.Detail = "no answer until the deadline"
		case e.What == "answered" && len(parts) == 10:
			e.Detail = answeredAs(parts, e.At.Sub(begun), b.words)
		}
		t.add(e)
	}
	return nil
}

// answeredAs tells of an answer: how the request ended, how long it took, what it said of how many,
// and why of those in doubt; words are what the provider said of all of them.
func answeredAs(parts []string, took time.Duration, words string) string {
	var counts []string
	for i, what := range []string{"accepted", "rejected", "returned", "in doubt"} {
		if n := parts[5+i]; n != "0" {
			counts = append(counts, n+" "+what)
		}
	}
	detail := joined(" ", parts[9], fmt.Sprintf("after %d ms:", took.Milliseconds()),
		strings.Join(counts, ", "))
	doubt := parts[8] != "0"
	if !doubt {
		words = "" // They are of a doubt.
	}
	if doubt || parts[3] == airtime.Refused.String() || parts[3] == airtime.Unsent.String() {
		detail = joined("; ", detail, saidAs(airtime.Reason(strings.TrimPrefix(parts[4], "-")), words))
	}
	return detail
}
