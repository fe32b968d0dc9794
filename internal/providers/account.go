package providers

import (
	"context"
	"net/http"
	"time"

	"tuma/internal/airtime"
)

// AccountChecker is implemented by providers that can be asked, without a payment, whether they
// know our credentials.
type AccountChecker interface {
	// CheckAccount asks once. A *QueryError is returned when the provider did not say yes; its
	// reason is airtime.ReasonCredentials when it said no.
	CheckAccount(ctx context.Context) (Account, error)
}

// Account is what a provider says of our account there.
type Account struct {
	// Balance is what is left to spend; its currency is empty when the provider does not say.
	Balance airtime.Money
	// At is the provider's clock, in whole seconds; zero when the answer does not show it.
	At time.Time
}

// At is the clock of whoever answered, in whole seconds; zero when the answer does not show it.
func (r Response) At() time.Time {
	at, err := http.ParseTime(r.Header.Get("Date"))
	if err != nil {
		return time.Time{}
	}
	return at
}
