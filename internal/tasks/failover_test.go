package tasks_test

import (
	"context"
	"fmt"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"tuma/internal/airtime"
	"tuma/internal/providers"
	"tuma/internal/routing"
	"tuma/internal/sandbox"
	"tuma/internal/state"
	"tuma/internal/tasks"
)

// moves is the rule of these tests: from the first provider to the next ones.
func moves(names ...string) []routing.Rule {
	return []routing.Rule{{Name: "kenya", Providers: names, MoveRefused: true}}
}

// talkingLine answers as Africa's Talking does about whoever is in a request.
func talkingLine(w http.ResponseWriter, a arrival, status, id, why string) bool {
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(http.StatusCreated)
	var lines []string
	for i, phone := range a.phones {
		name := id
		if id != "None" {
			name = fmt.Sprint(id, i)
		}
		lines = append(lines, fmt.Sprintf(`{"phoneNumber":%q,"amount":"KES 10.0000",`+
			`"discount":"0","status":%q,"requestId":%q,"errorMessage":%q}`, phone, status, name, why))
	}
	_, _ = fmt.Fprintf(w, `{"errorMessage":"None","numSent":0,"totalAmount":"0",`+
		`"totalDiscount":"0","responses":[%s]}`, strings.Join(lines, ","))
	return true
}

// refusing answers Africa's Talking's submissions with a refusal.
func refusing(why string) func(http.ResponseWriter, arrival) bool {
	return func(w http.ResponseWriter, a arrival) bool {
		return a.path == talkingSend && talkingLine(w, a, "Failed", "None", why)
	}
}

// TestARefusalThatSaysNothingOfOthersGoesToTheNextProvider and is paid there, while everybody else
// stays; the report shows where it was before.
func TestARefusalThatSaysNothingOfOthersGoesToTheNextProvider(t *testing.T) {
	t.Parallel()
	f := newFleet(t, steady)
	f.rules.Routing = moves(talking, sozuri)
	f.faulty(t, talking, func(s *sandbox.Faults) { s.RefuseSuffix = "7" })
	for _, name := range []string{talking, sozuri} { // Without a sweeper.
		f.serve(t, name, tasks.TypeSubmit, f.submitTo(name, nil))
	}
	f.accept(t, disbursalTo(talking, "d", 0, 30, true))
	require.Eventually(t, func() bool {
		return f.statuses(t, "d")[airtime.Submitted] == 30
	}, testTimeout, 10*time.Millisecond, "the trigger for the next provider comes with the refusal")
	require.Equal(t, []int{30}, f.sizes(talkingSend))
	require.Equal(t, []int{3}, f.sizes(sozuriSend))
	first := f.rows(t, "d")[0].Batch
	for i, row := range f.rows(t, "d") {
		if i%10 != 7 {
			require.Equal(t, talking, row.Provider)
			require.Empty(t, row.History)
			continue
		}
		require.Equal(t, sozuri, row.Provider)
		require.NotEmpty(t, row.ProviderReference)
		require.Len(t, row.History, 1)
		past := row.History[0]
		require.Equal(t, talking, past.Provider)
		require.Equal(t, airtime.ReasonNetwork, past.Reason)
		require.Equal(t, "UserNotFound", past.Message)
		require.Equal(t, first, past.Batch)
		require.False(t, past.At.IsZero())
	}
	f.paidOnce(t, 30)
}

// TestWhoIsRejectedAndWhoMovesOn is every condition of a move, broken one by one.
func TestWhoIsRejectedAndWhoMovesOn(t *testing.T) {
	t.Parallel()
	const network, limit = "UserNotFound", "Value Outside The Allowed Limits"
	type scene struct {
		why    string
		named  bool
		change func(*fleet)
		moves  bool
	}
	for name, row := range map[string]scene{
		"network":          {why: network, moves: true},
		"limit":            {why: limit, moves: true},
		"not supported":    {why: "NotSupported", moves: true},
		"another reason":   {why: "UserInBlacklist"},
		"named by its job": {why: network, named: true},
		"refused ones keep": {why: network, change: func(f *fleet) {
			f.rules.Routing[0].MoveRefused = false
		}},
		"the next one is off": {why: network, change: func(f *fleet) {
			delete(f.entries, sozuri)
		}},
		"no next one": {why: network, change: func(f *fleet) {
			f.rules.Routing = moves(sozuri, talking)
		}},
		"the amount is too much there": {why: network, change: func(f *fleet) {
			f.rules.Providers[sozuri] = tight(f.rules.Providers[sozuri])
		}},
		"no rule": {why: network, change: func(f *fleet) { f.rules.Routing = nil }},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			f := newFleet(t, steady)
			f.rules.Routing = moves(talking, sozuri)
			if row.change != nil {
				row.change(f)
			}
			f.answering(refusing(row.why + " of " + phone(0).Digits()))
			f.acceptSilently(t, disbursalTo(talking, "d", 0, 2, !row.named))
			f.turnAt(t, talking)
			if row.moves {
				require.Equal(t, map[airtime.Status]int64{airtime.Queued: 2}, f.statuses(t, "d"))
				f.turnAt(t, sozuri)
				require.Equal(t, map[airtime.Status]int64{airtime.Submitted: 2}, f.statuses(t, "d"))
				require.Equal(t, sozuri, f.rows(t, "d")[0].Provider)
				require.Len(t, f.rows(t, "d")[1].History, 1)
			} else {
				require.Equal(t, map[airtime.Status]int64{airtime.Rejected: 2}, f.statuses(t, "d"))
				require.Empty(t, f.at(sozuriSend))
				require.Empty(t, f.rows(t, "d")[0].History)
			}
			f.turnAt(t, talking)
			require.Len(t, f.at(talkingSend), 1, "never back")
			f.balanced(t)
		})
	}
}

// tight takes nothing above KES 5.
func tight(c providers.Capabilities) providers.Capabilities {
	c.Limits = map[airtime.Currency]providers.Limit{"KES": {Min: 1, Max: 5_00}}
	return c
}

// TestARefusalOfAWholeRequestOfOneMovesToo: Sozuri's error names nobody, so one who was alone is
// meant, and of several nobody knows who.
func TestARefusalOfAWholeRequestOfOneMovesToo(t *testing.T) {
	t.Parallel()
	for n, want := range map[int]airtime.Status{1: airtime.Queued, 2: airtime.InDoubt} {
		t.Run(fmt.Sprint(n), func(t *testing.T) {
			t.Parallel()
			f := newFleet(t, steady)
			f.rules.Routing = moves(sozuri, quicksms)
			f.faulty(t, sozuri, func(s *sandbox.Faults) { s.RefuseSuffix = "0" })
			f.acceptSilently(t, disbursalTo(sozuri, "d", 0, n, true))
			f.turnAt(t, sozuri)
			require.Equal(t, map[airtime.Status]int64{want: int64(n)}, f.statuses(t, "d"))
			f.turnAt(t, quicksms)
			if want == airtime.InDoubt {
				require.Equal(t, int64(n), f.inDoubt(t, "d"))
				require.Empty(t, f.at("/api/v3/airtime/send"))
				return
			}
			row := f.rows(t, "d")[0]
			require.Equal(t, airtime.Unconfirmed, row.Status)
			require.Equal(t, quicksms, row.Provider)
			require.Len(t, row.History, 1)
			require.Equal(t, sozuri, row.History[0].Provider)
			require.Equal(t, airtime.ReasonNetwork, row.History[0].Reason)
			f.paidOnce(t, 1)
		})
	}
}

// TestARefusalOfASecondSendingMovesNobody: it says nothing about the first one.
func TestARefusalOfASecondSendingMovesNobody(t *testing.T) {
	t.Parallel()
	f := newFleet(t, steady)
	f.rules.Routing = moves(talking, sozuri)
	f.answering(func(w http.ResponseWriter, a arrival) bool {
		switch {
		case a.path != talkingSend:
			return false
		case len(f.at(talkingSend)) == 1:
			panic(http.ErrAbortHandler)
		default:
			return talkingLine(w, a, "Failed", "None", "UserNotFound")
		}
	})
	f.acceptSilently(t, disbursalTo(talking, "d", 0, 2, true))
	f.turnAt(t, talking)
	require.Equal(t, int64(2), f.inDoubt(t, "d"))
	f.due(t, 1)
	f.turnAt(t, talking)
	f.turnAt(t, sozuri)
	require.Len(t, f.at(talkingSend), 2)
	require.Empty(t, f.at(sozuriSend))
	require.Equal(t, int64(2), f.inDoubt(t, "d"))
	require.Empty(t, f.rows(t, "d")[0].History)
	f.balanced(t)
}

// TestAChainOfRefusalsEnds at the last provider of the rule.
func TestAChainOfRefusalsEnds(t *testing.T) {
	t.Parallel()
	f := newFleet(t, steady)
	f.rules.Routing = moves(talking, sozuri, quicksms)
	f.answering(func(w http.ResponseWriter, a arrival) bool {
		switch a.path {
		case talkingSend:
			return talkingLine(w, a, "Failed", "None", "NotSupported")
		case sozuriSend:
			w.WriteHeader(http.StatusBadRequest)
			_, _ = fmt.Fprintf(w, `{"status":"failed",`+
				`"errorMessage":"unsupported mobile network of %s"}`, phone(0).Digits())
			return true
		}
		_, _ = fmt.Fprintf(w, `{"code":200,"message":"Total:1","results":[{"recipient":%q,`+
			`"amount":10,"code":402,"message":"network not supported"}]}`, phone(0).Digits())
		return true
	})
	f.acceptSilently(t, disbursalTo(talking, "d", 0, 1, true))
	for _, provider := range []string{talking, sozuri, quicksms, talking, sozuri, quicksms} {
		f.turnAt(t, provider)
	}
	row := f.rows(t, "d")[0]
	require.Equal(t, airtime.Rejected, row.Status)
	require.Equal(t, quicksms, row.Provider)
	require.Len(t, row.History, 2)
	f.mu.Lock()
	require.Len(t, f.seen, 3, "one request at each")
	f.mu.Unlock()
	f.balanced(t)
}

// TestAProviderThatIsOffIsPassedOver by a refusal, too: the one behind it takes the recipient.
func TestAProviderThatIsOffIsPassedOver(t *testing.T) {
	t.Parallel()
	f := newFleet(t, steady)
	f.rules.Routing = moves(talking, sozuri, quicksms)
	delete(f.entries, sozuri)
	f.answering(refusing("UserNotFound"))
	f.acceptSilently(t, disbursalTo(talking, "d", 0, 2, true))
	f.turnAt(t, talking)
	f.turnAt(t, quicksms)
	for _, row := range f.rows(t, "d") {
		require.Equal(t, airtime.Unconfirmed, row.Status)
		require.Equal(t, quicksms, row.Provider)
		require.Len(t, row.History, 1)
	}
	f.paidOnce(t, 2)
}

// TestACancelledRecipientIsNotMoved: the mark counts whenever a recipient is requeued.
func TestACancelledRecipientIsNotMoved(t *testing.T) {
	t.Parallel()
	f := newFleet(t, steady)
	f.rules.Routing = moves(talking, sozuri)
	f.answering(func(w http.ResponseWriter, a arrival) bool {
		_, err := f.store.Cancel(context.Background(), state.KindDisbursal, "d", "amina", "")
		return err == nil && refusing("UserNotFound")(w, a)
	})
	f.acceptSilently(t, disbursalTo(talking, "d", 0, 2, true))
	f.turnAt(t, talking)
	f.turnAt(t, sozuri)
	require.Equal(t, map[airtime.Status]int64{airtime.Cancelled: 2}, f.statuses(t, "d"))
	require.Empty(t, f.at(sozuriSend))
	f.balanced(t)
}
