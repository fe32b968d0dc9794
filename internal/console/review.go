package console

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"time"

	"tuma/internal/airtime"
	"tuma/internal/state"
)

// doubt is one thing that a person may have to settle, as the page shows it.
type doubt struct {
	state.ReviewItem
	Members []state.Member
	Amounts map[airtime.Currency]int64
	// NotBefore is when the request has surely arrived or never will; zero for now.
	NotBefore time.Time
}

func doubtOf(item state.ReviewItem) doubt {
	d := doubt{ReviewItem: item, Members: item.Concerned(), Amounts: map[airtime.Currency]int64{}}
	for _, m := range d.Members {
		d.Amounts[m.Amount.Currency] += m.Amount.Minor
	}
	if item.Batch.StillOut > 0 {
		d.NotBefore = item.Batch.Read.Add(item.Batch.StillOut)
	}
	return d
}

// Together says that the recipients are decided about together: those of a batch whose answer was
// lost, or which is open for too long. The others are decided about one by one.
func (d doubt) Together() bool {
	return d.Queue == state.ReviewInDoubt || d.Queue == state.ReviewOverdue
}

// Path is that of the page about it.
func (d doubt) Path() string {
	return "/review/" + url.PathEscape(string(d.Queue)) + "/" + url.PathEscape(d.Batch.ID)
}

// resolutions name the recipients as they are seen now.
func (d doubt) resolutions() []state.Resolution {
	list := make([]state.Resolution, len(d.Members))
	for i, m := range d.Members {
		list[i] = d.Batch.Resolution(m)
	}
	return list
}

// Seen is a digest of who is shown, and how each of them was seen.
func (d doubt) Seen() string { return seen(d.resolutions()) }

// seen is a digest of recipients as a person has seen them.
func seen(list []state.Resolution) string {
	sum := sha256.New()
	for _, r := range list {
		fmt.Fprintf(sum, "%q %d %s %q %d %s\n", r.Reference, r.Position, r.Seen, r.Batch, r.Attempt,
			r.Amount)
	}
	return hex.EncodeToString(sum.Sum(nil))
}

// decidable reports whether a person may settle a recipient, or settle it anew.
func (c *Console) decidable(ctx context.Context, row state.Row) (bool, error) {
	if row.Status == airtime.Unconfirmed ||
		row.Status.Settled() && row.Reason == airtime.ReasonPerson {
		return true, nil
	}
	items, err := c.options.State.ReviewItems(ctx)
	return slices.ContainsFunc(items, func(i state.ReviewItem) bool {
		return i.Queue != state.ReviewOverpaid &&
			slices.ContainsFunc(i.Concerned(), func(m state.Member) bool {
				return m.Reference == row.Reference && m.Phone == row.Phone
			})
	}), err
}

// review lists what is in doubt, overdue, overpaid and mismatched.
func (c *Console) review(w http.ResponseWriter, r *http.Request, v *visit) error {
	items, err := c.options.State.ReviewItems(r.Context())
	if err != nil {
		return err
	}
	list := make([]doubt, len(items))
	for i, item := range items {
		list[i] = doubtOf(item)
	}
	return c.show(w, r, v, "review", map[string]any{"List": list})
}

// doubtful finds what a path or a form names.
func (c *Console) doubtful(r *http.Request, queue, batch string) (doubt, error) {
	items, err := c.options.State.ReviewItems(r.Context())
	if err != nil {
		return doubt{}, err
	}
	at := slices.IndexFunc(items, func(i state.ReviewItem) bool {
		return string(i.Queue) == queue && i.Batch.ID == batch
	})
	if at < 0 {
		return doubt{}, errDecided
	}
	return doubtOf(items[at]), nil
}

// reviewOne shows the recipients of one batch that people may have to settle.
func (c *Console) reviewOne(w http.ResponseWriter, r *http.Request, v *visit) error {
	d, err := c.doubtful(r, r.PathValue("queue"), r.PathValue("batch"))
	if err != nil {
		return err
	}
	return c.show(w, r, v, "doubt", map[string]any{
		"Doubt": d, "Shown": d.Members[:min(len(d.Members), mostListed)], "Most": mostListed,
	})
}

// decideTogether settles all recipients of a batch that the page showed.
func (c *Console) decideTogether(w http.ResponseWriter, r *http.Request, v *visit) error {
	d, err := c.doubtful(r, r.PostFormValue("queue"), r.PostFormValue("batch"))
	if err != nil {
		return err
	}
	if !d.Together() {
		return errQuestion
	}
	return c.decide(w, r, v, d.resolutions(), "/review")
}

// decideOne settles one recipient.
func (c *Console) decideOne(w http.ResponseWriter, r *http.Request, v *visit) error {
	row, err := c.row(r, r.PostFormValue("recipient"))
	if err != nil {
		return err
	}
	return c.decide(w, r, v, []state.Resolution{row.Resolution()}, (&view{}).Recipient(row))
}

// decide takes a person's word about recipients to the state, if they are as the person saw them.
func (c *Console) decide(
	w http.ResponseWriter, r *http.Request, v *visit, list []state.Resolution, next string,
) error {
	decision := state.Decision{
		Who: v.user.Name, Evidence: strings.TrimSpace(r.PostFormValue("evidence")),
	}
	switch r.PostFormValue("as") {
	case "paid":
		decision.Paid = true
	case "unpaid":
	case "again":
		decision.Resubmit = true
	default:
		return errQuestion
	}
	if decision.Evidence == "" {
		return errEvidence
	}
	if r.PostFormValue("seen") != seen(list) {
		return state.ErrMoved
	}
	for group := range slices.Chunk(list, state.MaxRecipients) {
		if _, err := c.options.State.Resolve(r.Context(), decision, group); err != nil {
			return err
		}
	}
	http.Redirect(w, r, next, http.StatusSeeOther)
	return nil
}

// Errors of a decision.
var (
	errDecided  = errors.New("nothing of this batch has to be decided any more")
	errEvidence = errors.New("the form says nothing about how it is known")
)
