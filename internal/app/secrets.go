package app

import (
	"net/url"
	"strings"

	"tuma/internal/config"
	"tuma/internal/webhook"
)

// secretsOf lists every secret as it is now, for the logs to hide: the passwords and tokens inside
// of other secrets, too.
func secretsOf(c *config.Config) []string {
	var list []string
	for _, secret := range []config.Secret{
		c.RedisURL, c.CallbackToken, c.HTTPTokens, c.MonitorPassword,
	} {
		list = append(list, secret.Value())
	}
	for _, i := range c.Instances {
		for _, secret := range i.Secrets() {
			list = append(list, secret.Value())
		}
	}
	for _, w := range c.Webhooks {
		list = append(list, w.Secret.Value())
		for line := range strings.Lines(w.Secret.Value()) {
			line = strings.TrimSpace(line)
			list = append(list, line, strings.TrimPrefix(line, webhook.SecretPrefix))
		}
	}
	if redis, err := url.Parse(c.RedisURL.Value()); err == nil {
		if password, has := redis.User.Password(); has {
			list = append(list, password)
		}
	}
	if tokens, err := config.ParseCallbackTokens(c.CallbackToken.Value()); err == nil {
		list = append(list, tokens.All()...)
	}
	if tokens, err := config.ParseTokens(c.HTTPTokens.Value()); err == nil {
		for _, token := range tokens {
			if token.Plain != "" {
				list = append(list, token.Plain)
			}
		}
	}
	return list
}
