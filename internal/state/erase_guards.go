package state

import (
	"context"
	"errors"
	"strconv"
	"strings"

	"github.com/redis/go-redis/v9"
)

// stretch is for how long prints of payments share a hash; see lua/include/duplicates.lua.
const stretch = 31 * 24 * 60 * 60 * 1000

// inGuards lists what is to be changed in what guards keep of a chunk's recipients: the prints of
// their payments go, and what was counted for the number counts for what stands for it.
func (e *Erasure) inGuards(ctx context.Context, id string, h head, c stored) ([]edit, error) {
	figures, err := e.inFigures(ctx, id, h)
	if err != nil {
		return nil, err
	}
	prints, err := e.inPayments(ctx, h, c)
	return append(figures, prints...), err
}

// inFigures moves the figures of the number, which are found by what the chunk was counted for.
func (e *Erasure) inFigures(ctx context.Context, id string, h head) ([]edit, error) {
	charges, err := e.s.client.HGetAll(ctx, e.s.keys.named("charges", id)).Result()
	if err != nil {
		return nil, err
	}
	var edits []edit
	known := map[string]bool{}
	number, by := e.phone.Digits(), e.Number.Digits()
	for _, lines := range charges {
		for line := range strings.SplitSeq(lines, "\n") {
			words := strings.Split(line, "\t") // Guard, period, subject.
			if len(words) != 3 || words[2] != "*" || known[line] {
				continue
			}
			known[line] = true
			period := words[0] + ":" + words[1] + ":"
			from, to := period+number[len(number)-3:], period+by[len(by)-3:]
			field, renamed := string(h.currency)+" "+number, string(h.currency)+" "+by
			text, err := e.s.client.HGet(ctx, e.s.keys.named("spentby", from), field).Result()
			if errors.Is(err, redis.Nil) {
				continue
			}
			if err != nil {
				return nil, err
			}
			edits = append(edits, edit{"field", "spentby", from, field, text, ""},
				edit{"field", "spentby", to, renamed, "", text})
		}
	}
	return edits, nil
}

// inPayments takes the prints of payments to the number away.
func (e *Erasure) inPayments(ctx context.Context, h head, c stored) ([]edit, error) {
	var edits []edit
	known := map[string]bool{}
	for line := range strings.SplitSeq(c.fields["content"], "\n") {
		if number, _, _ := strings.Cut(line, " "); number != e.phone.Digits() {
			continue
		}
		to, err := parseLine(line, h.currency)
		if err != nil {
			return nil, err
		}
		print := printOf(to)
		name := strconv.FormatInt(h.accepted.UnixMilli()/stretch, 10) + ":" + print[:1]
		text, err := e.s.client.HGet(ctx, e.s.keys.named("payments", name), print).Result()
		if err != nil && !errors.Is(err, redis.Nil) {
			return nil, err
		}
		if text != "" && !known[print] {
			edits = append(edits, edit{"field", "payments", name, print, text, ""})
		}
		known[print] = true
	}
	return edits, nil
}
