package africastalking

import (
	"net/url"
	"strings"

	"tuma/internal/airtime"
	"tuma/internal/providers"
)

// sendAnswer is the answer to a submission.
type sendAnswer struct {
	Error     providers.Scalar            `json:"errorMessage"`
	NumSent   providers.Scalar            `json:"numSent"`
	Responses providers.Objects[sendLine] `json:"responses"`
}

type sendLine struct {
	Phone  providers.Scalar `json:"phoneNumber"`
	Status providers.Scalar `json:"status"`
	ID     providers.Scalar `json:"requestId"`
	Error  providers.Scalar `json:"errorMessage"`

	Amount   providers.Scalar `json:"amount"`
	Discount providers.Scalar `json:"discount"`
}

// fault is what an error text means for whom it concerns. The channel pauses for whatever left them
// unsent.
type fault struct {
	// letters occur in the text once all but its letters is left out.
	letters string
	verdict airtime.Verdict
	reason  airtime.Reason
}

// faults are the error texts that the provider is known to use; the first that fits counts. The
// last fits every text: a recipient was refused for a reason of its own.
var faults = []fault{
	{"duplicate", airtime.Unknown, airtime.ReasonDuplicate},
	{"airtimeisnotenabled", airtime.Unsent, airtime.ReasonAccountFault},
	{"overthetriallimit", airtime.Unsent, airtime.ReasonAccountFault},
	{"insufficientcredit", airtime.Unsent, airtime.ReasonBalance},
	{"insufficientbalance", airtime.Unsent, airtime.ReasonBalance},
	{"valueoutsidetheallowedlimits", airtime.Refused, airtime.ReasonLimit},
	{"notsupported", airtime.Refused, airtime.ReasonNetwork},
	{"unsupportedphonenumber", airtime.Refused, airtime.ReasonNetwork},
	{"usernotfound", airtime.Refused, airtime.ReasonNetwork},
	{"", airtime.Refused, airtime.ReasonRefused},
}

// invalidRequests stands over an answer whose lines were all refused.
const invalidRequests = "invalidrequests"

// refusals are the words of a line that was not taken, provided that it was given no id.
var refusals = map[string]bool{
	"failed": true, "rejected": true, "invalidrequest": true, "notsupported": true,
	"insufficientbalance": true, "userininvalidstate": true, "usernotfound": true,
	"unsupportedphonenumber": true, "userinblacklist": true, "productnotfound": true,
}

// decodeSend decodes the answer to a submission; ok is false when the body has not the provider's
// shape: a list of responses, or at least an error.
func decodeSend(body []byte) (answer sendAnswer, ok bool) {
	if err := providers.DecodeObject(body, &answer); err != nil {
		return answer, false // A line that is no object stays empty: its recipient counts as left out.
	}
	return answer, answer.Responses != nil || textOrEmpty(answer.Error) != ""
}

// doubtful reports whether the answer shows that some request of ours was taken.
func (a sendAnswer) doubtful() bool {
	for _, line := range a.Responses {
		if textOrEmpty(line.ID) != "" {
			return true
		}
	}
	sent := a.NumSent.Trimmed()
	return sent != "" && sent != "0" || faultOf(textOrEmpty(a.Error)).verdict == airtime.Unknown
}

// nothingTaken reports whether the answer says in so many words that nobody was taken.
func (a sendAnswer) nothingTaken() bool {
	return a.Responses != nil && len(a.Responses) == 0 && a.NumSent.Trimmed() == "0"
}

// read turns an answer of the provider's shape into verdicts.
//
//	errorMessage             verdict of all            verdict of lines
//	None, Invalid Requests   unknown: left out         all count
//	a duplicate request      unknown: duplicate        only acceptances and doubts
//	not enabled, trial       unsent, the channel       only acceptances and doubts
//	limit, no credit         pauses; unknown unless
//	                         nobody was taken
//	anything else            unknown: unreadable       only acceptances and doubts
func (a sendAnswer) read(key string, r providers.Response) providers.Answer {
	top := textOrEmpty(a.Error)
	answer := providers.Answer{
		Verdict: airtime.Unknown, Reason: airtime.ReasonUnreadable,
		Message: providers.Clean(top, key),
	}
	clear := top == "" || lettersOf(top) == invalidRequests
	whole := faultOf(top)
	switch {
	case clear:
		answer.Reason = airtime.ReasonMissing
	case whole.verdict == airtime.Unknown:
		answer.Reason = whole.reason
	case whole.verdict == airtime.Unsent && a.nothingTaken():
		answer.Verdict, answer.Reason, answer.Pause = whole.verdict, whole.reason, whole.reason
	}
	lines := providers.NewLines(len(a.Responses))
	for _, raw := range a.Responses {
		line, ok := raw.read(key)
		counts := clear || providers.Evidence(line.Verdict) >= providers.Evidence(airtime.Unknown)
		if ok && counts {
			lines.Add(line)
		}
	}
	lines.Into(&answer, r)
	return answer
}

// read turns a line into a verdict; ok is false when it names no phone number. An id is what the
// provider gives to those it takes, and what it can be asked by: so with an id even a line that
// says Failed is taken, and the question about it decides.
//
//	requestId  status                      verdict
//	an id      any word                    accepted
//	none       Failed or another refusal   by the error, else by the word
//	none       any other word              unknown
//	any        no word                     unknown
//	unclear    any                         unknown
func (l sendLine) read(key string) (line providers.Line, ok bool) {
	phone, ok := providers.ReadPhone(string(l.Phone))
	if !ok {
		return line, false
	}
	why := textOrEmpty(l.Error)
	if why == "" && !strings.EqualFold(l.Status.Trimmed(), "sent") {
		why = l.Status.Trimmed()
	}
	line = providers.Line{
		Phone: phone, Verdict: airtime.Unknown, Reason: airtime.ReasonUnreadable,
		Message: providers.Clean(why, key),
		Sums:    providers.ReadSums(l.Amount, l.Discount, airtime.CurrencyOf(phone)),
	}
	word := wordOf(l.Status)
	id, clear := providers.CleanID(string(l.ID))
	switch {
	case word == "" || !clear:
	case id != "":
		line.Verdict, line.Reason, line.ProviderReference = airtime.Accepted, "", id
	case refusals[word]:
		refused := faultOf(why)
		line.Verdict, line.Reason = refused.verdict, refused.reason
	}
	return line, true
}

// faultOf finds what an error text means.
func faultOf(text string) fault {
	letters := lettersOf(text)
	for _, f := range faults {
		if strings.Contains(letters, f.letters) {
			return f
		}
	}
	return fault{}
}

// lettersOf returns the letters a to z of a text in lower case: the same error is spelt
// InsufficientBalance in one list and "Insufficient balance" in another.
func lettersOf(text string) string {
	return strings.Map(func(r rune) rune {
		if r < 'a' || r > 'z' {
			return -1
		}
		return r
	}, strings.ToLower(text))
}

// wordOf returns a status word as the tables here spell it.
func wordOf(text providers.Scalar) string { return strings.ToLower(text.Trimmed()) }

// textOrEmpty returns a text, or nothing where the provider writes None for nothing.
func textOrEmpty(text providers.Scalar) string {
	trimmed := text.Trimmed()
	if strings.EqualFold(trimmed, "none") {
		return ""
	}
	return trimmed
}

// appendSend writes the request of a batch. It is written by hand because the same batch must give
// the same bytes for ever, whatever a library does with a map or a struct.
func appendSend(username string, batch providers.Batch) []byte {
	const perRecipient = len(`{"phoneNumber":"+254711000000","amount":"KES 10000.00"},`)
	list := make([]byte, 0, 2+perRecipient*len(batch.Recipients))
	list = append(list, '[')
	for i, r := range batch.Recipients {
		if i > 0 {
			list = append(list, ',')
		}
		list = append(append(list, `{"phoneNumber":"+`...), r.Phone.Digits()...)
		list = append(append(list, `","amount":"`...), r.Amount.Currency...)
		list = append(append(list, ' '), r.Amount.Short()...)
		list = append(list, `"}`...)
	}
	list = append(list, ']')
	return []byte("username=" + url.QueryEscape(username) +
		"&recipients=" + url.QueryEscape(string(list)))
}
