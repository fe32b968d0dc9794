// Package providers is the seam between Tuma and the companies that deliver airtime. An adapter
// (one package per provider) turns a batch into one HTTP request and one answer into facts.
// Adapters never retry, sleep, log or touch the store: what an answer means for the next step is
// decided by the tasks.
package providers

import (
	"context"
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

// Querier is implemented by providers that can be asked by our own reference.
type Querier interface {
	// Query asks where a batch stands. A *QueryError is returned when the answer says nothing (no
	// connection, 5xx, unreadable): the question stays open.
	Query(ctx context.Context, batchID string) (Standing, error)
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
}

// Standing is what a provider knows about a batch.
type Standing struct {
	// Known is false when the provider says that it has never seen the reference.
	Known bool
	Lines []StandingLine
	// Unplaced counts lines that could not be read, that name no phone number or that belong to
	// another reference than the one asked for.
	Unplaced int
}

// StandingLine is where one recipient stands at the provider.
type StandingLine struct {
	Phone airtime.MSISDN
	// Status is zero when the provider used a code that we do not know; Code then has it.
	Status            airtime.Status
	Code              string
	ProviderReference string
	Message           string
}

// Capabilities is what is known about a provider before any request: one row of the catalog.
type Capabilities struct {
	Name          string
	MaxRecipients int
	// Limits per currency; a currency without an entry is not sent.
	Limits map[airtime.Currency]Limit
	// Accepted is the status of a recipient that the provider has accepted.
	Accepted airtime.Status
	// ResendSame says that an unknown submission may be repeated with the same reference and bytes
	// once the provider has said throughout the settle delay that it does not know the reference.
	ResendSame bool
	// Queries says that the provider can be asked by our own reference (Querier).
	Queries bool
	// Patience is how long a recipient may stay open before people are told.
	Patience time.Duration
}

// Limit bounds the amount of one recipient, in minor units, both inclusive.
type Limit struct {
	Min, Max int64
}

// PrepareError is returned when a batch could not be prepared: surely nothing was sent.
type PrepareError struct {
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
