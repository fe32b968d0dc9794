package lipad

import (
	"errors"

	"tuma/internal/airtime"
	"tuma/internal/providers"
)

var _ providers.CallbackReader = (*Lipad)(nil)

// maxBatchID bounds external_reference, in bytes: ours are UUIDs.
const maxBatchID = 64

// ReadCallback reads a report about one recipient: the object that a status query has in its list.
// An error that names the field is returned when external_reference, phone_number or service_status
// is missing, or when any cannot be read.
func (l *Lipad) ReadCallback(mediaType string, body []byte) (providers.Callback, error) {
	f, err := providers.ReadFields(mediaType, body)
	if err != nil {
		return providers.Callback{}, err
	}
	secret := l.o.ConsumerSecret()
	callback := providers.Callback{
		BatchID: f.Get("external_reference"),
		RecipientStatus: providers.RecipientStatus{
			ProviderReference: oneID(f["provider_reference"], f["correlation_id"]),
			Message:           providers.Clean(f.Get("message"), secret),
		},
	}
	if callback.BatchID == "" || len(callback.BatchID) > maxBatchID {
		return callback, errors.New("external_reference: missing, or not one of ours")
	}
	var read bool
	if callback.Phone, read = providers.ReadPhone(f.Get("phone_number")); !read {
		return callback, errors.New("phone_number: missing, or no phone number")
	}
	callback.Sums = providers.ReadSums(f["amount"], f["discount"], currency)
	code := f.Get("service_status")
	if code == "" {
		return callback, errors.New("service_status: missing")
	}
	callback.Status = statuses[code]
	if callback.Status == 0 {
		callback.Code = airtime.Line(providers.Clean(code, secret), maxCode)
	}
	return callback, nil
}
