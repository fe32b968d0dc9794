package state

import (
	"errors"
	"fmt"
	"strings"
)

// ownMark stands in the state between a producer of the HTTP inlet and what it calls a reference or
// a campaign. Neither may hold it, so that nothing that came by another inlet is ever taken for a
// producer's own, nor the other way round, whatever either is called.
const ownMark = "\x1f"

// Own is the name in the state of what a producer of the HTTP inlet calls so. What came otherwise
// has no producer, and is named there as it is.
func Own(producer, name string) string {
	if producer == "" || name == "" {
		return name
	}
	return producer + ownMark + name
}

// Shown is how people see a name of the state: a producer's own as producer/name.
func Shown(name string) string { return strings.Replace(name, ownMark, "/", 1) }

// ownWord is a name of the state as whoever gave it says it.
func ownWord(name string) string {
	if _, own, found := strings.Cut(name, ownMark); found {
		return own
	}
	return name
}

// Readings are the names in the state that people may mean by a name: as it is, and as what the
// producer before its first slash calls the rest.
func Readings(name string) []string {
	producer, own, _ := strings.Cut(name, "/")
	if producer == "" || own == "" {
		return []string{name}
	}
	return []string{name, Own(producer, own)}
}

// checkNames refuses what could be taken for a name of somebody else. Every inlet has refused it
// before.
func checkNames(d *Disbursal) error {
	for _, name := range []string{d.Reference, d.Campaign, d.Producer, d.Import} {
		if strings.Contains(name, ownMark) {
			return errors.New("its names must not hold control characters")
		}
	}
	return nil
}

// Unknown stands for who submitted what came without a submitter. It is nobody's name: what the
// state keeps then is empty.
const Unknown = "unknown"

// submitter is how people see who submitted something.
func submitter(by string) string {
	if by == "" {
		return Unknown
	}
	return by
}

// checkSubmitter refuses what is no submitter. Every inlet has refused it before.
func checkSubmitter(by string) error {
	if by == "" {
		return nil
	}
	return CheckSubmitter(by)
}

// maxSubmitter is the most characters of a submitter.
const maxSubmitter = 64

// CheckSubmitter returns an error that says what is wrong with the name of who submits something:
// it must be 1 to 64 printable ASCII characters.
func CheckSubmitter(by string) error {
	switch {
	case by == "":
		return errors.New("missing")
	case len(by) > maxSubmitter:
		return fmt.Errorf("longer than %d characters", maxSubmitter)
	}
	for _, c := range []byte(by) {
		if c < ' ' || c > '~' {
			return errors.New("may hold only printable ASCII characters")
		}
	}
	return nil
}

// producerOf returns the producer whose own a name of the state is; empty for none.
func producerOf(name string) string {
	producer, _, found := strings.Cut(name, ownMark)
	if !found {
		return ""
	}
	return producer
}
