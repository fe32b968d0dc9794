package lipad

import (
	"context"
	"errors"

	"tuma/internal/airtime"
	"tuma/internal/providers"
)

var _ providers.AccountChecker = (*Lipad)(nil)

// CheckAccount asks for a fresh access token: Lipad documents no balance. A *QueryError is returned
// when there is none.
func (l *Lipad) CheckAccount(ctx context.Context) (providers.Account, error) {
	fresh, err := l.tokens.fetch(ctx)
	if err == nil {
		return providers.Account{At: fresh.issued}, nil
	}
	refused := &providers.QueryError{Reason: airtime.ReasonUnreadable, Err: err}
	if cause := (*providers.PrepareError)(nil); errors.As(err, &cause) {
		refused = &providers.QueryError{
			Reason: cause.Reason, RetryAfter: cause.RetryAfter, Err: cause.Err,
		}
	}
	return providers.Account{}, refused
}
