package state

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"time"

	"tuma/internal/airtime"
)

// heldBack says what held the recipient, and when and by whom it was released, as
// lua/include/holds.lua logs it. It reports whether the recipient was held when it was accepted.
func (t *timelineOf) heldBack(ctx context.Context) (bool, error) {
	lines, err := t.client.LRange(ctx, t.keys.named("holdlog", t.at.chunk), 0, -1).Result()
	if err != nil {
		return false, err
	}
	var was Hold
	first := true
	for _, line := range lines {
		var ms int64
		var from, to int
		var hold string
		if _, err := fmt.Sscan(line, &ms, &from, &to, &hold); err != nil {
			return false, fmt.Errorf("stored holds: %w", err)
		}
		if t.at.pos < from || t.at.pos > to {
			continue
		}
		at := time.UnixMilli(ms).UTC()
		if !first {
			by, err := t.releasedBy(ctx, was, at)
			if err != nil {
				return false, err
			}
			t.add(Event{At: at, What: "released", Detail: was.String() + ", by " + by})
		}
		first, was = false, Hold{}
		if hold == "-" {
			t.add(Event{At: at, What: "queued", Provider: t.row.Provider})
			continue
		}
		was = holdOf(hold)
		if was.Reason == airtime.ReasonDuplicate && t.before == "" {
			if t.before, err = t.paidBefore(ctx, was.Rule, at); err != nil {
				return false, err
			}
		}
		t.add(Event{At: at, What: "held", Detail: was.String() + t.because(was)})
	}
	return !first, nil
}

// String is the reason with the rule.
func (h Hold) String() string {
	if h.Rule == "" {
		return string(h.Reason)
	}
	return fmt.Sprintf("%s (%s)", h.Reason, h.Rule)
}

// because is when a schedule ends, and what a duplicate was accepted as before.
func (t *timelineOf) because(h Hold) string {
	switch {
	case h.Reason == airtime.ReasonSchedule:
		return " until " + t.head.notBefore.Format(time.RFC3339)
	case h.Reason == airtime.ReasonDuplicate && t.before != "":
		return ", accepted before as " + t.before
	}
	return ""
}

// paidBefore names the newest ones for whom the same amount to the same number was accepted before,
// in the time of the guard, but for those who had surely got nothing when the recipient was held.
func (t *timelineOf) paidBefore(ctx context.Context, rule string, held time.Time) (string, error) {
	rows, _, err := t.Find(ctx, Search{Phone: t.row.Phone})
	if err != nil {
		return "", err
	}
	within := t.guard(rule).DuplicateWithin
	var names []string
	for _, r := range rows {
		self := r.name == t.row.name && r.position == t.row.position
		ended := r.Status.Settled() && !r.Status.Spends() && r.At.Before(held)
		old := within > 0 && held.Sub(r.Accepted) >= within
		if self || ended || old || r.Amount != t.row.Amount || r.Accepted.After(t.row.Accepted) {
			continue
		}
		if !slices.Contains(names, r.Reference) {
			names = append(names, r.Reference)
		}
	}
	if more := len(names) - namedBefore; more > 0 {
		return fmt.Sprintf("%s and %d more", strings.Join(names[:namedBefore], ", "), more), nil
	}
	return strings.Join(names, ", "), nil
}

// namedBefore is how many earlier ones of a duplicate are named.
const namedBefore = 3

// sealedFor is how long before its script a decision may have its time; see lua/include/audit.lua.
const sealedFor = 5 * time.Second

// releasedBy is the person who released what was held for a reason then, else the clock or the
// budget.
func (t *timelineOf) releasedBy(ctx context.Context, was Hold, then time.Time) (string, error) {
	by := "the clock"
	if was.Reason == airtime.ReasonBudget {
		by = "room in the budget"
	}
	err := t.Audit(ctx, then.Add(-sealedFor), func(e AuditEntry) error {
		at, err := time.Parse(time.RFC3339, e.At)
		near := err == nil && at.Sub(then).Abs() <= sealedFor
		reason := strings.Contains(" "+e.Detail+" ", " reason="+string(was.Reason)+" ")
		if near && reason && e.What == "release" && t.hasName(e.Name) {
			by = e.Who
		}
		return nil
	})
	return by, err
}
