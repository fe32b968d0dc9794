package state

import (
	"cmp"
	"fmt"
	"slices"
	"strings"
	"time"

	"tuma/internal/airtime"
)

// phase is where a recipient stood, and until when; that is zero for where it stands.
type phase struct {
	Row
	until time.Time
}

// stood has where the recipient settled, and how that was corrected.
func (t *timelineOf) stood() {
	slices.SortStableFunc(t.past, func(a, b phase) int { return a.until.Compare(b.until) })
	all := append(slices.Clone(t.past), phase{Row: t.row})
	for i, s := range all {
		e := Event{
			At: s.At, What: "settled", Batch: s.Batch, Provider: s.Provider, Detail: standsAs(s.Row),
		}
		if !s.called.IsZero() && s.Status.Settled() && !t.journaledAs(s) {
			called := e
			called.At, called.What, called.Detail = s.called, "callback", calledAs(s.Row)
			t.add(called)
		}
		if i > 0 {
			e.At, e.What = all[i-1].until, "corrected"
			e.Detail = "from " + all[i-1].Status.String() + " to " + e.Detail
		} else if !s.Status.Settled() {
			continue
		}
		t.add(e)
	}
}

// journaledAs reports whether the callback that brought a phase is told by a journal, too.
func (t *timelineOf) journaledAs(s phase) bool {
	return slices.ContainsFunc(t.events, func(e Event) bool {
		return e.What == "callback" && e.At.Equal(s.called) && e.Batch == s.Batch &&
			strings.HasPrefix(e.Detail, s.Status.String()+";")
	})
}

// calledAs tells of the callback that settled a recipient.
func calledAs(r Row) string {
	detail := joined(", ", r.Status.String(), named("reference", r.ProviderReference)) + "; " +
		effects["moved"]
	if waited := r.At.Sub(r.called); waited > 0 {
		detail += fmt.Sprintf(" %d ms later", waited.Milliseconds())
	}
	return detail
}

func standsAs(r Row) string {
	return joined(", ", r.Status.String(), saidAs(r.Reason, r.Message),
		named("reference", r.ProviderReference), named("discount", r.Discount))
}

// verdict says in one sentence where the recipient stands, and why.
func (t *timelineOf) verdict() string {
	sentence := t.stands()
	for _, again := range t.again {
		sentence += fmt.Sprintf("; %s once more in batch %s", again.status, again.batch)
		if again.reference != "" {
			sentence += " as " + again.reference
		}
	}
	return sentence
}

func (t *timelineOf) stands() string {
	r := t.row
	at := r.At.Format(time.RFC3339)
	by := cmp.Or(r.Provider, "no provider")
	reference := ""
	if r.ProviderReference != "" {
		reference = fmt.Sprintf(", %s's reference %s", by, r.ProviderReference)
	}
	why := ""
	if said := saidAs(r.Reason, r.Message); said != "" {
		why = ": " + said
	}
	switch {
	case r.Reason == airtime.ReasonPerson && r.Status == airtime.Successful:
		return "taken as paid on " + at + " by the word of " + t.decider() + reference
	case r.Reason == airtime.ReasonPerson && r.Status == airtime.Failed:
		return "taken as unpaid on " + at + " by the word of " + t.decider() + reference
	case r.Status == airtime.Cancelled:
		return "cancelled on " + at + " by " + t.decider()
	case r.Status == airtime.Successful:
		return "paid on " + at + " by " + by + reference
	case r.Status == airtime.Unconfirmed:
		return "accepted on " + at + " by " + by + reference + "; it has no way to tell more"
	case r.Status == airtime.InDoubt:
		return "in doubt since " + t.doubted().Format(time.RFC3339) + " at " + by + why
	case r.Status == airtime.Held:
		return "held for " + r.Hold.String() + t.because(r.Hold)
	case r.Status == airtime.Queued:
		return "waits to be sent to " + by
	case r.Status.Settled():
		return r.Status.String() + " on " + at + " by " + by + why + reference
	}
	return r.Status.String() + " at " + by + reference + "; its next status decides"
}

// doubted is when the last answer to the recipient's batch was lost.
func (t *timelineOf) doubted() time.Time {
	at := t.row.At
	for _, e := range t.events {
		lost := e.What == "answered" || e.What == "silent"
		if lost && e.Batch == t.row.Batch && e.At.After(at) {
			at = e.At
		}
	}
	return at
}

// decider is who decided last.
func (t *timelineOf) decider() string { return cmp.Or(t.word.Who, "a person") }
