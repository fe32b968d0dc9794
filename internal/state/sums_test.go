package state_test

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"tuma/internal/airtime"
	"tuma/internal/state"
)

// saidLine is what an answer says of one member.
func saidLine(v airtime.Verdict, reason airtime.Reason, message, discount string) verdict {
	line := verdict{Verdict: v, Reason: reason, Message: message}
	line.Discount = discount
	return line
}

// fact is what a query says of one member.
func fact(position int, status airtime.Status, discount string) observation {
	f := observation{Position: position, Status: status}
	f.Discount = discount
	return f
}

func observeFacts(t *testing.T, s *state.Store, b *state.Batch, facts ...observation) {
	t.Helper()
	_, err := s.Observe(bg, b, linesOf(b, facts), true, pollSchedule(0))
	require.NoError(t, err)
}

// discounts is what the status of a name says, and what its report has, per recipient.
func discounts(t *testing.T, s *state.Store, kind state.Kind, name string) (string, []string) {
	t.Helper()
	sum, err := s.Summarize(bg, kind, name)
	require.NoError(t, err)
	var each []string
	require.NoError(t, s.Report(bg, kind, name, func(r state.Row) error {
		each = append(each, r.Discount)
		return nil
	}))
	return airtime.FormatDiscount(sum.Discounts["KES"]), each
}

// A discount is kept exactly, told again it replaces, and the books follow the recipient.
func TestDiscountsReachReportBooksAndResults(t *testing.T) {
	t.Parallel()
	s := open(t, nil)
	d := disbursal("a", 4)
	d.Campaign = "november"
	accept(t, s, d)
	b := begin(t, s)
	a := answer(b, airtime.Accepted, "")
	for i, discount := range []string{"0.4", "0.6125", "0", ""} {
		line := saidLine(airtime.Accepted, "", "", discount)
		line.Position = i
		a.Verdicts = append(a.Verdicts, line)
	}
	record(t, s, a)
	sum, each := discounts(t, s, state.KindDisbursal, "a")
	require.Equal(t, []string{"0.4", "0.6125", "0", ""}, each)
	require.Equal(t, "0.00", sum, "nobody is paid yet")
	balanced(t, s)

	observeFacts(t, s, b, fact(0, airtime.Successful, "0.5"), fact(1, airtime.Successful, ""),
		fact(2, airtime.Failed, ""), fact(3, airtime.Successful, "1.0001"))
	observeFacts(t, s, b, fact(0, airtime.Successful, "0.5"), fact(1, airtime.Submitted, "9"))
	for _, kind := range []state.Kind{state.KindDisbursal, state.KindCampaign} {
		name := map[state.Kind]string{state.KindDisbursal: "a", state.KindCampaign: "november"}[kind]
		sum, each = discounts(t, s, kind, name)
		require.Equal(t, []string{"0.5", "0.6125", "0", "1.0001"}, each)
		require.Equal(t, "2.1126", sum, kind)
	}
	figures, err := s.Stats(bg)
	require.NoError(t, err)
	require.Equal(t, int64(21126), figures.Book["lipad KES successful discount"])
	require.Zero(t, figures.Book["lipad KES submitted discount"])
	balanced(t, s)

	observeFacts(t, s, b, fact(0, airtime.Reversed, "")) // It moves with its recipient.
	sum, _ = discounts(t, s, state.KindCampaign, "november")
	require.Equal(t, "1.6126", sum)
	balanced(t, s)
	entries, err := s.Client().XRange(bg, s.Key("results", ""), "-", "+").Result()
	require.NoError(t, err)
	var published []any
	for _, e := range entries {
		published = append(published, e.Values["discount"])
	}
	require.Equal(t, []any{"0.5", "0.6125", "0", "1.0001", "0.5"}, published)
}

// The first discounts of a chunk may come when some of its evidence stands alone, and is joined.
func TestFirstDiscountsMeetEvidenceThatStandsAlone(t *testing.T) {
	t.Parallel()
	const n = 20
	s := open(t, nil)
	accept(t, s, disbursal("a", n))
	b := begin(t, s)
	record(t, s, answer(b, airtime.Accepted, ""))
	alone := fact(0, airtime.Successful, "")
	alone.ProviderReference = "P0"
	observeFacts(t, s, b, alone)
	facts := make([]observation, n)
	for i := range facts {
		facts[i] = fact(i, airtime.Successful, "0.4")
	}
	observeFacts(t, s, b, facts...)
	sum, each := discounts(t, s, state.KindDisbursal, "a")
	require.Equal(t, "8.00", sum)
	require.Len(t, each, n)
	require.NotContains(t, each, "")
}

// A discount is on one sending: it leaves with it, and comes back with it.
func TestADiscountStaysWithItsSending(t *testing.T) {
	t.Parallel()
	s, c := timed(t, nil)
	accept(t, s, disbursal("a", 1))
	first := begin(t, s)
	a := answer(first, airtime.Unknown, airtime.ReasonUnreadable)
	a.Verdicts = []verdict{
		saidLine(airtime.Unknown, airtime.ReasonUnreadable, "odd", "0.4"),
	}
	record(t, s, a)
	c.pass(3 * time.Minute)
	resolve(t, s, state.Decision{Resubmit: true}, rows(t, s, "a")...)
	require.Empty(t, rows(t, s, "a")[0].Discount)
	balanced(t, s)
	observeFacts(t, s, first, fact(0, airtime.Successful, "0.6")) // It was paid after all.
	require.Equal(t, airtime.Successful, rows(t, s, "a")[0].Status)
	require.Equal(t, "0.6", rows(t, s, "a")[0].Discount)
	balanced(t, s)
}

func TestForgottenDiscountsStayInTheBooks(t *testing.T) {
	t.Parallel()
	s, c := timed(t, func(o *state.Options) { o.Retention = time.Hour })
	accept(t, s, disbursal("a", 1))
	b := begin(t, s)
	record(t, s, answer(b, airtime.Accepted, ""))
	observeFacts(t, s, b, fact(0, airtime.Successful, "0.4"))
	balanced(t, s)
	c.pass(3 * time.Hour)
	forgotten, err := s.Forget(bg, 10)
	require.NoError(t, err)
	require.Equal(t, 1, forgotten)
	figures, err := s.Stats(bg)
	require.NoError(t, err)
	require.Equal(t, int64(4000), figures.Book["lipad KES successful discount"])
	balanced(t, s)
}

func TestVerifyRecountsDiscounts(t *testing.T) {
	t.Parallel()
	s := open(t, nil)
	accept(t, s, disbursal("a", 1))
	b := begin(t, s)
	record(t, s, answer(b, airtime.Accepted, ""))
	observeFacts(t, s, b, fact(0, airtime.Successful, "0.4"))
	require.NoError(t, misbook(s.Client(), s.Key("book", ""), "lipad KES successful", 0, 0, 1))
	audit, err := s.Verify(bg, nil)
	require.NoError(t, err)
	require.Len(t, audit.Drift, 1)
	require.Contains(t, audit.Drift[0], "lipad KES successful discount is 4001")
}

// What was said of those in doubt is read where they are listed: each one's own words, or those
// about all.
func TestTheWordsOfTheDoubtfulAreKept(t *testing.T) {
	t.Parallel()
	s, c := timed(t, nil)
	accept(t, s, disbursal("a", 2))
	a := answer(begin(t, s), airtime.Unknown, airtime.ReasonMissing)
	a.Message = "left out of the answer"
	a.Verdicts = []verdict{
		saidLine(airtime.Unknown, airtime.ReasonUnreadable, "code 500: try later", ""),
	}
	record(t, s, a)
	want := []string{"code 500: try later", "left out of the answer"}
	check := func() {
		t.Helper()
		for i, r := range rows(t, s, "a") {
			require.Equal(t, airtime.InDoubt, r.Status)
			require.Equal(t, want[i], r.Message)
		}
		items, err := s.ReviewItems(bg)
		require.NoError(t, err)
		require.Len(t, items, 1)
		for i, m := range items[0].Concerned() {
			require.Equal(t, want[i], m.Message)
		}
	}
	check()
	require.Equal(t, airtime.ReasonUnreadable, rows(t, s, "a")[0].Reason)
	require.Equal(t, airtime.ReasonMissing, rows(t, s, "a")[1].Reason)

	// What a person said of the first sending is not said of the second.
	c.pass(3 * time.Minute)
	resolve(t, s, state.Decision{Resubmit: true, Evidence: "portal"}, rows(t, s, "a")...)
	again := answer(begin(t, s), airtime.Unknown, airtime.ReasonTimeout)
	again.Message = "no answer: EOF"
	record(t, s, again)
	want = []string{"no answer: EOF", "no answer: EOF"}
	check()
	require.Equal(t, airtime.ReasonTimeout, rows(t, s, "a")[0].Reason)
}

// mismatches lists who is mismatched, as "position reason message".
func mismatches(t *testing.T, s *state.Store) []string {
	t.Helper()
	items, err := s.ReviewItems(bg)
	require.NoError(t, err)
	var list []string
	for _, c := range items {
		if c.Queue == state.ReviewMismatched {
			m := c.Concerned()[0]
			require.Equal(t, c.Why, m.Reason)
			list = append(list, m.Phone.Digits()+" "+string(m.Reason)+" "+m.Message)
		}
	}
	figures, err := s.Stats(bg)
	require.NoError(t, err)
	require.Equal(t, int64(len(list)), figures.Mismatched)
	return list
}

// An amount that is not the one sent never passes in silence: the status follows, people are told.
func TestAnotherAmountIsListedAndTheStatusFollows(t *testing.T) {
	t.Parallel()
	s, c := timed(t, nil)
	accept(t, s, disbursal("a", 3))
	b := begin(t, s)
	other := airtime.Money{Minor: 999_00, Currency: "KES"}
	a := answer(b, airtime.Accepted, "")
	a.Verdicts = []verdict{{Position: 1, Verdict: airtime.Accepted}}
	a.Verdicts[0].Amount = other
	record(t, s, a)
	named := "254700000001 amount the provider names KES 999.00"
	require.Equal(t, []string{named}, mismatches(t, s))
	paid := fact(2, airtime.Successful, "")
	paid.Amount = other
	observeFacts(t, s, b, fact(0, airtime.Successful, ""), fact(1, airtime.Successful, ""), paid)
	only(t, s, "a", airtime.Successful)
	second := "254700000002 amount the provider names KES 999.00"
	require.Equal(t, []string{named, second}, mismatches(t, s))

	// A person's look takes it off the list, for this word; nobody may send it again.
	err := resolveErr(s, state.Decision{Resubmit: true}, rows(t, s, "a")[2])
	require.ErrorIs(t, err, state.ErrMoved)
	resolve(t, s, state.Decision{Paid: true, Evidence: "statement"}, rows(t, s, "a")[2])
	c.pass(time.Hour)
	observeFacts(t, s, b, paid)
	require.Equal(t, []string{named}, mismatches(t, s))
	balanced(t, s)
}

func resolveErr(s *state.Store, decision state.Decision, r state.Row) error {
	_, err := s.Resolve(bg, decision, []state.Resolution{r.Resolution()})
	return err
}

// A person says paid, the provider then says failed: neither is dropped.
func TestAProviderThatContradictsAPersonIsListed(t *testing.T) {
	t.Parallel()
	s, c := timed(t, nil)
	b := doubtful(t, s, 1)
	c.pass(3 * time.Minute)
	resolve(t, s, state.Decision{Paid: true, Evidence: "portal"}, rows(t, s, "a")...)
	failed := fact(0, airtime.Failed, "")
	failed.Message = "Invalid phone number"
	observeFacts(t, s, b, failed)
	only(t, s, "a", airtime.Successful)
	require.Equal(t, []string{"254700000000 contradicted Invalid phone number"}, mismatches(t, s))
	resolve(t, s, state.Decision{Evidence: "they are right"}, rows(t, s, "a")...)
	only(t, s, "a", airtime.Failed)
	require.Empty(t, mismatches(t, s))
}
