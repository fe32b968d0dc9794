package sandbox

import (
	"bytes"
	"encoding/json"
	"fmt"
	"net/http"
	"strconv"
	"strings"
)

// sozuri answers as the page of Sozuri says.
type sozuri struct {
	*account
	// authKey travels in the callbacks if it is not empty.
	authKey string
}

// sozuriMost is the limit of one recipient, sozuriFloor what a project must hold to send at all.
const (
	sozuriMost  = 5_000_00
	sozuriFloor = 50_00
)

// Messages of refusals before the recipients are looked at.
const (
	sozuriTooMany  = "Error. Exceeded maximum allowed recipients"
	sozuriMismatch = "Error. Ensure all numbers have matching airtime value."
	sozuriPoor     = "Error. Insufficient balance. Min project balance for Airtime is 50KES. " +
		"Top up your project then try again."
	sozuriUnknownProject = "Unknown project."
	sozuriBadKey         = "Unauthenticated."
)

// Reasons for which one recipient refuses the request. The page has no words for the minimum.
const (
	sozuriBadNumber = "Invalid recipient number"
	sozuriTooMuch   = "Invalid airtime Value. Maximum limit per recipient is KES 5000"
	sozuriTooLittle = "Invalid airtime Value. Minimum limit per recipient is KES 10"
	sozuriNetwork   = "unsupported mobile network"
)

// sozuriFailed is the reason of a line that failed alone.
const sozuriFailed = "Airtime could not be queued"

type sozuriRecipient struct {
	Number json.RawMessage `json:"number"`
	Amount json.RawMessage `json:"amount"`
}

type sozuriAnswer struct {
	RecipientsCount any          `json:"recipientsCount"`
	TotalAmount     any          `json:"totalAmount"`
	TotalDiscount   string       `json:"totalDiscount"`
	Responses       []sozuriLine `json:"responses"`
}

type sozuriLine struct {
	Number       string `json:"number"`
	Amount       string `json:"amount"`
	Discount     string `json:"discount"`
	Status       string `json:"status"`
	RequestID    any    `json:"requestId,omitempty"`
	ErrorMessage string `json:"errorMessage"`
}

// refuseRequest is the first envelope: about the request.
func (z sozuri) refuseRequest(out *bytes.Buffer, status int, why string) int {
	if status == http.StatusBadRequest {
		z.book.refuse() // The other statuses are about the account.
	}
	return writeOut(out, status, map[string]any{"data": map[string]string{"message": why}})
}

// refuseRecipient is the second envelope: about a recipient, without saying which.
func (z sozuri) refuseRecipient(out *bytes.Buffer, why string) int {
	z.book.refuse()
	return writeOut(out, http.StatusBadRequest,
		map[string]string{"status": "failed", "errorMessage": why})
}

// send answers POST /api/v1/airtime/topup.
func (z sozuri) send(r *http.Request, body []byte, rf *requestFaults, out *bytes.Buffer) int {
	rf.contentType = "application/json"
	in, err := readFields(r, body)
	if err != nil {
		return z.refuseRequest(out, http.StatusBadRequest, "Error. "+err.Error())
	}
	project := in.text("project")
	key, bearer := strings.CutPrefix(r.Header.Get("Authorization"), "Bearer ")
	if !bearer {
		key = in.text("apiKey")
	}
	switch {
	case !z.hasCustomer(project):
		return z.refuseRequest(out, http.StatusNotFound, sozuriUnknownProject)
	case !z.validCredentials(project, key, &rf.switches):
		return z.refuseRequest(out, http.StatusUnauthorized, sozuriBadKey)
	}
	var recipients []sozuriRecipient
	if in.list("recipients", &recipients) != nil || len(recipients) == 0 {
		return z.refuseRequest(out, http.StatusBadRequest, sozuriMismatch)
	}
	if len(recipients) > recipientsMax {
		return z.refuseRequest(out, http.StatusBadRequest, sozuriTooMany)
	}
	return z.carryOut(recipients, rf, out)
}

// carryOut pays all recipients, or none, or with half_processed those before the bad one.
func (z sozuri) carryOut(recipients []sozuriRecipient, rf *requestFaults, out *bytes.Buffer) int {
	orders := make([]order, len(recipients))
	bad := len(orders)
	var total, payable Cents
	for i, one := range recipients {
		orders[i] = one.read(&rf.switches)
		total += orders[i].amount
		if refusal := orders[i].refusal; refusal != "" && refusal != sozuriFailed {
			bad = min(bad, i)
		}
	}
	if !z.injector.debit(total, sozuriFloor) {
		return z.refuseRequest(out, http.StatusBadRequest, sozuriPoor)
	}
	process := orders
	if bad < len(orders) {
		process = nil
		if rf.switches.HalfProcessed {
			process = orders[:bad]
		}
	}
	for _, o := range process {
		if o.refusal == "" {
			payable += o.amount
		}
	}
	z.injector.credit(total - payable)
	if len(process) > 0 {
		z.acceptOrders(z.book.nextName(), process, &rf.switches, "")
	}
	if bad < len(orders) {
		return z.refuseRecipient(out, orders[bad].refusal)
	}
	return writeOut(out, http.StatusOK, z.answer(orders, rf))
}

// read takes +254…, 254… and 07… or 01…, and an amount such as "KES 10.50".
func (one sozuriRecipient) read(f *Faults) order {
	text, isText := textOf(one.Number)
	text = strings.TrimPrefix(text, "+")
	if local, found := strings.CutPrefix(text, "0"); found {
		text = "254" + local
	}
	phone, err := parsePhone(text)
	if err != nil || !isText {
		return order{refusal: sozuriBadNumber}
	}
	o := order{phone: phone}
	amount, _ := textOf(one.Amount)
	switch o.amount, err = parseShillings(amount); {
	case err != nil || o.amount < atLeast:
		o.refusal = sozuriTooLittle
	case o.amount > sozuriMost:
		o.refusal = sozuriTooMuch
	case f.bars(phone):
		o.refusal = sozuriNetwork
	case f.magicallyRefused(phone):
		o.refusal = sozuriFailed
	}
	return o
}

func (z sozuri) answer(orders []order, rf *requestFaults) sozuriAnswer {
	response := sozuriAnswer{Responses: []sozuriLine{}}
	var total Cents
	accepted := 0
	for i, o := range orders {
		if o.number > 0 {
			accepted++
			total += o.amount
		}
		if rf.missingLines && rf.hits(i, len(orders)) {
			continue
		}
		line := sozuriLine{
			Number: strconv.FormatUint(o.phone, 10), Amount: rf.switches.amount(o.amount, plainShillings),
			Discount: "KES 0.00", Status: "failed", ErrorMessage: o.refusal,
		}
		if o.number > 0 {
			line.Status, line.ErrorMessage = "accepted", "none"
			line.Discount = rf.switches.sozuriDiscount(o.amount)
			line.RequestID = mistyped(rf, int(o.number))
		}
		response.Responses = append(response.Responses, line)
	}
	response.TotalDiscount = rf.switches.sozuriDiscount(total)
	response.RecipientsCount = mistyped(rf, accepted)
	response.TotalAmount = json.Number(appendNumber(nil, total))
	if rf.wrongTypes {
		response.TotalAmount = plainShillings(total)
	}
	return response
}

// plainShillings writes an amount as the page's answer does: "KES 10", and "KES 10.50".
func plainShillings(c Cents) string {
	return strings.TrimSuffix(shillings(c), ".00")
}

// payload is the callback about one recipient.
func (z sozuri) payload(d *delivery) payload {
	f := d.account.injector.current()
	r, status := d.recipient(), "failed"
	if d.code == codeSuccessful {
		status = "success"
	}
	content := map[string]any{
		"number":      strconv.FormatUint(r.phone, 10),
		"amount":      f.amount(r.amount, shillings),
		"requestId":   d.requestID(),
		"discount":    f.sozuriDiscount(r.amount),
		"status":      status,
		"type":        "airtimeDelivery",
		"description": status,
		"timestamp":   fmt.Sprint(z.now().Unix()),
	}
	if z.authKey != "" {
		content["authKey"] = z.authKey
	}
	return compose("/sozuri", content, false)
}
