package state

import (
	"context"
	"fmt"
	"strings"

	"tuma/internal/airtime"
)

// Stranded is a recipient that waits for a paused provider and may go to another, because no
// producer asked for this one.
type Stranded struct {
	airtime.Recipient
	// Campaign is as the producer says it.
	Campaign string
	// chunk and position are where the state keeps the recipient.
	chunk    string
	position int
}

// Stranded lists who waits in the queue of a paused provider, about as many as asked for, and where
// to go on: from 0 at the start, -1 at the end, and when the channel is not paused.
func (s *Store) Stranded(
	ctx context.Context, provider string, from, recipients int,
) (list []Stranded, next int, err error) {
	answer, err := s.run(ctx, s.client, "stranded", provider, from, recipients)
	if err != nil {
		return nil, -1, err
	}
	r := asList(answer)
	for _, item := range r.list(1) {
		stretch := asList(item)
		position := stretch.int(1)
		for line := range strings.SplitSeq(stretch.text(4), "\n") {
			recipient, err := parseLine(line, airtime.Currency(stretch.text(2)))
			if err != nil {
				return nil, -1, fmt.Errorf("stranded: %w", err)
			}
			list = append(list, Stranded{
				Recipient: recipient, Campaign: ownWord(stretch.text(3)), chunk: stretch.text(0),
				position: position,
			})
			position++
		}
	}
	return list, r.int(0), nil
}

// Onward names a stranded recipient and the provider that takes it.
type Onward struct {
	Stranded
	Provider string
}

// rerouteStep bounds one reroute script.
const rerouteStep = 1000

// Reroute moves recipients out of the queue of a paused provider. Who has been claimed or cancelled
// meanwhile stays where it is. It returns how many moved, and the wakeups that this asks for.
func (s *Store) Reroute(
	ctx context.Context, provider string, list []Onward,
) (int, []Wakeup, error) {
	var wakeups []Wakeup
	moved := 0
	for len(list) > 0 {
		step := list[:min(len(list), rerouteStep)]
		list = list[len(step):]
		args := []any{provider, s.options.MaxInFlight}
		for _, o := range step {
			if _, known := s.code[o.Provider]; !known {
				return moved, wakeups, fmt.Errorf("reroute: unknown provider %q", o.Provider)
			}
			args = append(args, o.chunk, o.position, o.Provider)
		}
		answer, err := s.run(ctx, s.client, "reroute", args...)
		if err != nil {
			return moved, wakeups, err
		}
		moved += asList(answer).int(0)
		wakeups = append(wakeups, wakeupsOf(asList(answer).list(1))...)
	}
	return moved, wakeups, nil
}
