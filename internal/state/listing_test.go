package state_test

import (
	"fmt"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"tuma/internal/airtime"
	"tuma/internal/state"
)

// page lists references of disbursals, and where the next page begins.
func page(t *testing.T, s *state.Store, asked state.DisbursalsAsked) (list []string, next string) {
	t.Helper()
	sums, next, err := s.Disbursals(background, asked)
	require.NoError(t, err)
	for _, sum := range sums {
		list = append(list, sum.Reference)
		one, err := s.Summarize(background, state.KindDisbursal, sum.Name)
		require.NoError(t, err)
		require.Equal(t, one, sum)
	}
	return list, next
}

// TestDisbursalsOfProducersShareNoChunk: those of one are listed without another's, also where both
// were accepted at once, and in the order of acceptance.
func TestDisbursalsOfProducersShareNoChunk(t *testing.T) {
	t.Parallel()
	s := open(t, nil)
	var jobs []state.Disbursal
	for i, producer := range []string{"shop", "bank", "", "shop", "shop"} {
		d := shifted(fmt.Sprint("r", i), 2*i, 2)
		d.Producer = producer
		jobs = append(jobs, d)
	}
	accepted, err := s.Accept(background, jobs)
	require.NoError(t, err)
	require.NotContains(t, accepted.Outcomes, state.Refused)
	_, err = s.Cancel(background, state.KindDisbursal, state.Own("shop", "r3"), "amina", "")
	require.NoError(t, err)
	for producer, want := range map[string][]string{
		"shop": {"shop/r4", "shop/r3", "shop/r0"}, "bank": {"bank/r1"}, "none": nil,
	} {
		for limit := 1; limit < 5; limit++ {
			asked := state.DisbursalsAsked{Producer: producer, Limit: limit}
			var all []string
			for more := true; more; more = asked.After != "" {
				var list []string
				list, asked.After = page(t, s, asked)
				all = append(all, list...)
			}
			require.Equal(t, want, all, "%s, %d at once", producer, limit)
		}
	}
	balanced(t, s)
}

// producersAreListed lists what a producer sent until it is forgotten, and nothing of another's.
func producersAreListed(g *harness) {
	for i, producer := range []string{"shop", "bank"} {
		d := shifted("r", i, 1)
		d.Producer = producer
		g.accept(d)
	}
	g.cancel(state.Own("shop", "r"))
	g.c.pass(91 * 24 * time.Hour)
	asked := state.DisbursalsAsked{Producer: "shop", Limit: 10}
	sums, next, err := g.s.Disbursals(background, asked)
	require.NoError(g.t, err)
	require.Empty(g.t, next)
	require.Len(g.t, sums, 1)
	require.Equal(g.t, "shop/r", sums[0].Reference)
	n, err := g.s.Forget(background, 10)
	require.NoError(g.t, err)
	require.Equal(g.t, 1, n)
	left, err := g.s.Client().Exists(background, g.s.Key("producerchunks", "shop")).Result()
	require.NoError(g.t, err)
	require.Zero(g.t, left)
}

// TestAListGoesOnThoughChunksAreForgotten: none is left out, whichever chunks went between two
// pages, and none comes again while the one that is next is kept.
func TestAListGoesOnThoughChunksAreForgotten(t *testing.T) {
	t.Parallel()
	for _, row := range []struct {
		forgotten []int
		then      []string
	}{
		{nil, []string{"shop/r2", "shop/r1", "shop/r0"}},
		{[]int{0}, []string{"shop/r2", "shop/r1"}},
		{[]int{0, 1}, []string{"shop/r2"}},
		{[]int{1, 4}, []string{"shop/r2", "shop/r0"}},
		{[]int{2}, []string{"shop/r3", "shop/r1", "shop/r0"}},
		{[]int{0, 1, 2, 3, 4, 5}, nil},
	} {
		s, c := timed(t, func(o *state.Options) { o.Retention = time.Hour })
		for i := range 6 {
			d := shifted(fmt.Sprint("r", i), i, 1)
			d.Producer = "shop"
			accept(t, s, d)
		}
		asked := state.DisbursalsAsked{Producer: "shop", Limit: 3}
		first, next := page(t, s, asked)
		require.Equal(t, []string{"shop/r5", "shop/r4", "shop/r3"}, first)
		for _, i := range row.forgotten {
			_, err := s.Cancel(background, state.KindDisbursal,
				state.Own("shop", fmt.Sprint("r", i)), "amina", "")
			require.NoError(t, err)
		}
		c.pass(time.Hour + time.Millisecond)
		n, err := s.Forget(background, 10)
		require.NoError(t, err)
		require.Equal(t, len(row.forgotten), n)
		asked.After = next
		then, end := page(t, s, asked)
		require.Equal(t, row.then, then, "without %v", row.forgotten)
		require.Empty(t, end)
		left, err := s.Client().LLen(background, s.Key("producerchunks", "shop")).Result()
		require.NoError(t, err)
		require.Equal(t, int64(6-len(row.forgotten)), left)
	}
}

// TestAllDisbursalsAreListedOverManyPages: pages of the books that are forgotten in between do not
// stop the list.
func TestAllDisbursalsAreListedOverManyPages(t *testing.T) {
	t.Parallel()
	s, c := timed(t, func(o *state.Options) { o.Retention = time.Hour })
	var want []string
	for i := range 25 { // A page has 10,000 recipients.
		accept(t, s, disbursal(fmt.Sprint("r", i), 1000))
		want = append([]string{fmt.Sprint("r", i)}, want...)
	}
	asked, all := state.DisbursalsAsked{Limit: 4}, []string(nil)
	for more := true; more; more = asked.After != "" {
		var list []string
		list, asked.After = page(t, s, asked)
		all = append(all, list...)
	}
	require.Equal(t, want, all)
	_, asked.After = page(t, s, asked)
	for i := range 25 {
		_, err := s.Cancel(background, state.KindDisbursal, fmt.Sprint("r", i), "amina", "")
		require.NoError(t, err)
	}
	sums, _, err := s.Disbursals(background, asked)
	require.NoError(t, err)
	require.True(t, sums[0].Cancelled)
	require.Equal(t, int64(1000), sums[0].Statuses[airtime.Cancelled].Recipients)
	c.pass(time.Hour + time.Millisecond)
	_, err = s.Forget(background, 10)
	require.NoError(t, err)
	rest, next := page(t, s, asked)
	require.Empty(t, rest)
	require.Empty(t, next)
}

// TestAMadeUpPlaceIsNoFarWay: whoever makes up where to go on, far behind the end, has the list
// from the beginning, at once.
func TestAMadeUpPlaceIsNoFarWay(t *testing.T) {
	t.Parallel()
	s := open(t, nil)
	d := shifted("r", 0, 1)
	d.Producer = "shop"
	accept(t, s, d)
	list, next := page(t, s, state.DisbursalsAsked{
		Producer: "shop", Limit: 3, After: "0.9000000000000000000.0.made-up",
	})
	require.Equal(t, []string{"shop/r"}, list)
	require.Empty(t, next)
	for _, after := range []string{"1", "0.-1.0.c", "0.x.0.c", "0.0.0.c.d", "0.0.9e9.c"} {
		_, _, err := s.Disbursals(background, state.DisbursalsAsked{Limit: 3, After: after})
		require.ErrorIs(t, err, state.ErrCursor, after)
	}
}
