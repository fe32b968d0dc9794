package state_test

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"time"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"

	"tuma/internal/airtime"
	"tuma/internal/providers"
	"tuma/internal/state"
)

const modelPhones = 5

// flight is a claim that some worker holds, or held before it froze or died.
type flight struct {
	batch  *state.Batch
	holder string
	model  *modelBatch
}

// String is what a failed run prints.
func (f *flight) String() string { return f.batch.ID }

// sending is an attempt that was begun, with what an honest provider made of it.
type sending struct {
	flight
	attempt int
	arrived bool
	repeat  bool // The provider had the batch already.
	took    map[int]bool
}

// String is what a failed run prints.
func (s *sending) String() string { return fmt.Sprintf("%s:%d", s.batch.ID, s.attempt) }

// machine drives a store and the model with the same verbs and compares them.
type machine struct {
	*model
	t         *rapid.T
	store     *state.Store
	echo      *echo
	providers []string
	honest    bool // Whether the providers, and people, tell the truth.
	flights   []*flight
	sendings  []*sending
	made      int
	returns   bool // Whether the verb under way may return recipients that were sent.
	seen      snapshot
}

var background = context.Background()

func (x *machine) must(err error) {
	if err != nil {
		x.t.Fatalf("store: %v", err)
	}
}

func (x *machine) equal(want, got any, what string) {
	if diff := cmp.Diff(want, got); diff != "" {
		x.t.Fatalf("%s: -model +store:\n%s", what, diff)
	}
}

func draw[T any](x *machine, label string, list []T) T {
	if len(list) == 0 {
		x.t.Skip("no " + label)
	}
	return rapid.SampledFrom(list).Draw(x.t, label)
}

func (x *machine) chance(label string, percent int) bool {
	return rapid.IntRange(1, 100).Draw(x.t, label) <= percent
}

// accept brings some disbursals at once: new ones, known ones, and known ones with other content.
func (x *machine) accept(*rapid.T) {
	var list []state.Disbursal
	var want []state.Outcome
	for range draw(x, "together", []int{1, 1, 2, 3}) {
		d := x.drawDisbursal()
		content := fmt.Sprint(len(d.Recipients), d.Recipients[0].Amount, d.Recipients)
		outcome := state.Accepted
		switch known, taken := x.content[d.Reference]; {
		case taken && known == content:
			outcome = state.Same
		case taken:
			outcome = state.Conflict
		case x.marks["campaign "+d.Campaign]:
			outcome = state.Cancelled
		default:
			x.take(d, content)
			if x.echo.on.Load() {
				outcome = state.Same // The reply to the first call was lost.
			}
		}
		list, want = append(list, d), append(want, outcome)
	}
	got, err := x.store.Accept(background, list)
	x.must(err)
	x.equal(want, got.Outcomes, "accept")
	x.woken(got.Wakeups)
}

func (x *machine) drawDisbursal() state.Disbursal {
	d := state.Disbursal{Provider: draw(x, "provider", x.providers), Currency: "KES"}
	if len(x.refs) > 0 && x.chance("known", 20) {
		d.Reference = draw(x, "reference", slices.Sorted(maps.Keys(x.refs)))
		d.Campaign, d.Given = x.label[d.Reference], x.given[d.Reference]
	} else {
		x.made++
		d.Reference = fmt.Sprintf("r%d", x.made)
		d.Campaign = draw(x, "campaign", []string{"", "blue", "red"})
		if x.chance("named", 25) {
			d.Given = d.Provider
		}
	}
	split := d.Given == "" && x.chance("split", 40)
	for i := range modelPhones {
		if x.chance("in", 60) || len(d.Recipients) == 0 && i == modelPhones-1 {
			d.Recipients = append(d.Recipients, airtime.Recipient{
				Phone:  airtime.MSISDNFromE164(fmt.Sprintf("25470000000%d", i)),
				Amount: airtime.Money{Minor: int64(100 + i), Currency: "KES"},
			})
			if split {
				d.Providers = append(d.Providers, draw(x, "provider", x.providers))
			}
		}
	}
	return d
}

func (x *machine) take(d state.Disbursal, content string) {
	x.content[d.Reference], x.label[d.Reference] = content, d.Campaign
	x.given[d.Reference] = d.Given
	for i, r := range d.Recipients {
		recipient := &modelRecipient{
			ref: d.Reference, position: i, phone: r.Phone.Digits(), status: airtime.Queued,
			accepted: time.UnixMilli(x.now).UTC(),
			provider: d.Provider, amount: r.Amount.Minor, paidBy: map[*modelBatch]bool{},
		}
		if d.Providers != nil {
			recipient.provider = d.Providers[i]
		}
		x.people = append(x.people, recipient)
		x.refs[d.Reference] = append(x.refs[d.Reference], recipient)
	}
}

// claim draws a batch. Which pending recipients it gets is the store's choice; the model says
// whether each was its to take.
func (x *machine) claim(*rapid.T) {
	x.claimAt(draw(x, "provider", x.providers))
}

// claimAt draws a batch of one provider; nil when there is none.
func (x *machine) claimAt(provider string) *flight {
	holder, limit := token(), draw(x, "limit", []int{1, 3, 5})
	got, err := x.store.Claim(background, provider, holder, limit)
	x.must(err)
	defer func() {
		if got.Wakeup != nil {
			x.woken([]state.Wakeup{*got.Wakeup})
		}
	}()
	why, wait := x.idle(provider)
	if why != "" {
		x.equal([]any{why, wait}, []any{got.Idle, got.Wait.Milliseconds()}, "claim")
		return nil
	}
	channel := x.channels[provider]
	if got.Batch == nil {
		x.nothing(channel, got)
		return nil
	}
	b := x.drawn(channel, got.Batch, holder, channel.most(limit))
	b.state, b.holder, b.lapse = state.BatchClaimed, holder, x.now+modelClaim
	channel.charge(x.now)
	f := &flight{got.Batch, holder, b}
	x.flights = append(x.flights, f)
	return f
}

// send lets one worker claim, begin and record without a break, after the wait that it is told.
func (x *machine) send(*rapid.T) {
	provider := draw(x, "provider", x.providers)
	if _, wait := x.idle(provider); wait > 0 && x.chance("waits", 60) {
		x.now += wait
		setClock(x.t, x.store, x.now)
	}
	x.goOn(x.claimAt(provider))
}

// goOn lets the worker of a claim begin, and mostly record.
func (x *machine) goOn(f *flight) {
	if f == nil {
		return
	}
	x.step()
	if x.beginWith(f) {
		x.step()
		if x.chance("answered", 65) {
			x.recordOf(x.sendings[len(x.sendings)-1])
		}
	}
}

// woken checks that no worker is woken for a channel where nothing can be claimed now.
func (x *machine) woken(wakeups []state.Wakeup) {
	for _, r := range wakeups {
		if why, _ := x.idle(r.Provider); why != "" {
			x.t.Fatalf("woke a worker of %s, which is %s", r.Provider, why)
		}
	}
}

// nothing checks that a claim found nothing because there was nothing.
func (x *machine) nothing(channel *modelChannel, got state.Claim) {
	x.equal(state.IdleEmpty, got.Idle, "claim")
	if len(channel.ready) > 0 {
		x.t.Fatalf("claim found nothing, but batch %s is ready", channel.ready[0].id)
	}
	if got.Wakeup != nil {
		return // It looked at many who must wait, and wakes a worker for the rest.
	}
	waiting := slices.Concat(x.seen.blocked, x.look().aside)
	for _, r := range x.people {
		if r.status == airtime.Queued && r.batch == nil && r.provider == channel.name &&
			!x.blocked(channel.name, r.phone) && !slices.Contains(waiting, r.name()) {
			x.t.Fatalf("claim found nothing, but %s is pending", r.name())
		}
	}
}

func (x *machine) blocked(provider, phone string) bool {
	return slices.ContainsFunc(x.people, func(r *modelRecipient) bool {
		return r.phone == phone && r.status == airtime.InDoubt && r.provider == provider
	})
}

// drawn returns the model of the batch that a claim answered.
func (x *machine) drawn(
	channel *modelChannel, b *state.Batch, holder string, limit int,
) *modelBatch {
	// A paused channel is not probed with what may be why it is paused.
	if len(channel.ready) > 0 &&
		(!channel.halfOpen || channel.ready[0].refusedSince == 0 || b.ID != holder) {
		first := channel.ready[0]
		x.equal(first.id, b.ID, "ready batch")
		channel.ready = channel.ready[1:]
		return first
	}
	x.equal(holder, b.ID, "id of a new batch")
	fresh := &modelBatch{id: b.ID, provider: channel.name}
	phones := map[string]bool{}
	for _, member := range b.Members {
		i := slices.IndexFunc(x.people, func(r *modelRecipient) bool {
			return r.ref == member.Reference && r.phone == member.Phone.Digits()
		})
		r := x.people[i]
		if r.status != airtime.Queued || r.batch != nil || x.cancelled(r) ||
			r.provider != channel.name || x.blocked(channel.name, r.phone) || phones[r.phone] {
			x.t.Fatalf("%s (%s at %s) must not be claimed", r.name(), r.status, r.provider)
		}
		if r.refused > 0 && len(b.Members) > 1 {
			x.t.Fatalf("%s was refused alone, and goes with others", r.name())
		}
		fresh.refusedSince = r.refused
		phones[r.phone] = true
		fresh.members = append(fresh.members, r)
		x.move(r, airtime.Queued, fresh)
	}
	if len(b.Members) > limit {
		x.t.Fatalf("%d members in a batch of at most %d", len(b.Members), limit)
	}
	x.batches = append(x.batches, fresh)
	return fresh
}

func (r *modelRecipient) name() string { return fmt.Sprintf("%s %d", r.ref, r.position) }

// begin lets any worker try, also those whose claim has lapsed.
func (x *machine) begin(*rapid.T) {
	x.beginWith(draw(x, "flight", x.latest(x.flights)))
}

// beginWith reports whether a request leaves.
func (x *machine) beginWith(f *flight) bool {
	attempt := f.batch.Attempt + 1
	again := f.model.state == state.BatchSending && f.model.attempt == attempt
	want := x.model.begin(f.model, f.holder, attempt)
	_, err := x.store.BeginSend(background, f.batch, f.holder)
	got := "go"
	var refused *state.RefusedError
	if errors.As(err, &refused) {
		got = refused.Why
	} else {
		x.must(err)
	}
	if x.echo.on.Load() && want == "known" {
		want = "moved"
	}
	x.equal(want, got, "begin")
	if got == "go" && !again {
		x.arrive(f, attempt)
		return true
	}
	return false
}

// latest prefers what is young: most of the old is settled.
func (x *machine) latest(list []*flight) []*flight {
	return list[max(0, len(list)-6):]
}

// arrive decides what an honest provider makes of a request.
func (x *machine) arrive(f *flight, attempt int) {
	s := &sending{flight: *f, attempt: attempt, repeat: f.model.held, took: map[int]bool{}}
	x.sendings = append(x.sendings, s)
	if !x.honest {
		return
	}
	s.arrived = x.chance("arrives", 70)
	if !s.arrived || s.repeat || x.chance("refused", 35) {
		return
	}
	f.model.held = true
	for i, r := range f.model.members {
		if x.chance("takes", 75) {
			s.took[i], r.paidBy[f.model] = true, true
		}
	}
}

// record reports any attempt, also twice, late, or after the next one was begun.
func (x *machine) record(*rapid.T) {
	x.recordOf(draw(x, "sending", x.sendings[max(0, len(x.sendings)-6):]))
}

func (x *machine) recordOf(s *sending) {
	accepted := draw(x, "accepted as", []airtime.Status{airtime.Submitted, airtime.Unconfirmed})
	all := x.verdict(s, -1)
	a := answer(s.batch, all.Verdict, all.Reason)
	a.Attempt, a.Accepted, a.Message = s.attempt, accepted, all.Message
	a.NextPoll, a.Children = 10*time.Second, state.Children{token(), token()}
	if x.of(s.model).asks {
		a.Accepted = airtime.Submitted
	} else {
		a.NextPoll = 0
	}
	if a.Reason != airtime.ReasonBatchRefused && (x.honest || x.chance("mixed", 40)) {
		for i := range s.batch.Members {
			v := x.verdict(s, i)
			v.Position = i
			if len(x.providers) > 1 && x.chance("next", 60) {
				v.Next = x.other(s.model.provider)
			}
			a.Verdicts = append(a.Verdicts, v)
		}
	}
	if x.chance("pauses", 10) {
		a.Pause, a.RetryAfter = airtime.ReasonBalance, 10*time.Second
	}
	x.returns = s.attempt == 1 && s.model.attempt == 1
	want := x.model.record(s.model, a)
	got, err := x.store.Record(background, a.built())
	x.must(err)
	x.woken(got.Wakeups)
	got.Wakeups = nil
	x.equal(want, got, "record")
}

// other is the other of two providers.
func (x *machine) other(provider string) string {
	return x.providers[1-slices.Index(x.providers, provider)]
}

// verdict draws a verdict about a member, or about all. An honest provider's is true.
func (x *machine) verdict(s *sending, member int) verdict {
	if !x.honest {
		v := verdict{Verdict: draw(x, "verdict", airtime.Verdicts())}
		if v.Verdict == airtime.Refused && member < 0 && x.of(s.model).asks &&
			x.chance("whole", 75) {
			v.Reason = airtime.ReasonBatchRefused
		}
		if v.Verdict == airtime.Unsent && member < 0 && x.chance("whole", 40) {
			v.Reason = airtime.ReasonBatchRefused
		}
		if v.Verdict == airtime.Unknown && member < 0 && !x.of(s.model).asks &&
			x.chance("for one", 20) {
			v.Reason = airtime.ReasonBatchRefused
		}
		return v
	}
	unknown := verdict{Verdict: airtime.Unknown, Reason: airtime.ReasonTimeout}
	if x.chance("answer lost", 35) || s.arrived && s.repeat {
		return unknown
	}
	switch {
	case !s.arrived:
		return verdict{Verdict: airtime.Unsent}
	case len(s.took) == 0 && !s.model.held && x.of(s.model).asks:
		return verdict{Verdict: airtime.Refused, Reason: airtime.ReasonBatchRefused}
	case len(s.took) == 0 && !s.model.held:
		return verdict{Verdict: airtime.Unsent, Reason: airtime.ReasonBatchRefused}
	case member < 0:
		return unknown
	case s.took[member]:
		return verdict{Verdict: airtime.Accepted}
	default:
		return verdict{Verdict: airtime.Refused, Reason: airtime.ReasonRefused}
	}
}

// observe brings facts about members of any batch that was sent.
func (x *machine) observe(*rapid.T) {
	s := draw(x, "sending", x.left())
	if x.honest && !s.model.held {
		x.t.Skip("the provider has nothing to say")
	}
	var facts []observation
	for i, r := range s.model.members {
		if x.chance("named", 60) {
			status := draw(x, "status", x.words(s, r))
			facts = append(facts, observation{Position: i, Status: status, Message: "m"})
		}
	}
	schedule := state.PollSchedule{Next: 20 * time.Second, OverdueAfter: time.Hour, Slow: time.Minute}
	schedule.Poll = draw(x, "poll", []int{0, s.model.polls})
	known := x.chance("known", 50)
	if known {
		s.model.known, s.model.missing = true, 0
	}
	for _, f := range facts {
		x.see(s.model, s.model.members[f.Position], f.Status)
	}
	got, err := x.store.Observe(background, s.batch, linesOf(s.batch, facts), known, schedule)
	x.must(err)
	x.equal(s.model.open(), got.Open, "open members")
}

// left lists sendings; half of the time those whose batch some recipient has left.
func (x *machine) left() []*sending {
	recent := x.sendings[max(0, len(x.sendings)-8):]
	left := slices.DeleteFunc(slices.Clone(x.sendings), func(s *sending) bool {
		return !slices.ContainsFunc(s.model.members, func(r *modelRecipient) bool {
			return r.batch != s.model
		})
	})
	if len(left) > 0 && x.chance("left", 50) {
		return left
	}
	return recent
}

// words lists what may be said about a recipient in a batch.
func (x *machine) words(s *sending, r *modelRecipient) []airtime.Status {
	switch {
	case !x.honest:
		return []airtime.Status{
			airtime.Rejected, airtime.Submitted, airtime.Processing, airtime.Reprocessing,
			airtime.Failed, airtime.Successful, airtime.Reversed, airtime.Refunded,
		}
	case r.paidBy[s.model]:
		return []airtime.Status{airtime.Submitted, airtime.Processing, airtime.Successful}
	default:
		return []airtime.Status{airtime.Rejected}
	}
}

// due hands out status queries.
func (x *machine) due(*rapid.T) {
	polls, _, err := x.store.Due(background, 100, 15*time.Second)
	x.must(err)
	for _, p := range polls {
		i := slices.IndexFunc(x.batches, func(b *modelBatch) bool { return b.id == p.Batch })
		x.batches[i].polls = p.Number
	}
}

// hint says that something happened to a batch: it is asked about within a minute, wherever its
// recipients are now.
func (x *machine) hint(*rapid.T) {
	b := draw(x, "batch", x.batches[max(0, len(x.batches)-8):])
	if !x.of(b).asks {
		x.t.Skip("its provider cannot be asked")
	}
	found, err := x.store.Hint(background, b.id, providers.RecipientStatus{})
	x.must(err)
	x.equal(b.attempt > 0, found, "hint")
	switch b.state {
	case state.BatchReady, state.BatchClaimed, state.BatchSending:
		return
	}
	if !found {
		return
	}
	b.hinted = true
	due, err := x.store.Client().ZScore(background, x.store.Key("due", ""), b.id).Result()
	x.must(err)
	if int64(due) > x.now+60_000 {
		x.t.Fatalf("batch %s (%s) is due in %.0f ms", b.id, b.state, due-float64(x.now))
	}
}

// notKnown brings a provider's word that it does not know a batch.
func (x *machine) notKnown(*rapid.T) {
	x.deny(draw(x, "batch", x.batches[max(0, len(x.batches)-8):]))
}

// denyLong keeps saying so until something follows, and lets the next worker begin.
func (x *machine) denyLong(*rapid.T) {
	doubtful := slices.DeleteFunc(slices.Clone(x.batches), func(b *modelBatch) bool {
		return b.state != state.BatchDoubt
	})
	b := draw(x, "batch in doubt", doubtful)
	for range 2 {
		x.deny(b)
		x.step()
		x.now += draw(x, "ms", []int64{61_000, 95_000, 155_000})
		setClock(x.t, x.store, x.now)
	}
	x.deny(b)
	x.step()
	x.goOn(x.claimAt(b.provider))
}

// handOver lets a worker lay a batch down that another takes up.
func (x *machine) handOver(*rapid.T) {
	children := slices.DeleteFunc(slices.Clone(x.flights), func(f *flight) bool {
		return !f.model.child || f.model.state != state.BatchClaimed || f.model.attempt > 0
	})
	f := draw(x, "child", children)
	if f.holder == f.model.holder {
		x.unclaim(f.model)
	}
	x.must(x.store.Release(background, f.batch, f.holder, "", 0))
	x.step()
	x.goOn(x.claimAt(f.model.provider))
}

// step compares in the middle of an action.
func (x *machine) step() {
	x.conclude()
	x.check()
	x.returns = false
}

func (x *machine) deny(b *modelBatch) {
	if x.honest && b.held {
		x.t.Skip("the provider knows it")
	}
	children := state.Children{token(), token()}
	again := x.chance("may resend", 70)
	schedule := state.PollSchedule{
		Poll: b.polls, Next: 20 * time.Second, OverdueAfter: time.Hour, Slow: time.Minute,
	}
	x.returns = b.refused
	handle, err := x.store.Load(background, b.id)
	x.must(err)
	asked := x.now
	if x.chance("the answer takes long", 15) {
		x.now += 61_000
		setClock(x.t, x.store, x.now)
	}
	want := x.model.notKnown(b, again, children, asked)
	got, wakeup, err := x.store.ResolveUnknown(background, handle, again, children, schedule)
	x.must(err)
	if wakeup != nil {
		x.woken([]state.Wakeup{*wakeup})
	}
	if !x.echo.on.Load() { // A repeated decision is answered with: go on asking.
		x.equal(want, got, "not known")
	}
}

// sweep mends what stopped workers left.
func (x *machine) sweep(*rapid.T) {
	provider := draw(x, "provider", x.providers)
	returned, doubted := x.model.sweep(provider)
	got, err := x.store.Sweep(background, provider)
	x.must(err)
	if got.Wakeup != nil {
		x.woken([]state.Wakeup{*got.Wakeup})
	}
	if !x.echo.on.Load() {
		x.equal([]int{returned, doubted}, []int{got.Returned, got.InDoubt}, "sweep")
	}
}

// release lays a claimed batch down.
func (x *machine) release(*rapid.T) {
	f := draw(x, "flight", x.latest(x.flights))
	if f.model.state == state.BatchClaimed && f.model.holder == f.holder {
		x.unclaim(f.model)
	}
	x.must(x.store.Release(background, f.batch, f.holder, "", 0))
}

// cancel withdraws a disbursal or a campaign.
func (x *machine) cancel(*rapid.T) {
	if len(x.refs) == 0 || !x.chance("really", 40) {
		x.t.Skip("nothing to cancel")
	}
	kind, name := state.KindCampaign, draw(x, "campaign", []string{"blue", "red"})
	if x.chance("one", 75) {
		kind, name = state.KindDisbursal,
			draw(x, "reference", slices.Sorted(maps.Keys(x.refs)))
	}
	withdrawn, late := x.model.cancel(kind, name)
	got, err := x.store.Cancel(background, kind, name, "amina", "")
	x.must(err)
	x.equal(state.Cancellation{Cancelled: withdrawn, TooLate: late}, got, "cancel")
}

// resolve brings a person's word about recipients, some of whom it is not about.
func (x *machine) resolve(*rapid.T) {
	doubtful := slices.Clone(x.people)
	if x.chance("in doubt", 80) {
		doubtful = slices.DeleteFunc(doubtful, func(r *modelRecipient) bool {
			return r.status != airtime.InDoubt
		})
	}
	elsewhere := slices.DeleteFunc(slices.Clone(doubtful), func(r *modelRecipient) bool {
		return len(r.superseded) == 0
	})
	if len(elsewhere) > 0 {
		doubtful = elsewhere // The rare and dangerous ones first.
	}
	r := draw(x, "recipient", doubtful)
	decision := state.Decision{
		Paid: x.chance("paid", 40), Resubmit: x.chance("again", 60), Who: "w", Evidence: "e",
	}
	if x.honest {
		decision.Paid = r.batch != nil && r.paidBy[r.batch]
	}
	moved := x.chance("moved", 10)
	list := []state.Resolution{r.seen()}
	if moved {
		list[0] = x.otherwise(r)
	}
	x.returns = true
	moved = moved && !cmp.Equal(list[0], r.seen())
	if !moved && r.status == airtime.InDoubt && r.batch.deadline+modelGuard > x.now {
		_, err := x.store.Resolve(background, decision, list)
		if !errors.Is(err, state.ErrEarly) {
			x.t.Fatalf("resolve %s: %v, want ErrEarly", r.name(), err)
		}
		return
	}
	want := !moved && x.model.resolve(decision, []*modelRecipient{r})
	_, err := x.store.Resolve(background, decision, list)
	if want {
		x.must(err)
	} else if !errors.Is(err, state.ErrMoved) {
		x.t.Fatalf("resolve %s (%s): %v, want ErrMoved", r.name(), r.status, err)
	}
}

// seen is what a person saw of a recipient.
func (r *modelRecipient) seen() state.Resolution {
	seen := state.Resolution{
		Reference: r.ref, Position: r.position, Seen: r.status,
		Amount: airtime.Money{Minor: r.amount, Currency: "KES"},
	}
	if r.batch != nil {
		seen.Batch, seen.Attempt = r.batch.id, r.batch.attempt
	}
	return seen
}

// otherwise is what a person saw of a recipient that stood elsewhere, or was another one, then.
func (x *machine) otherwise(r *modelRecipient) state.Resolution {
	seen := r.seen()
	switch draw(x, "what moved", []string{"status", "batch", "attempt", "amount"}) {
	case "status":
		seen.Seen = airtime.Refunded
	case "batch":
		seen.Batch = draw(x, "batch", append([]*modelBatch{{}}, x.batches...)).id
	case "attempt":
		if r.status == airtime.InDoubt { // Of nobody else it says anything.
			seen.Attempt--
		}
	case "amount":
		seen.Amount.Minor++
	}
	return seen
}

// strand lists who waits at a paused provider and may go elsewhere.
func (x *machine) strand(*rapid.T) {
	channel := x.channels[draw(x, "provider", x.providers)]
	got, _, err := x.store.Stranded(background, channel.name, 0, 1000)
	x.must(err)
	var want, names []string
	channel.stranded, channel.onward = nil, nil
	for _, r := range x.people {
		waits := slices.Contains(x.seen.pending, r.name()) && r.provider == channel.name
		if waits && x.given[r.ref] == "" && channel.paused > x.now {
			want = append(want, r.name())
		}
	}
	for _, s := range got {
		ref, _ := x.store.NameOf(s)
		i := slices.IndexFunc(x.people, func(r *modelRecipient) bool {
			return r.ref == ref && r.phone == s.Phone.Digits()
		})
		names = append(names, x.people[i].name())
		channel.stranded = append(channel.stranded, x.people[i])
		channel.onward = append(channel.onward, state.Onward{Stranded: s})
	}
	slices.Sort(want)
	slices.Sort(names)
	x.equal(want, names, "stranded")
}

// reroute moves some who were listed a while ago.
func (x *machine) reroute(*rapid.T) {
	if len(x.providers) == 1 {
		x.t.Skip("there is nowhere to go")
	}
	channel := x.channels[draw(x, "provider", x.providers)]
	if x.chance("afresh", 70) {
		x.strand(x.t)
	}
	if len(channel.onward) == 0 {
		x.t.Skip("nobody is stranded")
	}
	from := draw(x, "from", []int{0, len(channel.onward) / 2})
	list, next := slices.Clone(channel.onward[from:]), x.other(channel.name)
	for i := range list {
		list[i].Provider = next
	}
	want := x.model.reroute(channel.name, channel.stranded[from:], next)
	got, wakeups, err := x.store.Reroute(background, channel.name, list)
	x.must(err)
	x.woken(wakeups)
	if !x.echo.on.Load() { // A repeated move finds that nobody waits any more.
		x.equal(want, got, "moved")
	}
}

// pause stops a channel, as for a balance that is too low.
func (x *machine) pause(*rapid.T) {
	if !x.chance("really", 50) {
		x.t.Skip("no reason")
	}
	channel := x.channels[draw(x, "provider", x.providers)]
	wish := draw(x, "wish", []int64{0, 20_000})
	channel.pause(x.now, wish)
	length := time.Duration(wish) * time.Millisecond
	x.must(x.store.Pause(background, channel.name, airtime.ReasonBalance, length))
}

// tick lets time pass.
func (x *machine) tick(*rapid.T) {
	x.now += draw(x, "ms", []int64{1, 900, 5_000, 16_000, 61_000, 95_000, 310_000})
	setClock(x.t, x.store, x.now)
}

// actions are the verbs, each with the comparison and the invariants behind it.
func (x *machine) actions() map[string]func(*rapid.T) {
	list := map[string]func(*rapid.T){
		"accept": x.accept, "claim": x.claim, "begin": x.begin, "record": x.record,
		"observe": x.observe, "due": x.due, "not known": x.notKnown, "sweep": x.sweep,
		"release": x.release, "cancel": x.cancel, "resolve": x.resolve, "tick": x.tick,
		"divide":      x.divide,
		"claim again": x.claim, "begin again": x.begin, "record again": x.record,
		"deny long": x.denyLong, "deny longer": x.denyLong, "hand over": x.handOver,
		"strand": x.strand, "reroute": x.reroute, "reroute again": x.reroute, "pause": x.pause,
		"send": x.send, "send again": x.send, "send more": x.send, "hint": x.hint,
	}
	verbs := map[string]func(*rapid.T){"": func(*rapid.T) { x.check() }}
	for name, verb := range list {
		verbs[name] = func(t *rapid.T) {
			x.returns = false
			x.echo.on.Store(x.chance("repeated", 25))
			defer x.echo.on.Store(false)
			verb(t)
			x.conclude()
		}
	}
	return verbs
}
