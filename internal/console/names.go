package console

import (
	"context"
	"errors"
	"net/http"
	"slices"

	"tuma/internal/airtime"
	"tuma/internal/state"
)

// mostListed bounds what one page lists.
const mostListed = 200

// kinds are what a form may name.
var kinds = []state.Kind{state.KindImport, state.KindCampaign, state.KindDisbursal}

// errQuestion is returned for a question that no form of the console asks.
var errQuestion = errors.New("the request is not one that the console's forms make")

// listNames lists imports and campaigns, newest first.
func (c *Console) listNames(w http.ResponseWriter, r *http.Request, v *visit) error {
	list, err := c.options.State.List(r.Context(), mostListed, state.KindImport, state.KindCampaign)
	if err != nil {
		return err
	}
	return c.show(w, r, v, "imports", map[string]any{"List": list, "Most": mostListed})
}

// summary returns where the recipients of a name stand, as it is shown.
func (c *Console) summary(
	ctx context.Context, kind state.Kind, shown string,
) (found state.Summary, err error) {
	for _, reading := range state.Readings(shown) {
		is, err := c.options.State.KindOf(ctx, reading)
		var several *state.AmbiguousError
		switch {
		case errors.As(err, &several) && slices.Contains(several.Kinds, kind), err == nil && is == kind:
			return c.options.State.Summarize(ctx, kind, reading)
		case err != nil && !errors.As(err, &several) && !errors.Is(err, state.ErrNotFound):
			return found, err
		}
	}
	return found, state.ErrNotFound
}

// name is the page about an import, a campaign or a disbursal.
func (c *Console) name(kind state.Kind) page {
	return func(w http.ResponseWriter, r *http.Request, v *visit) error {
		sum, err := c.summary(r.Context(), kind, r.PathValue("name"))
		if err != nil {
			return err
		}
		waits := sum.Statuses[airtime.Held].Recipients + sum.Statuses[airtime.Queued].Recipients
		data := map[string]any{
			"Sum": sum, "Statuses": byStatus(sum.Statuses), "Cancellable": waits > 0 && !sum.Cancelled,
		}
		if kind == state.KindDisbursal {
			var rows []state.Row
			err := c.options.State.Report(r.Context(), kind, sum.Name, func(row state.Row) error {
				rows = append(rows, row)
				return nil
			})
			if err != nil {
				return err
			}
			data["Rows"] = rows
		}
		return c.show(w, r, v, "name", data)
	}
}

// cancel withdraws what is not on the wire under a name.
func (c *Console) cancel(w http.ResponseWriter, r *http.Request, v *visit) error {
	kind, name := state.Kind(r.PostFormValue("kind")), r.PostFormValue("name")
	if !slices.Contains(kinds, kind) {
		return errQuestion
	}
	sum, err := c.summary(r.Context(), kind, name)
	if err != nil {
		return err
	}
	_, err = c.options.State.Cancel(r.Context(), kind, sum.Name, v.user.Name, r.PostFormValue("note"))
	if err != nil {
		return err
	}
	http.Redirect(w, r, (&view{}).Link(kind, sum.Reference), http.StatusSeeOther)
	return nil
}
