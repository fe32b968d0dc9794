package state

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"

	"tuma/internal/airtime"
)

// Event is one fact about a recipient.
type Event struct {
	// At is zero where the state does not keep when it was.
	At time.Time
	// What is accepted, sending, answered, silent, asked, moved, evidence, decided or settled.
	What string
	// Batch, Attempt and Provider are empty or zero where there is none.
	Batch    string
	Attempt  int
	Provider string
	Detail   string
}

// Timeline is what happened to a recipient, oldest first.
type Timeline struct {
	Row    Row
	Events []Event
	// Verdict says in one sentence where that leaves the recipient.
	Verdict string
}

// Timeline puts together what the state keeps about a recipient, which Report has read.
func (s *Store) Timeline(ctx context.Context, r Row) (Timeline, error) {
	at, err := s.placeOf(ctx, r.name)
	if errors.Is(err, ErrNotFound) {
		return Timeline{}, err
	}
	if err != nil {
		return Timeline{}, fmt.Errorf("show %s: %w", r.Reference, err)
	}
	at.pos += r.position
	read := timelineOf{Store: s, row: r, at: at}
	for _, step := range []func(context.Context) error{
		read.accepted, read.earlier, read.superseded, read.batches, read.decided,
	} {
		if err := step(ctx); err != nil {
			return Timeline{}, fmt.Errorf("show %s: %w", r.Reference, err)
		}
	}
	if r.Status.Settled() {
		read.add(Event{
			At: r.At, What: "settled", Batch: r.Batch, Provider: r.Provider, Detail: settledAs(r),
		})
	}
	read.sort()
	return Timeline{r, read.events, verdictOn(r)}, nil
}

// order is how events stand that are of the same millisecond.
var order = []string{
	"accepted", "sending", "answered", "silent", "moved", "asked", "evidence", "decided", "settled",
}

// sort puts the events in their order; those whose time is not kept come last before settled.
func (t *timelineOf) sort() {
	at := func(e Event) time.Time {
		if e.At.IsZero() {
			return t.row.At
		}
		return e.At
	}
	slices.SortStableFunc(t.events, func(a, b Event) int {
		return cmp.Or(at(a).Compare(at(b)),
			cmp.Compare(slices.Index(order, a.What), slices.Index(order, b.What)))
	})
}

// timelineOf collects the events of one recipient.
type timelineOf struct {
	*Store
	row    Row
	at     chunkPos
	head   head
	events []Event
	// sent are the batches that the recipient was in, each once.
	sent []string
}

func (t *timelineOf) add(e Event) { t.events = append(t.events, e) }

func (t *timelineOf) in(batch string) {
	if batch != "" && !slices.Contains(t.sent, batch) {
		t.sent = append(t.sent, batch)
	}
}

// accepted says when and from whom the recipient came.
func (t *timelineOf) accepted(ctx context.Context) error {
	text, err := t.client.HGet(ctx, t.keys.chunk(t.at.chunk), "head").Result()
	var known bool
	if t.head, known = headOf(text); err == nil && !known {
		err = errors.New("stored chunk is damaged")
	}
	if err != nil {
		return err
	}
	details := []string{"submitted by " + submitter(t.head.submitter)}
	if t.head.imported != "" {
		details = append(details, "import "+Shown(t.head.imported))
	}
	if producer, _, own := strings.Cut(t.row.name, ownMark); own {
		details = append(details, "over HTTP by "+producer)
	}
	t.add(Event{At: t.row.Accepted, What: "accepted", Detail: strings.Join(details, ", ")})
	return nil
}

// earlier has the providers that the recipient went to before.
func (t *timelineOf) earlier(context.Context) error {
	for i, past := range t.row.History {
		next := t.row.Provider
		if i+1 < len(t.row.History) {
			next = t.row.History[i+1].Provider
		}
		t.in(past.Batch)
		t.add(Event{
			At: past.At, What: "moved", Batch: past.Batch, Provider: past.Provider,
			Detail: saidAs(past.Reason, past.Message) + "; on to " + next,
		})
	}
	return nil
}

// superseded has what was learnt about sendings that the recipient has left.
func (t *timelineOf) superseded(ctx context.Context) error {
	lines, err := t.supersededOf(ctx, t.at.field())
	if err != nil {
		return err
	}
	for _, line := range lines {
		t.in(line.batch)
		t.add(Event{
			What: "evidence", Batch: line.batch,
			Detail: joined(", ", line.status.String()+" in a batch that was left",
				named("reference", line.reference)),
		})
	}
	t.in(t.row.Batch)
	return nil
}

// batches has the sendings and queries of the batches that the recipient was in.
func (t *timelineOf) batches(ctx context.Context) error {
	for _, id := range t.sent {
		fields, err := t.client.HMGet(ctx, t.keys.batch(id), "provider", "log", "asked", "polls",
			"words").Result()
		if err != nil {
			return err
		}
		text := func(i int) string {
			value, _ := fields[i].(string)
			return value
		}
		sent := Event{Batch: id, Provider: text(0)}
		if err := t.sendings(sent, text(1), text(4)); err != nil {
			return err
		}
		if asked := whole(fields[2]); asked > 0 {
			sent.What, sent.At = "asked", time.UnixMilli(asked).UTC()
			sent.Detail = text(3) + " status queries so far; this is the last that was answered"
			t.add(sent)
		}
	}
	return nil
}

// sendings reads the log of a batch as lua/include/batches.lua describes it; words are what the
// provider said of everybody in doubt.
func (t *timelineOf) sendings(sent Event, log, words string) error {
	var begun time.Time
	for line := range strings.Lines(log) {
		parts := strings.Fields(line)
		if len(parts) < 3 {
			return errors.New("stored log of a batch is damaged")
		}
		attempt, err := strconv.Atoi(parts[1])
		ms, atErr := strconv.ParseInt(parts[2], 10, 64)
		if err := errors.Join(err, atErr); err != nil {
			return fmt.Errorf("stored log of a batch: %w", err)
		}
		e := sent
		e.At, e.Attempt, e.What = time.UnixMilli(ms).UTC(), attempt, parts[0]
		switch {
		case e.What == "begun":
			begun, e.What = e.At, "sending"
		case e.What == "silent":
			e.Detail = "no answer until the deadline"
		case e.What == "answered" && len(parts) == 9:
			e.Detail = fmt.Sprintf("after %d ms: %s accepted, %s rejected, %s returned, %s in doubt",
				e.At.Sub(begun).Milliseconds(), parts[5], parts[6], parts[7], parts[8])
			if parts[8] != "0" { // Else it is not said of all.
				reason := airtime.Reason(strings.TrimPrefix(parts[4], "-"))
				e.Detail = joined("; ", e.Detail, saidAs(reason, words))
			}
		}
		t.add(e)
	}
	return nil
}

// decided has what people decided about the recipient.
func (t *timelineOf) decided(ctx context.Context) error {
	names := []string{t.row.Reference, Shown(t.head.imported), Shown(t.head.campaign)}
	return t.Audit(ctx, t.row.Accepted, func(e AuditEntry) error {
		whom := positionsIn(e.Detail)
		own := e.What == "resolve" && e.Name == t.row.Reference && slices.Contains(whom, t.row.position)
		all := e.What == "cancel" && e.Name != "" && slices.Contains(names, e.Name)
		erased := e.What == "erase" && e.Name == t.row.Phone.Digits()
		if !own && !all && !erased {
			return nil
		}
		at, err := time.Parse(time.RFC3339, e.At)
		if err != nil {
			return fmt.Errorf("audit: %w", err)
		}
		t.add(Event{At: at, What: "decided", Detail: e.What + " by " + e.Who + ": " + e.Detail})
		return nil
	})
}

// positionsIn reads the positions that a decision names.
func positionsIn(detail string) []int {
	for word := range strings.FieldsSeq(detail) {
		list, found := strings.CutPrefix(word, "positions=")
		if !found {
			continue
		}
		var positions []int
		for number := range strings.SplitSeq(list, ",") {
			if n, err := strconv.Atoi(number); err == nil {
				positions = append(positions, n)
			}
		}
		return positions
	}
	return nil
}

// joined joins the texts that are not empty.
func joined(separator string, texts ...string) string {
	return strings.Join(slices.DeleteFunc(texts, func(t string) bool { return t == "" }), separator)
}

func named(what, value string) string {
	if value == "" {
		return ""
	}
	return what + " " + value
}

// saidAs is a reason with the provider's words.
func saidAs(reason airtime.Reason, message string) string {
	if reason == airtime.ReasonProvider {
		reason = ""
	}
	return joined(": ", string(reason), message)
}

func settledAs(r Row) string {
	return joined(", ", r.Status.String(), saidAs(r.Reason, r.Message),
		named("reference", r.ProviderReference), named("discount", r.Discount))
}

// verdictOn says where a recipient stands.
func verdictOn(r Row) string {
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
		return "taken as paid since " + at + " by a person's word" + reference
	case r.Reason == airtime.ReasonPerson && r.Status == airtime.Failed:
		return "taken as unpaid since " + at + " by a person's word" + reference
	case r.Status == airtime.Successful:
		return "paid on " + at + " by " + by + reference
	case r.Status == airtime.Unconfirmed:
		return "accepted on " + at + " by " + by + reference + "; it has no way to tell more"
	case r.Status == airtime.InDoubt:
		return "in doubt since " + at + " at " + by + why
	case r.Status == airtime.Queued:
		return "waits to be sent to " + by
	case r.Status.Settled():
		return r.Status.String() + " since " + at + " at " + by + why + reference
	}
	return r.Status.String() + " at " + by + reference + "; its next status decides"
}
