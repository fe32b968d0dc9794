// Package providers is the contract between Tuma and the companies that deliver airtime, and what
// all adapters share. An adapter (one package per provider) turns a batch into one HTTP request,
// and an answer, a status query or a callback into facts. Adapters never retry, sleep, log or touch
// the store: package tasks decides what an answer means for the next step.
//
// providers.go declares the contract, spec.go what is known of a provider as data. client.go,
// submission.go and gate.go send one request, once and in time; classify.go turns transport errors
// and HTTP statuses into a verdict; reading.go, lines.go and fields.go read answers; sums.go reads
// amounts and discounts that a provider names, and compares the amount with the one sent (callbacks
// are compared by lua/commands/callback.lua); account.go asks about an account; usertimeout.go ends
// connections that went silent; clean.go masks and shortens texts of providers.
package providers

import (
	"context"
	"errors"
	"time"

	"tuma/internal/airtime"
)

// Batch is one provider request: every phone number occurs at most once.
type Batch struct {
	// ID is our reference at the provider, a UUIDv7 that was stored before the first byte is sent.
	ID         string
	Recipients []airtime.Recipient
}

// Provider prepares submissions. Everything that may take time or fail before the request itself
// (a token, encoding the body) happens in Prepare, so that nothing but connecting and the write
// follows BeginSend.
type Provider interface {
	// Prepare returns the submission of a batch without sending it: same batch, same bytes. A
	// *PrepareError is returned when nothing can be sent now, and says why.
	Prepare(ctx context.Context, batch Batch) (*Submission, error)
}

// Querier is implemented by providers that can be asked where a batch stands.
type Querier interface {
	// Query asks where a batch stands, or some recipients of it. A *QueryError is returned when the
	// answer says nothing (no connection, 5xx, unreadable): the question stays open.
	Query(ctx context.Context, question Question) (ProviderStatus, error)
}

// Question is what is to be found out about a batch.
type Question struct {
	// BatchID is our reference. Providers of AskByBatch are asked by it alone, in one request.
	BatchID string
	// Recipients are whom providers of AskByRecipient are asked about, in one request each.
	Recipients []Asked
}

// Asked is one recipient of a Question.
type Asked struct {
	Phone airtime.MSISDN
	// ProviderReference is the provider's own id of the recipient, never empty.
	ProviderReference string
}

// CallbackReader is implemented by providers that report to us by themselves.
type CallbackReader interface {
	// ReadCallback reads the body of a callback, a form or JSON as its media type says or, when that
	// says nothing, as its first byte does. ErrNotAirtime is returned for what concerns another
	// product, any other error when the body cannot be read; no error shows a phone number.
	ReadCallback(mediaType string, body []byte) (Callback, error)
}

// Callback is what a provider reports about one recipient. What the body leaves out is zero.
type Callback struct {
	// RecipientStatus has the provider's id of the recipient as text, whatever its type was.
	RecipientStatus
	// BatchID is our own reference, where the provider repeats it.
	BatchID string
	// AuthKey is the shared key that the body carries, where the provider has one.
	AuthKey string
	// Unread names a field that could not be read and that the rest does without, and why.
	Unread string
}

// ErrNotAirtime is returned for a callback that concerns another product of the provider.
var ErrNotAirtime = errors.New("the callback is not about airtime")

// ValidationReader is implemented by providers that ask us before they pay.
type ValidationReader interface {
	// ReadValidation reads the body of such a question, a form or JSON. An error is returned when it
	// cannot be read; it shows no phone number.
	ReadValidation(mediaType string, body []byte) (Validation, error)
}

// Validation is a provider's question whether a payment is ours.
type Validation struct {
	// ID is the provider's id of the question; the same question may be asked again.
	ID     string
	Phone  airtime.MSISDN
	Amount airtime.Money
}

// Answer is what one submission told us.
type Answer struct {
	// Verdict holds for every recipient that Lines does not name.
	Verdict airtime.Verdict
	Reason  airtime.Reason
	// Message is the provider's own text, cleaned of phone numbers, at most MaxMessage bytes.
	Message string
	// Lines are per-recipient verdicts, in any order.
	Lines []Line
	// Pause is the reason to pause the channel to this provider, or NoReason.
	Pause airtime.Reason
	// RetryAfter is how long the provider asked us to wait; zero when it did not say.
	RetryAfter time.Duration
}

// Line is what an answer says about one recipient.
type Line struct {
	Phone             airtime.MSISDN
	Verdict           airtime.Verdict
	Reason            airtime.Reason
	ProviderReference string
	Message           string
	Sums
}

// ProviderStatus is what a provider knows about a batch.
type ProviderStatus struct {
	// Known is false when the provider says that it has never seen the reference.
	Known bool
	Lines []RecipientStatus
	// Unmatched counts lines that could not be read, that name no phone number or that belong to
	// another reference than the one asked for.
	Unmatched int
	// RetryAfter is how long the provider asked us to wait with the rest of the question; zero when
	// it answered all of it or did not say.
	RetryAfter time.Duration
}

// RecipientStatus is where one recipient stands at the provider.
type RecipientStatus struct {
	Phone airtime.MSISDN
	// Status is zero when the provider used a code that we do not know; Code then has it.
	Status            airtime.Status
	Code              string
	ProviderReference string
	Message           string
	Sums
}

// Asking says how a provider can be asked where recipients stand.
type Asking string

// The ways of asking.
const (
	// AskNothing: the provider answers no questions.
	AskNothing Asking = ""
	// AskByBatch: one question by our own reference covers the whole batch, and shows whether the
	// provider knows it at all.
	AskByBatch Asking = "batch"
	// AskByRecipient: one question per recipient, by the id that the provider gave it.
	AskByRecipient Asking = "recipient"
)

// Capabilities is what is known about a provider before any request: one row of the catalog, as the
// settings of an account change it.
type Capabilities struct {
	Name string
	// Code is the character that stands for the provider in stored rows: it never changes, and is
	// never given to another. Programs give capital letters; of one that is zero the state decides.
	Code          byte
	MaxRecipients int
	// Limits per currency; a currency without an entry is not sent.
	Limits map[airtime.Currency]Limit
	// Networks are those that its page names; none means that it names none, and any will do.
	Networks []airtime.Network
	// WholeUnits says that amounts must have no decimals.
	WholeUnits bool
	// Accepted is the status of a recipient that the provider has accepted.
	Accepted airtime.Status
	Asks     Asking
	// ResendSame says that an unknown submission may be repeated with the same reference and bytes
	// once the provider has said throughout the settle delay that it does not know the reference.
	ResendSame bool
	// ResendWithin is the time from the first BeginSend within which a repetition with the same
	// bytes must have ended, because the provider recognises it so long; zero permits none.
	ResendWithin time.Duration
	// Callbacks says that the provider reports each recipient by the id that it gave it.
	Callbacks bool
	// RampsUp says that batches start with one recipient and grow with each clear answer: where a
	// lost answer cannot be asked for, it must not put a thousand recipients in doubt.
	RampsUp bool
	// OverdueAfter is how long a recipient may stay open before it is listed as overdue; zero where
	// none stays open.
	OverdueAfter time.Duration
	// Shared says that others use our account there, too: then a callback is about us only if
	// we know its id.
	Shared bool
	// Rate bounds the requests to the provider; its zero value does not.
	Rate Rate
	// ShowsBalance says that the provider's answer about our account names what is left there.
	ShowsBalance bool
}

// Rate is how many requests a provider takes from all workers together.
type Rate struct {
	// PerSecond is above zero, and may be below one.
	PerSecond float64
	// Burst is how many may go at once after a rest; at least one.
	Burst int
}

// Limit bounds the amount of one recipient, in minor units, both inclusive.
type Limit struct {
	Min, Max int64
}

// PrepareError is returned when a batch could not be prepared: surely nothing was sent.
type PrepareError struct {
	// Reason is why the channel must pause, or ReasonBatchRefused where one of the recipients is at
	// fault.
	Reason airtime.Reason
	// RetryAfter is how long the provider asked us to wait; zero when it did not say.
	RetryAfter time.Duration
	Err        error
}

// Error names the reason and the cause; it holds no secret and no phone number.
func (e *PrepareError) Error() string { return string(e.Reason) + ": " + e.Err.Error() }

// Unwrap returns the cause.
func (e *PrepareError) Unwrap() error { return e.Err }

// QueryError is returned when a provider was asked and its answer says nothing about the batch.
type QueryError struct {
	Reason airtime.Reason
	// RetryAfter is how long the provider asked us to wait; zero when it did not say.
	RetryAfter time.Duration
	Err        error
}

// Error names the reason and the cause; it holds no secret and no phone number.
func (e *QueryError) Error() string { return string(e.Reason) + ": " + e.Err.Error() }

// Unwrap returns the cause.
func (e *QueryError) Unwrap() error { return e.Err }
