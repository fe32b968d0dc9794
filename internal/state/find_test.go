package state_test

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"tuma/internal/airtime"
	"tuma/internal/state"
)

func TestFind(t *testing.T) {
	t.Parallel()
	runScenarios(t, map[string]scenario{
		"phones": findsPhones, "ids": findsIDs, "references": findsReferences,
		"observed": findsObserved, "producers": findsOwn, "ids in results": idsComeBack,
		"second effects": findsSecondEffects,
	})
}

// found names who is found: "reference phone".
func (g *harness) found(q state.Search) []string {
	rows, next, err := g.s.Find(background, q)
	require.NoError(g.t, err)
	require.Empty(g.t, next)
	return namesOf(rows)
}

func namesOf(rows []state.Row) []string {
	list := []string{}
	for _, r := range rows {
		list = append(list, r.Reference+" "+r.Phone.Digits())
	}
	return list
}

// withIDs gives the recipients of a disbursal the ids prefix0, prefix1 and so on.
func withIDs(d state.Disbursal, prefix string) state.Disbursal {
	d.Recipients = slices.Clone(d.Recipients)
	for i := range d.Recipients {
		d.Recipients[i].ID = fmt.Sprintf("%s%d", prefix, i)
	}
	return d
}

func findsPhones(g *harness) {
	first, second := someone("a", lipad), someone("b", talking)
	phone := first.Recipients[0].Phone
	g.accept(first)
	g.c.pass(time.Second)
	g.accept(second)
	g.accept(someoneElse("c", lipad))
	require.Equal(g.t, []string{"b " + phone.Digits(), "a " + phone.Digits()},
		g.found(state.SearchFor("+"+phone.Digits())))
	require.Empty(g.t, g.found(state.SearchFor("254799999999")))
}

// someoneElse makes a disbursal of one recipient whose number no other has.
func someoneElse(ref, provider string) state.Disbursal {
	d := someone(ref, provider)
	d.Recipients = []airtime.Recipient{{
		Phone: airtime.MSISDNFromE164("254733999888"), Amount: d.Recipients[0].Amount,
	}}
	return d
}

func findsIDs(g *harness) {
	d := withIDs(through(disbursal("a", 20), lipad), "order-")
	g.accept(d, someoneElse("b", lipad))
	require.Equal(g.t, []string{"a " + d.Recipients[7].Phone.Digits()},
		g.found(state.SearchFor("order-7")))
	require.Empty(g.t, g.found(state.Search{ProviderReference: "order-7"}))
	require.Empty(g.t, g.found(state.SearchFor("order-")), "a part of an id is no id")

	other := withIDs(d, "line-")
	got, err := g.s.Accept(background, []state.Disbursal{other, d})
	require.NoError(g.t, err)
	require.Equal(g.t, []state.Outcome{state.Conflict, state.Same}, got.Outcomes)
}

func findsReferences(g *harness) {
	g.accept(through(disbursal("a", 3), talking))
	b := g.begin(talking)
	ids := g.taken(b)
	want := []string{"a " + b.Members[0].Phone.Digits()}
	require.Equal(g.t, want, g.found(state.SearchFor(ids[0])))
	require.Empty(g.t, g.found(state.Search{ID: ids[0]}))
	g.observe(b, airtime.Successful) // It names no ids.
	require.Equal(g.t, want, g.found(state.Search{ProviderReference: ids[0]}))
}

// findsObserved finds those whose references come together in the answer to a query, and again in
// the next one.
func findsObserved(g *harness) {
	g.accept(through(disbursal("a", 3), lipad), through(disbursal("b", 3), lipad))
	b := g.begin(lipad)
	record(g.t, g.s, answer(b, airtime.Accepted, ""))
	facts := make([]observation, len(b.Members))
	var before int64
	for _, status := range []airtime.Status{airtime.Processing, airtime.Successful} {
		for i := range facts {
			facts[i] = observation{Position: i, Status: status}
			facts[i].ProviderReference = fmt.Sprintf("lipad-%d", i)
		}
		_, err := g.s.Observe(background, b, linesOf(b, facts), true, pollSchedule(0))
		require.NoError(g.t, err)
		for i, f := range facts {
			require.Equal(g.t, []string{b.Members[i].Reference + " " + b.Members[i].Phone.Digits()},
				g.found(state.SearchFor(f.ProviderReference)))
		}
		size := g.fingerprints()
		require.True(g.t, before == 0 || before == size, "%d, then %d", before, size)
		before = size
	}
}

// fingerprints is how many bytes all fingerprints have.
func (g *harness) fingerprints() (sum int64) {
	for _, page := range pagesOf(g.s) {
		for _, digit := range "0123456789abcdef" {
			name := g.s.Key("fingerprints", page+":"+string(digit))
			sum += g.s.Client().StrLen(background, name).Val()
		}
	}
	return sum
}

// findsSecondEffects finds who was paid twice by either of the two ids.
func findsSecondEffects(g *harness) {
	own, other := g.twice("a")
	g.apply(saidOf(other, airtime.Successful), state.CallbackUnchanged)
	g.apply(saidOf(own, airtime.Successful), state.CallbackApplied)
	require.NotEmpty(g.t, g.overpaid())
	for _, id := range []string{own, other} {
		require.Len(g.t, g.found(state.SearchFor(id)), 1, id)
	}
}

func findsOwn(g *harness) {
	shop, school := someone("a", lipad), someone("a", lipad)
	shop.Producer, school.Producer = "shop", "school"
	g.accept(shop, school, someone("shop/a", lipad))
	phone := shop.Recipients[0].Phone
	require.Len(g.t, g.found(state.Search{Phone: phone}), 3)
	require.Equal(g.t, []string{"school/a " + phone.Digits()},
		g.found(state.Search{Phone: phone, Producer: "school"}))
}

// observeAll says the same of all members.
func observeAll(g *harness, b *state.Batch, status airtime.Status) {
	facts := make([]observation, len(b.Members))
	for i := range facts {
		facts[i] = fact(i, status, "")
	}
	_, err := g.s.Observe(background, b, linesOf(b, facts), true, pollSchedule(0))
	require.NoError(g.t, err)
}

// idsComeBack wants the producer's ids in the report and in the results.
func idsComeBack(g *harness) {
	g.accept(withIDs(through(disbursal("a", 2), lipad), "id"), someoneElse("b", lipad))
	b := g.begin(lipad)
	g.record(b, airtime.Accepted, "")
	observeAll(g, b, airtime.Successful)
	var reported, published []any
	for _, ref := range []string{"a", "b"} {
		require.NoError(g.t, g.s.Report(background, state.KindDisbursal, ref, func(r state.Row) error {
			reported = append(reported, r.ID)
			return nil
		}))
	}
	entries, err := g.s.Client().XRange(background, g.s.Key("results", ""), "-", "+").Result()
	require.NoError(g.t, err)
	for _, e := range entries {
		published = append(published, e.Values["id"])
	}
	require.Equal(g.t, []any{"id0", "id1", ""}, reported)
	require.ElementsMatch(g.t, reported, published)
}

// Pages of a search end where the next begins, whatever is accepted meanwhile.
func TestFindGoesOnWhereItEnded(t *testing.T) {
	t.Parallel()
	s := open(t, nil)
	const n = 25
	for i := range n {
		accept(t, s, disbursal(fmt.Sprintf("r%02d", i), 1))
	}
	q := state.Search{Phone: disbursal("r", 1).Recipients[0].Phone, Limit: 10}
	var all []string
	for {
		rows, next, err := s.Find(bg, q)
		require.NoError(t, err)
		all = append(all, namesOf(rows)...)
		if q.After = next; next == "" {
			break
		}
		accept(t, s, disbursal("later"+next, 1))
	}
	require.Len(t, all, n)
	require.Len(t, slices.Compact(slices.Sorted(slices.Values(all))), n)

	q.After = "1.2.3"
	_, _, err := s.Find(bg, q)
	require.ErrorIs(t, err, state.ErrCursor)
}

// Everybody is found by each name, also where pages and chunks differ in size, and nobody who is
// forgotten.
func TestFindAgreesWithTheReport(t *testing.T) {
	t.Parallel()
	s, c := timed(t, nil)
	random := rand.New(rand.NewPCG(1, 2))
	var refs []string
	for i := range 40 {
		d := withIDs(disbursal(fmt.Sprintf("r%d", i), 1+random.IntN(400)), fmt.Sprintf("id%d-", i))
		accept(t, s, d)
		refs = append(refs, d.Reference)
		c.pass(time.Minute)
	}
	for _, ref := range refs[:20] {
		var rows []state.Row
		require.NoError(t, s.Report(bg, state.KindDisbursal, ref, func(r state.Row) error {
			rows = append(rows, r)
			return nil
		}))
		r := rows[random.IntN(len(rows))]
		found, _, err := s.Find(bg, state.SearchFor(r.ID))
		require.NoError(t, err)
		require.Equal(t, []state.Row{r}, found)
		found, _, err = s.Find(bg, state.Search{Phone: r.Phone})
		require.NoError(t, err)
		require.Contains(t, found, r)
	}
}
