package state

import (
	"context"
	"fmt"
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
		t.add(Event{At: at, What: "held", Detail: was.String() + t.until(was)})
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

// until is when a schedule ends.
func (t *timelineOf) until(h Hold) string {
	if h.Reason != airtime.ReasonSchedule {
		return ""
	}
	return " until " + t.head.notBefore.Format(time.RFC3339)
}

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
