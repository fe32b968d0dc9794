package api

import (
	"context"
	"errors"
	"net/http"
	"strings"

	"tuma/internal/state"
)

// disbursalsLimit is the most disbursals of one answer.
const disbursalsLimit = 100

// disbursalsView is the body of a page of disbursals.
type disbursalsView struct {
	Disbursals []any `json:"disbursals"`
	// Next is empty behind the last.
	Next string `json:"next"`
}

// listDisbursals answers with disbursals of the producer, newest first.
func (a *API) listDisbursals(r *request) answer {
	q, err := readQuery(r.URL.RawQuery, "campaign", "after", "limit")
	if err != nil {
		return failure(http.StatusBadRequest, err.Error())
	}
	limit, err := q.limit(disbursalsLimit)
	if err != nil {
		return failure(http.StatusBadRequest, err.Error())
	}
	if strings.ContainsFunc(q["campaign"], func(c rune) bool { return c < ' ' }) {
		// It could be the name in the state of another's.
		return failure(http.StatusBadRequest, "campaign: holds control characters")
	}
	ctx, cancel := context.WithTimeout(r.Context(), storeLimit)
	defer cancel()
	list, next, err := a.options.State.Disbursals(ctx, state.DisbursalsAsked{
		Producer: r.producer, Campaign: q["campaign"], After: q["after"], Limit: limit,
	})
	if errors.Is(err, state.ErrCursor) {
		return failure(http.StatusBadRequest, "after: "+err.Error())
	}
	if err != nil {
		return unavailable(err)
	}
	view := disbursalsView{Disbursals: []any{}, Next: next}
	for i := range list {
		if r.producer != "" {
			list[i].Reference = strings.TrimPrefix(list[i].Reference, r.producer+"/")
		}
		view.Disbursals = append(view.Disbursals, a.options.Summary(list[i]))
	}
	return answer{status: http.StatusOK, body: view}
}
