package sandbox

import (
	"encoding/json"
	"net/http"
	"slices"
	"strconv"
	"strings"
)

// clientGone is the fault of a client that did not wait for the answer to its request.
const clientGone = "gone"

// Lost is one recipient of a send whose answer did not report its outcome: the whole
// answer met a fault, or left the recipient out. It is there once for each such send.
type Lost struct {
	Provider    string `json:"provider"`
	PhoneNumber string `json:"phone_number"`
	Amount      Cents  `json:"amount"`
	// Fault is the switch that struck, or "gone".
	Fault string `json:"fault"`
}

// lostBy names the fault that took the answer from the client, "" for none. 429 is clear, and a
// redirect is not, to a client that does not follow it.
func (rf *requestFaults) lostBy(request *http.Request) string {
	switch {
	case rf.before == tooMany:
		return ""
	case rf.before != "":
		return rf.before
	case rf.after != "":
		return rf.after
	case request.Context().Err() != nil:
		return clientGone
	case rf.missingLines:
		return missingLines
	default:
		return ""
	}
}

// recordLost lists the recipients of a send whose outcome the answer does not report. It runs
// before the answer, so that a client that finds its answer spoilt finds its recipients on the
// list.
func (a *account) recordLost(c call, request *http.Request, body []byte, rf *requestFaults) {
	fault := rf.lostBy(request)
	if c != callSend || fault == "" {
		return
	}
	named := recipientsOf(request, body)
	var lost []Lost
	for i, one := range named {
		if fault == missingLines && !rf.hits(i, len(named)) {
			continue
		}
		one.Provider, one.Fault = a.name, fault
		lost = append(lost, one)
	}
	a.book.mu.Lock()
	defer a.book.mu.Unlock()
	a.book.lost = append(a.book.lost, lost...)
}

// recipientsOf reads the recipients of any provider's send in the order of the request. Those that
// cannot be read are there without number or amount.
func recipientsOf(request *http.Request, body []byte) []Lost {
	in, err := readFields(request, body)
	if err != nil {
		return nil
	}
	var list []struct {
		Lipad          json.RawMessage `json:"phone_number"`
		AfricasTalking json.RawMessage `json:"phoneNumber"`
		QuickSMS       json.RawMessage `json:"recipient"`
		Sozuri         json.RawMessage `json:"number"`
		Amount         json.RawMessage `json:"amount"`
	}
	if in.list("recipients", &list) != nil {
		return nil
	}
	read := make([]Lost, len(list))
	for i, one := range list {
		number, _ := textOf( // Each provider has one of them.
			slices.Concat(one.Lipad, one.AfricasTalking, one.QuickSMS, one.Sozuri))
		if phone, err := parsePhone(strings.TrimPrefix(number, "+")); err == nil {
			read[i].PhoneNumber = strconv.FormatUint(phone, 10)
		}
		amount, _ := textOf(one.Amount)
		if value, err := parseCents(strings.TrimPrefix(amount, Currency+" ")); err == nil {
			read[i].Amount = value
		}
	}
	return read
}

// Lost lists the recipients of sends whose answer did not report their outcome, by provider and
// in the order of the requests.
func (l *Ledger) Lost() []Lost {
	var all []Lost
	for _, a := range l.accounts {
		a.book.mu.Lock()
		all = append(all, a.book.lost...)
		a.book.mu.Unlock()
	}
	return all
}
