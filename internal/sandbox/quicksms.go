package sandbox

import (
	"bytes"
	"encoding/json"
	"fmt"
	"net/http"
	"slices"
	"strconv"
	"strings"
)

// quickSMS answers as the page of QuickSMS says. It has no key, no query and no callback: what
// became of a recipient shows in the ledger only.
type quickSMS struct{ *account }

// Codes of results. The page has only 201; the others are those of the platform's messages.
const (
	quickQueued    = 201
	quickBadNumber = 1003
	quickPoor      = 1004
	quickBadAmount = 422
	quickNotQueued = 500
)

// Messages of results.
const (
	quickSaysQueued = "queued for disbursal"
	quickSaysNumber = "Invalid mobile number"
	quickSaysAmount = "Amount must be a whole number from 10 to 10000"
	quickSaysPoor   = "Insufficient credit balance"
)

// quickCodes are the codes of refusals.
var quickCodes = map[string]int{
	quickSaysNumber: quickBadNumber, quickSaysAmount: quickBadAmount, quickSaysPoor: quickPoor,
}

// quickRecipient is one recipient of a request, read leniently: a bad one is refused alone.
type quickRecipient struct {
	Recipient json.RawMessage `json:"recipient"`
	Amount    json.RawMessage `json:"amount"`
}

type quickAnswer struct {
	Code    any           `json:"code"`
	Message string        `json:"message"`
	Results []quickResult `json:"results"`
}

type quickResult struct {
	Recipient string          `json:"recipient"`
	Amount    json.RawMessage `json:"amount"`
	Code      any             `json:"code"`
	Discount  any             `json:"discount,omitempty"`
	Message   string          `json:"message"`
	RequestID any             `json:"request_id,omitempty"`
}

// send answers POST /api/v3/airtime/send.
func (q quickSMS) send(r *http.Request, body []byte, rf *requestFaults, out *bytes.Buffer) int {
	rf.contentType = "application/json"
	if !q.validCredentials(r.Header.Get("App-Key"), r.Header.Get("App-Token"), &rf.switches) {
		return quickRefusal(out, http.StatusUnauthorized, "Invalid App-Key or App-Token")
	}
	var request struct {
		Recipients []quickRecipient `json:"recipients"`
	}
	if !isJSON(r) || json.Unmarshal(body, &request) != nil {
		q.book.refuse()
		return quickRefusal(out, http.StatusBadRequest, "want a JSON object with recipients")
	}
	if n := len(request.Recipients); n < 1 || n > recipientsMax {
		q.book.refuse()
		return quickRefusal(out, http.StatusBadRequest,
			fmt.Sprintf("recipients: want 1 to %d, not %d", recipientsMax, n))
	}
	orders := make([]order, len(request.Recipients))
	for i, one := range request.Recipients {
		orders[i] = one.read(&rf.switches)
	}
	if rf.switches.RefuseWhole && slices.ContainsFunc(orders, func(o order) bool {
		return o.refusal == quickSaysNumber
	}) {
		q.book.refuse()
		return quickRefusal(out, http.StatusUnprocessableEntity, "The given data was invalid.")
	}
	accepted := q.acceptOrders(q.book.nextName(), orders, &rf.switches, quickSaysPoor)
	response := quickAnswer{
		Code: mistyped(rf, http.StatusOK),
		Message: fmt.Sprintf("Total:%d Success:%d Failed:%d", len(orders), accepted,
			len(orders)-accepted),
		Results: []quickResult{},
	}
	for i, o := range orders {
		if !rf.missingLines || !rf.hits(i, len(orders)) {
			response.Results = append(response.Results, q.result(request.Recipients[i], o, rf))
		}
	}
	return writeOut(out, http.StatusOK, response)
}

func quickRefusal(out *bytes.Buffer, status int, why string) int {
	return writeOut(out, status, map[string]string{"message": why})
}

// writeOut writes JSON; what the answers hold always marshals.
func writeOut(out *bytes.Buffer, status int, value any) int {
	text, err := json.Marshal(value)
	if err != nil {
		return http.StatusInternalServerError
	}
	out.Write(text)
	return status
}

// mistyped is a number, or text if the answer is to be mistyped.
func mistyped(rf *requestFaults, n int) any {
	if rf.wrongTypes {
		return strconv.Itoa(n)
	}
	return n
}

// read takes whole shillings as a JSON number, and phone numbers of 12 digits.
func (one quickRecipient) read(f *Faults) order {
	text, isText := textOf(one.Recipient)
	phone, err := parsePhone(text)
	if err != nil || !isText || f.bars(phone) || f.magicallyRefused(phone) {
		return order{refusal: quickSaysNumber}
	}
	o := order{phone: phone}
	text, isText = textOf(one.Amount)
	if o.amount, err = parseCents(text); err != nil || isText || strings.Contains(text, ".") ||
		o.amount < atLeast || o.amount > atMost {
		o.refusal = quickSaysAmount
	}
	return o
}

func (q quickSMS) result(asked quickRecipient, o order, rf *requestFaults) quickResult {
	recipient, _ := textOf(asked.Recipient)
	result := quickResult{Recipient: recipient, Amount: asked.Amount}
	if len(asked.Amount) == 0 {
		result.Amount = json.RawMessage("null")
	}
	if o.number == 0 {
		result.Code, result.Message = mistyped(rf, quickCodes[o.refusal]), o.refusal
		if text := rf.switches.RefusalText; text != "" && o.refusal == quickSaysNumber {
			result.Code, result.Message = mistyped(rf, quickNotQueued), text
		}
		return result
	}
	result.Code, result.Message = mistyped(rf, quickQueued), quickSaysQueued
	// The page's 0.4 for KES 100; its unit is anybody's guess.
	result.Discount = json.Number(appendNumber(nil, o.amount*4/1000))
	if rf.switches.Discounts == DiscountMalformed {
		result.Discount = noAmount
	}
	result.Amount = rf.switches.bareAmount(o.amount)
	result.RequestID = mistyped(rf, int(o.number))
	return result
}
