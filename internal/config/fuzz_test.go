package config

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"tuma/internal/airtime"
	"tuma/internal/providers"
	"tuma/internal/routing"
)

// longRun is a run of digits that could be a phone number.
var longRun = regexp.MustCompile(`[0-9]{9}`)

// hush is in every secret here, and may be in no text that is shown.
const hush = "hush"

// credentials are variables with every secret set.
func credentials() map[string]string {
	return lipad("TUMA_REDIS_URL", "redis://ann:pass-hush@host:6379/1?sentinel_password=more-hush",
		"TUMA_CALLBACK_TOKEN", "cb-hush", "TUMA_HTTP_TOKENS", "shop=http-hush",
		"TUMA_MONITOR_USER", "ann", "TUMA_MONITOR_PASSWORD", "mon-hush",
		"AFRICASTALKING_USERNAME", "u", "AFRICASTALKING_API_KEY", "key-hush")
}

// FuzzYAML reads configuration files. Whatever stands in one, reading it ends with a configuration
// that keeps its promises or with problems, and neither shows a secret or a phone number.
func FuzzYAML(f *testing.F) {
	for _, seed := range []string{
		"", "---\n", "# nothing\n", "...\n", "max_in_flight: 5\npolling: {initially: 1s, max: 2m}\n",
		"limits: {lipad: {KES: {min: 20, max: 254711000111}}, sozuri: {UGX: {min: 1e3}}}\n",
		"batch: {max_recipients: {lipad: 500}}\nstate: {min_replicas: 1}\n",
		"lipad: {resend_same_reference: false}\ncallbacks: {trust: [lipad, '0711000111']}\n",
		"rates: {lipad: {per_second: 0.5, burst: 2}, sozuri: {per_second: .nan}}\n",
		"routing:\n  rules:\n  - {name: a, networks: [airtel], currencies: [KES], max_amount: 10,\n" +
			"     campaigns: ['x*'], providers: [sozuri, lipad], when_paused: move, move_after: 5s}\n" +
			"  - {name: b, providers: [lipad], min_amount: 1}\n" +
			"  ported: {0711000111: airtel, '254.711.000.111': x, +254711000112: 254711000113}\n",
		"routing: {rules: [{name: 254711000111, networks: [254711000111]}]}\n",
		"guards:\n- {name: a, limit: {KES: '500.50', UGX: 1e3}, count: 3, per: day, of: phone,\n" +
			"   campaigns: ['*'], producers: [shop], currencies: [KES, UGX], max_amount: 5}\n" +
			"- {name: b, duplicate_within: 30d, then: refuse}\n" +
			"approvals: [{name: 254711000111, above: {KES: 0}}, {name: c, above: 254711000111}]\n",
		"guards: [{name: a, duplicate_within: 1h30m, networks: [airtel]}]\nretention: 1h\n",
		"a: &x {b: 1}\nc: *x\n", "? [1]\n: 2\n", "a: 1\n---\nb: 2\n", "\x00", "\xff\xfe", "a: !!null b",
		"max_in_flight: 1\nmax_in_flight: 2\n", "- 1\n", "254711000111: 1\n", "'0711.000.111': 1\n",
		"<<: {a: 1}\n", "limits: {lipad: {KES: {min: 20, max: 10}}}\n", "x: *254711000111\n",
	} {
		f.Add([]byte(seed))
	}
	f.Fuzz(func(t *testing.T, text []byte) {
		path := filepath.Join(t.TempDir(), "c")
		require.NoError(t, os.WriteFile(path, text, 0o600))
		variables := credentials()
		variables["TUMA_CONFIG"] = path
		c, err := load(variables)
		_, again := load(variables)
		if err != nil {
			require.EqualError(t, again, err.Error(), "the same problems in the same order")
			require.Nil(t, c)
			var problems Problems
			require.True(t, errors.As(err, &problems) && len(problems) > 0)
			for _, problem := range problems {
				shown := strings.ReplaceAll(problem, path, "")
				require.NotRegexp(t, longRun, shown)
				require.True(t, strings.Contains(string(text), hush) || !strings.Contains(shown, hush))
			}
			return
		}
		require.NoError(t, again)
		for _, line := range c.Describe() {
			require.True(t, strings.Contains(string(text), hush) || !strings.Contains(line, hush))
		}
		requireKept(t, c)
	})
}

// requireKept checks what Config promises of what the file alone can set.
func requireKept(t *testing.T, c *Config) {
	t.Helper()
	providerNames := names(c.Instances)
	for _, i := range c.Instances {
		known := i.Spec.Capabilities
		require.True(t, known.MaxRecipients >= 1 && known.MaxRecipients <= 1000)
		for currency, limit := range known.Limits {
			require.True(t, currency.Known())
			require.True(t, limit.Min >= 0 && limit.Max >= 0 && limit.Max <= airtime.MaxMinor)
		}
		if rate := known.Rate; rate != (providers.Rate{}) {
			require.True(t, rate.PerSecond > 0 && rate.PerSecond <= maxRate)
			require.True(t, rate.Burst >= 1 && rate.Burst <= maxRate)
		}
	}
	require.True(t, c.MinReplicas >= 0 && c.MinReplicas <= 10)
	require.Subset(t, providerNames, c.TrustCallbacks)
	names := map[string]bool{}
	for _, rule := range c.Routing.Routing {
		require.False(t, names[rule.Name] || rule.Name == "")
		names[rule.Name] = true
		require.NotEmpty(t, rule.Providers)
		require.Subset(t, providerNames, rule.Providers)
		require.True(t, !rule.MovePaused && !rule.MoveRefused || len(rule.Providers) > 1)
		for currency, most := range rule.Max {
			require.Contains(t, rule.Currencies, currency)
			require.LessOrEqual(t, rule.Min[currency], most)
		}
	}
	requireGuards(t, c)
	for digits := range c.Routing.Ported {
		number, err := airtime.ParseMSISDN("+" + digits)
		require.NoError(t, err)
		require.NotEqual(t, airtime.NoNetwork, number.Network())
	}
}

// requireGuards checks what the guards and approvals of a Config promise.
func requireGuards(t *testing.T, c *Config) {
	t.Helper()
	require.LessOrEqual(t, len(c.Routing.Guards), routing.MaxGuards)
	require.LessOrEqual(t, len(c.Routing.Approvals), routing.MaxGuards)
	names := map[string]bool{}
	for _, g := range c.Routing.Guards {
		require.Regexp(t, namespaceText, g.Name)
		require.False(t, names[g.Name])
		names[g.Name] = true
		duplicates := g.DuplicateWithin > 0
		require.NotEqual(t, duplicates, g.Per != "")
		require.NotEqual(t, duplicates, g.Of != "")
		require.NotEqual(t, duplicates, len(g.Limit) > 0 || g.Count > 0)
		require.LessOrEqual(t, g.DuplicateWithin, min(c.Retention, longestWindow))
		require.Zero(t, g.DuplicateWithin%time.Minute)
	}
	for _, a := range c.Routing.Approvals {
		require.NotEmpty(t, a.Above)
	}
}

// FuzzSetting gives one variable any value, and puts it where it does not belong: as a secret into
// the file, and as the user and password of an address.
func FuzzSetting(f *testing.F) {
	for which := range settings() {
		for _, value := range []string{
			"", "x", "5s", "1", "-1", "true", ":80", "https://host", "redis://h/0", "a,b", "%zz",
		} {
			f.Add(uint8(which), value)
		}
	}
	f.Fuzz(func(t *testing.T, which uint8, value string) {
		all := settings()
		s := all[int(which)%len(all)]
		if strings.ContainsAny(value, "\r\n\u0085\u2028\u2029=") {
			return // More than one value, or the name of a producer, which is no secret.
		}
		for _, given := range []string{
			hush + value, value + hush, "https://ann:hush" + value + "@host",
			"ann:hush" + value + "@host",
		} {
			_, err := load(map[string]string{s.name: given})
			if err != nil && (s.secret != nil || strings.Contains(given, "@")) {
				require.NotContains(t, err.Error(), hush, s.name)
			}
			if s.secret == nil {
				continue
			}
			path := filepath.Join(t.TempDir(), "c")
			text := s.key() + ": " + given + "\n"
			require.NoError(t, os.WriteFile(path, []byte(text), 0o600))
			_, err = load(map[string]string{"TUMA_CONFIG": path})
			require.Error(t, err, "no secret is read from the file")
			require.NotContains(t, err.Error(), hush, text)
		}
	})
}

func FuzzParseTokens(f *testing.F) {
	for _, seed := range []string{
		"shop=token", "a=1,b=2\nc=3", "a=1,a=2", "a=1,b=1", "=", "a=", "a==b", " a = b ,\r\n", "",
		"a:send+read=1", "a:=1", "a:b=1", "a=sha256:", "a=sha256:" + strings.Repeat("0f", 32),
	} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, text string) {
		tokens, err := ParseTokens(text)
		if err != nil {
			require.Nil(t, tokens)
			return
		}
		require.NotEmpty(t, tokens)
		var again strings.Builder
		for _, token := range tokens {
			require.Regexp(t, `\A[A-Za-z0-9._-]{1,32}\z`, token.Producer)
			require.Contains(t, text, token.Plain)
			require.NotEmpty(t, token.Scopes)
			scopes := fmt.Sprint(token.Scopes) // [send read]
			secret := token.Plain
			if secret == "" {
				secret = fmt.Sprintf("sha256:%x", token.Sum)
			}
			again.WriteString(token.Producer + ":" +
				strings.ReplaceAll(scopes[1:len(scopes)-1], " ", "+") + "=" + secret + "\n")
		}
		same, err := ParseTokens(again.String())
		require.NoError(t, err)
		require.Equal(t, tokens, same)
	})
}
