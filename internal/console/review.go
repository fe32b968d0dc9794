package console

import (
	"net/http"
	"time"

	"tuma/internal/airtime"
	"tuma/internal/state"
)

// doubt is one thing that a person may have to settle, as the page shows it.
type doubt struct {
	state.ReviewItem
	Recipients int
	Amounts    map[airtime.Currency]int64
	// NotBefore is when the request has surely arrived or never will; zero for now.
	NotBefore time.Time
	First     state.Member
}

// review lists what is in doubt, overdue, overpaid and mismatched.
func (c *Console) review(w http.ResponseWriter, r *http.Request, v *visit) error {
	items, err := c.options.State.ReviewItems(r.Context())
	if err != nil {
		return err
	}
	list := make([]doubt, 0, len(items))
	for _, item := range items {
		d := doubt{ReviewItem: item, Amounts: map[airtime.Currency]int64{}}
		for i, m := range item.Concerned() {
			if i == 0 {
				d.First = m
			}
			d.Recipients++
			d.Amounts[m.Amount.Currency] += m.Amount.Minor
		}
		if item.Batch.StillOut > 0 {
			d.NotBefore = item.Batch.Read.Add(item.Batch.StillOut)
		}
		list = append(list, d)
	}
	return c.show(w, r, v, "review", map[string]any{"List": list})
}
