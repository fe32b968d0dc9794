package providers

import (
	"bytes"
	"encoding/json"
	"net/http"
	"strings"

	"tuma/internal/airtime"
)

// Lines collects what an answer says about its recipients, one line each: of several about the same
// one the strongest sign of an effect counts, and of two equal signs the first.
type Lines struct {
	list  []Line
	place map[airtime.MSISDN]int
}

// NewLines returns a collection for about n lines.
func NewLines(n int) *Lines { return &Lines{place: make(map[airtime.MSISDN]int, n)} }

// Add takes one line. A recipient that was asked for once and is accepted twice, under two ids, may
// be paid twice: the first id is kept, and the line says so.
func (l *Lines) Add(line Line) {
	at, seen := l.place[line.Phone]
	if !seen {
		l.place[line.Phone] = len(l.list)
		l.list = append(l.list, line)
		return
	}
	first := &l.list[at]
	twice := first.Verdict == airtime.Accepted && line.Verdict == airtime.Accepted
	switch {
	case twice && first.ProviderReference != line.ProviderReference:
		first.Message = Clean("accepted twice, also as " + line.ProviderReference)
	case Evidence(line.Verdict) > Evidence(first.Verdict):
		*first = line
	}
}

// Into puts the lines into an answer. A line that is unsent although the provider answered is our
// account's fault: its reason pauses the channel, for as long as the provider asked us to wait.
func (l *Lines) Into(answer *Answer, r Response) {
	answer.Lines = l.list
	for _, line := range l.list {
		if line.Verdict == airtime.Unsent {
			answer.Pause, answer.RetryAfter = line.Reason, r.RetryAfter
		}
	}
}

// Evidence orders verdicts by what speaks for an effect.
func Evidence(v airtime.Verdict) int {
	switch v {
	case airtime.Accepted:
		return 3
	case airtime.Unknown:
		return 2
	case airtime.Refused:
		return 1
	case airtime.Unsent:
	}
	return 0
}

// MaxID is the longest id of a provider that is taken, in bytes. A longer one is not cut, and one
// that cannot be printed is not mended, because a part of an id names nobody.
const MaxID = 128

// CleanID reads an id from outside, from an answer or a callback; "0", "none" and "null" are no id.
// It returns false for what is too long or cannot be printed.
func CleanID(text string) (id string, clear bool) {
	id = strings.TrimSpace(text)
	switch {
	case len(id) > MaxID || !airtime.Printable(id):
		return "", false
	case id == "0" || strings.EqualFold(id, "none") || strings.EqualFold(id, "null"):
		return "", true
	}
	return id, true
}

// ReadID reads an id of any type as CleanID does. It returns false when there is something of which
// nobody can say whether it is one.
func ReadID(raw json.RawMessage) (id string, clear bool) {
	switch first := FirstByte(raw); {
	case first == 0 || first == 'n':
		return "", true
	case first != '"' && first != '-' && (first < '0' || first > '9'):
		return "", false
	}
	var text Scalar
	if err := Decode(raw, &text); err != nil {
		return "", false
	}
	return CleanID(string(text))
}

// TurnedAway reports whether an HTTP status means that a request was turned away at the door. 408,
// 409 and 425 may follow a request that was worked on.
func TurnedAway(status int) bool {
	switch status {
	case http.StatusRequestTimeout, http.StatusConflict, http.StatusTooEarly:
		return false
	default:
		return status >= 400 && status <= 499
	}
}

// EmptyList reports whether a JSON list is missing, null or without elements.
func EmptyList(list json.RawMessage) bool {
	list = bytes.TrimSpace(list)
	if len(list) == 0 || list[0] != '[' {
		return len(list) == 0 || string(list) == "null"
	}
	return len(bytes.TrimSpace(list[1:len(list)-1])) == 0
}
