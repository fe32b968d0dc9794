// Package africastalking is the adapter for Africa's Talking. Errors arrive with HTTP 201, "None"
// means no error and no id, lines come in any order, and the status of a recipient is asked for by
// the id that the provider gave it.
package africastalking

import (
	"context"
	"errors"
	"fmt"
	"mime"
	"net/http"
	"strings"
	"time"

	"tuma/internal/airtime"
	"tuma/internal/providers"
)

const (
	name = "africastalking"
	// maxRecipients is ours: Africa's Talking publishes no limit, and the others take as many.
	maxRecipients = 1000

	pathSend          = "/version1/airtime/send"
	pathFind          = "/query/transaction/find"
	headerKey         = "apiKey"
	headerIdempotency = "Idempotency-Key"
)

// Options are what an adapter needs; all but Called are required.
type Options struct {
	// BaseURL is scheme, host and port.
	BaseURL string
	// Username is the name of our application there; "sandbox" at the sandbox's host.
	Username string
	// APIKey is asked at every request: a mounted secret may change.
	APIKey func() string
	Client *providers.Client
	// Called is how messages call a setting; nil is as the variable.
	Called func(key string) string
}

// AfricasTalking submits batches, asks about recipients, and reads what the provider reports to us
// and asks of us. It may be used by many goroutines.
type AfricasTalking struct{ o Options }

var (
	_ providers.Provider         = (*AfricasTalking)(nil)
	_ providers.Querier          = (*AfricasTalking)(nil)
	_ providers.CallbackReader   = (*AfricasTalking)(nil)
	_ providers.ValidationReader = (*AfricasTalking)(nil)
)

// New returns the adapter. Nothing is asked of the provider before the first Send or Query.
func New(o Options) *AfricasTalking {
	o.BaseURL = strings.TrimRight(o.BaseURL, "/")
	o.Called = providers.CalledAs(o.Called, name)
	return &AfricasTalking{o}
}

// Capabilities is the provider's row of the catalog. The limits of KES are documented. Of the other
// currencies the minimum is known from the provider's own lists, and a maximum only for NGN: the
// rest are roughly what the Kenyan one is worth, rounded down, to guard against a slipped decimal
// point. The caller may set others.
func Capabilities() providers.Capabilities {
	return providers.Capabilities{
		Name: name, Code: 'A', MaxRecipients: maxRecipients,
		Limits: map[airtime.Currency]providers.Limit{
			"KES": {Min: 10_00, Max: 10_000_00},
			"ETB": {Min: 5_00, Max: 5_000_00},
			"GHS": {Min: 1_00, Max: 500_00},
			"MWK": {Min: 300_00, Max: 100_000_00},
			"NGN": {Min: 50_00, Max: 20_000_00},
			"RWF": {Min: 100, Max: 100_000},
			"TZS": {Min: 500_00, Max: 150_000_00},
			"UGX": {Min: 50, Max: 250_000},
			"XOF": {Min: 100, Max: 40_000},
			"ZAR": {Min: 5_00, Max: 1_000_00},
			"ZMW": {Min: 5_00, Max: 1_500_00},
		},
		Accepted: airtime.Submitted, Asks: providers.AskByRecipient,
		// A repeated key is recognised for five minutes, and pays again after that.
		ResendWithin: 4 * time.Minute,
		Callbacks:    true, RampsUp: true, OverdueAfter: 24 * time.Hour, ShowsBalance: true,
	}
}

// String names the provider; it holds no credential.
func (a *AfricasTalking) String() string { return name }

// GoString names the provider; it holds no credential.
func (a *AfricasTalking) GoString() string { return name }

// Prepare encodes the batch. Its id is the Idempotency-Key: the provider refuses a repetition for
// some minutes. A *PrepareError is returned when the batch is not one that may be sent, or when
// there is no usable key.
func (a *AfricasTalking) Prepare(
	_ context.Context, batch providers.Batch,
) (*providers.Submission, error) {
	if err := check(batch); err != nil {
		return nil, &providers.PrepareError{Reason: airtime.ReasonBatchRefused, Err: err}
	}
	key, err := a.key()
	if err != nil {
		return nil, &providers.PrepareError{Reason: airtime.ReasonCredentials, Err: err}
	}
	header := http.Header{
		"Content-Type": {"application/x-www-form-urlencoded"}, "Accept": {"application/json"},
	}
	header.Set(headerKey, key)
	header.Set(headerIdempotency, batch.ID)
	read := func(r providers.Response) (providers.Answer, bool) { return readSend(key, r) }
	submission, err := a.o.Client.NewSubmission(
		a.o.BaseURL+pathSend, header, appendSend(a.o.Username, batch), read)
	if err != nil {
		return nil, &providers.PrepareError{
			Reason: airtime.ReasonAccountFault, Err: a.badBase(err),
		}
	}
	return submission, nil
}

// key returns the key of this moment. An error is returned when it cannot be sent.
func (a *AfricasTalking) key() (string, error) {
	key := a.o.APIKey()
	if !providers.HeaderSafe(key) {
		return "", errors.New(
			a.o.Called(keyAPIKey) + ": empty, or with characters that a header cannot hold")
	}
	return key, nil
}

// badBase says which setting is not an address.
func (a *AfricasTalking) badBase(err error) error {
	return fmt.Errorf("%s: %w", a.o.Called(providers.KeyBaseURL), err)
}

// check refuses what must not reach the wire: the callers have checked it before, and money is
// worth a second look. The provider itself does not compare a number's country with the currency.
func check(batch providers.Batch) error {
	if !providers.HeaderSafe(batch.ID) {
		return errors.New("batch: the id is empty, or cannot be an Idempotency-Key")
	}
	if n := len(batch.Recipients); n < 1 || n > maxRecipients {
		return fmt.Errorf("batch: %d recipients; Africa's Talking is sent 1 to %d",
			n, maxRecipients)
	}
	seen := make(map[airtime.MSISDN]struct{}, len(batch.Recipients))
	for i, r := range batch.Recipients {
		_, repeated := seen[r.Phone]
		switch {
		case r.Phone.IsZero():
			return fmt.Errorf("recipients[%d].phone_number: missing", i)
		case repeated:
			return fmt.Errorf("recipients[%d].phone_number: twice in one batch", i)
		case !r.Amount.Currency.UsedBy(r.Phone):
			return fmt.Errorf("recipients[%d].currency: not that of the number's country", i)
		case r.Amount.Minor <= 0:
			return fmt.Errorf("recipients[%d].amount: not above zero", i)
		}
		seen[r.Phone] = struct{}{}
	}
	return nil
}

// readSend reads the answer to a submission: with a success by the shape of the body, where most
// errors stand, and otherwise by the HTTP status unless the body contradicts it.
//
//	HTTP      body                                verdict
//	2xx       of the provider's shape             sendAnswer.read
//	400       plain text of its HTTP framework    unsent, the channel pauses: our request is wrong
//	401 … 429 shows that recipients were taken    unknown
//	any       anything else                       Classify
func readSend(key string, r providers.Response) (answer providers.Answer, ok bool) {
	body, shaped := decodeSend(r.Body)
	if r.Status >= 200 && r.Status <= 299 {
		if !shaped {
			return answer, false
		}
		return body.read(key, r), true
	}
	answer = providers.Classify(r.Outcome())
	switch {
	case shaped && answer.Verdict == airtime.Unsent && body.doubtful():
		answer.Verdict, answer.Reason = airtime.Unknown, airtime.ReasonUnreadable
		answer.Message = fmt.Sprintf("HTTP %d, yet the body speaks of a request taken", r.Status)
		return answer, true
	case r.Status == http.StatusBadRequest && fromFramework(r):
		return providers.Answer{
			Verdict: airtime.Unsent, Reason: airtime.ReasonAccountFault, Pause: airtime.ReasonAccountFault,
			Message: providers.Clean(string(r.Body), key),
		}, true
	}
	return answer, false
}

// frameworkFaults begin what the provider's HTTP framework says of a request that it kept back.
var frameworkFaults = []string{
	"request is missing required ", "the request content was malformed", "the form field ",
}

// fromFramework reports whether an answer comes from in front of the provider's business logic.
func fromFramework(r providers.Response) bool {
	kind, _, err := mime.ParseMediaType(r.Header.Get("Content-Type"))
	if err != nil || kind != "text/plain" {
		return false
	}
	said := strings.ToLower(strings.TrimSpace(string(r.Body)))
	for _, fault := range frameworkFaults {
		if strings.HasPrefix(said, fault) {
			return true
		}
	}
	return false
}
