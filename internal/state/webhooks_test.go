package state_test

import (
	"fmt"
	"testing"
	"time"

	"github.com/redis/go-redis/v9"
	"github.com/stretchr/testify/require"

	"tuma/internal/state"
)

const (
	shop = "shop"
	// hookSlots is how many deliveries may be out in scenarios, and hookLost when one counts as lost.
	hookSlots, hookLost = 2, time.Minute
)

// publishes adds results as the scripts do, but for their fields.
func (g *harness) publishes(n int) (ids []string) {
	for range n {
		id, err := g.s.Client().XAdd(background, &redis.XAddArgs{
			Stream: g.s.Key("results", ""), Values: []string{"reference", "shop/1", "producer", shop},
		}).Result()
		require.NoError(g.t, err)
		ids = append(ids, id)
	}
	return ids
}

// dispatches gives the state what was read for the endpoint.
func (g *harness) dispatches(read state.WebhookRead) state.WebhookDispatch {
	d, err := g.s.DispatchWebhook(background, shop, read, hookSlots, hookLost)
	require.NoError(g.t, err)
	return d
}

// opens has the endpoint begin at the first result.
func (g *harness) opens() {
	last, err := g.s.LastResult(background)
	require.NoError(g.t, err)
	require.True(g.t, g.dispatches(state.WebhookRead{Last: last}).On)
}

// reads gives the state all results behind the cursor.
func (g *harness) reads() state.WebhookDispatch {
	cursor := g.hook().Cursor
	page, err := g.s.ResultsAfter(background, cursor, 100)
	require.NoError(g.t, err)
	read := state.WebhookRead{After: cursor}
	for _, r := range page.Results {
		read.Results, read.Last = append(read.Results, r.ID), r.ID
	}
	return g.dispatches(read)
}

func (g *harness) hook() state.Webhook {
	list, err := g.s.Webhooks(background)
	require.NoError(g.t, err)
	require.Len(g.t, list, 1)
	return list[0]
}

// handed are the results that a dispatch has handed out.
func handed(d state.WebhookDispatch) []string {
	ids := []string{}
	for _, one := range d.Deliveries {
		ids = append(ids, one.Result)
	}
	return ids
}

func (g *harness) tries(d state.Delivery, want state.WebhookTry) {
	got, _, err := g.s.TryWebhook(background, d, token(), hookLost)
	require.NoError(g.t, err)
	require.Equal(g.t, want, got)
}

func (g *harness) answers(
	d state.Delivery, a state.WebhookAnswer, want state.WebhookFollowed,
) {
	got, err := g.s.AnswerWebhook(background, d, a)
	require.NoError(g.t, err)
	require.Equal(g.t, want, got)
}

// failure is a failed try that is repeated after ten seconds.
var failure = state.WebhookAnswer{
	Outcome: state.WebhookFailed, Pause: 10 * time.Second, GiveUpAfter: time.Hour, Err: "HTTP 500",
}

// hookReadsOnce: the cursor moves together with what was read, whoever reads the same.
func hookReadsOnce(g *harness) {
	g.publishes(2)
	g.opens()
	ids := g.publishes(5)
	before := g.hook().Cursor
	first := g.reads()
	require.Equal(g.t, ids[:2], handed(first))
	require.Equal(g.t, []int{5, 0}, []int{first.Waiting, first.Free})
	again := g.dispatches(state.WebhookRead{After: before, Last: ids[4], Results: ids})
	require.Equal(g.t, ids[4], again.Cursor)
	require.Empty(g.t, handed(again))
	seen := map[string]int{}
	for len(first.Deliveries) > 0 {
		for _, d := range first.Deliveries {
			seen[d.Result]++
			g.tries(d, state.WebhookGo)
			g.answers(d, state.WebhookAnswer{Outcome: state.WebhookDelivered}, state.WebhookTaken)
		}
		stale := state.WebhookRead{After: before, Last: ids[4], Results: ids}
		first = g.dispatches(stale)
	}
	require.Len(g.t, seen, 5)
	for id, n := range seen {
		require.Equal(g.t, 1, n, id)
	}
	require.Zero(g.t, g.hook().Waiting)
}

// hookLosesTasks: what was handed out and not begun is handed out again, and never more at once
// than may be.
func hookLosesTasks(g *harness) {
	g.opens()
	ids := g.publishes(4)
	lost := g.reads().Deliveries
	require.Len(g.t, lost, hookSlots)
	require.Empty(g.t, handed(g.dispatches(state.WebhookRead{})))
	g.c.pass(hookLost)
	again := g.dispatches(state.WebhookRead{})
	require.ElementsMatch(g.t, ids[:2], handed(again))
	require.Greater(g.t, again.Deliveries[0].Number, lost[1].Number, "a number is never given twice")
	g.tries(lost[0], state.WebhookSuperseded)
	g.tries(again.Deliveries[0], state.WebhookGo)
	g.tries(again.Deliveries[0], state.WebhookHeld)
	// Whoever was late has delivered it all the same.
	g.answers(lost[0], failure, state.WebhookKnown)
	g.answers(lost[0], state.WebhookAnswer{Outcome: state.WebhookDelivered}, state.WebhookTaken)
	g.tries(lost[0], state.WebhookDone)
	require.Equal(g.t, ids[2:3], handed(g.dispatches(state.WebhookRead{})))
}

// hookRetries: a failed try comes back after its pause, with the same id, until it is given up.
func hookRetries(g *harness) {
	g.opens()
	id := g.publishes(1)[0]
	d := g.reads().Deliveries[0]
	for try := range 3 {
		got, tries, err := g.s.TryWebhook(background, d, token(), hookLost)
		require.NoError(g.t, err)
		require.Equal(g.t, []any{state.WebhookGo, try}, []any{got, tries})
		g.answers(d, failure, state.WebhookRetried)
		g.answers(d, failure, state.WebhookKnown)
		g.c.pass(failure.Pause - time.Millisecond)
		require.Empty(g.t, handed(g.dispatches(state.WebhookRead{})))
		g.c.pass(time.Millisecond)
		next := g.dispatches(state.WebhookRead{}).Deliveries
		require.Len(g.t, next, 1)
		require.Equal(g.t, []any{id, try + 1}, []any{next[0].Result, next[0].Tries})
		d = next[0]
	}
	require.Equal(g.t, "HTTP 500", g.hook().Err)
	g.c.pass(time.Hour)
	g.tries(d, state.WebhookGo)
	g.answers(d, failure, state.WebhookGaveUp)
	require.Empty(g.t, handed(g.dispatches(state.WebhookRead{})))
	hook := g.hook()
	require.Equal(g.t, []any{int64(0), int64(1), []string{id}},
		[]any{hook.Waiting, hook.GivenUp, hook.Listed})
	_, again, err := g.s.SwitchWebhookOn(background, shop)
	require.NoError(g.t, err)
	require.Equal(g.t, 1, again)
	next := g.dispatches(state.WebhookRead{})
	require.Equal(g.t, []string{id}, handed(next))
	g.tries(next.Deliveries[0], state.WebhookGo)
	g.answers(next.Deliveries[0], failure, state.WebhookRetried)
	require.Empty(g.t, g.hook().Listed)
}

// hookSwitchesOff: an endpoint that wants no more gets nothing until it is switched on, and then
// all that waited.
func hookSwitchesOff(g *harness) {
	g.opens()
	ids := g.publishes(3)
	first := g.reads().Deliveries
	g.tries(first[0], state.WebhookGo)
	g.answers(first[0], state.WebhookAnswer{Outcome: state.WebhookGone, Err: "HTTP 410"},
		state.WebhookSwitchedOff)
	g.tries(first[1], state.WebhookOff)
	more := g.publishes(1)
	g.c.pass(time.Hour)
	require.Equal(g.t, state.WebhookDispatch{Cursor: ids[2], Waiting: 3}, g.reads())
	require.Equal(g.t, "HTTP 410", g.hook().Why)
	off, _, err := g.s.SwitchWebhookOn(background, shop)
	require.NoError(g.t, err)
	require.False(g.t, off.IsZero())
	delivered := map[string]bool{}
	for d := g.reads(); len(d.Deliveries) > 0; d = g.reads() {
		for _, one := range d.Deliveries {
			g.tries(one, state.WebhookGo)
			g.answers(one, state.WebhookAnswer{Outcome: state.WebhookDelivered}, state.WebhookTaken)
			delivered[one.Result] = true
		}
	}
	for _, id := range append(ids, more...) {
		require.True(g.t, delivered[id], id)
	}
}

// hookBoundsWhatIsOut: with some lost and some due, no more are handed out than may be.
func hookBoundsWhatIsOut(g *harness) {
	g.opens()
	g.publishes(4)
	g.reads()
	g.c.pass(hookLost)
	require.Len(g.t, g.dispatches(state.WebhookRead{}).Deliveries, hookSlots)
}

// hookMisses: what was trimmed is counted.
func hookMisses(g *harness) {
	g.opens()
	g.publishes(1)
	d := g.reads().Deliveries[0]
	g.tries(d, state.WebhookGo)
	g.answers(d, state.WebhookAnswer{Outcome: state.WebhookMissing}, state.WebhookMissed)
	require.Equal(g.t, []int64{0, 1}, []int64{g.hook().Waiting, g.hook().Missed})
}

func TestWebhooks(t *testing.T) {
	t.Parallel()
	runScenarios(t, map[string]scenario{
		"reads once": hookReadsOnce, "loses tasks": hookLosesTasks, "retries": hookRetries,
		"switches off": hookSwitchesOff, "bounds what is out": hookBoundsWhatIsOut,
		"misses": hookMisses,
	})
}

// TestReplayedWebhooks: each verb is repeated, as go-redis does when a reply is lost.
func TestReplayedWebhooks(t *testing.T) {
	t.Parallel()
	s, _ := timed(t, nil)
	g := &harness{t: t, s: s}
	h := &twice{t: t, store: s, calls: map[string]int{}}
	s.Client().AddHook(h)
	g.opens()
	g.publishes(2)
	deliveries := g.reads().Deliveries
	h.on = true
	g.tries(deliveries[0], state.WebhookGo)
	// The replay says that it is known, or waits no more.
	g.answers(deliveries[0], failure, state.WebhookKnown)
	g.answers(deliveries[1], state.WebhookAnswer{Outcome: state.WebhookDelivered}, state.WebhookKnown)
	_, again, err := s.SwitchWebhookOn(background, shop)
	require.NoError(t, err)
	require.Zero(t, again)
	require.Len(t, h.calls, 3)
}

// TestTrimmingWaitsForWebhooks: what an endpoint needs stays, for 30 days, and what goes unread is
// counted.
func TestTrimmingWaitsForWebhooks(t *testing.T) {
	t.Parallel()
	s := open(t, nil)
	ago := func(d time.Duration) int64 { return time.Now().Add(-d).UnixMilli() }
	add := func(ms int64) {
		require.NoError(t, s.Client().XAdd(background, &redis.XAddArgs{
			Stream: s.Key("results", ""), ID: fmt.Sprintf("%d-1", ms), Values: []string{"a", "b"},
		}).Err())
	}
	length := func() int64 { return s.Client().XLen(background, s.Key("results", "")).Val() }
	day := 24 * time.Hour
	dispatch := func(read state.WebhookRead) state.WebhookDispatch {
		d, err := s.DispatchWebhook(background, shop, read, hookSlots, hookLost)
		require.NoError(t, err)
		return d
	}
	dispatch(state.WebhookRead{Last: "0-0"})
	for _, d := range []time.Duration{50 * day, 40 * day, 20 * day, 10 * day, day} {
		add(ago(d))
	}
	n, err := s.TrimStreams(background)
	require.NoError(t, err)
	require.EqualValues(t, 2, n, "older than any endpoint may need")
	list, err := s.Webhooks(background)
	require.NoError(t, err)
	require.EqualValues(t, 2, list[0].Missed)
	_, err = s.ResultsAfter(background, "0-0", 10)
	require.ErrorIs(t, err, state.ErrTrimmed)
	page, err := s.ResultsAfter(background, "", 10)
	require.NoError(t, err)
	require.Len(t, page.Results, 3)
	read := state.WebhookRead{After: "0-0", Last: page.Results[2].ID}
	for _, r := range page.Results {
		read.Results = append(read.Results, r.ID)
	}
	deliveries := dispatch(read).Deliveries
	_, err = s.TrimStreams(background)
	require.NoError(t, err)
	require.EqualValues(t, 3, length(), "they wait")
	_, err = s.AnswerWebhook(background, deliveries[0],
		state.WebhookAnswer{Outcome: state.WebhookDelivered})
	require.NoError(t, err)
	_, err = s.TrimStreams(background)
	require.NoError(t, err)
	require.EqualValues(t, 2, length(), "one is delivered")
	// An endpoint that no poller has had for a day holds nothing.
	require.NoError(t, s.Client().ZAdd(background, s.Key("webhooks", ""), redis.Z{
		Score: float64(ago(25 * time.Hour)), Member: shop,
	}).Err())
	_, err = s.TrimStreams(background)
	require.NoError(t, err)
	require.EqualValues(t, 1, length(), "the last is younger than the stream's age")
}
