package sozuri

import (
	"errors"
	"strings"

	"tuma/internal/airtime"
	"tuma/internal/providers"
)

const (
	// delivery is the type of the callbacks that are about airtime.
	delivery = "airtimeDelivery"
	maxCode  = 16 // Bytes kept of a status word that we do not know.
)

// statuses maps the status of a callback to ours. A word that is not here is open, never failed or
// successful.
var statuses = map[string]airtime.Status{
	"success": airtime.Successful,
	"failed":  airtime.Failed,
}

// ReadCallback reads a report about one recipient. The same address may be sent reports about other
// products, whose ids are numbers like ours: a report counts as one about airtime when its type
// says so, or, without a type, when it has an amount. An error that names the field is returned
// when type, status or whom it is about (requestId, or number and amount) is missing, or when any
// field cannot be read.
func (s *Sozuri) ReadCallback(mediaType string, body []byte) (providers.Callback, error) {
	f, err := providers.ReadFields(mediaType, body)
	if err != nil {
		return providers.Callback{}, err
	}
	switch kind := f.Get("type"); {
	case kind == "" && f.Get("amount") == "":
		return providers.Callback{}, errors.New("type: missing")
	case kind != "" && !strings.EqualFold(kind, delivery):
		return providers.Callback{}, providers.ErrNotAirtime
	}
	callback, err := whom(f)
	if err != nil {
		return providers.Callback{}, err
	}
	word := strings.ToLower(f.Get("status"))
	if word == "" {
		return providers.Callback{}, errors.New("status: missing")
	}
	callback.AuthKey = f.Get("authKey")
	secrets := []string{s.o.APIKey(), callback.AuthKey}
	callback.Message = providers.Clean(f.Get("description"), secrets...)
	callback.Status = statuses[word]
	if callback.Status == 0 {
		callback.Code = airtime.Line(providers.Clean(f.Get("status"), secrets...), maxCode)
	}
	return callback, nil
}

// whom reads which recipient a callback is about. The amount may differ from the one that was asked
// for under the same id; what that means is not decided here.
func whom(f providers.Fields) (callback providers.Callback, err error) {
	if callback.ProviderReference, err = f.ID("requestId"); err != nil {
		return callback, err
	}
	number := f.Get("number")
	if number != "" {
		phone, ok := providers.ReadPhone(number)
		if !ok {
			return callback, errors.New("number: no phone number")
		}
		callback.Phone = phone
	}
	callback.Sums = providers.ReadSums(f["amount"], f["discount"], "KES")
	if callback.OddAmount {
		if callback.ProviderReference == "" {
			return callback, errors.New("amount: no amount")
		}
		callback.Unread = "amount: no amount" // The id says enough.
	}
	if callback.ProviderReference == "" && (number == "" || callback.Amount.Minor == 0) {
		return callback, errors.New("requestId: missing, and number and amount do not stand for it")
	}
	return callback, nil
}
