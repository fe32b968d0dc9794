package state_test

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"tuma/internal/airtime"
	"tuma/internal/providers"
	"tuma/internal/state"
	"tuma/internal/test/redistest"
)

func TestHints(t *testing.T) {
	t.Parallel()
	runScenarios(t, map[string]scenario{
		"one query however many come":          oneQueryForManyHints,
		"the post-settlement checks are left":  hintsLeaveTheLooks,
		"a forgetful provider is one look":     hintsAndNotKnown,
		"nothing while the request is out":     hintsWhileSending,
		"after the post-settlement checks":     hintAfterTheLooks,
		"an earlier query is not put off":      hintsPutNothingOff,
		"nothing about what was never a task":  hintsAboutNobody,
		"about a batch that was halved":        hintAboutAHalved,
		"about a batch that came back":         hintAboutAReturned,
		"its query is repeated until answered": hintNotAnswered,
		"the provider knows nothing after all": hintNotKnown,
		"a repeated answer leaves a new hint":  hintAfterNotKnown,
	})
}

func TestValidations(t *testing.T) {
	t.Parallel()
	runScenarios(t, map[string]scenario{
		"only what is on the wire or open":     validatesWhatIsOut,
		"once per recipient and attempt":       validatesOnce,
		"the same question, the same answer":   validatesAlike,
		"two with the same number and amount":  validatesTwo,
		"not days after the sending":           validatesNotForEver,
		"a repeated question takes no other's": validatesNobodyElse,
	})
}

func (g *harness) hint(id string) bool {
	found, err := g.s.Hint(background, id, providers.RecipientStatus{})
	require.NoError(g.t, err)
	return found
}

// submitted brings a disbursal to submitted at Lipad, next asked about in ten minutes.
func (g *harness) submitted() *state.Batch {
	g.accept(someone("a", lipad))
	b := g.begin(lipad)
	a := answer(b, airtime.Accepted, "")
	a.NextPoll = 10 * time.Minute
	record(g.t, g.s, a)
	return b
}

// look answers the only query that is due: nothing new.
func (g *harness) look() state.Observed {
	polls := g.due()
	require.Len(g.t, polls, 1)
	got, err := g.s.Observe(background, &state.Batch{ID: polls[0].Batch}, nil, true,
		pollSchedule(polls[0].Number))
	require.NoError(g.t, err)
	return got
}

func oneQueryForManyHints(g *harness) {
	b := g.submitted()
	queries := 0
	for range 100 { // Ten seconds.
		require.True(g.t, g.hint(b.ID))
		g.c.pass(100 * time.Millisecond)
		for range g.due() {
			queries++
		}
	}
	require.Equal(g.t, 4, queries)
	g.c.pass(3 * time.Second)
	require.LessOrEqual(g.t, len(g.due()), 1)
}

func hintsPutNothingOff(g *harness) {
	b := g.submitted()
	g.c.pass(10*time.Minute - time.Millisecond)
	g.hint(b.ID)
	g.hint(b.ID)
	g.c.pass(time.Millisecond)
	require.Len(g.t, g.due(), 1)
}

func hintsLeaveTheLooks(g *harness) {
	b := g.submitted()
	g.observe(b, airtime.Successful)
	g.c.pass(30 * time.Minute)
	g.hint(b.ID)
	g.hint(b.ID)
	g.c.pass(time.Millisecond)
	require.Equal(g.t, 30*time.Minute-time.Millisecond, g.look().Next, "the first look stays")
	g.c.pass(30 * time.Minute)
	require.Equal(g.t, 23*time.Hour, g.look().Next)
	g.hint(b.ID)
	g.c.pass(3 * time.Second)
	require.Equal(g.t, 23*time.Hour-3*time.Second, g.look().Next)
	g.c.pass(23 * time.Hour)
	require.Zero(g.t, g.look().Next)
	g.c.pass(48 * time.Hour)
	require.Empty(g.t, g.due())
}

func hintsAndNotKnown(g *harness) {
	b := g.submitted()
	g.observe(b, airtime.Successful)
	g.c.pass(30 * time.Minute)
	g.hint(b.ID)
	g.c.pass(time.Millisecond)
	polls := g.due()
	require.Len(g.t, polls, 1)
	_, _, err := g.s.ResolveUnknown(background, b, true, state.Children{},
		pollSchedule(polls[0].Number))
	require.NoError(g.t, err)
	g.c.pass(30 * time.Minute)
	require.Equal(g.t, 23*time.Hour, g.look().Next, "the first look was left")
}

func hintsWhileSending(g *harness) {
	g.accept(someone("a", lipad))
	b := g.begin(lipad)
	require.True(g.t, g.hint(b.ID))
	g.c.pass(time.Minute)
	require.Empty(g.t, g.due())
}

func hintAfterTheLooks(g *harness) {
	b := g.submitted()
	g.observe(b, airtime.Successful)
	g.c.pass(time.Hour)
	g.look()
	g.c.pass(23 * time.Hour)
	g.look()
	g.c.pass(24 * time.Hour)
	g.hint(b.ID)
	g.c.pass(time.Second)
	require.Zero(g.t, g.look().Next)
	g.c.pass(48 * time.Hour)
	require.Empty(g.t, g.due())
}

func hintsAboutNobody(g *harness) {
	require.False(g.t, g.hint("none"))
	g.accept(someone("a", lipad))
	b, _ := g.claim(lipad, 1)
	require.False(g.t, g.hint(b.ID), "nothing was sent")
	g.c.pass(time.Minute)
	require.Empty(g.t, g.due())
}

// dueFor wants a batch's query, and nobody else's, to be due now.
func (g *harness) dueFor(b *state.Batch) state.Poll {
	polls := g.due()
	require.Len(g.t, polls, 1)
	require.Equal(g.t, b.ID, polls[0].Batch)
	return polls[0]
}

// hinted brings a batch's query forward, and hands it out.
func (g *harness) hinted(b *state.Batch) state.Poll {
	require.True(g.t, g.hint(b.ID))
	g.c.pass(time.Millisecond)
	return g.dueFor(b)
}

// rests wants a batch to be off the schedule.
func (g *harness) rests(b *state.Batch) {
	g.c.pass(48 * time.Hour)
	for _, p := range g.due() {
		require.NotEqual(g.t, b.ID, p.Batch)
	}
}

// A batch was refused as a whole and halved, and then the provider pays it nevertheless.
func hintAboutAHalved(g *harness) {
	g.accept(disbursal("a", 2))
	b := g.begin(lipad)
	g.record(b, airtime.Refused, airtime.ReasonBatchRefused)
	require.Equal(g.t, state.Halved, deny(g.t, g.s, b.ID, g.c))
	for range 2 {
		g.record(g.begin(lipad), airtime.Accepted, "")
	}
	p := g.hinted(b)
	got, err := g.s.Observe(background, b, facts(b, airtime.Successful), true,
		pollSchedule(p.Number))
	require.NoError(g.t, err)
	require.Equal(g.t, []any{2, time.Duration(0)}, []any{got.Overpaid, got.Next})
	require.Equal(g.t, int64(2), g.figures().Overpaid)
	only(g.t, g.s, "a", airtime.Submitted)
	g.rests(b)
}

// returned lets the only batch of a new disbursal come back unsent.
func (g *harness) returned() *state.Batch {
	g.accept(someone("a", lipad))
	b := g.begin(lipad)
	require.Equal(g.t, 1, g.record(b, airtime.Unsent, airtime.ReasonRateLimited).Returned)
	return b
}

func hintAboutAReturned(g *harness) {
	b := g.returned()
	g.rests(b)
	p := g.hinted(b)
	got, err := g.s.Observe(background, b, facts(b, airtime.Successful), true,
		pollSchedule(p.Number))
	require.NoError(g.t, err)
	require.Zero(g.t, got.Overpaid)
	require.Equal(g.t, b.ID, g.row("a").Batch)
	g.stands("a", lipad, airtime.Successful)
	g.idle(lipad, state.IdleEmpty)
	g.rests(b)
}

func hintNotAnswered(g *harness) {
	b := g.returned()
	for range 3 {
		p := g.hinted(b)
		got, err := g.s.Observe(background, b, nil, false, pollSchedule(p.Number))
		require.NoError(g.t, err)
		require.Equal(g.t, pollSchedule(0).Next, got.Next)
		g.c.pass(got.Next)
		p = g.dueFor(b)
		_, err = g.s.Observe(background, b, nil, true, pollSchedule(p.Number))
		require.NoError(g.t, err)
		g.rests(b)
	}
}

// notKnown brings the answer of a query that the provider does not know the batch.
func (g *harness) notKnown(b *state.Batch, p state.Poll) {
	got, _, err := g.s.ResolveUnknown(background, b, true, state.Children{token(), token()},
		pollSchedule(p.Number))
	require.NoError(g.t, err)
	require.Equal(g.t, state.KeepAsking, got)
}

func hintNotKnown(g *harness) {
	b := g.returned()
	g.notKnown(b, g.hinted(b))
	g.rests(b)
	g.stands("a", lipad, airtime.Queued)
}

func hintAfterNotKnown(g *harness) {
	b := g.returned()
	p := g.hinted(b)
	g.notKnown(b, p)
	g.hint(b.ID)
	g.notKnown(b, p) // The trigger runs twice.
	g.c.pass(3 * time.Second)
	g.dueFor(b)
}

// ours asks whether a payment of ten shillings to the first number is ours.
func (g *harness) ours(provider, id string) bool {
	return g.oursOf(disbursal("any", 1).Recipients[0], provider, id)
}

func (g *harness) oursOf(r airtime.Recipient, provider, id string) bool {
	ours, err := g.s.Validate(background, provider, providers.Validation{
		ID: id, Phone: r.Phone, Amount: r.Amount,
	})
	require.NoError(g.t, err)
	return ours
}

func validatesWhatIsOut(g *harness) {
	require.False(g.t, g.ours(talking, "v0"))
	g.accept(someone("a", talking))
	require.False(g.t, g.ours(talking, "v1"), "queued")
	b, holder := g.claim(talking, 1)
	require.False(g.t, g.ours(talking, "v2"), "claimed")
	_, err := g.s.BeginSend(background, b, holder)
	require.NoError(g.t, err)
	require.False(g.t, g.ours(sozuri, "v3"), "at another provider")
	dear := disbursal("any", 1).Recipients[0]
	dear.Amount.Minor++
	require.False(g.t, g.oursOf(dear, talking, "v4"), "another amount")
	foreign := disbursal("any", 1).Recipients[0]
	foreign.Amount.Currency = "UGX"
	require.False(g.t, g.oursOf(foreign, talking, "v5"), "another currency")
	require.False(g.t, g.oursOf(disbursal("any", 2).Recipients[1], talking, "v6"), "somebody else")
	require.True(g.t, g.ours(talking, "v7"))
	g.each(b, verdict{Verdict: airtime.Refused, Reason: airtime.ReasonRefused})
	require.False(g.t, g.ours(talking, "v8"), "refused")
	_, id := g.open("b")
	require.True(g.t, g.ours(talking, "v9"), "open")
	g.apply(said(id, airtime.Successful), state.CallbackApplied)
	require.False(g.t, g.ours(talking, "v10"), "paid already")
	g.lost(someone("c", talking))
	require.True(g.t, g.ours(talking, "v11"), "in doubt")
}

func validatesOnce(g *harness) {
	b := g.lost(someone("a", talking))
	require.True(g.t, g.ours(talking, "v1"))
	require.False(g.t, g.ours(talking, "v2"))
	g.c.pass(90 * time.Second)
	g.resend(b, true)
	require.Equal(g.t, b.ID, g.begin(talking).ID)
	require.True(g.t, g.ours(talking, "v3"), "the second attempt")
	require.False(g.t, g.ours(talking, "v4"))
}

func validatesAlike(g *harness) {
	_, id := g.open("a")
	for range 3 {
		require.True(g.t, g.ours(talking, "v1"))
	}
	g.c.pass(24 * time.Hour) // Into the next day.
	require.True(g.t, g.ours(talking, "v1"))
	require.False(g.t, g.ours(talking, "v2"))
	g.apply(said(id, airtime.Successful), state.CallbackApplied)
	require.True(g.t, g.ours(talking, "v1"), "as before")
	other := disbursal("any", 2).Recipients[1]
	require.False(g.t, g.oursOf(other, talking, "v1"), "another question under the same id")
}

func validatesTwo(g *harness) {
	g.open("a")
	g.open("b")
	require.True(g.t, g.ours(talking, "v1"))
	require.True(g.t, g.ours(talking, "v2"))
	require.True(g.t, g.ours(talking, "v1"))
	require.True(g.t, g.ours(talking, "v2"))
	require.False(g.t, g.ours(talking, "v3"))
}

func validatesNotForEver(g *harness) {
	g.open("a")
	require.True(g.t, g.ours(talking, "v1"))
	g.c.pass(24*time.Hour - time.Millisecond)
	require.False(g.t, g.ours(talking, "v2"))
	g.open("b")
	g.c.pass(24*time.Hour - time.Millisecond)
	require.True(g.t, g.ours(talking, "v3"))
	g.c.pass(48 * time.Hour) // Who was validated has been forgotten.
	require.False(g.t, g.ours(talking, "v4"))
}

func validatesNobodyElse(g *harness) {
	g.accept(someone("b", talking))
	other := g.begin(talking)
	b := g.lost(someone("a", talking))
	g.record(other, airtime.Accepted, "")
	require.True(g.t, g.ours(talking, "v1"))
	require.True(g.t, g.ours(talking, "v2"))
	g.c.pass(90 * time.Second)
	g.resend(b, true)
	g.begin(talking)
	require.True(g.t, g.ours(talking, "v1"))
	require.True(g.t, g.ours(talking, "v2"))
	require.True(g.t, g.ours(talking, "v3"), "the second attempt of the first")
	require.False(g.t, g.ours(talking, "v4"))
}

// A full Redis keeps no more callbacks, but applies them.
func TestFullRedisAppliesCallbacks(t *testing.T) {
	t.Parallel()
	server := redistest.Start(t)
	s := openWith(t, optionsAt(server.URL()))
	g := &harness{t: t, s: s}
	accept(t, s, shifted("bulk", 100, 1000))
	_, id := g.open("a")
	_, other := g.open("b")
	_, err := s.Park(background, said(other, airtime.Successful))
	require.NoError(t, err)
	fill(t, s, 0.85)
	_, err = s.Apply(background, said("nobody", airtime.Successful))
	require.ErrorIs(t, err, state.ErrFull)
	_, err = s.Park(background, said(id, airtime.Successful))
	require.ErrorIs(t, err, state.ErrFull)
	require.ErrorIs(t, s.DeadLetter(background, talking, "w", []byte("b")), state.ErrFull)
	require.Len(t, g.kept(), 1, "what was kept is tried again")
	fill(t, s, 1.25)
	g.apply(said(id, airtime.Successful), state.CallbackApplied)
	g.stands("a", talking, airtime.Successful)
	require.Equal(t, int64(1), g.figures().Parked)
	_, err = s.Hint(background, g.row("a").Batch, providers.RecipientStatus{})
	require.NoError(t, err)
	balanced(t, s)
}

func TestDeadLettersAreForPeople(t *testing.T) {
	t.Parallel()
	g := newHarness(t, nil)
	g.c.pass(0)
	require.NoError(t, g.s.DeadLetter(background, talking, "no JSON", make([]byte, 10_000)))
	require.Equal(t, int64(1), g.figures().DeadLetters)
	list, err := g.s.Client().XRange(background, g.s.Key("dead_letters", ""), "-", "+").Result()
	require.NoError(t, err)
	require.Equal(t, []any{talking, "no JSON", 4096}, []any{
		list[0].Values["provider"], list[0].Values["why"], len(list[0].Values["body"].(string)),
	})
}
