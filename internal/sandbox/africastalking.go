package sandbox

import (
	"bytes"
	"encoding/json"
	"fmt"
	"hash/fnv"
	"net/http"
	"strings"
	"time"

	"golang.org/x/sync/errgroup"
)

// africasTalking answers as the pages and the recorded answers of Africa's Talking do.
type africasTalking struct{ *account }

// Limits of one recipient in Kenya.
const (
	atLeast = 10_00
	atMost  = 10_000_00
)

// Reasons with which a line fails.
const (
	atBadNumber = "InvalidPhoneNumber"
	atLimits    = "Value Outside The Allowed Limits"
	atPoor      = "Insufficient Credit"
	atBarred    = "UserNotFound"
	atDenied    = "Rejected"
)

// Refusals of a whole request, which arrive in a 201 like everything else.
const (
	atDuplicate  = "A duplicate request was received within the last 5 minutes"
	atNotEnabled = "Airtime is not enabled for this account"
	atTrial      = "Request is over the trial limit. Submit your KYC to remove limit"
	atNoneSent   = "Invalid Requests"
)

// plain is an answer of the server in front, which speaks no JSON.
func plain(out *bytes.Buffer, rf *requestFaults, status int, text string) int {
	rf.contentType = "text/plain; charset=UTF-8"
	out.WriteString(text)
	return status
}

// authorised checks the key, and writes the 401 when it is not good.
func (a africasTalking) authorised(
	r *http.Request, username string, rf *requestFaults, out *bytes.Buffer,
) bool {
	if a.validCredentials(username, r.Header.Get("apiKey"), &rf.switches) {
		return true
	}
	plain(out, rf, http.StatusUnauthorized, "The supplied authentication is invalid")
	return false
}

// atRecipient is one recipient of a request. A phone number may be anything: an official client
// sends {} for one that it cannot read.
type atRecipient struct {
	PhoneNumber json.RawMessage `json:"phoneNumber"`
	Amount      json.RawMessage `json:"amount"`
}

// send answers POST /version1/airtime/send.
func (a africasTalking) send(
	r *http.Request, body []byte, rf *requestFaults, out *bytes.Buffer,
) int {
	if r.Header.Get("apiKey") == "" {
		a.authorised(r, "", rf, out)
		return http.StatusUnauthorized
	}
	in, err := readFields(r, body)
	if err != nil {
		return a.malformed(out, rf, err.Error())
	}
	for _, name := range []string{"username", "recipients"} {
		if !in.has(name) {
			return a.malformed(out, rf, "Request is missing required form field '"+name+"'")
		}
	}
	if !a.authorised(r, in.text("username"), rf, out) {
		return http.StatusUnauthorized
	}
	var recipients []atRecipient
	if in.list("recipients", &recipients) != nil {
		return a.malformed(out, rf, "The request content was malformed: recipients is no JSON list")
	}
	response := a.carryOut(r, body, recipients, rf)
	return response.write(r, rf, out)
}

// malformed refuses a request that could not be read.
func (a africasTalking) malformed(out *bytes.Buffer, rf *requestFaults, why string) int {
	a.book.refuse()
	return plain(out, rf, http.StatusBadRequest, why)
}

// carryOut pays a request that could be read, unless it is refused whole.
func (a africasTalking) carryOut(
	r *http.Request, body []byte, recipients []atRecipient, rf *requestFaults,
) atAnswer {
	f := &rf.switches
	switch {
	case f.NotEnabled:
		a.book.refuse()
		return atRefusal(atNotEnabled)
	case f.TrialLimit:
		a.book.refuse()
		return atRefusal(atTrial)
	}
	reference := r.Header.Get("Idempotency-Key")
	key := "key " + reference
	if reference == "" {
		key = "body " + digest(body)
	}
	if !a.book.claim(key, a.now(), time.Duration(f.RepeatWindow)) {
		return atRefusal(atDuplicate)
	}
	if reference == "" {
		reference = a.book.nextName()
	}
	orders := make([]order, len(recipients))
	for i, one := range recipients {
		orders[i] = one.read(f)
	}
	a.validate(hashText(a.seed, reference), orders, f)
	if a.acceptOrders(reference, orders, f, atPoor) == 0 {
		// Of a request that moved nothing there can be no duplicate.
		a.book.unclaim(key)
	}
	return a.answer(recipients, orders, rf)
}

// digest identifies a body.
func digest(body []byte) string {
	h := fnv.New128a()
	_, _ = h.Write(body) // A hash takes everything.
	return string(h.Sum(nil))
}

// textOf returns a JSON string's text, or the JSON itself of anything else.
func textOf(raw json.RawMessage) (text string, isText bool) {
	if json.Unmarshal(raw, &text) != nil {
		return string(raw), false
	}
	return text, len(raw) > 0 && raw[0] == '"'
}

func (one atRecipient) read(f *Faults) order {
	text, isText := textOf(one.PhoneNumber)
	phone, err := parseE164(text)
	if err != nil || !isText {
		return order{refusal: atBadNumber}
	}
	o := order{phone: phone}
	text, _ = textOf(one.Amount)
	if o.amount, err = parseShillings(text); err != nil ||
		o.amount < atLeast || o.amount > atMost {
		o.refusal = atLimits
		return o
	}
	if f.bars(phone) || f.magicallyRefused(phone) {
		o.refusal = atBarred
	}
	return o
}

// validate asks the validation callback about each recipient that would be paid; hash is that of
// the request.
func (a africasTalking) validate(hash uint64, orders []order, f *Faults) {
	if !f.Callbacks.Validate || a.sender == nil {
		return
	}
	var asking errgroup.Group
	asking.SetLimit(queuesMax)
	for i := range orders {
		o := &orders[i]
		if o.refusal != "" {
			continue
		}
		h := mix(mix(hash, o.phone), uint64(i))
		form := a.injector.drawForm(h)
		asking.Go(func() error {
			valid := a.sender.ask(validation(h, o, form))
			a.injector.countCallback(func(c *CallbackCounts) {
				c.Asked++
				if !valid {
					c.Denied++
				}
			})
			if !valid {
				o.refusal = atDenied
			}
			return nil
		})
	}
	_ = asking.Wait() // What was not answered is a denial, not an error.
}

// atWord is the word for a visible code; on the way it is Queued and then Sent.
func atWord(code int) string {
	switch code {
	case codeUnprocessed:
		return "Queued"
	case codeSuccessful:
		return "Success"
	case codeFailed:
		return "Failed"
	case codeUndocumented:
		return "Incomplete"
	default:
		return "Sent"
	}
}

// query answers GET /query/transaction/find.
func (a africasTalking) query(r *http.Request, _ []byte, rf *requestFaults, out *bytes.Buffer) int {
	asked := r.URL.Query()
	if !a.authorised(r, asked.Get("username"), rf, out) {
		return http.StatusUnauthorized
	}
	if !asked.Has("transactionId") {
		return plain(out, rf, http.StatusNotFound,
			"Request is missing required query parameter 'transactionId'")
	}
	rf.contentType = "application/json"
	id, now := asked.Get("transactionId"), a.now()
	slow := time.Duration(rf.switches.SlowKnowledge)
	b, index, found := a.book.queryRecipient(a.numberOf(id), now, slow)
	if !found {
		return unknownID(rf, out)
	}
	word := atWord(viewer{rf.switches.Pace, now}.view(&b, index).status)
	if rf.unknownCodes {
		word = atWord(codeUndocumented)
	}
	writeQueried(out, rf, id, b.recipients[index], word)
	return http.StatusOK
}

func unknownID(rf *requestFaults, out *bytes.Buffer) int {
	const missing = "Transaction not found"
	switch rf.switches.UnknownID {
	case UnknownIDText:
		return plain(out, rf, http.StatusBadRequest, missing)
	case UnknownIDError:
		fmt.Fprintf(out, `{"errorMessage":%q}`, missing)
		return http.StatusOK
	default:
		fmt.Fprintf(out, `{"errorMessage":%q}`, missing)
		return http.StatusNotFound
	}
}

// balance answers GET /version1/user. An endless wallet shows a million.
func (a africasTalking) balance(
	r *http.Request, _ []byte, rf *requestFaults, out *bytes.Buffer,
) int {
	if !a.authorised(r, r.URL.Query().Get("username"), rf, out) {
		return http.StatusUnauthorized
	}
	rf.contentType = "application/json"
	left, endless := rf.switches.wallet()
	if endless {
		left = amountMax
	}
	text := string(quote(shillings(left)))
	if rf.wrongTypes {
		text = left.String()
	}
	fmt.Fprintf(out, `{"UserData":{"balance":%s}}`, text)
	return http.StatusOK
}

// wantsJSON says whether a request asks for JSON; without that the answer is XML.
func wantsJSON(r *http.Request) bool {
	return strings.Contains(r.Header.Get("Accept"), "application/json")
}
