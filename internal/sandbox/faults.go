package sandbox

import "time"

// Answers to a reference that was used before; the page says only that it must be unique.
const (
	RepeatReject = "reject" // 721, nothing happens
	RepeatReplay = "replay" // 720 again, no recipient is paid again
	RepeatPay    = "pay"    // 720, and all recipients are paid again
)

// Answers to a status query for a reference that is not known.
const (
	UnknownNotFound = "404"    // HTTP 404 with a JSON body
	UnknownEmpty    = "empty"  // HTTP 200 with an empty list
	UnknownObject   = "object" // HTTP 200 with an object of response_code 722 in place of a list
)

// Shapes of Africa's Talking's answer to a query.
const (
	QueryStatus = "status" // {"status": …}
	QueryData   = "data"   // {"errorMessage": …, "data": {"status": …}}
)

// Africa's Talking's answers to a query for an id that is not known.
const (
	UnknownIDNotFound = "404"   // HTTP 404 with a JSON body
	UnknownIDText     = "400"   // HTTP 400 in plain text
	UnknownIDError    = "error" // HTTP 200 with an errorMessage
)

// What moves a visible status on.
const (
	PaceByPolls = "polls"
	PaceByTime  = "time"
)

// Faults are all switches of one provider; each has its own set. A switch that names providers does
// nothing at the others. DefaultFaults is the calm setting; the zero value is not valid.
type Faults struct {
	// Auth is for the calls about the account: Lipad's tokens, Africa's Talking's balance.
	Auth   CallFaults   `json:"auth"`
	Send   SendFaults   `json:"send"`
	Status StatusFaults `json:"status"`

	// Repeat says what a used reference gets at Lipad: reject, replay or pay.
	Repeat string `json:"repeat"`
	// UnknownReference says what the status of an unknown reference is: 404, empty or object.
	UnknownReference string `json:"unknown_reference"`
	// SlowKnowledge is how long after acceptance a status query does not know a request yet.
	SlowKnowledge Duration `json:"slow_knowledge"`
	// RepeatWindow is how long Africa's Talking refuses a repeated key, or body without a key, as a
	// duplicate; after it the same request is paid again.
	RepeatWindow Duration `json:"repeat_window"`
	// QueryShape and UnknownID are the forms of Africa's Talking's answers to queries.
	QueryShape string `json:"query_shape"`
	UnknownID  string `json:"unknown_id"`

	// RefuseAll answers every send with 721 at Lipad, as if our own account were at fault.
	RefuseAll bool `json:"refuse_all"`
	// RefuseSuffix is the end of the phone numbers that are refused; "" is none. At Lipad and Sozuri
	// one such number refuses the whole request.
	RefuseSuffix string `json:"refuse_suffix"`
	// RefuseWhole makes such a number refuse the whole request at QuickSMS too, with 422.
	RefuseWhole bool `json:"refuse_whole"`
	// NotEnabled and TrialLimit are Africa's Talking's refusals of an account that may not send.
	NotEnabled bool `json:"not_enabled"`
	TrialLimit bool `json:"trial_limit"`
	// RefuseCredentials answers good credentials as bad ones, each provider in its own words. At
	// Lipad only new tokens are refused.
	RefuseCredentials bool `json:"refuse_credentials"`
	// Secret, if not empty, is the one secret that is taken, whatever Options.Credentials say:
	// changing it is what generating a new App-Token does to the ones before.
	Secret string `json:"secret"`
	// Balance is the money in the wallet, such as "1500.00", and goes down with each payment; "" is
	// endless. Lipad's page does not say what happens without money, so its wallet is endless.
	Balance string `json:"balance"`
	// HalfProcessed pays the recipients before the one for which Sozuri refuses a request.
	HalfProcessed bool `json:"half_processed"`
	// MissingLines leaves about half of the recipients, at least one, out of the answer to a send
	// that was processed whole; Lipad's answers name no recipients.
	MissingLines Chance `json:"missing_lines"`

	// Amounts and Discounts say how answers, queries and callbacks name them; what is paid is what was
	// asked for. Amounts is asked, other (one shilling more) or malformed; Discounts is documented,
	// given (0.6 % at Sozuri, whose samples have none) or malformed.
	Amounts   string `json:"amounts"`
	Discounts string `json:"discounts"`
	// RefusalText, if not empty, is what QuickSMS says of a number that it refuses, with code 500 in
	// place of 1003: "Airtime could not be queued", "Request not successful".
	RefusalText string `json:"refusal_text"`

	// Callbacks are the switches of what the provider posts to us.
	Callbacks CallbackFaults `json:"callbacks"`

	// HTTPAccepted and HTTPRefused are the HTTP statuses of 720 and 721: 200, 201, 202 or 400.
	HTTPAccepted int `json:"http_accepted"`
	HTTPRefused  int `json:"http_refused"`

	// ExpiresIn is the life that a token claims; TokenLife is the one it has, "0s" for the same.
	ExpiresIn Duration `json:"expires_in"`
	TokenLife Duration `json:"token_life"`

	// MagicNumbers lets a phone number ending in 5550600 to 5550607, 5550699 or 5550721 decide its
	// own outcome; see outcome.go.
	MagicNumbers bool `json:"magic_numbers"`
	// Outcomes are the weights of how recipients end.
	Outcomes Weights `json:"outcomes"`
	// Jam and Reprocess are the probabilities of passing through 604 or 607 before the end.
	Jam       float64 `json:"jam"`
	Reprocess float64 `json:"reprocess"`
	// LateReversal and LateRefund are the probabilities that a 602 later becomes 605 or 606, which
	// only Lipad has.
	LateReversal float64 `json:"late_reversal"`
	LateRefund   float64 `json:"late_refund"`
	// Pace says when the visible statuses move. Unlike the outcomes, which are fixed at acceptance,
	// a new pace applies to requests accepted before it too.
	Pace Pace `json:"pace"`
}

// CallFaults are the faults that every call can have. At most one fault before processing or one
// after it happens to a request; a request that met neither may have its answer mistyped.
type CallFaults struct {
	// Latency is spent before processing, with up to Jitter more.
	Latency Duration `json:"latency"`
	Jitter  Duration `json:"jitter"`

	// HangBefore holds a request that is never processed for HangLimit, then closes.
	HangBefore Chance `json:"hang_before"`
	// LostBefore closes the connection without having processed anything.
	LostBefore Chance `json:"lost_before"`
	// ErrorBefore answers 500, 502, 503 or 504 without having processed anything.
	ErrorBefore Chance `json:"error_before"`
	// TooMany answers 429 with RetryAfter, rounded up to whole seconds.
	TooMany    Chance   `json:"too_many"`
	RetryAfter Duration `json:"retry_after"`
	// Redirect answers 307 to the same call, which is processed if the client follows.
	Redirect Chance `json:"redirect"`

	// HangAfter processes, then holds the answer for HangLimit and closes.
	HangAfter Chance `json:"hang_after"`
	// LostAfter processes, then closes the connection.
	LostAfter Chance `json:"lost_after"`
	// ErrorAfter processes, then answers 500, 502, 503 or 504.
	ErrorAfter Chance `json:"error_after"`
	// BrokenJSON processes, then answers half of the JSON as if it were whole.
	BrokenJSON Chance `json:"broken_json"`
	// CutBody processes, then closes in the middle of the body.
	CutBody Chance `json:"cut_body"`
	// HangLimit bounds both hangs; a client that goes away ends them earlier.
	HangLimit Duration `json:"hang_limit"`

	// WrongTypes answers numbers as strings and the reverse, and a null provider_reference.
	WrongTypes Chance `json:"wrong_types"`
}

// SendFaults are the faults of a send.
type SendFaults struct {
	CallFaults
	// ExpireToken (Lipad) ends the request's token before its time: 401, and again until a new token.
	ExpireToken Chance `json:"expire_token"`
}

// StatusFaults are the faults of a status query, at Lipad and Africa's Talking.
type StatusFaults struct {
	CallFaults
	// ExpireToken (Lipad) ends the request's token before its time: 401, and again until a new one.
	ExpireToken Chance `json:"expire_token"`
	// Partial (Lipad) leaves about half of the recipients out of the list, at least one.
	Partial Chance `json:"partial"`
	// UnknownCodes gives about half of the recipients, at least one, the undocumented code 699; at
	// Africa's Talking it answers a word that no page explains.
	UnknownCodes Chance `json:"unknown_codes"`
	// Reorder (Lipad) shuffles the list.
	Reorder Chance `json:"reorder"`
}

// CallbackFaults are the switches of callbacks. A chance is drawn for each recipient's callback.
type CallbackFaults struct {
	// Duplicate sends a callback twice.
	Duplicate Chance `json:"duplicate"`
	// Lose never sends it.
	Lose Chance `json:"lose"`
	// Early sends it before the send that caused it is answered.
	Early Chance `json:"early"`
	// Form (Africa's Talking) sends a form instead of JSON.
	Form Chance `json:"form"`
	// Delay is added before every callback, with up to Jitter more.
	Delay  Duration `json:"delay"`
	Jitter Duration `json:"jitter"`
	// Reorder spreads callbacks over a second at random, those about one recipient too.
	Reorder bool `json:"reorder"`
	// FinalOnly sends only how a recipient ended, not the steps on the way.
	FinalOnly bool `json:"final_only"`
	// Short (Africa's Talking) sends only the id and the status.
	Short bool `json:"short"`
	// Validate (Africa's Talking) asks the validation callback before paying, and pays only if it
	// answers 200 with "Validated" within three seconds.
	Validate bool `json:"validate"`
}

// Weights say how often recipients end in each final code; they need not add up to anything.
// Reversed and Refunded end there without ever having been 602, and are not paid; at providers
// without such words they are failures.
type Weights struct {
	Successful float64 `json:"successful"`
	Failed     float64 `json:"failed"`
	Reversed   float64 `json:"reversed"`
	Refunded   float64 `json:"refunded"`
}

// Pace says how long the visible status stays open (600, then 601), how long it stays in 604 or
// 607 after that, and how long a 602 stands before it becomes 605 or 606. By polls it counts
// processed status queries of the reference (at Africa's Talking, of the recipient), by time it
// counts from acceptance. Callbacks never wait for polls: by polls they are sent at once.
type Pace struct {
	By          string   `json:"by"`
	OpenPolls   int      `json:"open_polls"`
	DetourPolls int      `json:"detour_polls"`
	LatePolls   int      `json:"late_polls"`
	OpenFor     Duration `json:"open_for"`
	DetourFor   Duration `json:"detour_for"`
	LateFor     Duration `json:"late_for"`
}

// DefaultFaults are calm: 97 in 100 recipients succeed and the others fail, after one status query
// that shows them open; every request is answered at once and well.
func DefaultFaults() Faults {
	call := CallFaults{
		RetryAfter: Duration(time.Second),
		HangLimit:  Duration(2 * time.Minute),
	}
	return Faults{
		Auth:             call,
		Send:             SendFaults{CallFaults: call},
		Status:           StatusFaults{CallFaults: call},
		Repeat:           RepeatReject,
		UnknownReference: UnknownNotFound,
		HTTPAccepted:     200,
		HTTPRefused:      200,
		ExpiresIn:        Duration(time.Hour),
		MagicNumbers:     true,
		RepeatWindow:     Duration(5 * time.Minute),
		QueryShape:       QueryStatus,
		Amounts:          NameAsked,
		Discounts:        DiscountDocumented,
		UnknownID:        UnknownIDNotFound,
		Callbacks:        CallbackFaults{FinalOnly: true},
		Outcomes:         Weights{Successful: 97, Failed: 3},
		Pace: Pace{
			By: PaceByPolls, OpenPolls: 1, DetourPolls: 2, LatePolls: 3,
			OpenFor:   Duration(2 * time.Second),
			DetourFor: Duration(4 * time.Second),
			LateFor:   Duration(10 * time.Second),
		},
	}
}

// HostileFaults turn on everything that the pages leave open except paying twice: a correct client
// pays no recipient twice under them, and settles each one whose outcome the provider reports.
func HostileFaults() Faults {
	f := DefaultFaults()
	few := Sometimes(0.02)
	for _, call := range []*CallFaults{&f.Auth, &f.Send.CallFaults, &f.Status.CallFaults} {
		call.Jitter = Duration(50 * time.Millisecond)
		call.HangLimit = Duration(time.Minute)
		for _, c := range call.chances() {
			*c.chance = few
		}
	}
	f.Send.HangBefore, f.Status.HangBefore, f.Auth.HangBefore = Sometimes(0.002), Never(), Never()
	f.Send.HangAfter, f.Status.HangAfter, f.Auth.HangAfter = Sometimes(0.002), Never(), Never()
	f.Send.ExpireToken, f.Status.ExpireToken = few, few
	f.Status.Partial, f.Status.UnknownCodes = Sometimes(0.1), Sometimes(0.05)
	f.Status.Reorder = Sometimes(1)
	f.SlowKnowledge = Duration(2 * time.Second)
	f.HTTPAccepted, f.HTTPRefused = 202, 400
	f.Jam, f.Reprocess, f.LateReversal, f.LateRefund = 0.05, 0.05, 0.005, 0.005
	f.QueryShape, f.HalfProcessed, f.MissingLines = QueryData, true, few
	f.Callbacks = CallbackFaults{
		Duplicate: Sometimes(0.05), Lose: few, Early: Sometimes(0.05), Form: Sometimes(0.3),
		Jitter: Duration(500 * time.Millisecond), Reorder: true,
	}
	return f
}
