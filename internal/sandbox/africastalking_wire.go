package sandbox

import (
	"bytes"
	"encoding/json"
	"encoding/xml"
	"fmt"
	"net/http"
	"net/url"
	"slices"
)

// atNone is the text for no error and no id.
const atNone = "None"

// atAnswer is the answer to a send. Its fields are in the order of the recorded ones.
type atAnswer struct {
	XMLName       xml.Name `json:"-"             xml:"AfricasTalkingResponse"`
	ErrorMessage  string   `json:"errorMessage"  xml:"errorMessage"`
	NumSent       any      `json:"numSent"       xml:"numSent"`
	Responses     []atLine `json:"responses"     xml:"responses>response"`
	TotalAmount   string   `json:"totalAmount"   xml:"totalAmount"`
	TotalDiscount string   `json:"totalDiscount" xml:"totalDiscount"`
}

type atLine struct {
	Amount       any    `json:"amount"       xml:"amount"`
	Discount     string `json:"discount"     xml:"discount"`
	ErrorMessage string `json:"errorMessage" xml:"errorMessage"`
	PhoneNumber  string `json:"phoneNumber"  xml:"phoneNumber"`
	RequestID    string `json:"requestId"    xml:"requestId"`
	Status       string `json:"status"       xml:"status"`
}

// atRefusal refuses a whole request.
func atRefusal(why string) atAnswer {
	return atAnswer{
		ErrorMessage: why, NumSent: 0, Responses: []atLine{}, TotalAmount: "0", TotalDiscount: "0",
	}
}

// fourDecimals writes an amount as "KES 10.0000".
func fourDecimals(c Cents) string { return shillings(c) + "00" }

// atDiscount is the discount of every recording.
func atDiscount(c Cents) Cents { return c * 4 / 100 }

// answer reports the outcome of a request. As in the recordings, the accepted lines come in the
// reverse order of the request, and the failed ones last.
func (a africasTalking) answer(
	recipients []atRecipient, orders []order, rf *requestFaults,
) atAnswer {
	response := atRefusal(atNone)
	var total, discount Cents
	var failed []atLine
	sent := 0
	for i, o := range orders {
		line := a.line(recipients[i], o, &rf.switches)
		if rf.wrongTypes {
			line.Amount = json.Number(o.amount.String())
		}
		if o.number > 0 {
			sent++
			total += o.amount
			discount += atDiscount(o.amount)
		}
		switch {
		case rf.missingLines && rf.hits(i, len(orders)):
		case o.number > 0:
			response.Responses = append(response.Responses, line)
		default:
			failed = append(failed, line)
		}
	}
	slices.Reverse(response.Responses)
	response.Responses = append(response.Responses, failed...)
	response.NumSent = sent
	if rf.wrongTypes {
		response.NumSent = fmt.Sprint(sent)
	}
	if sent == 0 {
		response.ErrorMessage = atNoneSent
		return response
	}
	response.TotalAmount, response.TotalDiscount = fourDecimals(total), fourDecimals(discount)
	return response
}

func (a africasTalking) line(asked atRecipient, o order, f *Faults) atLine {
	phone, _ := textOf(asked.PhoneNumber)
	if o.number > 0 {
		return atLine{
			Amount:       f.amount(o.amount, fourDecimals),
			Discount:     f.discount(fourDecimals(atDiscount(o.amount))),
			ErrorMessage: atNone, PhoneNumber: phone, RequestID: a.requestID(o.number),
			Status: "Sent",
		}
	}
	line := atLine{
		Amount: fourDecimals(o.amount), Discount: "0", ErrorMessage: o.refusal,
		PhoneNumber: phone, RequestID: atNone, Status: "Failed",
	}
	if o.amount == 0 { // not read: as it was asked
		line.Amount, _ = textOf(asked.Amount)
	}
	return line
}

// write answers 201 in JSON if that was asked for, else in XML.
func (response atAnswer) write(r *http.Request, rf *requestFaults, out *bytes.Buffer) int {
	var text []byte
	var err error
	if wantsJSON(r) {
		rf.contentType = "application/json"
		text, err = json.Marshal(response)
	} else {
		rf.contentType = "application/xml"
		out.WriteString(`<?xml version="1.0"?>`)
		text, err = xml.Marshal(response)
	}
	if err != nil {
		return plain(out, rf, http.StatusInternalServerError, err.Error())
	}
	out.Write(text)
	return http.StatusCreated
}

// writeQueried answers a query in the shape of the switch. A mistyped answer has no status, or a
// number for the amount.
func writeQueried(out *bytes.Buffer, rf *requestFaults, id string, r recipient, word string) {
	if rf.switches.QueryShape == QueryData {
		amount := string(quote(rf.switches.amount(r.amount, fourDecimals)))
		if rf.wrongTypes {
			amount = r.amount.String()
		}
		fmt.Fprintf(out, `{"errorMessage":"None","data":{"requestId":%q,"phoneNumber":"+%d",`+
			`"amount":%s,"status":%q}}`, id, r.phone, amount, word)
		return
	}
	if rf.wrongTypes {
		out.WriteString(`{"status":null}`)
		return
	}
	fmt.Fprintf(out, `{"status":%q}`, word)
}

// atDescriptions go with the words of callbacks.
var atDescriptions = map[string]string{
	"Success": "Airtime Delivered Successfully",
	"Failed":  "Airtime Delivery Failed",
}

// payload is the status callback about one recipient.
func (a africasTalking) payload(d *delivery) payload {
	r, word := d.recipient(), atWord(d.code)
	content := map[string]any{"requestId": d.requestID(), "status": word}
	if !d.short {
		f := d.account.injector.current()
		description := atDescriptions[word]
		if description == "" {
			description = "Airtime Request " + word
		}
		content["phoneNumber"] = fmt.Sprintf("+%d", r.phone)
		content["description"] = description
		content["discount"] = f.discount(fourDecimals(atDiscount(r.amount)))
		content["value"] = f.amount(r.amount, fourDecimals)
	}
	return compose("/africastalking/status", content, d.form)
}

// validation is the question before a recipient is paid. Its id is drawn from h, and is another
// than the requestId.
func validation(h uint64, o *order, form bool) payload {
	content := map[string]any{
		"transactionId":   fmt.Sprintf("ATPid_%016x%016x", h, mix(h, saltValidation)),
		"phoneNumber":     fmt.Sprintf("+%d", o.phone),
		"sourceIpAddress": "127.0.0.1",
		"currencyCode":    Currency,
		"amount":          json.Number(o.amount.String()),
	}
	return compose("/africastalking/validation", content, form)
}

// compose writes a payload as a form or as JSON.
func compose(path string, content map[string]any, form bool) payload {
	if form {
		values := url.Values{}
		for name, value := range content {
			values.Set(name, fmt.Sprint(value))
		}
		return payload{path: path, form: true, body: []byte(values.Encode())}
	}
	body, err := json.Marshal(content)
	if err != nil {
		body = []byte("{}") // texts and numbers always marshal
	}
	return payload{path: path, body: body}
}
