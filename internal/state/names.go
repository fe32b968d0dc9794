package state

import (
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
			return fmt.Errorf("disbursal %q: its names must not hold control characters", d.Reference)
		}
	}
	return nil
}
