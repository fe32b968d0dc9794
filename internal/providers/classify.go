package providers

import (
	"net/http"
	"strconv"
	"strings"
	"time"

	"tuma/internal/airtime"
)

// MaxRetryAfter caps the wait that a provider may ask for, so that a wrong clock or a slip of the
// pen at the provider does not stop a channel for days.
const MaxRetryAfter = 10 * time.Minute

// Progress says how far a request came.
type Progress uint8

// How far a request came. Only NotConnected and TooLate prove that nothing was written.
const (
	// NotConnected: DNS, the dial or the TLS handshake failed; no byte of the request was written.
	NotConnected Progress = iota + 1
	// TooLate: the time was over before the first byte of the request was written.
	TooLate
	// TimedOut: bytes may have been written and the time was over before an answer came.
	TimedOut
	// Broken: bytes may have been written and the connection ended without an answer.
	Broken
	// Answered: an HTTP status line and headers came back.
	Answered
)

// Outcome is everything the classifier looks at.
type Outcome struct {
	Progress Progress
	// Status is the HTTP status when Answered.
	Status     int
	RetryAfter time.Duration
	// Refused is true when NotConnected because nothing listens there.
	Refused bool
}

// words says for people how a request ended.
func (o Outcome) words() string {
	switch o.Progress {
	case NotConnected:
		if o.Refused {
			return "connection refused"
		}
		return "no connection"
	case TooLate:
		return "too late to be sent"
	case TimedOut:
		return "timeout"
	case Broken:
		return "connection broken"
	case Answered:
		return "http " + strconv.Itoa(o.Status)
	}
	return ""
}

// Outcome returns what the classifier needs of a response.
func (r Response) Outcome() Outcome {
	return Outcome{Progress: Answered, Status: r.Status, RetryAfter: r.RetryAfter}
}

// Classify decides what an outcome means when no adapter understood a body. The rule: a verdict is
// Unsent only when the request surely never reached the provider's business logic; whatever is
// ambiguous is Unknown; nothing is ever accepted or refused without a body that says so.
//
//	progress      status         verdict  reason        pause
//	NotConnected  -              unsent   connect       connect
//	TooLate       -              unsent   late          -
//	TimedOut      -              unknown  timeout       -
//	Broken        -              unknown  unreadable    -
//	Answered      401, 403       unsent   credentials   credentials
//	Answered      429            unsent   rate_limited  rate_limited
//	Answered      408            unknown  timeout       -
//	Answered      3xx            unknown  unreadable    connect
//	Answered      5xx            unknown  server_error  -
//	Answered      anything else  unknown  unreadable    -
//
// 3xx pauses because it means that the base URL is wrong, so every further request would put more
// recipients in doubt. An adapter with a renewable token takes the pause of a 401 away when the
// token was merely stale.
func Classify(o Outcome) Answer {
	answer := Answer{Verdict: airtime.Unknown, Reason: airtime.ReasonUnreadable} // break: classify
	switch o.Progress {
	case NotConnected:
		answer.Verdict = airtime.Unsent
		answer.Reason, answer.Pause = airtime.ReasonConnect, airtime.ReasonConnect
	case TooLate:
		answer.Verdict, answer.Reason = airtime.Unsent, airtime.ReasonLate
	case TimedOut:
		answer.Reason = airtime.ReasonTimeout
	case Answered:
		answer = classifyStatus(o.Status)
		answer.RetryAfter = o.RetryAfter
	case Broken:
	}
	return answer
}

func classifyStatus(status int) Answer {
	reason, verdict, pause := StatusReason(status), airtime.Unknown, airtime.NoReason
	switch {
	case reason == airtime.ReasonCredentials, reason == airtime.ReasonRateLimited: // break: unsent
		verdict, pause = airtime.Unsent, reason
	case status >= 300 && status <= 399:
		pause = airtime.ReasonConnect
	}
	return Answer{Verdict: verdict, Reason: reason, Pause: pause}
}

// StatusReason names an HTTP status whose body said nothing.
func StatusReason(status int) airtime.Reason {
	switch {
	case status == http.StatusUnauthorized, status == http.StatusForbidden:
		return airtime.ReasonCredentials
	case status == http.StatusTooManyRequests:
		return airtime.ReasonRateLimited
	case status == http.StatusRequestTimeout:
		return airtime.ReasonTimeout
	case status >= 500 && status <= 599:
		return airtime.ReasonServerError
	default:
		return airtime.ReasonUnreadable
	}
}

// retryAfter reads a Retry-After header: seconds or an HTTP date. A date is compared with the
// answer's own Date where it has one, because the two clocks need not agree.
func retryAfter(header http.Header, now time.Time) time.Duration {
	text := strings.TrimSpace(header.Get("Retry-After"))
	if seconds, err := strconv.ParseUint(text, 10, 32); err == nil {
		return min(time.Duration(seconds)*time.Second, MaxRetryAfter)
	}
	if isDigits(text) { // More seconds than fit.
		return MaxRetryAfter
	}
	at, err := http.ParseTime(text)
	if err != nil {
		return 0
	}
	if date, err := http.ParseTime(header.Get("Date")); err == nil {
		now = date
	}
	return min(max(at.Sub(now), 0), MaxRetryAfter)
}

func isDigits(text string) bool {
	return text != "" && strings.Trim(text, "0123456789") == ""
}
