package tasks_test

import (
	"context"
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"tuma/internal/airtime"
	"tuma/internal/routing"
	"tuma/internal/sandbox"
	"tuma/internal/state"
)

// TestTheTimelineTellsWhatTheProvidersDid runs a recipient through the real handlers and compares
// its timeline, event by event, with what stood between us and the simulated providers, and the
// verdict with their ledger.
func TestTheTimelineTellsWhatTheProvidersDid(t *testing.T) {
	t.Parallel()
	for name, run := range map[string]func(*testing.T, *witness){
		"paid": wasPaid, "paid, by a callback": wasPaidByCallback, "refused": wasRefused,
		"in doubt, and resolved by a person": wasResolved,
		"paid twice by a provider's word":    wasPaidTwice, "cancelled": wasCancelled,
		"moved to a second provider": wasMoved, "asked in vain": wasAskedInVain,
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			run(t, newWitness(t))
		})
	}
}

// takes accepts a disbursal of one recipient, of the second thousand rows of an import.
func (w *witness) takes(t *testing.T, provider string, number int, routed bool) {
	t.Helper()
	d := disbursalTo(provider, "wave/2", number, 1, routed)
	d.Import, d.SubmittedBy = "wave", "wanjiku"
	w.acceptSilently(t, d)
	w.pass(time.Second)
}

// asked lets time pass until a query is due, and makes it.
func (w *witness) asks(t *testing.T) {
	t.Helper()
	w.pass(time.Minute)
	w.due(t, 1)
}

func (w *witness) row(t *testing.T) state.Row {
	t.Helper()
	rows := w.rows(t, "wave/2")
	require.Len(t, rows, 1)
	return rows[0]
}

// timeline reads the timeline of the recipient, and wants it to tell what the providers did.
func (w *witness) timeline(t *testing.T) state.Timeline {
	t.Helper()
	timeline, err := w.store.Timeline(context.Background(), w.row(t))
	require.NoError(t, err)
	first := timeline.Events[0]
	require.Equal(t, []string{
		"accepted", "submitted by wanjiku, rows 1,001 to 2,000 of import wave",
	}, []string{first.What, first.Detail})
	want, got := w.happened(t), []string(nil)
	for _, e := range timeline.Events {
		if line := lineOf(t, e); line != "" {
			got = append(got, line)
		}
	}
	slices.Sort(want)
	slices.Sort(got)
	require.Equal(t, want, got)
	last := time.Time{}
	for _, e := range timeline.Events {
		if !e.At.IsZero() {
			require.False(t, e.At.Before(last), "%v", timeline.Events)
			last = e.At
		}
	}
	return timeline
}

const atFormat = "15:04:05.000"

// lineOf writes what a provider did according to an event; empty for other events.
func lineOf(t *testing.T, e state.Event) string {
	t.Helper()
	at := e.At.Format(atFormat)
	switch e.What {
	case "sending":
		return fmt.Sprintf("%s sending %s %s", at, e.Provider, e.Batch)
	case "answered":
		how, _, found := strings.Cut(e.Detail, " ms: ")
		require.True(t, found, e.Detail)
		return fmt.Sprintf("%s answered %s %s %s", at, e.Provider, e.Batch, how)
	case "asked":
		return fmt.Sprintf("%s asked %s %s %s", at, e.Provider, e.Batch, e.Detail)
	case "callback":
		word, _, _ := strings.Cut(strings.ReplaceAll(e.Detail, ",", ";"), ";")
		return fmt.Sprintf("%s callback %s %s", at, e.Provider, word)
	}
	return ""
}

// happened writes in the same way what the witness saw.
func (w *witness) happened(t *testing.T) (lines []string) {
	t.Helper()
	type question struct {
		times  int
		last   time.Time
		answer string
	}
	questions := map[[2]string]question{}
	timeline, err := w.store.Timeline(context.Background(), w.row(t))
	require.NoError(t, err)
	for _, e := range w.seen() {
		switch {
		case e.confirms:
		case e.asks():
			q := questions[[2]string{e.provider, e.batch}]
			questions[[2]string{e.provider, e.batch}] = question{q.times + 1, e.ended, spokenIn(t, e)}
		default:
			batch := e.batch
			if batch == "" { // The provider got none: the time says which sending it was.
				for _, told := range timeline.Events {
					if told.What == "sending" && told.At.Equal(e.began) {
						batch = told.Batch
					}
				}
			}
			how := "connection broken"
			if e.status > 0 {
				how = fmt.Sprint("http ", e.status)
			}
			lines = append(lines,
				fmt.Sprintf("%s sending %s %s", e.began.Format(atFormat), e.provider, batch),
				fmt.Sprintf("%s answered %s %s %s after %d", e.ended.Format(atFormat), e.provider,
					batch, how, e.ended.Sub(e.began).Milliseconds()))
		}
	}
	for key, q := range questions {
		times := fmt.Sprint(q.times, " queries; the last was answered")
		if q.times == 1 {
			times = "1 query, answered"
		}
		lines = append(lines, fmt.Sprintf("%s asked %s %s %s: %s", q.last.Format(atFormat), key[0],
			key[1], times, q.answer))
	}
	for _, l := range w.heard {
		word, _ := l.word(t)
		_, rest, _ := strings.Cut(l.path, callbackToken+"/")
		provider, _, _ := strings.Cut(rest, "/")
		lines = append(lines, fmt.Sprintf("%s callback %s %s", l.at.Format(atFormat), provider, word))
	}
	return lines
}

// spokenIn is what Lipad answered to a query about one recipient, in our words.
func spokenIn(t *testing.T, e exchange) string {
	t.Helper()
	if e.status >= 500 {
		return "no answer: server_error"
	}
	var said []struct {
		Code json.Number `json:"service_status"`
	}
	require.NoError(t, json.Unmarshal([]byte(e.answer), &said), e.answer)
	require.Len(t, said, 1, e.answer)
	return "1 " + theirWords[said[0].Code.String()]
}

// ledgerOf is what the simulated providers booked for the recipient's number.
func (w *witness) ledgerOf(t *testing.T) []sandbox.PhoneTotal {
	t.Helper()
	var list []sandbox.PhoneTotal
	for _, total := range w.simulator.Ledger().Phones() {
		if total.PhoneNumber == w.row(t).Phone.Digits() {
			list = append(list, total)
		}
	}
	return list
}

// paidBy wants the ledgers to have one payment, by a provider.
func (w *witness) paidBy(t *testing.T, provider string) sandbox.PhoneTotal {
	t.Helper()
	var paid []sandbox.PhoneTotal
	for _, total := range w.ledgerOf(t) {
		if total.TimesPaid > 0 {
			paid = append(paid, total)
		}
	}
	require.Len(t, paid, 1)
	require.Equal(t, []any{provider, 1}, []any{paid[0].Provider, paid[0].TimesPaid})
	return paid[0]
}

// paidByLipad is the verdict that the last answer of Lipad's asks for.
func (w *witness) paidByLipad(t *testing.T) string {
	t.Helper()
	last := w.seen()[len(w.seen())-1]
	_, rest, found := strings.Cut(last.answer, `"provider_reference":"`)
	require.True(t, found, last.answer)
	reference, _, _ := strings.Cut(rest, `"`)
	return fmt.Sprintf("paid on %s by lipad, lipad's reference %s", last.ended.Format(time.RFC3339),
		reference)
}

func detailOf(timeline state.Timeline, what string) (details []string) {
	for _, e := range timeline.Events {
		if e.What == what {
			details = append(details, e.Detail)
		}
	}
	return details
}

func wasPaid(t *testing.T, w *witness) {
	w.takes(t, lipad, 1, true)
	w.turnAt(t, lipad)
	w.awaits(t, 1)
	w.pass(time.Second)
	w.deliver(t, 0)
	w.asks(t)
	word := strings.TrimPrefix(spokenIn(t, w.seen()[len(w.seen())-1]), "1 ")
	require.Regexp(t, "^"+word+" at lipad.*; its next status decides$", w.timeline(t).Verdict)
	w.asks(t)
	timeline := w.timeline(t)
	paid := w.paidBy(t, lipad)
	require.Equal(t, []string{w.row(t).Batch}, paid.References)
	require.Equal(t, w.paidByLipad(t), timeline.Verdict)
}

func wasPaidByCallback(t *testing.T, w *witness) {
	w.faulty(t, talking, func(f *sandbox.Faults) { f.Pace.OpenPolls = 0 })
	w.takes(t, talking, 1, true)
	w.turnAt(t, talking)
	w.awaits(t, 1)
	w.pass(time.Minute)
	w.deliver(t, 0)
	require.Equal(t, []string{"successful; it waits until a query has confirmed it"},
		detailOf(w.timeline(t), "callback"))
	w.pass(2 * time.Second)
	w.confirm(t)
	timeline := w.timeline(t)
	id := w.paidBy(t, talking).RequestIDs[0]
	require.Equal(t, []string{
		"successful, reference " + id + "; it moved the recipient 2700 ms later",
	}, detailOf(timeline, "callback"))
	at := w.seen()[len(w.seen())-1].ended
	require.Equal(t, "paid on "+at.Format(time.RFC3339)+
		" by africastalking, africastalking's reference "+id, timeline.Verdict)
}

func wasRefused(t *testing.T, w *witness) {
	w.takes(t, talking, 5550721, true)
	w.turnAt(t, talking)
	timeline := w.timeline(t)
	require.Empty(t, w.ledgerOf(t))
	sent := w.seen()[0]
	require.Contains(t, sent.answer, "UserNotFound")
	require.Equal(t, "rejected on "+sent.ended.Format(time.RFC3339)+
		" by africastalking: network: UserNotFound", timeline.Verdict)
}

func wasResolved(t *testing.T, w *witness) {
	w.faulty(t, quicksms, func(f *sandbox.Faults) { f.Send.LostAfter = sandbox.NextRequests(1) })
	w.takes(t, quicksms, 1, true)
	w.turnAt(t, quicksms)
	require.Contains(t, w.timeline(t).Verdict,
		"in doubt since "+w.seen()[0].ended.Format(time.RFC3339)+" at quicksms: ")
	w.paidBy(t, quicksms)
	w.pass(time.Hour)
	w.decides(t, state.Decision{Paid: true})
	timeline := w.timeline(t)
	require.Len(t, detailOf(timeline, "decided"), 1)
	require.Contains(t, detailOf(timeline, "decided")[0], "resolve by amina: outcome=paid")
	require.Equal(t, "taken as paid on "+w.now().Format(time.RFC3339)+" by the word of amina",
		timeline.Verdict)
}

func (w *witness) decides(t *testing.T, d state.Decision) {
	t.Helper()
	d.Who, d.Evidence = "amina", "statement"
	n, err := w.store.Resolve(context.Background(), d, []state.Resolution{w.row(t).Resolution()})
	require.NoError(t, err)
	require.Equal(t, 1, n)
}

func wasPaidTwice(t *testing.T, w *witness) {
	w.faulty(t, talking, func(f *sandbox.Faults) {
		f.Send.LostAfter, f.Pace.OpenPolls = sandbox.NextRequests(1), 0
	})
	w.takes(t, talking, 1, true)
	w.turnAt(t, talking)
	w.awaits(t, 1)
	w.pass(time.Hour)
	w.decides(t, state.Decision{Resubmit: true})
	w.pass(time.Second)
	w.turnAt(t, talking)
	w.awaits(t, 2)
	for _, index := range []int{1, 0} {
		w.pass(time.Minute)
		w.deliver(t, index)
		w.pass(2 * time.Second)
		w.confirm(t)
	}
	timeline := w.timeline(t)
	require.Len(t, w.ledgerOf(t), 1)
	paid := w.ledgerOf(t)[0]
	require.Equal(t, 2, paid.TimesPaid)
	_, first := w.posted[0].word(t)
	_, second := w.posted[1].word(t)
	require.ElementsMatch(t, paid.RequestIDs, []string{first, second})
	require.Equal(t, fmt.Sprintf("paid on %s by africastalking, africastalking's reference %s; "+
		"successful once more in batch %s as %s", w.row(t).At.Format(time.RFC3339), second,
		w.seen()[0].batch, first), timeline.Verdict)
}

func wasCancelled(t *testing.T, w *witness) {
	w.takes(t, lipad, 1, true)
	_, err := w.store.Cancel(context.Background(), state.KindImport, "wave", "otieno", "wrong list")
	require.NoError(t, err)
	w.pass(time.Second)
	w.turnAt(t, lipad)
	timeline := w.timeline(t)
	require.Empty(t, w.seen())
	require.Empty(t, w.ledgerOf(t))
	require.Contains(t, detailOf(timeline, "decided")[0], "cancel by otieno: ")
	require.Equal(t, "cancelled on "+w.now().Add(-time.Second).Format(time.RFC3339)+" by otieno",
		timeline.Verdict)
}

func wasMoved(t *testing.T, w *witness) {
	w.rules.Routing = []routing.Rule{{
		Name: "kenya", Providers: []string{talking, lipad}, MoveRefused: true,
	}}
	w.faulty(t, talking, func(f *sandbox.Faults) { f.RefuseSuffix = "7" })
	w.takes(t, talking, 7, true)
	w.turnAt(t, talking)
	w.pass(time.Minute)
	w.turnAt(t, lipad)
	w.asks(t)
	w.asks(t)
	timeline := w.timeline(t)
	w.paidBy(t, lipad)
	require.Equal(t, []string{"network: UserNotFound; on to lipad"}, detailOf(timeline, "moved"))
	require.Equal(t, []string{
		"http 201 after 700 ms: 1 returned", "http 200 after 700 ms: 1 accepted",
	}, detailOf(timeline, "answered"))
	require.Equal(t, airtime.Successful, w.row(t).Status)
	require.Equal(t, w.paidByLipad(t), timeline.Verdict)
}

// wasAskedInVain: a query that got no answer counts, and says so until the next one.
func wasAskedInVain(t *testing.T, w *witness) {
	w.takes(t, lipad, 1, true)
	w.turnAt(t, lipad)
	w.faulty(t, lipad, func(f *sandbox.Faults) { f.Status.ErrorBefore = sandbox.NextRequests(1) })
	w.asks(t)
	w.timeline(t)
	w.asks(t)
	w.timeline(t)
}
