package intake

import (
	"bytes"
	"fmt"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"

	"tuma/internal/airtime"
	"tuma/internal/providers"
	"tuma/internal/routing"
	"tuma/internal/state"
)

// routedRules are testRules with quicksms, which takes whole shillings, and these rules.
func routedRules(list ...routing.Rule) Rules {
	rules := testRules()
	rules.Providers["quicksms"] = providers.Capabilities{
		Name: "quicksms", MaxRecipients: 1000, WholeUnits: true,
		Limits: map[airtime.Currency]providers.Limit{"KES": {Min: 1000, Max: 1_000_000}},
	}
	rules.Routing = list
	return rules
}

// airtelToSozuri sends Airtel numbers to Sozuri, and what it does not take to QuickSMS.
func airtelToSozuri() Rules {
	return routedRules(routing.Rule{
		Name: "airtel", Conditions: routing.Conditions{
			Networks: []airtime.Network{airtime.Airtel},
		},
		Providers: []string{"sozuri", "quicksms"},
	})
}

func TestRoutedFaults(t *testing.T) {
	t.Parallel()
	rules := routedRules(
		routing.Rule{Conditions: routing.Conditions{
			Networks: []airtime.Network{airtime.Airtel},
		}, Providers: []string{"sozuri"}},
		routing.Rule{Conditions: routing.Conditions{
			Campaigns: []string{"whole"},
		}, Providers: []string{"quicksms", "sozuri"}},
		routing.Rule{Conditions: routing.Conditions{
			Campaigns: []string{"gone"},
		}, Providers: []string{"mpesa"}},
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
		plain, routed := names(routedRules()), names(routedRules(routing.Rule{
			Conditions: routing.Conditions{
				Campaigns: []string{rapid.SampledFrom([]string{"a", "b*", "*"}).Draw(t, "campaigns")},
			},
			Providers: rapid.Permutation([]string{"lipad", "sozuri", "quicksms", "mpesa"}).Draw(t, "order"),
		}))
		for recipient, what := range routed {
			require.Equal(t, plain[recipient], what, "renamed")
		}
	})
}

// manyRules are ten rules of which the last matches, and 100,000 ported numbers.
func manyRules() Rules {
	var list []routing.Rule
	for i := range 10 {
		list = append(list, routing.Rule{
			Conditions: routing.Conditions{
				Networks:   []airtime.Network{airtime.Telkom, airtime.Equitel, airtime.Safaricom},
				Currencies: []airtime.Currency{"UGX", "KES"},
				Min:        map[airtime.Currency]int64{"KES": 500},
				Campaigns:  []string{fmt.Sprintf("september-%d*", i)},
			},
			Providers: []string{"sozuri", "lipad"},
		})
	}
	list[9].Campaigns = []string{"november*"}
	rules := routedRules(list...)
	rules.Ported = map[string]airtime.Network{}
	for i := range 100_000 {
		rules.Ported[fmt.Sprintf("2547%08d", i*7)] = airtime.Telkom
	}
	return rules
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
