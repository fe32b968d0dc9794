package routing

import (
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"tuma/internal/airtime"
	"tuma/internal/providers"
)

// routedRules are these rules over three providers: lipad takes KES and UGX, sozuri KES up to
// 5,000, quicksms whole shillings.
func routedRules(routing ...Rule) Rules {
	kes := providers.Limit{Min: 1000, Max: 1_000_000}
	limits := func(kes providers.Limit) map[airtime.Currency]providers.Limit {
		return map[airtime.Currency]providers.Limit{"KES": kes}
	}
	lipad := limits(kes)
	lipad["UGX"] = providers.Limit{Min: 50, Max: 100_000}
	return Rules{
		DefaultProvider: "lipad", Routing: routing,
		Providers: map[string]providers.Capabilities{
			"lipad":    {Name: "lipad", Limits: lipad},
			"sozuri":   {Name: "sozuri", Limits: limits(providers.Limit{Min: 1000, Max: 500_000})},
			"quicksms": {Name: "quicksms", WholeUnits: true, Limits: limits(kes)},
		},
	}
}

// providerOf routes one recipient.
func providerOf(rules Rules, campaign string, to airtime.Recipient) string {
	return rules.CoverageFor(rules.Choices(to.Amount.Currency, campaign), to).Provider
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
	{"network", Rule{Conditions: Conditions{
		Networks: networks{airtime.Airtel},
	}}, airtelNumber, kes50, "", true},
	{"wrong network", Rule{Conditions: Conditions{
		Networks: networks{airtime.Airtel},
	}}, safaricomNumber, kes50, "", false},
	{
		"one of the networks",
		Rule{Conditions: Conditions{Networks: networks{airtime.Airtel, airtime.Telkom}}},
		telkomNumber, kes50, "", true,
	},
	{"other network", Rule{Conditions: Conditions{
		Networks: networks{airtime.OtherNetwork},
	}}, otherNumber, kes50, "", true},
	{"no network", Rule{Conditions: Conditions{
		Networks: airtime.Networks(),
	}}, ugandanNumber, money(500, "UGX"), "", false},
	{"ported to airtel", Rule{Conditions: Conditions{
		Networks: networks{airtime.Airtel},
	}}, "254711000009", kes50, "", true},
	{"ported away", Rule{Conditions: Conditions{
		Networks: networks{airtime.Safaricom},
	}}, "254711000009", kes50, "", false},
	{"currency", Rule{Conditions: Conditions{
		Currencies: currencies{"KES"},
	}}, safaricomNumber, kes50, "", true},
	{
		"wrong currency",
		Rule{Conditions: Conditions{Currencies: currencies{"KES", "TZS"}}},
		ugandanNumber,
		money(500, "UGX"), "", false,
	},
	{"at min", Rule{Conditions: Conditions{
		Min: bounds{"KES": 5000},
	}}, safaricomNumber, kes50, "", true},
	{"below min", Rule{Conditions: Conditions{
		Min: bounds{"KES": 5001},
	}}, safaricomNumber, kes50, "", false},
	{"at max", Rule{Conditions: Conditions{
		Max: bounds{"KES": 5000},
	}}, safaricomNumber, kes50, "", true},
	{"above max", Rule{Conditions: Conditions{
		Max: bounds{"KES": 4999},
	}}, safaricomNumber, kes50, "", false},
	{
		"bounds of another currency",
		Rule{Conditions: Conditions{Min: bounds{"UGX": 9999}, Max: bounds{"UGX": 1}}},
		safaricomNumber, kes50, "", true,
	},
	{"campaign", Rule{Conditions: Conditions{
		Campaigns: rewards,
	}}, safaricomNumber, kes50, "rewards-november", true},
	{"campaign with nothing more", Rule{Conditions: Conditions{
		Campaigns: rewards,
	}}, safaricomNumber, kes50, "rewards-", true},
	{"campaign too short", Rule{Conditions: Conditions{
		Campaigns: rewards,
	}}, safaricomNumber, kes50, "rewards", false},
	{"exact campaign", Rule{Conditions: Conditions{
		Campaigns: rewards,
	}}, safaricomNumber, kes50, "Exact", true},
	{"longer campaign", Rule{Conditions: Conditions{
		Campaigns: rewards,
	}}, safaricomNumber, kes50, "Exactly", false},
	{"campaign in other case", Rule{Conditions: Conditions{
		Campaigns: rewards,
	}}, safaricomNumber, kes50, "exact", false},
	{"no campaign", Rule{Conditions: Conditions{
		Campaigns: rewards,
	}}, safaricomNumber, kes50, "", false},
	{
		"all but one", Rule{
			Conditions: Conditions{
				Networks:   networks{airtime.Safaricom},
				Currencies: currencies{"KES"},
				Min:        bounds{"KES": 1},
				Max:        bounds{"KES": 9000},
				Campaigns:  rewards,
			},
		}, safaricomNumber, kes50, "x", false,
	},
	{
		"all", Rule{
			Conditions: Conditions{
				Networks:   networks{airtime.Safaricom},
				Currencies: currencies{"KES"},
				Min:        bounds{"KES": 1},
				Max:        bounds{"KES": 9000},
				Campaigns:  rewards,
			},
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
		Rule{Conditions: Conditions{
			Networks: []airtime.Network{airtime.Airtel},
		}, Providers: []string{"quicksms"}},
		Rule{Conditions: Conditions{Campaigns: []string{"c"}}, Providers: []string{"sozuri"}},
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

func TestNetworksThatAProviderDoesNotTakeGoToTheNext(t *testing.T) {
	t.Parallel()
	fussy := func(providers ...string) Rules {
		rules := routedRules(Rule{Providers: providers})
		sozuri := rules.Providers["sozuri"]
		sozuri.Networks = []airtime.Network{airtime.Safaricom, airtime.Airtel, airtime.Telkom}
		rules.Providers["sozuri"] = sozuri
		return rules
	}
	to := func(digits string) airtime.Recipient { return recipient(digits, money(1000, "KES")) }
	rules := fussy("sozuri", "quicksms")
	require.Equal(t, "sozuri", providerOf(rules, "", to(safaricomNumber)))
	require.Equal(t, "quicksms", providerOf(rules, "", to(otherNumber)))

	rules = fussy("quicksms", "sozuri")
	next, _, found := rules.Next("", to(safaricomNumber), "quicksms")
	require.True(t, found)
	require.Equal(t, "sozuri", next)
	_, _, found = rules.Next("", to(otherNumber), "quicksms")
	require.False(t, found)
}

func BenchmarkRoute(b *testing.B) {
	rules := routedRules(Rule{
		Conditions: Conditions{
			Networks: networks{airtime.Airtel},
		}, Providers: []string{"sozuri", "quicksms"},
	})
	to := recipient(airtelNumber, money(1050, "KES"))
	choices := rules.Choices("KES", "november")
	b.ReportAllocs()
	for b.Loop() {
		rules.CoverageFor(choices, to)
	}
}
