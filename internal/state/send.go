package state

import (
	"context"
	"errors"
	"fmt"
	"strconv"
	"strings"
	"time"

	"github.com/redis/go-redis/v9"

	"tuma/internal/airtime"
	"tuma/internal/providers"
)

// Claim draws one batch of at most limit recipients for a provider. The token is a new UUIDv7 made
// by the caller: it becomes the id of a newly drawn batch, and proves the claim to BeginSend.
func (s *Store) Claim(ctx context.Context, provider, token string, limit int) (Claim, error) {
	answer, err := s.run(ctx, s.client, "claim", provider, token, limit, s.options.MaxInFlight,
		s.options.ClaimTimeout.Milliseconds())
	if err != nil {
		return Claim{}, err
	}
	r := asList(answer)
	if r.text(0) == "idle" {
		return Claim{
			Idle: Idle(r.text(1)), Wait: millis(r.int(2)), Wakeup: wakeupOf(provider, r.int(3)),
		}, nil
	}
	batch, err := describe(r.list(2))
	return Claim{Batch: batch, Wakeup: wakeupOf(provider, r.int(1))}, err
}

// wakeupsOf reads a list of providers and wakeup numbers.
func wakeupsOf(r reply) []Wakeup {
	var wakeups []Wakeup
	for i := 0; i < len(r); i += 2 {
		wakeups = append(wakeups, Wakeup{Provider: r.text(i), Number: int64(r.int(i + 1))})
	}
	return wakeups
}

func wakeupOf(provider string, number int) *Wakeup {
	if number == 0 {
		return nil
	}
	return &Wakeup{Provider: provider, Number: int64(number)}
}

// BeginSend commits the next attempt of a claimed batch and returns how long the request may take.
// A *RefusedError is returned when the batch must not be sent: it moved on, or the state cannot
// promise to remember the sending. Every other error means that nothing is known: do not send.
func (s *Store) BeginSend(ctx context.Context, b *Batch, token string) (time.Duration, error) {
	if err := s.room(ctx, SendLimit); err != nil {
		return 0, &RefusedError{Why: "full"}
	}
	on, release, err := s.pinned(ctx)
	if err != nil {
		return 0, err
	}
	defer release()
	answer, err := s.run(ctx, on, "begin", b.ID, token, b.Attempt+1,
		s.options.SubmitTimeout.Milliseconds(), s.options.Guard.Milliseconds())
	if err != nil {
		return 0, err
	}
	r := asList(answer)
	if r.text(0) != "go" {
		return 0, &RefusedError{Why: r.text(1)}
	}
	if err := s.replicated(ctx, on); err != nil {
		return 0, &RefusedError{Why: "not replicated", Begun: true}
	}
	return millis(r.int(1)), nil
}

// RefusedError is returned by BeginSend when the batch must not be sent.
type RefusedError struct {
	Why string
	// Begun is true when the attempt was committed although it must not be sent: the caller records
	// it as unsent.
	Begun bool
}

// Error says why.
func (e *RefusedError) Error() string { return "sending refused: " + e.Why }

// pinned returns one connection when replicas must acknowledge, because WAIT counts per connection.
// In a cluster it is one to the node that holds the state; when the state has just moved, that node
// answers with an error and nothing is sent.
func (s *Store) pinned(ctx context.Context) (runner, func(), error) {
	if s.options.MinReplicas == 0 {
		return s.client, func() {}, nil
	}
	node, err := s.node(ctx)
	if err != nil {
		return nil, nil, err
	}
	conn := node.Conn()
	return conn, func() { _ = conn.Close() }, nil
}

func (s *Store) replicated(ctx context.Context, on runner) error {
	conn, pinned := on.(*redis.Conn)
	if !pinned {
		return nil
	}
	got, err := conn.Wait(ctx, s.options.MinReplicas, time.Second).Result()
	if err != nil {
		return fmt.Errorf("wait for replicas: %w", err)
	}
	if got < int64(s.options.MinReplicas) {
		return fmt.Errorf("%d of %d replicas acknowledged", got, s.options.MinReplicas)
	}
	return nil
}

// Release lays a claimed batch down that cannot be sent now, and pauses the channel for a reason; a
// wish of zero leaves the length of the pause to the state.
func (s *Store) Release(
	ctx context.Context, b *Batch, token string, pause airtime.Reason, wish time.Duration,
) error {
	_, err := s.run(ctx, s.client, "release", b.ID, token, string(pause), wish.Milliseconds(),
		"", "", "", s.options.MaxInFlight)
	return err
}

// Divide takes a claimed batch that could not be prepared, and says why: its members are halved
// under the ids of the children, or the one that is alone is judged.
func (s *Store) Divide(
	ctx context.Context, b *Batch, token, why string, children Children,
) (NextStep, *Wakeup, error) {
	answer, err := s.run(ctx, s.client, "release", b.ID, token,
		string(airtime.ReasonBatchRefused), 0, clean(why), children[0],
		children[1], s.options.MaxInFlight)
	if err != nil {
		return "", nil, err
	}
	list := asList(answer)
	return NextStep(list.text(0)), wakeupOf(b.Provider, list.int(1)), nil
}

// Record stores what a sending came to. It is repeated by the caller until it succeeds: it carries
// the batch's content, so that even a Redis which forgot the batch takes it.
func (s *Store) Record(ctx context.Context, a Answer) (Recorded, error) {
	args := make([]any, 0, 17+8*len(a.Batch.Members))
	byChunk, byReference := slicesOf(a.Batch)
	args = append(args, a.Batch.ID, a.Attempt, a.Batch.Provider, byChunk, byReference,
		string(a.Accepted.Code()), a.Verdict.String(), string(a.Reason), clean(a.Message),
		string(a.Pause), a.RetryAfter.Milliseconds(), a.NextPoll.Milliseconds(),
		s.options.MaxInFlight, a.Since.Milliseconds(), s.options.SubmitTimeout.Milliseconds(),
		a.Children[0], a.Children[1], clean(a.Wire))
	exceptions, unmatched, err := s.exceptions(a)
	if err != nil {
		return Recorded{}, err
	}
	answer, err := s.run(ctx, s.client, "record", append(args, exceptions...)...)
	if err != nil {
		return Recorded{}, err
	}
	r := asList(answer)
	return Recorded{
		Stale: r.text(0) == "stale", Accepted: r.int(1), Rejected: r.int(2), Returned: r.int(3),
		InDoubt: r.int(4), Unmatched: unmatched, Wakeups: wakeupsOf(r.list(5)),
	}, nil
}

// exceptions writes what an answer says of single members: its lines and, of an answer that refuses
// all without any, those whom another provider takes. It counts the lines that fit no member.
func (s *Store) exceptions(a Answer) (args []any, unmatched int, err error) {
	except := func(position int, line providers.Line, always bool) {
		m, next := &a.Batch.Members[position], ""
		if line.Verdict == airtime.Refused && a.Next != nil {
			next = a.Next(m, line.Reason)
		}
		if _, known := s.code[next]; next != "" && !known {
			err = fmt.Errorf("record: unknown provider %q", next)
		}
		if always || next != "" {
			args = append(args, position, line.Verdict.String(), string(line.Reason),
				clean(line.ProviderReference), clean(line.Message), next, line.Discount,
				otherAmount(line.Sums, m, line.Verdict == airtime.Accepted))
		}
	}
	positions := a.Batch.positions()
	for _, line := range a.Lines {
		if position, ours := positions[line.Phone]; ours {
			except(position, line, true)
		} else {
			unmatched++
		}
	}
	if len(a.Lines) == 0 && a.Verdict == airtime.Refused {
		line := providers.Line{Verdict: a.Verdict, Reason: a.Reason, Message: a.Message}
		for position := range a.Batch.Members {
			except(position, line, false)
		}
	}
	return args, unmatched, err
}

// otherAmount writes the amount that a provider names where it is not the one that was sent.
func otherAmount(sums providers.Sums, m *Member, paid bool) string {
	other := sums.Other(m.Amount, paid)
	if other.Currency == "" {
		return ""
	}
	return other.String()
}

// Resending is what was decided about sending a batch in doubt again with the same bytes.
type Resending struct {
	// Ready is true when the batch waits to be claimed. Otherwise Wait is how long until that can
	// be; zero when its provider would not recognise it any more, or nothing permits it.
	Ready  bool
	Wait   time.Duration
	Wakeup *Wakeup
}

// Resend makes a batch in doubt ready to be sent again with the same bytes, if its provider still
// recognises it by its key. While its first request may be on the wire the batch waits, and is
// scheduled for the moment when it may be sent.
func (s *Store) Resend(ctx context.Context, b *Batch) (Resending, error) {
	answer, err := s.run(ctx, s.client, "resend", b.ID, b.Polls,
		s.options.SubmitTimeout.Milliseconds(), s.options.MaxInFlight)
	if err != nil {
		return Resending{}, err
	}
	r := asList(answer)
	return Resending{
		Ready: r.int(0) == 1, Wait: millis(r.int(1)), Wakeup: wakeupOf(b.Provider, r.int(2)),
	}, nil
}

// maxText bounds each text that others wrote, in bytes.
const maxText = 1024

// clean keeps a text that others wrote within one line of evidence.
func clean(text string) string { return airtime.Line(text, maxText) }

// slicesOf writes the members as stretches of positions: of chunks, and of disbursals.
func slicesOf(b *Batch) (byChunk, byReference string) {
	chunks := stretches(b, func(m *Member) (string, int) { return m.at.chunk, m.at.pos })
	references := stretches(b, func(m *Member) (string, int) {
		return "@" + m.name, m.position + 1
	})
	return chunks, references
}

// stretches writes lines "name from to" for members that follow each other under one name.
func stretches(b *Batch, of func(*Member) (string, int)) string {
	var text []byte
	for i := 0; i < len(b.Members); {
		name, from := of(&b.Members[i])
		to := from
		for i++; i < len(b.Members); i++ {
			if next, at := of(&b.Members[i]); next != name || at != to+1 {
				break
			}
			to++
		}
		if len(text) > 0 {
			text = append(text, '\n')
		}
		text = fmt.Appendf(text, "%s %d %d", name, from, to)
	}
	return string(text)
}

// Load reads a batch. ErrNotFound is returned when there is none under that id.
func (s *Store) Load(ctx context.Context, id string) (*Batch, error) {
	answer, err := s.run(ctx, s.client, "load", id)
	if err != nil {
		return nil, err
	}
	r := asList(answer)
	if len(r) == 0 {
		return nil, fmt.Errorf("batch %s: %w", id, ErrNotFound)
	}
	return describe(r)
}

// describe reads a batch as lua/include/describe.lua describes it.
func describe(r reply) (*Batch, error) {
	b := &Batch{
		ID: r.text(0), Provider: r.text(1), State: BatchState(r.text(2)), Attempt: r.int(3),
		Polls: r.int(4), Parent: r.text(5), Refused: r.int(6) == 1, Open: r.int(7),
		Age: millis(r.int(8)), Why: airtime.Reason(r.text(9)),
		Read: time.UnixMilli(int64(r.int(11))).UTC(), StillOut: millis(r.int(12)),
		Words: r.text(13), Answered: r.int(14) == 1,
	}
	for _, item := range r.list(10) {
		slice := asList(item)
		members, err := membersOf(slice)
		if err != nil {
			return nil, fmt.Errorf("batch %s: %w", b.ID, err)
		}
		b.Members = append(b.Members, members...)
	}
	return b, nil
}

// membersOf reads one slice: chunk, currency, first position, content lines, status codes,
// campaign, 1 if it was routed, the provider's ids, one per line, where it is asked by them, and
// whom the positions stand for, as lines "reference from to".
func membersOf(slice reply) ([]Member, error) {
	currency, first := airtime.Currency(slice.text(1)), slice.int(2)
	lines, codes, ids := slice.text(3), slice.text(4), slice.text(7)
	members := make([]Member, len(codes))
	for i := range members {
		m := &members[i]
		m.at = chunkPos{slice.text(0), first + i}
		m.Campaign, m.Routed = ownWord(slice.text(5)), slice.int(6) == 1
		m.ProviderReference, ids, _ = strings.Cut(ids, "\n")
		if codes[i] != '-' {
			status, err := airtime.StatusFromCode(codes[i])
			if err != nil {
				return nil, err
			}
			m.Status, m.Here = status, true
		}
		if lines == "" {
			continue // The disbursal has been forgotten since.
		}
		line := lines
		if end := strings.IndexByte(lines, '\n'); end >= 0 {
			line, lines = lines[:end], lines[end+1:]
		}
		recipient, err := parseLine(line, currency)
		if err != nil {
			return nil, err
		}
		m.Recipient = recipient
	}
	return members, nameAll(members, slice.text(8))
}

// nameAll reads lines "reference from to", which together name all members.
func nameAll(members []Member, names string) error {
	i := 0
	for line := range strings.SplitSeq(names, "\n") {
		ref, numbers, _ := strings.Cut(line, " ")
		first, last, _ := strings.Cut(numbers, " ")
		from, err := strconv.Atoi(first)
		to, lastErr := strconv.Atoi(last)
		if err := errors.Join(err, lastErr); err != nil {
			return fmt.Errorf("stored names: %w", err)
		}
		shown := Shown(ref)
		for position := from; position <= to && i < len(members); position++ {
			members[i].Reference, members[i].name, members[i].position = shown, ref, position-1
			i++
		}
	}
	return nil
}

func parseLine(line string, currency airtime.Currency) (airtime.Recipient, error) {
	phone, amount, _ := strings.Cut(line, " ")
	minor, err := strconv.ParseInt(amount, 10, 64)
	if err != nil {
		return airtime.Recipient{}, fmt.Errorf("stored amount: %w", err)
	}
	return airtime.Recipient{
		Phone:  airtime.MSISDNFromE164(phone),
		Amount: airtime.Money{Minor: minor, Currency: currency},
	}, nil
}
