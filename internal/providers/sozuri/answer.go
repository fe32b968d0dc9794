package sozuri

import (
	"encoding/json"
	"strings"

	"tuma/internal/airtime"
	"tuma/internal/providers"
)

// phrases are what the error texts of the documentation mean, of either envelope and of a line; the
// first that occurs counts.
var phrases = []struct {
	reason airtime.Reason
	text   string
}{
	{airtime.ReasonBalance, "insufficient balance"},
	{airtime.ReasonCredentials, "unknown project"},
	{airtime.ReasonCredentials, "unauthenticated"},
	{airtime.ReasonCredentials, "unauthorized"},
	{airtime.ReasonAccountFault, "exceeded maximum allowed recipients"},
	{airtime.ReasonAccountFault, "matching airtime value"},
	{airtime.ReasonNetwork, "unsupported mobile network"},
	{airtime.ReasonNetwork, "unsupported network"},
	{airtime.ReasonLimit, "invalid airtime value"},
	{airtime.ReasonLimit, "maximum limit"},
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

// sendAnswer is an answer to a submission or one of the two envelopes of errors.
type sendAnswer struct {
	// Responses is a list of lines; what else it may be is not for us to guess.
	Responses json.RawMessage  `json:"responses"`
	Count     providers.Scalar `json:"recipientsCount"`
	// Data is the first envelope: an error before any recipient was looked at.
	Data envelope `json:"data"`
	// Status and Error are the second: a recipient was found faulty, but not which.
	Status    providers.Scalar `json:"status"`
	Error     providers.Scalar `json:"errorMessage"`
	RequestID json.RawMessage  `json:"requestId"`
}

// envelope reads {"message": …}; anything else is an envelope without a message.
type envelope struct{ message providers.Scalar }

// UnmarshalJSON keeps the message of an object.
func (e *envelope) UnmarshalJSON(raw []byte) error {
	var object struct {
		Message providers.Scalar `json:"message"`
	}
	if providers.FirstByte(raw) != '{' {
		return nil
	}
	err := providers.Decode(raw, &object)
	e.message = object.Message
	return err
}

type responseLine struct {
	Number    providers.Scalar `json:"number"`
	Status    providers.Scalar `json:"status"`
	Error     providers.Scalar `json:"errorMessage"`
	RequestID json.RawMessage  `json:"requestId"`
	Amount    providers.Scalar `json:"amount"`
	Discount  providers.Scalar `json:"discount"`
}

// read is the reader of a submission's answer. Its shape decides, whatever the HTTP status: lines,
// else the first envelope, else the second. alone says that one recipient was sent.
func read(r providers.Response, alone bool, secret string) (answer providers.Answer, ok bool) {
	var body sendAnswer
	if err := providers.DecodeObject(r.Body, &body); err != nil {
		return answer, false
	}
	if !providers.EmptyList(body.Responses) {
		return readLines(body.Responses, r, secret), true
	}
	message, failed := textOrEmpty(body.Data.message), textOrEmpty(body.Error)
	id, clear := providers.ReadID(body.RequestID)
	count := body.Count.Trimmed()
	switch {
	case id != "" || !clear || count != "" && count != "0":
		return unclear(r, "an answer without lines that counts or names some", secret), true
	case message != "":
		return refusedAll(r, message, secret), true
	case failed != "" && strings.EqualFold(body.Status.Trimmed(), "failed"):
		return refusedOne(r, alone, failed, secret), true
	default:
		return answer, false
	}
}

// unclear is the answer that may have come after an effect, whatever its HTTP status means
// elsewhere.
func unclear(r providers.Response, message, secret string) providers.Answer {
	answer := providers.Classify(r.Outcome())
	if answer.Verdict != airtime.Unknown {
		answer = providers.Answer{Verdict: airtime.Unknown, Reason: airtime.ReasonUnreadable}
	}
	answer.Message = providers.Clean(message, secret)
	return answer
}

// refusedAll decides what the first envelope means. A text of the documentation says that nothing
// was sent, under any HTTP status; another one does under a 4xx only.
func refusedAll(r providers.Response, message, secret string) providers.Answer {
	answer := providers.Classify(r.Outcome())
	answer.Message = providers.Clean(message, secret)
	reason := reasonOf(message, airtime.NoReason)
	switch {
	case stopsAll(reason):
	case answer.Verdict == airtime.Unsent: // 401, 403 or 429: the status gives the reason.
		return answer
	case providers.TurnedAway(r.Status):
		reason = airtime.ReasonAccountFault
	default:
		return answer
	}
	answer.Verdict, answer.Reason, answer.Pause = airtime.Unsent, reason, reason
	return answer
}

// refusedOne decides what the second envelope means. It names no recipient, and it is unknown
// whether those before the faulty one were paid: so it refuses only who was alone. The others are
// in doubt with the reason that people have to look for, a request refused as a whole.
func refusedOne(
	r providers.Response, alone bool, message, secret string,
) providers.Answer {
	answer := unclear(r, message, secret)
	success := r.Status >= 200 && r.Status <= 299
	if !success && !providers.TurnedAway(r.Status) {
		return answer
	}
	verdict, reason := refusal(message)
	if verdict == airtime.Unsent {
		answer.Pause, answer.RetryAfter = reason, r.RetryAfter
	}
	if !alone {
		verdict, reason = airtime.Unknown, airtime.ReasonBatchRefused
	}
	answer.Verdict, answer.Reason = verdict, reason
	return answer
}

// stopsAll reports whether a reason lies with our account or set-up, not with a recipient.
func stopsAll(reason airtime.Reason) bool {
	return reason == airtime.ReasonBalance || reason == airtime.ReasonCredentials ||
		reason == airtime.ReasonAccountFault
}

// refusal is what the error of a recipient who was not taken means. What is wrong with our account
// leaves the recipient unsent.
func refusal(message string) (airtime.Verdict, airtime.Reason) {
	reason := reasonOf(message, airtime.ReasonRefused)
	if stopsAll(reason) {
		return airtime.Unsent, reason
	}
	return airtime.Refused, reason
}

// readLines reads the lines of an answer. Whom they leave out is unknown. Sozuri does not merge
// lines, so a number that we sent once and that is accepted twice may be paid twice: the first id
// is kept, and the line says so.
func readLines(list json.RawMessage, r providers.Response, secret string) providers.Answer {
	answer := providers.Answer{
		Verdict: airtime.Unknown, Reason: airtime.ReasonMissing, // break: line-missing
		Message: "left out of the answer",
	}
	var responses providers.Objects[responseLine]
	if err := providers.Decode(list, &responses); err != nil || responses == nil {
		answer.Reason, answer.Message = airtime.ReasonUnreadable, "the responses are no list"
		return answer
	}
	lines := providers.NewLines(len(responses))
	for _, response := range responses {
		if line, ok := response.read(secret); ok {
			lines.Add(line)
		}
	}
	lines.Into(&answer, r)
	return answer
}

// read turns a line into a fact; ok is false when it names no phone number.
//
//	status       requestId   errorMessage   verdict
//	accepted     an id       any            accepted
//	failed       none        an error       refused, or unsent when our account is at fault
//	anything else                           unknown
func (l responseLine) read(secret string) (line providers.Line, ok bool) {
	phone, ok := providers.ReadPhone(string(l.Number))
	if !ok {
		return line, false
	}
	id, clear := providers.ReadID(l.RequestID)
	failure := textOrEmpty(l.Error)
	line = providers.Line{
		Phone: phone, Verdict: airtime.Unknown, Reason: airtime.ReasonUnreadable,
		ProviderReference: id, Message: providers.Clean(failure, secret),
		Sums: providers.ReadSums(l.Amount, l.Discount, "KES"),
	}
	switch word := strings.ToLower(l.Status.Trimmed()); {
	case word == "accepted" && id != "":
		line.Verdict, line.Reason = airtime.Accepted, airtime.NoReason
	case word == "failed" && id == "" && clear && failure != "":
		line.Verdict, line.Reason = refusal(failure)
	case line.Message == "":
		line.Message = providers.Clean("status "+word, secret)
	}
	return line, true
}

// textOrEmpty returns a text, or nothing where Sozuri writes none for nothing.
func textOrEmpty(text providers.Scalar) string {
	switch trimmed := text.Trimmed(); strings.ToLower(trimmed) {
	case "none", "null":
		return ""
	default:
		return trimmed
	}
}
