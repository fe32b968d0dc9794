package airtime

import "fmt"

// Verdict is what one provider answer means for one recipient. There are exactly four.
type Verdict uint8

// The verdicts.
const (
	// Accepted: the provider took the recipient and may pay.
	Accepted Verdict = iota + 1
	// Refused: the provider answered and surely did not take this recipient.
	Refused
	// Unsent: the request surely never reached the provider's business logic.
	Unsent
	// Unknown: the recipient may have been taken. Only a query, a callback or a person decides.
	Unknown
)

var verdictNames = [...]string{
	Accepted: "accepted", Refused: "rejected", Unsent: "unsent", Unknown: "unknown",
}

// Verdicts returns the four verdicts.
func Verdicts() []Verdict { return []Verdict{Accepted, Refused, Unsent, Unknown} }

// String returns the verdict's word.
func (v Verdict) String() string {
	if v < Accepted || int(v) >= len(verdictNames) {
		return fmt.Sprintf("verdict(%d)", uint8(v))
	}
	return verdictNames[v]
}

// Reason says why a status or a pause came about. It is a closed list, so that it can be a metric
// label; a provider's own words travel beside it as the message.
type Reason string

// The reasons.
const (
	// NoReason is the reason of everything that went as it should.
	NoReason Reason = ""
	// ReasonRefused: the provider refused the recipient.
	ReasonRefused Reason = "refused"
	// ReasonNetwork: the provider does not serve the recipient's network, so another one may.
	ReasonNetwork Reason = "network"
	// ReasonLimit: the provider does not take an amount of this size, so another one may.
	ReasonLimit Reason = "limit"
	// ReasonDuplicate: the provider has seen this very request before, so an earlier sending of it
	// arrived, and nobody knows what became of that. Of one who is held: a guard has seen the same
	// amount to the same phone number.
	ReasonDuplicate Reason = "duplicate"
	// ReasonBatchRefused: the request was refused as a whole, by the provider (Lipad 721, QuickSMS 400
	// and 422) or by its adapter, which could not prepare it.
	ReasonBatchRefused Reason = "batch_refused"
	// ReasonProvider: the provider reports the recipient as failed, reversed or refunded.
	ReasonProvider Reason = "provider"
	// ReasonCredentials: the provider did not accept our credentials.
	ReasonCredentials Reason = "credentials"
	// ReasonBalance: our account at the provider is empty.
	ReasonBalance Reason = "balance"
	// ReasonRateLimited: the provider asked us to slow down (429).
	ReasonRateLimited Reason = "rate_limited"
	// ReasonConnect: no connection to the provider could be made.
	ReasonConnect Reason = "connect"
	// ReasonTimeout: the answer did not come in time.
	ReasonTimeout Reason = "timeout"
	// ReasonServerError: the provider answered 5xx.
	ReasonServerError Reason = "server_error"
	// ReasonUnreadable: the answer could not be understood.
	ReasonUnreadable Reason = "unreadable"
	// ReasonMissing: the answer left the recipient out.
	ReasonMissing Reason = "missing"
	// ReasonLate: too little time was left to send, so nothing was sent.
	ReasonLate Reason = "late"
	// ReasonSilent: the sender never reported back.
	ReasonSilent Reason = "silent"
	// ReasonAmount: the provider names another amount than was sent.
	ReasonAmount Reason = "amount"
	// ReasonContradicted: the provider says failed of whom a person said to be paid.
	ReasonContradicted Reason = "contradicted"
	// ReasonCancelled: withdrawn by a person.
	ReasonCancelled Reason = "cancelled"
	// ReasonPerson: settled by a person's word.
	ReasonPerson Reason = "person"
	// ReasonApproval: held until another person than the one who submitted it approves.
	ReasonApproval Reason = "approval"
	// ReasonSchedule: held until the time that its job names.
	ReasonSchedule Reason = "schedule"
	// ReasonVelocity: held because a guard bounds what one phone number gets.
	ReasonVelocity Reason = "velocity"
	// ReasonBudget: held because a guard bounds what is spent.
	ReasonBudget Reason = "budget"
	// ReasonStorage: the state could not promise to remember the sending, so nothing was sent.
	ReasonStorage Reason = "storage"
	// ReasonAccountFault: the provider refuses everything, so the fault is in our account or set-up.
	ReasonAccountFault Reason = "account_fault"
)

// Reasons returns every reason but NoReason, for metrics that start at zero.
func Reasons() []Reason {
	return []Reason{
		ReasonRefused, ReasonNetwork, ReasonLimit, ReasonDuplicate, ReasonBatchRefused,
		ReasonProvider, ReasonCredentials, ReasonBalance, ReasonRateLimited, ReasonConnect,
		ReasonTimeout, ReasonServerError, ReasonUnreadable, ReasonMissing, ReasonLate,
		ReasonSilent, ReasonAmount, ReasonContradicted, ReasonCancelled, ReasonPerson,
		ReasonApproval, ReasonSchedule, ReasonVelocity, ReasonBudget,
		ReasonStorage, ReasonAccountFault,
	}
}

// ReasonOf is the reason of a status that a provider reports.
func ReasonOf(s Status) Reason {
	if s == Failed || s == Reversed || s == Refunded {
		return ReasonProvider
	}
	return NoReason
}
