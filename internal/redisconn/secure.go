package redisconn

import (
	"crypto/tls"
	"net/url"
)

// secure completes what a URL said about TLS and credentials. With TLS set no connection is in the
// clear, whatever the URL says; the name that the certificates must carry is the URL's host.
func (o Options) secure(
	config **tls.Config, credentials *func() (string, string), user, password string,
) {
	if o.TLS != nil {
		own := o.TLS.Clone()
		if *config != nil {
			own.ServerName = (*config).ServerName
		}
		*config = own
	}
	if o.CurrentURL != nil {
		*credentials = func() (string, string) { return o.current(user, password) }
	}
}

// current returns the user and password that a new connection takes: those of the URL as it is now,
// or the given ones while that cannot be read. Sentinel mode has those of Redis in the query; the
// ones before the host are the Sentinels' own.
func (o Options) current(user, password string) (string, string) {
	parsed, err := url.Parse(o.CurrentURL())
	if err != nil {
		return user, password
	}
	if o.Mode == "sentinel" {
		return parsed.Query().Get("username"), parsed.Query().Get("password")
	}
	word, _ := parsed.User.Password()
	return parsed.User.Username(), word
}
