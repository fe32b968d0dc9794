package catalog

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"tuma/internal/providers"
)

func TestKnownProvidersNeedNoCredentials(t *testing.T) {
	t.Parallel()
	seen, codes := map[string]bool{}, map[byte]bool{}
	for _, c := range Known() {
		require.NotEmpty(t, c.Name)
		require.False(t, seen[c.Name], "%s is listed twice", c.Name)
		seen[c.Name] = true
		require.Positive(t, c.MaxRecipients)
		require.False(t, codes[c.Code], "%s has the code of another", c.Name)
		codes[c.Code] = true
		require.Equal(t, c.Patience > 0, !c.Accepted.Settled(), "%s: who stays open has a limit", c.Name)
		require.True(t, c.Accepted.Effect(), "%s: acceptance is evidence", c.Name)
		require.NotEmpty(t, c.Limits)
		for currency, limit := range c.Limits {
			require.True(t, currency.Known(), currency)
			require.Positive(t, limit.Min)
			require.GreaterOrEqual(t, limit.Max, limit.Min)
		}
	}
}

func TestCallersMayChangeTheirLimits(t *testing.T) {
	t.Parallel()
	Known()[0].Limits["KES"] = providers.Limit{Min: 1, Max: 2}
	require.NotEqual(t, int64(2), Known()[0].Limits["KES"].Max, "each caller has its own copy")
}

func TestBuildConstructsWhatIsOn(t *testing.T) {
	t.Parallel()
	client := providers.NewClient(providers.ClientOptions{Timeout: time.Second})
	require.Empty(t, Build(Settings{Client: client}))
	word := func() string { return "word" }
	on := Build(Settings{
		Client: client,
		Lipad:  &LipadSettings{BaseURL: "http://127.0.0.1:1", Key: word, Secret: word},
		AfricasTalking: &AfricasTalkingSettings{
			BaseURL: "http://127.0.0.1:1", Username: "word", APIKey: word,
		},
		QuickSMS: &QuickSMSSettings{BaseURL: "http://127.0.0.1:1", AppKey: word, AppToken: word},
		Sozuri:   &SozuriSettings{BaseURL: "http://127.0.0.1:1", Project: "word", APIKey: word},
	})
	require.Len(t, on, len(Known()))
	for _, c := range Known() {
		entry, ok := on[c.Name]
		require.True(t, ok, c.Name)
		require.Equal(t, c, entry.Capabilities)
		require.NotNil(t, entry.Provider)
		require.Equal(t, c.Asks != providers.AskNothing, entry.Querier != nil, c.Name)
		require.Equal(t, c.Callbacks || c.Name == "lipad", entry.Callbacks != nil, c.Name)
	}
}
