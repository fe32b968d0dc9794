package state_test

import (
	"errors"
	"fmt"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"tuma/internal/airtime"
	"tuma/internal/routing"
	"tuma/internal/state"
)

// What persons decide about who is held, one after the other and at once.
func TestReleases(t *testing.T) {
	t.Parallel()
	runScenarios(t, map[string]scenario{
		"a part of an import is approved while more comes": approvedWhileMoreComes,
		"what was seen has moved since":                    approvedAfterItMoved,
		"cancelled, then released":                         releasedAfterCancel,
		"released, then cancelled":                         cancelledAfterRelease,
		"cancelled and released at once":                   cancelAgainstRelease,
		"released twice at once":                           releasedTwiceAtOnce,
		"a release that is sent twice":                     releaseSentTwice,
	})
}

// partOf is three recipients of an import that needs approval as a whole, not for this part.
func partOf(name string, i int) state.Disbursal {
	d := asked(to(fmt.Sprintf("%s/%d", name, i), 3*i+1, 3, 5), "big")
	d.Import, d.SubmittedBy = name, "wanjiku"
	d.Sums = routing.Sums{{Approval: "big", Currency: "KES"}: 3000}
	return d
}

// digestOf is the digest of who is held under a name, for one reason.
func (g *harness) digestOf(kind state.Kind, name string) string {
	groups, err := g.s.HeldUnder(background, kind, name)
	require.NoError(g.t, err)
	require.Len(g.t, groups, 1)
	return groups[0].Digest
}

// approve has otieno release who is held under an import, as the digest says.
func (g *harness) approve(name, digest string) (state.Released, error) {
	return g.release(state.Release{
		Kind: state.KindImport, Name: name, Who: "otieno", Digest: digest,
	})
}

// Of an import that still runs, exactly what was seen is approved. What comes later is held, and
// its digest is another one.
func approvedWhileMoreComes(g *harness) {
	g.accept(partOf("list", 0))
	first := g.digestOf(state.KindImport, "list")
	g.accept(partOf("list", 1))
	_, err := g.approve("list", first)
	require.ErrorIs(g.t, err, state.ErrMoved)
	require.EqualValues(g.t, 6, g.sum(lipad, "held"))
	both := g.digestOf(state.KindImport, "list")
	require.NotEqual(g.t, first, both)
	got, err := g.approve("list", both)
	require.NoError(g.t, err)
	require.Equal(g.t, 6, got.Queued)
	g.accept(partOf("list", 2))
	_, err = g.approve("list", both)
	require.ErrorIs(g.t, err, state.ErrMoved)
	require.EqualValues(g.t, 3, g.sum(lipad, "held"))
	require.Len(g.t, g.begin(lipad).Members, 6)
}

// Less than what was seen is no more what was seen.
func approvedAfterItMoved(g *harness) {
	g.accept(partOf("list", 0), partOf("list", 1))
	seen := g.digestOf(state.KindImport, "list")
	g.cancel("list/1")
	_, err := g.approve("list", seen)
	require.ErrorIs(g.t, err, state.ErrMoved)
	require.EqualValues(g.t, 3, g.sum(lipad, "held"))
	got, err := g.approve("list", g.digestOf(state.KindImport, "list"))
	require.NoError(g.t, err)
	require.Equal(g.t, 3, got.Queued)
}

func releasedAfterCancel(g *harness) {
	g.accept(asked(to("a", 1, 7, 10), "budget"))
	g.cancel("a")
	_, err := g.release(state.Release{Name: "a", Who: "otieno"})
	require.ErrorIs(g.t, err, state.ErrNothingHeld)
	require.Zero(g.t, g.sum(lipad, "queued"))
}

// Who was released is not on the wire yet, so a cancel withdraws it, and its guard gets it back.
func cancelledAfterRelease(g *harness) {
	g.accept(asked(to("a", 1, 7, 10), "budget"))
	got, err := g.release(state.Release{Name: "a", Who: "otieno"})
	require.NoError(g.t, err)
	require.Equal(g.t, 2, got.Queued)
	require.Equal(g.t, state.Cancellation{Cancelled: 7}, g.cancel("a"))
	g.idle(lipad, state.IdleEmpty)
	g.accept(asked(to("b", 1, 5, 10), "budget"))
	require.Empty(g.t, g.held(), "all of the budget is there again")
}

// atOnce runs functions at the same time.
func atOnce(all ...func()) {
	var running sync.WaitGroup
	start := make(chan struct{})
	for _, one := range all {
		running.Go(func() { <-start; one() })
	}
	close(start)
	running.Wait()
}

// Whoever of the two comes first: the cancel lasts, nobody is sent, and nobody waits for a time.
func cancelAgainstRelease(g *harness) {
	firsts := map[bool]int{}
	for i := range 40 {
		name := fmt.Sprint("a", i)
		d := partOf(name, 0)
		if i%2 == 0 {
			d.NotBefore = time.UnixMilli(g.c.ms).Add(time.Hour)
		}
		g.accept(d)
		digest := g.digestOf(state.KindImport, name)
		var released state.Released
		var releasing, cancelling error
		atOnce(
			func() {
				released, releasing = g.approve(name, digest)
			},
			func() {
				for range i / 4 { // So that each of the two is first at times.
					g.s.Client().Ping(background)
				}
				_, cancelling = g.s.Cancel(background, state.KindImport, name, "amina", "")
			},
		)
		require.NoError(g.t, cancelling)
		if releasing != nil {
			require.ErrorIs(g.t, releasing, state.ErrNothingHeld)
		}
		firsts[released.Queued+released.Held > 0]++
		for _, r := range rows(g.t, g.s, name+"/0") {
			require.Equal(g.t, airtime.Cancelled, r.Status)
		}
	}
	g.t.Logf("the release was first %d times, the cancel %d times", firsts[true], firsts[false])
	require.Empty(g.t, g.held())
	g.c.pass(time.Hour)
	require.Zero(g.t, g.releaseDue())
	g.idle(lipad, state.IdleEmpty)
}

// Each one is queued by one of the two, who says so.
func releasedTwiceAtOnce(g *harness) {
	for i := range 20 {
		name := fmt.Sprint("a", i)
		g.accept(asked(to(name, 1, 3, 10), "big"))
		digest := g.digestOf(state.KindDisbursal, name)
		var queued [2]int
		var faults [2]error
		one := func(k int) func() {
			return func() {
				var got state.Released
				got, faults[k] = g.release(state.Release{
					Name: name, Who: fmt.Sprint("person", k), Digest: digest,
				})
				queued[k] = got.Queued
			}
		}
		atOnce(one(0), one(1))
		require.Equal(g.t, 3, queued[0]+queued[1])
		for _, fault := range faults {
			require.True(g.t, fault == nil || errors.Is(fault, state.ErrNothingHeld), fault)
		}
		require.Len(g.t, g.begin(lipad).Members, 3)
		g.idle(lipad, state.IdleEmpty)
	}
	require.Len(g.t, audit(g.t, g.s), 20, "a release that released nobody is none")
}

// A release whose reply is lost releases once, and is once in the audit.
func releaseSentTwice(g *harness) {
	g.accept(asked(to("a", 1, 3, 10), "big"))
	digest := g.digestOf(state.KindDisbursal, "a")
	twice := &echo{}
	g.s.Client().AddHook(twice)
	twice.on.Store(true)
	got, err := g.release(state.Release{Name: "a", Who: "otieno", Digest: digest})
	twice.on.Store(false)
	require.NoError(g.t, err)
	require.Equal(g.t, 3, got.Queued, "the answer of the first time")
	require.Len(g.t, g.begin(lipad).Members, 3)
	require.Len(g.t, audit(g.t, g.s), 1)
}

// forgottenRelease: a Redis that has forgotten a release is told of the sending. Guards count it
// once, so that no more is sent than they allow, and give it back like any other.
func forgottenRelease(g *harness) {
	g.accept(asked(to("a", 1, 3, 10), "budget"), asked(to("b", 4, 4, 10), "budget"))
	require.Equal(g.t, map[state.Hold]int64{budget("budget"): 2}, g.held())
	before := dumps(g.t, g.s)
	_, err := g.release(state.Release{Name: "b", Who: "p"})
	require.NoError(g.t, err)
	b := g.begin(lipad)
	require.Len(g.t, b.Members, 7)
	g.forgets(before)
	require.Equal(g.t, map[state.Hold]int64{budget("budget"): 2}, g.held())
	got, err := g.s.Record(background, answer(b, airtime.Accepted, "").built())
	require.NoError(g.t, err)
	require.Equal(g.t, 7, got.Accepted)
	require.Empty(g.t, g.held())
	require.Zero(g.t, g.releaseDue())
	require.Equal(g.t, map[string]string{"KES ": "7 7000"}, g.spent("budget"))
	require.Zero(g.t, g.releaseDue())
	require.Equal(g.t, map[string]string{"KES ": "7 7000"}, g.spent("budget"), "once")
	g.observeMembers(b, airtime.Failed, 7)
	require.Equal(g.t, map[string]string{"KES ": "0 0"}, g.spent("budget"))
}

// spent is what a guard has counted, by currency and subject; of one period.
func (g *harness) spent(guard string) map[string]string {
	names, err := g.s.Client().Keys(background, g.s.Key("spent", guard+":*")).Result()
	require.NoError(g.t, err)
	require.Len(g.t, names, 1)
	figures, err := g.s.Client().HGetAll(background, names[0]).Result()
	require.NoError(g.t, err)
	return figures
}
