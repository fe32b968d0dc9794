package api

import (
	"context"
	"errors"
	"net/http"

	"go.uber.org/zap"

	"tuma/internal/intake"
	"tuma/internal/state"
)

// cancelView is the body of the answer to a cancel.
type cancelView struct {
	// Cancelled counts recipients that are cancelled now, also by an earlier cancel.
	Cancelled int64 `json:"cancelled"`
	// TooLate counts all others.
	TooLate int64 `json:"too_late"`
}

// cancelDisbursal withdraws what of a disbursal of the producer is not on the wire, for ever.
func (a *API) cancelDisbursal(r *request) answer {
	own := r.PathValue("reference")
	kept := state.Own(r.producer, own)
	if intake.CheckReference(own) != nil { // It could be the name in the state of another's.
		return noDisbursal()
	}
	// A client that goes away changes nothing: what has begun is finished.
	ctx, cancel := context.WithTimeout(context.WithoutCancel(r.Context()), storeLimit)
	defer cancel()
	sum, err := a.options.State.Summarize(ctx, state.KindDisbursal, kept)
	if errors.Is(err, state.ErrNotFound) {
		return noDisbursal() // No mark is left under a name that is not known.
	}
	if err != nil {
		return unavailable(err)
	}
	done, err := a.options.State.Cancel(ctx, state.KindDisbursal, kept, r.producer, "")
	if err != nil {
		return unavailable(err)
	}
	view := cancelView{Cancelled: int64(done.Cancelled)}
	view.TooLate = max(0, sum.Recipients-view.Cancelled)
	a.options.Log.Info("disbursal cancelled", zap.String("request", r.id),
		zap.String("producer", r.producer), zap.String("reference", state.Shown(kept)),
		zap.Int64("cancelled", view.Cancelled), zap.Int64("too_late", view.TooLate))
	return answer{status: http.StatusOK, body: view}
}
