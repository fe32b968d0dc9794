package config

import (
	"crypto/sha256"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"tuma/internal/airtime"
	"tuma/internal/providers"
	"tuma/internal/providers/catalog"
)

// load runs Load with the given variables.
func load(variables map[string]string) (*Config, error) {
	var environ []string
	for name, value := range variables {
		environ = append(environ, name+"="+value)
	}
	return Load(func(name string) string { return variables[name] }, environ)
}

func write(t *testing.T, text string) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), "file")
	require.NoError(t, os.WriteFile(path, []byte(text), 0o600))
	return path
}

func lipad(more ...string) map[string]string {
	variables := map[string]string{
		"LIPAD_BASE_URL":     "https://lipad.example",
		"LIPAD_CONSUMER_KEY": "key-hush", "LIPAD_CONSUMER_SECRET": "secret-hush",
	}
	for i := 0; i < len(more); i += 2 {
		variables[more[i]] = more[i+1]
	}
	return variables
}

func TestDefaultsAreThoseOfTheInterface(t *testing.T) {
	t.Parallel()
	c, err := load(nil)
	require.NoError(t, err)
	require.Equal(t, "redis://127.0.0.1:6379/0", c.RedisURL.Value())
	require.Equal(t, "single", c.RedisMode)
	require.False(t, c.AllowVolatile)
	require.Equal(t, "tuma", c.Namespace)
	require.Empty(t, c.DefaultProvider)
	require.Empty(t, c.Providers())
	require.Equal(t, 4, c.MaxInFlight)
	require.Equal(t, 30*time.Second, c.SubmitTimeout)
	require.Equal(t, 5*time.Second, c.PollInitial)
	require.Equal(t, 10*time.Minute, c.PollMax)
	require.InDelta(t, 1.6, c.PollMultiplier, 0)
	require.Equal(t, time.Minute, c.SendGuard)
	require.Equal(t, time.Minute, c.SettleDelay)
	require.Equal(t, 5*time.Second, c.SweepInterval)
	require.Equal(t, 15*time.Second, c.ClaimTimeout)
	require.Equal(t, 16, c.Concurrency)
	require.Equal(t, 2160*time.Hour, c.Retention)
	require.Equal(t, 168*time.Hour, c.StreamAge)
	require.Equal(t, ":8081", c.CallbackAddr)
	require.False(t, c.CallbackToken.IsSet())
	require.Equal(t, "127.0.0.1:8080", c.HTTPAddr)
	require.Empty(t, c.OpsAddr)
	require.False(t, c.MonitorWrite)
	require.Equal(t, "info", c.LogLevel)
	require.Empty(t, c.LogFormat)
	require.Equal(t, "https://api.africastalking.com", c.Instance("africastalking").Text("base_url"))
	require.Equal(t, "https://quicksms.advantasms.com", c.Instance("quicksms").Text("base_url"))
	require.Equal(t, "https://sozuri.net", c.Instance("sozuri").Text("base_url"))
	require.True(t, c.Instance("lipad").Spec.Capabilities.ResendSame)
	require.Zero(t, c.MinReplicas)
	require.False(t, c.MinReplicasSet)
}

func TestProviders(t *testing.T) {
	t.Parallel()
	c, err := load(lipad("LIPAD_BASE_URL", "http://127.0.0.1:9090/",
		"AFRICASTALKING_USERNAME", "sandbox", "AFRICASTALKING_API_KEY", "k",
		"QUICKSMS_APP_KEY", "k", "QUICKSMS_APP_TOKEN", "t", "QUICKSMS_BASE_URL", "https://q.example:8443",
		"SOZURI_PROJECT", "Our Project", "SOZURI_API_KEY", "k"))
	require.NoError(t, err)
	require.Equal(t, []string{"lipad", "africastalking", "quicksms", "sozuri"}, c.Providers())
	require.Equal(t, "lipad", c.DefaultProvider)
	require.Equal(t, "http://127.0.0.1:9090", c.Instance("lipad").Text("base_url"))
	require.Equal(t, "https://api.sandbox.africastalking.com", c.Instance("africastalking").Text("base_url"))
	require.Equal(t, "https://q.example:8443", c.Instance("quicksms").Text("base_url"))

	c, err = load(map[string]string{"SOZURI_PROJECT": "p", "SOZURI_API_KEY": "k"})
	require.NoError(t, err)
	require.Equal(t, "sozuri", c.DefaultProvider)

	c, err = load(map[string]string{"TUMA_DEFAULT_PROVIDER": "quicksms"})
	require.NoError(t, err)
	require.Equal(t, "quicksms", c.DefaultProvider)
}

func TestDaysAndTimeZones(t *testing.T) {
	t.Parallel()
	c, err := load(map[string]string{"TUMA_RETENTION": "90d", "TUMA_STREAM_AGE": "1d12h"})
	require.NoError(t, err)
	require.Equal(t, []any{2160 * time.Hour, 36 * time.Hour}, []any{c.Retention, c.StreamAge})
	noon := time.Date(2026, 11, 28, 12, 0, 0, 0, time.UTC)
	require.Equal(t, "15:00 EAT", noon.In(c.Timezone).Format("15:04 MST"))
	c, err = load(map[string]string{"TUMA_TIMEZONE": "Europe/Berlin"})
	require.NoError(t, err)
	require.Equal(t, "13:00 CET", noon.In(c.Timezone).Format("15:04 MST"))
}

func TestEachBadVariableIsNamed(t *testing.T) {
	t.Parallel()
	for _, row := range []struct{ name, value, fault string }{
		{"TUMA_REDIS_MODE", "ring", "must be one of single, sentinel, cluster"},
		{"TUMA_ALLOW_VOLATILE", "yes", "must be true or false"},
		{"TUMA_NAMESPACE", "{tuma}", "must be 1 to 64 letters"},
		{"TUMA_DEFAULT_PROVIDER", "mpesa", "must be one of lipad, africastalking, quicksms, sozuri"},
		{"TUMA_MAX_IN_FLIGHT", "0", "must be a whole number from 1 to 1000"},
		{"TUMA_MAX_IN_FLIGHT", "4.5", "must be a whole number"},
		{"TUMA_CONCURRENCY", "-1", "must be a whole number"},
		{"TUMA_SUBMIT_TIMEOUT", "30", "must be a duration such as 30s, from 1s to 5m0s"},
		{"TUMA_SUBMIT_TIMEOUT", "10m", "must be a duration"},
		{"TUMA_SUBMIT_TIMEOUT", "500ms", "must be a duration"},
		{"TUMA_SEND_GUARD", "-1s", "must be a duration"},
		{"TUMA_SETTLE_DELAY", "0s", "must be a duration"},
		{"TUMA_SWEEP_INTERVAL", "0", "must be a duration"},
		{"TUMA_CLAIM_TIMEOUT", "never", "must be a duration"},
		{"TUMA_RETENTION", "-1h", "must be a duration"},
		{"TUMA_STREAM_AGE", "0s", "must be a duration"},
		{"TUMA_STREAM_AGE", "-7d", "must be a duration"},
		{"TUMA_STREAM_AGE", "7d-1h", "must be a duration"},
		{"TUMA_STREAM_AGE", "7d+1h", "must be a duration"},
		{"TUMA_STREAM_AGE", "d", "must be a duration"},
		{"TUMA_STREAM_AGE", "7d1d", "must be a duration"},
		{"TUMA_TIMEZONE", "Nairobi", "must be the name of a time zone, such as Africa/Nairobi"},
		{"TUMA_TIMEZONE", "Local", "must be the name of a time zone"},
		{"TUMA_POLL_INITIAL", "0s", "must be a duration"},
		{"TUMA_POLL_MAX", "1s", "must not be below TUMA_POLL_INITIAL (5s)"},
		{"TUMA_POLL_MULTIPLIER", "1", "must be a number above 1"},
		{"TUMA_POLL_MULTIPLIER", "NaN", "must be a number above 1"},
		{"TUMA_CALLBACK_ADDR", "8081", "must be host:port or :port"},
		{"TUMA_HTTP_ADDR", "localhost:http", "must be host:port or :port"},
		{"TUMA_OPS_ADDR", ":99999", "must be host:port or :port"},
		{"TUMA_LOG_LEVEL", "loud", "must be one of debug, info, warn, error"},
		{"TUMA_LOG_FORMAT", "xml", "must be one of json, console"},
		{"TUMA_CONFIG", "/does/not/exist", "no such file"},
		{"AFRICASTALKING_BASE_URL", "ftp://host", "must be scheme, host and optional port"},
		{"QUICKSMS_BASE_URL", "https://host/api", "the provider's path is added to it"},
		{"SOZURI_BASE_URL", "https://host?x=1", "the provider's path is added to it"},
		{"LIPAD_BASE_URL", "http://lipad.example", "must be https"},
		{"LIPAD_BASE_URL", "https://", "must be scheme, host"},
		{"LIPAD_BASE_URL", "https://host:port", "must be scheme, host"},
	} {
		_, err := load(map[string]string{row.name: row.value})
		require.ErrorContains(t, err, row.name, row.value)
		require.ErrorContains(t, err, `"`+row.value+`"`)
		require.ErrorContains(t, err, row.fault)
	}
}

func TestAllProblemsAtOnce(t *testing.T) {
	t.Parallel()
	_, err := load(map[string]string{
		"TUMA_MAX_IN_FLIGHT": "many", "TUMA_SEND_GUARDS": "1s", "TUMA_MONITOR_USER": "ann",
		"LIPAD_CONSUMER_KEY": "key-hush", "QUICKSMS_BASE_URL": "https://q.example",
		"SOZURI_PROJECT": "p", "SOZURI_API_KEY": "k", "TUMA_DEFAULT_PROVIDER": "lipad",
	})
	require.Equal(t, Problems{
		"TUMA_SEND_GUARDS: there is no such variable; did you mean TUMA_SEND_GUARD?",
		`TUMA_MAX_IN_FLIGHT="many": must be a whole number from 1 to 1000`,
		"LIPAD_BASE_URL, LIPAD_CONSUMER_SECRET: missing, while LIPAD_CONSUMER_KEY is set",
		"QUICKSMS_APP_KEY, QUICKSMS_APP_TOKEN: missing, while QUICKSMS_BASE_URL is set",
		`TUMA_DEFAULT_PROVIDER="lipad": is not configured; configured are sozuri`,
		"TUMA_MONITOR_USER and TUMA_MONITOR_PASSWORD: set both or neither",
	}, err)
}

func TestUnknownVariables(t *testing.T) {
	t.Parallel()
	for name, near := range map[string]string{
		"TUMA_REDIS_UR":            "TUMA_REDIS_URL",
		"TUMA_HTTP_TOKEN":          "TUMA_HTTP_TOKENS",
		"TUMA_CALLBACK_TOKEN_FILL": "TUMA_CALLBACK_TOKEN_FILE",
		"TUMA_":                    "TUMA_",
	} {
		_, err := load(map[string]string{name: "hush"})
		require.ErrorContains(t, err, name+": there is no such variable; did you mean "+near)
		require.NotContains(t, err.Error(), "hush")
	}
	for _, name := range []string{
		"TUMA_SERVICE_HOST", "TUMA_PORT", "TUMA_PORT_8081_TCP_ADDR", "TUMA_POLLER_SERVICE_PORT_OPS",
		"OTHER_TUMA_THING",
	} {
		_, err := load(map[string]string{name: "x"})
		require.NoError(t, err, name)
	}
}

func TestNoSecretIsShown(t *testing.T) {
	t.Parallel()
	variables := lipad(
		"TUMA_REDIS_URL", "redis://ann:pass-hush@redis.example:6379/1?sentinel_password=more-hush",
		"TUMA_CALLBACK_TOKEN", "cb-hush-of-16-and-more", "TUMA_HTTP_TOKENS", "shop=http-hush",
		"TUMA_MONITOR_USER", "ann", "TUMA_MONITOR_PASSWORD", "mon-hush-of-16-and-more")
	c, err := load(variables)
	require.NoError(t, err)
	described := strings.Join(c.Describe(), "\n")
	require.NotContains(t, described, "hush")
	require.Contains(t, described, "TUMA_REDIS_URL=redis://redis.example:6379/1\n")
	require.Contains(t, described, "LIPAD_CONSUMER_KEY=[secret]\n")
	require.Contains(t, described, "SOZURI_API_KEY=\n")
	require.Contains(t, described, "TUMA_MAX_IN_FLIGHT=4\n")
	for _, verb := range []string{"%v", "%+v", "%#v", "%s", "%x", "%q", "%d"} {
		require.NotContains(t, fmt.Sprintf(verb, *c.Instance("lipad")), "hush", verb)
		require.NotContains(t, fmt.Sprintf(verb, *c.Instance("lipad")), fmt.Sprintf("%x", "hush"), verb)
		require.NotContains(t, fmt.Sprintf(verb, c.RedisURL), "hush", verb)
	}
	for name, bad := range map[string]string{
		"TUMA_REDIS_URL": "http://ann:hush@host", "TUMA_CALLBACK_TOKEN": "hush/hush",
		"TUMA_HTTP_TOKENS": "hush", "LIPAD_CONSUMER_KEY": "hush\nhush",
		"TUMA_MONITOR_PASSWORD": "hush\x00", "SOZURI_BASE_URL": "https://ann:hush@host",
	} {
		_, err := load(map[string]string{name: bad})
		require.ErrorContains(t, err, name)
		require.NotContains(t, err.Error(), "hush")
	}
}

// TestShortSecretsStayOnLoopback: what can be guessed is refused where other machines can try.
func TestShortSecretsStayOnLoopback(t *testing.T) {
	t.Parallel()
	const short, long = "fifteen-letters", "sixteen--letters"
	for _, row := range []struct{ setting, before, address, loopback, beyond string }{
		{"TUMA_HTTP_TOKENS", "shop=x" + long + ",bank=", "TUMA_HTTP_ADDR", "[::1]:80", ":8080"},
		{"TUMA_CALLBACK_TOKEN", "", "TUMA_CALLBACK_ADDR", "127.0.0.1:0", ""},
		{
			"TUMA_CALLBACK_TOKEN", "sozuri=x" + long + ",lipad=", "TUMA_CALLBACK_ADDR", "localhost:1",
			"0.0.0.0:8081",
		},
		{"TUMA_MONITOR_PASSWORD", "", "TUMA_OPS_ADDR", "127.0.0.1:0", ""},
	} {
		try := func(address, secret string) error {
			_, err := load(lipad(row.address, address, "TUMA_MONITOR_USER", "ann",
				"TUMA_MONITOR_PASSWORD", long, row.setting, row.before+secret))
			return err
		}
		require.NoError(t, try(row.loopback, short), row.setting)
		require.NoError(t, try(row.beyond, long), row.setting)
		err := try(row.beyond, short)
		require.ErrorContains(t, err, row.setting)
		require.ErrorContains(t, err, "at least 16 characters")
		require.NotContains(t, err.Error(), short)
	}
}

func TestEverySecretMayBeAFile(t *testing.T) {
	t.Parallel()
	for _, s := range settings() {
		if s.secret == nil {
			continue
		}
		content := map[string]string{
			"TUMA_REDIS_URL": "redis://host:1/0", "TUMA_HTTP_TOKENS": "shop=token",
		}[s.name]
		if content == "" {
			content = "file-hush-of-16-and-more"
		}
		path := write(t, " "+content+"\r\n")
		variables := lipad("TUMA_MONITOR_USER", "ann", "TUMA_MONITOR_PASSWORD", "p-of-16-and-more")
		for _, variable := range catalog.Simulated("https://provider.example") {
			name, value, _ := strings.Cut(variable, "=")
			variables[name] = value
		}
		variables[s.name], variables[s.name+"_FILE"] = "", path
		c, err := load(variables)
		require.NoError(t, err, s.name)
		require.Equal(t, content, s.secret(c).Value(), s.name)

		variables[s.name] = "x"
		_, err = load(variables)
		require.ErrorContains(t, err, s.name+": set it or "+s.name+"_FILE, not both")
		_, err = load(map[string]string{s.name + "_FILE": write(t, "\n")})
		require.ErrorContains(t, err, s.name+"_FILE: read secret")
		_, err = load(map[string]string{s.name + "_FILE": path + ".gone"})
		require.ErrorContains(t, err, s.name+"_FILE: read secret")
	}
}

func TestSecretFileIsReadAgainWhenItChanges(t *testing.T) {
	t.Parallel()
	path := write(t, "one")
	secret, err := SecretFile(path)
	require.NoError(t, err)
	shared := secret
	require.Equal(t, "one", secret.Value())

	require.NoError(t, os.WriteFile(path, []byte("\ufefftwo\r\n"), 0o600), "with a mark")
	later := time.Now().Add(time.Minute)
	require.NoError(t, os.Chtimes(path, later, later))
	require.Equal(t, "two", secret.Value())
	require.Equal(t, "two", shared.Value())

	require.NoError(t, os.WriteFile(path, nil, 0o600)) // Being replaced: the last value holds.
	require.Equal(t, "two", secret.Value())
	require.NoError(t, os.Remove(path))
	require.Equal(t, "two", secret.Value())
	require.NoError(t, os.WriteFile(path, []byte("three"), 0o600))
	require.Equal(t, "three", secret.Value())
}

func TestParseTokens(t *testing.T) {
	t.Parallel()
	all := []Scope{ScopeSend, ScopeRead, ScopeCancel}
	sum := func(token string) [32]byte { return sha256.Sum256([]byte(token)) }
	got, err := ParseTokens("shop=t1, rewards=a=b\nshop : read + cancel=t2\n" +
		fmt.Sprintf("bank=sha256:%X,bank:send=sha256:%x", sum("t3"), sum("t4")))
	require.NoError(t, err)
	require.Equal(t, []Token{
		{Producer: "shop", Scopes: all, Sum: sum("t1"), Plain: "t1"},
		{Producer: "rewards", Scopes: all, Sum: sum("a=b"), Plain: "a=b"},
		{Producer: "shop", Scopes: []Scope{ScopeRead, ScopeCancel}, Sum: sum("t2"), Plain: "t2"},
		{Producer: "bank", Scopes: all, Sum: sum("t3")},
		{Producer: "bank", Scopes: []Scope{ScopeSend}, Sum: sum("t4")},
	}, got)
	for text, says := range map[string]string{
		"": "at least one", ",": "at least one", "hush": "pairs", "=hush": "pairs",
		"shop=": "pairs", "a/b=hush": "pairs", "a=hush,b=hush": "a and b the same token",
		fmt.Sprintf("a=hush,b:read=sha256:%x", sum("hush")): "a and b the same token",
		"shop:=hush": "scopes of producer shop", "shop:all=hush": "send, read and cancel",
		"shop:read+=hush": "send, read and cancel", "shop:read+read=hush": "at most once",
		"shop:Read=hush": "send, read and cancel", "shop:hush": "pairs",
		"shop=sha256:hush":                                "hash of producer shop",
		"shop=sha256:":                                    "64 hexadecimal digits",
		"shop=sha256:" + strings.Repeat("0", 63):          "64 hexadecimal digits",
		"shop=sha256:" + strings.Repeat("0", 62) + "hush": "64 hexadecimal digits",
	} {
		_, err := ParseTokens(text)
		require.ErrorContains(t, err, says, text)
		require.NotContains(t, err.Error(), "hush")
	}
}

func TestLoopback(t *testing.T) {
	t.Parallel()
	for address, want := range map[string]bool{
		"127.0.0.1:80": true, "localhost:80": true, "[::1]:80": true, "127.9.9.9:80": true,
		":80": false, "0.0.0.0:80": false, "10.0.0.1:80": false, "127.0.0.1": false, "": false,
		"127.0.0.1.evil.example:80": false,
	} {
		require.Equal(t, want, Loopback(address), address)
	}
}

func TestYAML(t *testing.T) {
	t.Parallel()
	path := write(t, `
max_in_flight: 8
submit_timeout: 20s
sozuri_base_url: https://s.example
polling: {initial: 2s, max: 1m, multiplier: 2}
limits: {lipad: {KES: {min: "10", max: 10000.50}, UGX: {max: 5000}}}
batch: {max_recipients: {lipad: 500}}
state: {min_replicas: 1}
lipad: {resend_same_reference: false}
quicksms: {whole_refusal: in_doubt}
sozuri: {networks: [safaricom, equitel], account_shared: true}
africastalking: {account_shared: false}
callbacks: {trust: [lipad]}
`)
	c, err := load(lipad("TUMA_CONFIG", path, "TUMA_SUBMIT_TIMEOUT", "10s",
		"SOZURI_PROJECT", "p", "SOZURI_API_KEY", "k"))
	require.NoError(t, err)
	require.Equal(t, 8, c.MaxInFlight)
	require.Equal(t, 10*time.Second, c.SubmitTimeout, "the environment wins")
	require.Equal(t, "https://s.example", c.Instance("sozuri").Text("base_url"))
	require.Equal(t, 2*time.Second, c.PollInitial)
	require.Equal(t, time.Minute, c.PollMax)
	require.InDelta(t, 2.0, c.PollMultiplier, 0)
	lipads := c.Instance("lipad").Spec.Capabilities
	require.Equal(t, map[airtime.Currency]providers.Limit{
		"KES": {Min: 1000, Max: 1_000_050}, "UGX": {Max: 5000},
	}, lipads.Limits)
	require.Equal(t, 500, lipads.MaxRecipients)
	require.Equal(t, 1, c.MinReplicas)
	require.True(t, c.MinReplicasSet)
	require.False(t, c.Instance("lipad").Spec.Capabilities.ResendSame)
	require.Equal(t, "in_doubt", c.Instance("quicksms").Text("whole_refusal"))
	sozuri := c.Instance("sozuri").Spec.Capabilities
	require.Equal(t, []airtime.Network{airtime.Safaricom, airtime.Equitel}, sozuri.Networks)
	require.True(t, sozuri.Shared)
	require.False(t, c.Instance("africastalking").Spec.Capabilities.Shared)
	require.Contains(t, c.Describe(), "sozuri.networks=safaricom,equitel")
	require.Contains(t, c.Describe(), "sozuri.account_shared=true")
	require.Equal(t, []string{"lipad"}, c.TrustCallbacks)
	require.Contains(t, c.Describe(), "limits.lipad.KES=10 to 10000.50")
	require.Contains(t, c.Describe(), "limits.lipad.UGX=0 to 5000")
}

func TestYAMLProblemsNameTheLine(t *testing.T) {
	t.Parallel()
	for text, want := range map[string]string{
		"\ncolour: red":    "line 2: colour: there is no such setting",
		"max_in_flight: x": `line 1: max_in_flight="x": must be a whole`,
		"max_in_flight: [1]": "line 1: max_in_flight: must be a " +
			"plain value",
		"max_in_flight: 1\nmax_in_flight: 2": "line 2: max_in_flight: is there twice",
		"poll_max: 1m\npolling: {max: 2m}":   "line 2: polling.max: is there twice",
		"polling: {initially: 1s}": "polling.initially: there is no such " +
			"setting",
		"polling: 5s": "polling: must be a mapping",
		"callback_token: hush": "belongs into TUMA_CALLBACK_TOKEN or " +
			"TUMA_CALLBACK_TOKEN_FILE",
		"redis_url: redis://:hush@host":    "belongs into TUMA_REDIS_URL",
		"limits: {mpesa: {KES: {min: 1}}}": `limits.mpesa: "mpesa" is no provider`,
		"limits: {lipad: {KSH: {min: 1}}}": `limits.lipad.KSH: "KSH" is not a ` +
			`known currency`,
		"limits: {lipad: {KES: {least: 1}}}": "limits.lipad.KES.least: there is no " +
			"such setting",
		"limits: {lipad: {KES: {min: 1e3}}}": `limits.lipad.KES.min="1e3": must be ` +
			`a plain decimal`,
		"limits:\n  lipad:\n    KES: {min: 20, max: 10}": `line 3: limits.lipad.KES.max="10": ` +
			`must not be below`,
		"batch: {max_recipients: {lipad: 1001}}": `batch.max_recipients.lipad="1001": ` +
			`must be a whole`,
		"batch: {size: 1}":          "batch.size: there is no such setting",
		"state: {min_replicas: -1}": `state.min_replicas="-1": must be a whole`,
		"lipad: {resend_same_reference: maybe}": `lipad.resend_same_reference="maybe": ` +
			`must be true`,
		"quicksms: {whole_refusal: maybe}": `quicksms.whole_refusal="maybe": must be no_effect or ` +
			`in_doubt`,
		"sozuri: {networks: [orange]}":         `sozuri.networks="orange": must be one of safaricom`,
		"sozuri: {networks: [airtel, airtel]}": `sozuri.networks="airtel": is there twice`,
		"sozuri: {networks: airtel}":           "sozuri.networks: must be a list of networks",
		"sozuri: {account_shared: maybe}":      `sozuri.account_shared="maybe": must be true`,
		"africastalking: {networks: [airtel]}": "africastalking.networks: there is no such setting",
		"callbacks: {trust: lipad}": "callbacks.trust: must be a list of " +
			"providers",
		"callbacks: {trust: [mpesa]}":             `callbacks.trust: "mpesa" is no provider`,
		"a: &x 1\nmax_in_flight: *x":              "aliases and complex keys are not supported",
		"max_in_flight: 1\n---\nmax_in_flight: 2": "must hold one YAML document",
		"max_in_flight: 1\n bad: : :":             "yaml: ",
		"- 1":                                     "must be a mapping",
		"state: {min_replicas: 1}\nstate: {}":     "line 2: state: is there twice",
		"limits: {lipad: {KES: {min: null}}}": "limits.lipad.KES.min: must be a " +
			"plain value",
		"config: other.yaml":                 "config: there is no such setting",
		"limits: {lipad: {UGX: {min: 1.5}}}": "has more decimals than UGX has",
		"lipad_base_url: https://l.example": "LIPAD_CONSUMER_KEY, " +
			"LIPAD_CONSUMER_SECRET: missing",
		"callbacks: {trust: [lipad]}\npolling: {x: {a: 1}}": "polling.x: there is no such setting",
	} {
		_, err := load(map[string]string{"TUMA_CONFIG": write(t, text)})
		require.ErrorContains(t, err, want, text)
		require.NotContains(t, err.Error(), "hush")
	}
	for _, text := range []string{"", "# nothing\n"} {
		_, err := load(map[string]string{"TUMA_CONFIG": write(t, text)})
		require.NoError(t, err)
	}
}

func TestConfiguredLimitsGoOverTheKnownOnes(t *testing.T) {
	t.Parallel()
	known := specOf("lipad", "lipad").Capabilities.Limits["KES"]
	for text, want := range map[string]map[airtime.Currency]providers.Limit{
		"{}":                      {"KES": known},
		"{KES: {max: 50}}":        {"KES": {Min: known.Min, Max: 50_00}},
		"{KES: {min: 20}}":        {"KES": {Min: 20_00, Max: known.Max}},
		"{UGX: {min: 1, max: 2}}": {"KES": known, "UGX": {Min: 1, Max: 2}},
	} {
		c, err := loadYAML(t, "limits: {lipad: "+text+"}")
		require.NoError(t, err)
		require.Equal(t, want, c.Instance("lipad").Spec.Capabilities.Limits)
	}
}
