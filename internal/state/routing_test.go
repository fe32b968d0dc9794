package state_test

import (
	"fmt"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"tuma/internal/airtime"
	"tuma/internal/state"
	"tuma/internal/test/redistest"
)

func TestDisbursalsOverSeveralProviders(t *testing.T) {
	t.Parallel()
	runScenarios(t, map[string]scenario{
		"each recipient goes to its own":      splitDisbursal,
		"a forgotten one stays booked by row": forgottenSplit,
		"routing is no content":               routedElsewhere,
	})
}

func TestHandingOn(t *testing.T) {
	t.Parallel()
	runScenarios(t, map[string]scenario{
		"handed on out of a doubt":                   handedOnFromADoubt,
		"a refusal is history":                       refusalIsHistory,
		"two refusals":                               refusedTwice,
		"only on the first sending":                  refusedOnTheSecondSending,
		"the cancelled do not go on":                 cancelledOnTheWay,
		"with a number in doubt at the next":         heldAtTheNext,
		"a late acceptance while queued":             acceptedWhileQueuedElsewhere,
		"a late acceptance while claimed":            acceptedWhileClaimedElsewhere,
		"a late acceptance while sending":            acceptedWhileSendingElsewhere,
		"a late acceptance, and the next refuses":    acceptedAndRefusedElsewhere,
		"a late acceptance by the id of a refusal":   acceptedByTheIDOfARefusal,
		"some members go on and others do not":       partlyHandedOn,
		"a late answer to a sending that went quiet": handedOnAfterSilence,
		"nobody goes back":                           neverHandedBack,
	})
}

func TestRerouting(t *testing.T) {
	t.Parallel()
	runScenarios(t, map[string]scenario{
		"who was routed moves":              strandedMove,
		"who was named stays":               namedStay,
		"who was claimed meanwhile stays":   claimedStay,
		"who was cancelled meanwhile stays": cancelledStay,
		"nobody moves from an open channel": openChannelsKeepTheirs,
		"long queues are read in parts":     strandedInParts,
		"parts are of so many recipients":   strandedByRecipients,
		"who has left is not read again":    strandedHead,
		"only at the head of the queue":     strandedBetween,
		"nobody goes back":                  neverReroutedBack,
	})
}

// split is a disbursal of four whose second and fourth number go to another provider. Its
// recipients are not in order.
func split(ref string) state.Disbursal {
	d := disbursal(ref, 4)
	d.Providers = []string{lipad, quicksms, lipad, quicksms}
	slices.Reverse(d.Recipients)
	slices.Reverse(d.Providers)
	return d
}

func splitDisbursal(g *harness) {
	require.ElementsMatch(g.t, []string{lipad, quicksms}, providersOf(g.accept(split("a"))))
	for i, r := range rows(g.t, g.s, "a") {
		require.Equal(g.t, []string{lipad, quicksms}[i%2], r.Provider, "%s", r.Phone)
	}
	require.Equal(g.t, []int64{2, 2},
		[]int64{g.sum(lipad, "requested"), g.sum(quicksms, "requested")})
	require.Equal(g.t, int64(1100+1300), g.sum(quicksms, "requested minor"))
	b := g.begin(lipad)
	require.Len(g.t, b.Members, 2)
	require.Equal(g.t, "254700000002", b.Members[1].Phone.Digits())
	g.record(b, airtime.Accepted, "")
	require.Equal(g.t, "254700000001", g.begin(quicksms).Members[0].Phone.Digits())
	require.Equal(g.t, map[airtime.Status]int64{
		airtime.Submitted: 2, airtime.Sending: 1, airtime.Queued: 1,
	}, statuses(g.t, g.s, "a"))
	require.Equal(g.t, int64(1), g.sum(quicksms, "sending"))
}

// handedOnFromADoubt: the sender reports back when its batch is in doubt already.
func handedOnFromADoubt(g *harness) {
	g.accept(someone("a", lipad))
	b := g.begin(lipad)
	g.c.pass(time.Minute)
	swept, err := g.s.Sweep(background, lipad)
	require.NoError(g.t, err)
	require.Equal(g.t, 1, swept.InDoubt)
	g.each(b, onward(quicksms))
	g.stands("a", quicksms, airtime.Queued)
	g.accept(someone("b", lipad))
	require.Len(g.t, g.begin(lipad).Members, 1, "the number is not in doubt there any more")
	require.Len(g.t, g.begin(quicksms).Members, 1)
}

func providersOf(wakeups []state.Wakeup) []string {
	var names []string
	for _, r := range wakeups {
		names = append(names, r.Provider)
	}
	return names
}

func forgottenSplit(g *harness) {
	g.accept(split("a"))
	g.accept(shifted("b", 10, 1))
	for _, provider := range []string{lipad, quicksms, quicksms} {
		b := g.begin(provider)
		g.record(b, airtime.Accepted, "")
		for i, m := range b.Members {
			if m.Reference == "a" {
				observe(g.t, g.s, b.ID, airtime.Successful, i)
			}
		}
	}
	only(g.t, g.s, "a", airtime.Successful)
	before := g.figures().Book
	g.c.pass(91 * 24 * time.Hour)
	n, err := g.s.Forget(background, 10)
	require.NoError(g.t, err)
	require.Equal(g.t, 1, n)
	require.Equal(g.t, before, g.figures().Book)
}

func routedElsewhere(g *harness) {
	g.accept(split("a"))
	got, err := g.s.Accept(background, []state.Disbursal{disbursal("a", 4)})
	require.NoError(g.t, err)
	require.Equal(g.t, []state.Outcome{state.Same}, got.Outcomes)
	require.Equal(g.t, quicksms, rows(g.t, g.s, "a")[1].Provider)
}

func TestAcceptRefusesUnclearProviders(t *testing.T) {
	t.Parallel()
	s := open(t, nil)
	few, unknown := split("a"), split("b")
	few.Providers = few.Providers[1:]
	unknown.Providers[2] = "nobody"
	for want, d := range map[string]state.Disbursal{
		"disbursal a: 3 providers for 4 recipients": few,
		`disbursal b: unknown provider "nobody"`:    unknown,
		`disbursal c: unknown provider "nobody"`:    someone("c", "nobody"),
	} {
		_, err := s.Accept(background, []state.Disbursal{d})
		require.EqualError(t, err, want)
	}
	require.Zero(t, balanced(t, s).Recipients)
}

// onward is a refusal that says nothing about the next provider.
func onward(next string) verdict {
	return verdict{
		Verdict: airtime.Refused, Reason: airtime.ReasonNetwork, Message: "m", Next: next,
		ProviderReference: "refused-1",
	}
}

// handed lets the only recipient of a disbursal go on from Africa's Talking to Lipad.
func (g *harness) handed(ref string) *state.Batch {
	g.accept(someone(ref, talking))
	b := g.begin(talking)
	require.Equal(g.t, state.Recorded{Returned: 1}, g.each(b, onward(lipad)))
	g.stands(ref, lipad, airtime.Queued)
	return b
}

func refusalIsHistory(g *harness) {
	first := g.handed("a")
	require.Empty(g.t, results(g.t, g.s))
	require.Equal(g.t, []state.PastRefusal{{
		At: time.UnixMilli(modelStart).UTC(), Provider: talking, Batch: first.ID,
		Reason: airtime.ReasonNetwork, Message: "m",
	}}, g.row("a").History)
	require.Equal(g.t, []int64{0, 1, 1}, []int64{
		g.sum(talking, "requested"), g.sum(lipad, "requested"), g.sum(lipad, "queued"),
	})
	require.Equal(g.t, []int64{0, 1000}, []int64{
		g.sum(talking, "requested minor"), g.sum(lipad, "requested minor"),
	})
	g.idle(talking, state.IdleEmpty)
	require.Equal(g.t, state.Recorded{Returned: 1}, g.each(first, onward(lipad)), "a replay")
	second := g.begin(lipad)
	require.Len(g.t, second.Members, 1)
	g.idle(lipad, state.IdleEmpty)
	g.record(second, airtime.Accepted, "")
	g.observe(second, airtime.Successful)
	require.Equal(g.t, []string{"successful"}, results(g.t, g.s)["a 254700000000"])
	last, err := g.s.Client().XRevRangeN(background, g.s.Key("results", ""), "+", "-", 1).Result()
	require.NoError(g.t, err)
	require.Equal(g.t, lipad, last[0].Values["provider"])
	require.Len(g.t, g.row("a").History, 1)
}

func refusedTwice(g *harness) {
	g.handed("a")
	b := g.begin(lipad)
	a := answer(b, airtime.Unknown, airtime.ReasonUnreadable)
	a.Verdicts = []verdict{onward(quicksms)}
	got, err := g.s.Record(background, a.built())
	require.NoError(g.t, err)
	require.Equal(g.t, []string{quicksms}, providersOf(got.Wakeups))
	require.Len(g.t, g.row("a").History, 2)
	b = g.begin(quicksms)
	require.Equal(g.t, 1, g.each(b, onward("")).Rejected)
	g.stands("a", quicksms, airtime.Rejected)
	require.Equal(g.t, []string{"rejected"}, results(g.t, g.s)["a 254700000000"])
}

func refusedOnTheSecondSending(g *harness) {
	b := g.lost(someone("a", talking))
	g.c.pass(90 * time.Second)
	g.resend(b, true)
	again := g.begin(talking)
	require.Equal(g.t, 2, again.Attempt+1)
	require.Equal(g.t, state.Recorded{InDoubt: 1}, g.each(again, onward(lipad)))
	g.stands("a", talking, airtime.InDoubt)
	require.Empty(g.t, g.row("a").History)
	g.idle(lipad, state.IdleEmpty)
}

func cancelledOnTheWay(g *harness) {
	g.accept(someone("a", talking))
	b := g.begin(talking)
	_, err := g.s.Cancel(background, state.KindDisbursal, "a", "amina", "")
	require.NoError(g.t, err)
	g.each(b, onward(lipad))
	require.Equal(g.t, airtime.Cancelled, g.row("a").Status)
	g.idle(lipad, state.IdleEmpty)
	require.Equal(g.t, []string{"cancelled"}, results(g.t, g.s)["a 254700000000"])
}

func heldAtTheNext(g *harness) {
	doubtful := g.lost(someone("first", lipad))
	g.handed("a")
	g.idle(lipad, state.IdleEmpty)
	g.observe(doubtful, airtime.Successful)
	sweep(g.t, g.s)
	require.Equal(g.t, "a", g.begin(lipad).Members[0].Reference)
}

func acceptedWhileQueuedElsewhere(g *harness) {
	first := g.handed("a")
	require.Zero(g.t, g.observe(first, airtime.Successful).Overpaid)
	g.stands("a", talking, airtime.Successful)
	require.Equal(g.t, first.ID, g.row("a").Batch)
	require.Equal(g.t, []int64{1, 0}, []int64{
		g.sum(talking, "requested"), g.sum(lipad, "requested"),
	})
	g.idle(lipad, state.IdleEmpty)
}

func acceptedWhileClaimedElsewhere(g *harness) {
	first := g.handed("a")
	g.accept(shifted("b", 5, 1))
	second, holder := g.claim(lipad, 1000)
	require.Len(g.t, second.Members, 2)
	require.Zero(g.t, g.observe(first, airtime.Submitted).Overpaid)
	g.stands("a", talking, airtime.Submitted)
	g.refused(second, holder, "moved")
	g.stands("b", lipad, airtime.Queued)
	require.Equal(g.t, "b", g.begin(lipad).Members[0].Reference)
}

func acceptedWhileSendingElsewhere(g *harness) {
	first := g.handed("a")
	second := g.begin(lipad)
	require.Equal(g.t, 1, g.observe(first, airtime.Successful).Overpaid)
	require.Zero(g.t, g.observe(first, airtime.Successful).Overpaid, "found already")
	g.record(second, airtime.Accepted, "")
	g.observe(second, airtime.Successful)
	g.stands("a", lipad, airtime.Successful)
	require.Equal(g.t, int64(1), balanced(g.t, g.s).Overpaid)
	require.Equal(g.t, []int64{0, 1}, []int64{
		g.sum(talking, "requested"), g.sum(lipad, "requested"),
	})
}

func acceptedAndRefusedElsewhere(g *harness) {
	first := g.handed("a")
	second := g.begin(lipad)
	require.Equal(g.t, 1, g.observe(first, airtime.Successful).Overpaid)
	require.Equal(g.t, 1, g.each(second, onward(quicksms)).Returned)
	g.stands("a", talking, airtime.Successful)
	require.Zero(g.t, balanced(g.t, g.s).Overpaid)
	g.idle(quicksms, state.IdleEmpty)
	require.Equal(g.t, []string{"successful"}, results(g.t, g.s)["a 254700000000"])
}

func acceptedByTheIDOfARefusal(g *harness) {
	first := g.handed("a")
	got := g.apply(reported(talking, "refused-1", airtime.Successful, airtime.Recipient{}),
		state.CallbackApplied)
	require.Equal(g.t, first.ID, got.Batch)
	g.stands("a", talking, airtime.Successful)
	g.idle(lipad, state.IdleEmpty)
}

func partlyHandedOn(g *harness) {
	g.accept(disbursal("a", 4))
	b := g.begin(lipad)
	got := g.each(b, verdict{Verdict: airtime.Accepted}, onward(quicksms), onward(""),
		onward(talking))
	require.Equal(g.t, state.Recorded{Accepted: 1, Returned: 2, Rejected: 1}, got)
	list := rows(g.t, g.s, "a")
	for i, want := range []string{lipad, quicksms, lipad, talking} {
		require.Equal(g.t, want, list[i].Provider)
		require.Equal(g.t, want != lipad, len(list[i].History) == 1)
	}
	loaded, err := g.s.Load(background, b.ID)
	require.NoError(g.t, err)
	require.Equal(g.t, []bool{true, false, true, false}, []bool{
		loaded.Members[0].Here, loaded.Members[1].Here, loaded.Members[2].Here,
		loaded.Members[3].Here,
	})
}

// Its sender was taken for dead, and reports the refusal in the end: still of the only sending.
func handedOnAfterSilence(g *harness) {
	g.accept(someone("a", talking))
	b := g.begin(talking)
	g.c.pass(2 * time.Minute)
	_, err := g.s.Sweep(background, talking)
	require.NoError(g.t, err)
	g.stands("a", talking, airtime.InDoubt)
	require.Equal(g.t, 1, g.each(b, onward(lipad)).Returned)
	g.stands("a", lipad, airtime.Queued)
	require.Zero(g.t, g.figures().Doubt)
	require.Len(g.t, g.begin(lipad).Members, 1)
}

// stranded lists who may leave a provider's queue.
func (g *harness) stranded(provider string) []state.Stranded {
	got, _, err := g.s.Stranded(background, provider, 0, 100)
	require.NoError(g.t, err)
	return got
}

// reroute moves the listed to the next provider.
func (g *harness) reroute(provider string, list []state.Stranded, next string) int {
	var onward []state.Onward
	for _, s := range list {
		onward = append(onward, state.Onward{Stranded: s, Provider: next})
	}
	moved, _, err := g.s.Reroute(background, provider, onward)
	require.NoError(g.t, err)
	return moved
}

// owner is the disbursal of somebody stranded.
func (g *harness) owner(s state.Stranded) string {
	ref, _ := g.s.NameOf(s)
	return ref
}

func strandedMove(g *harness) {
	d := disbursal("a", 3)
	d.Campaign = "blue"
	g.accept(d)
	g.pause(lipad, time.Minute)
	g.c.pass(10 * time.Second)
	got := g.stranded(lipad)
	channels, err := g.s.Channels(background)
	require.NoError(g.t, err)
	require.Equal(g.t, []any{10 * time.Second, airtime.ReasonBalance},
		[]any{channels[0].PausedFor, channels[0].PauseReason})
	require.Len(g.t, got, 3)
	require.Equal(g.t, []any{"a", "blue", "254700000001", int64(1100)}, []any{
		g.owner(got[1]), got[1].Campaign, got[1].Phone.Digits(), got[1].Amount.Minor,
	})
	require.Equal(g.t, 2, g.reroute(lipad, got[1:], quicksms))
	require.Zero(g.t, g.reroute(lipad, got[1:], talking), "they have moved")
	list := rows(g.t, g.s, "a")
	require.Equal(g.t, []string{lipad, quicksms, quicksms},
		[]string{list[0].Provider, list[1].Provider, list[2].Provider})
	require.Equal(g.t, []state.PastRefusal{{
		At: time.UnixMilli(g.c.ms).UTC(), Provider: lipad, Reason: airtime.ReasonBalance,
		Message: "the channel is paused",
	}}, list[2].History)
	require.Equal(g.t, int64(2), g.sum(quicksms, "requested"))
	g.c.pass(time.Minute)
	g.record(g.begin(lipad), airtime.Accepted, "") // The probe is the one that stayed.
	g.idle(lipad, state.IdleEmpty)
	require.Equal(g.t, "254700000001", g.begin(quicksms).Members[0].Phone.Digits())
}

func namedStay(g *harness) {
	g.accept(named(disbursal("a", 2), lipad), shifted("b", 5, 1))
	g.pause(lipad, time.Minute)
	got := g.stranded(lipad)
	require.Len(g.t, got, 1)
	require.Equal(g.t, "b", g.owner(got[0]))
}

func claimedStay(g *harness) {
	g.accept(disbursal("a", 1), shifted("b", 5, 1))
	g.pause(lipad, time.Minute)
	list := g.stranded(lipad)
	require.Len(g.t, list, 2)
	g.c.pass(time.Minute)
	probe, holder := g.claim(lipad, 1000)
	g.pause(lipad, time.Minute)
	require.Len(g.t, g.stranded(lipad), 1)
	require.Equal(g.t, 1, g.reroute(lipad, list, quicksms))
	g.stands("a", lipad, airtime.Queued)
	g.stands("b", quicksms, airtime.Queued)
	_, err := g.s.BeginSend(background, probe, holder)
	require.NoError(g.t, err)
	g.stands("a", lipad, airtime.Sending)
	require.Zero(g.t, g.reroute(lipad, list, quicksms), "it is on the wire")
}

func cancelledStay(g *harness) {
	g.accept(disbursal("a", 1))
	g.pause(lipad, time.Minute)
	list := g.stranded(lipad)
	_, err := g.s.Cancel(background, state.KindDisbursal, "a", "amina", "")
	require.NoError(g.t, err)
	require.Empty(g.t, g.stranded(lipad))
	require.Zero(g.t, g.reroute(lipad, list, quicksms))
	g.stands("a", lipad, airtime.Cancelled)
	g.idle(quicksms, state.IdleEmpty)
}

func openChannelsKeepTheirs(g *harness) {
	g.accept(disbursal("a", 1))
	require.Empty(g.t, g.stranded(lipad))
	g.pause(lipad, time.Minute)
	list := g.stranded(lipad)
	g.c.pass(time.Minute)
	require.Zero(g.t, g.reroute(lipad, list, quicksms))
	g.stands("a", lipad, airtime.Queued)
}

func strandedInParts(g *harness) {
	for i := range 5 {
		g.accept(shifted(string(rune('a'+i)), i, 1))
	}
	g.pause(lipad, time.Minute)
	var seen []string
	for next := 0; next >= 0; {
		got, after, err := g.s.Stranded(background, lipad, next, 2)
		require.NoError(g.t, err)
		next = after
		for _, s := range got {
			seen = append(seen, g.owner(s))
		}
	}
	require.Equal(g.t, []string{"a", "b", "c", "d", "e"}, seen)
}

// places reads a queue in parts of so many recipients, and returns where each part but the first
// began and how many it listed.
func (g *harness) places(provider string, recipients int) (next, listed []int) {
	for from := 0; from >= 0; {
		list, after, err := g.s.Stranded(background, provider, from, recipients)
		require.NoError(g.t, err)
		from = after
		next, listed = append(next, after), append(listed, len(list))
	}
	return next, listed
}

func strandedByRecipients(g *harness) {
	for i := range 3 {
		g.accept(shifted(string(rune('a'+i)), 10*i, 10))
	}
	g.pause(lipad, time.Minute)
	for _, want := range []struct {
		recipients   int
		next, listed []int
	}{
		{1, []int{1, 2, 3, -1}, []int{10, 10, 10, 0}},
		{10, []int{1, 2, -1}, []int{10, 10, 10}},
		{15, []int{2, -1}, []int{20, 10}},
		{31, []int{-1}, []int{30}},
	} {
		next, listed := g.places(lipad, want.recipients)
		require.Equal(g.t, [][]int{want.next, want.listed}, [][]int{next, listed})
	}
}

// queue lists the references of a provider's pending entries, also of those that stand for nobody.
func (g *harness) queue(provider string) string {
	list, err := g.s.Client().LRange(background, g.s.Key("pending", provider), 0, -1).Result()
	require.NoError(g.t, err)
	var refs strings.Builder
	for _, entry := range list {
		ref, _ := g.s.Owner(strings.Fields(entry)[0], 1)
		refs.WriteString(ref)
	}
	return refs.String()
}

// strand queues five recipients at Lipad, pauses it, and moves some of them to QuickSMS.
func (g *harness) strand(moved ...int) {
	for i := range 5 {
		g.accept(shifted(string(rune('a'+i)), i, 1))
	}
	g.pause(lipad, time.Minute)
	list := g.stranded(lipad)
	for _, i := range moved {
		require.Equal(g.t, 1, g.reroute(lipad, list[i:i+1], quicksms))
	}
	require.Equal(g.t, "abcde", g.queue(lipad))
}

func strandedHead(g *harness) {
	g.strand(0, 1)
	next, listed := g.places(lipad, 4)
	require.Equal(g.t, [][]int{{2, -1}, {2, 1}}, [][]int{next, listed})
	require.Equal(g.t, "cde", g.queue(lipad))
	require.Equal(g.t, 3, g.reroute(lipad, g.stranded(lipad), quicksms))
	require.Empty(g.t, g.stranded(lipad))
	require.Empty(g.t, g.queue(lipad))
}

func strandedBetween(g *harness) {
	g.strand(1, 3)
	for range 2 {
		require.Len(g.t, g.stranded(lipad), 3)
		require.Equal(g.t, "abcde", g.queue(lipad))
	}
	list, next, err := g.s.Stranded(background, lipad, 1, 2)
	require.NoError(g.t, err)
	require.Equal(g.t, []int{1, 3}, []int{len(list), next})
	require.Equal(g.t, "abcde", g.queue(lipad), "it is not read from the head")
	g.c.pass(time.Minute)
	g.record(g.begin(lipad), airtime.Accepted, "")
	require.Len(g.t, g.begin(lipad).Members, 2)
}

// Africa's Talking refused it, Lipad refuses it, and other rules would send it back.
func neverHandedBack(g *harness) {
	g.handed("a")
	require.Equal(g.t, state.Recorded{Rejected: 1}, g.each(g.begin(lipad), onward(talking)))
	g.stands("a", lipad, airtime.Rejected)
	require.Len(g.t, g.row("a").History, 1)
	require.Equal(g.t, []string{"rejected"}, results(g.t, g.s)["a 254700000000"])
	g.idle(talking, state.IdleEmpty)
}

// The second of three was refused by Africa's Talking, and came back from the same batch as the
// others: they may go there.
func neverReroutedBack(g *harness) {
	d := through(disbursal("a", 3), metered)
	d.Providers = []string{metered, talking, metered}
	g.accept(d)
	g.each(g.begin(talking), onward(metered))
	b := g.begin(metered)
	require.Len(g.t, b.Members, 3)
	g.record(b, airtime.Unsent, airtime.ReasonConnect)
	g.pause(metered, time.Minute)
	require.Equal(g.t, 2, g.reroute(metered, g.stranded(metered), talking))
	list := rows(g.t, g.s, "a")
	require.Equal(g.t, []string{talking, metered, talking},
		[]string{list[0].Provider, list[1].Provider, list[2].Provider})
	require.Equal(g.t, 1, g.reroute(metered, g.stranded(metered), lipad))
	require.Len(g.t, rows(g.t, g.s, "a")[1].History, 2)
}

// Who does not know a provider cannot queue anybody there.
func TestNobodyGoesOnToAnUnknownProvider(t *testing.T) {
	t.Parallel()
	g := newHarness(t, nil)
	g.run(func(g *harness) {
		g.accept(someone("a", talking), shifted("b", 5, 1))
		b := g.begin(talking)
		a := answer(b, airtime.Unknown, airtime.ReasonUnreadable)
		a.Verdicts = []verdict{onward("nobody")}
		_, err := g.s.Record(background, a.built())
		require.EqualError(t, err, `record: unknown provider "nobody"`)
		g.stands("a", talking, airtime.Sending)
		g.pause(lipad, time.Minute)
		moved, wakeups, err := g.s.Reroute(background, lipad,
			[]state.Onward{{Stranded: g.stranded(lipad)[0], Provider: "nobody"}})
		require.EqualError(t, err, `reroute: unknown provider "nobody"`)
		require.Zero(t, moved)
		require.Empty(t, wakeups)
		g.stands("b", lipad, airtime.Queued)
	})
}

// TestHandingOnTakesTimeInProportion hands 250 recipients on, and 1,000, in a Redis of its own.
// Were their history searched or copied for each of them, that would take far more than four times
// as long.
func TestHandingOnTakesTimeInProportion(t *testing.T) {
	t.Parallel()
	server := redistest.Start(t)
	s := openWith(t, optionsAt(server.URL()))
	spent := map[int]float64{}
	for round := range 3 {
		for _, n := range []int{250, 1000} {
			took := failover(t, s.In(fmt.Sprint("n", n, "r", round)), n)
			if round == 0 || took < spent[n] {
				spent[n] = took
			}
		}
	}
	require.Less(t, spent[1000], 7.5*spent[250])
}

// failover lets all recipients of a disbursal be refused twice and rerouted once, and returns how
// many seconds of its processor Redis took for the calls that handed them on.
func failover(t *testing.T, s *state.Store, n int) float64 {
	t.Helper()
	accept(t, s, disbursal("a", n))
	spent := 0.0
	g := &harness{t: t, s: s}
	for _, hop := range [][2]string{{lipad, metered}, {metered, quicksms}} {
		b := g.begin(hop[0])
		a := answer(b, airtime.Unknown, airtime.ReasonUnreadable)
		for i := range n {
			v := onward(hop[1])
			v.Position, v.Message = i, strings.Repeat("m", 200)
			a.Verdicts = append(a.Verdicts, v)
		}
		began := processor(t, s)
		require.Equal(t, state.Recorded{Returned: n}, record(t, s, a))
		spent += processor(t, s) - began
	}
	g.pause(quicksms, time.Minute)
	list, _, err := s.Stranded(background, quicksms, 0, n)
	require.NoError(t, err)
	began := processor(t, s)
	require.Equal(t, n, g.reroute(quicksms, list, talking))
	return spent + processor(t, s) - began
}

// processor is how many seconds of a processor Redis has used.
func processor(t *testing.T, s *state.Store) float64 {
	t.Helper()
	text, err := s.Client().Info(background, "cpu").Result()
	require.NoError(t, err)
	total := 0.0
	for line := range strings.Lines(text) {
		name, figure, _ := strings.Cut(strings.TrimSpace(line), ":")
		if name == "used_cpu_user" || name == "used_cpu_sys" {
			seconds, err := strconv.ParseFloat(figure, 64)
			require.NoError(t, err)
			total += seconds
		}
	}
	return total
}
