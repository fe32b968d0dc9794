// Package quicksms is the adapter for QuickSMS (Advanta Africa and its resellers). An answer has
// one line per recipient, only a line of code 201 with a request_id is an acceptance, and there is
// neither a status query nor a callback.
package quicksms

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"strings"

	"tuma/internal/airtime"
	"tuma/internal/providers"
)

const (
	name          = "quicksms"
	maxRecipients = 1000
	pathSend      = "/api/v3/airtime/send"
	headerKey     = "App-Key"
	headerToken   = "App-Token"
	minorPerUnit  = 100 // Cents of a shilling.
)

// Options are what an adapter needs; all but Called are required.
type Options struct {
	// BaseURL is scheme, host and port.
	BaseURL string
	// AppKey and AppToken are asked at every Prepare: a mounted secret may change, and a token that
	// was generated anew ends the old one at once.
	AppKey   func() string
	AppToken func() string
	Client   *providers.Client
	// Called is how messages call a setting; nil is as the variable.
	Called func(key string) string
	// DoubtRefusals takes a request that QuickSMS refused as a whole for one that may have had an
	// effect: its page does not say that nobody was paid before.
	DoubtRefusals bool
}

// QuickSMS submits batches. It may be used by many goroutines.
type QuickSMS struct{ o Options }

var _ providers.Provider = (*QuickSMS)(nil)

// New returns the adapter. Nothing is asked of the provider before the first Send.
func New(o Options) *QuickSMS {
	o.BaseURL = strings.TrimRight(o.BaseURL, "/")
	o.Called = providers.CalledAs(o.Called, name)
	return &QuickSMS{o}
}

// Capabilities is QuickSMS's row of the catalog. Acceptance is the last word that its API has, so
// it settles a recipient as unconfirmed. Whether decimals are taken is not documented: they are not
// sent.
func Capabilities() providers.Capabilities {
	return providers.Capabilities{
		Name: name, Code: 'Q', MaxRecipients: maxRecipients,
		Limits: map[airtime.Currency]providers.Limit{
			"KES": {Min: 10_00, Max: 10_000_00},
		},
		WholeUnits: true, Accepted: airtime.Unconfirmed, Asks: providers.AskNothing,
		RampsUp: true,
	}
}

// String names the provider; it holds no credential.
func (q *QuickSMS) String() string { return name }

// GoString names the provider; it holds no credential.
func (q *QuickSMS) GoString() string { return name }

// Prepare encodes the batch. A *PrepareError is returned when the batch is not one that QuickSMS
// can be sent, or when the credentials cannot be headers.
func (q *QuickSMS) Prepare(
	_ context.Context, batch providers.Batch,
) (*providers.Submission, error) {
	if err := check(batch); err != nil {
		return nil, &providers.PrepareError{Reason: airtime.ReasonBatchRefused, Err: err}
	}
	key, token := q.o.AppKey(), q.o.AppToken()
	for setting, value := range map[string]string{
		keyAppKey: key, keyAppToken: token,
	} {
		if !providers.HeaderSafe(value) {
			return nil, &providers.PrepareError{
				Reason: airtime.ReasonCredentials,
				Err:    fmt.Errorf("%s: want printable ASCII without spaces", q.o.Called(setting)),
			}
		}
	}
	header := http.Header{
		"Content-Type": {"application/json"}, "Accept": {"application/json"},
		headerKey: {key}, headerToken: {token},
	}
	read := func(r providers.Response) (providers.Answer, bool) {
		answer, ok := read(r, key, token)
		if q.o.DoubtRefusals && answer.Reason == airtime.ReasonBatchRefused {
			answer.Verdict = airtime.Unknown
		}
		return answer, ok
	}
	submission, err := q.o.Client.NewSubmission(q.o.BaseURL+pathSend, header, appendSend(batch), read)
	if err != nil {
		return nil, &providers.PrepareError{
			Reason: airtime.ReasonAccountFault,
			Err:    fmt.Errorf("%s: %w", q.o.Called(providers.KeyBaseURL), err),
		}
	}
	return submission, nil
}

// check refuses what must not reach the wire: the callers have checked it before, and money is
// worth a second look.
func check(batch providers.Batch) error {
	if batch.ID == "" {
		return errors.New("batch: the id is empty")
	}
	if n := len(batch.Recipients); n < 1 || n > maxRecipients {
		return fmt.Errorf("batch: %d recipients; QuickSMS takes 1 to %d", n, maxRecipients)
	}
	seen := make(map[airtime.MSISDN]struct{}, len(batch.Recipients))
	for i, r := range batch.Recipients {
		_, repeated := seen[r.Phone]
		switch {
		case r.Phone.IsZero():
			return fmt.Errorf("recipients[%d].phone_number: missing", i)
		case repeated:
			return fmt.Errorf("recipients[%d].phone_number: twice in one batch", i)
		case r.Amount.Currency != "KES":
			return fmt.Errorf("recipients[%d].currency: QuickSMS takes KES only", i)
		case r.Amount.Minor <= 0:
			return fmt.Errorf("recipients[%d].amount: not above zero", i)
		case r.Amount.Minor%minorPerUnit != 0:
			return fmt.Errorf("recipients[%d].amount: QuickSMS takes whole shillings only", i)
		}
		seen[r.Phone] = struct{}{}
	}
	return nil
}

// appendSend writes the request of a batch. It is written by hand because the same batch must give
// the same bytes for ever, whatever a library does with a struct.
func appendSend(batch providers.Batch) []byte {
	const perRecipient = len(`{"recipient":"254711000000","amount":10000},`)
	body := make([]byte, 0, 32+perRecipient*len(batch.Recipients))
	body = append(body, `{"recipients":[`...)
	for i, r := range batch.Recipients {
		if i > 0 {
			body = append(body, ',')
		}
		body = append(append(body, `{"recipient":"`...), r.Phone.Digits()...)
		body = append(append(body, `","amount":`...), r.Amount.Short()...)
		body = append(body, '}')
	}
	return append(body, `]}`...)
}
