package state

import (
	"context"
	"errors"
	"slices"
	"strconv"
	"strings"

	"github.com/redis/go-redis/v9"
)

// inChunks lists what is to be changed in chunks and in what is kept of their recipients.
func (e *Erasure) inChunks(ctx context.Context, chunks []string) ([]edit, error) {
	read, err := e.s.readChunks(ctx, chunks)
	if err != nil {
		return nil, err
	}
	var all []edit
	for i, id := range chunks {
		edits, err := e.inChunk(ctx, id, read[i])
		if err != nil {
			return nil, err
		}
		all = append(all, edits...)
	}
	return all, nil
}

// inChunk lists what is to be changed in one chunk, which may be forgotten by now.
func (e *Erasure) inChunk(ctx context.Context, id string, c stored) ([]edit, error) {
	h, known := headOf(c.fields["head"])
	if !known {
		return nil, nil
	}
	edits := e.inContent(id, h.page, c)
	for field, text := range c.fields {
		if _, err := strconv.Atoi(field); err == nil || field == "evidence" {
			edits = append(edits, edit{"field", "chunk", id, field, text, e.inColumn(text, 3)})
		}
	}
	history := strings.Join(c.history, "\n")
	edits = append(edits,
		edit{"text", "recipientids", id, "", c.ids, e.replaced(c.ids)},
		edit{"list", "history", id, "", history, e.inColumn(history, 5)})
	ids, replaced := strings.Split(c.ids, "\n"), strings.Split(e.replaced(c.ids), "\n")
	for i := range ids {
		edits = append(edits, e.fingerprint(h.page, 1, ids[i], replaced[i]))
	}
	words, err := e.inWords(ctx, id, c)
	if err != nil {
		return nil, err
	}
	guards, err := e.inGuards(ctx, id, h, c)
	return changing(slices.Concat(edits, words, guards)), err
}

// inContent lists the recipients who must have settled, and puts what stands for the number where
// it stood.
func (e *Erasure) inContent(id, page string, c stored) (edits []edit) {
	lines := strings.Split(c.fields["content"], "\n")
	var positions []string
	for i, line := range lines {
		if number, amount, _ := strings.Cut(line, " "); number == e.phone.Digits() {
			positions = append(positions, strconv.Itoa(i+1))
			lines[i] = e.Number.Digits() + " " + amount
		}
	}
	if len(positions) == 0 {
		return nil
	}
	return []edit{
		{"settled", "", id, strings.Join(positions, ","), "", "settled"},
		e.fingerprint(page, len(positions), e.phone.Digits(), e.Number.Digits()),
		{"field", "chunk", id, "content", c.fields["content"], strings.Join(lines, "\n")},
	}
}

// fingerprint replaces those of equal texts in a page.
func (e *Erasure) fingerprint(page string, texts int, text, by string) edit {
	old, replaced := fingerprintOf(text), fingerprintOf(by)
	return edit{
		"fingerprint", "", page, strconv.Itoa(texts), string(old.digit) + old.value,
		string(replaced.digit) + replaced.value,
	}
}

// inColumn puts what stands for the number into one column of lines, from 0: the others are times,
// ids and words of ours.
func (e *Erasure) inColumn(text string, column int) string {
	lines := strings.Split(text, "\n")
	for i, line := range lines {
		columns := strings.Split(line, "\t")
		if column < len(columns) {
			columns[column] = e.replaced(columns[column])
			lines[i] = strings.Join(columns, "\t")
		}
	}
	return strings.Join(lines, "\n")
}

// inWords lists what is to be changed in what providers said of batches, and in disputes.
func (e *Erasure) inWords(ctx context.Context, id string, c stored) ([]edit, error) {
	var edits []edit
	batches := map[string]bool{}
	for _, location := range c.locations {
		if !strings.HasPrefix(location, "+") && !strings.HasPrefix(location, "=") {
			batches[location] = true
		}
	}
	for batch := range batches {
		words, err := e.s.client.HGet(ctx, e.s.keys.batch(batch), "words").Result()
		if err != nil && !errors.Is(err, redis.Nil) {
			return nil, err
		}
		edits = append(edits, edit{"field", "batch", batch, "words", words, e.replaced(words)})
	}
	fields := make([]string, strings.Count(c.fields["content"], "\n")+1)
	for i := range fields {
		fields[i] = id + " " + strconv.Itoa(i+1)
	}
	disputes, err := e.s.client.HMGet(ctx, e.s.keys.plain("disputes"), fields...).Result()
	if err != nil {
		return nil, err
	}
	for i, value := range disputes {
		text, _ := value.(string)
		edits = append(edits, edit{"field", "disputes", "", fields[i], text, e.inColumn(text, 2)})
	}
	return edits, nil
}

// changing leaves out what changes nothing.
func changing(edits []edit) []edit {
	return slices.DeleteFunc(edits, func(x edit) bool { return x.old == x.new })
}

// inCallbacks lists what is to be changed in what is kept for callbacks: sendings whose answer is
// lost, payments that we have vouched for, and callbacks that are parked.
func (e *Erasure) inCallbacks(ctx context.Context) ([]edit, error) {
	var edits []edit
	for _, read := range []func(context.Context) ([]edit, error){
		e.inUnanswered, e.inValidated, e.inParked, // break: erase-parked
	} {
		some, err := read(ctx)
		if err != nil {
			return nil, err
		}
		edits = append(edits, some...)
	}
	return edits, nil
}

func (e *Erasure) inUnanswered(ctx context.Context) ([]edit, error) {
	names, err := e.s.client.SMembers(ctx, e.s.keys.plain("providers")).Result()
	if err != nil {
		return nil, err
	}
	var edits []edit
	for _, provider := range names {
		for _, day := range e.days {
			name := provider + ":" + day
			values, err := e.s.client.HMGet(ctx, e.s.keys.named("unanswered", name), e.phone.Digits(),
				e.Number.Digits()).Result()
			if err != nil {
				return nil, err
			}
			lines, _ := values[0].(string)
			erased, _ := values[1].(string)
			if lines != "" {
				edits = append(edits, edit{"field", "unanswered", name, e.phone.Digits(), lines, ""},
					edit{"field", "unanswered", name, e.Number.Digits(), erased, erased + lines})
			}
		}
	}
	return edits, nil
}

func (e *Erasure) inValidated(ctx context.Context) ([]edit, error) {
	var edits []edit
	within := "\t" + e.phone.Digits() + "\t"
	for _, day := range e.days[:3] {
		name := e.s.keys.named("validated", day)
		fields := e.s.client.HScan(ctx, name, 0, "*"+within+"*", 1000).Iterator()
		for fields.Next(ctx) {
			field := fields.Val()
			if !fields.Next(ctx) {
				break
			}
			by := strings.Replace(field, within, "\t"+e.Number.Digits()+"\t", 1)
			edits = append(edits, edit{"field", "validated", day, field, fields.Val(), ""},
				edit{"field", "validated", day, by, "", fields.Val()})
		}
		if err := fields.Err(); err != nil {
			return nil, err
		}
	}
	return edits, nil
}

// inParked lists what is to be changed in callbacks that are parked, whose names may have the
// number, too.
func (e *Erasure) inParked(ctx context.Context) ([]edit, error) {
	records, err := e.s.client.HGetAll(ctx, e.s.keys.plain("parked")).Result()
	if err != nil {
		return nil, err
	}
	var edits []edit
	for name, record := range records {
		columns := strings.Split(record, "\t")
		if len(columns) != 10 { // As readParked reads it.
			continue
		}
		if columns[3] == e.phone.Digits() {
			columns[3] = e.Number.Digits()
		}
		columns[8] = e.replaced(columns[8])
		by, text := name, strings.Join(columns, "\t")
		if provider, rest, _ := strings.Cut(name, " "); columns[2] == "" {
			by = provider + " " + e.replaced(rest)
		}
		for by != name && records[by] != "" {
			by += "'" // One that was parked after an erasure of before.
		}
		if by == name {
			edits = append(edits, edit{"field", "parked", "", name, record, text})
			continue
		}
		edits = append(edits, edit{"field", "parked", "", name, record, ""},
			edit{"field", "parked", "", by, "", text}, edit{"member", "parkeddue", "", "", name, by})
	}
	return changing(edits), nil
}
