package state

import (
	"context"
	"errors"
	"fmt"
	"strings"

	"tuma/internal/airtime"
	"tuma/internal/routing"
)

// Errors of a release.
var (
	// ErrNothingHeld is returned when nobody is held under a name, or not for that reason.
	ErrNothingHeld = errors.New("nothing is held")
	// ErrDigestNeeded is returned when an approval is released without saying of whom.
	ErrDigestNeeded = errors.New("an approval needs the digest of what is approved")
	// ErrOwnApproval is returned when the one who approves has submitted it.
	ErrOwnApproval = errors.New("submitted by the one who approves")
)

// Release is what a person decides: to queue who is held under a name.
type Release struct {
	Kind Kind
	Name string
	// Reason is the only one that is released; empty for all of them.
	Reason airtime.Reason
	// Digest is that of a HeldGroup, of which exactly the recipients are released; needed for
	// approvals.
	Digest    string
	Who, Note string
}

// Released is what a release did.
type Released struct {
	// Queued counts recipients that are queued now, Held those that something else holds now,
	// Cancelled those that carry a cancel mark.
	Queued, Held, Cancelled int
	Wakeups                 []Wakeup
}

func (r *Released) add(answer reply) {
	r.Queued += answer.int(0)
	r.Held += answer.int(1)
	r.Cancelled += answer.int(2)
	r.Wakeups = append(r.Wakeups, wakeupsOf(answer.list(3))...)
}

// Release queues who is held under a name, passes what holds them and looks at the rest again, by
// the rules of now. Each group that is released is in the audit. ErrNothingHeld,
// ErrDigestNeeded and ErrOwnApproval are returned as they say, ErrMoved when the digest is not that
// of who is held now; then nobody is released.
func (s *Store) Release(ctx context.Context, r Release) (Released, error) {
	var total Released
	groups, err := s.toRelease(ctx, r)
	if err != nil {
		return total, err
	}
	for i := range groups {
		g := &groups[i]
		name := g.name
		for _, part := range s.admitRecords(g.stretches) {
			args := append([]any{
				name, string(g.Kind), string(g.Reason), g.Rule, g.Recipients,
				airtime.SumsText(g.Amounts), g.Digest,
				clean(r.Note), s.options.MaxInFlight, "", 0, "",
			}, part...)
			answer, err := s.decide(ctx, "admit", r.Who, args...)
			if err != nil {
				return total, err
			}
			total.add(asList(answer))
			name = "" // The others of the group are in the audit with the first ones.
		}
	}
	return total, nil
}

// toRelease lists the groups that a release is about.
func (s *Store) toRelease(ctx context.Context, r Release) ([]HeldGroup, error) {
	all, err := s.HeldUnder(ctx, r.Kind, r.Name)
	if err != nil {
		return nil, err
	}
	var groups []HeldGroup
	approvals, found := false, false
	for i := range all {
		if r.Reason != "" && all[i].Reason != r.Reason {
			continue
		}
		found = true
		if r.Digest != "" && all[i].Digest != r.Digest { // break: release-digest
			continue
		}
		approvals = approvals || all[i].Reason == airtime.ReasonApproval
		groups = append(groups, all[i])
	}
	switch {
	case !found:
		return nil, ErrNothingHeld
	case len(groups) == 0:
		return nil, fmt.Errorf("who is held is not who the digest is of: %w", ErrMoved)
	case approvals && r.Digest == "":
		return nil, ErrDigestNeeded
	}
	for i := range groups {
		own := clean(r.Who)
		for _, stretch := range groups[i].stretches {
			if groups[i].Reason == airtime.ReasonApproval && own != "" && stretch.head.submitter == own {
				return nil, ErrOwnApproval
			}
		}
	}
	return groups, nil
}

// admitRecords writes stretches as admit.lua reads them, in parts of at most MaxRecipients.
func (s *Store) admitRecords(stretches []heldStretch) [][]any {
	var parts [][]any
	var part []any
	size := 0
	for _, stretch := range stretches {
		producer := producerOf(stretch.rows[0].name)
		gate := s.options.Rules.Gate(stretch.head.currency, ownWord(stretch.head.campaign), producer)
		admission := func(r *Row) routing.Admission { return gate.Admission(r.recipient(), nil) }
		for first := 0; first < len(stretch.rows); {
			last, asked := first, admission(&stretch.rows[first])
			for last+1 < len(stretch.rows) && admission(&stretch.rows[last+1]) == asked {
				last++
			}
			rows := stretch.rows[first : last+1]
			if size+len(rows) > MaxRecipients {
				parts, part, size = append(parts, part), nil, 0
			}
			part = append(part, stretch.chunk, stretch.from+first, stretch.from+last,
				rows[0].Hold.text(), admissionText(asked), s.printsOfRows(rows))
			size += len(rows)
			first = last + 1
		}
	}
	if size > 0 {
		parts = append(parts, part)
	}
	return parts
}

// printsOfRows spells their payments, where a guard looks for duplicates.
func (s *Store) printsOfRows(rows []Row) string {
	if !s.options.looksForDuplicates() {
		return ""
	}
	recipients := make([]airtime.Recipient, len(rows))
	for i := range rows {
		recipients[i] = rows[i].recipient()
	}
	return printsOf(recipients)
}

func (r *Row) recipient() airtime.Recipient {
	return airtime.Recipient{Phone: r.Phone, Amount: r.Amount, ID: r.ID}
}

const (
	// dueStep is how many chunks of the schedule, and of each queue, are looked at in one step.
	dueStep = 20
	// mostDueSteps bounds the steps of one call.
	mostDueSteps = 50
)

// ReleaseDue queues those whose schedule has come, and those for whom a budget has room: those who
// arrived first come first. What does not fit stays.
func (s *Store) ReleaseDue(ctx context.Context) (Released, error) {
	var total Released
	for range mostDueSteps {
		answer, err := s.run(ctx, s.client, "holdsdue", dueStep)
		if err != nil {
			return total, err
		}
		scheduled, queues := asList(answer).list(0), asList(answer).list(1)
		uncharged := idsIn(asList(answer).list(2))
		if len(scheduled)+len(queues)+len(uncharged) == 0 {
			return total, nil
		}
		if err := s.chargeLater(ctx, uncharged, &total); err != nil {
			return total, err
		}
		err = s.admitDue(ctx, idsIn(scheduled), airtime.ReasonSchedule, "", 0, &total)
		for i := 0; i < len(queues) && err == nil; i++ {
			queue := queues.list(i)
			err = s.admitDue(ctx, idsIn(queue.list(2)), airtime.ReasonBudget, queue.text(0), queue.int(1),
				&total)
		}
		if err != nil {
			return total, err
		}
	}
	return total, nil
}

// admitDue looks again at those of some chunks who are held for a reason, in a queue if that is
// for a budget, of which number says how far that is.
func (s *Store) admitDue(
	ctx context.Context, chunks []string, reason airtime.Reason, queue string, number int,
	total *Released,
) error {
	if len(chunks) == 0 && queue == "" {
		return nil
	}
	var stretches []heldStretch
	rule, _, _ := strings.Cut(queue, " ")
	err := s.eachHeld(ctx, chunks, func(stretch heldStretch) {
		if hold := stretch.rows[0].Hold; hold.Reason == reason && hold.Rule == rule {
			stretches = append(stretches, stretch)
		}
	})
	if err != nil {
		return fmt.Errorf("release what is due: %w", err)
	}
	return s.admitByClock(ctx, stretches, []any{queue, number, strings.Join(chunks, " ")}, total)
}

// chargeLater lets guards count those of some chunks whom they have still to count, by the rules
// and in the periods of now.
func (s *Store) chargeLater(ctx context.Context, chunks []string, total *Released) error {
	if len(chunks) == 0 {
		return nil
	}
	var stretches []heldStretch
	err := s.eachStretch(ctx, chunks, func(stretch heldStretch) {
		for i := range stretch.rows {
			stretch.rows[i].Hold = Hold{} // Who is held in the same chunk stays so.
		}
		stretches = append(stretches, stretch)
	})
	if err != nil {
		return fmt.Errorf("count who was not counted: %w", err)
	}
	return s.admitByClock(ctx, stretches, []any{"", 0, ""}, total)
}

// admitByClock runs admit.lua, which keeps at the end what was looked at: queue, number, chunks.
func (s *Store) admitByClock(
	ctx context.Context, stretches []heldStretch, looked []any, total *Released,
) error {
	parts := s.admitRecords(stretches)
	if len(parts) == 0 {
		parts = [][]any{nil}
	}
	for i, part := range parts {
		args := []any{"", "", "", "", "", "", "", "", "", "", "", s.options.MaxInFlight}
		if i == len(parts)-1 {
			args = append(args, looked...)
		} else {
			args = append(args, "", 0, "")
		}
		answer, err := s.run(ctx, s.client, "admit", append(args, part...)...)
		if err != nil {
			return err
		}
		total.add(asList(answer))
	}
	return nil
}

func idsIn(list reply) []string {
	all := make([]string, len(list))
	for i := range list {
		all[i] = list.text(i)
	}
	return all
}
