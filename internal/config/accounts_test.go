package config

import (
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"tuma/internal/airtime"
)

// loadAccounts loads a file whose words SECRET are paths of a file with a secret.
func loadAccounts(t *testing.T, text string, more ...string) (*Config, error) {
	t.Helper()
	text = strings.ReplaceAll(text, "SECRET", write(t, "word-hush\n"))
	variables := map[string]string{nameConfig: write(t, text)}
	for i := 0; i < len(more); i += 2 {
		variables[more[i]] = more[i+1]
	}
	return load(variables)
}

func TestSeveralAccountsOfOneKind(t *testing.T) {
	t.Parallel()
	c, err := loadAccounts(t, `
providers:
  - name: quicksms-agents
    kind: quicksms
    app_key_file: SECRET
    app_token_file: SECRET
    whole_refusal: in_doubt
  - kind: quicksms
    name: quicksms
    base_url: "https://q.example/"
    app_key_file: SECRET
    app_token_file: SECRET
  - name: at-ug
    kind: africastalking
    username: sandbox
    api_key_file: SECRET
    account_shared: true
  - {name: "7", kind: sozuri, networks: [equitel], callback_key_file: SECRET}
rates: {quicksms-agents: {per_second: 2}}
limits: {quicksms-agents: {KES: {max: 50}}}
batch: {max_recipients: {at-ug: 10}}
callbacks: {trust: [at-ug]}
routing: {rules: [{name: all, providers: [quicksms-agents, quicksms]}]}
`, "TUMA_CALLBACK_TOKEN", "at-ug=token-of-16-and-more,7=other-of-16-and-more")
	require.NoError(t, err)
	require.Equal(t, []string{"quicksms-agents", "quicksms", "at-ug"}, c.Providers())
	require.Equal(t, "quicksms-agents", c.DefaultProvider)
	require.Equal(t, "at-ug", c.AirtimeProvider())
	agents, own, ug := c.Instance("quicksms-agents"), c.Instance("quicksms"), c.Instance("at-ug")
	require.Zero(t, agents.Spec.Capabilities.Code, "the state gives it a code")
	require.Equal(t, byte('Q'), own.Spec.Capabilities.Code)
	require.Equal(t, "https://quicksms.advantasms.com", agents.Text("base_url"))
	require.Equal(t, "https://q.example", own.Text("base_url"))
	require.Equal(t, []string{"in_doubt", "no_effect"},
		[]string{agents.Text("whole_refusal"), own.Text("whole_refusal")})
	require.Equal(t, "https://api.sandbox.africastalking.com", ug.Text("base_url"))
	require.True(t, ug.Spec.Capabilities.Shared)
	require.Equal(t, "word-hush", ug.Values().Secret("api_key")())
	seven := c.Instance("7")
	require.False(t, seven.On, "a process that sends nothing there needs no credentials")
	require.Equal(t, []airtime.Network{airtime.Equitel}, seven.Spec.Capabilities.Networks)
	require.Equal(t, "word-hush", seven.Values().Secret(seven.Spec.CallbackKey)())
	require.Nil(t, c.Instance("lipad"), "what is not in the list is not there")
	require.InDelta(t, 2, agents.Spec.Capabilities.Rate.PerSecond, 0)
	require.EqualValues(t, 50_00, agents.Spec.Capabilities.Limits["KES"].Max)

	shown := strings.Join(c.Describe(), "\n")
	require.NotContains(t, shown, "hush")
	require.NotContains(t, shown, "QUICKSMS_")
	for _, line := range []string{
		"providers.quicksms-agents.kind=quicksms", "providers.quicksms-agents.app_key_file=[secret]",
		"providers.quicksms-agents.whole_refusal=in_doubt", "providers.at-ug.username=sandbox",
		"providers.7.networks=equitel", "providers.7.api_key_file=",
	} {
		require.Contains(t, c.Describe(), line)
	}
}

func TestListsThatAreWrong(t *testing.T) {
	t.Parallel()
	const good = "providers: [{name: a, kind: sozuri}]"
	for text, want := range map[string]string{
		"providers: {}":                         "line 1: providers: must be a list of at least one",
		"providers: []":                         "line 1: providers: must be a list of at least one",
		"providers: [lipad]":                    "providers[0]: must have a kind",
		"providers: [{kind: lipad}]":            "line 1: providers[0]: must have a name",
		"providers: [{name: x}]":                "providers[0]: must have a kind",
		"providers: [{name: x, kind: mpesa}]":   `providers[0].kind="mpesa": must be one of lipad, afr`,
		"providers: [{name: X, kind: lipad}]":   `providers[0].name="X": must be 1 to 32 lower-case`,
		"providers: [{name: '', kind: lipad}]":  `providers[0].name="": must be 1 to 32 lower-case`,
		"providers: [{name: a_b, kind: lipad}]": "must be 1 to 32 lower-case letters, digits and da",
		"providers: [{name: [x], kind: lipad}]": "providers[0].name: must be a plain value",

		"providers: [{name: poll, kind: lipad}]":         `name="poll": is the name of a queue`,
		"providers: [{name: lipad, kind: sozuri}]":       `name="lipad": is the name of another kind`,
		"providers: [{name: a, name: b, kind: sozuri}]":  "providers[0].name: is there twice",
		good[:len(good)-1] + ", {name: a, kind: lipad}]": `providers[1].name="a": is there twice`,

		good + "\nsozuri: {networks: []}":         "line 2: sozuri: belongs into the entries of the list",
		good + "\nsozuri_project: p":              "line 2: sozuri_project: belongs into the entries of",
		good + "\nrates: {lipad: {}}":             `"lipad" is no provider; there are a`,
		good + "\ndefault_provider: sozuri":       "must be one of a",
		"callbacks: {trust: [sozuri]}\n" + good:   `"sozuri" is no provider; there are a`,
		good + "\nproviders: []":                  "line 2: providers: is there twice",
		"polling: {x: 1}\nproviders: [{name: a}]": "providers[0]: must have a kind",
	} {
		_, err := loadAccounts(t, text)
		require.ErrorContains(t, err, want, text)
	}
}

func TestEntriesThatAreWrong(t *testing.T) {
	t.Parallel()
	for entry, want := range map[string]string{
		"sozuri, projekt: x":         "[0].projekt: there is no such setting; did you mean project?",
		"quicksms, networks: []":     "[0].networks: there is no such setting; did you mean",
		"quicksms, base_url_file: x": "did you mean base_url?",
		"sozuri, api_key: hush":      "[0].api_key: belongs into a file: name it with api_key_file",
		"sozuri, project: p": "providers.a.api_key_file: missing, while providers.a.project " +
			"is set",
		"quicksms, base_url: 'https://q'": "providers.a.app_key_file, providers.a.app_token_file: " +
			"missing, while providers.a.base_url is set",
		"quicksms, base_url: 'http://q'": `[0].base_url="http://q": must be https`,
		"sozuri, api_key_file: /gone":    `[0].api_key_file="/gone": read secret`,
		"quicksms, whole_refusal: x":     `[0].whole_refusal="x": must be no_effect or in_doubt`,
		"sozuri, project: [p]":           "[0].project: must be a plain value",
	} {
		_, err := loadAccounts(t, "providers: [{name: a, kind: "+entry+"}]")
		require.ErrorContains(t, err, want, entry)
		require.NotContains(t, err.Error(), "hush")
	}
}

// TestTheListTakesThePlaceOfVariables: all that is wrong is said at once.
func TestTheListTakesThePlaceOfVariables(t *testing.T) {
	t.Parallel()
	_, err := loadAccounts(t, "providers: [{name: a, kind: sozuri}]", "SOZURI_PROJECT", "p",
		"LIPAD_CONSUMER_KEY_FILE", "/run/key", "QUICKSMS_APP_KEY", "word-hush",
		"TUMA_CALLBACK_TOKEN", "sozuri=token-of-16-and-more")
	const instead = ": is not for a TUMA_CONFIG with the list providers, whose entries have the " +
		"settings of accounts; remove one of the two"
	require.Equal(t, Problems{
		"LIPAD_CONSUMER_KEY_FILE" + instead,
		"QUICKSMS_APP_KEY" + instead,
		"SOZURI_PROJECT" + instead,
		"TUMA_CALLBACK_TOKEN: must be one token, or provider=token pairs with commas between them; " +
			"providers are a",
	}, err)
}
