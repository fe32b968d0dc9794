package state

import (
	"errors"
	"time"

	"github.com/redis/go-redis/v9"

	"tuma/internal/airtime"
	"tuma/internal/providers"
	"tuma/internal/routing"
)

// Errors that callers act on.
var (
	// ErrFull is returned when Redis is close to its maxmemory: intake stops, nothing is lost.
	ErrFull = errors.New("redis is close to maxmemory: raise maxmemory, or let disbursals settle " +
		"and expire")
	// ErrForgetful is returned by Open when the Redis may lose what it has confirmed.
	ErrForgetful = errors.New("redis can forget")
	// ErrClosed is returned when the store has been closed.
	ErrClosed = redis.ErrClosed
	// ErrNotFound is returned when the state has nothing under that name.
	ErrNotFound = errors.New("not found")
	// ErrCursor is returned when a list is to go on where no earlier answer ended.
	ErrCursor = errors.New("is not where an earlier answer ended")
	// ErrConflict is returned when a reference is already taken by other content.
	ErrConflict = errors.New("reference already used with other content")
	// ErrCancelled is returned when the reference, import or campaign carries a cancel mark.
	ErrCancelled = errors.New("cancelled")
	// ErrMoved is returned when a recipient's status changed since a person looked at it.
	ErrMoved = errors.New("status has moved since it was listed")
	// ErrEarly is returned when a person decides while the request may still have an effect.
	ErrEarly = errors.New("the request may still be on the wire")
	// ErrOpen is returned when a number is to be erased of which a recipient has not settled.
	ErrOpen = errors.New("not settled yet")
)

// MaxRecipients is the largest disbursal, and the most recipients that one Accept call takes.
const MaxRecipients = 1000

// Disbursal is what a producer pushes, validated and routed: 1 to MaxRecipients recipients with
// different phone numbers, all in one currency, through one provider.
type Disbursal struct {
	Reference string
	// Producer is who sent it over HTTP, if so; the reference and the campaign are its own then.
	Producer string
	// Given is the provider as the producer wrote it, empty when routing chose.
	Given string
	// Provider is the provider it goes to, or the first recipient's where Providers tells them apart.
	Provider string
	// Providers are those of each recipient, parallel to Recipients; nil when all go to Provider.
	Providers []string
	Currency  airtime.Currency
	Campaign  string
	// Import is the reference of the import it came with, if any.
	Import string
	// SubmittedBy is who answers for it, 1 to 64 printable ASCII characters; empty for unknown.
	SubmittedBy string
	Recipients  []airtime.Recipient
	// High says which recipients go first, parallel to Recipients; nil for none.
	High []bool
	// NotBefore is when it may be sent; zero for at once.
	NotBefore time.Time
	// Sums are what the import that it comes with pays altogether, by approval; nil for what it pays
	// itself.
	Sums routing.Sums
	// Objections are what today's rules have against it; nil when nothing. One with objections is
	// never taken, but it is looked up: what the state holds stays held, whatever the rules say now.
	Objections []string
}

// Outcome is what Accept did with a disbursal.
type Outcome uint8

// The outcomes.
const (
	// Accepted: it is new and now held by the state.
	Accepted Outcome = iota + 1
	// Same: the state has it already, with the same content; nothing changed.
	Same
	// Conflict: the reference is taken by other content; refused.
	Conflict
	// Cancelled: its reference, import or campaign carries a cancel mark; refused.
	Cancelled
	// Refused: the reference is not known, and rules are against it.
	Refused
)

// Wakeup asks the caller to trigger a worker of the provider; the number makes the task id unique.
type Wakeup struct {
	Provider string
	Number   int64
}

// Member is one recipient inside a batch. Its position in Batch.Members never changes.
type Member struct {
	airtime.Recipient
	// Reference is its disbursal's, as it is shown.
	Reference string
	Status    airtime.Status
	// Here is false when the recipient is no longer in this batch (returned, cancelled, split off).
	Here bool
	// Campaign is its disbursal's, as the producer says it. Routed is true when the producer named
	// no provider, so that the recipient may go to another.
	Campaign string
	Routed   bool
	// ProviderReference is the provider's id of the recipient, where it is asked by it.
	ProviderReference string
	// Reason and Message are what was said of the recipient; only ReviewItems reads them.
	Reason  airtime.Reason
	Message string
	// name is its disbursal's in the state, and position the recipient's index there, sorted by
	// phone number.
	name     string
	position int
	// at is where the state keeps the recipient.
	at chunkPos
}

// chunkPos is where the state keeps a recipient: a chunk, and the position in it, from 1.
type chunkPos struct {
	chunk string
	pos   int
}

// BatchState is where a batch stands.
type BatchState string

// The batch states.
const (
	// BatchReady batches wait to be claimed as they are: halves of a refused batch, and resends.
	BatchReady BatchState = "ready"
	// BatchClaimed batches belong to a worker that has not begun to send.
	BatchClaimed BatchState = "claimed"
	// BatchSending batches are on the wire.
	BatchSending BatchState = "sending"
	// BatchDoubt batches hold recipients that may or may not have been paid.
	BatchDoubt BatchState = "doubt"
	// BatchOpen batches were answered; what is not settled is asked about.
	BatchOpen BatchState = "open"
	// BatchDone batches hold nothing that is open.
	BatchDone BatchState = "done"
	// BatchReturned batches gave all recipients back or away.
	BatchReturned BatchState = "returned"
)

// Batch is one provider request with what the state knows about it.
type Batch struct {
	ID       string
	Provider string
	State    BatchState
	// Attempt counts the sendings begun so far.
	Attempt int
	// Polls counts the status queries handed out so far; Answered says that the answer to the last
	// of them is stored.
	Polls    int
	Answered bool
	Parent   string
	Members  []Member
	// Refused is set when the provider refused the batch as a whole.
	Refused bool
	// Open counts the members that are here and not settled.
	Open int
	// Age is how long ago the first sending began; zero before that.
	Age time.Duration
	// Why is the reason of a batch in doubt.
	Why airtime.Reason
	// Words are what the provider said of everybody in doubt.
	Words string
	// StillOut is how long the request of a batch in doubt may have an effect that nobody has seen:
	// what a person learns before that says nothing.
	StillOut time.Duration
	// Read is when the batch was read, by the clock of Redis.
	Read time.Time
}

// Recipients lists the batch's recipients in wire order.
func (b *Batch) Recipients() []airtime.Recipient {
	recipients := make([]airtime.Recipient, len(b.Members))
	for i, m := range b.Members {
		recipients[i] = m.Recipient
	}
	return recipients
}

// positions are the indexes of the members, by phone number.
func (b *Batch) positions() map[airtime.MSISDN]int {
	positions := make(map[airtime.MSISDN]int, len(b.Members))
	for i := range b.Members {
		positions[b.Members[i].Phone] = i
	}
	return positions
}

// Claim is what Claim found: a batch to send, or how long to wait and why.
type Claim struct {
	// Batch is nil when there is nothing to send now.
	Batch *Batch
	// Idle says why there is no batch.
	Idle Idle
	// Wait is how long a pause, the fencing window or the wait for the rate lasts.
	Wait time.Duration
	// Wakeup is not nil when there is work and room for another worker.
	Wakeup *Wakeup
}

// Idle is a reason to have no batch.
type Idle string

// The reasons to have no batch.
const (
	IdleEmpty  Idle = "empty"
	IdleBusy   Idle = "busy"
	IdlePaused Idle = "paused"
	IdleFenced Idle = "fenced"
	// IdleStopped: a person has paused the channel; nobody knows for how long.
	IdleStopped Idle = "paused by a person"
	// IdleHalfOpen: one request is out to see whether a channel that was paused works again.
	IdleHalfOpen Idle = "half_open"
	// IdleRate: the provider's rate is used up; Wait says for how long.
	IdleRate Idle = "rate"
)

// Answer is what one sending of a batch came to.
type Answer struct {
	// Answer is what the provider said; its reason to pause the channel counts, too.
	providers.Answer
	Batch   *Batch
	Attempt int
	// Wire says how the request ended, for people: providers.Submission.Wire.
	Wire string
	// Since is the time since BeginSend was asked. A state that has forgotten the sending is told how
	// long ago it was: what may follow depends on it.
	Since time.Duration
	// Accepted is the status of an accepted member at this provider.
	Accepted airtime.Status
	// Next returns the provider that takes a member which was refused for a reason, empty for none.
	// Nil is none for all.
	Next func(m *Member, reason airtime.Reason) string
	// Children are new ids for the halves of a batch that was refused before any effect.
	Children Children
	// NextPoll is the delay until the batch is looked at first: a status query or, where the provider
	// cannot be asked, when it is overdue. Zero is never.
	NextPoll time.Duration
}

// Recorded is what Record made of the answer.
type Recorded struct {
	// Stale is true when the batch had moved on: only evidence of effect was merged.
	Stale    bool
	Accepted int
	Rejected int
	Returned int
	InDoubt  int
	// Unmatched counts lines of the answer about phone numbers that are not in the batch.
	Unmatched int
	// Wakeups ask for a trigger each.
	Wakeups []Wakeup
}

// Observed is what Observe made of the observations.
type Observed struct {
	// Changed counts recipients whose status moved, Settled those that settled by it.
	Changed, Settled int
	// Open counts the members that are still open.
	Open int
	// Overpaid counts second effects found by this call.
	Overpaid int
	// Unmatched counts lines about phone numbers that are not in the batch, Unrecognised those whose
	// code is not known, OtherAmounts those that name another amount than was sent.
	Unmatched, Unrecognised, OtherAmounts int
	// Next is when the batch is asked about again; zero when it is not.
	Next time.Duration
}

// Poll is one status query to be made, handed out once.
type Poll struct {
	Batch    string
	Provider string
	// Number counts the queries of this batch; it makes the task id unique.
	Number int
	// Recipients are in the batch, and Open of them are not settled.
	Recipients, Open int
	// Attempt counts its sendings, and Since is when the first of them began.
	Attempt int
	Since   time.Time
	// Due is when it is to be made; zero for one that was handed out.
	Due time.Time
}

// NextStep is what follows for a batch that had no effect, or that its provider does not know.
type NextStep string

// The next steps.
const (
	// KeepAsking: the settle delay has not passed; ask again.
	KeepAsking NextStep = "ask"
	// Resend: the batch is ready to be sent again with the same reference and bytes.
	Resend NextStep = "resend"
	// Halved: the refused batch was split into two child batches.
	Halved NextStep = "halved"
	// Rejected: the provider refused the one recipient, and has accepted others since it first did.
	Rejected NextStep = "rejected"
	// PutAside: the provider refused the one recipient and has accepted nobody since: it is sent again
	// behind the next acceptance, under the same reference where the provider does not know that.
	// The third one in a row pauses the channel.
	PutAside NextStep = "put_aside"
	// Requeued: the batch went back, because it may have been sent before.
	Requeued NextStep = "requeued"
)

// Totals counts recipients and money of one status, per currency in minor units.
type Totals struct {
	Recipients int64
	Amounts    map[airtime.Currency]int64
}

// Summary is what status shows: where the recipients of a disbursal, import or campaign stand.
type Summary struct {
	// Reference is the name as it is shown, Name as the methods of Store take it.
	Reference  string
	Name       string
	Kind       Kind
	Recipients int64
	Settled    bool
	Statuses   map[airtime.Status]Totals
	// Discounts are what the providers took off for those who are successful or unconfirmed, per
	// currency, in units of airtime.DiscountScale.
	Discounts map[airtime.Currency]int64
	// Overdue counts open recipients that are overdue.
	Overdue int64
	// Cancelled says that a cancel mark stands.
	Cancelled bool
}

// Kind tells names apart: a disbursal's reference, an import's, a campaign's.
type Kind string

// The kinds.
const (
	KindDisbursal Kind = "disbursal"
	KindImport    Kind = "import"
	KindCampaign  Kind = "campaign"
)

// Row is one recipient in a report.
type Row struct {
	// Reference is its disbursal's, as it is shown; Campaign as the producer says it.
	Reference string
	Campaign  string
	Phone     airtime.MSISDN
	Amount    airtime.Money
	// ID is the producer's own name of the recipient; empty for none.
	ID                string
	Provider          string
	Status            airtime.Status
	Reason            airtime.Reason
	ProviderReference string
	Batch             string
	// Attempt is the last sending of the batch of a recipient in doubt; zero for the others.
	Attempt int
	Message string
	// Hold is why a held recipient is, and ReleaseAt when it is released by itself; zero when only a
	// person does that, and for the others.
	Hold      Hold
	ReleaseAt time.Time
	// Discount is what the provider took off, a decimal; empty where it said nothing.
	Discount string
	// At is when it came to stand where it does, Accepted when it was accepted.
	At       time.Time
	Accepted time.Time
	// History lists the providers that the recipient went to before, oldest first.
	History []PastRefusal
	// called is when the callback came that brought it there; zero if none did.
	called time.Time
	// name is its disbursal's in the state, and position the recipient's index there, sorted by
	// phone number.
	name     string
	position int
}

// PastRefusal is why a recipient went on from one provider to the next.
type PastRefusal struct {
	At       time.Time
	Provider string
	// Batch is empty when the recipient was still queued there.
	Batch   string
	Reason  airtime.Reason
	Message string
}
