package app

import (
	"os"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/require"
)

// TestTwoAccountsOfOneKind: each has limits, a rate, a queue and a code of its own, and a process
// without the list is not one of theirs.
func TestTwoAccountsOfOneKind(t *testing.T) {
	t.Parallel()
	folder := t.TempDir()
	file := func(name, text string) string {
		path := filepath.Join(folder, name)
		require.NoError(t, os.WriteFile(path, []byte(text), 0o600))
		return path
	}
	secret := file("secret", "word")
	entry := "kind: quicksms, app_key_file: " + secret + ", app_token_file: " + secret
	none := map[string]string{
		"LIPAD_BASE_URL": "", "LIPAD_CONSUMER_KEY": "", "LIPAD_CONSUMER_SECRET": "",
		"TUMA_CONFIG": file("tuma.yaml", "providers:\n"+
			"  - {name: quicksms-agents, "+entry+"}\n  - {name: quicksms, "+entry+"}\n"+
			"limits: {quicksms-agents: {KES: {max: 50}}}\nrates: {quicksms: {per_second: 3}}\n"),
	}
	a := open(t, none)
	require.Equal(t, []string{"quicksms", "quicksms-agents"}, a.names())
	require.Equal(t, "quicksms-agents", a.Rules.DefaultProvider)
	require.Len(t, a.Rules.Providers, 2)
	require.EqualValues(t, 50_00, a.Rules.Providers["quicksms-agents"].Limits["KES"].Max)
	require.EqualValues(t, 10_000_00, a.Rules.Providers["quicksms"].Limits["KES"].Max)
	known := a.Store.Options().Providers
	require.Equal(t, []string{"quicksms-agents", "quicksms"}, []string{known[0].Name, known[1].Name})
	require.Equal(t, []byte{'a', 'Q'}, []byte{known[0].Code, known[1].Code})
	require.Zero(t, known[0].Rate)
	require.InDelta(t, 3, known[1].Rate.PerSecond, 0)
	require.Contains(t, secretsOf(a.Config), "word")

	require.NoError(t, a.Store.KeepRules(t.Context(), routingOf(a.Config)))
	other := open(t, map[string]string{
		"TUMA_REDIS_URL": a.Config.RedisURL.Value(), "TUMA_DEFAULT_PROVIDER": "quicksms",
		"LIPAD_BASE_URL": "", "LIPAD_CONSUMER_KEY": "", "LIPAD_CONSUMER_SECRET": "",
	})
	err := other.CheckRules(t.Context())
	require.ErrorContains(t, err, "providers.quicksms-agents is missing here")
}
