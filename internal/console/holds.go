package console

import (
	"net/http"
	"slices"

	"tuma/internal/airtime"
	"tuma/internal/state"
)

// holds lists who is held, and why.
func (c *Console) holds(w http.ResponseWriter, r *http.Request, v *visit) error {
	groups, err := c.options.State.Holds(r.Context())
	if err != nil {
		return err
	}
	return c.show(w, r, v, "holds", map[string]any{"Groups": groups})
}

// release queues exactly those of whom the form has the digest.
func (c *Console) release(w http.ResponseWriter, r *http.Request, v *visit) error {
	of := state.Release{
		Kind: state.Kind(r.PostFormValue("kind")), Reason: airtime.Reason(r.PostFormValue("reason")),
		Digest: r.PostFormValue("digest"), Who: v.user.Name, Note: r.PostFormValue("note"),
	}
	if !slices.Contains(kinds, of.Kind) || !slices.Contains(state.HoldReasons(), of.Reason) {
		return errQuestion
	}
	if of.Digest == "" {
		return state.ErrDigestNeeded
	}
	sum, err := c.summary(r.Context(), of.Kind, r.PostFormValue("name"))
	if err != nil {
		return err
	}
	if err := c.options.CheckRules(r.Context()); err != nil {
		return err
	}
	of.Name = sum.Name
	released, err := c.options.State.Release(r.Context(), of)
	for i := range released.Wakeups {
		c.options.Wake(r.Context(), &released.Wakeups[i])
	}
	if err != nil {
		return err
	}
	return c.show(w, r, v, "released", map[string]any{"Released": released, "Sum": sum})
}
