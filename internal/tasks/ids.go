package tasks

import (
	"fmt"

	"github.com/google/uuid"

	"tuma/internal/state"
)

// IDs makes the ids of batches, each later than the one before. Nil makes UUIDs of version 7; only
// simulations, which repeat a run to the last byte, bring their own.
type IDs func() (uuid.UUID, error)

// next makes one id.
func (f IDs) next() (string, error) {
	if f == nil {
		f = uuid.NewV7
	}
	id, err := f()
	if err != nil {
		return "", fmt.Errorf("make a batch id: %w", err)
	}
	return id.String(), nil
}

// children makes the ids of two halves.
func (f IDs) children() (ids state.Children, err error) {
	for i := range ids {
		if ids[i], err = f.next(); err != nil {
			return ids, err
		}
	}
	return ids, nil
}
