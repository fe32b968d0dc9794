package console

import (
	"errors"
	"net/http"
	"strings"

	"tuma/internal/airtime"
	"tuma/internal/state"
)

// mostFound bounds what one search lists.
const mostFound = 100

// find looks for recipients by phone number, id or a provider's reference, and for names.
func (c *Console) find(w http.ResponseWriter, r *http.Request, v *visit) error {
	text := strings.TrimSpace(r.FormValue("q"))
	data := map[string]any{"Text": text}
	if text == "" {
		return c.show(w, r, v, "find", data)
	}
	search := state.SearchFor(text)
	search.Limit, search.After = mostFound, r.FormValue("after")
	rows, next, err := c.options.State.Find(r.Context(), search)
	if err != nil {
		return err
	}
	data["Rows"], data["Next"] = rows, next
	var names []state.Summary
	for _, kind := range []state.Kind{state.KindDisbursal, state.KindImport, state.KindCampaign} {
		sum, err := c.summary(r.Context(), kind, text)
		if err != nil && !errors.Is(err, state.ErrNotFound) {
			return err
		}
		if err == nil {
			names = append(names, sum)
		}
	}
	data["Names"] = names
	return c.show(w, r, v, "find", data)
}

// errEnough ends a report early.
var errEnough = errors.New("enough was read")

// recipient is the timeline of one recipient: /recipients/<reference>/<number>.
func (c *Console) recipient(w http.ResponseWriter, r *http.Request, v *visit) error {
	path := r.PathValue("recipient")
	cut := strings.LastIndex(path, "/")
	if cut < 0 {
		return errNotFound
	}
	phone, erased := airtime.ParseErased(path[cut+1:])
	if !erased {
		var err error
		if phone, err = airtime.ParseMSISDN(path[cut+1:]); err != nil {
			return state.ErrNotFound
		}
	}
	sum, err := c.summary(r.Context(), state.KindDisbursal, path[:cut])
	if err != nil {
		return err
	}
	var rows []state.Row
	report := c.options.State.Report
	err = report(r.Context(), state.KindDisbursal, sum.Name, func(row state.Row) error {
		if row.Phone == phone {
			rows = append(rows, row)
			return errEnough
		}
		return nil
	})
	if err != nil && !errors.Is(err, errEnough) {
		return err
	}
	if len(rows) == 0 {
		return state.ErrNotFound
	}
	timeline, err := c.options.State.Timeline(r.Context(), rows[0])
	if err != nil {
		return err
	}
	return c.show(w, r, v, "recipient", map[string]any{"Timeline": timeline})
}
