package config

import (
	"fmt"
	"os"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"tuma/internal/airtime"
	"tuma/internal/providers"
	"tuma/internal/routing"
)

// loadYAML loads a configuration file with the text.
func loadYAML(t *testing.T, text string) (*Config, error) {
	t.Helper()
	return load(map[string]string{"TUMA_CONFIG": write(t, text)})
}

// wholeRouting uses everything that rules and rates can say.
const wholeRouting = `
routing:
  rules:
    - name: airtel
      networks: [airtel, other]
      currencies: [KES, UGX]
      min_amount: "50"
      max_amount: 5000
      campaigns: [rewards-*, Summer Sale]
      providers: [africastalking, sozuri]
      when_paused: move
      when_refused: keep
    - {name: cents, currencies: [KES], min_amount: 10.50, providers: [quicksms], priority: high}
    - {name: quick, networks: [telkom], providers: [lipad, sozuri], when_paused: move,
       move_after: 0s}
    - {name: all.the-rest_2, providers: [lipad, africastalking], when_paused: hold}
  ported:
    "254711000000": airtel
    0733000001: safaricom
    +254 711 000 002: telkom
rates:
  sozuri: {per_second: 2.5, burst: 50}
  lipad: {per_second: 2.5}
  quicksms: {per_second: "0.1"}
  africastalking: {per_second: 10000}
`

func TestRouting(t *testing.T) {
	t.Parallel()
	c, err := loadYAML(t, wholeRouting)
	require.NoError(t, err)
	type bounds = map[airtime.Currency]int64
	require.Equal(t, []routing.Rule{
		{
			Name: "airtel", Conditions: routing.Conditions{
				Networks:   []airtime.Network{airtime.Airtel, airtime.OtherNetwork},
				Currencies: []airtime.Currency{"KES", "UGX"},
				Min:        bounds{"KES": 5000, "UGX": 50},
				Max:        bounds{"KES": 500_000, "UGX": 5000},
				Campaigns:  []string{"rewards-*", "Summer Sale"},
			},
			Providers: []string{"africastalking", "sozuri"}, MovePaused: true,
			MoveAfter: 30 * time.Second,
		},
		{
			Name: "cents", Conditions: routing.Conditions{
				Currencies: []airtime.Currency{"KES"}, Min: bounds{"KES": 1050},
			}, Providers: []string{"quicksms"}, High: true,
		},
		{
			Name: "quick", Conditions: routing.Conditions{
				Networks: []airtime.Network{airtime.Telkom},
			},
			Providers: []string{"lipad", "sozuri"}, MovePaused: true, MoveRefused: true,
		},
		{
			Name: "all.the-rest_2", Providers: []string{"lipad", "africastalking"},
			MoveRefused: true,
		},
	}, c.Routing.Routing)
	require.Equal(t, map[string]airtime.Network{
		"254711000000": airtime.Airtel, "254733000001": airtime.Safaricom,
		"254711000002": airtime.Telkom,
	}, c.Routing.Ported)
	require.Equal(t, map[string]providers.Rate{
		"sozuri": {PerSecond: 2.5, Burst: 50}, "lipad": {PerSecond: 2.5, Burst: 3},
		"quicksms":       {PerSecond: 0.1, Burst: 1},
		"africastalking": {PerSecond: 10000, Burst: 10000},
	}, ratesOf(c))
	described := strings.Join(c.Describe(), "\n")
	for _, line := range []string{
		"routing.rules.airtel=africastalking,sozuri\nrouting.rules.cents=quicksms\n",
		"routing.rules.all.the-rest_2=lipad,africastalking\n", "routing.ported=3 numbers",
		"\nrates.quicksms=0.1 per second, burst 1\n", "\nrates.sozuri=2.5 per second, burst 50\n",
	} {
		require.Contains(t, described, line)
	}
	require.NotContains(t, described, "254711000000")
}

// ratesOf are the rates that are bounded, by provider.
func ratesOf(c *Config) map[string]providers.Rate {
	rates := map[string]providers.Rate{}
	for _, i := range c.Instances {
		if i.Spec.Capabilities.Rate.PerSecond > 0 {
			rates[i.Name()] = i.Spec.Capabilities.Rate
		}
	}
	return rates
}

func TestNoRouting(t *testing.T) {
	t.Parallel()
	for _, text := range []string{"", "routing: {}\nrates: {}", "routing: {rules: [], ported: {}}"} {
		c, err := loadYAML(t, text)
		require.NoError(t, err)
		require.Empty(t, c.Routing.Routing)
		require.Empty(t, c.Routing.Ported)
		require.Empty(t, ratesOf(c))
		require.NotContains(t, strings.Join(c.Describe(), "\n"), "routing")
	}
}

// ruleProblems are what can be wrong with a rule: its fields, and the only problem.
var ruleProblems = []struct{ fields, want string }{
	{"providers: [lipad]", "routing.rules[0]: must have a name"},
	{"name: a b, providers: [lipad]", `.name="a b": must be 1 to 64`},
	{"name: a", "routing.rules[0]: must name its providers"},
	{"name: a, providers: [mpesa]", `.providers="mpesa": is no provider; there are lipad, `},
	{"name: a, providers: [lipad, sozuri, lipad]", `.providers="lipad": is there twice`},
	{"name: a, providers: [lipad], colour: red", ".colour: there is no such setting"},
	{"name: a, providers: [lipad], networks: []", ".networks: must be a list of at least one"},
	{"name: a, providers: [lipad], networks: airtel", ".networks: must be a list of networks"},
	{"name: a, providers: [lipad], networks: [mtn]", `.networks="mtn": must be one of safaricom, `},
	{"name: a, providers: [lipad], currencies: [KSH]", `.currencies="KSH": is not a known currency`},
	{
		"name: a, providers: [lipad], currencies: [KSH], min_amount: 1",
		`.currencies="KSH": is not a known currency`,
	},
	{"name: a, providers: [lipad], min_amount: 1", `.min_amount="1": needs currencies`},
	{
		"name: a, providers: [lipad], currencies: [KES, UGX], max_amount: 1.5",
		`.max_amount="1.5": has more decimals than UGX`,
	},
	{
		"name: a, providers: [lipad], currencies: [KES], min_amount: 1e3",
		`.min_amount="1e3": must be a plain decimal`,
	},
	{
		"name: a, providers: [lipad], currencies: [KES], min_amount: 2, max_amount: 1.99",
		`.max_amount="1.99": must not be below min_amount`,
	},
	{"name: a, providers: [lipad], campaigns: ['*']", `.campaigns="*": must be a name; leave`},
	{"name: a, providers: [lipad], campaigns: ['']", `.campaigns="": must be a name; leave`},
	{"name: a, providers: [lipad], campaigns: [a*b]", `.campaigns="a*b": may have an asterisk only`},
	{"name: a, providers: [lipad], campaigns: [a**]", `.campaigns="a**": may have an asterisk only`},
	{`name: a, providers: [lipad], campaigns: ["a\tb"]`, `.campaigns="a\tb": may hold only printable`},
	{"name: a, providers: [lipad], when_paused: move", `.when_paused="move": needs a second`},
	{"name: a, providers: [lipad], when_refused: move", `.when_refused="move": needs a second`},
	{
		"name: a, providers: [lipad, sozuri], when_paused: keep",
		`.when_paused="keep": must be one of hold, move`,
	},
	{
		"name: a, providers: [lipad, sozuri], when_refused: hold",
		`.when_refused="hold": must be one of keep, move`,
	},
	{
		"name: a, providers: [lipad], priority: urgent",
		`.priority="urgent": must be one of high, normal`,
	},
	{"name: a, providers: [lipad, sozuri], move_after: 1s", `.move_after="1s": needs when_paused`},
	{
		"name: a, providers: [lipad, sozuri], when_paused: move, move_after: 25h",
		`.move_after="25h": must be a duration such as 30s, from 0s to 24h`,
	},
	{
		"name: a, providers: [lipad, sozuri], when_paused: move, move_after: -1s",
		`.move_after="-1s": must be a duration`,
	},
}

func TestRuleProblems(t *testing.T) {
	t.Parallel()
	for _, row := range ruleProblems {
		_, err := loadYAML(t, "# A rule.\nrouting:\n  rules:\n    - {"+row.fields+"}\n")
		var problems Problems
		require.ErrorAs(t, err, &problems, row.fields)
		require.Len(t, problems, 1, row.fields)
		require.Contains(t, problems[0], " line 4: routing.rules[0]", row.fields)
		require.Contains(t, problems[0], row.want)
	}
}

func TestRoutingProblemsNameTheLine(t *testing.T) {
	t.Parallel()
	long := strings.Repeat("é", 129)
	for text, want := range map[string]string{
		"routing: 1":                    "line 1: routing: must be a mapping",
		"routing:\n  rule: []":          "line 2: routing.rule: there is no such setting",
		"routing: {rules: {}}":          "line 1: routing.rules: must be a list of rules",
		"routing: {rules: [lipad]}":     "line 1: routing.rules[0]: must be a mapping",
		"routing: {ported: [1]}":        "line 1: routing.ported: must be a mapping",
		"rates: []":                     "line 1: rates: must be a mapping",
		"rates:\n  mpesa: {}":           `line 2: rates.mpesa: "mpesa" is no provider`,
		"rates: {lipad: 5}":             "line 1: rates.lipad: must be a mapping",
		"rates: {lipad: {}}":            "line 1: rates.lipad: must say per_second",
		"rates: {lipad: {per_hour: 1}}": "rates.lipad.per_hour: there is no such setting",
		"rates: {lipad: {per_second: 0}}": `rates.lipad.per_second="0": must be a number above 0 ` +
			`and up to 10000`,
		"rates: {lipad: {per_second: -1}}":             `rates.lipad.per_second="-1": must be a`,
		"rates: {lipad: {per_second: NaN}}":            `rates.lipad.per_second="NaN": must be a`,
		"rates: {lipad: {per_second: 10000.1}}":        `rates.lipad.per_second="10000.1": must be a`,
		"rates: {lipad: {per_second: 1, burst: 0}}":    `rates.lipad.burst="0": must be a whole number`,
		"rates: {lipad: {per_second: 1, burst: 1.5}}":  `rates.lipad.burst="1.5": must be a whole`,
		"rates: {lipad: {per_second: 1, burst: 1e9}}":  `rates.lipad.burst="1e9": must be a whole`,
		"rates: {lipad: {per_second: [1], burst: 10}}": "rates.lipad.per_second: must be a plain",
		"routing:\n  rules:\n  - {name: a, providers: [lipad]}\n  - {name: b, providers: [lipad]}": "" +
			"line 4: routing.rules[1]: is never reached: routing.rules[0] has no conditions",
		"routing:\n  rules:\n  - {name: a, networks: [airtel], providers: [lipad]}\n" +
			"  - {name: a, providers: [lipad]}": `line 4: routing.rules[1].name="a": an earlier rule`,
		"routing: {rules: [{name: a, providers: [lipad], campaigns: [" + long + "]}]}": "is longer " +
			"than 128 characters",
	} {
		_, err := loadYAML(t, text)
		require.ErrorContains(t, err, want, text)
	}
}

func TestNoPortedNumberIsShown(t *testing.T) {
	t.Parallel()
	for text, want := range map[string]string{
		"routing: {ported: {254711000123: mtn}}": "routing.ported.…: the network of 254711•••123 must " +
			"be one of safaricom",
		"routing: {ported: {254711000123: 254722000123}}": "the network of 254711•••123 must be one of",
		"routing: {ported: {254711000123: ''}}":           "the network of 254711•••123 must be one of",
		"routing: {ported: {254711000123: [airtel]}}":     "routing.ported.…: must be a plain value",
		"routing: {ported: {airtel: 254711000123}}":       "routing.ported.airtel: may hold only digits",
		"routing: {ported: {2547110001234: airtel}}":      "has not nine digits after 254",
		"routing: {ported: {256772000123: airtel}}":       "256772•••123 is not a Kenyan number",
		"routing:\n  ported:\n    0711000123: airtel\n    254711000123: telkom": "line 4: " +
			"routing.ported.…: 254711•••123 is there twice",
		"routing:\n  ported:\n    254711000123: airtel\n    254711000123: telkom": "line 4: " +
			"routing.ported.…: is there twice",
		"routing: {254711000123: airtel}":         "routing.…: there is no such setting",
		"0711 000 123: airtel":                    "line 1: …: there is no such setting",
		"a: &x airtel\n+254711000123: *x":         "line 2: +…: aliases and complex keys are not",
		"rates: {254711000123: {per_second: 10}}": `rates.…: "…" is no provider`,
	} {
		_, err := loadYAML(t, text)
		require.ErrorContains(t, err, want, text)
		require.NotRegexp(t, `\d{6,}123`, err.Error(), text)
	}
}

func TestManyPortedNumbers(t *testing.T) {
	t.Parallel()
	const count = 40_000
	var text strings.Builder
	text.WriteString("routing:\n  ported:\n")
	for i := range count {
		fmt.Fprintf(&text, "    \"2547%08d\": telkom\n", 11_000_000+i)
	}
	c, err := loadYAML(t, text.String())
	require.NoError(t, err)
	require.Len(t, c.Routing.Ported, count)
	text.WriteString(strings.Repeat("# Too much.\n", maxYAML/12))
	_, err = loadYAML(t, text.String())
	require.ErrorContains(t, err, "is larger than 8388608 bytes")
}

func TestSozuriCallbackKeyTurnsNothingOn(t *testing.T) {
	t.Parallel()
	c, err := load(map[string]string{"SOZURI_CALLBACK_KEY": "key-hush"})
	require.NoError(t, err)
	require.Equal(t, "key-hush", c.Instance("sozuri").Secret("callback_key").Value())
	require.Empty(t, c.Providers())
	require.Contains(t, c.Describe(), "SOZURI_CALLBACK_KEY=[secret]")
}

// yamlBlock matches the examples of a page.
var yamlBlock = regexp.MustCompile("(?s)```yaml\n(.*?)```")

func TestTheExamplesOfThePageLoad(t *testing.T) {
	t.Parallel()
	page, err := os.ReadFile("../../docs/routing.md")
	require.NoError(t, err)
	blocks := yamlBlock.FindAllSubmatch(page, -1)
	require.Len(t, blocks, 1)
	c, err := loadYAML(t, string(blocks[0][1]))
	require.NoError(t, err)
	require.Len(t, c.Routing.Routing, 3)
	require.True(t, c.Routing.Routing[0].MovePaused)
	require.Len(t, c.Routing.Ported, 1)
	require.Len(t, ratesOf(c), 1)
}
