package config

import (
	"errors"
	"fmt"
	"net"
	"net/netip"
	"net/url"
	"regexp"
	"slices"
	"strconv"
	"strings"
)

// Loopback reports whether an address to listen on (host:port) can be reached from this machine
// only.
func Loopback(address string) bool {
	host, _, err := net.SplitHostPort(address)
	return err == nil && loopbackHost(host)
}

func loopbackHost(host string) bool {
	if host == "localhost" {
		return true
	}
	ip, err := netip.ParseAddr(host)
	return err == nil && ip.IsLoopback()
}

func address(field func(*Config) *string) func(*Config, string) error {
	return func(c *Config, value string) error {
		_, port, err := net.SplitHostPort(value)
		if err != nil || !validPort(port) {
			return errors.New("must be host:port or :port")
		}
		*field(c) = value
		return nil
	}
}

// hostName is a name as a Host header has it, without a port.
var hostName = regexp.MustCompile(`^[A-Za-z0-9]([A-Za-z0-9.-]{0,251}[A-Za-z0-9])?$`)

func hostNames(field func(*Config) *[]string) func(*Config, string) error {
	return func(c *Config, value string) error {
		var list []string
		for text := range strings.SplitSeq(value, ",") {
			name := strings.TrimSpace(text)
			if !hostName.MatchString(name) {
				return errors.New("must be host names such as tuma.example.com, without ports and " +
					"with commas between them")
			}
			list = append(list, name)
		}
		*field(c) = list
		return nil
	}
}

func validPort(port string) bool {
	_, err := strconv.ParseUint(port, 10, 16)
	return err == nil
}

func baseURL(field func(*Config) *string) func(*Config, string) error {
	return func(c *Config, value string) error {
		const allowed = "must be scheme, host and optional port, such as https://host:8443"
		parsed, err := url.Parse(value)
		switch {
		case err != nil || parsed.Hostname() == "" || parsed.User != nil:
			return errors.New(allowed)
		case parsed.Scheme != "https" && parsed.Scheme != "http":
			return errors.New(allowed)
		case strings.Trim(parsed.Path, "/") != "" || strings.ContainsAny(value, "?#"):
			return errors.New(allowed + "; the provider's path is added to it")
		case parsed.Port() != "" && !validPort(parsed.Port()):
			return errors.New(allowed)
		case parsed.Scheme == "http" && !loopbackHost(parsed.Hostname()):
			return errors.New("must be https: plain http would show the credentials to the" +
				" network (only loopback may have it)")
		}
		*field(c) = parsed.Scheme + "://" + parsed.Host
		return nil
	}
}

// checkRedisURL looks at the parts that every mode needs; the URL may hold a password and is not
// shown.
func checkRedisURL(value string) error {
	parsed, err := url.Parse(value)
	if err != nil || parsed.Scheme != "redis" && parsed.Scheme != "rediss" || parsed.Host == "" {
		return errors.New("must be redis://user:password@host:port/0, or rediss:// for TLS")
	}
	if parsed.Query().Has("skip_verify") {
		return errors.New("must not skip the check of certificates (skip_verify): give the " +
			"authority in TUMA_REDIS_CA_FILE")
	}
	return nil
}

// describeRedisURL leaves out user, password and options, among which there may be passwords too.
func describeRedisURL(value string) string {
	parsed, err := url.Parse(value)
	if err != nil {
		return secretText
	}
	return (&url.URL{Scheme: parsed.Scheme, Host: parsed.Host, Path: parsed.Path}).String()
}

// pathToken is what may stand in a URL path without being escaped.
var pathToken = regexp.MustCompile(`^[A-Za-z0-9._~-]{1,256}$`)

func checkPathToken(value string) error {
	if !pathToken.MatchString(value) || strings.Trim(value, ".") == "" {
		return errors.New("must be 1 to 256 letters, digits, dots, dashes, tildes and" +
			" underscores, since it stands in a URL")
	}
	return nil
}

// CallbackTokens are the tokens in the addresses that providers are given, by provider; those under
// the empty name are everybody's.
type CallbackTokens map[string][]string

// ParseCallbackTokens reads one token, or provider=token pairs separated by commas or line ends. A
// provider may have several, so that one can be replaced. An error is returned when a pair is not
// one, or a name is not that of a known provider; it shows no token. Without any that is known,
// every name will do.
func ParseCallbackTokens(text string, known ...string) (CallbackTokens, error) {
	if !strings.Contains(text, "=") {
		return CallbackTokens{"": {text}}, checkPathToken(text)
	}
	tokens := CallbackTokens{}
	separator := func(c rune) bool { return c == ',' || c == '\n' || c == '\r' }
	for pair := range strings.FieldsFuncSeq(text, separator) {
		if strings.TrimSpace(pair) == "" {
			continue
		}
		provider, token, _ := strings.Cut(pair, "=")
		provider, token = strings.TrimSpace(provider), strings.TrimSpace(token)
		if len(known) > 0 && !slices.Contains(known, provider) {
			return nil, fmt.Errorf("must be one token, or provider=token pairs with commas between "+
				"them; providers are %s", strings.Join(known, ", "))
		}
		if err := checkPathToken(token); err != nil {
			return nil, fmt.Errorf("the token of %s %w", provider, err)
		}
		tokens[provider] = append(tokens[provider], token)
	}
	return tokens, nil
}

// Of lists the tokens of a provider.
func (t CallbackTokens) Of(provider string) []string {
	return slices.Concat(t[""], t[provider])
}

// All lists every token.
func (t CallbackTokens) All() (list []string) {
	for _, tokens := range t {
		list = append(list, tokens...)
	}
	return list
}

func oneLine(value string) error {
	if strings.ContainsAny(value, "\r\n") {
		return errors.New("must be a single line")
	}
	return nil
}
