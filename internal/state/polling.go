package state

import (
	"context"
	"strings"
	"time"

	"tuma/internal/airtime"
	"tuma/internal/providers"
)

// Due hands out at most limit status queries, each once. One that is not answered within redeliver
// counts as lost and is handed out again. Waiting says whether any query is scheduled, also for
// later.
func (s *Store) Due(
	ctx context.Context, limit int, redeliver time.Duration,
) (polls []Poll, waiting bool, err error) {
	answer, err := s.run(ctx, s.client, "due", limit, redeliver.Milliseconds())
	if err != nil {
		return nil, false, err
	}
	list := asList(answer)
	return pollsOf(list.list(1)), list.int(0) == 1, nil
}

// Upcoming lists the next status queries of batches with open recipients, at most limit, soonest
// first, without those that are due by now. Nothing is handed out.
func (s *Store) Upcoming(ctx context.Context, limit int) ([]Poll, error) {
	answer, err := s.run(ctx, s.client, "upcoming", limit, 2*limit)
	if err != nil {
		return nil, err
	}
	return pollsOf(asList(answer)), nil
}

func pollsOf(list reply) []Poll {
	polls := make([]Poll, len(list))
	for i := range list {
		r := list.list(i)
		polls[i] = Poll{
			Batch: r.text(0), Provider: r.text(1), Number: r.int(2), Recipients: r.int(3),
			Open: r.int(4), Attempt: r.int(5),
		}
		if sent := r.int(6); sent > 0 {
			polls[i].Since = time.UnixMilli(int64(sent)).UTC()
		}
		if len(r) > 7 {
			polls[i].Due = time.UnixMilli(int64(r.int(7))).UTC()
		}
	}
	return polls
}

// Handout is what came of handing out one named query.
type Handout string

// What may come of it.
const (
	// Handed: the query is the caller's to make.
	Handed Handout = "handed"
	// HandoutGone: the batch is not known any more.
	HandoutGone Handout = "gone"
	// HandoutAsked: a later query has been handed out since.
	HandoutAsked Handout = "asked"
	// HandoutMoved: the query is due at another time, or not any more.
	HandoutMoved Handout = "moved"
	// HandoutSoon: a query of the batch was brought forward less than a minute ago.
	HandoutSoon Handout = "soon"
)

// broughtForward is the least time between two queries of a batch that are brought forward by hand.
const broughtForward = time.Minute

// HandOut hands out one query that Upcoming listed, also before it is due, unless it has been
// handed out or its time has moved since.
func (s *Store) HandOut(ctx context.Context, p Poll, redeliver time.Duration) (Handout, error) {
	answer, err := s.run(ctx, s.client, "handout", p.Batch, p.Number, p.Due.UnixMilli(),
		redeliver.Milliseconds(), broughtForward.Milliseconds())
	if err != nil {
		return "", err
	}
	text, _ := answer.(string)
	return Handout(text), nil
}

// PollSchedule says when a batch is asked about again.
type PollSchedule struct {
	// Poll is the number of the query that brought the answer; 0 when the facts came by themselves.
	Poll int
	// Next is the delay of the next query while members are open.
	Next time.Duration
	// OverdueAfter is the age from which open members are overdue; Slow is the delay from then on.
	OverdueAfter time.Duration
	Slow         time.Duration
	// Answer is what the provider said, for people; empty when it was not asked.
	Answer string
	// Callback says that a callback brought the facts.
	Callback bool
}

// Observe merges what a provider says about members of a batch. Known says that the answer shows
// that the provider knows the batch, even if it names nobody.
func (s *Store) Observe(
	ctx context.Context, b *Batch, lines []providers.RecipientStatus, known bool, r PollSchedule,
) (Observed, error) {
	lines, err := s.Renamed(ctx, b, lines)
	if err != nil {
		return Observed{}, err
	}
	args := []any{
		b.ID, r.Poll, r.Next.Milliseconds(), r.OverdueAfter.Milliseconds(), r.Slow.Milliseconds(),
		flag(known), clean(r.Answer), flag(r.Callback),
	}
	facts, observed := factsOf(b, lines)
	for len(facts) > 0 {
		n := neighbours(facts)
		status := facts[0].Status
		args = append(args, facts[0].position, n, string(status.Code()),
			string(airtime.ReasonOf(status)),
			texts(facts[:n], func(f fact) string { return f.ProviderReference }),
			texts(facts[:n], func(f fact) string { return f.Message }),
			texts(facts[:n], func(f fact) string { return f.Discount }),
			texts(facts[:n], func(f fact) string { return f.other }))
		facts = facts[n:]
	}
	answer, err := s.run(ctx, s.client, "observe", args...)
	if err != nil {
		return Observed{}, err
	}
	list := asList(answer)
	if len(list) == 0 {
		return Observed{}, ErrNotFound
	}
	observed.Changed, observed.Settled, observed.Open = list.int(0), list.int(1), list.int(2)
	observed.Overpaid, observed.Next = list.int(3), millis(list.int(4))
	return observed, nil
}

// fact is what a provider says about the member at a position, and the amount that it names where
// that is not the one that was sent.
type fact struct {
	position int
	providers.RecipientStatus
	other string
}

// factsOf finds the members that lines are about, and counts the lines that are odd.
func factsOf(b *Batch, lines []providers.RecipientStatus) (facts []fact, odd Observed) {
	positions := b.positions()
	for _, line := range lines {
		position, ours := positions[line.Phone]
		switch {
		case !ours:
			odd.Unmatched++
			continue
		case !line.Status.Valid():
			odd.Unrecognised++
			continue
		}
		paid := line.Status == airtime.Successful
		f := fact{position, line, otherAmount(line.Sums, &b.Members[position], paid)}
		if f.other != "" {
			odd.OtherAmounts++
		}
		facts = append(facts, f)
	}
	return facts, odd
}

// neighbours is how many of the facts, from the first on, say the same status of members that
// follow each other.
func neighbours(facts []fact) int {
	first := facts[0]
	for n, f := range facts {
		if f.position != first.position+n || f.Status != first.Status {
			return n
		}
	}
	return len(facts)
}

// texts writes one text per fact, line by line; once if it is the same for all.
func texts(facts []fact, text func(fact) string) string {
	first, same := text(facts[0]), true
	for _, f := range facts {
		same = same && text(f) == first
	}
	if same {
		return clean(first)
	}
	var b strings.Builder
	for i, f := range facts {
		if i > 0 {
			b.WriteByte('\n')
		}
		b.WriteString(clean(text(f)))
	}
	return b.String()
}

func flag(b bool) string {
	if b {
		return "1"
	}
	return "0"
}

// Children are new ids for the halves of a batch, should it come to that.
type Children [2]string

// ResolveUnknown decides what follows from a provider's word that it does not know a batch. The
// question was asked after the batch had been loaded; what came later the answer says nothing
// about.
func (s *Store) ResolveUnknown(
	ctx context.Context, b *Batch, resendSame bool, children Children, r PollSchedule,
) (NextStep, *Wakeup, error) {
	answer, err := s.run(ctx, s.client, "resolveunknown", b.ID, r.Poll, r.Next.Milliseconds(),
		s.options.SettleDelay.Milliseconds(), s.options.Guard.Milliseconds(), flag(resendSame),
		children[0], children[1], s.options.MaxInFlight, r.OverdueAfter.Milliseconds(),
		r.Slow.Milliseconds(), b.Read.UnixMilli(), asideFor.Milliseconds(),
		clean(r.Answer))
	if err != nil {
		return "", nil, err
	}
	list := asList(answer)
	return NextStep(list.text(0)), wakeupOf(b.Provider, list.int(1)), nil
}
