package app

import (
	"os"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/require"

	"tuma/internal/cli"
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
