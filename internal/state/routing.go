package state

import (
	"context"
	"fmt"
	"strings"
	"time"

	"tuma/internal/airtime"
)

// Stranded is a recipient that waits for a paused provider and may go to another, because no
// producer asked for this one.
type Stranded struct {
	airtime.Recipient
	Reference string
	Campaign  string
	// position is the recipient's index in its disbursal, from 1.
	position int
}

// Strandings is what Stranded found.
type Strandings struct {
	// Looked counts the entries of the queue that were looked at; fewer than asked for means that
	// the queue has ended, or that the channel is not paused.
	Looked int
	// Paused is how long the channel has been paused or probed without a clear answer, Reason why.
	Paused time.Duration
	Reason airtime.Reason
	List   []Stranded
}

// Stranded lists who waits in the queue of a paused provider, from an entry on.
func (s *Store) Stranded(
	ctx context.Context, provider string, from, entries int,
) (Strandings, error) {
	answer, err := s.run(ctx, s.client, "stranded", provider, from, entries)
	if err != nil {
		return Strandings{}, err
	}
	r := asList(answer)
	found := Strandings{
		Looked: r.int(0), Paused: millis(r.int(1)), Reason: airtime.Reason(r.text(2)),
	}
	for _, item := range r.list(3) {
		stretch := asList(item)
		position := stretch.int(1)
		for line := range strings.SplitSeq(stretch.text(4), "\n") {
			recipient, err := parseLine(line, airtime.Currency(stretch.text(2)))
			if err != nil {
				return found, fmt.Errorf("stranded: %w", err)
			}
			found.List = append(found.List, Stranded{
				Recipient: recipient, Reference: stretch.text(0), Campaign: stretch.text(3),
				position: position,
			})
			position++
		}
	}
	return found, nil
}

// Onward names a stranded recipient and the provider that takes it.
type Onward struct {
	Stranded
	Provider string
}

// rerouteChunk bounds one reroute script.
const rerouteChunk = 1000

// Reroute moves recipients out of the queue of a paused provider. Who has been claimed or cancelled
// meanwhile stays where it is. It returns how many moved, and the rings that this asks for.
func (s *Store) Reroute(ctx context.Context, provider string, list []Onward) (int, []Ring, error) {
	var rings []Ring
	moved := 0
	for len(list) > 0 {
		chunk := list[:min(len(list), rerouteChunk)]
		list = list[len(chunk):]
		args := []any{provider, s.options.MaxInFlight}
		for _, o := range chunk {
			args = append(args, o.Reference, o.position, o.Provider)
		}
		answer, err := s.run(ctx, s.client, "reroute", args...)
		if err != nil {
			return moved, rings, err
		}
		moved += asList(answer).int(0)
		rings = append(rings, ringsOf(asList(answer).list(1))...)
	}
	return moved, rings, nil
}
