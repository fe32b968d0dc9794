// Package sozuri is the adapter for Sozuri. An answer has one line per recipient, errors come in
// two envelopes, and the status of an accepted recipient comes once, by a callback that is never
// repeated; there is no status query.
package sozuri

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"strings"
	"time"

	"tuma/internal/airtime"
	"tuma/internal/providers"
)

const (
	name          = "sozuri"
	maxRecipients = 1000
	pathSend      = "/api/v1/airtime/topup"
)

// Options are what an adapter needs; all but Called are required.
type Options struct {
	// BaseURL is scheme, host and port.
	BaseURL string
	// Project is the name of the project that owns the key, as Sozuri shows it.
	Project string
	// APIKey is asked at every Prepare: a mounted secret may change.
	APIKey func() string
	Client *providers.Client
	// Called is how messages call a setting; nil is as the variable.
	Called func(key string) string
}

// Sozuri submits batches and reads callbacks. It may be used by many goroutines.
type Sozuri struct{ o Options }

var (
	_ providers.Provider       = (*Sozuri)(nil)
	_ providers.CallbackReader = (*Sozuri)(nil)
)

// New returns the adapter. Nothing is asked of the provider before the first Send.
func New(o Options) *Sozuri {
	o.BaseURL = strings.TrimRight(o.BaseURL, "/")
	o.Called = providers.CalledAs(o.Called, name)
	return &Sozuri{o}
}

// Capabilities is Sozuri's row of the catalog. A callback that got lost never comes again, so
// people are told after three days.
func Capabilities() providers.Capabilities {
	return providers.Capabilities{
		Name: name, Code: 'S', MaxRecipients: maxRecipients,
		Limits: map[airtime.Currency]providers.Limit{
			"KES": {Min: 10_00, Max: 5_000_00},
		},
		Networks: []airtime.Network{airtime.Safaricom, airtime.Airtel, airtime.Telkom},
		Accepted: airtime.Submitted, Asks: providers.AskNothing, Callbacks: true,
		RampsUp: true, OverdueAfter: 72 * time.Hour,
	}
}

// String names the provider; it holds no credential.
func (s *Sozuri) String() string { return name }

// GoString names the provider; it holds no credential.
func (s *Sozuri) GoString() string { return name }

// Prepare encodes the batch. A *PrepareError is returned when the batch is not one that Sozuri can
// be sent, or when the key cannot be a header.
func (s *Sozuri) Prepare(
	_ context.Context, batch providers.Batch,
) (*providers.Submission, error) {
	if s.o.Project == "" {
		return nil, &providers.PrepareError{
			Reason: airtime.ReasonAccountFault, Err: errors.New(s.o.Called(keyProject) + ": missing"),
		}
	}
	if err := check(batch); err != nil {
		return nil, &providers.PrepareError{Reason: airtime.ReasonBatchRefused, Err: err}
	}
	key := s.o.APIKey()
	if !providers.HeaderSafe(key) {
		return nil, &providers.PrepareError{
			Reason: airtime.ReasonCredentials,
			Err:    errors.New(s.o.Called(keyAPIKey) + ": want printable ASCII without spaces"),
		}
	}
	header := http.Header{
		"Content-Type": {"application/x-www-form-urlencoded"}, "Accept": {"application/json"},
		"Authorization": {"Bearer " + key},
	}
	alone := len(batch.Recipients) == 1
	read := func(r providers.Response) (providers.Answer, bool) { return read(r, alone, key) }
	body := appendSend(s.o.Project, batch)
	submission, err := s.o.Client.NewSubmission(s.o.BaseURL+pathSend, header, body, read)
	if err != nil {
		return nil, &providers.PrepareError{
			Reason: airtime.ReasonAccountFault,
			Err:    fmt.Errorf("%s: %w", s.o.Called(providers.KeyBaseURL), err),
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
		return fmt.Errorf("batch: %d recipients; Sozuri takes 1 to %d", n, maxRecipients)
	}
	seen := make(map[airtime.MSISDN]struct{}, len(batch.Recipients))
	for i, r := range batch.Recipients {
		_, repeated := seen[r.Phone]
		switch {
		case r.Phone.IsZero():
			return fmt.Errorf("recipients[%d].phone_number: missing", i)
		case repeated: // Sozuri pays each line, the same number twice as well.
			return fmt.Errorf("recipients[%d].phone_number: twice in one batch", i)
		case r.Amount.Currency != "KES":
			return fmt.Errorf("recipients[%d].currency: Sozuri takes KES only", i)
		case r.Amount.Minor <= 0:
			return fmt.Errorf("recipients[%d].amount: not above zero", i)
		}
		seen[r.Phone] = struct{}{}
	}
	return nil
}

// appendSend writes the form of a batch, its fields in the order of the documentation. It is
// written by hand because the same batch must give the same bytes for ever, whatever a library does
// with a map or a struct.
func appendSend(project string, batch providers.Batch) []byte {
	const perRecipient = len(`{"number":"+254711000000","amount":"KES 5000.00"},`)
	list := make([]byte, 0, 2+perRecipient*len(batch.Recipients))
	list = append(list, '[')
	for i, r := range batch.Recipients {
		if i > 0 {
			list = append(list, ',')
		}
		list = append(append(list, `{"number":"+`...), r.Phone.Digits()...)
		list = append(append(list, `","amount":"KES `...), r.Amount.Short()...)
		list = append(list, `"}`...)
	}
	list = append(list, ']')
	return []byte("project=" + url.QueryEscape(project) +
		"&recipients=" + url.QueryEscape(string(list)))
}
