package lipad

import (
	"encoding/json"
	"errors"
	"fmt"
	"strconv"
	"strings"
	"time"

	"tuma/internal/airtime"
	"tuma/internal/providers"
)

// The response codes of a send. Lipad documents no others.
const (
	codeAccepted = "720"
	codeInvalid  = "721"
)

// statuses maps service_status to ours. A code that is not here is open, never failed or
// successful.
var statuses = map[string]airtime.Status{
	"600": airtime.Submitted,    // UNPROCESSED
	"601": airtime.Processing,   // PROCESSING
	"602": airtime.Successful,   // SUCCESSFUL
	"603": airtime.Failed,       // FAILED // break: status-failed
	"604": airtime.Jammed,       // JAMMED
	"605": airtime.Reversed,     // REVERSED
	"606": airtime.Refunded,     // REFUNDED
	"607": airtime.Reprocessing, // SUBMITTED_FOR_REPROCESSING
}

const (
	maxCode = 16 // Bytes kept of a code that we do not know.

	currency airtime.Currency = "KES" // Lipad names none: it is that of the market.
)

type tokenAnswer struct {
	AccessToken  providers.Scalar `json:"access_token"`
	ExpiresIn    providers.Scalar `json:"expiresIn"`
	ExpiresSnake providers.Scalar `json:"expires_in"`
}

// life returns how long the token may be used, less a margin for the way and for a slow clock.
func (a tokenAnswer) life() time.Duration {
	text := a.ExpiresIn.Trimmed()
	if text == "" {
		text = a.ExpiresSnake.Trimmed()
	}
	whole, _, _ := strings.Cut(text, ".")
	seconds, err := strconv.ParseInt(whole, 10, 32)
	if err != nil || seconds <= 0 {
		return shortLife
	}
	life := min(time.Duration(seconds)*time.Second, maxLife)
	return life - min(maxMargin, life/10)
}

type sendAnswer struct {
	Reference   providers.Scalar `json:"reference"`
	Code        providers.Scalar `json:"response_code"`
	Description providers.Scalar `json:"response_description"`
}

type statusLine struct {
	Phone       providers.Scalar `json:"phone_number"`
	Status      providers.Scalar `json:"service_status"`
	Reference   providers.Scalar `json:"external_reference"`
	Provider    providers.Scalar `json:"provider_reference"`
	Correlation providers.Scalar `json:"correlation_id"`
	Amount      providers.Scalar `json:"amount"`
	Discount    providers.Scalar `json:"discount"`
	Message     providers.Scalar `json:"message"`
}

// oneID is the id by which Lipad's people find a recipient: the network's, or else Lipad's own,
// which is all that there is before the network has it and where it failed.
func oneID(ids ...providers.Scalar) string {
	for _, text := range ids {
		if id, _ := providers.CleanID(string(text)); id != "" {
			return id
		}
	}
	return ""
}

// decodeStatus reads the bare array of a status query. An error is returned when the body is
// anything else: then it cannot be told whether the reference is known.
func decodeStatus(body []byte, batchID, secret string) (providers.ProviderStatus, error) {
	if providers.FirstByte(body) != '[' {
		return providers.ProviderStatus{}, describeOther(body, secret)
	}
	var lines providers.Objects[statusLine]
	if err := providers.Decode(body, &lines); err != nil {
		return providers.ProviderStatus{}, fmt.Errorf("the list cannot be read: %s",
			providers.Clean(err.Error(), secret))
	}
	reported := providers.ProviderStatus{
		Known: len(lines) > 0, Lines: make([]providers.RecipientStatus, 0, len(lines)),
	}
	place := make(map[airtime.MSISDN]int, len(lines))
	for _, raw := range lines {
		line, ok := raw.read(batchID, secret)
		at, seen := place[line.Phone]
		switch {
		case !ok:
			reported.Unmatched++
		case !seen:
			place[line.Phone] = len(reported.Lines)
			reported.Lines = append(reported.Lines, line)
		case airtime.Merge(reported.Lines[at].Status, line.Status) == line.Status:
			reported.Lines[at] = line
		}
	}
	return reported, nil
}

// deniesReference reports whether the body of a 404 is Lipad's own word that it has never seen a
// reference. That word permits sending again, and a gateway, a proxy or a wrong base URL answers a
// missing route with a 404 too, in JSON or not. Lipad does not document its own, so it must speak
// the language of its other answers: a list without elements, or an object about our reference.
//
//	[]                                                    yes
//	{"response_code": any but 720, our reference or none} yes
//	{"error" or "message": a text about the reference}    yes
//	anything else                                         no
func deniesReference(body []byte, batchID string) bool {
	if providers.FirstByte(body) == '[' {
		var lines providers.Objects[statusLine]
		return providers.Decode(body, &lines) == nil && len(lines) == 0
	}
	var answer struct {
		sendAnswer
		External providers.Scalar `json:"external_reference"`
		Error    providers.Scalar `json:"error"`
		Message  providers.Scalar `json:"message"`
	}
	if err := providers.DecodeObject(body, &answer); err != nil ||
		!sameReference(answer.Reference, batchID) || !sameReference(answer.External, batchID) {
		return false
	}
	if code := answer.Code.Trimmed(); code != "" {
		return code != codeAccepted
	}
	for _, text := range []providers.Scalar{answer.Error, answer.Message, answer.Description} {
		if strings.Contains(strings.ToLower(string(text)), "reference") {
			return true
		}
	}
	return false
}

// describeOther says what stands where the list should be.
func describeOther(body []byte, secret string) error {
	var answer sendAnswer
	if err := providers.DecodeObject(body, &answer); err != nil {
		return errors.New("the answer is neither a list nor an object")
	}
	return fmt.Errorf("the answer is no list but an object with %s", answer.describe(secret))
}

// describe returns the code and the text of an answer, fit to be shown.
func (a sendAnswer) describe(secret string) string {
	return providers.Clean("response_code "+a.Code.Trimmed()+": "+string(a.Description), secret)
}

// read turns a line into a fact; ok is false when the line belongs to another reference, names no
// phone number or carries no status.
func (l statusLine) read(batchID, secret string) (line providers.RecipientStatus, ok bool) {
	if !sameReference(l.Reference, batchID) {
		return line, false
	}
	phone, ok := providers.ReadPhone(string(l.Phone))
	code := l.Status.Trimmed()
	if !ok || code == "" {
		return line, false
	}
	line = providers.RecipientStatus{
		Phone: phone, Status: statuses[code],
		ProviderReference: oneID(l.Provider, l.Correlation),
		Message:           providers.Clean(string(l.Message), secret),
		Sums:              providers.ReadSums(l.Amount, l.Discount, currency),
	}
	if line.Status == 0 {
		line.Code = airtime.Line(providers.Clean(code, secret), maxCode)
	}
	return line, true
}

// sameReference reports whether an echoed reference is ours; an answer without one is taken to be.
func sameReference(echoed providers.Scalar, batchID string) bool {
	text := echoed.Trimmed()
	return text == "" || strings.EqualFold(text, batchID)
}

// appendSend writes the request of a batch. It is written by hand because the same batch must give
// the same bytes for ever, whatever a library does with a struct.
func appendSend(batch providers.Batch) ([]byte, error) {
	reference, err := json.Marshal(batch.ID)
	if err != nil {
		return nil, err
	}
	const perRecipient = len(`{"phone_number":"254711000000","amount":"10000.00"},`)
	body := make([]byte, 0, 64+len(reference)+perRecipient*len(batch.Recipients))
	body = append(append(body, `{"reference":`...), reference...)
	body = append(body, `,"recipients":[`...)
	for i, r := range batch.Recipients {
		if i > 0 {
			body = append(body, ',')
		}
		body = append(append(body, `{"phone_number":"`...), r.Phone.Digits()...)
		body = append(append(body, `","amount":"`...), r.Amount.Short()...)
		body = append(body, `"}`...)
	}
	return append(body, `]}`...), nil
}
