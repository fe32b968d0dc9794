package api

import (
	"context"
	"errors"
	"net/http"
	"strings"

	"tuma/internal/airtime"
	"tuma/internal/state"
)

// recipientsLimit is the most recipients of one answer.
const recipientsLimit = 100

// recipientsView is the body of a page of recipients.
type recipientsView struct {
	Recipients []any `json:"recipients"`
	// Next is empty behind the last.
	Next string `json:"next"`
}

// findRecipients answers with recipients of the producer that have a phone number, an id of the
// producer's or a provider's reference, newest first.
func (a *API) findRecipients(r *request) answer {
	q, err := readQuery(r.URL.RawQuery, "phone", "id", "provider_reference", "after", "limit")
	if err != nil {
		return failure(http.StatusBadRequest, err.Error())
	}
	search, err := q.search()
	if err != nil {
		return failure(http.StatusBadRequest, err.Error())
	}
	search.Producer, search.After = r.producer, q["after"]
	if search.Limit, err = q.limit(recipientsLimit); err != nil {
		return failure(http.StatusBadRequest, err.Error())
	}
	ctx, cancel := context.WithTimeout(r.Context(), storeLimit)
	defer cancel()
	rows, next, err := a.options.State.Find(ctx, search)
	if errors.Is(err, state.ErrCursor) {
		return failure(http.StatusBadRequest, "after: "+err.Error())
	}
	if err != nil {
		return unavailable(err)
	}
	view := recipientsView{Recipients: []any{}, Next: next}
	for _, row := range rows {
		if r.producer != "" {
			row.Reference = strings.TrimPrefix(row.Reference, r.producer+"/")
		}
		view.Recipients = append(view.Recipients, a.options.Recipient(row))
	}
	return answer{status: http.StatusOK, body: view}
}

// search is what exactly one of the parameters asks for.
func (q query) search() (s state.Search, err error) {
	s = state.Search{ID: q["id"], ProviderReference: q["provider_reference"]}
	given := 0
	for _, name := range []string{"phone", "id", "provider_reference"} {
		if q[name] != "" {
			given++
		}
	}
	if given != 1 {
		return s, errors.New("give exactly one of phone, id and provider_reference")
	}
	if q["phone"] != "" {
		if s.Phone, err = airtime.ParseMSISDN(q["phone"]); err != nil {
			return s, errors.New("phone: is no phone number: 07…, 01…, 254…, +254…, or E.164")
		}
	}
	return s, nil
}
