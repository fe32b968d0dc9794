package config

import (
	"errors"
	"fmt"
	"io"
	"os"
	"strings"
	"sync"
	"sync/atomic"
	"time"
)

// maxSecret bounds a secret file, in bytes.
const maxSecret = 64 << 10

const secretText = "[secret]"

// byteOrderMark is what some editors put before text in UTF-8; it is no part of a secret.
const byteOrderMark = "\ufeff"

// secretChanges counts the secrets of files that were replaced while this process ran.
var secretChanges atomic.Uint64

// SecretChanges moves when a secret of a file was replaced, before anybody is given the new one.
func SecretChanges() uint64 { return secretChanges.Load() }

// Secret is a value that is never printed. One that was given as a file is read again when the file
// changes, so that rotating it needs no restart.
type Secret struct {
	source *secretSource
}

// secretSource is where a secret comes from. Copies of a Secret share it.
type secretSource struct {
	path string // Empty for a secret that was given as such.

	mu       sync.Mutex
	value    string
	modified time.Time
	size     int64
}

// NewSecret wraps a value.
func NewSecret(value string) Secret {
	if value == "" {
		return Secret{}
	}
	return Secret{&secretSource{value: value}}
}

// SecretFile reads a secret from a file, without the spaces and line ends around it. An error is
// returned when the file cannot be read, is empty, or holds what no secret holds.
func SecretFile(path string) (Secret, error) {
	source := &secretSource{path: path}
	if err := source.refresh(); err != nil {
		return Secret{}, err
	}
	return Secret{source}, nil
}

// IsSet reports whether there is a value.
func (s Secret) IsSet() bool { return s.source != nil }

// Value returns the secret. Of a file that has changed it returns the new content; while the file
// cannot be read (it is being replaced), the last one that could.
func (s Secret) Value() string {
	if s.source == nil {
		return ""
	}
	s.source.mu.Lock()
	defer s.source.mu.Unlock()
	if s.source.path != "" {
		_ = s.source.refresh() // The last value that could be read holds until then.
	}
	return s.source.value
}

// refresh reads the file if its time or size has changed.
func (s *secretSource) refresh() error {
	info, err := os.Stat(s.path)
	if err != nil {
		return fmt.Errorf("read secret: %w", err)
	}
	if s.value != "" && info.ModTime().Equal(s.modified) && info.Size() == s.size {
		return nil
	}
	if !info.Mode().IsRegular() || info.Size() > maxSecret {
		return fmt.Errorf("read secret: %s must be a file of at most %d bytes", s.path, maxSecret)
	}
	data, err := os.ReadFile(s.path)
	if err != nil {
		return fmt.Errorf("read secret: %w", err)
	}
	value := strings.TrimSpace(strings.TrimPrefix(string(data), byteOrderMark))
	if err := checkSecret(value); err != nil {
		return fmt.Errorf("read secret: %s %w", s.path, err)
	}
	s.value, s.modified, s.size = value, info.ModTime(), info.Size()
	secretChanges.Add(1)
	return nil
}

// checkSecret refuses what would break the header or body that a secret is sent in. Line ends are
// for lists of tokens.
func checkSecret(value string) error {
	if value == "" {
		return errors.New("is empty")
	}
	for _, c := range value {
		if c < ' ' && c != '\n' && c != '\r' || c == 0x7f {
			return errors.New("holds control characters")
		}
	}
	return nil
}

// String hides the secret.
func (s Secret) String() string {
	if s.source == nil {
		return ""
	}
	return secretText
}

// GoString hides the secret, for %#v.
func (s Secret) GoString() string { return s.String() }

// Format hides the secret whatever the verb.
func (s Secret) Format(f fmt.State, _ rune) {
	_, _ = io.WriteString(f, s.String()) // fmt.State reports no error to act on.
}

// MarshalText hides the secret from encoders.
func (s Secret) MarshalText() ([]byte, error) { return []byte(s.String()), nil }
