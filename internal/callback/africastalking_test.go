package callback_test

import (
	"fmt"
	"math/rand/v2"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"tuma/internal/airtime"
	"tuma/internal/callback"
)

// TestACallbackAloneChangesNothing until the provider says the same when it is asked.
func TestACallbackAloneChangesNothing(t *testing.T) {
	t.Parallel()
	h := newHarness(t, nil)
	h.run(t, h.settings)
	h.accept(t, disbursal(at, "d", 0, 2))
	h.send(t, at)
	h.tell(t, atStatus, atBody(atID(0), phone(0).Digits(), "Success"))
	h.tell(t, atStatus, atBody(atID(1), phone(1).Digits(), "Failed"))
	require.Eventually(t, func() bool { return h.vendor.asked() >= 4 }, testTimeout,
		10*time.Millisecond, "the provider is asked, and asked again")
	h.is(t, "d", airtime.Submitted)
	require.EqualValues(t, 2, h.figures(t).Parked)
	h.vendor.say(atID(0), "Success")
	h.vendor.say(atID(1), "Success") // Whatever the callback said.
	h.becomes(t, "d", airtime.Successful)
	h.settledOnce(t, "d", 2)
	require.Zero(t, h.figures(t).Parked)
	require.Equal(t, 2, h.count(t, "tuma_callbacks_total", at, "parked"))
	require.Eventually(t, func() bool {
		return h.count(t, "tuma_callbacks_total", at, "applied") == 2
	}, testTimeout, 10*time.Millisecond)
	h.balanced(t)
}

// TestTheProvidersAnswerCounts where the callback says something else.
func TestTheProvidersAnswerCounts(t *testing.T) {
	t.Parallel()
	for _, row := range []struct {
		callback, query string
		want            airtime.Status
	}{
		{"Success", "Failed", airtime.Failed},
		{"Failed", "Success", airtime.Successful},
		{"Sent", "Success", airtime.Successful},
		{"Sent", "InsufficientBalance", airtime.Jammed},
	} {
		t.Run(row.callback+" against "+row.query, func(t *testing.T) {
			t.Parallel()
			h := newHarness(t, nil)
			clock := h.clocked(t)
			h.accept(t, disbursal(at, "d", 0, 1))
			h.send(t, at)
			h.vendor.say(atID(0), row.query)
			h.tell(t, atStatus, atBody(atID(0), phone(0).Digits(), row.callback))
			h.rounds(t, clock, 1, time.Second)
			h.is(t, "d", row.want)
			require.Zero(t, h.figures(t).Parked)
			h.rounds(t, clock, 10, time.Second)
			require.Equal(t, 1, h.vendor.asked(), "and that is the end of it")
			h.balanced(t)
		})
	}
}

// TestAWordThatNobodyKnowsIsLogged and changes nothing, in a callback or in an answer.
func TestAWordThatNobodyKnowsIsLogged(t *testing.T) {
	t.Parallel()
	h := newHarness(t, nil)
	clock := h.clocked(t)
	h.accept(t, disbursal(at, "d", 0, 2))
	h.send(t, at)
	h.vendor.say(atID(0), "Success")
	h.vendor.say(atID(1), "Sublimated")
	h.tell(t, atStatus, atBody(atID(0), phone(0).Digits(), "Sublimated"))
	h.tell(t, atStatus, atBody(atID(1), phone(1).Digits(), "Success"))
	h.rounds(t, clock, 2, time.Second)
	require.Positive(t, h.vendor.asked())
	h.is(t, "d", airtime.Submitted)
	require.Equal(t, 1, h.logs.FilterMessage(
		"callback with a word that is not known; the recipient stays open").Len())
	require.EqualValues(t, 1, h.figures(t).Parked, "only what a query may still confirm")
}

// TestACallbackBeforeTheAnswer waits until the answer says whom its id names.
func TestACallbackBeforeTheAnswer(t *testing.T) {
	t.Parallel()
	h := newHarness(t, nil)
	clock := h.clocked(t)
	h.vendor.say(atID(0), "Success")
	h.vendor.before = func([]string) bool {
		h.tell(t, atStatus, atBody(atID(0), phone(0).Digits(), "Success"))
		h.rounds(t, clock, 1, time.Second)
		require.Equal(t, 1, h.vendor.asked(), "while the answer is on its way")
		h.is(t, "d", airtime.Sending)
		return true
	}
	h.accept(t, disbursal(at, "d", 0, 1))
	h.send(t, at)
	h.rounds(t, clock, 1, time.Millisecond) // Record has it tried again.
	h.is(t, "d", airtime.Successful)
	require.Zero(t, h.figures(t).Parked)
	h.settledOnce(t, "d", 1)
}

// TestACallbackSettlesWhoseAnswerWasLost by phone number and amount; the provider confirms the id.
func TestACallbackSettlesWhoseAnswerWasLost(t *testing.T) {
	t.Parallel()
	h := newHarness(t, nil)
	h.run(t, h.settings)
	h.vendor.before = func([]string) bool { return false }
	h.accept(t, disbursal(at, "d", 0, 3))
	h.send(t, at)
	h.is(t, "d", airtime.InDoubt)
	h.vendor.say(atID(0), "Success")
	h.vendor.say(atID(1), "Failed")
	h.tell(t, atStatus, atBody(atID(0), phone(0).Digits(), "Success"))
	h.tell(t, atStatus, atBody(atID(1), phone(1).Digits(), "Success"))
	require.Eventually(t, func() bool {
		rows := h.rows(t, "d")
		return rows[0].Status == airtime.Successful && rows[1].Status == airtime.Failed
	}, testTimeout, 10*time.Millisecond)
	rows := h.rows(t, "d")
	require.Equal(t, atID(0), rows[0].ProviderReference)
	require.Equal(t, airtime.InDoubt, rows[2].Status)
	h.balanced(t)
}

// TestACallbackOfALostAnswerMustFitExactlyOne: one of another amount, or of a number that is on its
// way twice, is nobody's.
func TestACallbackOfALostAnswerMustFitExactlyOne(t *testing.T) {
	t.Parallel()
	h := newHarness(t, nil)
	clock := h.clocked(t)
	h.accept(t, disbursal(at, "first", 1, 1)) // Accepted, so it has an id of its own.
	h.send(t, at)
	h.vendor.set(func(v *vendor) { v.before = func([]string) bool { return false } })
	h.accept(t, disbursal(at, "lost", 0, 2)) // Its second is the number of the first disbursal.
	h.send(t, at)
	for i := range 10 {
		h.vendor.say(atID(i), "Success")
	}
	other := fmt.Sprintf(`{"phoneNumber":"+%s","status":"Success","requestId":%q,`+
		`"value":"KES 11.0000"}`, phone(0).Digits(), atID(1))
	h.tell(t, atStatus, other)
	h.tell(t, atStatus, atBody(atID(2), phone(1).Digits(), "Success"))
	// The first version of these reports names an id only.
	h.tell(t, atStatus, fmt.Sprintf(`{"requestId":%q,"status":"Success"}`, atID(3)))
	h.rounds(t, clock, 2, time.Second)
	require.GreaterOrEqual(t, h.vendor.asked(), 3)
	h.is(t, "lost", airtime.InDoubt)
	h.is(t, "first", airtime.Submitted)
	require.EqualValues(t, 3, h.figures(t).Parked)
	h.tell(t, atStatus, fmt.Sprintf(`{"requestId":%q,"status":"Success"}`, atID(0)))
	h.rounds(t, clock, 1, time.Second)
	h.is(t, "first", airtime.Successful)
	h.balanced(t)
}

// TestACallbackThatMayMeanTwoIsNobodys: both answers of one number were lost.
func TestACallbackThatMayMeanTwoIsNobodys(t *testing.T) {
	t.Parallel()
	h := newHarness(t, nil)
	h.run(t, h.settings)
	first := true
	h.vendor.before = func([]string) bool {
		if first {
			first = false
			h.accept(t, disbursal(at, "second", 0, 1))
			h.send(t, at)
		}
		return false
	}
	h.accept(t, disbursal(at, "first", 0, 1))
	h.send(t, at)
	h.is(t, "first", airtime.InDoubt)
	h.is(t, "second", airtime.InDoubt)
	h.vendor.say(atID(0), "Success")
	h.tell(t, atStatus, atBody(atID(0), phone(0).Digits(), "Success"))
	require.Eventually(t, func() bool { return h.vendor.asked() >= 2 }, testTimeout,
		10*time.Millisecond)
	h.is(t, "first", airtime.InDoubt)
	h.is(t, "second", airtime.InDoubt)
	require.EqualValues(t, 1, h.figures(t).Parked, "until a person decides")
	h.balanced(t)
}

// TestAnyOrderOfCallbacksComesToTheSame: sets with duplicates and old news in many orders, some of
// them before the answer to the request, and each recipient settles once.
func TestAnyOrderOfCallbacksComesToTheSame(t *testing.T) {
	t.Parallel()
	h := newHarness(t, nil)
	h.run(t, h.settings)
	const rounds, n = 12, 6
	random := rand.New(rand.NewPCG(7, 11))
	for round := range rounds {
		var bodies []string
		for i := range n {
			id, number := round*n+i, phone(round*n+i).Digits()
			last := "Success"
			if i%2 == 1 {
				last = "Failed"
			}
			h.vendor.say(atID(id), last)
			for _, word := range []string{"Queued", "Sent", "Sent", last, last} {
				bodies = append(bodies, atBody(atID(id), number, word))
			}
		}
		random.Shuffle(len(bodies), func(i, j int) { bodies[i], bodies[j] = bodies[j], bodies[i] })
		early := random.IntN(len(bodies))
		h.vendor.set(func(v *vendor) {
			v.before = func([]string) bool {
				for _, body := range bodies[:early] {
					h.tell(t, atStatus, body)
				}
				return true
			}
		})
		h.accept(t, disbursal(at, fmt.Sprint("d", round), round*n, n))
		h.send(t, at)
		for _, body := range bodies[early:] {
			h.tell(t, atStatus, body)
		}
	}
	require.Eventually(t, func() bool { return h.figures(t).Parked == 0 }, testTimeout,
		20*time.Millisecond)
	for round := range rounds {
		reference := fmt.Sprint("d", round)
		for i, row := range h.rows(t, reference) {
			want := airtime.Successful
			if i%2 == 1 {
				want = airtime.Failed
			}
			require.Equal(t, want, row.Status, "%s %d", reference, i)
		}
		h.settledOnce(t, reference, n)
	}
	h.balanced(t)
}

// TestAProviderThatCannotBeAskedIsAskedLater and everything waits meanwhile, without a storm.
func TestAProviderThatCannotBeAskedIsAskedLater(t *testing.T) {
	t.Parallel()
	h := newHarness(t, nil)
	clock := h.clocked(t)
	h.accept(t, disbursal(at, "d", 0, 3))
	h.send(t, at)
	h.vendor.set(func(v *vendor) { v.down = true })
	for i := range 3 {
		h.vendor.say(atID(i), "Success")
		h.tell(t, atStatus, atBody(atID(i), phone(i).Digits(), "Success"))
	}
	h.rounds(t, clock, 15, 100*time.Millisecond)
	h.is(t, "d", airtime.Submitted)
	require.LessOrEqual(t, h.vendor.asked(), 12, "questions in a second and a half")
	require.Positive(t, h.count(t, "tuma_callback_queries_total", "false", at))
	h.vendor.set(func(v *vendor) { v.down = false })
	h.rounds(t, clock, 1, time.Minute)
	h.is(t, "d", airtime.Successful)
	require.Equal(t, 3, h.count(t, "tuma_callback_queries_total", "true", at))
}

func TestATrustedAfricasTalkingIsAppliedAtOnce(t *testing.T) {
	t.Parallel()
	h := newHarness(t, func(o *callback.Options) { o.Trusted = []string{at} })
	h.accept(t, disbursal(at, "d", 0, 2))
	h.send(t, at)
	h.tell(t, atStatus, atBody(atID(0), phone(0).Digits(), "Success"))
	h.tell(t, atStatus, atBody(atID(1), phone(1).Digits(), "Failed"))
	rows := h.rows(t, "d")
	require.Equal(t, airtime.Successful, rows[0].Status)
	require.Equal(t, airtime.Failed, rows[1].Status)
	require.Equal(t, airtime.ReasonProvider, rows[1].Reason)
	h.tell(t, atStatus, atBody(atID(0), phone(0).Digits(), "Failed"))
	require.Equal(t, airtime.Successful, h.rows(t, "d")[0].Status, "never back")
	require.Zero(t, h.vendor.asked())
	h.balanced(t)
}

// TestKeptCallbacksOfAProviderThatIsOffStay for the process that knows it.
func TestKeptCallbacksOfAProviderThatIsOffStay(t *testing.T) {
	t.Parallel()
	h := newHarness(t, nil)
	clock := h.clocked(t)
	h.accept(t, disbursal(at, "d", 0, 1))
	h.send(t, at)
	h.vendor.say(atID(0), "Success")
	h.tell(t, atStatus, atBody(atID(0), phone(0).Digits(), "Success"))
	known := h.settings.Entries
	h.settings.Entries = nil
	h.rounds(t, clock, 3, time.Minute)
	h.is(t, "d", airtime.Submitted)
	require.EqualValues(t, 1, h.figures(t).Parked)
	h.settings.Entries = known
	h.rounds(t, clock, 1, time.Minute)
	h.is(t, "d", airtime.Successful)
}
