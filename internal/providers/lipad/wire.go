package lipad

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"strconv"
	"strings"
	"time"
	"unicode/utf8"

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
	"603": airtime.Failed,       // FAILED
	"604": airtime.Jammed,       // JAMMED
	"605": airtime.Reversed,     // REVERSED
	"606": airtime.Refunded,     // REFUNDED
	"607": airtime.Reprocessing, // SUBMITTED_FOR_REPROCESSING
}

const (
	maxReference = 64 // Bytes kept of a provider reference.
	maxCode      = 16 // Bytes kept of a code that we do not know.
)

// scalar is the text of a JSON string, number or boolean. Lipad's products mix the types of the
// same field, and an id that looks like a number must not go through a float. Null, arrays and
// objects are the empty text.
type scalar string

// UnmarshalJSON keeps the text of any scalar as it is.
func (s *scalar) UnmarshalJSON(raw []byte) error {
	switch raw[0] {
	case '"':
		inner := raw[1 : len(raw)-1]
		if bytes.IndexByte(inner, '\\') < 0 && utf8.Valid(inner) {
			*s = scalar(inner)
			return nil
		}
		var text string
		if err := json.Unmarshal(raw, &text); err != nil {
			return err
		}
		*s = scalar(text)
	case 'n', '{', '[':
		*s = ""
	default:
		*s = scalar(raw)
	}
	return nil
}

func (s scalar) trimmed() string { return strings.TrimSpace(string(s)) }

type tokenAnswer struct {
	AccessToken  scalar `json:"access_token"`
	ExpiresIn    scalar `json:"expiresIn"`
	ExpiresSnake scalar `json:"expires_in"`
}

// life returns how long the token may be used, less a margin for the way and for a slow clock.
func (a tokenAnswer) life() time.Duration {
	text := a.ExpiresIn.trimmed()
	if text == "" {
		text = a.ExpiresSnake.trimmed()
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
	Reference   scalar `json:"reference"`
	Code        scalar `json:"response_code"`
	Description scalar `json:"response_description"`
}

// decodeObject decodes a body that must be one JSON object.
func decodeObject(body []byte, into any) error {
	if first(body) != '{' {
		return errors.New("the answer is no JSON object")
	}
	return json.Unmarshal(body, into)
}

// first returns the first byte of a body that is not white space, or zero.
func first(body []byte) byte {
	body = bytes.TrimLeft(body, " \t\r\n")
	if len(body) == 0 {
		return 0
	}
	return body[0]
}

type statusLine struct {
	Phone     scalar `json:"phone_number"`
	Status    scalar `json:"service_status"`
	Reference scalar `json:"external_reference"`
	Provider  scalar `json:"provider_reference"`
	Message   scalar `json:"message"`
}

// decodeStanding reads the bare array of a status query. An error is returned when the body is
// anything else: then it cannot be told whether the reference is known.
func decodeStanding(body []byte, batchID, secret string) (providers.Standing, error) {
	if first(body) != '[' {
		return providers.Standing{}, describeOther(body, secret)
	}
	var lines []statusLine
	err := json.Unmarshal(body, &lines)
	// An element of another type is skipped by encoding/json and counted below: the other lines
	// are still facts.
	if other := (*json.UnmarshalTypeError)(nil); err != nil && !errors.As(err, &other) {
		return providers.Standing{}, fmt.Errorf("the list is no JSON: %s",
			providers.Clean(err.Error(), secret))
	}
	standing := providers.Standing{
		Known: len(lines) > 0, Lines: make([]providers.StandingLine, 0, len(lines)),
	}
	place := make(map[airtime.MSISDN]int, len(lines))
	for _, raw := range lines {
		line, ok := raw.read(batchID, secret)
		at, seen := place[line.Phone]
		switch {
		case !ok:
			standing.Unplaced++
		case !seen:
			place[line.Phone] = len(standing.Lines)
			standing.Lines = append(standing.Lines, line)
		case airtime.Merge(standing.Lines[at].Status, line.Status) == line.Status:
			standing.Lines[at] = line
		}
	}
	return standing, nil
}

// describeOther says what stands where the list should be.
func describeOther(body []byte, secret string) error {
	var answer sendAnswer
	if err := decodeObject(body, &answer); err != nil {
		return errors.New("the answer is neither a list nor an object")
	}
	return fmt.Errorf("the answer is no list but an object with %s", answer.describe(secret))
}

// describe returns the code and the text of an answer, fit to be shown.
func (a sendAnswer) describe(secret string) string {
	return providers.Clean("response_code "+a.Code.trimmed()+": "+string(a.Description), secret)
}

// read turns a line into a fact; ok is false when the line belongs to another reference, names no
// phone number or carries no status.
func (l statusLine) read(batchID, secret string) (line providers.StandingLine, ok bool) {
	if !sameReference(l.Reference, batchID) {
		return line, false
	}
	phone, ok := readPhone(string(l.Phone))
	code := l.Status.trimmed()
	if !ok || code == "" {
		return line, false
	}
	line = providers.StandingLine{
		Phone: phone, Status: statuses[code],
		ProviderReference: providers.Cut(string(l.Provider), maxReference),
		Message:           providers.Clean(string(l.Message), secret),
	}
	if line.Status == 0 {
		line.Code = providers.Cut(providers.Clean(code, secret), maxCode)
	}
	return line, true
}

// sameReference reports whether an echoed reference is ours; an answer without one is taken to be.
func sameReference(echoed scalar, batchID string) bool {
	text := echoed.trimmed()
	return text == "" || strings.EqualFold(text, batchID)
}

// readPhone reads a number as an answer may spell it: +254…, 254…, 07…, 7…, with spaces or dashes.
// It is compared with what we sent, so nothing but the spelling is checked.
func readPhone(text string) (airtime.MSISDN, bool) {
	digits := make([]byte, 0, 16)
	for i := range len(text) {
		switch c := text[i]; {
		case c >= '0' && c <= '9':
			digits = append(digits, c)
		case c == ' ' || c == '-' || c == '(' || c == ')' || (c == '+' && len(digits) == 0):
		default:
			return airtime.MSISDN{}, false
		}
	}
	number := string(digits)
	number = strings.TrimPrefix(number, "00")
	if national := strings.TrimPrefix(number, "0"); len(national) == 9 {
		number = "254" + national
	}
	if len(number) < 10 || len(number) > 15 || number[0] == '0' {
		return airtime.MSISDN{}, false
	}
	return airtime.MSISDNFromE164(number), true
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
