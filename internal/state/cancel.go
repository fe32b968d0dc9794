package state

import (
	"context"
	"fmt"
)

// Cancellation is the result of a cancel.
type Cancellation struct {
	// Cancelled counts recipients that are cancelled now, TooLate those on the wire or beyond.
	Cancelled, TooLate int
}

// cancelStep is how many chunks one cancel script walks: at most 5,000 recipients. Each takes a
// result, and Redis serves nothing else meanwhile.
const cancelStep = 5

// Cancel puts the lasting mark on a disbursal, import or campaign, before it counts, and withdraws
// what is not on the wire. Later disbursals under the name are refused. The first cancel of a name
// is in the audit, with who and the note why; a later one only goes on with it.
func (s *Store) Cancel(
	ctx context.Context, kind Kind, name, who, note string,
) (Cancellation, error) {
	var total Cancellation
	cancel := func(chunks []string) error {
		args := []any{string(kind), name, clean(note)}
		for _, chunk := range chunks {
			args = append(args, chunk)
		}
		answer, err := s.decide(ctx, "cancel", who, args...)
		if err != nil {
			return err
		}
		total.Cancelled += asList(answer).int(0)
		total.TooLate += asList(answer).int(1)
		return nil
	}
	err := cancel(nil) // The mark stands before anything else is withdrawn.
	if err == nil && kind != KindDisbursal {
		err = s.eachChunk(ctx, kind, name, cancelStep, cancel)
	}
	return total, err
}

// eachChunk calls fn with the chunks of an import or campaign, step by step.
func (s *Store) eachChunk(
	ctx context.Context, kind Kind, name string, step int, fn func([]string) error,
) error {
	list := s.keys.named(string(kind)+"chunks", name)
	for start := 0; ; start += step {
		chunks, err := s.client.LRange(ctx, list, int64(start), int64(start+step-1)).Result()
		if err != nil {
			return fmt.Errorf("list %s %s: %w", kind, Shown(name), err)
		}
		if len(chunks) == 0 {
			return nil
		}
		if err := fn(chunks); err != nil {
			return err
		}
	}
}
