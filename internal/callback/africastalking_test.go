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
	w := newWorld(t, nil)
	w.run(t, w.settings)
	w.accept(t, disbursal(at, "d", 0, 2))
	w.send(t, at)
	w.tell(t, atStatus, atBody(atID(0), phone(0).Digits(), "Success"))
	w.tell(t, atStatus, atBody(atID(1), phone(1).Digits(), "Failed"))
	require.Eventually(t, func() bool { return w.vendor.asked() >= 4 }, patience,
		10*time.Millisecond, "the provider is asked, and asked again")
	w.is(t, "d", airtime.Submitted)
	require.EqualValues(t, 2, w.figures(t).Kept)
	w.vendor.say(atID(0), "Success")
	w.vendor.say(atID(1), "Success") // Whatever the callback said.
	w.becomes(t, "d", airtime.Successful)
	w.settledOnce(t, "d", 2)
	require.Zero(t, w.figures(t).Kept)
	require.Equal(t, 2, w.count(t, "tuma_callbacks_total", at, "kept"))
	require.Eventually(t, func() bool {
		return w.count(t, "tuma_callbacks_total", at, "applied") == 2
	}, patience, 10*time.Millisecond)
	w.balanced(t)
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
			w := newWorld(t, nil)
			clock := w.clocked(t)
			w.accept(t, disbursal(at, "d", 0, 1))
			w.send(t, at)
			w.vendor.say(atID(0), row.query)
			w.tell(t, atStatus, atBody(atID(0), phone(0).Digits(), row.callback))
			w.rounds(t, clock, 1, time.Second)
			w.is(t, "d", row.want)
			require.Zero(t, w.figures(t).Kept)
			w.rounds(t, clock, 10, time.Second)
			require.Equal(t, 1, w.vendor.asked(), "and that is the end of it")
			w.balanced(t)
		})
	}
}

// TestAWordThatNobodyKnowsIsLogged and changes nothing, in a callback or in an answer.
func TestAWordThatNobodyKnowsIsLogged(t *testing.T) {
	t.Parallel()
	w := newWorld(t, nil)
	clock := w.clocked(t)
	w.accept(t, disbursal(at, "d", 0, 2))
	w.send(t, at)
	w.vendor.say(atID(0), "Success")
	w.vendor.say(atID(1), "Sublimated")
	w.tell(t, atStatus, atBody(atID(0), phone(0).Digits(), "Sublimated"))
	w.tell(t, atStatus, atBody(atID(1), phone(1).Digits(), "Success"))
	w.rounds(t, clock, 2, time.Second)
	require.Positive(t, w.vendor.asked())
	w.is(t, "d", airtime.Submitted)
	require.Equal(t, 1, w.logs.FilterMessage(
		"callback with a word that is not known; the recipient stays open").Len())
	require.EqualValues(t, 1, w.figures(t).Kept, "only what a query may still confirm")
}

// TestACallbackBeforeTheAnswer waits until the answer says whom its id names.
func TestACallbackBeforeTheAnswer(t *testing.T) {
	t.Parallel()
	w := newWorld(t, nil)
	clock := w.clocked(t)
	w.vendor.say(atID(0), "Success")
	w.vendor.before = func([]string) bool {
		w.tell(t, atStatus, atBody(atID(0), phone(0).Digits(), "Success"))
		w.rounds(t, clock, 1, time.Second)
		require.Equal(t, 1, w.vendor.asked(), "while the answer is on its way")
		w.is(t, "d", airtime.Sending)
		return true
	}
	w.accept(t, disbursal(at, "d", 0, 1))
	w.send(t, at)
	w.rounds(t, clock, 1, time.Millisecond) // Record has it tried again.
	w.is(t, "d", airtime.Successful)
	require.Zero(t, w.figures(t).Kept)
	w.settledOnce(t, "d", 1)
}

// TestACallbackSettlesWhoseAnswerWasLost by phone number and amount; the provider confirms the id.
func TestACallbackSettlesWhoseAnswerWasLost(t *testing.T) {
	t.Parallel()
	w := newWorld(t, nil)
	w.run(t, w.settings)
	w.vendor.before = func([]string) bool { return false }
	w.accept(t, disbursal(at, "d", 0, 3))
	w.send(t, at)
	w.is(t, "d", airtime.InDoubt)
	w.vendor.say(atID(0), "Success")
	w.vendor.say(atID(1), "Failed")
	w.tell(t, atStatus, atBody(atID(0), phone(0).Digits(), "Success"))
	w.tell(t, atStatus, atBody(atID(1), phone(1).Digits(), "Success"))
	require.Eventually(t, func() bool {
		rows := w.rows(t, "d")
		return rows[0].Status == airtime.Successful && rows[1].Status == airtime.Failed
	}, patience, 10*time.Millisecond)
	rows := w.rows(t, "d")
	require.Equal(t, atID(0), rows[0].ProviderReference)
	require.Equal(t, airtime.InDoubt, rows[2].Status)
	w.balanced(t)
}

// TestACallbackOfALostAnswerMustFitExactlyOne: one of another amount, or of a number that is on its
// way twice, is nobody's.
func TestACallbackOfALostAnswerMustFitExactlyOne(t *testing.T) {
	t.Parallel()
	w := newWorld(t, nil)
	clock := w.clocked(t)
	w.accept(t, disbursal(at, "first", 1, 1)) // Accepted, so it has an id of its own.
	w.send(t, at)
	w.vendor.set(func(v *vendor) { v.before = func([]string) bool { return false } })
	w.accept(t, disbursal(at, "lost", 0, 2)) // Its second is the number of the first disbursal.
	w.send(t, at)
	for i := range 10 {
		w.vendor.say(atID(i), "Success")
	}
	other := fmt.Sprintf(`{"phoneNumber":"+%s","status":"Success","requestId":%q,`+
		`"value":"KES 11.0000"}`, phone(0).Digits(), atID(1))
	w.tell(t, atStatus, other)
	w.tell(t, atStatus, atBody(atID(2), phone(1).Digits(), "Success"))
	// The first version of these reports names an id only.
	w.tell(t, atStatus, fmt.Sprintf(`{"requestId":%q,"status":"Success"}`, atID(3)))
	w.rounds(t, clock, 2, time.Second)
	require.GreaterOrEqual(t, w.vendor.asked(), 3)
	w.is(t, "lost", airtime.InDoubt)
	w.is(t, "first", airtime.Submitted)
	require.EqualValues(t, 3, w.figures(t).Kept)
	w.tell(t, atStatus, fmt.Sprintf(`{"requestId":%q,"status":"Success"}`, atID(0)))
	w.rounds(t, clock, 1, time.Second)
	w.is(t, "first", airtime.Successful)
	w.balanced(t)
}

// TestACallbackThatMayMeanTwoIsNobodys: both answers of one number were lost.
func TestACallbackThatMayMeanTwoIsNobodys(t *testing.T) {
	t.Parallel()
	w := newWorld(t, nil)
	w.run(t, w.settings)
	first := true
	w.vendor.before = func([]string) bool {
		if first {
			first = false
			w.accept(t, disbursal(at, "second", 0, 1))
			w.send(t, at)
		}
		return false
	}
	w.accept(t, disbursal(at, "first", 0, 1))
	w.send(t, at)
	w.is(t, "first", airtime.InDoubt)
	w.is(t, "second", airtime.InDoubt)
	w.vendor.say(atID(0), "Success")
	w.tell(t, atStatus, atBody(atID(0), phone(0).Digits(), "Success"))
	require.Eventually(t, func() bool { return w.vendor.asked() >= 2 }, patience,
		10*time.Millisecond)
	w.is(t, "first", airtime.InDoubt)
	w.is(t, "second", airtime.InDoubt)
	require.EqualValues(t, 1, w.figures(t).Kept, "until a person decides")
	w.balanced(t)
}

// TestAnyOrderOfCallbacksComesToTheSame: sets with duplicates and old news in many orders, some of
// them before the answer to the request, and each recipient settles once.
func TestAnyOrderOfCallbacksComesToTheSame(t *testing.T) {
	t.Parallel()
	w := newWorld(t, nil)
	w.run(t, w.settings)
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
			w.vendor.say(atID(id), last)
			for _, word := range []string{"Queued", "Sent", "Sent", last, last} {
				bodies = append(bodies, atBody(atID(id), number, word))
			}
		}
		random.Shuffle(len(bodies), func(i, j int) { bodies[i], bodies[j] = bodies[j], bodies[i] })
		early := random.IntN(len(bodies))
		w.vendor.set(func(v *vendor) {
			v.before = func([]string) bool {
				for _, body := range bodies[:early] {
					w.tell(t, atStatus, body)
				}
				return true
			}
		})
		w.accept(t, disbursal(at, fmt.Sprint("d", round), round*n, n))
		w.send(t, at)
		for _, body := range bodies[early:] {
			w.tell(t, atStatus, body)
		}
	}
	require.Eventually(t, func() bool { return w.figures(t).Kept == 0 }, patience,
		20*time.Millisecond)
	for round := range rounds {
		reference := fmt.Sprint("d", round)
		for i, row := range w.rows(t, reference) {
			want := airtime.Successful
			if i%2 == 1 {
				want = airtime.Failed
			}
			require.Equal(t, want, row.Status, "%s %d", reference, i)
		}
		w.settledOnce(t, reference, n)
	}
	w.balanced(t)
}

// TestAProviderThatCannotBeAskedIsAskedLater and everything waits meanwhile, without a storm.
func TestAProviderThatCannotBeAskedIsAskedLater(t *testing.T) {
	t.Parallel()
	w := newWorld(t, nil)
	clock := w.clocked(t)
	w.accept(t, disbursal(at, "d", 0, 3))
	w.send(t, at)
	w.vendor.set(func(v *vendor) { v.down = true })
	for i := range 3 {
		w.vendor.say(atID(i), "Success")
		w.tell(t, atStatus, atBody(atID(i), phone(i).Digits(), "Success"))
	}
	w.rounds(t, clock, 15, 100*time.Millisecond)
	w.is(t, "d", airtime.Submitted)
	require.LessOrEqual(t, w.vendor.asked(), 12, "questions in a second and a half")
	require.Positive(t, w.count(t, "tuma_callback_queries_total", "false", at))
	w.vendor.set(func(v *vendor) { v.down = false })
	w.rounds(t, clock, 1, time.Minute)
	w.is(t, "d", airtime.Successful)
	require.Equal(t, 3, w.count(t, "tuma_callback_queries_total", "true", at))
}

func TestATrustedAfricasTalkingIsAppliedAtOnce(t *testing.T) {
	t.Parallel()
	w := newWorld(t, func(o *callback.Options) { o.Trusted = []string{at} })
	w.accept(t, disbursal(at, "d", 0, 2))
	w.send(t, at)
	w.tell(t, atStatus, atBody(atID(0), phone(0).Digits(), "Success"))
	w.tell(t, atStatus, atBody(atID(1), phone(1).Digits(), "Failed"))
	rows := w.rows(t, "d")
	require.Equal(t, airtime.Successful, rows[0].Status)
	require.Equal(t, airtime.Failed, rows[1].Status)
	require.Equal(t, airtime.ReasonProvider, rows[1].Reason)
	w.tell(t, atStatus, atBody(atID(0), phone(0).Digits(), "Failed"))
	require.Equal(t, airtime.Successful, w.rows(t, "d")[0].Status, "never back")
	require.Zero(t, w.vendor.asked())
	w.balanced(t)
}

// TestKeptCallbacksOfAProviderThatIsOffStay for the process that knows it.
func TestKeptCallbacksOfAProviderThatIsOffStay(t *testing.T) {
	t.Parallel()
	w := newWorld(t, nil)
	clock := w.clocked(t)
	w.accept(t, disbursal(at, "d", 0, 1))
	w.send(t, at)
	w.vendor.say(atID(0), "Success")
	w.tell(t, atStatus, atBody(atID(0), phone(0).Digits(), "Success"))
	known := w.settings.Entries
	w.settings.Entries = nil
	w.rounds(t, clock, 3, time.Minute)
	w.is(t, "d", airtime.Submitted)
	require.EqualValues(t, 1, w.figures(t).Kept)
	w.settings.Entries = known
	w.rounds(t, clock, 1, time.Minute)
	w.is(t, "d", airtime.Successful)
}
