package client

import "time"

// Job is a disbursal: airtime for 1 to 1,000 recipients.
type Job struct {
	// Reference is your name for it, 1 to 128 printable ASCII characters without spaces: the same
	// reference is the same disbursal.
	Reference  string         `json:"reference"`
	Recipients []JobRecipient `json:"recipients"`
	// Currency is KES if it is empty. Routing chooses where Provider is. Campaign is a label.
	Currency string `json:"currency,omitempty"`
	Provider string `json:"provider,omitempty"`
	Campaign string `json:"campaign,omitempty"`
	// NotBefore is when it may be sent, RFC 3339 with a zone, at most 366 days ahead; empty for at
	// once.
	NotBefore string `json:"not_before,omitempty"`
	// Priority is high to go before others, normal not to; empty leaves it to the routing rules.
	Priority string `json:"priority,omitempty"`
}

// JobRecipient is one phone number, and a decimal amount such as "10.50".
type JobRecipient struct {
	PhoneNumber string `json:"phone_number"`
	Amount      string `json:"amount"`
	// ID is your name for the recipient, if you have one: unique in the job, and part of it.
	ID string `json:"id,omitempty"`
}

// Held is the answer to a job that the inlet holds, or would hold.
type Held struct {
	Reference string `json:"reference"`
	Status    string `json:"status"`
	// DryRun is true in the answer of Try, and Waiting those who would not be sent at once.
	DryRun  bool      `json:"dry_run,omitempty"`
	Waiting []Waiting `json:"held,omitempty"`
	// Short are the providers that need more for the job than is left there.
	Short []Shortage `json:"short,omitempty"`
}

// Shortage says how much a provider needs for a job, and how much is left there, as far as that is
// known: decimals in the currency.
type Shortage struct {
	Provider string `json:"provider"`
	Currency string `json:"currency"`
	Needed   string `json:"needed"`
	Left     string `json:"left"`
}

// Waiting are recipients that would be held for one reason: approval, schedule, duplicate, velocity
// or budget; Rule is the approval's or the guard's name.
type Waiting struct {
	Reason     string            `json:"reason"`
	Rule       string            `json:"rule"`
	Recipients int64             `json:"recipients"`
	Amounts    map[string]string `json:"amounts"`
}

// Summary is where a disbursal stands.
type Summary struct {
	Reference  string `json:"reference"`
	Recipients int64  `json:"recipients"`
	// Settled is true when nothing more is expected; corrections may come.
	Settled bool `json:"settled"`
	// Statuses are those that any recipients have.
	Statuses map[string]Totals `json:"statuses"`
	// Discounts are per currency, nil where no provider gave any.
	Discounts map[string]string `json:"discounts,omitempty"`
}

// Totals count the recipients in a status, and their money per currency.
type Totals struct {
	Recipients int64             `json:"recipients"`
	Amounts    map[string]string `json:"amounts,omitempty"`
}

// Status is a Summary with every recipient.
type Status struct {
	Summary
	List []Recipient `json:"recipients_list"`
}

// Recipient is where one recipient stands.
type Recipient struct {
	Reference         string    `json:"reference"`
	Campaign          string    `json:"campaign"`
	PhoneNumber       string    `json:"phone_number"`
	Amount            string    `json:"amount"`
	Currency          string    `json:"currency"`
	Provider          string    `json:"provider"`
	Status            string    `json:"status"`
	Reason            string    `json:"reason"`
	ProviderReference string    `json:"provider_reference"`
	Batch             string    `json:"batch"`
	Message           string    `json:"message"`
	At                time.Time `json:"at"`
	ID                string    `json:"id"`
	Discount          string    `json:"discount"`
	// ReleaseAt is when a hold ends by the clock, in RFC 3339; empty where there is none.
	ReleaseAt string `json:"release_at"`
	// History are the providers that refused it before.
	History []Refusal `json:"history,omitempty"`
}

// Refusal is why a recipient went on from one provider to the next.
type Refusal struct {
	At       time.Time `json:"at"`
	Provider string    `json:"provider"`
	Batch    string    `json:"batch,omitempty"`
	Reason   string    `json:"reason"`
	Message  string    `json:"message,omitempty"`
}

// Cancelled counts the recipients that are cancelled, and those for whom it was too late.
type Cancelled struct {
	Cancelled int64 `json:"cancelled"`
	TooLate   int64 `json:"too_late"`
}

// Result is a recipient that settled, or changed after that.
type Result struct {
	ResultID          string `json:"result_id"`
	Reference         string `json:"reference"`
	PhoneNumber       string `json:"phone_number"`
	Amount            string `json:"amount"`
	Currency          string `json:"currency"`
	Provider          string `json:"provider"`
	Status            string `json:"status"`
	Reason            string `json:"reason"`
	ProviderReference string `json:"provider_reference"`
	Batch             string `json:"batch"`
	Message           string `json:"message"`
	Campaign          string `json:"campaign"`
	// Corrected is true when it had settled before: this result replaces the former.
	Corrected bool      `json:"corrected,string"`
	At        time.Time `json:"at"`
	ID        string    `json:"id"`
	Discount  string    `json:"discount"`
	// Producer is whose it is, where the inlet has no tokens.
	Producer string `json:"producer,omitempty"`
}

type listPage struct {
	Disbursals []Summary `json:"disbursals"`
	Next       string    `json:"next"`
}

type resultsPage struct {
	Results []Result `json:"results"`
	Next    string   `json:"next"`
}

type recipientsPage struct {
	Recipients []Recipient `json:"recipients"`
	Next       string      `json:"next"`
}
