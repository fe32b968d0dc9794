package api

import (
	"context"
	"net/http"
	"net/url"
	"regexp"
	"slices"
	"strings"

	"tuma/internal/intake"
	"tuma/internal/state"
)

// sendPath is where the airtime service takes its one command.
const sendPath = "/airtime/invoke-send-airtime"

// The parameters of the airtime service.
const (
	paramPhone    = "phone"
	paramAmount   = "amount"
	paramCurrency = "currency"
	paramKey      = "idempotencyKey"
)

var airtimeParams = []string{paramPhone, paramAmount, paramCurrency, paramKey}

// fieldParams says which parameter a field of the job came from.
var fieldParams = map[string]string{
	"recipients[0].phone_number": paramPhone,
	"recipients[0].amount":       paramAmount,
	"currency":                   paramCurrency,
	"reference":                  paramKey,
}

// plainNumber is how amounts are written.
var plainNumber = regexp.MustCompile(`^\d+(\.\d+)?$`)

func positive(amount string) bool {
	return plainNumber.MatchString(amount) && strings.ContainsAny(amount, "123456789")
}

// serviceView is the body of the airtime service's own status.
type serviceView struct {
	Service string `json:"service"`
	Status  string `json:"status"`
}

// airtimeView is the body of the answer to a command of the airtime service.
type airtimeView struct {
	Message  string          `json:"message"`
	Response airtimeResponse `json:"response"`
}

// airtimeResponse is what a command came to so far.
type airtimeResponse struct {
	Reference string `json:"reference"`
	// Phone is the number as it was given.
	Phone string `json:"phone"`
	// Status is left out where it is no longer kept, or cannot be read now.
	Status string `json:"status,omitempty"`
}

// getService says that the airtime service takes commands.
func (a *API) getService(r *request) answer {
	ctx, cancel := context.WithTimeout(r.Context(), storeLimit)
	defer cancel()
	if err := a.options.State.Ready(ctx); err != nil {
		return unavailable(err)
	}
	return answer{status: http.StatusOK, body: serviceView{"airtime", "ready"}}
}

// sendAirtime takes a command of the airtime service: a job of one recipient for its provider.
func (a *API) sendAirtime(r *request) answer {
	if err := r.ParseForm(); err != nil {
		return unreadable(err)
	}
	if problem := checkParams(r.Form); problem != "" {
		return failure(http.StatusBadRequest, problem)
	}
	disbursal, err := intake.Job{
		Reference: r.Form.Get(paramKey), Currency: r.Form.Get(paramCurrency),
		Provider: a.options.AirtimeProvider,
		Recipients: []intake.JobRecipient{
			{PhoneNumber: r.Form.Get(paramPhone), Amount: r.Form.Get(paramAmount)},
		},
	}.Disbursal(a.options.Rules)
	faults := faultsOf(err)
	if fault, long := lengthFault(r.producer, r.Form.Get(paramKey)); long {
		faults = append(withoutReference(faults), fault)
		faults = append(faults, disbursal.Objections...) // All are told at once.
	}
	if len(faults) > 0 {
		return failure(http.StatusBadRequest, paramFaults(faults))
	}
	held := a.hold(r, &disbursal)
	switch held.status {
	case http.StatusAccepted:
		return airtimeAnswer(r, "Airtime is queued", "queued")
	case http.StatusOK:
		return airtimeAnswer(r, "Airtime was requested before; nothing is sent twice",
			a.statusOf(r, state.Own(r.producer, disbursal.Reference)))
	case http.StatusUnprocessableEntity:
		return failure(http.StatusBadRequest, paramFaults(disbursal.Objections))
	}
	return held
}

// checkParams says what is wrong with the parameters by themselves, in the service's own words
// where it has them. A name that nobody knows may be a misspelt currency, so it is refused.
func checkParams(given url.Values) string {
	for name, values := range given {
		if !slices.Contains(airtimeParams, name) {
			return "Unknown query parameter; known: " + strings.Join(airtimeParams, ", ")
		}
		if len(values) > 1 {
			return "'" + name + "' is given twice"
		}
	}
	switch {
	case given.Get(paramPhone) == "":
		return "Missing 'phone' query parameter"
	case !positive(given.Get(paramAmount)):
		return "'amount' must be a positive number"
	case given.Get(paramKey) == "":
		return "Missing 'idempotencyKey' query parameter"
	}
	return ""
}

// paramFaults lists faults of the job under the names of the parameters.
func paramFaults(faults intake.Faults) string {
	named := make([]string, len(faults))
	for i, fault := range faults {
		named[i] = fault
		field, text, _ := strings.Cut(fault, ": ")
		if param, known := fieldParams[field]; known {
			named[i] = "'" + param + "': " + text
		}
	}
	return strings.Join(named, "; ")
}

// statusOf is where the one recipient of a disbursal stands, or nothing.
func (a *API) statusOf(r *request, kept string) (status string) {
	ctx, cancel := context.WithTimeout(r.Context(), storeLimit)
	defer cancel()
	err := a.options.State.Report(ctx, state.KindDisbursal, kept, func(row state.Row) error {
		status = row.Status.String()
		return nil
	})
	if err != nil {
		return ""
	}
	return status
}

func airtimeAnswer(r *request, message, status string) answer {
	return answer{status: http.StatusOK, body: airtimeView{message, airtimeResponse{
		Reference: r.Form.Get(paramKey), Phone: r.Form.Get(paramPhone), Status: status,
	}}}
}
