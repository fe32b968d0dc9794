package config

import (
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"net/netip"
	"os"
	"strings"
)

const (
	nameRedisCA   = "TUMA_REDIS_CA_FILE"
	nameRedisCert = "TUMA_REDIS_CERT_FILE"
	nameRedisKey  = "TUMA_REDIS_KEY_FILE"
)

// RedisFiles are the PEM files of TLS to Redis; an empty path is a file that is not used.
type RedisFiles struct {
	// CA holds the authorities that may vouch for Redis, instead of the system's.
	CA string
	// Cert and Key are what this process shows to Redis.
	Cert, Key string
}

// path reads the path of a file, which is opened later.
func path(field func(*Config) *string) func(*Config, string) error {
	return func(c *Config, value string) error {
		*field(c) = value
		return nil
	}
}

// tlsSettings are the files of TLS to Redis.
func tlsSettings() []setting {
	return []setting{
		{
			name: nameRedisCA,
			what: "PEM file with the authorities that may vouch for Redis, instead of the " +
				"system's; read at the start.",
			parse: path(func(c *Config) *string { return &c.RedisFiles.CA }),
		},
		{
			name: nameRedisCert,
			what: "PEM file with the certificate that this process shows to Redis; read for " +
				"each connection.",
			parse: path(func(c *Config) *string { return &c.RedisFiles.Cert }),
		},
		{
			name:  nameRedisKey,
			what:  "PEM file with the key of that certificate.",
			parse: path(func(c *Config) *string { return &c.RedisFiles.Key }),
		},
	}
}

// callbackSettings are the listener for callbacks and what guards it.
func callbackSettings() []setting {
	return []setting{
		{
			name: "TUMA_CALLBACK_ADDR", fallback: ":8081",
			what:  "Where pollers listen for callbacks.",
			parse: address(func(c *Config) *string { return &c.CallbackAddr }),
		},
		{
			name:  "TUMA_CALLBACK_TOKEN",
			check: func(text string) error { _, err := ParseCallbackTokens(text); return err },
			what: "Stands in the addresses that providers are given; no token, no listener. One for " +
				"all, or `provider=token` pairs with commas between them: one provider's then says " +
				"nothing about another's recipients.",
			secret: func(c *Config) *Secret { return &c.CallbackToken },
		},
		{
			name:  "TUMA_CALLBACK_ALLOW",
			what:  "Who may send callbacks; without it every client that knows the token.",
			parse: subnets(func(c *Config) *[]netip.Prefix { return &c.CallbackAllow }),
		},
		{
			name: "TUMA_CALLBACK_PROXIES",
			what: "Proxies in front of the listener, whose `X-Forwarded-For` is believed; only " +
				"with `TUMA_CALLBACK_ALLOW`.",
			parse: subnets(func(c *Config) *[]netip.Prefix { return &c.CallbackProxies }),
		},
	}
}

// subnets reads a list of addresses and networks; an address is a network of its own.
func subnets(field func(*Config) *[]netip.Prefix) func(*Config, string) error {
	return func(c *Config, value string) error {
		var list []netip.Prefix
		for text := range strings.SplitSeq(value, ",") {
			network, err := parseSubnet(strings.TrimSpace(text))
			if err != nil {
				return err
			}
			list = append(list, network)
		}
		*field(c) = list
		return nil
	}
}

func parseSubnet(text string) (netip.Prefix, error) {
	network, err := netip.ParsePrefix(text)
	if address, single := netip.ParseAddr(text); single == nil && address.Zone() == "" {
		network, err = netip.PrefixFrom(address, address.BitLen()), nil
	}
	switch {
	case err != nil:
		return network, errors.New("must be addresses or networks such as 192.0.2.7 or" +
			" 2001:db8::/32, with commas between them")
	case network.Addr().Is4In6():
		return network, errors.New("must have IPv4 networks written as such, not inside of IPv6")
	case network != network.Masked():
		return network, fmt.Errorf("has bits of a host in %s; the network is %s", network,
			network.Masked())
	}
	return network, nil
}

// checkCallbacks refuses tokens of providers that do not exist, and proxies that would be believed
// about nothing. Tokens that are none have been reported.
func (l *loader) checkCallbacks() {
	token := l.config.CallbackToken.Value()
	if _, err := ParseCallbackTokens(token); err == nil {
		if _, err = ParseCallbackTokens(token, names(l.config.Instances)...); err != nil {
			l.problem("TUMA_CALLBACK_TOKEN: %s", err)
		}
	}
	if len(l.config.CallbackProxies) > 0 && len(l.config.CallbackAllow) == 0 {
		l.problem("TUMA_CALLBACK_PROXIES: matters only with TUMA_CALLBACK_ALLOW; set both")
	}
}

// checkRedisTLS reads the files of TLS to Redis.
func (l *loader) checkRedisTLS() {
	files := l.config.RedisFiles
	if files == (RedisFiles{}) {
		return
	}
	if !strings.HasPrefix(l.config.RedisURL.Value(), "rediss://") {
		l.problem("%s, %s and %s: are for TLS; TUMA_REDIS_URL must begin with rediss://",
			nameRedisCA, nameRedisCert, nameRedisKey)
	}
	config := &tls.Config{MinVersion: tls.VersionTLS12}
	if files.CA != "" {
		pool, err := authorities(files.CA)
		if err != nil {
			l.problem("%s=%q: %s", nameRedisCA, shown(files.CA), err)
		}
		config.RootCAs = pool
	}
	switch {
	case (files.Cert == "") != (files.Key == ""):
		l.problem("%s and %s: set both or neither", nameRedisCert, nameRedisKey)
	case files.Cert != "":
		load := func() (*tls.Certificate, error) {
			pair, err := tls.LoadX509KeyPair(files.Cert, files.Key)
			if err != nil {
				return nil, fmt.Errorf("%s and %s: %w", nameRedisCert, nameRedisKey, bare(err))
			}
			return &pair, nil
		}
		if _, err := load(); err != nil {
			l.problem("%s", err)
		}
		// Read for each connection, so that a renewed certificate needs no restart.
		config.GetClientCertificate = func(*tls.CertificateRequestInfo) (*tls.Certificate, error) {
			return load()
		}
	}
	l.config.RedisTLS = config
}

// maxAuthorities bounds the file of authorities, in bytes; those of a whole system are a fifth.
const maxAuthorities = 1 << 20

func authorities(path string) (*x509.CertPool, error) {
	file, err := os.Open(path)
	if err != nil {
		return nil, bare(err)
	}
	defer func() { _ = file.Close() }() // It was only read.
	text, err := io.ReadAll(io.LimitReader(file, maxAuthorities))
	if err != nil {
		return nil, bare(err)
	}
	pool := x509.NewCertPool()
	if !pool.AppendCertsFromPEM(text) {
		return nil, errors.New("holds no certificate in PEM form")
	}
	return pool, nil
}

// bare takes the path out of an error: what came to the wrong place may be a secret.
func bare(err error) error {
	if at := (*fs.PathError)(nil); errors.As(err, &at) {
		return at.Err
	}
	return err
}

// shortestSecret is the least length of a secret of ours that other machines can try, in bytes.
const shortestSecret = 16

// checkOwnSecrets refuses secrets of ours that can be guessed, where other machines can try. What
// cannot be read has been reported.
func (l *loader) checkOwnSecrets() {
	c := l.config
	short := func(setting, address, secret string) {
		if secret != "" && len(secret) < shortestSecret {
			l.problem("%s: must have at least %d characters, since %s is reached from other "+
				"machines: openssl rand -hex 32", setting, shortestSecret, address)
		}
	}
	if !Loopback(c.HTTPAddr) {
		tokens, _ := ParseTokens(c.HTTPTokens.Value())
		for _, token := range tokens {
			short("TUMA_HTTP_TOKENS: the token of "+token.Producer, "TUMA_HTTP_ADDR", token.Plain)
		}
	}
	if !Loopback(c.CallbackAddr) {
		tokens, _ := ParseCallbackTokens(c.CallbackToken.Value())
		for _, token := range tokens.All() {
			short("TUMA_CALLBACK_TOKEN", "TUMA_CALLBACK_ADDR", token)
		}
	}
	if !Loopback(c.OpsAddr) { // Without a setting each process has a port on every address.
		short("TUMA_MONITOR_PASSWORD", "TUMA_OPS_ADDR", c.MonitorPassword.Value())
	}
}
