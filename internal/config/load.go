package config

import (
	"errors"
	"fmt"
	"regexp"
	"slices"
	"strings"

	"tuma/internal/nearest"
)

// Problems is everything that is wrong with the configuration; each names its setting.
type Problems []string

// Error lists the problems, one per line.
func (p Problems) Error() string { return strings.Join(p, "\n") }

// loader collects settings from the environment and the YAML file.
type loader struct {
	getenv   func(string) string
	file     *yamlFile
	config   *Config
	problems Problems
}

// Load reads and checks every setting. getenv looks a variable up and environ lists them as
// name=value, so that misspelt ones are found. Problems are returned when anything is wrong, all of
// them at once; they show no secret.
func Load(getenv func(string) string, environ []string) (*Config, error) {
	l := &loader{getenv: getenv, config: &Config{}}
	l.checkNames(environ)
	l.file = readYAML(getenv(nameConfig), &l.problems)
	l.show(nameConfig, getenv(nameConfig))
	for _, s := range settings() {
		if s.secret != nil {
			l.readSecret(s)
		} else {
			l.readValue(s)
		}
	}
	l.file.apply(l.config)
	l.checkRedisTLS()
	l.checkCallbacks()
	l.checkPolling()
	l.checkProviders()
	l.checkMonitor()
	l.checkOwnSecrets()
	if len(l.problems) > 0 {
		return nil, l.problems
	}
	l.config.shown = append(l.config.shown, l.file.describe(l.config)...)
	return l.config, nil
}

func (l *loader) problem(format string, values ...any) {
	l.problems = append(l.problems, fmt.Sprintf(format, values...))
}

func (l *loader) show(name, value string) {
	l.config.shown = append(l.config.shown, name+"="+value)
}

// readValue takes a setting from the environment, else from the file, else its default.
func (l *loader) readValue(s setting) {
	value, from := s.fallback, s.name
	if scalar, given := l.file.scalars[s.key()]; given {
		value, from = scalar.value, scalar.where
	}
	if set := l.getenv(s.name); set != "" {
		value, from = set, s.name
	}
	l.show(s.name, value)
	if value == "" {
		return
	}
	if err := s.parse(l.config, value); err != nil {
		l.problem("%s=%q: %s", from, shown(value), err)
	}
}

// readSecret takes a secret from its variable or from the file that NAME_FILE names.
func (l *loader) readSecret(s setting) {
	value, path := l.getenv(s.name), l.getenv(s.name+fileSuffix)
	field := s.secret(l.config)
	from := s.name
	switch {
	case value != "" && path != "":
		l.problem("%s: set it or %s%s, not both", s.name, s.name, fileSuffix)
		return
	case path != "":
		from += fileSuffix
		secret, err := SecretFile(path)
		if err != nil {
			l.problem("%s: %s", from, err)
			return
		}
		*field = secret
	case value == "":
		value = s.fallback
		fallthrough
	default:
		*field = NewSecret(value)
	}
	if field.IsSet() {
		err := errors.Join(checkSecret(field.Value()), s.check(field.Value()))
		if err != nil {
			l.problem("%s: %s", from, strings.ReplaceAll(err.Error(), "\n", "; "))
		}
	}
	if s.describe != nil {
		l.show(s.name, s.describe(field.Value()))
		return
	}
	l.show(s.name, field.String())
}

// shown is a value as a problem shows it: an address may hold a password, and a phone number may
// have come to the wrong place.
func shown(value string) string {
	if strings.Contains(value, "@") {
		return secretText
	}
	return hideNumbers(value)
}

// serviceLink matches the variables that Kubernetes makes of a service called tuma or tuma-….
var serviceLink = regexp.MustCompile(
	`^TUMA_(.+_)?(SERVICE_HOST|SERVICE_PORT(_.+)?|PORT|PORT_\d+_(TCP|UDP)(_(PROTO|PORT|ADDR))?)$`)

// Variables returns the names of all variables that Load reads; of a secret also NAME_FILE.
func Variables() []string {
	names := []string{nameConfig}
	for _, s := range settings() {
		names = append(names, s.name)
		if s.secret != nil {
			names = append(names, s.name+fileSuffix)
		}
	}
	return names
}

// checkNames refuses TUMA_ variables that do not exist: a misspelt limit must not go unnoticed.
func (l *loader) checkNames(environ []string) {
	known := Variables()
	for _, entry := range environ {
		name, _, _ := strings.Cut(entry, "=")
		if !strings.HasPrefix(name, "TUMA_") || slices.Contains(known, name) ||
			serviceLink.MatchString(name) {
			continue
		}
		l.problem("%s: there is no such variable; did you mean %s?", name, nearest.Of(name, known))
	}
}

func (l *loader) checkPolling() {
	c := l.config
	if c.PollInitial > c.PollMax && c.PollMax > 0 {
		l.problem("TUMA_POLL_MAX=%q: must not be below TUMA_POLL_INITIAL (%s)",
			c.PollMax, c.PollInitial)
	}
}

func (l *loader) checkMonitor() {
	if (l.config.MonitorUser != "") != l.config.MonitorPassword.IsSet() {
		l.problem("TUMA_MONITOR_USER and TUMA_MONITOR_PASSWORD: set both or neither")
	}
}

// part is one of the settings that a provider needs.
type part struct {
	name string
	set  bool
}

// on reports whether a provider is on: all its parts are set. Some of them only is a problem; extra
// says that a setting was given which makes no sense without them.
func (l *loader) on(parts []part, extra string) bool {
	var missing, set []string
	for _, p := range parts {
		if p.set {
			set = append(set, p.name)
		} else {
			missing = append(missing, p.name)
		}
	}
	if extra != "" {
		set = append(set, extra)
	}
	if len(set) > 0 && len(missing) > 0 {
		l.problem("%s: missing, while %s is set",
			strings.Join(missing, ", "), strings.Join(set, ", "))
	}
	return len(missing) == 0
}

// given returns the name if the setting was given, by the environment or the file.
func (l *loader) given(name string) string {
	_, inFile := l.file.scalars[setting{name: name}.key()]
	if inFile || l.getenv(name) != "" {
		return name
	}
	return ""
}

func (l *loader) checkProviders() {
	c := l.config
	c.Lipad.On = l.on([]part{
		{"LIPAD_BASE_URL", c.Lipad.BaseURL != "" || l.given("LIPAD_BASE_URL") != ""},
		{"LIPAD_CONSUMER_KEY", c.Lipad.ConsumerKey.IsSet()},
		{"LIPAD_CONSUMER_SECRET", c.Lipad.ConsumerSecret.IsSet()},
	}, "")
	c.AfricasTalking.On = l.on([]part{
		{"AFRICASTALKING_USERNAME", c.AfricasTalking.Username != ""},
		{"AFRICASTALKING_API_KEY", c.AfricasTalking.APIKey.IsSet()},
	}, l.given("AFRICASTALKING_BASE_URL"))
	c.QuickSMS.On = l.on([]part{
		{"QUICKSMS_APP_KEY", c.QuickSMS.AppKey.IsSet()},
		{"QUICKSMS_APP_TOKEN", c.QuickSMS.AppToken.IsSet()},
	}, l.given("QUICKSMS_BASE_URL"))
	c.Sozuri.On = l.on([]part{
		{"SOZURI_PROJECT", c.Sozuri.Project != ""},
		{"SOZURI_API_KEY", c.Sozuri.APIKey.IsSet()},
	}, l.given("SOZURI_BASE_URL"))
	l.defaultURLs()
	l.defaultProvider()
}

// defaultURLs fills in the hosts that are known. Lipad does not print its production host.
func (l *loader) defaultURLs() {
	c := l.config
	at := "https://api.africastalking.com"
	if c.AfricasTalking.Username == "sandbox" {
		at = "https://api.sandbox.africastalking.com"
	}
	for _, host := range []struct {
		url      *string
		fallback string
	}{
		{&c.AfricasTalking.BaseURL, at},
		{&c.QuickSMS.BaseURL, "https://quicksms.advantasms.com"},
		{&c.Sozuri.BaseURL, "https://sozuri.net"},
	} {
		if *host.url == "" {
			*host.url = host.fallback
		}
	}
}

// defaultProvider finds the first that is on, or checks that the one asked for is. A process that
// only takes jobs in may know no credentials at all and still name the default.
func (l *loader) defaultProvider() {
	c, on := l.config, l.config.Providers()
	switch {
	case c.DefaultProvider == "" && len(on) > 0:
		c.DefaultProvider = on[0]
	case c.DefaultProvider != "" && len(on) > 0 && !slices.Contains(on, c.DefaultProvider):
		l.problem("%s=%q: is not configured; configured are %s",
			nameProvider, c.DefaultProvider, strings.Join(on, ", "))
	}
}
