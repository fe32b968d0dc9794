package config

import (
	"errors"
	"fmt"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"time"
)

// setting is one variable. Exactly one of parse and secret is set.
type setting struct {
	name     string
	fallback string
	// parse checks a value and stores it. Its error says what is allowed.
	parse func(*Config, string) error
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

// settings returns every variable but TUMA_CONFIG, in the order in which Describe shows them.
func settings() []setting {
	return slices.Concat(redisSettings(), paceSettings(), listenSettings(), providerSettings())
}

func redisSettings() []setting {
	return []setting{
		{
			name: "TUMA_REDIS_URL", fallback: "redis://127.0.0.1:6379/0", check: checkRedisURL,
			secret: func(c *Config) *Secret { return &c.RedisURL }, describe: describeRedisURL,
		},
		{name: "TUMA_REDIS_MODE", fallback: "single", parse: oneOf(
			func(c *Config) *string { return &c.RedisMode }, "single", "sentinel", "cluster")},
		{
			name: "TUMA_ALLOW_VOLATILE", fallback: "false",
			parse: boolean(func(c *Config) *bool { return &c.AllowVolatile }),
		},
		{name: "TUMA_NAMESPACE", fallback: "tuma", parse: matching(
			func(c *Config) *string { return &c.Namespace }, namespaceText,
			"1 to 64 letters, digits, dots, dashes and underscores")},
	}
}

func paceSettings() []setting {
	return []setting{
		{name: nameProvider, parse: oneOf(
			func(c *Config) *string { return &c.DefaultProvider }, providerNames...)},
		{
			name: "TUMA_MAX_IN_FLIGHT", fallback: "4",
			parse: whole(func(c *Config) *int { return &c.MaxInFlight }, 1, 1000),
		},
		{name: "TUMA_SUBMIT_TIMEOUT", fallback: "30s", parse: period(
			func(c *Config) *time.Duration { return &c.SubmitTimeout },
			time.Second, 5*time.Minute)},
		{name: "TUMA_POLL_INITIAL", fallback: "5s", parse: period(
			func(c *Config) *time.Duration { return &c.PollInitial }, time.Millisecond, time.Hour)},
		{name: "TUMA_POLL_MAX", fallback: "10m", parse: period(
			func(c *Config) *time.Duration { return &c.PollMax }, time.Millisecond, 24*time.Hour)},
		{name: "TUMA_POLL_MULTIPLIER", fallback: "1.6", parse: multiplier},
		{name: "TUMA_SEND_GUARD", fallback: "60s", parse: period(
			func(c *Config) *time.Duration { return &c.SendGuard }, 0, time.Hour)},
		{name: "TUMA_SETTLE_DELAY", fallback: "60s", parse: period(
			func(c *Config) *time.Duration { return &c.SettleDelay },
			time.Millisecond, 24*time.Hour)},
		{name: "TUMA_SWEEP_INTERVAL", fallback: "5s", parse: period(
			func(c *Config) *time.Duration { return &c.SweepInterval },
			time.Millisecond, 5*time.Minute)},
		{name: "TUMA_CLAIM_TIMEOUT", fallback: "15s", parse: period(
			func(c *Config) *time.Duration { return &c.ClaimTimeout },
			time.Millisecond, 10*time.Minute)},
		{
			name: "TUMA_CONCURRENCY", fallback: "16",
			parse: whole(func(c *Config) *int { return &c.Concurrency }, 1, 1000),
		},
		{name: "TUMA_RETENTION", fallback: "2160h", parse: period(
			func(c *Config) *time.Duration { return &c.Retention }, time.Second, longestPeriod)},
		{name: "TUMA_STREAM_AGE", fallback: "168h", parse: period(
			func(c *Config) *time.Duration { return &c.StreamAge }, time.Second, longestPeriod)},
	}
}

func listenSettings() []setting {
	return []setting{
		{
			name: "TUMA_CALLBACK_ADDR", fallback: ":8081",
			parse: address(func(c *Config) *string { return &c.CallbackAddr }),
		},
		{
			name: "TUMA_CALLBACK_TOKEN", check: checkPathToken,
			secret: func(c *Config) *Secret { return &c.CallbackToken },
		},
		{
			name: "TUMA_HTTP_ADDR", fallback: "127.0.0.1:8080",
			parse: address(func(c *Config) *string { return &c.HTTPAddr }),
		},
		{
			name:   "TUMA_HTTP_TOKENS",
			secret: func(c *Config) *Secret { return &c.HTTPTokens },
			check:  func(text string) error { _, err := ParseTokens(text); return err },
		},
		{name: "TUMA_OPS_ADDR", parse: address(func(c *Config) *string { return &c.OpsAddr })},
		{
			name: "TUMA_MONITOR_WRITE", fallback: "false",
			parse: boolean(func(c *Config) *bool { return &c.MonitorWrite }),
		},
		{name: "TUMA_MONITOR_USER", parse: matching(
			func(c *Config) *string { return &c.MonitorUser }, userText,
			"1 to 64 printable ASCII characters without spaces and colons")},
		{
			name: "TUMA_MONITOR_PASSWORD", check: oneLine,
			secret: func(c *Config) *Secret { return &c.MonitorPassword },
		},
		{name: "TUMA_LOG_LEVEL", fallback: "info", parse: oneOf(
			func(c *Config) *string { return &c.LogLevel }, "debug", "info", "warn", "error")},
		{name: "TUMA_LOG_FORMAT", parse: oneOf(
			func(c *Config) *string { return &c.LogFormat }, "json", "console")},
	}
}

func providerSettings() []setting {
	return []setting{
		{
			name:  "LIPAD_BASE_URL",
			parse: baseURL(func(c *Config) *string { return &c.Lipad.BaseURL }),
		},
		{
			name: "LIPAD_CONSUMER_KEY", check: oneLine,
			secret: func(c *Config) *Secret { return &c.Lipad.ConsumerKey },
		},
		{
			name: "LIPAD_CONSUMER_SECRET", check: oneLine,
			secret: func(c *Config) *Secret { return &c.Lipad.ConsumerSecret },
		},
		{
			name:  "AFRICASTALKING_BASE_URL",
			parse: baseURL(func(c *Config) *string { return &c.AfricasTalking.BaseURL }),
		},
		{
			name:  "AFRICASTALKING_USERNAME",
			parse: text(func(c *Config) *string { return &c.AfricasTalking.Username }),
		},
		{
			name: "AFRICASTALKING_API_KEY", check: oneLine,
			secret: func(c *Config) *Secret { return &c.AfricasTalking.APIKey },
		},
		{
			name:  "QUICKSMS_BASE_URL",
			parse: baseURL(func(c *Config) *string { return &c.QuickSMS.BaseURL }),
		},
		{
			name: "QUICKSMS_APP_KEY", check: oneLine,
			secret: func(c *Config) *Secret { return &c.QuickSMS.AppKey },
		},
		{
			name: "QUICKSMS_APP_TOKEN", check: oneLine,
			secret: func(c *Config) *Secret { return &c.QuickSMS.AppToken },
		},
		{
			name:  "SOZURI_BASE_URL",
			parse: baseURL(func(c *Config) *string { return &c.Sozuri.BaseURL }),
		},
		{name: "SOZURI_PROJECT", parse: text(func(c *Config) *string { return &c.Sozuri.Project })},
		{
			name: "SOZURI_API_KEY", check: oneLine,
			secret: func(c *Config) *Secret { return &c.Sozuri.APIKey },
		},
		{
			name: "SOZURI_CALLBACK_KEY", check: oneLine,
			secret: func(c *Config) *Secret { return &c.Sozuri.CallbackKey },
		},
	}
}

func oneOf(field func(*Config) *string, allowed ...string) func(*Config, string) error {
	return func(c *Config, value string) error {
		if !slices.Contains(allowed, value) {
			return fmt.Errorf("must be one of %s", strings.Join(allowed, ", "))
		}
		*field(c) = value
		return nil
	}
}

func boolean(field func(*Config) *bool) func(*Config, string) error {
	return func(c *Config, value string) error {
		if value != "true" && value != "false" {
			return errors.New("must be true or false")
		}
		*field(c) = value == "true"
		return nil
	}
}

func whole(field func(*Config) *int, least, most int) func(*Config, string) error {
	return func(c *Config, value string) error {
		number, err := strconv.Atoi(value)
		if err != nil || number < least || number > most {
			return fmt.Errorf("must be a whole number from %d to %d", least, most)
		}
		*field(c) = number
		return nil
	}
}

func period(field func(*Config) *time.Duration, least, most time.Duration,
) func(*Config, string) error {
	return func(c *Config, value string) error {
		duration, err := time.ParseDuration(value)
		if err != nil || duration < least || duration > most {
			return fmt.Errorf("must be a duration such as 30s, from %s to %s", least, most)
		}
		*field(c) = duration
		return nil
	}
}

func multiplier(c *Config, value string) error {
	number, err := strconv.ParseFloat(value, 64)
	// Written so that NaN, which compares with nothing, is refused too.
	if err != nil || !(number > 1 && number <= 10) {
		return errors.New("must be a number above 1 and up to 10")
	}
	c.PollMultiplier = number
	return nil
}

func matching(field func(*Config) *string, expression *regexp.Regexp, allowed string,
) func(*Config, string) error {
	return func(c *Config, value string) error {
		if !expression.MatchString(value) {
			return fmt.Errorf("must be %s", allowed)
		}
		*field(c) = value
		return nil
	}
}

func text(field func(*Config) *string) func(*Config, string) error {
	return matching(field, printableText, "1 to 128 printable characters")
}
