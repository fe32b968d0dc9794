package listen

import (
	"net"
	"net/http"
	"net/netip"
	"slices"
	"strings"
)

// Hosts lets requests through that ask for an address, for localhost or for one of the names. A web
// page can have a name of its own lead to this machine, and would read the answers; with an address
// it cannot. Others are answered 421, with a text that names the setting.
func Hosts(names []string, setting string, next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if host := hostOf(r); !named(host, names) {
			http.Error(w, "this listener does not answer by that host name: ask by address, or add "+
				"the name to "+setting, http.StatusMisdirectedRequest)
			return
		}
		next.ServeHTTP(w, r)
	})
}

// hostOf is the name or address in the Host header, without the port.
func hostOf(r *http.Request) string {
	if host, _, err := net.SplitHostPort(r.Host); err == nil {
		return host
	}
	return strings.Trim(r.Host, "[]")
}

func named(host string, names []string) bool {
	if _, err := netip.ParseAddr(host); err == nil {
		return true
	}
	return slices.ContainsFunc(append([]string{"localhost"}, names...), func(name string) bool {
		return strings.EqualFold(name, host)
	})
}
