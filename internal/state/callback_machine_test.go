package state_test

import (
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"

	"tuma/internal/airtime"
	"tuma/internal/providers"
	"tuma/internal/state"
)

// The second machine is about a provider that cannot be asked about batches, but reports every
// payment by an id of its own: in any order, early, late, more than once. The provider tells the
// truth, answers get lost, and all recipients of a number get the same amount. People tell the
// truth when somebody is to be sent again, and else may err. What counts is the end: nobody is paid
// twice, and nobody is reported as what they are not, unless by a person's error alone.

// payment is what the provider really did for a recipient.
type payment struct {
	id    string
	payee *payee
	ends  airtime.Status // Successful or failed.
	named bool           // Whether an answer that was stored names the id.
}

type payee struct {
	ref      string
	phone    airtime.MSISDN
	payments []*payment
	decided  bool // Whether a person ever decided.
	repeated bool // Whether its batch was sent again: its first answer is lost.
	mistaken bool // Whether a person said last that it was unpaid, although it was paid.
}

// request is a sending, with what the provider answers.
type request struct {
	batch    *state.Batch
	attempt  int
	at       int64
	arrived  bool
	repeated bool
	paid     []*payment // By member; nil for who was refused.
}

// talkingMemory is how long the provider recognises a request that it has had before.
const talkingMemory = 4 * time.Minute

// talker drives a store against the provider.
type talker struct {
	*harness
	rt       *rapid.T
	echo     *echo
	payees   map[string]*payee
	payments []*payment
	requests []*request
	known    map[string]*request // What the provider has, by batch.
	sent     map[string]int      // How many attempts were begun for a number.
	granted  map[string]int      // How many payments to a number were validated.
	// decisions are when people decided about a number.
	decisions map[string][]int64
	made      int
}

// rapidTB lets the helpers of scenarios report for a random run.
type rapidTB struct {
	testing.TB
	rt *rapid.T
}

// Errorf complains.
func (v *rapidTB) Errorf(format string, args ...any) { v.rt.Errorf(format, args...) }

// FailNow ends the run.
func (v *rapidTB) FailNow() { v.rt.FailNow() }

// Fatalf complains and ends the run.
func (v *rapidTB) Fatalf(format string, args ...any) { v.rt.Fatalf(format, args...) }

// talking returns a property that runs random verbs around callbacks.
func talkingProperty(t testing.TB, edit state.ScriptEdit) func(*rapid.T) {
	t.Helper()
	hook := &echo{}
	root := open(t, func(o *state.Options) { o.MaxInFlight = 3 })
	root.Client().AddHook(hook)
	root = simulated(root, edit)
	return func(rt *rapid.T) {
		s := root.In(fmt.Sprintf("talk%d", namespaces.Add(1)))
		v := &rapidTB{t, rt}
		x := &talker{
			harness: &harness{t: v, s: s, c: &clock{t: v, store: s, ms: modelStart}}, rt: rt, echo: hook,
			payees: map[string]*payee{}, known: map[string]*request{}, sent: map[string]int{},
			granted: map[string]int{}, decisions: map[string][]int64{},
		}
		x.c.pass(0)
		actions := map[string]func(*rapid.T){"": func(*rapid.T) { x.check() }}
		for name, verb := range map[string]func(){
			"enter": x.enter, "deliver": x.deliver, "deliver more": x.deliver, "answer": x.answer,
			"answer more": x.answer, "report": x.report, "report more": x.report,
			"retry": x.retryAll, "decide": x.decide, "repeat": x.repeat, "mend": x.mend,
			"wait": x.wait,
		} {
			actions[name] = func(*rapid.T) {
				hook.on.Store(x.chance(25))
				defer hook.on.Store(false)
				verb()
			}
		}
		rt.Repeat(actions)
		x.end()
	}
}

func (x *talker) chance(percent int) bool {
	return rapid.IntRange(1, 100).Draw(x.rt, "chance") <= percent
}

func pick[T any](x *talker, label string, list []T) T {
	if len(list) == 0 {
		x.rt.Skip("no " + label)
	}
	return rapid.SampledFrom(list).Draw(x.rt, label)
}

// enter accepts one recipient, or two with different numbers.
func (x *talker) enter() {
	x.made++
	d := state.Disbursal{Reference: fmt.Sprintf("r%d", x.made), Provider: talking, Currency: "KES"}
	numbers := pick(x, "numbers", []string{"0", "1", "01"})
	for _, n := range strings.Split(numbers, "") {
		phone := airtime.MSISDNFromE164("25470000000" + n)
		d.Recipients = append(d.Recipients, airtime.Recipient{
			Phone: phone, Amount: airtime.Money{Minor: 1000, Currency: "KES"},
		})
		x.payees[d.Reference+" "+phone.Digits()] = &payee{ref: d.Reference, phone: phone}
	}
	_, err := x.s.Accept(background, []state.Disbursal{d})
	require.NoError(x.t, err)
}

// deliver claims and begins a batch; the provider gets it, or does not.
func (x *talker) deliver() {
	holder := token()
	got, err := x.s.Claim(background, talking, holder, 3)
	require.NoError(x.t, err)
	if got.Batch == nil {
		if got.Wait > 0 {
			x.c.pass(got.Wait)
		}
		return
	}
	b := got.Batch
	_, err = x.s.BeginSend(background, b, holder)
	if refused := (*state.RefusedError)(nil); errors.As(err, &refused) {
		return
	}
	require.NoError(x.t, err)
	r := &request{batch: b, attempt: b.Attempt + 1, at: x.c.ms, arrived: x.chance(75)}
	x.requests = append(x.requests, r)
	for _, m := range b.Members {
		x.sent[m.Phone.Digits()]++
		if r.attempt > 1 {
			x.payees[m.Reference+" "+m.Phone.Digits()].repeated = true
		}
	}
	first := x.known[b.ID]
	r.repeated = first != nil && r.at-first.at < talkingMemory.Milliseconds()
	if r.repeated || !r.arrived {
		return
	}
	x.known[b.ID] = r
	for _, m := range b.Members {
		r.paid = append(r.paid, x.pay(x.payees[m.Reference+" "+m.Phone.Digits()]))
	}
}

// pay lets the provider pay somebody, or refuse; nil is a refusal. It asks us first.
func (x *talker) pay(p *payee) *payment {
	if !x.chance(85) {
		return nil
	}
	made := &payment{
		id: fmt.Sprintf("p%d", len(x.payments)), payee: p,
		ends: pick(x, "end", []airtime.Status{airtime.Successful, airtime.Failed}),
	}
	if x.chance(50) {
		require.True(x.t, x.validate(made.id, p.phone, 1000), "the payment is ours")
		require.True(x.t, x.validate(made.id, p.phone, 1000), "asked again")
		x.granted[p.phone.Digits()]++
	}
	if x.chance(30) && x.validate("stray "+made.id, p.phone, 1000) {
		x.granted[p.phone.Digits()]++
	}
	require.False(x.t, x.validate("odd "+made.id, p.phone, 999), "another amount")
	require.LessOrEqual(x.t, x.granted[p.phone.Digits()], x.sent[p.phone.Digits()])
	x.payments = append(x.payments, made)
	p.payments = append(p.payments, made)
	return made
}

func (x *talker) validate(id string, phone airtime.MSISDN, minor int64) bool {
	ours, err := x.s.Validate(background, talking, providers.Validation{
		ID: id, Phone: phone, Amount: airtime.Money{Minor: minor, Currency: "KES"},
	})
	require.NoError(x.t, err)
	return ours
}

// answer stores what the provider answered to a request, or that the answer was lost.
func (x *talker) answer() {
	r := pick(x, "request", x.requests[max(0, len(x.requests)-6):])
	a := answer(r.batch, airtime.Unknown, airtime.ReasonTimeout)
	a.Attempt = r.attempt
	switch {
	case x.chance(45): // Lost.
	case !r.arrived:
		a.Verdict, a.Reason = airtime.Unsent, airtime.ReasonConnect
	case r.repeated:
		a.Reason = airtime.ReasonDuplicate
	default:
		for i, p := range r.paid {
			v := verdict{Position: i, Verdict: airtime.Refused, Reason: airtime.ReasonRefused}
			if p != nil {
				v.Verdict, v.Reason, v.ProviderReference = airtime.Accepted, "", p.id
				p.named = p.named || !x.settledElsewhere(r)
			}
			a.Verdicts = append(a.Verdicts, v)
		}
	}
	_, err := x.s.Record(background, a.built())
	require.NoError(x.t, err)
}

// settledElsewhere says whether the attempt has been answered: then a second answer is not stored.
func (x *talker) settledElsewhere(r *request) bool {
	recorded, err := x.s.Client().HGet(background, x.s.Key("batch", r.batch.ID), "recorded").Int()
	return err == nil && recorded >= r.attempt
}

// report lets the provider say how a payment stands, or stood before.
func (x *talker) report() {
	p := pick(x, "payment", x.payments[max(0, len(x.payments)-8):])
	x.say(p, pick(x, "word", []airtime.Status{airtime.Submitted, p.ends, p.ends}))
}

func (x *talker) say(p *payment, status airtime.Status) {
	got, err := x.s.Apply(background, reported(talking, p.id, status, airtime.Recipient{
		Phone: p.payee.phone, Amount: airtime.Money{Minor: 1000, Currency: "KES"},
	}))
	require.NoError(x.t, err)
	require.False(x.t, got.OtherAmount)
}

// retryAll applies what was kept, after its time.
func (x *talker) retryAll() {
	list, err := x.s.DueCallbacks(background, 100, time.Second)
	require.NoError(x.t, err)
	for _, k := range list {
		_, err := x.s.Apply(background, k.Callback)
		require.NoError(x.t, err)
	}
}

// decide lets a person who knows the truth settle somebody in doubt.
func (x *talker) decide() {
	var doubtful []state.Row
	for _, r := range x.everybody() {
		if r.Status == airtime.InDoubt {
			doubtful = append(doubtful, r)
		}
	}
	r := pick(x, "recipient", doubtful)
	p := x.payees[r.Reference+" "+r.Phone.Digits()]
	decision := state.Decision{Who: "w", Evidence: "e", Resubmit: x.chance(60)}
	decision.Paid = p.paid(airtime.Successful) > 0
	mistaken := decision.Paid && x.chance(40)
	if mistaken {
		decision.Paid, decision.Resubmit = false, false
	}
	_, err := x.s.Resolve(background, decision, []state.Resolution{r.Resolution()})
	if !errors.Is(err, state.ErrEarly) {
		require.NoError(x.t, err)
		p.decided, p.mistaken = true, mistaken
		x.decisions[r.Phone.Digits()] = append(x.decisions[r.Phone.Digits()], x.c.ms)
	}
}

// repeat sends a batch again, if the state permits it.
func (x *talker) repeat() {
	r := pick(x, "request", x.requests[max(0, len(x.requests)-6):])
	b, err := x.s.Load(background, r.batch.ID)
	require.NoError(x.t, err)
	got, err := x.s.Resend(background, b)
	require.NoError(x.t, err)
	if got.Wait > 0 {
		x.c.pass(got.Wait)
		got, err = x.s.Resend(background, b)
		require.NoError(x.t, err)
	}
	if got.Ready && x.chance(70) {
		x.deliver()
	}
}

func (x *talker) mend() { x.sweep(talking) }

func (x *talker) wait() {
	x.c.pass(pick(x, "time", []time.Duration{
		time.Millisecond, time.Second, 20 * time.Second, 95 * time.Second, 5 * time.Minute,
		25 * time.Hour,
	}))
}

func (x *talker) everybody() []state.Row {
	var list []state.Row
	refs := map[string]bool{}
	for _, p := range x.payees {
		refs[p.ref] = true
	}
	for _, ref := range slices.Sorted(maps.Keys(refs)) {
		list = append(list, rows(x.t, x.s, ref)...)
	}
	return list
}

// paid counts payments that ended so.
func (p *payee) paid(ends airtime.Status) int {
	n := 0
	for _, made := range p.payments {
		if made.ends == ends {
			n++
		}
	}
	return n
}

// check wants everybody to be reported as they are, and to be found while they are on the way.
func (x *talker) check() {
	onTheWay := map[string][]string{}
	for _, r := range x.everybody() {
		p := x.payees[r.Reference+" "+r.Phone.Digits()]
		what := fmt.Sprintf("%s %s is %s", r.Reference, r.Phone, r.Status)
		require.LessOrEqual(x.t, p.paid(airtime.Successful), 1, "%s: paid twice", what)
		switch r.Status {
		case airtime.Successful:
			require.Equal(x.t, 1, p.paid(airtime.Successful), what)
		case airtime.Failed, airtime.Rejected, airtime.Queued:
			if r.Status != airtime.Failed || !p.mistaken {
				require.Zero(x.t, p.paid(airtime.Successful), what)
			}
		case airtime.Sending, airtime.InDoubt, airtime.Submitted:
			onTheWay[r.Phone.Digits()] = append(onTheWay[r.Phone.Digits()], r.Reference)
		default:
			require.Fail(x.t, what)
		}
	}
	out, err := x.s.Client().HGetAll(background, x.s.Key("out", talking)).Result()
	require.NoError(x.t, err)
	require.Len(x.t, out, len(onTheWay))
	for phone, refs := range onTheWay {
		var listed []string
		for line := range strings.Lines(out[phone]) {
			ref, _ := x.s.Owner(strings.Fields(line)[0], 1)
			listed = append(listed, ref)
		}
		require.ElementsMatch(x.t, refs, listed, "who is on the way")
	}
	balanced(x.t, x.s)
}

// end lets all callbacks arrive. Then every recipient is settled whose id we know, and who is alone
// in doubt with a number about which no person has decided.
func (x *talker) end() {
	for range 3 {
		x.c.pass(2 * time.Minute)
		x.mend()
		for _, p := range x.payments {
			x.say(p, p.ends)
		}
		x.retryAll()
	}
	x.check()
	require.Zero(x.t, balanced(x.t, x.s).Overpaid)
	out := map[string]int{}
	everybody := x.everybody()
	for _, r := range everybody {
		if !r.Status.Settled() && r.Status != airtime.Queued {
			out[r.Phone.Digits()]++
		}
	}
	for _, r := range everybody {
		p := x.payees[r.Reference+" "+r.Phone.Digits()]
		if len(p.payments) == 0 || p.decided && !p.mistaken {
			continue
		}
		last := p.payments[len(p.payments)-1]
		remembered := x.c.ms-r.At.UnixMilli() < 9*24*time.Hour.Milliseconds() // Ids are for nine days.
		if last.named && remembered || x.alone(p, r, out[r.Phone.Digits()]) {
			require.Equal(x.t, last.ends.String(), r.Status.String(), "%s %s", r.Reference, r.Phone)
		}
	}
}

// alone says whether callbacks about a number can only mean one recipient: the only one on the way,
// or the only one about which a person decided, not long ago; and no other one's answer is lost.
func (x *talker) alone(p *payee, r state.Row, out int) bool {
	decisions := x.decisions[r.Phone.Digits()]
	for _, other := range x.payees {
		if other != p && other.repeated && other.phone == p.phone {
			return false
		}
	}
	if p.mistaken {
		recent := len(decisions) == 1 && x.c.ms-decisions[0] < 9*24*time.Hour.Milliseconds()
		return out == 0 && recent
	}
	return out == 1 && len(decisions) == 0 && r.Status == airtime.InDoubt
}

func TestRandomCallbacksReportNobodyWrongly(t *testing.T) {
	t.Parallel()
	rapid.Check(t, talkingProperty(t, nil))
}

// TestAnyOrderOfCallbacksAndAnswerEndsAlike brings what a provider says about one payment, with
// repetitions, and its answer, in any order: the answer names the payment's id, or is lost.
func TestAnyOrderOfCallbacksAndAnswerEndsAlike(t *testing.T) {
	t.Parallel()
	root := simulated(open(t, nil), nil)
	words := []airtime.Status{
		airtime.Submitted, airtime.Processing, airtime.Successful,
		airtime.Failed, airtime.Reversed, 0,
	}
	ends := func(lost bool, facts []airtime.Status, answered int) string {
		s := root.In(fmt.Sprintf("order%d", namespaces.Add(1)))
		g := &harness{t: t, s: s, c: &clock{t: t, store: s, ms: modelStart}}
		g.c.pass(0)
		g.accept(someone("a", talking))
		b := g.begin(talking)
		for i := range len(facts) + 1 {
			if i == answered && lost {
				g.record(b, airtime.Unknown, airtime.ReasonTimeout)
			} else if i == answered {
				g.each(b, verdict{Verdict: airtime.Accepted, ProviderReference: "x"})
			}
			if i < len(facts) {
				_, err := g.s.Apply(background, saidOf("x", facts[i]))
				require.NoError(t, err)
			}
		}
		g.c.pass(time.Second)
		for _, k := range g.kept() {
			_, err := g.s.Apply(background, k.Callback)
			require.NoError(t, err)
		}
		require.Zero(t, g.figures().Parked)
		balanced(t, s)
		return g.row("a").Status.String()
	}
	rapid.Check(t, func(rt *rapid.T) {
		lost := rapid.Bool().Draw(rt, "lost")
		facts := rapid.SliceOfN(rapid.SampledFrom(words), 1, 5).Draw(rt, "facts")
		facts = append(facts, airtime.Successful)
		shuffled := rapid.Permutation(append(facts, facts[:len(facts)/2]...)).Draw(rt, "order")
		answered := rapid.IntRange(0, len(shuffled)).Draw(rt, "answered")
		require.Equal(rt, ends(lost, facts, 0), ends(lost, shuffled, answered), "%v", shuffled)
	})
}
