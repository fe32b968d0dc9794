package app

import (
	"os"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/require"

	"tuma/internal/cli"
	"tuma/internal/config"
	"tuma/internal/state"
)

// A process with other rules than the workers would route elsewhere in silence: it is refused, and
// told in what they differ. While workers are replaced, the old and the new rules both do.
func TestOtherRulesThanTheWorkersAreRefused(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "tuma.yaml")
	require.NoError(t, os.WriteFile(path, []byte("routing:\n  ported: {0711000001: airtel}\n"+
		"  rules:\n    - {name: airtel, networks: [airtel], providers: [sozuri]}\n"), 0o600))
	worker := open(t, map[string]string{"TUMA_CONFIG": path})
	shell := open(t, map[string]string{
		"TUMA_REDIS_URL": worker.Config.RedisURL.Value(), "TUMA_DEFAULT_PROVIDER": "quicksms",
		"LIPAD_BASE_URL": "", "LIPAD_CONSUMER_KEY": "", "LIPAD_CONSUMER_SECRET": "",
	})
	require.NoError(t, shell.CheckRules(t.Context()), "no worker was ever there")

	require.NoError(t, worker.Store.KeepRules(t.Context(), routingOf(worker.Config)))
	require.NoError(t, worker.CheckRules(t.Context()))
	err := shell.CheckRules(t.Context())
	var exit *cli.ExitError
	require.ErrorAs(t, err, &exit)
	require.Equal(t, cli.ExitUsage, exit.Code)
	require.ErrorContains(t, err, "TUMA_DEFAULT_PROVIDER is quicksms here and lipad there, "+
		"routing.ported is missing here, routing.rules.airtel is missing here; give this process the "+
		"TUMA_CONFIG, TUMA_DEFAULT_PROVIDER and TUMA_TIMEZONE of the workers (here TUMA_CONFIG=), or "+
		"say --allow-other-rules")

	require.NoError(t, worker.Store.KeepRules(t.Context(), routingOf(shell.Config)))
	require.NoError(t, worker.CheckRules(t.Context()), "one of the workers has them still")
	require.NoError(t, shell.CheckRules(t.Context()))
}

// A process in another time zone than the workers would book what it accepts on other days.
func TestAnotherTimeZoneThanTheWorkersIsRefused(t *testing.T) {
	t.Parallel()
	worker := open(t, nil)
	shell := open(t, map[string]string{
		"TUMA_REDIS_URL": worker.Config.RedisURL.Value(), "TUMA_TIMEZONE": "UTC",
	})
	require.NoError(t, worker.Store.KeepRules(t.Context(), routingOf(worker.Config)))
	require.NoError(t, worker.CheckRules(t.Context()))
	require.ErrorContains(t, shell.CheckRules(t.Context()), "TUMA_TIMEZONE is only here")
}

// A process that holds on a low float, or does not, is named by the setting.
func TestTheWorkersHoldOnALowFloat(t *testing.T) {
	t.Parallel()
	worker := open(t, map[string]string{"TUMA_HOLD_ON_LOW_FLOAT": "true"})
	shell := open(t, map[string]string{"TUMA_REDIS_URL": worker.Config.RedisURL.Value()})
	require.NoError(t, worker.Store.KeepRules(t.Context(), routingOf(worker.Config)))
	require.NoError(t, worker.CheckRules(t.Context()))
	require.ErrorContains(t, shell.CheckRules(t.Context()), "TUMA_HOLD_ON_LOW_FLOAT is missing here")
}

// Guards and approvals that the workers do not have would hold others, or nobody. Their order
// counts, too: the first that applies is the one that is named.
func TestOtherGuardsThanTheWorkersAreRefused(t *testing.T) {
	t.Parallel()
	file := func(text string) string {
		path := filepath.Join(t.TempDir(), "tuma.yaml")
		require.NoError(t, os.WriteFile(path, []byte(text), 0o600))
		return path
	}
	const daily, again = "{name: daily, count: 3, per: day, of: phone}",
		"{name: again, duplicate_within: 24h}"
	worker := open(t, map[string]string{"TUMA_CONFIG": file(
		"guards: [" + daily + ", " + again + "]\napprovals: [{name: big, above: {KES: 50000}}]\n")})
	require.Equal(t, worker.Config.Routing.Guards, worker.Store.Options().Rules.Guards)
	require.Len(t, worker.Store.Options().Rules.Guards, 2)
	require.NoError(t, worker.Store.KeepRules(t.Context(), routingOf(worker.Config)))
	require.NoError(t, worker.CheckRules(t.Context()))
	for text, want := range map[string]string{
		"": "approvals.big is missing here, guards.again is missing here, guards.daily is missing here;",
		"guards: [" + again + ", " + daily + "]\napprovals: [{name: big, above: {KES: 50000}}]\n": "" +
			"guards.again differs, guards.daily differs;",
		"guards: [" + daily + ", {name: again, duplicate_within: 24h, producers: [shop]}]\n" +
			"approvals: [{name: big, above: {KES: 50000.01}}, {name: all, above: {UGX: 0}}]\n": "" +
			"approvals.all is only here, approvals.big differs, guards.again differs;",
	} {
		shell := open(t, map[string]string{
			"TUMA_REDIS_URL": worker.Config.RedisURL.Value(), "TUMA_CONFIG": file(text),
		})
		require.ErrorContains(t, shell.CheckRules(t.Context()), want)
	}
}

// Digests are compared with those of processes of an earlier version while workers are replaced.
func TestDigestsOfRulesStayTheSame(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "tuma.yaml")
	require.NoError(t, os.WriteFile(path, []byte(`routing:
  rules:
    - {name: few, networks: [airtel, telkom], currencies: [KES], min_amount: 10, max_amount: "5000",
       campaigns: [rewards-*], providers: [sozuri, lipad], when_paused: move}
    - {name: rest, providers: [lipad]}
  ported: {0711000001: airtel}
`), 0o600))
	c, err := config.Load(func(name string) string {
		return map[string]string{"TUMA_CONFIG": path}[name]
	}, nil)
	require.NoError(t, err)
	require.Equal(t, state.Rules{
		"TUMA_DEFAULT_PROVIDER": "lipad", "routing.ported": "74e397988395cd82",
		"routing.rules.few": "0 85d01fdd4b9f2c95", "routing.rules.rest": "1 bdb0f6faf45d3121",
	}, routingOf(c))
}
