package webhook

import (
	"errors"
	"fmt"
	"net/netip"
	"net/url"
	"slices"
)

// ErrAddress is why an endpoint is not reached: its address is one that is not allowed.
var ErrAddress = errors.New("the address is not allowed")

// special are networks beside the private ones that are no host's on the internet, or stand for
// addresses of other networks.
var special = []netip.Prefix{
	netip.MustParsePrefix("0.0.0.0/8"), netip.MustParsePrefix("100.64.0.0/10"),
	netip.MustParsePrefix("192.0.0.0/24"), netip.MustParsePrefix("192.0.2.0/24"),
	netip.MustParsePrefix("198.18.0.0/15"), netip.MustParsePrefix("198.51.100.0/24"),
	netip.MustParsePrefix("203.0.113.0/24"), netip.MustParsePrefix("240.0.0.0/4"),
	netip.MustParsePrefix("64:ff9b::/96"), netip.MustParsePrefix("64:ff9b:1::/48"),
	netip.MustParsePrefix("100::/64"), netip.MustParsePrefix("2001::/23"),
	netip.MustParsePrefix("2001:db8::/32"), netip.MustParsePrefix("2002::/16"),
	netip.MustParsePrefix("fec0::/10"),
}

// Public reports whether an address is one of the internet: not of this machine, of a private
// network or of a link.
func Public(address netip.Addr) bool {
	address = address.Unmap().WithZone("")
	return address.IsGlobalUnicast() && !address.IsPrivate() &&
		!slices.ContainsFunc(special, func(p netip.Prefix) bool { return p.Contains(address) })
}

// ParseURL reads the URL of an endpoint. An error says what is allowed; of a host name it is known
// only when the request is made where it leads.
func ParseURL(text string, allowPrivate bool) (*url.URL, error) {
	const allowed = "must be a URL such as https://shop.example/airtime"
	u, err := url.Parse(text)
	switch {
	case err != nil || u.Hostname() == "" || u.Opaque != "":
		return nil, errors.New(allowed)
	case u.User != nil:
		return nil, errors.New("must not hold a user or password: requests are signed")
	case u.Scheme != "https" && u.Scheme != "http", u.Fragment != "":
		return nil, errors.New(allowed)
	case u.Scheme == "http" && !onLoopback(u.Hostname()):
		return nil, errors.New("must be https: plain http would show phone numbers to the network " +
			"(only loopback may have it)")
	}
	address, err := netip.ParseAddr(u.Hostname())
	if !allowPrivate && (onLoopback(u.Hostname()) || err == nil && !Public(address)) {
		return nil, errors.New("is an address of this machine or of a private network: set " +
			"allow_private: true in the entry if it is meant")
	}
	return u, nil
}

func onLoopback(host string) bool {
	address, err := netip.ParseAddr(host)
	return host == "localhost" || err == nil && address.Unmap().IsLoopback()
}

// check refuses an address that a name has led to.
func check(u *url.URL, allowPrivate bool, text string) error {
	to, err := netip.ParseAddrPort(text)
	if err != nil {
		return fmt.Errorf("%w: %q is none", ErrAddress, text)
	}
	address := to.Addr().Unmap()
	switch {
	case u.Scheme != "https" && !address.IsLoopback():
		return fmt.Errorf("%w: %s is not loopback, and the URL is not https", ErrAddress, address)
	case !allowPrivate && !Public(address): // break: webhook-private
		return fmt.Errorf("%w: %s is of this machine or of a private network, and allow_private is "+
			"not set", ErrAddress, address)
	}
	return nil
}
