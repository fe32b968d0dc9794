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
	row, err := c.row(r, r.PathValue("recipient"))
	if err != nil {
		return err
	}
	timeline, err := c.options.State.Timeline(r.Context(), row)
	if err != nil {
		return err
	}
	decidable, err := c.decidable(r.Context(), row)
	if err != nil {
		return err
	}
	return c.show(w, r, v, "recipient", map[string]any{
		"Timeline": timeline, "Decidable": decidable, "Name": row.Reference + "/" + row.Phone.Digits(),
		"Seen": seen([]state.Resolution{row.Resolution()}),
	})
}

// row finds the recipient that is named by a disbursal and a phone number, with a slash between.
func (c *Console) row(r *http.Request, name string) (found state.Row, err error) {
	cut := strings.LastIndex(name, "/")
	if cut < 0 {
		return found, errNotFound
	}
	phone, erased := airtime.ParseErased(name[cut+1:])
	if !erased {
		if phone, err = airtime.ParseMSISDN(name[cut+1:]); err != nil {
			return found, state.ErrNotFound
		}
	}
	sum, err := c.summary(r.Context(), state.KindDisbursal, name[:cut])
	if err != nil {
		return found, err
	}
	report := c.options.State.Report
	err = report(r.Context(), state.KindDisbursal, sum.Name, func(row state.Row) error {
		if row.Phone != phone {
			return nil
		}
		found = row
		return errEnough
	})
	switch {
	case errors.Is(err, errEnough):
		return found, nil
	case err != nil:
		return found, err
	}
	return found, state.ErrNotFound
}
