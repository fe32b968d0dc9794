package config

import (
	"regexp"
	"slices"
	"strings"
	"time"
)

// setting is one variable. Exactly one of parse and secret is set.
type setting struct {
	name     string
	fallback string
	// what says what it is for, on the page of all settings.
	what string
	// parse checks a value and stores it. Its error says what is allowed.
	parse func(*Config, string) error
	// kind is that of the provider whose setting it is; empty for the others.
	kind string
	// secret is where a secret goes; check looks at its value, and describe makes of it what may be
	// shown (nil: nothing).
	secret   func(*Config) *Secret
	check    func(string) error
	describe func(string) string
}

// key is the setting's name in the YAML file.
func (s setting) key() string { return strings.ToLower(strings.TrimPrefix(s.name, "TUMA_")) }

const (
	nameConfig    = "TUMA_CONFIG"
	nameProvider  = "TUMA_DEFAULT_PROVIDER"
	fileSuffix    = "_FILE"
	longestPeriod = 10 * 365 * 24 * time.Hour
)

// What texts may hold.
var (
	namespaceText = regexp.MustCompile(`^[A-Za-z0-9_.-]{1,64}$`)
	userText      = regexp.MustCompile(`^[!-9;-~]{1,64}$`)
	printableText = regexp.MustCompile(`^[\pL\pN\pP\pS ]{1,128}$`)
)

// group is what belongs together on the page of all settings.
type group struct {
	title    string
	settings []setting
}

// groups are all settings but TUMA_CONFIG, in the order in which Describe shows them.
func groups() []group {
	return []group{
		{"Redis", slices.Concat(redisSettings(), tlsSettings())},
		{"Sending", sendSettings()},
		{"Asking providers", pollSettings()},
		{"How long things are kept", ageSettings()},
		{"Callbacks", callbackSettings()},
		{"HTTP inlet", inletSettings()},
		{"Console", consoleSettings()},
		{"Operations", operationsSettings()},
		{"Providers", providerSettings()},
	}
}

// settings returns every variable but TUMA_CONFIG.
func settings() []setting {
	var all []setting
	for _, g := range groups() {
		all = append(all, g.settings...)
	}
	return all
}

func redisSettings() []setting {
	return []setting{
		{
			name: "TUMA_REDIS_URL", fallback: "redis://127.0.0.1:6379/0",
			what: "Where Redis is, with user and password; `rediss://` is TLS. Further Sentinels " +
				"and nodes follow as `addr=host:port`, a Sentinel's master as `master_name=`.",
			check: checkRedisURL, describe: describeRedisURL,
			secret: func(c *Config) *Secret { return &c.RedisURL },
		},
		{
			name: "TUMA_REDIS_MODE", fallback: "single",
			what: "How Redis is run.",
			parse: oneOf(func(c *Config) *string { return &c.RedisMode },
				"single", "sentinel", "cluster"),
		},
		{
			name: "TUMA_ALLOW_VOLATILE", fallback: "false",
			what:  "Accept a Redis that can forget: for demos and tests, never for money.",
			parse: boolean(func(c *Config) *bool { return &c.AllowVolatile }),
		},
		{
			name: "TUMA_NAMESPACE", fallback: "tuma",
			what: "The hash tag of every key: several deployments on one Redis. In another " +
				"namespace than `tuma` the names of queues begin with it and a dash.",
			parse: matching(func(c *Config) *string { return &c.Namespace }, namespaceText,
				"1 to 64 letters, digits, dots, dashes and underscores"),
		},
	}
}

func sendSettings() []setting {
	return []setting{
		{
			name: nameProvider,
			what: "The provider where no routing rule matches and the producer names none; " +
				"without it the first one that is on.",
			parse: func(c *Config, value string) error {
				field := func(c *Config) *string { return &c.DefaultProvider }
				return oneOf(field, names(c.Instances)...)(c, value)
			},
		},
		{
			name: "TUMA_MAX_IN_FLIGHT", fallback: "4",
			what:  "Requests on the wire per provider, over all workers.",
			parse: whole(func(c *Config) *int { return &c.MaxInFlight }, 1, 1000),
		},
		{
			name: "TUMA_SUBMIT_TIMEOUT", fallback: "30s",
			what: "How long one request to a provider may take.",
			parse: period(func(c *Config) *time.Duration { return &c.SubmitTimeout },
				time.Second, 5*time.Minute),
		},
		{
			name: "TUMA_SEND_GUARD", fallback: "60s",
			what: "Nobody sends a batch again or decides about it before its deadline plus this.",
			parse: period(func(c *Config) *time.Duration { return &c.SendGuard },
				0, time.Hour),
		},
		{
			name: "TUMA_SETTLE_DELAY", fallback: "60s",
			what: "From deadline and guard on, for how long a provider must not know a " +
				"reference before it is sent again.",
			parse: period(func(c *Config) *time.Duration { return &c.SettleDelay },
				time.Millisecond, 24*time.Hour),
		},
		{
			name: "TUMA_HOLD_ON_LOW_FLOAT", fallback: "false",
			what: "Hold, for `budget`, what would go beyond what is left at a provider, as far as that " +
				"is known: see [floats](holds.md#floats). The same for all processes.",
			parse: boolean(func(c *Config) *bool { return &c.HoldOnLowFloat }),
		},
		{
			name: "TUMA_CLAIM_TIMEOUT", fallback: "15s",
			what: "After how long a batch that was claimed and not begun goes back.",
			parse: period(func(c *Config) *time.Duration { return &c.ClaimTimeout },
				time.Millisecond, 10*time.Minute),
		},
		{
			name: "TUMA_SWEEP_INTERVAL", fallback: "5s",
			what: "How often each worker and poller mends what stopped processes left behind.",
			parse: period(func(c *Config) *time.Duration { return &c.SweepInterval },
				time.Millisecond, 5*time.Minute),
		},
		{
			name: "TUMA_CONCURRENCY", fallback: "16",
			what: "Tasks that one process works on at once: queries of a poller, " +
				"`disbursal:accept` of a worker. `TUMA_MAX_IN_FLIGHT` bounds the sending.",
			parse: whole(func(c *Config) *int { return &c.Concurrency }, 1, 1000),
		},
	}
}

func pollSettings() []setting {
	return []setting{
		{
			name: "TUMA_POLL_INITIAL", fallback: "5s",
			what: "The pause before the first query about an accepted batch.",
			parse: period(func(c *Config) *time.Duration { return &c.PollInitial },
				time.Millisecond, time.Hour),
		},
		{
			name: "TUMA_POLL_MAX", fallback: "10m",
			what: "The longest pause between two queries.",
			parse: period(func(c *Config) *time.Duration { return &c.PollMax },
				time.Millisecond, 24*time.Hour),
		},
		{
			name: "TUMA_POLL_MULTIPLIER", fallback: "1.6",
			what:  "By how much each pause is longer than the one before; jitter is added.",
			parse: multiplier,
		},
	}
}

func ageSettings() []setting {
	return []setting{
		{
			name: "TUMA_RETENTION", fallback: "2160h",
			what: "How long settled disbursals are kept. Digests of their references are kept " +
				"a year longer, so that a repeated one is still known.",
			parse: period(func(c *Config) *time.Duration { return &c.Retention },
				time.Second, longestPeriod),
		},
		{
			name: "TUMA_STREAM_AGE", fallback: "168h",
			what: "How long results and rejected jobs stay on their streams; what a consumer " +
				"group has not read stays longer.",
			parse: period(func(c *Config) *time.Duration { return &c.StreamAge },
				time.Second, longestPeriod),
		},
	}
}

func inletSettings() []setting {
	return []setting{
		{
			name: "TUMA_HTTP_ADDR", fallback: "127.0.0.1:8080",
			what:  "Where `enqueuer serve` listens.",
			parse: address(func(c *Config) *string { return &c.HTTPAddr }),
		},
		{
			name: "TUMA_HTTP_TOKENS",
			what: "Who may use the inlet: `producer=token` pairs. References and campaigns are a " +
				"producer's own, kept as `producer/reference`. A token permits `send`, `read` and " +
				"`cancel`, or only what stands behind its producer: `producer:send+read=token`. " +
				"`producer=sha256:HASH` lets its token in without telling it. Without tokens the " +
				"inlet starts on loopback only, and serves no browser.",
			secret: func(c *Config) *Secret { return &c.HTTPTokens },
			check:  func(text string) error { _, err := ParseTokens(text); return err },
		},
	}
}

func consoleSettings() []setting {
	return []setting{
		{
			name: "TUMA_CONSOLE_ADDR", fallback: "127.0.0.1:8090",
			what:  "Where `console` listens.",
			parse: address(func(c *Config) *string { return &c.ConsoleAddr }),
		},
		{
			name: "TUMA_CONSOLE_USERS",
			what: "YAML file of who may sign in, with their roles: `console user` writes its entries. " +
				"Without it the console starts on loopback only, with one user `demo` in every role.",
			parse: path(func(c *Config) *string { return &c.ConsoleUsers }),
		},
	}
}

func operationsSettings() []setting {
	return []setting{
		{
			name: "TUMA_OPS_ADDR",
			what: "Where health, metrics and the dashboard are served; without it `:9101` " +
				"(worker), `:9102` (poller), `:9103` (`enqueuer stream` and `serve`), `:9105` (console).",
			parse: address(func(c *Config) *string { return &c.OpsAddr }),
		},
		{
			name: "TUMA_OPS_HOSTS",
			what: "Host names under which `/metrics` is served, beside every address and `localhost`: " +
				"a web page can lead a name of its own here.",
			parse: hostNames(func(c *Config) *[]string { return &c.OpsHosts }),
		},
		{
			name: "TUMA_MONITOR_WRITE", fallback: "false",
			what:  "Let the dashboard pause queues and delete tasks.",
			parse: boolean(func(c *Config) *bool { return &c.MonitorWrite }),
		},
		{
			name: "TUMA_MONITOR_USER",
			what: "The dashboard's user; with the password needed beyond loopback.",
			parse: matching(func(c *Config) *string { return &c.MonitorUser }, userText,
				"1 to 64 printable ASCII characters without spaces and colons"),
		},
		{
			name: "TUMA_MONITOR_PASSWORD", check: oneLine,
			what:   "The dashboard's password.",
			secret: func(c *Config) *Secret { return &c.MonitorPassword },
		},
		{
			name: "TUMA_TIMEZONE", fallback: DefaultTimezone,
			what: "The time zone of the days in enqueuer statement, where the day of a disbursal is " +
				"decided when it is accepted, of the periods of guards, and of what people read at a " +
				"terminal; JSON and files are in UTC. A name of the IANA database; the same for all " +
				"processes.",
			parse: zone(func(c *Config) **time.Location { return &c.Timezone }),
		},
		{
			name: "TUMA_LOG_LEVEL", fallback: "info",
			what: "The least that is logged.",
			parse: oneOf(func(c *Config) *string { return &c.LogLevel },
				"debug", "info", "warn", "error"),
		},
		{
			name: "TUMA_LOG_FORMAT",
			what: "How the log is written; without it `console` on a terminal and `json` " +
				"elsewhere.",
			parse: oneOf(func(c *Config) *string { return &c.LogFormat }, "json", "console"),
		},
	}
}
