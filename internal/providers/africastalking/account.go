package africastalking

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/url"

	"tuma/internal/airtime"
	"tuma/internal/providers"
)

const pathUser = "/version1/user"

var _ providers.AccountChecker = (*AfricasTalking)(nil)

// userAnswer is the answer to a question about our own account.
type userAnswer struct {
	Data struct {
		Balance providers.Scalar `json:"balance"`
	} `json:"UserData"`
}

// CheckAccount asks for our balance; one in a currency that is never sent is left out. A
// *QueryError is returned when the answer shows none.
func (a *AfricasTalking) CheckAccount(ctx context.Context) (providers.Account, error) {
	fail := func(reason airtime.Reason, err error) (providers.Account, error) {
		return providers.Account{}, &providers.QueryError{
			Reason: reason, Err: fmt.Errorf("africastalking account: %w", err),
		}
	}
	key, err := a.key()
	if err != nil {
		return fail(airtime.ReasonCredentials, err)
	}
	target, err := providers.ParseBase(a.o.BaseURL + pathUser)
	if err != nil {
		return fail(airtime.ReasonAccountFault, a.badBase(err))
	}
	target.RawQuery = "username=" + url.QueryEscape(a.o.Username)
	request := (&http.Request{
		Method: http.MethodGet, URL: target, Host: target.Host,
		Header: http.Header{"Accept": {"application/json"}},
	}).WithContext(ctx)
	request.Header.Set(headerKey, key)
	response, err := a.o.Client.Ask(ctx, request)
	if err != nil {
		return fail(providers.TransportReason(err), err)
	}
	if response.Status < 200 || response.Status > 299 {
		return fail(providers.StatusReason(response.Status), fmt.Errorf("HTTP %d", response.Status))
	}
	var answer userAnswer
	err = providers.DecodeObject(response.Body, &answer)
	text := answer.Data.Balance.Trimmed()
	if err != nil || text == "" {
		return fail(airtime.ReasonUnreadable, errors.New("HTTP 2xx without a balance"))
	}
	account := providers.Account{At: response.At()}
	if balance, err := providers.ReadMoney(text, ""); err == nil {
		account.Balance = balance
	}
	return account, nil
}
