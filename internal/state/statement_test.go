package state_test

import (
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/redis/go-redis/v9"
	"github.com/stretchr/testify/require"

	"tuma/internal/airtime"
	"tuma/internal/state"
)

func TestStatementsAndLists(t *testing.T) {
	t.Parallel()
	runScenarios(t, map[string]scenario{
		"a statement is the sum of the reports":  statementIsTheSum,
		"a statement outlives what is forgotten": statementOutlives,
		"another time zone moves nothing":        otherTimeZones,
		"the newest, and who submitted them":     listsTheNewest,
	})
}

// zoned opens the store again in another time zone.
func (g *harness) zoned(name string) {
	zone, err := time.LoadLocation(name)
	require.NoError(g.t, err)
	o := g.s.Options()
	o.Timezone = zone
	g.s = simulated(openWith(g.t, o), g.edit)
}

// listed are the imports and campaigns that are listed, newest first.
func listed(t testing.TB, s *state.Store) []state.Listed {
	t.Helper()
	list, err := s.List(background, 50, state.KindImport, state.KindCampaign)
	require.NoError(t, err)
	return list
}

// statement are the lines of a month.
func statement(
	t require.TestingT, s *state.Store, year int, month time.Month,
) (lines []state.StatementLine) {
	err := s.Statement(background, year, month, func(l state.StatementLine) error {
		lines = append(lines, l)
		return nil
	})
	require.NoError(t, err)
	return lines
}

// at sets the clock.
func (c *clock) at(instant string) {
	at, err := time.Parse(time.RFC3339, instant)
	require.NoError(c.t, err)
	c.ms = at.UnixMilli()
	c.pass(0)
}

// summed makes the lines of a statement from what a report says of disbursals, which were accepted
// on the days that are given.
func summed(t testing.TB, s *state.Store, days map[string]string) []state.StatementLine {
	t.Helper()
	lines := map[string]*state.StatementLine{}
	for _, name := range slices.Sorted(maps.Keys(days)) {
		for _, r := range rows(t, s, name) {
			campaign := r.Campaign
			if producer, _, owned := cutOwn(name); owned && campaign != "" {
				campaign = producer + "/" + campaign
			}
			key := fmt.Sprintf("%s %s %s %s", days[name], r.Provider, r.Amount.Currency, campaign)
			if lines[key] == nil {
				lines[key] = &state.StatementLine{
					Day: days[name], Provider: r.Provider, Currency: r.Amount.Currency, Campaign: campaign,
				}
			}
			addToLine(lines[key], r.Status, r.Amount.Minor)
			paid := r.Status == airtime.Successful || r.Status == airtime.Unconfirmed
			if r.Discount != "" && paid {
				units, err := airtime.DiscountUnits(r.Discount)
				require.NoError(t, err)
				lines[key].Discount += units
			}
		}
	}
	var list []state.StatementLine
	for _, key := range slices.Sorted(maps.Keys(lines)) {
		list = append(list, *lines[key])
	}
	return list
}

// cutOwn cuts a name of the state behind the producer whose own it is.
func cutOwn(name string) (producer, own string, found bool) {
	shown := state.Shown(name)
	for i := range shown {
		if shown[i] == '/' && state.Own(shown[:i], shown[i+1:]) == name {
			return shown[:i], shown[i+1:], true
		}
	}
	return "", name, false
}

// statementIsOf compares the statement around the end of 2026 with the reports of disbursals, which
// were accepted on the days that are given.
func (g *harness) statementIsOf(days map[string]string) {
	g.t.Helper()
	var got []state.StatementLine
	for month := time.November; month <= time.January+12; month++ {
		first := time.Date(2026, month, 1, 0, 0, 0, 0, time.UTC)
		got = append(got, statement(g.t, g.s, first.Year(), first.Month())...)
	}
	require.Empty(g.t, cmp.Diff(summed(g.t, g.s, days), got))
	for _, l := range got {
		require.Equal(g.t, l.Requested, l.Paid+l.Failed+l.Reversed+l.Refunded+l.InDoubt+l.Rejected+
			l.Cancelled+l.Open)
	}
	balanced(g.t, g.s)
}

// A month ends at midnight in Nairobi, which is 21:00 UTC; corrections, discounts, refusals that
// are failed over and cancels go to the day of acceptance; and a statement is the sum of the
// reports.
func statementIsTheSum(g *harness) {
	g.zoned("Africa/Nairobi")
	t, s, c := g.t, g.s, g.c
	days := map[string]string{}
	take := func(day string, d state.Disbursal) {
		g.accept(d)
		days[state.Own(d.Producer, d.Reference)] = day
	}
	blue := func(d state.Disbursal) state.Disbursal { d.Campaign = "blue"; return d }

	c.at("2026-11-30T20:59:59Z")
	take("2026-11-30", blue(disbursal("last-of-November", 3)))
	c.at("2026-11-30T21:00:00Z")
	take("2026-12-01", blue(shifted("first-of-December", 10, 6)))
	shop := blue(shifted("shop", 20, 2))
	shop.Producer = "shop"
	take("2026-12-01", shop)
	take("2026-12-01", shifted("nobody's", 30, 2))
	ugx := shifted("uganda", 40, 1)
	ugx.Currency = "UGX"
	ugx.Recipients[0].Amount = airtime.Money{Minor: 500, Currency: "UGX"}
	take("2026-12-01", ugx)
	c.at("2026-12-31T21:00:00Z")
	take("2027-01-01", shifted("next-year", 50, 1))

	compare := func() {
		t.Helper()
		g.statementIsOf(days)
	}
	compare()
	require.Empty(t, statement(t, s, 2026, time.October))

	b := g.begin(lipad)
	a := answer(b, airtime.Accepted, "")
	a.Next = func(m *state.Member, _ airtime.Reason) string {
		if m.Reference == "first-of-December" {
			return quicksms
		}
		return ""
	}
	for i := range b.Members {
		v := saidLine(airtime.Accepted, "", "", "0.0400")
		if i%4 == 3 {
			v = saidLine(airtime.Refused, airtime.ReasonNetwork, "", "")
		}
		v.Position = i
		a.Verdicts = append(a.Verdicts, v)
	}
	record(t, s, a)
	compare()
	statuses := []airtime.Status{
		airtime.Successful, airtime.Failed, airtime.Processing, airtime.Successful, airtime.Successful,
	}
	for i := range b.Members {
		observe(t, s, b.ID, statuses[i%len(statuses)], i)
		compare()
	}
	observe(t, s, b.ID, airtime.Reversed, 0)
	observe(t, s, b.ID, airtime.Refunded, 1, 6)
	_, err := s.Cancel(background, state.KindCampaign, "blue", "amina", "")
	require.NoError(t, err)
	compare()
}

// What is forgotten stays in the statement, but leaves the lists.
func statementOutlives(g *harness) {
	t, s, c := g.t, g.s, g.c
	c.at("2026-08-10T09:00:00Z")
	_, err := s.OpenImport(background, state.Manifest{Reference: "i", Rows: 3})
	require.NoError(t, err)
	d := disbursal("old", 3)
	d.Campaign, d.Import = "blue", "i"
	accept(t, s, d)
	b := begin(t, s)
	record(t, s, answer(b, airtime.Accepted, ""))
	observe(t, s, b.ID, airtime.Successful, 0, 1, 2)
	c.at("2026-08-11T09:00:00Z")
	accept(t, s, shifted("open", 3, 2))
	before := statement(t, s, 2026, time.August)
	require.Equal(t, []state.StatementLine{
		{
			Day: "2026-08-10", Provider: lipad, Currency: "KES", Campaign: "blue", Recipients: 3,
			Requested: 3300, Paid: 3300,
		},
		{
			Day: "2026-08-11", Provider: lipad, Currency: "KES", Recipients: 2, Requested: 2700, Open: 2700,
		},
	}, before)
	require.Len(t, listed(t, s), 2)
	c.at("2026-11-11T08:00:00Z")
	n, err := s.Forget(background, 10)
	require.NoError(t, err)
	require.Equal(t, 1, n)
	require.Empty(t, listed(t, s))
	require.Zero(t, s.Client().Exists(background, s.Key("pagebook", "2026-08-10.1")).Val())
	require.Equal(t, before, statement(t, s, 2026, time.August))
	observe(t, s, b.ID, airtime.Refunded, 0, 1, 2)
	require.Equal(t, before, statement(t, s, 2026, time.August), "nobody is there to be refunded")
	last := g.begin(lipad)
	g.taken(last)
	c.at("2026-12-24T08:00:00Z")
	before[1].Open = 0
	observe(t, s, last.ID, airtime.Failed, 0, 1)
	observe(t, s, last.ID, airtime.Refunded, 1)
	before[1].Failed, before[1].Refunded = 1300, 1400
	require.Equal(t, before, statement(t, s, 2026, time.August), "of its day, however late")
}

// dayBook is the key of the book of a campaign on the day of the first page.
func dayBook(s *state.Store, campaign string) string {
	day, _, _ := strings.Cut(pagesOf(s)[0], ".")
	return s.Key("daybook", day+":"+campaign)
}

func TestVerifyFindsDriftInTheBookOfADay(t *testing.T) {
	t.Parallel()
	driftsWhen(t, map[string]func(*state.Store, *redis.Client) error{
		"the book of a day": func(s *state.Store, c *redis.Client) error {
			return misbook(c, dayBook(s, ""), "lipad KES queued", 0, 1, 0)
		},
		"the book of a day, balanced": func(s *state.Store, c *redis.Client) error {
			book := dayBook(s, "")
			return errors.Join(misbook(c, book, "lipad KES queued", 1, 0, 0),
				misbook(c, book, "lipad KES requested", 1, 0, 0))
		},
		"the book of a day lost": func(s *state.Store, c *redis.Client) error {
			return c.Del(background, dayBook(s, "")).Err()
		},
		"a campaign of a day lost": func(s *state.Store, c *redis.Client) error {
			day, _, _ := strings.Cut(pagesOf(s)[0], ".")
			return c.SRem(background, s.Key("daycampaigns", day), "").Err()
		},
	})
}

// Verify finds a wrong figure in the book of a day of which everything is forgotten.
func TestVerifyRecountsDaysThatAreForgotten(t *testing.T) {
	t.Parallel()
	s, c := timed(t, nil)
	c.at("2026-08-10T09:00:00Z")
	settled(t, s, disbursal("old", 3))
	c.at("2026-11-11T08:00:00Z")
	n, err := s.Forget(background, 10)
	require.NoError(t, err)
	require.Equal(t, 1, n)
	balanced(t, s)
	book := s.Key("daybook", "2026-08-10:")
	for _, field := range []string{"lipad KES successful", "lipad KES requested"} {
		require.NoError(t, misbook(s.Client(), book, field, 1, 0, 0))
	}
	audit, err := s.Verify(background, nil)
	require.NoError(t, err)
	require.Len(t, audit.Drift, 2)
	require.Contains(t, audit.Drift[0], "day 2026-08-10: lipad KES ")
}

// The day is decided once: another time zone moves nothing that was accepted before.
func otherTimeZones(g *harness) {
	g.zoned("America/New_York")
	t, s, c := g.t, g.s, g.c
	for i, when := range []string{ // The clocks are changed on 1 November 2026 and 14 March 2027.
		"2026-11-01T03:59:00Z", "2026-11-01T04:00:00Z", "2026-11-02T04:59:00Z", "2026-11-02T05:00:00Z",
		"2027-03-15T03:59:00Z", "2027-03-15T04:00:00Z",
	} {
		c.at(when)
		accept(t, s, disbursal(fmt.Sprint(i), 1))
	}
	days := func(s *state.Store) []string {
		return s.Client().SMembers(background, s.Key("days", "")).Val()
	}
	want := []string{
		"2026-10-31", "2026-11-01", "2026-11-02", "2027-03-14", "2027-03-15",
	}
	require.ElementsMatch(t, want, days(s))
	g.zoned("Pacific/Kiritimati") // 14 hours ahead of UTC: it is 15 March there, too.
	g.taken(g.begin(lipad))
	g.accept(disbursal("far", 1))
	_, err := g.s.Cancel(background, state.KindDisbursal, "far", "amina", "")
	require.NoError(t, err)
	require.ElementsMatch(t, want, days(g.s))
	require.Len(t, statement(t, g.s, 2026, time.October), 1)
}

func listsTheNewest(g *harness) {
	t, s, c := g.t, g.s, g.c
	by := func(d state.Disbursal, who, campaign string) state.Disbursal {
		d.SubmittedBy, d.Campaign = who, campaign
		return d
	}
	for range 2 { // The second time by another one: it is the same import.
		_, err := s.OpenImport(background, state.Manifest{Reference: "file", SubmittedBy: "wanjiku"})
		require.NoError(t, err)
		c.pass(time.Second)
	}
	d := by(disbursal("file/1", 3), "wanjiku", "blue")
	d.Import = "file"
	g.accept(d, by(shifted("one", 3, 1), "otieno", "blue"), by(shifted("two", 4, 1), "", "red"))
	c.pass(time.Second)
	shop := by(shifted("three", 5, 1), "shop", "blue")
	shop.Producer = "shop"
	g.accept(shop, by(shifted("four", 6, 1), "otieno", "red"), shifted("five", 7, 1))
	g.taken(g.begin(lipad))
	_, err := s.Cancel(background, state.KindCampaign, state.Own("shop", "blue"), "amina", "")
	require.NoError(t, err)

	type line struct {
		kind           state.Kind
		name, by       string
		at             int64
		people, settle int64
		amounts        map[airtime.Currency]int64
	}
	var got []line
	for _, l := range listed(t, s) {
		got = append(got, line{
			l.Kind, l.Reference, l.SubmittedBy, l.At.UnixMilli() - modelStart, l.Recipients,
			l.SettledRecipients(), l.Requested(),
		})
	}
	kes := func(minor int64) map[airtime.Currency]int64 {
		return map[airtime.Currency]int64{"KES": minor}
	}
	require.Equal(t, line{state.KindCampaign, "shop/blue", "shop", 3000, 1, 0, kes(1500)}, got[0])
	require.ElementsMatch(t, []line{
		{state.KindCampaign, "blue", state.Several, 2000, 4, 0, kes(4600)},
		{state.KindCampaign, "red", state.Several, 2000, 2, 0, kes(3000)},
	}, got[1:3])
	require.Equal(t, line{state.KindImport, "file", "wanjiku", 0, 3, 0, kes(3300)}, got[3])

	imports, err := s.List(background, 50, state.KindImport)
	require.NoError(t, err)
	require.Len(t, imports, 1)
	newest, err := s.List(background, 1, state.KindImport, state.KindCampaign)
	require.NoError(t, err)
	require.Len(t, newest, 1)
	require.Equal(t, "shop/blue", newest[0].Reference)
	require.Equal(t, int64(1), newest[0].InStatus("submitted"))
}

func TestASubmitterIsChecked(t *testing.T) {
	t.Parallel()
	s := open(t, nil)
	for _, by := range []string{"a\tb", "\x1f", "é", fmt.Sprintf("%065d", 0)} {
		d := disbursal("a", 1)
		d.SubmittedBy = by
		_, err := s.Accept(background, []state.Disbursal{d})
		require.ErrorContains(t, err, `disbursal "a"`)
		_, err = s.OpenImport(background, state.Manifest{Reference: "i", SubmittedBy: by})
		require.ErrorContains(t, err, "import i")
	}
	d := disbursal("a", 1)
	d.SubmittedBy = "Jane of finance"
	accept(t, s, d)
	d.SubmittedBy = "another"
	got, err := s.Accept(background, []state.Disbursal{d})
	require.NoError(t, err)
	require.Equal(t, []state.Outcome{state.Same}, got.Outcomes, "who submits it is no content")
}
