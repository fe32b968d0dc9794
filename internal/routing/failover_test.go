package routing

import (
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"

	"tuma/internal/airtime"
)

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
			Conditions: Conditions{
				Networks: rapid.SliceOfN(
					rapid.SampledFrom(airtime.Networks()), 0, 2).Draw(t, "networks"),
				Currencies: rapid.SliceOfN(
					rapid.SampledFrom([]airtime.Currency{"KES", "UGX"}), 0, 2).Draw(t, "currencies"),
				Min:       bound.Draw(t, "min"),
				Max:       bound.Draw(t, "max"),
				Campaigns: rapid.SliceOfN(words, 0, 2).Draw(t, "campaigns"),
			},
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
			Name: "airtel", Conditions: Conditions{
				Networks: []airtime.Network{airtime.Airtel},
			}, MoveRefused: true,
			Providers: []string{"mpesa", "sozuri", "quicksms", "lipad"},
		},
		Rule{Name: "rest", Conditions: Conditions{
			Campaigns: []string{"c"},
		}, Providers: []string{"lipad", "sozuri"}},
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

// A recipient goes on past providers that are off, and stays where the rule says so.
func TestOnward(t *testing.T) {
	t.Parallel()
	rules := routedRules(Rule{
		Providers: []string{"lipad", "sozuri", "quicksms"}, MoveRefused: true, MovePaused: true,
		MoveAfter: time.Minute,
	})
	to := recipient(safaricomNumber, money(2000, "KES"))
	all := func(string) bool { return true }
	noSozuri := func(provider string) bool { return provider != "sozuri" }
	refused := func(reason airtime.Reason, on func(string) bool) string {
		return rules.AfterRefusal("", to, "lipad", reason, on)
	}
	require.Equal(t, "sozuri", refused(airtime.ReasonNetwork, all))
	require.Equal(t, "quicksms", refused(airtime.ReasonLimit, noSozuri))
	require.Empty(t, refused(airtime.ReasonRefused, all), "it may say something about the others")
	require.Empty(t, rules.AfterPause("", to, "lipad", time.Minute-1, all))
	require.Equal(t, "quicksms", rules.AfterPause("", to, "lipad", time.Minute, noSozuri))
	require.Empty(t, rules.AfterPause("", to, "quicksms", time.Hour, all), "nobody comes behind it")
	rules.Routing[0].MoveRefused, rules.Routing[0].MovePaused = false, false
	require.Empty(t, refused(airtime.ReasonNetwork, all))
	require.Empty(t, rules.AfterPause("", to, "lipad", time.Hour, all))
}
