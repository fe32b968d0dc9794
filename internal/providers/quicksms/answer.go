package quicksms

import (
	"bytes"
	"encoding/json"
	"net/http"
	"strings"
	"unicode"
	"unicode/utf8"

	"tuma/internal/airtime"
	"tuma/internal/providers"
)

const codeQueued = "201"

// phrases are what a refusal says about its reason; the first that occurs counts. QuickSMS
// publishes no texts, so only words are here that can hardly mean anything else.
var phrases = []struct {
	reason airtime.Reason
	text   string
}{
	{airtime.ReasonBalance, "insufficient balance"},
	{airtime.ReasonBalance, "insufficient credit"},
	{airtime.ReasonBalance, "insufficient funds"},
	{airtime.ReasonBalance, "insufficient float"},
	{airtime.ReasonBalance, "low credit"},
	{airtime.ReasonBalance, "low balance"},
	{airtime.ReasonNetwork, "unsupported network"},
	{airtime.ReasonNetwork, "unsupported mobile network"},
	{airtime.ReasonNetwork, "unsupported operator"},
	{airtime.ReasonNetwork, "network not supported"},
	{airtime.ReasonNetwork, "network is not supported"},
	{airtime.ReasonLimit, "maximum"},
	{airtime.ReasonLimit, "minimum"},
	{airtime.ReasonLimit, "allowed limit"},
}

// reasonOf finds the reason in a text, or returns otherwise.
func reasonOf(text string, otherwise airtime.Reason) airtime.Reason {
	text = strings.ToLower(text)
	for _, p := range phrases {
		if strings.Contains(text, p.text) {
			return p.reason
		}
	}
	return otherwise
}

type sendAnswer struct {
	Code    providers.Scalar `json:"code"`
	Message providers.Scalar `json:"message"`
	// Results is a list of lines; what else it may be is not for us to guess.
	Results   json.RawMessage `json:"results"`
	RequestID json.RawMessage `json:"request_id"`
}

type resultLine struct {
	Recipient providers.Scalar `json:"recipient"`
	Code      providers.Scalar `json:"code"`
	Message   providers.Scalar `json:"message"`
	RequestID json.RawMessage  `json:"request_id"`
	Amount    providers.Scalar `json:"amount"`
	Discount  providers.Scalar `json:"discount"`
}

// read is the reader of a submission's answer: its lines where it has any, whatever the HTTP status
// and the totals say, else the error that stands for the whole request.
func read(r providers.Response, secrets ...string) (providers.Answer, bool) {
	var body sendAnswer
	if err := providers.DecodeObject(r.Body, &body); err != nil {
		return refusedWhole(r, r.Status, plainText(r.Body), false, secrets)
	}
	if !providers.EmptyList(body.Results) {
		return readLines(body, r, secrets), true
	}
	message, code := string(body.Message), body.Code.Trimmed()
	id, clear := providers.ReadID(body.RequestID)
	if id != "" || !clear || code != "" && ambiguous(code) {
		return unclear(r, "code "+code+": "+message, secrets), true
	}
	return refusedWhole(r, effective(r.Status, code), message, true, secrets)
}

// unclear is the answer that may have come after an effect, whatever its HTTP status means
// elsewhere.
func unclear(r providers.Response, message string, secrets []string) providers.Answer {
	answer := providers.Classify(r.Outcome())
	if answer.Verdict != airtime.Unknown {
		answer = providers.Answer{Verdict: airtime.Unknown, Reason: airtime.ReasonUnreadable}
	}
	answer.Message = providers.Clean(message, secrets...)
	return answer
}

// effective is the HTTP status that counts: that of the answer, or the refusal of our credentials
// that its body carries under a 2xx.
func effective(status int, code string) int {
	success := status >= 200 && status <= 299
	switch {
	case success && code == "401":
		return http.StatusUnauthorized
	case success && code == "403":
		return http.StatusForbidden
	default:
		return status
	}
}

// refusedWhole decides what an error without lines means: a 4xx with a message comes before any
// recipient is paid. In QuickSMS's own envelope a 400 or 422 may come from one recipient. ok is
// false when there is no message.
func refusedWhole(
	r providers.Response, status int, message string, enveloped bool, secrets []string,
) (answer providers.Answer, ok bool) {
	switch {
	case strings.TrimSpace(message) == "":
		return answer, false
	case claimsEffect(message):
		return unclear(r, message, secrets), true
	}
	answer = providers.Classify(providers.Outcome{
		Progress: providers.Answered, Status: status, RetryAfter: r.RetryAfter,
	})
	answer.Message = providers.Clean(message, secrets...)
	if answer.Verdict != airtime.Unknown || !providers.TurnedAway(status) {
		return answer, true
	}
	answer.Verdict = airtime.Unsent
	switch {
	case reasonOf(message, airtime.NoReason) == airtime.ReasonBalance:
		answer.Reason, answer.Pause = airtime.ReasonBalance, airtime.ReasonBalance
	case enveloped && (status == http.StatusBadRequest || status == http.StatusUnprocessableEntity):
		answer.Reason = airtime.ReasonBatchRefused
	default:
		answer.Reason, answer.Pause = airtime.ReasonAccountFault, airtime.ReasonAccountFault
	}
	return answer, true
}

// claimsEffect reports whether a text speaks of airtime that is on its way, whatever came with it:
// "queued for disbursal", "Total:1 Success:1 Failed:0".
func claimsEffect(message string) bool {
	claims, _ := speaksOfEffect(message)
	return claims
}

// deniesEffect reports whether a text says that none is: "could not be queued", "Request not
// successful". A text that says both denies nothing.
func deniesEffect(message string) bool {
	claims, denies := speaksOfEffect(message)
	return denies && !claims
}

// denials are the words that turn what follows them in their clause into its opposite.
var denials = map[string]bool{
	"not": true, "no": true, "never": true, "cannot": true, "without": true, "unable": true,
	"failed": true, "couldn't": true, "can't": true, "wasn't": true, "isn't": true, "won't": true,
}

// speaksOfEffect reports whether a text claims and whether it denies that airtime is on its way.
func speaksOfEffect(message string) (claims, denies bool) {
	clause := func(r rune) bool { return strings.ContainsRune(".,;:!?()", r) }
	for part := range strings.FieldsFuncSeq(strings.ToLower(message), clause) {
		denied := false
		for word := range strings.FieldsSeq(part) {
			denied = denied || denials[word]
			switch {
			case strings.HasPrefix(word, "unsuccess"):
				denies = true
			case !strings.Contains(word, "queued") && !strings.Contains(word, "success"):
			case denied:
				denies = true
			default:
				claims = true
			}
		}
	}
	return claims, denies
}

// plainText returns a body that is text for people, or nothing when it is a page, JSON or bytes.
func plainText(body []byte) string {
	unprintable := func(r rune) bool { return !unicode.IsPrint(r) && !unicode.IsSpace(r) }
	switch providers.FirstByte(body) {
	case 0, '<', '{', '[', '"':
		return ""
	}
	if json.Valid(body) || !utf8.Valid(body) || bytes.ContainsFunc(body, unprintable) {
		return ""
	}
	return string(body)
}

// readLines reads the lines of an answer. Whom they leave out is unknown: the totals of the message
// are known to be wrong.
func readLines(body sendAnswer, r providers.Response, secrets []string) providers.Answer {
	answer := providers.Answer{
		Verdict: airtime.Unknown, Reason: airtime.ReasonMissing,
		Message: providers.Clean("left out of the answer: "+string(body.Message), secrets...),
	}
	var results providers.Objects[resultLine]
	if err := providers.Decode(body.Results, &results); err != nil || results == nil {
		answer.Reason, answer.Message = airtime.ReasonUnreadable, "the results are no list"
		return answer
	}
	lines := providers.NewLines(len(results))
	for _, result := range results {
		if line, ok := result.read(secrets); ok {
			lines.Add(line)
		}
	}
	lines.Into(&answer, r)
	return answer
}

// read turns a line into a fact; ok is false when it names no phone number.
//
//	code                             request_id   message             verdict
//	201                              an id        any                 accepted
//	another than 201                 none         denies an effect    refused
//	another, and not ambiguous       none         claims no effect    refused
//	anything else                                                     unknown
//
// What is refused for our account's sake is unsent.
func (l resultLine) read(secrets []string) (line providers.Line, ok bool) {
	phone, ok := providers.ReadPhone(string(l.Recipient))
	if !ok {
		return line, false
	}
	id, clear := providers.ReadID(l.RequestID)
	code := l.Code.Trimmed()
	line = providers.Line{
		Phone: phone, ProviderReference: id,
		Message: providers.Clean(string(l.Message), secrets...),
		Sums:    providers.ReadSums(l.Amount, l.Discount, "KES"),
	}
	switch {
	case code == codeQueued && id != "":
		line.Verdict = airtime.Accepted
	case id != "" || !clear || !l.refuses(code):
		line.Verdict, line.Reason = airtime.Unknown, airtime.ReasonUnreadable
	default:
		line.Verdict, line.Reason = airtime.Refused, reasonOf(line.Message, airtime.ReasonRefused)
		if line.Reason == airtime.ReasonBalance { // Our account's fault: the recipient stays queued.
			line.Verdict = airtime.Unsent
		}
	}
	return line, true
}

// refuses reports whether a line without an id says that nobody was taken.
func (l resultLine) refuses(code string) bool {
	switch message := string(l.Message); {
	case code == codeQueued || !isCode(code) || mayBeRepetition(code):
		return false
	case deniesEffect(message):
		return true
	default:
		return !ambiguous(code) && !claimsEffect(message)
	}
}

// isCode reports whether a code is a number, as all of QuickSMS's are.
func isCode(code string) bool { return code != "" && strings.Trim(code, "0123456789") == "" }

// mayBeRepetition reports whether a code may speak of an earlier request with the same content.
func mayBeRepetition(code string) bool {
	return code == "408" || code == "409" || code == "425"
}

// ambiguous reports whether a code leaves open that the recipient was taken. The codes of failures
// are not published: those of the 2xx kind may be another word for taken, those of 5xx and 4090
// (the platform's internal error) may come in the middle of the work, and no code says nothing.
func ambiguous(code string) bool {
	if !isCode(code) || mayBeRepetition(code) || code == "4090" {
		return true
	}
	return len(code) == 3 && (code[0] == '2' || code[0] == '5')
}
