package state

import (
	"context"
	"errors"
	"fmt"

	"github.com/redis/go-redis/v9"
)

// Manifest is what an import declares before its first disbursal.
type Manifest struct {
	Reference string
	// ContentHash is the hash of the file's bytes, Options the import's options in canonical form.
	ContentHash string
	Options     string
	// Rows counts the rows that are imported.
	Rows int64
	// SubmittedBy is who imports it, 1 to 64 printable ASCII characters; empty for unknown. It tells
	// no manifest from another.
	SubmittedBy string
	// Amounts are the sums as people read them, for the audit.
	Amounts string
}

// OpenImport declares an import before its first disbursal. It reports whether the import was known
// with the same manifest. ErrConflict is returned when the reference belongs to another manifest,
// ErrCancelled when the import carries a cancel mark.
func (s *Store) OpenImport(ctx context.Context, m Manifest) (known bool, err error) {
	if err := s.room(ctx, AcceptLimit); err != nil {
		return false, err
	}
	if err := checkSubmitter(m.SubmittedBy); err != nil {
		return false, fmt.Errorf("import %s: %w", m.Reference, err)
	}
	answer, err := s.decide(ctx, "manifest", m.SubmittedBy, m.Reference, m.text(), m.Rows,
		m.Amounts)
	if err != nil {
		return false, err
	}
	word, _ := answer.(string)
	return m.known(word)
}

// LookImport is OpenImport without declaring anything.
func (s *Store) LookImport(ctx context.Context, m Manifest) (known bool, err error) {
	pipe := s.client.Pipeline()
	mark := pipe.HExists(ctx, s.keys.plain("cancelled"), "import "+m.Reference)
	there := pipe.HGet(ctx, s.keys.named("import", m.Reference), "manifest")
	if _, err := pipe.Exec(ctx); err != nil && !errors.Is(err, redis.Nil) {
		return false, fmt.Errorf("look up import %s: %w", m.Reference, err)
	}
	switch {
	case mark.Val():
		return m.known("cancelled")
	case there.Err() != nil:
		return m.known("new")
	case there.Val() == m.text():
		return m.known("same")
	default:
		return m.known("conflict")
	}
}

// text is what another manifest of the same reference is compared with.
func (m Manifest) text() string { return m.ContentHash + "\n" + m.Options }

// known says what a word about the manifest means.
func (m Manifest) known(word string) (bool, error) {
	switch word {
	case "new":
		return false, nil
	case "same":
		return true, nil
	case "cancelled":
		return false, fmt.Errorf("import %s: %w", m.Reference, ErrCancelled)
	default:
		return false, fmt.Errorf("import %s: %w: the file or its options differ from what was "+
			"imported under this reference", m.Reference, ErrConflict)
	}
}
