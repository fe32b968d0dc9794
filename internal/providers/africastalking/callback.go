package africastalking

import (
	"errors"
	"fmt"
	"strings"

	"tuma/internal/airtime"
	"tuma/internal/providers"
)

// ReadCallback reads a report about one recipient. Only requestId and status are needed: the first
// version of these reports had no more. An error that names the field is returned when one of them
// is missing or any cannot be read.
func (a *AfricasTalking) ReadCallback(
	mediaType string, body []byte,
) (providers.Callback, error) {
	f, err := providers.ReadFields(mediaType, body)
	if err != nil {
		return providers.Callback{}, err
	}
	var callback providers.Callback
	if callback.ProviderReference, err = readID(f, "requestId"); err != nil {
		return providers.Callback{}, err
	}
	if f.Get("status") == "" {
		return providers.Callback{}, errors.New("status: missing")
	}
	if f.Get("phoneNumber") != "" {
		if callback.Phone, err = readPhone(f); err != nil {
			return providers.Callback{}, err
		}
	}
	// The value only confirms what the id says: one that cannot be read costs nothing else.
	callback.Sums = readSums(f["value"], f["discount"], callback.Phone)
	if callback.OddAmount {
		callback.Unread = "value: no amount"
	}
	key := a.o.APIKey()
	callback.Status, callback.Code = statusOf(f["status"], key)
	callback.Message = providers.Clean(f.Get("description"), key)
	if callback.Message == "" && callback.Status == airtime.Jammed {
		callback.Message = providers.Clean(f.Get("status"), key)
	}
	return callback, nil
}

// ReadValidation reads the question whether a payment is ours. Its transactionId is not the
// requestId of a recipient. An error that names the field is returned when one of transactionId,
// phoneNumber, currencyCode and amount is missing or cannot be read.
func (a *AfricasTalking) ReadValidation(
	mediaType string, body []byte,
) (providers.Validation, error) {
	f, err := providers.ReadFields(mediaType, body)
	if err != nil {
		return providers.Validation{}, err
	}
	var validation providers.Validation
	if validation.ID, err = readID(f, "transactionId"); err != nil {
		return providers.Validation{}, err
	}
	if validation.Phone, err = readPhone(f); err != nil {
		return providers.Validation{}, err
	}
	currency := airtime.Currency(f.Get("currencyCode"))
	if !currency.Known() {
		return providers.Validation{}, errors.New("currencyCode: missing, or not known")
	}
	validation.Amount, err = providers.ReadMoney(f.Get("amount"), currency)
	switch {
	case err != nil:
		return providers.Validation{}, fmt.Errorf("amount: %w", err)
	case validation.Amount.Minor == 0:
		return providers.Validation{}, errors.New("amount: not above zero")
	case validation.Amount.Currency != currency:
		return providers.Validation{}, errors.New("amount: in another currency than currencyCode")
	}
	return validation, nil
}

// readID reads a field that must hold an id.
func readID(f providers.Fields, name string) (string, error) {
	id, err := f.ID(name)
	if err == nil && id == "" {
		err = fmt.Errorf("%s: missing", name)
	}
	return id, err
}

func readPhone(f providers.Fields) (airtime.MSISDN, error) {
	phone, ok := providers.ReadPhone(f.Get("phoneNumber"))
	if !ok {
		return airtime.MSISDN{}, errors.New("phoneNumber: missing, or no phone number")
	}
	return phone, nil
}

// readSums reads what is said of a recipient's money. Where the number is not said, its currency is
// the one that stands there.
func readSums(amount, discount providers.Scalar, phone airtime.MSISDN) providers.Sums {
	currency := airtime.CurrencyOf(phone)
	for _, text := range []providers.Scalar{amount, discount} {
		code, _, spaced := strings.Cut(text.Trimmed(), " ")
		if currency == "" && spaced {
			currency = airtime.Currency(code)
		}
	}
	return providers.ReadSums(amount, discount, currency)
}
