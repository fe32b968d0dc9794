package airtime

import "fmt"

// Status says where a recipient stands. The zero value is no status and is never stored.
type Status uint8

// The statuses. The comment of each says what it means; who has the next move stands in the table.
const (
	// Held recipients are accepted and must not be sent yet: until a person, the clock or a budget
	// releases them.
	Held Status = iota + 1
	// Queued recipients are pending or in a batch that has not begun to send.
	Queued
	// Sending recipients are in a batch whose request is on the wire.
	Sending
	// InDoubt recipients may or may not have been paid: the answer was lost. They are never resent
	// under another batch.
	InDoubt
	// Rejected recipients were refused before any effect.
	Rejected
	// Cancelled recipients were withdrawn before sending.
	Cancelled
	// Submitted recipients were accepted by the provider (Lipad 600).
	Submitted
	// Processing recipients are being worked on by the provider (Lipad 601).
	Processing
	// Jammed recipients are stuck at the provider (Lipad 604): asked again, never resent.
	Jammed
	// Reprocessing recipients are retried by the provider itself (Lipad 607): never resent.
	Reprocessing
	// Unconfirmed recipients were accepted by a provider that has no way to tell more.
	Unconfirmed
	// Failed recipients were not paid (Lipad 603).
	Failed
	// Successful recipients were paid (Lipad 602).
	Successful
	// Reversed recipients were paid and the payment was undone (Lipad 605).
	Reversed
	// Refunded recipients were not paid for good and the money came back (Lipad 606).
	Refunded
)

// statusRow is one line of the status table.
type statusRow struct {
	name     string
	code     byte   // How a recipient's row in Redis spells the status: one character.
	rank     int    // Evidence of effect: a higher rank replaces a lower one.
	settled  bool   // Nothing more is expected; polling stops.
	inFlight bool   // The provider may have the recipient and has not said the last word.
	live     bool   // An effect that stands, or that may still come to stand.
	spends   bool   // Guards count it: it is on its way, paid, or nobody knows.
	next     string // Who moves next; empty for no one.
}

// statusTable is the one place where statuses get their meaning: a new status is a constant and a
// row. The Lua scripts are given it as data when they are loaded, so Go and Redis cannot disagree,
// and docs/state-machine.md is written from it.
var statusTable = [...]statusRow{
	Held:         {"held", 'h', 0, false, false, false, false, "a person, the clock or a budget"},
	Queued:       {"queued", 'q', 0, false, false, false, true, "a worker"},
	Sending:      {"sending", 's', 1, false, true, false, true, "the worker"},
	InDoubt:      {"in_doubt", 'd', 1, false, true, false, true, "a query, a callback or a person"},
	Rejected:     {"rejected", 'x', 2, true, false, false, false, ""},
	Cancelled:    {"cancelled", 'c', 2, true, false, false, false, ""},
	Submitted:    {"submitted", 'a', 3, false, true, true, true, "the provider"},
	Processing:   {"processing", 'p', 3, false, true, true, true, "the provider"},
	Jammed:       {"jammed", 'j', 3, false, true, true, true, "the provider"},
	Reprocessing: {"reprocessing", 'r', 3, false, true, true, true, "the provider"},
	Unconfirmed:  {"unconfirmed", 'u', 4, true, false, true, true, ""},
	Failed:       {"failed", 'f', 5, true, false, false, false, ""},
	Successful:   {"successful", 'S', 6, true, false, true, true, ""},
	Reversed:     {"reversed", 'v', 7, true, false, false, false, ""},
	Refunded:     {"refunded", 'n', 8, true, false, false, false, ""},
}

// Statuses returns every status, in the order of the table.
func Statuses() []Status {
	all := make([]Status, 0, len(statusTable)-1)
	for s := Held; int(s) < len(statusTable); s++ {
		all = append(all, s)
	}
	return all
}

// Valid reports whether s is one of the table's statuses.
func (s Status) Valid() bool { return s >= Held && int(s) < len(statusTable) }

func (s Status) row() statusRow {
	if !s.Valid() {
		return statusRow{name: fmt.Sprintf("status(%d)", uint8(s)), code: '?'}
	}
	return statusTable[s]
}

// String returns the status as users and results spell it.
func (s Status) String() string { return s.row().name }

// Code returns the character that stands for the status in a stored row.
func (s Status) Code() byte { return s.row().code }

// Rank orders statuses by evidence of effect; see docs/state-machine.md.
func (s Status) Rank() int { return s.row().rank }

// Settled reports whether nothing more is expected for a recipient in this status.
func (s Status) Settled() bool { return s.row().settled }

// InFlight reports whether the provider may have the recipient and has not said the last word.
func (s Status) InFlight() bool { return s.row().inFlight }

// Live reports whether the status is an effect that stands, or that may still come to stand.
func (s Status) Live() bool { return s.row().live }

// Spends reports whether guards count a recipient in this status: it is on its way, was paid, or
// may have been.
func (s Status) Spends() bool { return s.row().spends }

// MovesNext says whose move is expected; empty for no one's.
func (s Status) MovesNext() string { return s.row().next }

// Effect reports whether the status is evidence that the provider took the recipient.
func (s Status) Effect() bool { return s.Valid() && s.Rank() >= Submitted.Rank() }

// MarshalText writes the name.
func (s Status) MarshalText() ([]byte, error) {
	if !s.Valid() {
		return nil, fmt.Errorf("status %d does not exist", uint8(s))
	}
	return []byte(s.String()), nil
}

// UnmarshalText reads a name.
func (s *Status) UnmarshalText(text []byte) error {
	parsed, err := ParseStatus(string(text))
	if err != nil {
		return err
	}
	*s = parsed
	return nil
}

// ParseStatus returns the status with that name. An error is returned for any other word.
func ParseStatus(name string) (Status, error) {
	for _, s := range Statuses() {
		if s.String() == name {
			return s, nil
		}
	}
	return 0, fmt.Errorf("status %q does not exist", name)
}

// StatusFromCode returns the status that a stored row spells with c. An error is returned when no
// status has that code.
func StatusFromCode(c byte) (Status, error) {
	for _, s := range Statuses() {
		if s.Code() == c {
			return s, nil
		}
	}
	return 0, fmt.Errorf("status code %q does not exist", string(rune(c)))
}

// Merge decides what an observation makes of a recipient in the same batch: the higher rank wins,
// among equal open statuses the latest, and everything else leaves the recipient as it is. The
// scripts are given its results.
func Merge(now, seen Status) Status {
	switch {
	case seen.Rank() > now.Rank():
		return seen
	case seen.Rank() == now.Rank() && !now.Settled() && !seen.Settled():
		return seen
	default:
		return now
	}
}
