package sandbox

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"mime"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"sync"
)

const (
	responseAccepted = 720
	responseRefused  = 721
	responseUnknown  = 722 // not on the page; the switch unknown_reference shows it

	recipientsMax = 1000
	phoneDigits   = 12 // 254 and nine more
	amountMax     = 1_000_000_00
)

// sendRequest is the body of POST /v1/gw/airtime/send.
type sendRequest struct {
	Reference  string          `json:"reference"`
	Recipients []sendRecipient `json:"recipients"`
}

type sendRecipient struct {
	PhoneNumber string `json:"phone_number"`
	Amount      string `json:"amount"`
}

// requests are reused for their slices: growing one to 1,000 costs more than decoding into it.
var requests = sync.Pool{New: func() any { return new(sendRequest) }}

func borrowRequest() *sendRequest {
	request := requests.Get().(*sendRequest)
	// encoding/json decodes into what lies beyond the length: an amount that is left out would be
	// that of an earlier request.
	clear(request.Recipients[:cap(request.Recipients)])
	request.Reference, request.Recipients = "", request.Recipients[:0]
	return request
}

// send answers POST /v1/gw/airtime/send. One bad field refuses the whole request and leaves its
// reference unused.
func (l lipad) send(r *http.Request, body []byte, rf *requestFaults, out *bytes.Buffer) int {
	if !l.authorised(r, rf, out) {
		return http.StatusUnauthorized
	}
	request := borrowRequest()
	defer requests.Put(request)
	b, err := l.read(r, body, request, rf)
	if err != nil {
		l.book.refuse()
		return refusal(out, rf, request.Reference, err.Error())
	}
	booked := *b // A repeated request may change what the book holds while callbacks are written.
	switch l.book.accept(b, rf.switches.Repeat) {
	case rejected:
		return refusal(out, rf, request.Reference, "reference already used")
	case carriedOut:
		l.scheduleCallbacks(&booked, &rf.switches)
	case replayed:
	}
	respond(out, rf, request.Reference, responseAccepted,
		"Airtime request has been accepted for processing")
	return rf.switches.HTTPAccepted
}

func refusal(out *bytes.Buffer, rf *requestFaults, reference, why string) int {
	respond(out, rf, reference, responseRefused, "Validation Failed: "+why)
	return rf.switches.HTTPRefused
}

func respond(out *bytes.Buffer, rf *requestFaults, reference string, code int, description string) {
	format := `{"reference":%s,"response_code":%d,"response_description":%s}`
	if rf.wrongTypes {
		format = `{"reference":%s,"response_code":"%d","response_description":%s}`
	}
	fmt.Fprintf(out, format, quote(reference), code, quote(description))
}

// quote writes a JSON string.
func quote(text string) []byte {
	quoted, err := json.Marshal(text)
	if err != nil {
		return []byte(`""`) // strings always marshal
	}
	return quoted
}

func isJSON(r *http.Request) bool {
	kind, _, err := mime.ParseMediaType(r.Header.Get("Content-Type"))
	return err == nil && kind == "application/json"
}

// read turns a request into a batch with every outcome drawn. An error that names the field is
// returned when anything is not as the page has it.
func (l lipad) read(
	r *http.Request, body []byte, request *sendRequest, rf *requestFaults,
) (*batch, error) {
	if rf.switches.RefuseAll {
		// The reference is read for the answer only, so a body that cannot be read is no matter.
		_ = json.Unmarshal(body, request)
		return nil, errors.New("account may not send")
	}
	if !isJSON(r) {
		return nil, errors.New("content type: want application/json")
	}
	if err := decodeStrict(body, request); err != nil {
		return nil, decodeError(err)
	}
	if request.Reference == "" {
		return nil, errors.New("reference: is required")
	}
	if n := len(request.Recipients); n < 1 || n > recipientsMax {
		return nil, fmt.Errorf("recipients: want 1 to %d, not %d", recipientsMax, n)
	}
	b := &batch{
		reference:  request.Reference,
		hash:       hashText(l.seed, request.Reference),
		accepted:   l.now(),
		recipients: make([]recipient, len(request.Recipients)),
	}
	for i, one := range request.Recipients {
		read, err := readRecipient(one, &rf.switches)
		if err != nil {
			return nil, fmt.Errorf("recipients[%d].%w", i, err)
		}
		read.outcome = rf.switches.drawOutcome(b.hash, read.phone)
		b.recipients[i] = read
	}
	return b, findRepeated(b.recipients)
}

// decodeError says where a body is not as the page has it, without its values.
func decodeError(err error) error {
	var wrong *json.UnmarshalTypeError
	if errors.As(err, &wrong) {
		return fmt.Errorf("%s: want a %s", wrong.Field, wrong.Type.Kind())
	}
	return errors.New("body: want the JSON object of the documentation and nothing else")
}

func readRecipient(one sendRecipient, f *Faults) (recipient, error) {
	phone, err := parsePhone(one.PhoneNumber)
	if err != nil {
		return recipient{}, fmt.Errorf("phone_number: %w", err)
	}
	if f.bars(phone) || f.magicallyRefused(phone) {
		return recipient{}, errors.New("phone_number: is not accepted")
	}
	amount, err := parseCents(one.Amount)
	if err != nil {
		return recipient{}, fmt.Errorf("amount: %w", err)
	}
	if amount < 1 || amount > amountMax {
		return recipient{}, errors.New("amount: is out of range")
	}
	return recipient{phone: phone, amount: amount}, nil
}

// bars says whether a phone number has the suffix that is refused.
func (f *Faults) bars(phone uint64) bool {
	return f.RefuseSuffix != "" &&
		strings.HasSuffix(strconv.FormatUint(phone, 10), f.RefuseSuffix)
}

func (f *Faults) magicallyRefused(phone uint64) bool {
	return f.MagicNumbers && magicCode(phone) == magicRefuse
}

// parsePhone reads 254 and nine more digits, without a plus sign.
func parsePhone(text string) (uint64, error) {
	wrong := errors.New("want 254 and nine more digits")
	if len(text) != phoneDigits || !strings.HasPrefix(text, "254") {
		return 0, wrong
	}
	phone, err := strconv.ParseUint(text, 10, 64)
	if err != nil {
		return 0, wrong
	}
	return phone, nil
}

// findRepeated refuses a phone number that is twice in one request. The page does not speak of it,
// but callbacks are distinguished by reference and phone number only, so those of the two
// recipients would be the same.
func findRepeated(recipients []recipient) error {
	if repeats(recipients) {
		return errors.New("recipients: a phone_number is repeated")
	}
	return nil
}

// repeats says whether a phone number is there more than once.
func repeats(recipients []recipient) bool {
	phones := make([]uint64, len(recipients))
	for i, r := range recipients {
		phones[i] = r.phone
	}
	slices.Sort(phones)
	return len(slices.Compact(phones)) < len(recipients)
}
