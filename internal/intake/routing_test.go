package intake

import (
	"bytes"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"

	"tuma/internal/airtime"
	"tuma/internal/providers"
	"tuma/internal/state"
)

// routedRules are testRules with quicksms, which takes whole shillings, and these rules.
func routedRules(routing ...Rule) Rules {
	rules := testRules()
	rules.Providers["quicksms"] = providers.Capabilities{
		Name: "quicksms", MaxRecipients: 1000, WholeUnits: true,
		Limits: map[airtime.Currency]providers.Limit{"KES": {Min: 1000, Max: 1_000_000}},
	}
	rules.Routing = routing
	return rules
}

// airtelToSozuri sends Airtel numbers to Sozuri, and what it does not take to QuickSMS.
func airtelToSozuri() Rules {
	return routedRules(Rule{
		Name: "airtel", Networks: []airtime.Network{airtime.Airtel},
		Providers: []string{"sozuri", "quicksms"},
	})
}

// providerOf routes one recipient.
func providerOf(rules Rules, campaign string, to airtime.Recipient) string {
	return rules.coverageFor(rules.choices(to.Amount.Currency, campaign), to).provider
}

func money(minor int64, currency airtime.Currency) airtime.Money {
	return airtime.Money{Minor: minor, Currency: currency}
}

func recipient(digits string, amount airtime.Money) airtime.Recipient {
	return airtime.Recipient{Phone: airtime.MSISDNFromE164(digits), Amount: amount}
}

const (
	safaricomNumber = "254711000001"
	airtelNumber    = "254733000001"
	telkomNumber    = "254770000001"
	otherNumber     = "254744000001"
	ugandanNumber   = "256772000001"
)

type (
	networks   = []airtime.Network
	currencies = []airtime.Currency
	bounds     = map[airtime.Currency]int64
)

var (
	kes50   = money(5000, "KES")
	rewards = []string{"rewards-*", "Exact"}
)

// conditions are rules and recipients that meet them, or do not.
var conditions = []struct {
	name     string
	rule     Rule
	number   string
	amount   airtime.Money
	campaign string
	holds    bool
}{
	{"none", Rule{}, safaricomNumber, kes50, "", true},
	{"network", Rule{Networks: networks{airtime.Airtel}}, airtelNumber, kes50, "", true},
	{"wrong network", Rule{Networks: networks{airtime.Airtel}}, safaricomNumber, kes50, "", false},
	{
		"one of the networks",
		Rule{Networks: networks{airtime.Airtel, airtime.Telkom}},
		telkomNumber, kes50, "", true,
	},
	{"other network", Rule{Networks: networks{airtime.OtherNetwork}}, otherNumber, kes50, "", true},
	{"no network", Rule{Networks: airtime.Networks()}, ugandanNumber, money(500, "UGX"), "", false},
	{"ported to airtel", Rule{Networks: networks{airtime.Airtel}}, "254711000009", kes50, "", true},
	{"ported away", Rule{Networks: networks{airtime.Safaricom}}, "254711000009", kes50, "", false},
	{"currency", Rule{Currencies: currencies{"KES"}}, safaricomNumber, kes50, "", true},
	{
		"wrong currency",
		Rule{Currencies: currencies{"KES", "TZS"}},
		ugandanNumber,
		money(500, "UGX"), "", false,
	},
	{"at min", Rule{Min: bounds{"KES": 5000}}, safaricomNumber, kes50, "", true},
	{"below min", Rule{Min: bounds{"KES": 5001}}, safaricomNumber, kes50, "", false},
	{"at max", Rule{Max: bounds{"KES": 5000}}, safaricomNumber, kes50, "", true},
	{"above max", Rule{Max: bounds{"KES": 4999}}, safaricomNumber, kes50, "", false},
	{
		"bounds of another currency",
		Rule{Min: bounds{"UGX": 9999}, Max: bounds{"UGX": 1}},
		safaricomNumber, kes50, "", true,
	},
	{"campaign", Rule{Campaigns: rewards}, safaricomNumber, kes50, "rewards-november", true},
	{"campaign with nothing more", Rule{Campaigns: rewards}, safaricomNumber, kes50, "rewards-", true},
	{"campaign too short", Rule{Campaigns: rewards}, safaricomNumber, kes50, "rewards", false},
	{"exact campaign", Rule{Campaigns: rewards}, safaricomNumber, kes50, "Exact", true},
	{"longer campaign", Rule{Campaigns: rewards}, safaricomNumber, kes50, "Exactly", false},
	{"campaign in other case", Rule{Campaigns: rewards}, safaricomNumber, kes50, "exact", false},
	{"no campaign", Rule{Campaigns: rewards}, safaricomNumber, kes50, "", false},
	{
		"all but one", Rule{
			Networks: networks{airtime.Safaricom}, Currencies: currencies{"KES"},
			Min: bounds{"KES": 1}, Max: bounds{"KES": 9000}, Campaigns: rewards,
		}, safaricomNumber, kes50, "x", false,
	},
	{
		"all", Rule{
			Networks: networks{airtime.Safaricom}, Currencies: currencies{"KES"},
			Min: bounds{"KES": 1}, Max: bounds{"KES": 9000}, Campaigns: rewards,
		}, safaricomNumber, kes50, "Exact", true,
	},
}

func TestConditions(t *testing.T) {
	t.Parallel()
	for _, row := range conditions {
		t.Run(row.name, func(t *testing.T) {
			t.Parallel()
			row.rule.Providers = []string{"quicksms"}
			rules := routedRules(row.rule)
			rules.Ported = map[string]airtime.Network{"254711000009": airtime.Airtel}
			want := map[bool]string{true: "quicksms", false: "lipad"}[row.holds]
			got := providerOf(rules, row.campaign, recipient(row.number, row.amount))
			require.Equal(t, want, got)
		})
	}
}

func TestFirstRuleThatMatchesCounts(t *testing.T) {
	t.Parallel()
	rules := routedRules(
		Rule{Networks: []airtime.Network{airtime.Airtel}, Providers: []string{"quicksms"}},
		Rule{Campaigns: []string{"c"}, Providers: []string{"sozuri"}},
		Rule{Providers: []string{"lipad"}},
	)
	rules.DefaultProvider = ""
	for _, row := range []struct{ number, campaign, want string }{
		{airtelNumber, "c", "quicksms"}, {safaricomNumber, "c", "sozuri"}, {safaricomNumber, "", "lipad"},
	} {
		got := providerOf(rules, row.campaign, recipient(row.number, money(1000, "KES")))
		require.Equal(t, row.want, got)
	}
}

// The limits here: sozuri KES 10 to 5,000, quicksms whole KES 10 to 10,000, lipad KES 10 to 10,000
// and UGX 50 to 100,000.
func TestFirstProviderThatTakesTheAmountGetsIt(t *testing.T) {
	t.Parallel()
	for _, row := range []struct {
		providers string
		amount    airtime.Money
		want      string
	}{
		{"sozuri quicksms lipad", money(500_000, "KES"), "sozuri"},
		{"sozuri quicksms lipad", money(500_001, "KES"), "lipad"},
		{"sozuri quicksms lipad", money(500_100, "KES"), "quicksms"},
		{"sozuri quicksms lipad", money(500, "UGX"), "lipad"},
		{"mpesa sozuri", money(1000, "KES"), "sozuri"},
		{"sozuri quicksms", money(1_000_100, "KES"), "sozuri"},
		{"mpesa sozuri", money(999, "KES"), "mpesa"},
	} {
		rules := routedRules(Rule{Providers: strings.Fields(row.providers)})
		digits := safaricomNumber
		if row.amount.Currency == "UGX" {
			digits = ugandanNumber
		}
		require.Equal(t, row.want, providerOf(rules, "", recipient(digits, row.amount)), row)
	}
}

func TestRoutedFaults(t *testing.T) {
	t.Parallel()
	rules := routedRules(
		Rule{Networks: []airtime.Network{airtime.Airtel}, Providers: []string{"sozuri"}},
		Rule{Campaigns: []string{"whole"}, Providers: []string{"quicksms", "sozuri"}},
		Rule{Campaigns: []string{"gone"}, Providers: []string{"mpesa"}},
	)
	for _, row := range []struct{ recipients, more, want string }{
		{
			to("0733000001", `"5001"`) + "," + to("0711000001", `"5001"`), "",
			"recipients[0].amount: above the maximum of KES 5000",
		},
		{to("0733000001", `"9.99"`), "", "recipients[0].amount: below the minimum of KES 10"},
		{
			to("0711000001", `"5000.50"`), `,"campaign":"whole"`,
			"recipients[0].amount: quicksms takes whole KES only",
		},
		{
			to("256772000001", `"500"`), `,"campaign":"whole","currency":"UGX"`,
			"recipients[0].amount: quicksms does not take UGX",
		},
		{
			good, `,"campaign":"gone"`, `recipients[0].provider: "mpesa" is not configured here; ` +
				`known: lipad, quicksms, sozuri`,
		},
		{to("0711000001", `"10001"`), "", "recipients[0].amount: above the maximum of KES 10000"},
		{
			to("0733", `"10001"`), "",
			"recipients[0].phone_number: ••• is not a mobile number (07… or 01…, ten digits)",
		},
		{good, `,"currency":"KSH"`, `currency: "KSH" is not a known currency`},
		{
			to("0711000001", `"10.50"`), `,"provider":"quicksms"`,
			"recipients[0].amount: quicksms takes whole KES only",
		},
		{
			to("0711000001", `"5001"`), `,"provider":"sozuri","campaign":"whole"`,
			"recipients[0].amount: above the maximum of KES 5000",
		},
	} {
		_, err := decode(job(row.recipients, row.more), rules)
		require.EqualError(t, err, row.want)
	}
	rules.DefaultProvider = ""
	_, err := decode(job(good, ""), rules)
	require.EqualError(t, err,
		"recipients[0].provider: no rule matches, and no default provider is configured")
}

func TestWholeUnitsOfACurrencyWithoutDecimals(t *testing.T) {
	t.Parallel()
	rules := routedRules()
	rules.Providers["quicksms"].Limits["UGX"] = providers.Limit{Min: 50, Max: 5000}
	ugandan := job(to("256772000001", "51"), `,"currency":"UGX","provider":"quicksms"`)
	_, err := DecodeJob([]byte(ugandan), rules)
	require.NoError(t, err)
}

func TestJobsAreRouted(t *testing.T) {
	t.Parallel()
	safaricom, airtel := to("0711000001", "20"), to("0733000001", "20")
	large := to("0733000002", "6000")
	for _, row := range []struct {
		recipients, more string
		given, provider  string
		providers        []string
	}{
		{safaricom, "", "", "lipad", nil},
		{airtel, "", "", "sozuri", nil},
		{airtel + "," + to("0733000003", "20"), "", "", "sozuri", nil},
		{safaricom + "," + airtel, "", "", "lipad", []string{"lipad", "sozuri"}},
		{
			airtel + "," + to("0733000003", "20") + "," + large + "," + safaricom, "", "",
			"sozuri",
			[]string{"sozuri", "sozuri", "quicksms", "lipad"},
		},
		{safaricom + "," + airtel, `,"provider":"lipad"`, "lipad", "lipad", nil},
	} {
		got, err := DecodeJob([]byte(job(row.recipients, row.more)), airtelToSozuri())
		require.NoError(t, err)
		require.Equal(t, row.given, got.Given)
		require.Equal(t, row.provider, got.Provider)
		require.Equal(t, row.providers, got.Providers)
		requireSound(t, got, airtelToSozuri())
	}
}

// routes spells where the recipients of a plan go: "reference given: phone=provider …".
func routes(t testing.TB, plan *Plan) []string {
	t.Helper()
	var all []string
	require.NoError(t, plan.Disbursals(func(d state.Disbursal) error {
		text := fmt.Sprintf("%s %s:", d.Reference, d.Given)
		for i, r := range d.Recipients {
			provider := d.Provider
			if d.Providers != nil {
				provider = d.Providers[i]
			}
			text += " " + r.Phone.Digits() + "=" + provider
		}
		requireSound(t, d, airtelToSozuri())
		all = append(all, text)
		return nil
	}))
	return all
}

func TestImportsAreRouted(t *testing.T) {
	t.Parallel()
	const (
		split = "254711000001=lipad 254733000001=sozuri 254733000002=quicksms"
		rows  = "0711000001,20\n0733000001,20\n0733000002,6000\n"
	)
	totals := map[Route]Total{
		{"lipad", "KES"}: {1, 2000}, {"sozuri", "KES"}: {1, 2000}, {"quicksms", "KES"}: {1, 600_000},
	}
	for _, row := range []struct {
		name, text string
		options    Options
		want       []string
		totals     map[Route]Total
	}{
		{"rows", "phone_number,amount\n" + rows, Options{}, []string{"R/1 : " + split}, totals},
		{
			"referenced rows", "reference,amount,phone_number\na,20,0711000001\nb,20,0733000003\n" +
				"a,20,0733000001\na,6000,0733000002\n",
			Options{},
			[]string{"a : " + split, "b : 254733000003=sozuri"},
			map[Route]Total{
				{"lipad", "KES"}: {1, 2000}, {"sozuri", "KES"}: {2, 4000},
				{"quicksms", "KES"}: {1, 600_000},
			},
		},
		{
			"jobs", job(to("0711000001", "20")+","+to("0733000001", "20")+","+
				to("0733000002", "6000"), ""),
			Options{},
			[]string{"r : " + split},
			totals,
		},
		{
			"option names the provider", "phone_number,amount\n" + rows,
			Options{Provider: "lipad"},
			[]string{"R/1 lipad: 254711000001=lipad 254733000001=lipad 254733000002=lipad"},
			map[Route]Total{{"lipad", "KES"}: {3, 604_000}},
		},
		{
			"some rows name it", "phone_number,amount,provider\n0733000001,20,lipad\n" +
				"0733000002,6000,\n0733000003,20,lipad\n",
			Options{},
			[]string{
				"R/1 lipad: 254733000001=lipad 254733000003=lipad", "R/1.2 : 254733000002=quicksms",
			},
			map[Route]Total{{"lipad", "KES"}: {2, 4000}, {"quicksms", "KES"}: {1, 600_000}},
		},
	} {
		t.Run(row.name, func(t *testing.T) {
			t.Parallel()
			row.options.Reference = "R"
			plan, err := Scan(t.Context(), write(t, "f", row.text), row.options, airtelToSozuri())
			require.NoError(t, err)
			require.Empty(t, faultTexts(plan))
			require.Equal(t, row.want, routes(t, plan))
			require.Equal(t, row.totals, plan.Totals)
		})
	}
}

func TestImportRefusesWhatNoProviderTakes(t *testing.T) {
	t.Parallel()
	path := write(t, "f", "phone_number,amount\n"+
		"0733000001,20\n0733000002,6000.50\n0711000001,6000.50\n")
	rules := airtelToSozuri()
	plan, err := Scan(t.Context(), path, Options{Reference: "R"}, rules)
	require.NoError(t, err)
	require.Equal(t, []string{"line 3: amount: above the maximum of KES 5000"}, faultTexts(plan))
	require.Equal(t, []string{"R/1 : 254733000001=sozuri 254711000001=lipad"}, routes(t, plan))
	var out bytes.Buffer
	require.NoError(t, plan.WriteRejects(t.Context(), &out))
	require.Equal(t, "phone_number,amount,reason\n"+
		"0733000002,6000.50,amount: above the maximum of KES 5000\n", out.String())
}

// A rule that changes between two imports of a file must not rename a single recipient: under
// another name it would be paid again.
func TestRulesNeverRenameDisbursals(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		var text strings.Builder
		text.WriteString("phone_number,amount,campaign,provider,currency\n")
		for range rapid.IntRange(1, 1200).Draw(t, "rows") {
			fmt.Fprintf(&text, "07%08d,%d,%s,%s,%s\n", rapid.IntRange(0, 99_999_999).Draw(t, "number"),
				rapid.IntRange(9, 6000).Draw(t, "amount"),
				rapid.SampledFrom([]string{"", "a", "b"}).Draw(t, "campaign"),
				rapid.SampledFrom([]string{"", "", "lipad"}).Draw(t, "provider"),
				rapid.SampledFrom([]string{"", "KES"}).Draw(t, "currency"))
		}
		names := func(rules Rules) map[string]string {
			plan := &Plan{scan: newScan(Options{Reference: "R", AllowRepeats: true}, rules)}
			_, err := plan.scan.read(t.Context(), strings.NewReader(text.String()))
			require.NoError(t, err)
			plan.Reference = "R"
			found := map[string]string{}
			require.NoError(t, plan.Disbursals(func(d state.Disbursal) error {
				for _, r := range d.Recipients {
					found[d.Reference+" "+r.Phone.Digits()] = r.Amount.Decimal() + " " + d.Campaign
				}
				return nil
			}))
			return found
		}
		plain, routed := names(routedRules()), names(routedRules(drawRules(t)...))
		for recipient, what := range routed {
			require.Equal(t, plain[recipient], what, "renamed")
		}
	})
}

// drawRules draws up to four rules over providers that are known and one that is not.
func drawRules(t *rapid.T) []Rule {
	words := rapid.SampledFrom([]string{"a", "b*", "bc", ""})
	providers := rapid.Custom(func(t *rapid.T) []string {
		all := rapid.Permutation([]string{"lipad", "sozuri", "quicksms", "mpesa"}).Draw(t, "order")
		return all[rapid.IntRange(0, 3).Draw(t, "left out"):]
	})
	bound := rapid.Map(rapid.Int64Range(0, 700_000), func(minor int64) map[airtime.Currency]int64 {
		if minor%3 == 0 {
			return nil
		}
		return map[airtime.Currency]int64{"KES": minor}
	})
	return rapid.SliceOfN(rapid.Custom(func(t *rapid.T) Rule {
		return Rule{
			Networks: rapid.SliceOfN(
				rapid.SampledFrom(airtime.Networks()), 0, 2).Draw(t, "networks"),
			Currencies: rapid.SliceOfN(
				rapid.SampledFrom([]airtime.Currency{"KES", "UGX"}), 0, 2).Draw(t, "currencies"),
			Min: bound.Draw(t, "min"), Max: bound.Draw(t, "max"),
			Campaigns:  rapid.SliceOfN(words, 0, 2).Draw(t, "campaigns"),
			Providers:  providers.Draw(t, "providers"),
			MovePaused: rapid.Bool().Draw(t, "move paused"),
			MoveAfter:  time.Second,
		}
	}), 1, 4).Draw(t, "rules")
}

func TestNext(t *testing.T) {
	t.Parallel()
	rules := routedRules(
		Rule{
			Name: "airtel", Networks: []airtime.Network{airtime.Airtel}, MoveRefused: true,
			Providers: []string{"mpesa", "sozuri", "quicksms", "lipad"},
		},
		Rule{Name: "rest", Campaigns: []string{"c"}, Providers: []string{"lipad", "sozuri"}},
	)
	rules.Ported = map[string]airtime.Network{"254711000009": airtime.Airtel}
	for _, row := range []struct {
		name, number, campaign string
		minor                  int64
		after, want, rule      string
	}{
		{"chain 1", airtelNumber, "", 2000, "mpesa", "sozuri", "airtel"},
		{"chain 2", airtelNumber, "", 2000, "sozuri", "quicksms", "airtel"},
		{"chain 3", airtelNumber, "", 2000, "quicksms", "lipad", "airtel"},
		{"chain ends", airtelNumber, "", 2000, "lipad", "", ""},
		{"too large for sozuri", airtelNumber, "", 600_000, "mpesa", "quicksms", "airtel"},
		{"not whole", airtelNumber, "", 2050, "sozuri", "lipad", "airtel"},
		{"taken by nobody behind", airtelNumber, "", 999, "mpesa", "", ""},
		{"lower cap at the last", safaricomNumber, "c", 500_001, "lipad", "", ""},
		{"ported", "254711000009", "c", 2000, "mpesa", "sozuri", "airtel"},
		{"no rule", safaricomNumber, "", 2000, "lipad", "", ""},
		{"not in the rule", safaricomNumber, "c", 2000, "quicksms", "", ""},
		{"second rule", safaricomNumber, "c", 2000, "lipad", "sozuri", "rest"},
	} {
		provider, rule, ok := rules.Next(
			row.campaign, recipient(row.number, money(row.minor, "KES")), row.after)
		require.Equal(t, row.want, provider, row.name)
		require.Equal(t, row.rule, rule.Name, row.name)
		require.Equal(t, row.want != "", ok, row.name)
		require.Equal(t, row.rule == "airtel", rule.MoveRefused, row.name)
	}
}

func TestMovesAfter(t *testing.T) {
	t.Parallel()
	_, any := routedRules(Rule{MoveRefused: true, MoveAfter: 1}).MovesAfter()
	require.False(t, any)
	least, any := routedRules(Rule{}, Rule{MovePaused: true, MoveAfter: 3},
		Rule{MovePaused: true, MoveAfter: 2}).MovesAfter()
	require.True(t, any)
	require.Equal(t, time.Duration(2), least)
}

// takes says by the capabilities alone whether a provider takes an amount.
func takes(rules Rules, provider string, amount airtime.Money) bool {
	capabilities := rules.Providers[provider]
	limit, listed := capabilities.Limits[amount.Currency]
	return listed && limit.Min <= amount.Minor && amount.Minor <= limit.Max &&
		(!capabilities.WholeUnits || !strings.Contains(amount.Short(), "."))
}

func TestNextNeverGoesBackNorToWhoDoesNotTakeIt(t *testing.T) {
	t.Parallel()
	moves := 0
	rapid.Check(t, func(t *rapid.T) {
		rules := routedRules(drawRules(t)...)
		if rapid.Bool().Draw(t, "ported") {
			rules.Ported = map[string]airtime.Network{safaricomNumber: airtime.Equitel}
		}
		amount := money(rapid.SampledFrom([]int64{
			500_000, 2000, 1050, 500_001, 600_000, 1_000_000, 1000, 999, 1_000_050,
		}).Draw(t, "minor"), rapid.SampledFrom([]airtime.Currency{"KES", "UGX"}).Draw(t, "currency"))
		for _, number := range []string{safaricomNumber, airtelNumber, telkomNumber, ugandanNumber} {
			for _, campaign := range []string{"", "a", "b", "bc"} {
				for _, first := range []string{"lipad", "sozuri", "quicksms", "mpesa"} {
					moves += follow(t, rules, campaign, recipient(number, amount), first)
				}
			}
		}
	})
	require.Positive(t, moves, "no recipient ever moved: the draw is too narrow")
}

// follow moves a recipient until it stays, and counts the moves.
func follow(t *rapid.T, rules Rules, campaign string, to airtime.Recipient, first string) int {
	for passed := []string{first}; ; {
		at := passed[len(passed)-1]
		next, rule, ok := rules.Next(campaign, to, at)
		if !ok {
			require.Empty(t, next)
			require.Zero(t, rule)
			return len(passed) - 1
		}
		from, there := slices.Index(rule.Providers, at), slices.Index(rule.Providers, next)
		require.GreaterOrEqual(t, from, 0)
		require.Greater(t, there, from)
		require.NotContains(t, passed, next)
		require.True(t, takes(rules, next, to.Amount))
		for _, between := range rule.Providers[from+1 : there] {
			require.False(t, takes(rules, between, to.Amount))
		}
		passed = append(passed, next)
	}
}

// manyRules are ten rules of which the last matches, and 100,000 ported numbers.
func manyRules() Rules {
	var routing []Rule
	for i := range 10 {
		routing = append(routing, Rule{
			Networks:   []airtime.Network{airtime.Telkom, airtime.Equitel, airtime.Safaricom},
			Currencies: []airtime.Currency{"UGX", "KES"}, Min: map[airtime.Currency]int64{"KES": 500},
			Campaigns: []string{fmt.Sprintf("september-%d*", i)}, Providers: []string{"sozuri", "lipad"},
		})
	}
	routing[9].Campaigns = []string{"november*"}
	rules := routedRules(routing...)
	rules.Ported = map[string]airtime.Network{}
	for i := range 100_000 {
		rules.Ported[fmt.Sprintf("2547%08d", i*7)] = airtime.Telkom
	}
	return rules
}

func BenchmarkRoute(b *testing.B) {
	for name, rules := range map[string]Rules{"one rule": airtelToSozuri(), "ten rules": manyRules()} {
		b.Run(name, func(b *testing.B) {
			recipients := make([]airtime.Recipient, 4096)
			for i := range recipients {
				recipients[i] = recipient(fmt.Sprintf("2547%08d", i*8191), money(1050, "KES"))
			}
			choices := rules.choices("KES", "november")
			b.ReportAllocs()
			for i := 0; b.Loop(); i++ {
				rules.coverageFor(choices, recipients[i%len(recipients)])
			}
		})
	}
}

func BenchmarkScanMillionRouted(b *testing.B) {
	path := write(b, "f", bigFile(1_000_000))
	rules := manyRules()
	for b.Loop() {
		plan, err := Scan(b.Context(), path, Options{}, rules)
		require.NoError(b, err)
		require.Equal(b, int64(1_000_000), plan.Good)
	}
}
