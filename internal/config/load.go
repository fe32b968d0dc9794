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
	l.config.Instances = l.file.instances
	l.show(nameConfig, getenv(nameConfig))
	for _, s := range settings() {
		switch {
		case s.kind != "" && l.file.listed:
			l.refuse(s)
		case s.secret != nil:
			l.readSecret(s)
		default:
			l.readValue(s)
		}
	}
	l.file.apply(l.config)
	l.checkRedisTLS()
	l.checkCallbacks()
	l.checkPolling()
	l.checkProviders()
	l.config.setRouting()
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
