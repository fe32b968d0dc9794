package config

import (
	"fmt"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"tuma/internal/airtime"
	"tuma/internal/routing"
)

// wholeGuards uses everything that guards and approvals can say.
const wholeGuards = `
timezone: Europe/Berlin
guards:
  - name: november-budget
    limit: {KES: "500000", UGX: 1000}
    per: day
    of: campaign
    campaigns: [rewards-*, Summer Sale]
    producers: [shop, shop-2]
    then: hold
  - {name: per-phone, count: 3, limit: {KES: 1000.50}, per: week, of: phone, networks: [airtel],
     currencies: [KES], min_amount: 5, max_amount: "500"}
  - {name: nothing-there, limit: {UGX: 0}, per: month, of: all, campaigns: ["*"], then: refuse}
  - {name: half.past_2, duplicate_within: 90m, then: refuse}
  - {name: same-again, duplicate_within: 30d, campaigns: ["*", november]}
approvals:
  - {name: big, above: {KES: "50000"}, campaigns: ["*"]}
  - {name: every.one_2, above: {KES: 0, UGX: "0"}, producers: [shop], networks: [telkom]}
`

func TestGuards(t *testing.T) {
	t.Parallel()
	c, err := loadYAML(t, wholeGuards)
	require.NoError(t, err)
	type money = map[airtime.Currency]int64
	require.Equal(t, []routing.Guard{
		{
			Name: "november-budget", Limit: money{"KES": 50_000_000, "UGX": 1000},
			Per: routing.PerDay, Of: routing.OfCampaign,
			Conditions: routing.Conditions{
				Campaigns: []string{"rewards-*", "Summer Sale"}, Producers: []string{"shop", "shop-2"},
			},
		},
		{
			Name: "per-phone", Count: 3, Limit: money{"KES": 100_050},
			Per: routing.PerWeek, Of: routing.OfPhone,
			Conditions: routing.Conditions{
				Networks: []airtime.Network{airtime.Airtel}, Currencies: []airtime.Currency{"KES"},
				Min: money{"KES": 500}, Max: money{"KES": 50_000},
			},
		},
		{
			Name: "nothing-there", Limit: money{"UGX": 0}, Per: routing.PerMonth, Of: routing.OfAll,
			Conditions: routing.Conditions{Campaigns: []string{"*"}}, Refuse: true,
		},
		{Name: "half.past_2", DuplicateWithin: 90 * time.Minute, Refuse: true},
		{
			Name: "same-again", DuplicateWithin: 30 * 24 * time.Hour,
			Conditions: routing.Conditions{Campaigns: []string{"*", "november"}},
		},
	}, c.Routing.Guards)
	require.Equal(t, []routing.Approval{
		{
			Name: "big", Above: money{"KES": 5_000_000},
			Conditions: routing.Conditions{Campaigns: []string{"*"}},
		},
		{
			Name: "every.one_2", Above: money{"KES": 0, "UGX": 0},
			Conditions: routing.Conditions{
				Producers: []string{"shop"}, Networks: []airtime.Network{airtime.Telkom},
			},
		},
	}, c.Routing.Approvals)
	require.Equal(t, "Europe/Berlin", c.Timezone.String(), "the periods of guards are of this zone")
	require.Contains(t, strings.Join(c.Describe(), "\n"), `
guards.november-budget=KES 500000.00, UGX 1000 per day of campaign, hold
guards.per-phone=3 recipients, KES 1000.50 per week of phone, hold
guards.nothing-there=UGX 0 per month of all, refuse
guards.half.past_2=duplicates within 1h30m, refuse
guards.same-again=duplicates within 720h, hold
approvals.big=above KES 50000.00
approvals.every.one_2=above KES 0.00, UGX 0`)
}

func TestNoGuards(t *testing.T) {
	t.Parallel()
	for _, text := range []string{"", "guards: []\napprovals: []"} {
		c, err := loadYAML(t, text)
		require.NoError(t, err)
		require.Empty(t, c.Routing.Guards)
		require.Empty(t, c.Routing.Approvals)
	}
}

// TestEveryPeriodAndSubject: each word of a guard is one that the scripts know.
func TestEveryPeriodAndSubject(t *testing.T) {
	t.Parallel()
	for per, want := range map[string]routing.Period{
		"hour": routing.PerHour, "day": routing.PerDay, "week": routing.PerWeek,
		"month": routing.PerMonth,
	} {
		for of, subject := range map[string]routing.Subject{
			"all": routing.OfAll, "provider": routing.OfProvider, "producer": routing.OfProducer,
			"campaign": routing.OfCampaign, "phone": routing.OfPhone,
		} {
			c, err := loadYAML(t, fmt.Sprintf("guards: [{name: a, count: 1, per: %s, of: %s}]", per, of))
			require.NoError(t, err)
			require.Equal(t, []routing.Guard{{Name: "a", Count: 1, Per: want, Of: subject}},
				c.Routing.Guards)
		}
	}
}

// guardProblems are what can be wrong with a guard: its fields, and the only problem.
var guardProblems = []struct{ fields, want string }{
	{"count: 1, per: day, of: all", ": must have a name"},
	{"name: [a], count: 1, per: day, of: all", ".name: must be a plain value"},
	{
		"name: a b, count: 1, per: day, of: all",
		`.name="a b": must be 1 to 64 letters, digits, dots`,
	},
	{"name: a", ": must have duplicate_within; or limit or count with per and of"},
	{"name: a, then: hold", ": must have duplicate_within; or limit or count with per and of"},
	{"name: a, per: day, of: all", ": must have limit or count"},
	{"name: a, count: 1, per: day", ": must have of"},
	{"name: a, limit: {KES: 1}, of: all", ": must have per"},
	{
		"name: a, count: 1, per: year, of: all",
		`.per="year": must be one of hour, day, week, month`,
	},
	{
		"name: a, count: 1, per: day, of: number",
		`.of="number": must be one of all, provider, producer, campaign, phone`,
	},
	{
		"name: a, count: 0, per: day, of: all",
		`.count="0": must be a whole number from 1 to 1000000000`,
	},
	{"name: a, count: 1.5, per: day, of: all", `.count="1.5": must be a whole number`},
	{
		"name: a, count: 1, per: day, of: all, then: stop",
		`.then="stop": must be one of hold, refuse`,
	},
	{"name: a, limit: 5, per: day, of: all", ".limit: must be a mapping of names to values"},
	{
		"name: a, limit: {}, per: day, of: all",
		".limit: must have an amount in at least one currency",
	},
	{"name: a, limit: {KSH: 5}, per: day, of: all", `.limit.KSH: "KSH" is not a known currency`},
	{"name: a, limit: {KES: [5]}, per: day, of: all", ".limit.KES: must be a plain value"},
	{"name: a, limit: {KES: 1e3}, per: day, of: all", `.limit.KES="1e3": must be a plain decimal`},
	{"name: a, limit: {KES: -1}, per: day, of: all", `.limit.KES="-1": must be a plain decimal`},
	{
		"name: a, limit: {KES: 1.005}, per: day, of: all",
		`.limit.KES="1.005": has more decimals than KES`,
	},
	{
		"name: a, limit: {UGX: 1.5}, per: day, of: all",
		`.limit.UGX="1.5": has more decimals than UGX`,
	},
	{"name: a, limit: {KES: 10000000001}, per: day, of: all", `.limit.KES="…": is too large`},
	{
		"name: a, limit: {KES: 5}, per: day, of: all, currencies: [UGX]",
		`.limit.KES="5": never applies: add the currency to currencies, or leave those out`,
	},
	{
		"name: a, duplicate_within: 59s",
		`.duplicate_within="59s": must be a duration such as 24h or 30d`,
	},
	{"name: a, duplicate_within: 0m", `.duplicate_within="0m": must be a duration`},
	{
		"name: a, duplicate_within: 90s", `.duplicate_within="90s": must be a duration such as ` +
			"24h or 30d, from 1m to 30d, in whole minutes",
	},
	{"name: a, duplicate_within: 31d", `.duplicate_within="31d": must be a duration`},
	{"name: a, duplicate_within: 720h1m", `.duplicate_within="720h1m": must be a duration`},
	{"name: a, duplicate_within: 24", `.duplicate_within="24": must be a duration`},
	{"name: a, duplicate_within: [24h]", ".duplicate_within: must be a plain value"},
	{
		"name: a, duplicate_within: 24h, per: day, of: all, count: 3",
		".count: does not go with duplicate_within: make two guards of it",
	},
	{"name: a, duplicate_within: 24h, of: phone", ".of: does not go with duplicate_within"},
	{
		"name: a, duplicate_within: 24h, limit: {KES: 5}",
		".limit: does not go with duplicate_within",
	},
	{
		"name: a, duplicates_within: 24h, count: 1, per: day, of: all",
		".duplicates_within: there is no such setting; did you mean duplicate_within?",
	},
	{
		"name: a, duplicate_within: 1h, campaign: x",
		".campaign: there is no such setting; did you mean campaigns?",
	},
	{"name: a, duplicate_within: 1h, networks: []", ".networks: must be a list of at least one"},
	{
		"name: a, duplicate_within: 1h, networks: [mtn]",
		`.networks="mtn": must be one of safaricom, `,
	},
	{"name: a, duplicate_within: 1h, currencies: [K]", `.currencies="K": is not a known currency`},
	{
		"name: a, duplicate_within: 1h, min_amount: 1",
		`.min_amount="1": needs currencies: list those`,
	},
	{
		"name: a, duplicate_within: 1h, currencies: [KES], min_amount: 2, max_amount: 1",
		`.max_amount="1": must not be below min_amount`,
	},
	{
		"name: a, duplicate_within: 1h, campaigns: ['**']",
		`.campaigns="**": may have an asterisk only`,
	},
	{"name: a, duplicate_within: 1h, campaigns: ['']", `.campaigns="": must be a name; leave`},
	{"name: a, duplicate_within: 1h, campaigns: [x, x]", `.campaigns="x": is there twice`},
	{"name: a, duplicate_within: 1h, producers: []", ".producers: must be a list of at least one"},
	{
		"name: a, duplicate_within: 1h, producers: [a b]",
		`.producers="a b": must be a producer of TUMA_HTTP_TOKENS: 1 to 32 letters`,
	},
	{"name: a, duplicate_within: 1h, producers: [x, x]", `.producers="x": is there twice`},
	{
		"name: a, duplicate_within: 1h}, {name: a, count: 1, per: day, of: all",
		`guards[1].name="a": an earlier guard has the same name`,
	},
}

func TestGuardProblems(t *testing.T) {
	t.Parallel()
	for _, row := range guardProblems {
		requireOneProblem(t, "guards", row.fields, row.want)
	}
}

// approvalProblems are the same of approvals. What they share with guards is not looked at twice.
var approvalProblems = []struct{ fields, want string }{
	{"above: {KES: 1}", ": must have a name"},
	{"name: a/b, above: {KES: 1}", `.name="a/b": must be 1 to 64 letters`},
	{"name: a", ": must have above"},
	{"name: a, above: 50000", ".above: must be a mapping of names to values"},
	{"name: a, above: {}", ".above: must have an amount in at least one currency"},
	{"name: a, above: {KES: all}", `.above.KES="all": must be a plain decimal`},
	{"name: a, above: {KES: 1}, currencies: [UGX]", `.above.KES="1": never applies`},
	{
		"name: a, above: {KES: 1}, then: hold",
		".then: there is no such setting; did you mean name?",
	},
	{
		"name: a, above: {KES: 1}, producer: [x]",
		".producer: there is no such setting; did you mean producers?",
	},
	{
		"name: a, above: {KES: 1}}, {name: a, above: {KES: 2}",
		`approvals[1].name="a": an earlier approval has the same name`,
	},
}

func TestApprovalProblems(t *testing.T) {
	t.Parallel()
	for _, row := range approvalProblems {
		requireOneProblem(t, "approvals", row.fields, row.want)
	}
}

// requireOneProblem loads a list of one entry, on the third line, and wants one problem of it.
func requireOneProblem(t *testing.T, list, fields, want string) {
	t.Helper()
	_, err := loadYAML(t, "# A list.\n"+list+":\n  - {"+strings.ReplaceAll(fields, "}, {name",
		"}\n  - {name")+"}\n")
	var problems Problems
	require.ErrorAs(t, err, &problems, fields)
	require.Len(t, problems, 1, fields)
	require.Regexp(t, ` line [34]: `+list+`\[[01]\]`, problems[0], fields)
	require.Contains(t, problems[0], want)
}

func TestListsOfGuardsMadeWrong(t *testing.T) {
	t.Parallel()
	many := strings.Repeat("- {name: g~, duplicate_within: 1h}\n", routing.MaxGuards+1)
	for i := range routing.MaxGuards + 1 {
		many = strings.Replace(many, "~", fmt.Sprint(i), 1)
	}
	for text, want := range map[string]string{
		"guards: 1":          "line 1: guards: must be a list of guards",
		"guards:":            "line 1: guards: must be a list of guards",
		"guards: {a: 1}":     "line 1: guards: must be a list of guards",
		"guards: [daily]":    "line 1: guards[0]: must be a mapping of names to values",
		"guards: [null]":     "line 1: guards[0]: must be a mapping of names to values",
		"approvals: {}":      "line 1: approvals: must be a list of approvals",
		"approvals: [1]":     "line 1: approvals[0]: must be a mapping of names to values",
		"gaurds: []":         "line 1: gaurds: there is no such setting; did you mean guards?",
		"approval: []":       "line 1: approval: there is no such setting; did you mean approvals?",
		"guards: []\n#\n3: ": "line 3: 3: there is no such setting",
		"guards:\n" + many:   "line 2: guards: there are 33, and at most 32 are possible: join some",
		"approvals:\n" + strings.ReplaceAll(many, "duplicate_within: 1h", "above: {KES: 1}"): "" +
			"line 2: approvals: there are 33, and at most 32 are possible: join some",
		"routing: {rules: [{name: a, providers: [lipad], producers: [shop]}]}": "" +
			"routing.rules[0].producers: there is no such setting; did you mean providers?",
		"timezone: Nairobi": `timezone="Nairobi": must be the name of a time zone`,
	} {
		_, err := loadYAML(t, text)
		require.ErrorContains(t, err, want, text)
		require.Len(t, err, 1, text)
	}
	_, most, _ := strings.Cut(many, "\n") // The first of them left out.
	_, err := loadYAML(t, "guards:\n"+most)
	require.NoError(t, err)
}

// TestDuplicatesOfTheForgotten: who is forgotten is no duplicate, so that the time of a guard may
// not be longer than recipients are kept, wherever that is set.
func TestDuplicatesOfTheForgotten(t *testing.T) {
	t.Parallel()
	const guards = "guards:\n  - {name: a, count: 1, per: day, of: all}\n" +
		"  - {name: b, duplicate_within: 7d}\n"
	for _, row := range []struct{ file, variable, want string }{
		{guards, "", ""},
		{guards, "168h", ""},
		{guards + "retention: 168h\n", "", ""},
		{guards + "retention: 1h\n", "8d", ""},
		{guards, "167h59m", "line 3: guards[1].duplicate_within=\"7d\": must not be longer than " +
			"TUMA_RETENTION (167h59m0s), after which recipients are forgotten"},
		{"retention: 1h\n" + guards, "", "line 4: guards[1].duplicate_within=\"7d\": must not be longer"},
		{guards, "soon", `TUMA_RETENTION="soon": must be a duration`},
	} {
		_, err := load(map[string]string{
			nameConfig: write(t, row.file), "TUMA_RETENTION": row.variable,
		})
		if row.want == "" {
			require.NoError(t, err, row)
			continue
		}
		require.ErrorContains(t, err, row.want)
		require.Len(t, err, 1)
	}
}

// TestLowFloatIsAGuard: the last one, wherever the setting is, and with a name of its own.
func TestLowFloatIsAGuard(t *testing.T) {
	t.Parallel()
	const guards = "guards: [{name: a, count: 1, per: day, of: all}]\n"
	c, err := loadYAML(t, guards+"hold_on_low_float: true\n")
	require.NoError(t, err)
	require.Len(t, c.Routing.Guards, 2)
	require.Equal(t, routing.LowFloat(), c.Routing.Guards[1])
	require.Contains(t, c.Describe(), "guards.float=what is left at each provider, hold")
	c, err = load(map[string]string{
		nameConfig: write(t, guards), "TUMA_HOLD_ON_LOW_FLOAT": "false",
	})
	require.NoError(t, err)
	require.Len(t, c.Routing.Guards, 1)
	_, err = loadYAML(t, "hold_on_low_float: true\n"+
		strings.Replace(guards, "name: a", "name: float", 1))
	require.ErrorContains(t, err, "guards: float is the name of the guard of TUMA_HOLD_ON_LOW_FLOAT")
	many := "guards:\n"
	for i := range routing.MaxGuards {
		many += fmt.Sprintf("- {name: g%d, duplicate_within: 1h}\n", i)
	}
	_, err = loadYAML(t, many+"hold_on_low_float: true\n")
	require.ErrorContains(t, err, "with TUMA_HOLD_ON_LOW_FLOAT at most 31 are possible")
}

// TestAllProblemsOfGuardsAtOnce: whoever mends a file should have to start once.
func TestAllProblemsOfGuardsAtOnce(t *testing.T) {
	t.Parallel()
	_, err := loadYAML(t, `guards:
  - {name: a b, limit: {KES: x, KSH: 1}, per: year, of: me, then: stop, colour: red}
  - {duplicate_within: 1s, producers: ["!"]}
approvals:
  - {above: {KES: -1}}
`)
	require.Error(t, err)
	var fields []string
	for _, line := range strings.Split(err.Error(), "\n") {
		_, problem, found := strings.Cut(line, " line ")
		require.True(t, found, line)
		field, _, _ := strings.Cut(problem[len("2: "):], ": ")
		fields = append(fields, field)
	}
	require.Equal(t, []string{
		`guards[0].limit.KES="x"`, "guards[0].limit.KSH", "guards[0].colour", `guards[0].name="a b"`,
		`guards[0].then="stop"`, `guards[0].per="year"`, `guards[0].of="me"`,
		`guards[1].producers="!"`, "guards[1]", `guards[1].duplicate_within="1s"`,
		`approvals[0].above.KES="-1"`, "approvals[0]",
	}, fields)
}

func TestTheExampleOfHoldsLoads(t *testing.T) {
	t.Parallel()
	page, err := os.ReadFile("../../docs/holds.md")
	require.NoError(t, err)
	blocks := yamlBlock.FindAllSubmatch(page, -1)
	require.Len(t, blocks, 1)
	c, err := loadYAML(t, string(blocks[0][1]))
	require.NoError(t, err)
	require.Len(t, c.Routing.Guards, 3)
	require.Len(t, c.Routing.Approvals, 1)
}
