package state_test

import (
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"tuma/internal/airtime"
	"tuma/internal/state"
)

// Disbursals that are accepted together share a chunk. Nothing of that may be seen from outside.
func TestChunks(t *testing.T) {
	t.Parallel()
	runScenarios(t, map[string]scenario{
		"each disbursal is its own":            chunksAreNotSeen,
		"one of them is cancelled":             chunkWithACancelledOne,
		"one is cancelled while claimed":       chunkCancelledWhileClaimed,
		"a number twice makes two batches":     chunkWithANumberTwice,
		"a reference twice":                    chunkWithAReferenceTwice,
		"others are others":                    chunksOfOthers,
		"more than a batch":                    chunkInParts,
		"people decide about one":              chunkDecided,
		"forgotten, and brought again as was":  chunkForgotten,
		"forgotten, and brought again apart":   chunkForgottenAndApart,
		"forgotten, brought again before that": chunkForgottenAndBack,
		"forgotten, accepted, listed":          chunkForgottenAndListed,
		"retired together":                     chunkRetired,
		"listed with their producer":           producersAreListed,
		"not with an open one":                 chunkRetiredWithAnOpenOne,
		"neighbours hear their own":            neighboursHearTheirOwn,
		"neighbours with a gap":                neighboursWithAGap,
		"neighbours with a gap on the chunk":   neighboursWithAGapOnTheChunk,
		"locations are new":                    locationsAreNew,
	})
}

// three are disbursals of two recipients each.
func three() []state.Disbursal {
	return []state.Disbursal{shifted("a", 0, 2), shifted("b", 2, 2), shifted("c", 4, 2)}
}

// all is where the recipients of several disbursals stand.
func (g *harness) all(refs ...string) (list []string) {
	for _, ref := range refs {
		for _, r := range rows(g.t, g.s, ref) {
			require.Equal(g.t, ref, r.Reference)
			list = append(list, r.Status.String())
		}
	}
	return list
}

func chunksAreNotSeen(g *harness) {
	g.accept(three()...)
	b := g.begin(lipad)
	require.Len(g.t, b.Members, 6)
	require.Equal(g.t, []string{"a", "b", "b", "c"}, []string{
		b.Members[1].Reference, b.Members[2].Reference, b.Members[3].Reference, b.Members[4].Reference,
	})
	g.record(b, airtime.Accepted, "")
	observe(g.t, g.s, b.ID, airtime.Successful, 2, 3)
	observe(g.t, g.s, b.ID, airtime.Failed, 5)
	require.Equal(g.t, []string{
		"submitted", "submitted", "successful", "successful", "submitted", "failed",
	}, g.all("a", "b", "c"))
	require.Equal(g.t, []string{"254700000002", "254700000003"}, []string{
		rows(g.t, g.s, "b")[0].Phone.Digits(), rows(g.t, g.s, "b")[1].Phone.Digits(),
	})
	require.Equal(g.t, map[string][]string{
		"b 254700000002": {"successful"}, "b 254700000003": {"successful"},
		"c 254700000005": {"failed"},
	}, results(g.t, g.s))
	sum, err := g.s.Summarize(background, state.KindDisbursal, "b")
	require.NoError(g.t, err)
	require.True(g.t, sum.Settled)
	require.Equal(g.t, int64(2), sum.Recipients)
	audit, err := g.s.Verify(background, nil)
	require.NoError(g.t, err)
	require.Equal(g.t, []int{3, 6}, []int{audit.Disbursals, audit.Recipients})
}

func (g *harness) cancel(ref string) state.Cancellation {
	got, err := g.s.Cancel(background, state.KindDisbursal, ref, "amina", "")
	require.NoError(g.t, err)
	return got
}

func chunkWithACancelledOne(g *harness) {
	g.accept(three()...)
	require.Equal(g.t, state.Cancellation{Cancelled: 2}, g.cancel("b"))
	b := g.begin(lipad)
	require.Len(g.t, b.Members, 4)
	g.record(b, airtime.Unsent, airtime.ReasonConnect)
	require.Equal(g.t, state.Cancellation{Cancelled: 2}, g.cancel("c"))
	require.Equal(g.t, []string{
		"queued", "queued", "cancelled", "cancelled", "cancelled", "cancelled",
	}, g.all("a", "b", "c"))
	require.Len(g.t, g.begin(lipad).Members, 2)
}

// The mark stands while the others are claimed, sent, given back and claimed again.
func chunkCancelledWhileClaimed(g *harness) {
	g.accept(three()...)
	b := g.begin(lipad)
	require.Equal(g.t, state.Cancellation{TooLate: 2}, g.cancel("b"))
	g.record(b, airtime.Unsent, airtime.ReasonConnect)
	require.Equal(g.t, []string{
		"queued", "queued", "cancelled", "cancelled", "queued", "queued",
	}, g.all("a", "b", "c"))
	again, holder := g.claim(lipad, 1000)
	require.Len(g.t, again.Members, 4)
	require.Equal(g.t, state.Cancellation{Cancelled: 2}, g.cancel("a"))
	g.refused(again, holder, "moved")
	require.Len(g.t, g.begin(lipad).Members, 2)
}

func chunkWithANumberTwice(g *harness) {
	g.accept(shifted("a", 0, 2), shifted("b", 1, 2), shifted("c", 1, 1))
	for _, n := range []int{3, 1, 1} {
		b := g.begin(lipad)
		require.Len(g.t, b.Members, n)
		g.record(b, airtime.Accepted, "")
	}
	g.idle(lipad, state.IdleEmpty)
}

func chunkWithAReferenceTwice(g *harness) {
	got, err := g.s.Accept(background, []state.Disbursal{
		shifted("a", 0, 2), shifted("a", 0, 2), shifted("a", 1, 2), shifted("b", 1, 1),
	})
	require.NoError(g.t, err)
	want := []state.Outcome{state.Accepted, state.Same, state.Conflict, state.Accepted}
	require.Equal(g.t, want, got.Outcomes)
	require.Equal(g.t, int64(3), g.sum(lipad, "requested"))
	got, err = g.s.Accept(background, []state.Disbursal{
		shifted("c", 1, 1), shifted("b", 1, 1), shifted("a", 0, 2),
	})
	require.NoError(g.t, err)
	require.Equal(g.t, []state.Outcome{state.Accepted, state.Same, state.Same}, got.Outcomes)
}

// The outcomes come in the order in which the disbursals were given, however they are grouped.
func chunksOfOthers(g *harness) {
	blue, red := shifted("a", 0, 1), shifted("b", 1, 1)
	blue.Campaign, red.Campaign = "blue", "red"
	g.accept(blue, red)
	g.cancel("z")
	also := shifted("c", 2, 1)
	also.Campaign = "blue"
	got, err := g.s.Accept(background, []state.Disbursal{
		also, red, named(shifted("d", 3, 1), quicksms), blue, shifted("z", 4, 1),
	})
	require.NoError(g.t, err)
	require.Equal(g.t, []state.Outcome{
		state.Accepted, state.Same, state.Accepted, state.Same, state.Cancelled,
	}, got.Outcomes)
	withdrawn, err := g.s.Cancel(background, state.KindCampaign, "blue", "amina", "")
	require.NoError(g.t, err)
	require.Equal(g.t, state.Cancellation{Cancelled: 2}, withdrawn)
	require.Equal(g.t, []string{"cancelled", "queued", "cancelled", "queued"},
		g.all("a", "b", "c", "d"))
}

// Who is taken off the queue and not drawn goes back to where it was.
func chunkInParts(g *harness) {
	for i, n := range []int{1, 3, 1, 1, 2} {
		g.accept(shifted(string(rune('a'+i)), 10*i, n))
	}
	var order []string
	for range 3 {
		b, _ := g.claim(lipad, 3)
		for _, m := range b.Members {
			order = append(order, m.Reference)
		}
	}
	require.Equal(g.t, []string{"a", "b", "b", "b", "c", "d", "e", "e"}, order)
}

func chunkDecided(g *harness) {
	g.accept(through(shifted("a", 0, 1), quicksms), through(shifted("b", 1, 2), quicksms))
	b := g.begin(quicksms)
	g.record(b, airtime.Unknown, airtime.ReasonTimeout)
	g.c.pass(time.Hour)
	rest := g.begin(quicksms)
	g.record(rest, airtime.Unknown, airtime.ReasonTimeout)
	g.c.pass(time.Hour)
	resolve(g.t, g.s, state.Decision{Paid: true}, rows(g.t, g.s, "b")[0])
	resolve(g.t, g.s, state.Decision{Resubmit: true}, g.row("a"))
	require.Equal(g.t, []string{"queued", "successful", "queued"}, g.all("a", "b"))
	list := audit(g.t, g.s)
	require.Len(g.t, list, 2)
	require.Regexp(g.t, `^Wanjiru resolve b .* positions=0 was=in_doubt batch=`+rest.ID, list[0])
	require.Regexp(g.t, `^Wanjiru resolve a .* positions=0 .* resubmitted=1 `, list[1])
}

// sendForgotten lets Redis forget three disbursals with their sending.
func (g *harness) sendForgotten() *state.Batch {
	g.accept(someone("first", sozuri))
	before := dumps(g.t, g.s)
	g.accept(three()...)
	b := g.begin(lipad)
	g.forgets(before)
	return b
}

func chunkForgotten(g *harness) {
	b := g.sendForgotten()
	require.Zero(g.t, g.record(b, airtime.Accepted, ""))
	g.accept(three()...)
	observe(g.t, g.s, b.ID, airtime.Successful, 0, 3, 4)
	require.Equal(g.t, []string{
		"successful", "submitted", "submitted", "successful", "successful", "submitted",
	}, g.all("a", "b", "c"))
	g.idle(lipad, state.IdleEmpty)
}

func chunkForgottenAndApart(g *harness) {
	b := g.sendForgotten()
	g.record(b, airtime.Accepted, "")
	g.accept(shifted("x", 9, 1), shifted("c", 4, 2))
	g.accept(shifted("b", 2, 2), shifted("a", 0, 2))
	require.Equal(g.t, []string{
		"submitted", "submitted", "submitted", "submitted", "submitted", "submitted", "queued",
	}, g.all("a", "b", "c", "x"))
	observe(g.t, g.s, b.ID, airtime.Successful, 0, 3, 4)
	require.Equal(g.t, []string{
		"successful", "submitted", "submitted", "successful", "successful", "submitted",
	}, g.all("a", "b", "c"))
	require.Len(g.t, g.begin(lipad).Members, 1)
	loaded, err := g.s.Load(background, b.ID)
	require.NoError(g.t, err)
	require.Equal(g.t, []any{3, "b", "254700000003"}, []any{
		loaded.Open, loaded.Members[3].Reference, loaded.Members[3].Phone.Digits(),
	})
}

// What is counted as overpaid is listed, also while all that is known of whom is a reference and a
// position. When the disbursal comes again, that is whom the provider accepted.
func chunkForgottenAndListed(g *harness) {
	b := g.sendForgotten()
	since := b.Read
	g.c.pass(time.Second)
	a := answer(b, airtime.Accepted, "")
	a.Since = time.Second
	a.Verdicts = []verdict{
		{Position: 1, Verdict: airtime.Unknown, Reason: airtime.ReasonTimeout},
		{Position: 2, Verdict: airtime.Accepted, ProviderReference: "p-2"},
	}
	record(g.t, g.s, a)
	var list []string
	for _, c := range g.overpaid() {
		require.Len(g.t, c.Concerned(), 1)
		m := c.Concerned()[0]
		require.Equal(g.t, []any{b.ID, lipad, airtime.Money{}, airtime.Submitted, true},
			[]any{c.Batch.ID, c.Batch.Provider, m.Amount, m.Status, m.Phone.IsZero()})
		require.Equal(g.t, since, c.Since)
		list = append(list, m.Reference+": "+m.Message)
	}
	slices.Sort(list)
	forgotten := "Redis has forgotten its disbursal"
	require.Equal(g.t, []string{
		"a: accepted; " + forgotten, "b: accepted as p-2; " + forgotten, "b: accepted; " + forgotten,
		"c: accepted; " + forgotten, "c: accepted; " + forgotten,
	}, list)
	g.accept(three()...)
	require.Empty(g.t, g.overpaid())
	require.Equal(g.t, []string{
		"submitted", "in_doubt", "submitted", "submitted", "submitted", "submitted",
	}, g.all("a", "b", "c"))
}

// overpaid lists who is overpaid, as many as are counted.
func (g *harness) overpaid() (list []state.ReviewItem) {
	items, err := g.s.ReviewItems(background)
	require.NoError(g.t, err)
	for _, c := range items {
		if c.Queue == state.ReviewOverpaid {
			list = append(list, c)
		}
	}
	require.Len(g.t, list, int(g.figures().Overpaid))
	require.Len(g.t, list, int(balanced(g.t, g.s).Overpaid))
	return list
}

func chunkForgottenAndBack(g *harness) {
	b := g.sendForgotten()
	g.accept(shifted("c", 4, 2), shifted("x", 9, 1), shifted("a", 0, 2))
	other, holder := g.claim(lipad, 1000)
	require.Len(g.t, other.Members, 5)
	g.record(b, airtime.Unknown, airtime.ReasonTimeout)
	g.refused(other, holder, "moved")
	require.Equal(g.t, []string{"in_doubt", "in_doubt", "in_doubt", "in_doubt", "queued"},
		g.all("a", "c", "x"))
	g.accept(shifted("b", 2, 2))
	require.Equal(g.t, []string{"in_doubt", "in_doubt"}, g.all("b"))
	require.Len(g.t, g.begin(lipad).Members, 1)
}

// A chunk is kept as long as one of its disbursals is open.
func chunkRetired(g *harness) {
	g.accept(three()...)
	b := g.begin(lipad)
	g.record(b, airtime.Accepted, "")
	observe(g.t, g.s, b.ID, airtime.Successful, 0, 1, 2, 3, 4)
	forgets := func() int {
		g.c.pass(91 * 24 * time.Hour)
		n, err := g.s.Forget(background, 10)
		require.NoError(g.t, err)
		return n
	}
	require.Zero(g.t, forgets())
	observe(g.t, g.s, b.ID, airtime.Failed, 5)
	require.Equal(g.t, 3, forgets())
	_, err := g.s.KindOf(background, "b")
	require.ErrorIs(g.t, err, state.ErrNotFound)
	got, err := g.s.Accept(background, []state.Disbursal{
		shifted("b", 2, 2), shifted("c", 4, 1), shifted("d", 0, 1),
	})
	require.NoError(g.t, err)
	require.Equal(g.t, []state.Outcome{state.Same, state.Conflict, state.Accepted}, got.Outcomes)
}

// Neighbours with one status have reasons, ids and messages of their own.
func neighboursHearTheirOwn(g *harness) {
	g.accept(disbursal("a", 3))
	b := g.begin(lipad)
	g.record(b, airtime.Accepted, "")
	var told []observation
	for i, message := range []string{"one", "two", "three"} {
		told = append(told, observation{
			Position: i, Status: airtime.Failed,
			ProviderReference: "id " + message, Message: message,
		})
	}
	got, err := g.s.Observe(background, b, linesOf(b, told), true, pollSchedule(0))
	require.NoError(g.t, err)
	require.Equal(g.t, []int{3, 3, 0}, []int{got.Changed, got.Settled, got.Open})
	for i, r := range rows(g.t, g.s, "a") {
		require.Equal(g.t, []string{"id " + told[i].Message, told[i].Message},
			[]string{r.ProviderReference, r.Message})
	}
}

func neighboursWithAGap(g *harness) {
	g.accept(disbursal("a", 4))
	b := g.begin(lipad)
	g.record(b, airtime.Accepted, "")
	observe(g.t, g.s, b.ID, airtime.Successful, 2, 0, 3)
	require.Equal(g.t, []string{"successful", "submitted", "successful", "successful"}, g.all("a"))
}

// Neighbours in a batch need not be neighbours on a chunk.
func neighboursWithAGapOnTheChunk(g *harness) {
	g.accept(three()...)
	require.Equal(g.t, state.Cancellation{Cancelled: 2}, g.cancel("b"))
	b := g.begin(lipad)
	g.record(b, airtime.Accepted, "")
	observe(g.t, g.s, b.ID, airtime.Successful, 0, 1, 2, 3)
	require.Equal(g.t, []string{
		"successful", "successful", "cancelled", "cancelled", "successful", "successful",
	}, g.all("a", "b", "c"))
}

// locationsAreNew: an entry that stands for no recipient any more must never stand for one again.
func locationsAreNew(g *harness) {
	g.accept(disbursal("a", 2))
	g.record(g.begin(lipad), airtime.Unsent, airtime.ReasonConnect)
	g.accept(shifted("b", 2, 1))
	list, err := g.s.Client().LRange(background, g.s.Key("pending", lipad), 0, -1).Result()
	require.NoError(g.t, err)
	locations := map[string]bool{}
	for _, entry := range list {
		location := strings.Fields(entry)[3]
		require.False(g.t, locations[location], "%s is given out twice", location)
		locations[location] = true
	}
	require.Len(g.t, locations, 2)
}

// TestAnIndexIsUsedAgain lets recipients have more locations, one after the other, than a chunk has
// indices for.
func TestAnIndexIsUsedAgain(t *testing.T) {
	t.Parallel()
	g := newHarness(t, func(_, text string) string {
		return strings.Replace(text, "MOST_LOCATIONS = 94 * 94", "MOST_LOCATIONS = 4", 1)
	})
	g.c.pass(0)
	g.accept(disbursal("a", 2))
	for range 10 {
		first, _ := g.claim(lipad, 1)
		second, _ := g.claim(lipad, 1)
		require.ElementsMatch(t, []string{first.ID, second.ID},
			[]string{rows(t, g.s, "a")[0].Batch, rows(t, g.s, "a")[1].Batch})
		g.c.pass(time.Hour)
		require.Equal(t, 2, g.sweep(lipad).Returned, "claims lapse")
		balanced(t, g.s)
	}
	locations := g.s.Client().HLen(background, strings.Replace(g.s.ChunkOf("a"), ":chunk:",
		":locations:", 1))
	require.Equal(t, int64(4), locations.Val())
}

// A disbursal that has settled long ago keeps its chunk, while its neighbour is open again.
func chunkRetiredWithAnOpenOne(g *harness) {
	g.accept(three()...)
	b := g.begin(lipad)
	g.record(b, airtime.Refused, airtime.ReasonRefused)
	observe(g.t, g.s, b.ID, airtime.Processing, 5)
	require.Equal(g.t, []string{"rejected", "processing"}, g.all("c"))
	g.c.pass(91 * 24 * time.Hour)
	n, err := g.s.Forget(background, 10)
	require.NoError(g.t, err)
	require.Zero(g.t, n)
}
