package callback

import (
	"net/http"
	"net/netip"
	"slices"
	"strings"
)

// Networks are those that may send callbacks.
type Networks struct {
	// Allow are the networks that callbacks may come from; none means all.
	Allow []netip.Prefix
	// Proxies are the networks whose X-Forwarded-For is believed.
	Proxies []netip.Prefix
}

// admits reports whether a request may have come from a provider; from is the address that decided.
//
// Whoever is no proxy of ours may write anything into X-Forwarded-For, so it is read from the end:
// each proxy adds whom it was called by, and the first address that is none of our proxies is the
// last one that a proxy of ours has seen.
func (n Networks) admits(r *http.Request) (from netip.Addr, ok bool) {
	if len(n.Allow) == 0 {
		return netip.Addr{}, true
	}
	from = address(r.RemoteAddr)
	passed := strings.Split(strings.Join(r.Header.Values("X-Forwarded-For"), ","), ",")
	for _, text := range slices.Backward(passed) {
		if !within(n.Proxies, from) || strings.TrimSpace(text) == "" && len(passed) == 1 {
			break
		}
		from = address(strings.TrimSpace(text))
	}
	return from, within(n.Allow, from)
}

// address reads an address with or without a port; one that cannot be read is in no network.
func address(text string) netip.Addr {
	if both, err := netip.ParseAddrPort(text); err == nil {
		return both.Addr().Unmap().WithZone("")
	}
	alone, err := netip.ParseAddr(strings.Trim(text, "[]"))
	if err != nil {
		return netip.Addr{}
	}
	return alone.Unmap().WithZone("")
}

func within(networks []netip.Prefix, address netip.Addr) bool {
	return slices.ContainsFunc(networks, func(n netip.Prefix) bool { return n.Contains(address) })
}
