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

	"github.com/redis/go-redis/v9"

	"tuma/internal/airtime"
)

// Event is one fact about a recipient.
type Event struct {
	// At is zero where the state does not keep when it was.
	At time.Time
	// What is one of Happenings.
	What string
	// Batch, Attempt and Provider are empty or zero where there is none.
	Batch    string
	Attempt  int
	Provider string
	Detail   string
}

// Happenings are the words for what events are, in the order in which those of one millisecond
// stand.
var Happenings = []string{
	"accepted", "released", "held", "queued", "sending", "answered", "silent", "moved", "callback",
	"asked", "evidence", "decided", "settled", "corrected",
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
		read.accepted, read.moved, read.left, read.sent, read.parked, read.decided,
	} {
		if err := step(ctx); err != nil {
			return Timeline{}, fmt.Errorf("show %s: %w", r.Reference, err)
		}
	}
	read.stood()
	read.sort()
	return Timeline{r, read.events, read.verdict()}, nil
}

// sort puts the events in their order; those whose time is not kept come last before the end.
func (t *timelineOf) sort() {
	at := func(e Event) time.Time {
		if e.At.IsZero() {
			return t.row.At
		}
		return e.At
	}
	slices.SortStableFunc(t.events, func(a, b Event) int {
		return cmp.Or(at(a).Compare(at(b)),
			cmp.Compare(slices.Index(Happenings, a.What), slices.Index(Happenings, b.What)))
	})
}

// timelineOf collects the events of one recipient.
type timelineOf struct {
	*Store
	row    Row
	at     chunkPos
	head   head
	events []Event
	// again are effects in batches that the recipient has left.
	again []superseded
	// before names those for whom the same was accepted before.
	before string
	// past is where the recipient stood before it was corrected, oldest first.
	past []phase
	// word is the last decision about the recipient.
	word AuditEntry
}

func (t *timelineOf) add(e Event) { t.events = append(t.events, e) }

// accepted says when and from whom the recipient came, and to whom it was to go first.
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
		details = append(details, rowsOfFile(t.row.Reference, Shown(t.head.imported)))
	}
	if producer, _, own := strings.Cut(t.row.name, ownMark); own {
		details = append(details, "over HTTP by "+producer)
	}
	t.add(Event{At: t.row.Accepted, What: "accepted", Detail: strings.Join(details, ", ")})
	first := t.row.Provider
	if len(t.row.History) > 0 {
		first = t.row.History[0].Provider
	}
	held, err := t.heldBack(ctx)
	if err == nil && !held {
		t.add(Event{At: t.row.Accepted, What: "queued", Provider: first})
	}
	return err
}

// rowsOfFile says which rows of a file made a disbursal: R/k and R/k.2 of the import R have some of
// its rows (k-1)*1000+1 to k*1000. Which of them the recipient was is not kept.
func rowsOfFile(reference, imported string) string {
	number, own := strings.CutPrefix(reference, imported+"/")
	number, _, _ = strings.Cut(number, ".")
	k, err := strconv.Atoi(number)
	if !own || err != nil || k < 1 {
		return "import " + imported
	}
	return fmt.Sprintf("rows %s to %s of import %s", grouped((k-1)*MaxRecipients+1),
		grouped(k*MaxRecipients), imported)
}

// grouped writes a number with commas between the thousands.
func grouped(n int) string {
	text := strconv.Itoa(n)
	for i := len(text) - 3; i > 0; i -= 3 {
		text = text[:i] + "," + text[i:]
	}
	return text
}

// moved has the providers that the recipient went to before.
func (t *timelineOf) moved(context.Context) error {
	for i, past := range t.row.History {
		next := t.row.Provider
		if i+1 < len(t.row.History) {
			next = t.row.History[i+1].Provider
		}
		t.add(Event{
			At: past.At, What: "moved", Batch: past.Batch, Provider: past.Provider,
			Detail: joined("; ", saidAs(past.Reason, past.Message), "on to "+next),
		})
	}
	return nil
}

// left has what was learnt about sendings that the recipient has left.
func (t *timelineOf) left(ctx context.Context) error {
	lines, err := t.supersededOf(ctx, t.at.field())
	if err != nil {
		return err
	}
	for _, line := range lines {
		if line.status.Live() {
			t.again = append(t.again, line)
		}
		t.add(Event{
			What: "evidence", Batch: line.batch,
			Detail: joined(", ", line.status.String()+" in a batch that was left",
				named("reference", line.reference)),
		})
	}
	return nil
}

// parked has a callback that waits until a query has confirmed it.
func (t *timelineOf) parked(ctx context.Context) error {
	if t.row.ProviderReference == "" {
		return nil
	}
	name := t.row.Provider + " " + t.row.ProviderReference
	text, err := t.client.HGet(ctx, t.keys.plain("parked"), name).Result()
	if errors.Is(err, redis.Nil) {
		return nil
	}
	if err != nil {
		return err
	}
	c, err := readParked(text)
	if err != nil {
		return fmt.Errorf("parked callback: %w", err)
	}
	t.add(Event{
		At: c.Since, What: "callback", Batch: t.row.Batch, Provider: c.Provider,
		Detail: wordOf(c.Status) + "; it waits until a query has confirmed it",
	})
	return nil
}

// decided has what people decided about the recipient.
func (t *timelineOf) decided(ctx context.Context) error {
	return t.Audit(ctx, t.row.Accepted, func(e AuditEntry) error {
		whom := positionsIn(e.Detail)
		own := e.What == "resolve" && e.Name == t.row.Reference && slices.Contains(whom, t.row.position)
		all := e.What == "cancel" && t.hasName(e.Name)
		erased := e.What == "erase" && e.Name == t.row.Phone.Digits()
		if !own && !all && !erased {
			return nil
		}
		at, err := time.Parse(time.RFC3339, e.At)
		if err != nil {
			return fmt.Errorf("audit: %w", err)
		}
		t.word = e
		t.add(Event{At: at, What: "decided", Detail: e.What + " by " + e.Who + ": " + e.Detail})
		return nil
	})
}

// hasName reports whether a decision about a name is one about the recipient.
func (t *timelineOf) hasName(name string) bool {
	names := []string{t.row.Reference, Shown(t.head.imported), Shown(t.head.campaign)}
	return name != "" && slices.Contains(names, name)
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

// wordOf is a status that a provider named.
func wordOf(status airtime.Status) string {
	if !status.Valid() {
		return "a word that is not known"
	}
	return status.String()
}
