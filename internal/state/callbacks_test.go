package state_test

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/redis/go-redis/v9"
	"github.com/stretchr/testify/require"

	"tuma/internal/airtime"
	"tuma/internal/providers"
	"tuma/internal/state"
	"tuma/internal/test/mutation"
)

func TestCallbacksByID(t *testing.T) {
	t.Parallel()
	runScenarios(t, map[string]scenario{
		"the recipient of that id":         appliedByID,
		"after settling, and days later":   appliedAfterSettling,
		"duplicates and older news":        appliedOnce,
		"an id that came with a doubt":     appliedToADoubt,
		"an id that came late":             learntByALateAnswer,
		"another amount is flagged":        otherAmount,
		"another number is not applied":    otherNumber,
		"work on one that failed":          reopenedByCallback,
		"the id of another provider":       idOfAnotherProvider,
		"a word that we do not know":       unknownWord,
		"a person's word is corrected":     correctedPerson,
		"after the provider's ids expired": expiredID,
	})
}

func TestCallbacksByPhone(t *testing.T) {
	t.Parallel()
	runScenarios(t, map[string]scenario{
		"the only one in doubt":            appliedByPhone,
		"and by its id from then on":       learntByPhone,
		"not with another amount":          phoneWithOtherAmount,
		"not who is not in doubt":          phoneNotInDoubt,
		"not with a second one on the way": phoneOutTwice,
		"nor one that a person settled":    phoneSettledByPerson,
		"but alone with a person's word":   phoneAfterPerson,
		"said more than once":              phoneDecidedAgain,
		"nor after two persons' words":     phoneAfterTwoDecisions,
		"nor with one who was decided":     phoneDecidedLongAgo,
		"two ids are two effects":          twoIdsArePaid,
		"of two ids one is paid":           oneOfTwoIdsIsPaid,
		"nor once it was sent again":       phoneAfterResubmission,
		"nor by what was kept before":      phoneBeforeSending,
		"nor by a duplicate of it":         phoneDuplicateOfKept,
		"but with a second one queued":     phoneQueuedToo,
		"and when the second has settled":  phoneAloneAgain,
		"never of a shared account":        phoneOfASharedAccount,
	})
}

func TestKeptCallbacks(t *testing.T) {
	t.Parallel()
	runScenarios(t, map[string]scenario{
		"before the answer with its id":    keptUntilRecord,
		"before the answer was lost":       keptUntilDoubt,
		"to be confirmed first":            keptUntilConfirmed,
		"handed out once per lease":        keptLease,
		"whoever forges them":              keptStrangers,
		"within the budget of queries":     keptBudget,
		"the better word counts":           keptBetterWord,
		"also when it comes meanwhile":     keptBetterWordMeanwhile,
		"but not when a query says less":   keptUntilLessIsConfirmed,
		"and not a worse word that comes":  keptWorseWordMeanwhile,
		"seldom when old, then given up":   keptTooLong,
		"for a recipient that is sent on":  keptWhileReturned,
		"what is believed later is gone":   keptIsGone,
		"unknown words leave nothing kept": keptUnknownWord,
		"as many as there is room for":     keptFull,
	})
}

// apply applies a callback and wants it to be placed so.
func (g *harness) apply(c state.Callback, want state.CallbackOutcome) state.CallbackResult {
	got, err := g.s.Apply(background, c)
	require.NoError(g.t, err)
	require.Equal(g.t, want, got.Outcome)
	return got
}

// said is a callback about the id that a provider gave.
func said(id string, status airtime.Status) state.Callback {
	fields := providers.RecipientStatus{ProviderReference: id, Status: status, Message: "m"}
	return state.Callback{Provider: talking, RecipientStatus: fields}
}

// saidOf is a callback with an id that we do not know, about the first number and ten shillings.
func saidOf(id string, status airtime.Status) state.Callback {
	c := reported(talking, id, status, disbursal("any", 1).Recipients[0])
	c.Message = "m"
	return c
}

// kept takes the callbacks that are due, and leaves them for a minute.
func (g *harness) kept() []state.DueCallback {
	list, err := g.s.DueCallbacks(background, 10, time.Minute)
	require.NoError(g.t, err)
	return list
}

// retry applies the only callback that is due again.
func (g *harness) retry(want state.CallbackOutcome) state.CallbackResult {
	list := g.kept()
	require.Len(g.t, list, 1)
	return g.apply(list[0].Callback, want)
}

// open brings a recipient of a new disbursal to submitted, and returns its batch and its id.
func (g *harness) open(ref string) (*state.Batch, string) {
	g.accept(someone(ref, talking))
	b := g.begin(talking)
	return b, g.taken(b)[0]
}

func appliedByID(g *harness) {
	g.accept(someone("first", talking))
	g.taken(g.begin(talking)) // So that batches may have ten.
	g.accept(through(shifted("a", 1, 3), talking))
	b := g.begin(talking)
	ids := g.taken(b)
	got := g.apply(said(ids[1], airtime.Successful), state.CallbackApplied)
	require.Equal(g.t, state.CallbackResult{Outcome: state.CallbackApplied, Batch: b.ID}, got)
	list := rows(g.t, g.s, "a")
	require.Equal(g.t, []any{airtime.Successful, ids[1], "m", airtime.NoReason},
		[]any{list[1].Status, list[1].ProviderReference, list[1].Message, list[1].Reason})
	require.Equal(g.t, airtime.Submitted, list[0].Status)
	require.Equal(g.t, airtime.Submitted, list[2].Status)
	require.Len(g.t, results(g.t, g.s), 1)
}

func appliedAfterSettling(g *harness) {
	_, id := g.open("a")
	g.c.pass(3 * 24 * time.Hour)
	g.apply(said(id, airtime.Successful), state.CallbackApplied)
	g.c.pass(5 * 24 * time.Hour)
	g.apply(said(id, airtime.Reversed), state.CallbackApplied)
	require.Equal(g.t, []string{"successful", "reversed corrected"},
		results(g.t, g.s)["a 254700000000"])
}

func appliedOnce(g *harness) {
	_, id := g.open("a")
	g.apply(said(id, airtime.Successful), state.CallbackApplied)
	for _, status := range []airtime.Status{
		airtime.Successful, airtime.Processing, airtime.Submitted, airtime.Failed,
	} {
		g.apply(said(id, status), state.CallbackUnchanged)
	}
	g.stands("a", talking, airtime.Successful)
	require.Equal(g.t, []string{"successful"}, results(g.t, g.s)["a 254700000000"])
	require.Zero(g.t, g.figures().Parked)
}

// The provider named an id, but not what became of it: so it can be asked about, and reports.
func appliedToADoubt(g *harness) {
	g.accept(someone("a", talking))
	b := g.begin(talking)
	g.each(b, verdict{Verdict: airtime.Unknown, ProviderReference: "x"})
	g.accept(someone("b", sozuri), someone("c", talking))
	loaded, err := g.s.Load(background, b.ID)
	require.NoError(g.t, err)
	require.Equal(g.t, "x", loaded.Members[0].ProviderReference)
	g.apply(said("x", airtime.Successful), state.CallbackApplied)
	g.stands("a", talking, airtime.Successful)
}

// The sender was taken for dead, a person let the recipient be sent again, and then the answer
// came: the provider's news about the first payment must find it.
func learntByALateAnswer(g *harness) {
	g.accept(someone("a", talking))
	first := g.begin(talking)
	g.c.pass(2 * time.Minute)
	g.sweep(talking)
	resolve(g.t, g.s, state.Decision{Resubmit: true}, g.row("a"))
	g.begin(talking)
	g.each(first, verdict{Verdict: airtime.Accepted, ProviderReference: "x"})
	require.Equal(g.t, int64(1), g.figures().Overpaid)
	require.Equal(g.t, first.ID, g.apply(said("x", airtime.Failed), state.CallbackUnchanged).Batch)
	require.Zero(g.t, g.figures().Overpaid)
	g.stands("a", talking, airtime.Sending)
}

func otherAmount(g *harness) {
	_, id := g.open("a")
	c := said(id, airtime.Successful)
	c.Amount = airtime.Money{Minor: 999, Currency: "KES"}
	require.True(g.t, g.apply(c, state.CallbackApplied).OtherAmount)
	g.stands("a", talking, airtime.Successful)
	c.Amount.Minor = 1000
	require.False(g.t, g.apply(c, state.CallbackUnchanged).OtherAmount)
}

func otherNumber(g *harness) {
	_, id := g.open("a")
	c := saidOf(id, airtime.Successful)
	c.Phone = disbursal("any", 2).Recipients[1].Phone
	want := state.CallbackResult{Outcome: state.CallbackParked, OtherNumber: true}
	require.Equal(g.t, want, g.apply(c, state.CallbackParked))
	g.stands("a", talking, airtime.Submitted)
	require.Empty(g.t, results(g.t, g.s))
	g.c.pass(time.Second)
	require.Equal(g.t, want, g.retry(state.CallbackParked))
	require.Equal(g.t, int64(1), g.figures().Parked)
	g.apply(saidOf(id, airtime.Successful), state.CallbackApplied)
}

// Where it can be asked about, the batch of a failed recipient that is worked on again is.
func reopenedByCallback(g *harness) {
	for i, provider := range []string{talking, sozuri} {
		g.accept(through(shifted(provider, i, 1), provider))
		c := said(g.taken(g.begin(provider))[0], airtime.Failed)
		c.Provider = provider
		g.apply(c, state.CallbackApplied)
		g.c.pass(100 * time.Hour)
		require.Empty(g.t, g.due())
		c.Status = airtime.Processing
		g.apply(c, state.CallbackUnchanged)
		g.stands(provider, provider, airtime.Failed)
		g.c.pass(100 * time.Hour)
		polls := g.due()
		require.Equal(g.t, provider == talking, len(polls) == 1, provider)
		for _, p := range polls {
			_, err := g.s.Observe(background, &state.Batch{ID: p.Batch}, nil, true,
				pollSchedule(p.Number))
			require.NoError(g.t, err)
		}
	}
}

func idOfAnotherProvider(g *harness) {
	_, id := g.open("a")
	c := said(id, airtime.Successful)
	c.Provider = sozuri
	g.apply(c, state.CallbackParked)
	g.stands("a", talking, airtime.Submitted)
}

func unknownWord(g *harness) {
	_, id := g.open("a")
	g.apply(said(id, 0), state.CallbackUnchanged)
	g.apply(said("nobody", 0), state.CallbackUnchanged)
	g.stands("a", talking, airtime.Submitted)
	require.Zero(g.t, g.figures().Parked)
	require.Empty(g.t, results(g.t, g.s))
}

func correctedPerson(g *harness) {
	_, id := g.open("a")
	resolve(g.t, g.s, state.Decision{Evidence: "e"}, g.row("a"))
	g.stands("a", talking, airtime.Failed)
	g.apply(said(id, airtime.Successful), state.CallbackApplied)
	require.Equal(g.t, []string{"failed", "successful corrected"},
		results(g.t, g.s)["a 254700000000"])
}

func expiredID(g *harness) {
	_, id := g.open("a")
	g.c.pass(10 * 24 * time.Hour)
	g.apply(said(id, airtime.Successful), state.CallbackParked)
}

func appliedByPhone(g *harness) {
	b := g.lost(someone("a", talking))
	got := g.apply(saidOf("x", airtime.Successful), state.CallbackApplied)
	require.Equal(g.t, state.CallbackResult{Outcome: state.CallbackApplied, Batch: b.ID}, got)
	require.Equal(g.t, "x", g.row("a").ProviderReference)
	require.Zero(g.t, g.figures().Doubt)
}

func learntByPhone(g *harness) {
	g.lost(someone("a", talking))
	g.apply(saidOf("x", airtime.Submitted), state.CallbackApplied)
	g.lost(someone("b", talking))
	g.apply(saidOf("x", airtime.Successful), state.CallbackApplied)
	g.stands("a", talking, airtime.Successful)
	g.stands("b", talking, airtime.InDoubt)
	g.apply(saidOf("y", airtime.Failed), state.CallbackApplied)
	g.stands("b", talking, airtime.Failed)
	g.apply(saidOf("x", airtime.Successful), state.CallbackUnchanged)
}

func phoneWithOtherAmount(g *harness) {
	g.lost(someone("a", talking))
	c := saidOf("x", airtime.Successful)
	c.Amount.Minor++
	g.apply(c, state.CallbackParked)
	c.Amount = airtime.Money{Minor: 1000, Currency: "UGX"}
	g.apply(c, state.CallbackParked)
	c = saidOf("x", airtime.Successful)
	c.Amount = airtime.Money{}
	g.apply(c, state.CallbackParked)
	c = saidOf("y", airtime.Successful)
	c.Provider = sozuri
	g.apply(c, state.CallbackParked)
	g.stands("a", talking, airtime.InDoubt)
}

func phoneNotInDoubt(g *harness) {
	g.apply(saidOf("x", airtime.Successful), state.CallbackParked)
	g.accept(someone("a", talking))
	g.apply(saidOf("x", airtime.Successful), state.CallbackParked)
	b := g.begin(talking)
	g.apply(saidOf("x", airtime.Successful), state.CallbackParked)
	g.taken(b)
	g.apply(saidOf("x", airtime.Successful), state.CallbackParked)
	g.stands("a", talking, airtime.Submitted)
	require.Equal(g.t, int64(1), g.figures().Parked, "it is one callback")
}

func phoneOutTwice(g *harness) {
	g.accept(someone("b", talking))
	other := g.begin(talking)
	g.lost(someone("a", talking))
	g.apply(saidOf("x", airtime.Successful), state.CallbackParked)
	g.record(other, airtime.Unknown, airtime.ReasonTimeout)
	g.apply(saidOf("x", airtime.Successful), state.CallbackParked)
	g.record(other, airtime.Unknown, airtime.ReasonTimeout)
	g.stands("a", talking, airtime.InDoubt)
	g.stands("b", talking, airtime.InDoubt)
	// A number with another amount may be meant as well: amounts are sometimes reported wrongly.
	require.Equal(g.t, int64(2), g.sum(talking, "in_doubt"))
}

func phoneSettledByPerson(g *harness) {
	g.accept(someone("b", talking))
	other := g.begin(talking)
	g.lost(someone("a", talking))
	g.record(other, airtime.Unknown, airtime.ReasonTimeout)
	g.c.pass(2 * time.Minute)
	resolve(g.t, g.s, state.Decision{Paid: true, Evidence: "e"}, g.row("b"))
	g.apply(saidOf("x", airtime.Failed), state.CallbackParked)
	g.stands("a", talking, airtime.InDoubt)
}

// decided lets a person decide about the only recipient of a disbursal, when nothing can happen to
// its request any more.
func (g *harness) decided(ref string, decision state.Decision) {
	g.c.pass(2 * time.Minute)
	resolve(g.t, g.s, decision, g.row(ref))
}

func phoneAfterPerson(g *harness) {
	b := g.lost(someone("a", talking))
	g.decided("a", state.Decision{})
	g.stands("a", talking, airtime.Failed)
	c := saidOf("x", airtime.Successful)
	c.Amount.Minor++
	g.apply(c, state.CallbackParked)
	c.Amount.Minor--
	got := g.apply(c, state.CallbackApplied)
	require.Equal(g.t, state.CallbackResult{Outcome: state.CallbackApplied, Batch: b.ID}, got)
	require.Equal(g.t, []string{"failed", "successful corrected"},
		results(g.t, g.s)["a 254700000000"])
	require.Equal(g.t, "x", g.row("a").ProviderReference)
	require.Zero(g.t, g.figures().Parked)
}

// What a person decided twice is one sending still, and less evidence does not correct it.
func phoneDecidedAgain(g *harness) {
	g.lost(someone("a", talking))
	g.decided("a", state.Decision{})
	g.c.pass(25 * time.Hour)
	g.decided("a", state.Decision{Paid: true})
	g.apply(saidOf("x", airtime.Failed), state.CallbackUnchanged)
	g.stands("a", talking, airtime.Successful)
}

func phoneAfterTwoDecisions(g *harness) {
	for _, ref := range []string{"a", "b"} {
		g.lost(someone(ref, talking))
		g.decided(ref, state.Decision{})
	}
	g.apply(saidOf("x", airtime.Successful), state.CallbackParked)
	g.stands("a", talking, airtime.Failed)
	g.stands("b", talking, airtime.Failed)
}

func phoneDecidedLongAgo(g *harness) {
	g.lost(someone("a", talking))
	g.decided("a", state.Decision{Paid: true})
	g.c.pass(8 * 24 * time.Hour)
	g.lost(someone("b", talking)) // A callback may be about either.
	g.apply(saidOf("x", airtime.Failed), state.CallbackParked)
	g.stands("b", talking, airtime.InDoubt)
	g.c.pass(2 * 24 * time.Hour) // Nothing comes so late about the first.
	g.apply(saidOf("y", airtime.Failed), state.CallbackApplied)
	g.stands("b", talking, airtime.Failed)
	require.Empty(g.t, g.out())
}

// A person has seen that the first sending failed, and it is sent again: what the provider says
// about the first, late or once more, must not be taken for the second.
// twoIdsArePaid: the answer to the first sending is lost, the second one with the same key is
// accepted, and both turn out to be paid. That is two effects, in whatever order they are heard of.
func twoIdsArePaid(g *harness) {
	own, other := g.twice("a")
	g.apply(saidOf(other, airtime.Failed), state.CallbackUnchanged)
	require.Zero(g.t, g.figures().Overpaid, "only one of them was paid")
	require.Equal(g.t, 1, g.apply(saidOf(other, airtime.Successful), state.CallbackUnchanged).Overpaid)
	g.apply(saidOf(own, airtime.Successful), state.CallbackApplied)
	g.stands("a", talking, airtime.Successful)
	require.Equal(g.t, own, g.row("a").ProviderReference)
	require.Equal(g.t, int64(1), g.figures().Overpaid)
	g.apply(saidOf(other, airtime.Successful), state.CallbackUnchanged)
	require.Equal(g.t, int64(1), g.figures().Overpaid, "said again, it is the same one")
}

// oneOfTwoIdsIsPaid: the sending that was answered fails, the one whose answer was lost is paid.
func oneOfTwoIdsIsPaid(g *harness) {
	own, other := g.twice("a")
	g.apply(saidOf(other, airtime.Successful), state.CallbackUnchanged)
	g.apply(saidOf(own, airtime.Failed), state.CallbackApplied)
	g.stands("a", talking, airtime.Successful)
	require.Equal(g.t, other, g.row("a").ProviderReference)
	require.Zero(g.t, g.figures().Overpaid)
}

// twice sends a batch of Africa's Talking twice: the first answer is lost. It returns the id of the
// second sending, and one for the first.
func (g *harness) twice(ref string) (own, other string) {
	b := g.lost(someone(ref, talking))
	g.c.pass(90 * time.Second)
	g.resend(b, true)
	own = g.taken(g.begin(talking))[0]
	g.stands(ref, talking, airtime.Submitted)
	return own, "x"
}

func phoneAfterResubmission(g *harness) {
	g.lost(someone("a", talking))
	g.c.pass(2 * time.Minute)
	resolve(g.t, g.s, state.Decision{Resubmit: true}, g.row("a"))
	b := g.begin(talking)
	g.record(b, airtime.Unknown, airtime.ReasonTimeout)
	g.apply(saidOf("x", airtime.Failed), state.CallbackParked)
	g.stands("a", talking, airtime.InDoubt)
}

// What was kept before a sending cannot be about it.
func phoneBeforeSending(g *harness) {
	g.apply(saidOf("x", airtime.Failed), state.CallbackParked)
	g.c.pass(time.Second)
	g.lost(someone("a", talking))
	g.retry(state.CallbackParked)
	g.stands("a", talking, airtime.InDoubt)
	g.apply(saidOf("y", airtime.Successful), state.CallbackApplied)
}

// Said once more after the sending, it is still what was said before.
func phoneDuplicateOfKept(g *harness) {
	g.apply(saidOf("x", airtime.Failed), state.CallbackParked)
	g.c.pass(time.Second)
	g.lost(someone("a", talking))
	g.c.pass(time.Second)
	g.apply(saidOf("x", airtime.Failed), state.CallbackParked)
	g.c.pass(time.Second)
	g.retry(state.CallbackParked)
	g.stands("a", talking, airtime.InDoubt)
	g.apply(saidOf("y", airtime.Successful), state.CallbackApplied)
}

// out lists the disbursals of the first number that are on their way to Africa's Talking.
func (g *harness) out() (refs []string) {
	all, err := g.s.Client().HGetAll(background, g.s.Key("out", talking)).Result()
	require.NoError(g.t, err)
	for line := range strings.Lines(all["254700000000"]) {
		ref, _ := g.s.Owner(strings.Fields(line)[0], 1)
		refs = append(refs, ref)
	}
	return refs
}

func phoneQueuedToo(g *harness) {
	g.lost(someone("a", talking))
	g.accept(someone("b", talking), someone("c", sozuri))
	g.apply(saidOf("x", airtime.Successful), state.CallbackApplied)
	g.stands("a", talking, airtime.Successful)
	g.stands("b", talking, airtime.Queued)
}

func phoneAloneAgain(g *harness) {
	_, id := g.open("b")
	g.lost(someone("a", talking))
	g.apply(saidOf("x", airtime.Successful), state.CallbackParked)
	g.apply(said(id, airtime.Successful), state.CallbackApplied)
	require.Equal(g.t, []string{"a"}, g.out())
	g.apply(saidOf("x", airtime.Successful), state.CallbackApplied)
	g.stands("a", talking, airtime.Successful)
	require.Empty(g.t, g.out())
}

func keptUntilRecord(g *harness) {
	g.accept(someone("a", talking))
	b := g.begin(talking)
	id := fmt.Sprintf("id-%s-0", b.ID)
	g.apply(said(id, airtime.Successful), state.CallbackParked)
	require.Equal(g.t, int64(1), g.figures().Parked)
	require.Empty(g.t, g.kept(), "a second is left to the answer")
	g.taken(b)
	g.retry(state.CallbackApplied)
	g.stands("a", talking, airtime.Successful)
	require.Zero(g.t, g.figures().Parked)
	g.c.pass(24 * time.Hour)
	require.Empty(g.t, g.kept())
	require.Equal(g.t, []string{"successful"}, results(g.t, g.s)["a 254700000000"])
}

func keptUntilDoubt(g *harness) {
	g.accept(someone("a", talking))
	b := g.begin(talking)
	g.apply(saidOf("x", airtime.Failed), state.CallbackParked)
	g.c.pass(time.Second)
	g.retry(state.CallbackParked)
	g.record(b, airtime.Unknown, airtime.ReasonTimeout)
	g.c.pass(time.Second)
	g.retry(state.CallbackApplied)
	g.stands("a", talking, airtime.Failed)
	require.Zero(g.t, g.figures().Parked)
}

func keptUntilConfirmed(g *harness) {
	_, id := g.open("a")
	got, err := g.s.Park(background, said(id, airtime.Successful))
	require.NoError(g.t, err)
	require.Equal(g.t, state.CallbackParked, got.Outcome)
	g.stands("a", talking, airtime.Submitted)
	g.c.pass(5 * time.Second)
	list := g.kept()
	require.Len(g.t, list, 1)
	k := list[0]
	require.Equal(g.t, []any{5 * time.Second, talking, id, airtime.Successful, "m"},
		[]any{k.Age, k.Provider, k.ProviderReference, k.Status, k.Message})
	g.apply(k.Callback, state.CallbackApplied)
	g.stands("a", talking, airtime.Successful)
	require.Zero(g.t, g.figures().Parked)
}

// asked counts the callbacks that are due and to be asked about, and all that are due.
func (g *harness) asked() (ask, due int) {
	list, err := g.s.DueCallbacks(background, 1000, time.Minute, talking)
	require.NoError(g.t, err)
	for _, k := range list {
		if k.Ask {
			ask++
		}
	}
	return ask, len(list)
}

// keptStrangers: what fits nobody costs no query, and does not stand before what fits somebody.
func keptStrangers(g *harness) {
	keep := func(id string) {
		_, err := g.s.Park(background, said(id, airtime.Successful))
		require.NoError(g.t, err)
	}
	for i := range 200 {
		keep(fmt.Sprint("forged-", i))
	}
	_, id := g.open("a")
	g.c.pass(time.Minute)
	keep(id)
	first, err := g.s.DueCallbacks(background, 1, time.Minute, talking)
	require.NoError(g.t, err)
	require.Equal(g.t, []any{id, true}, []any{first[0].ProviderReference, first[0].Ask})
	ask, due := g.asked()
	require.Equal(g.t, []int{0, 200}, []int{ask, due})
}

// keptBudget: forged ones about a number that is on the way are asked about at the provider's pace,
// whoever asks, and every one of them is handed out in the end.
func keptBudget(g *harness) {
	g.open("a")
	for i := range 200 {
		_, err := g.s.Park(background, saidOf(fmt.Sprint("forged-", i), airtime.Successful))
		require.NoError(g.t, err)
	}
	ask, due := g.asked()
	require.Equal(g.t, []int{50, 50}, []int{ask, due})
	ask, _ = g.asked()
	require.Zero(g.t, ask, "another process")
	total := 50
	for range 5 {
		g.c.pass(time.Second)
		ask, _ = g.asked()
		require.LessOrEqual(g.t, ask, 50)
		total += ask
	}
	require.Equal(g.t, 200, total)
}

func keptLease(g *harness) {
	g.apply(saidOf("x", airtime.Successful), state.CallbackParked)
	g.c.pass(time.Second)
	k := g.kept()
	require.Len(g.t, k, 1)
	require.Equal(g.t, saidOf("x", airtime.Successful).Amount, k[0].Amount)
	require.Equal(g.t, "254700000000", k[0].Phone.Digits())
	require.Empty(g.t, g.kept())
	g.c.pass(time.Minute)
	require.Len(g.t, g.kept(), 1, "whoever had it has died")
}

func keptBetterWord(g *harness) {
	for _, status := range []airtime.Status{
		airtime.Submitted, airtime.Successful, airtime.Processing, airtime.Failed,
	} {
		g.apply(said("x", status), state.CallbackParked)
	}
	require.Equal(g.t, int64(1), g.figures().Parked)
	g.c.pass(time.Second)
	require.Equal(g.t, airtime.Successful, g.kept()[0].Status)
}

// A poller has the first word in hand when the better one comes.
func keptBetterWordMeanwhile(g *harness) {
	g.accept(someone("a", talking))
	b := g.begin(talking)
	id := fmt.Sprintf("id-%s-0", b.ID)
	g.apply(said(id, airtime.Failed), state.CallbackParked)
	g.c.pass(time.Second)
	list := g.kept()
	require.Len(g.t, list, 1)
	g.apply(said(id, airtime.Successful), state.CallbackParked)
	g.taken(b)
	g.apply(list[0].Callback, state.CallbackApplied)
	g.stands("a", talking, airtime.Failed)
	g.retry(state.CallbackApplied)
	g.stands("a", talking, airtime.Successful)
	require.Zero(g.t, g.figures().Parked)
}

// The provider answers that there is less than it has reported: its answer counts, once.
func keptUntilLessIsConfirmed(g *harness) {
	for _, status := range []airtime.Status{airtime.Processing, 0} {
		_, id := g.open(fmt.Sprint("r", status))
		_, err := g.s.Park(background, said(id, airtime.Successful))
		require.NoError(g.t, err)
		list := g.kept()
		require.Len(g.t, list, 1)
		list[0].Status = status
		_, err = g.s.Apply(background, list[0].Callback)
		require.NoError(g.t, err)
		require.Zero(g.t, g.figures().Parked)
		g.c.pass(time.Hour)
		require.Empty(g.t, g.kept())
	}
}

func keptWorseWordMeanwhile(g *harness) {
	_, id := g.open("a")
	_, err := g.s.Park(background, said(id, airtime.Successful))
	require.NoError(g.t, err)
	require.Len(g.t, g.kept(), 1)
	g.apply(said(id, airtime.Processing), state.CallbackApplied)
	g.retry(state.CallbackApplied)
	g.stands("a", talking, airtime.Successful)
	require.Zero(g.t, g.figures().Parked)
}

func keptTooLong(g *harness) {
	g.apply(said("x", airtime.Successful), state.CallbackParked)
	g.c.pass(8 * time.Hour)
	g.retry(state.CallbackParked)
	g.c.pass(2*time.Hour - time.Second)
	require.Empty(g.t, g.kept(), "after a quarter of its age")
	g.c.pass(time.Second)
	g.retry(state.CallbackParked)
	g.c.pass(9*24*time.Hour - 10*time.Hour)
	g.retry(state.CallbackParked)
	g.c.pass(3 * 24 * time.Hour)
	require.Zero(g.t, g.figures().Dropped)
	g.retry(state.CallbackDropped)
	f := g.figures()
	require.Equal(g.t, []int64{0, 1}, []int64{f.Parked, f.Dropped})
	g.c.pass(24 * time.Hour)
	require.Empty(g.t, g.kept())
}

// The first batch came back, and its recipient was sent in another: what is reported about the
// first is a second effect.
func keptWhileReturned(g *harness) {
	first := g.handed("a")
	second := g.begin(lipad)
	g.record(second, airtime.Accepted, "")
	got := g.apply(said("refused-1", airtime.Successful), state.CallbackUnchanged)
	require.Equal(g.t, []any{first.ID, 1}, []any{got.Batch, got.Overpaid})
	g.stands("a", lipad, airtime.Submitted)
	require.Equal(g.t, int64(1), g.figures().Overpaid)
}

func keptIsGone(g *harness) {
	g.accept(someone("a", talking))
	b := g.begin(talking)
	id := fmt.Sprintf("id-%s-0", b.ID)
	g.apply(said(id, airtime.Successful), state.CallbackParked)
	g.taken(b)
	list := g.kept()
	require.Len(g.t, list, 1)
	g.apply(said(id, airtime.Successful), state.CallbackApplied) // The provider repeats it.
	g.apply(list[0].Callback, state.CallbackUnchanged)
	require.Zero(g.t, g.figures().Parked)
	require.Equal(g.t, []string{"successful"}, results(g.t, g.s)["a 254700000000"])
}

func keptUnknownWord(g *harness) {
	got, err := g.s.Park(background, said("x", 0))
	require.NoError(g.t, err)
	require.Equal(g.t, state.CallbackUnchanged, got.Outcome)
	require.Zero(g.t, g.figures().Parked)
}

// TestKeptCallbacksAreLimited lowers the limit to three in the script.
func TestKeptCallbacksAreLimited(t *testing.T) {
	t.Parallel()
	three, err := mutation.Named("three callbacks are kept")
	require.NoError(t, err)
	changed := 0
	g := newHarness(t, three.InScripts(&changed))
	require.Equal(t, 1, changed)
	g.c.pass(0)
	for i := range 3 {
		g.apply(said(fmt.Sprint("x", i), airtime.Successful), state.CallbackParked)
	}
	g.c.pass(time.Hour)
	for _, k := range g.kept() { // Now they wait longer than what is new.
		g.apply(k.Callback, state.CallbackParked)
	}
	require.Zero(t, g.figures().Dropped)
	g.apply(said("new", airtime.Successful), state.CallbackParked)
	f := g.figures()
	require.Equal(t, []int64{3, 1}, []int64{f.Parked, f.Dropped})
	g.c.pass(time.Second)
	require.Equal(t, "new", g.kept()[0].ProviderReference)
}

// full keeps as many callbacks of Africa's Talking as may be kept, and one of Sozuri that has
// waited longest.
func (g *harness) full() {
	kept, due := map[string]string{}, []redis.Z{{
		Member: sozuri + " old", Score: float64(g.c.ms - 1),
	}}
	c := "\t" + strings.Join([]string{"x", "", "", "KES", "S", "", ""}, "\t")
	kept[sozuri+" old"] = fmt.Sprint(g.c.ms) + "\t" + sozuri + c
	for i := range 19_999 {
		name := fmt.Sprint(talking, " ", i)
		kept[name] = fmt.Sprint(g.c.ms) + "\t" + talking + c
		due = append(due, redis.Z{Member: name, Score: float64(g.c.ms - 10 - int64(i))})
	}
	require.NoError(g.t, g.s.Client().HSet(background, g.s.Key("parked", ""), kept).Err())
	require.NoError(g.t, g.s.Client().ZAdd(background, g.s.Key("parkeddue", ""), due...).Err())
}

// A full store of kept callbacks gives up what can be asked about first, and never the new one.
func keptFull(g *harness) {
	g.full()
	for _, provider := range []string{sozuri, talking} {
		c := said("new", airtime.Successful)
		c.Provider = provider
		g.apply(c, state.CallbackParked)
		for _, name := range []string{sozuri + " old", provider + " new"} {
			there, err := g.s.Client().HExists(background, g.s.Key("parked", ""), name).Result()
			require.NoError(g.t, err)
			require.True(g.t, there, name)
		}
	}
	f := g.figures()
	require.Equal(g.t, []int64{20_000, 2}, []int64{f.Parked, f.Dropped})
	n, err := g.s.Client().ZCard(background, g.s.Key("parkeddue", "")).Result()
	require.NoError(g.t, err)
	require.Equal(g.t, int64(20_000), n)
}

// TestParkedCallbacksAreListed: what fits nobody is there for people to see.
func TestParkedCallbacksAreListed(t *testing.T) {
	t.Parallel()
	g := newHarness(t, nil)
	g.c.pass(0)
	g.apply(saidOf("x", airtime.Successful), state.CallbackParked)
	g.c.pass(time.Second)
	g.apply(said("y", airtime.Failed), state.CallbackParked)
	got, err := g.s.Parked(background)
	require.NoError(t, err)
	require.Len(t, got, 2)
	want := saidOf("x", airtime.Successful)
	require.Equal(t, want.RecipientStatus, got[0].RecipientStatus)
	require.Equal(t, talking, got[0].Provider)
	require.Equal(t, time.UnixMilli(modelStart).UTC(), got[0].Since)
	require.Equal(t, "y", got[1].ProviderReference)
}
