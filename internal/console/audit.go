package console

import (
	"net/http"
	"slices"
	"time"

	"tuma/internal/state"
)

// audit shows the newest decisions, the newest first.
func (c *Console) audit(w http.ResponseWriter, r *http.Request, v *visit) error {
	var list []state.AuditEntry
	err := c.options.State.Audit(r.Context(), time.Time{}, func(e state.AuditEntry) error {
		list = append(list, e)
		if len(list) >= 2*mostListed {
			list = slices.Delete(list, 0, len(list)-mostListed)
		}
		return nil
	})
	if err != nil {
		return err
	}
	slices.Reverse(list)
	return c.show(w, r, v, "audit", map[string]any{
		"List": list[:min(len(list), mostListed)], "Most": mostListed,
	})
}
