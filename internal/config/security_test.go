package config

import (
	"net/netip"
	"testing"

	"github.com/stretchr/testify/require"
)

func TestNetworksOfCallbacks(t *testing.T) {
	t.Parallel()
	c, err := load(nil)
	require.NoError(t, err)
	require.Empty(t, c.CallbackAllow)
	c, err = load(map[string]string{
		"TUMA_CALLBACK_ALLOW":   "192.0.2.7, 198.51.100.0/24 ,2001:db8::/32",
		"TUMA_CALLBACK_PROXIES": "::1",
	})
	require.NoError(t, err)
	require.Equal(t, []netip.Prefix{
		netip.MustParsePrefix("192.0.2.7/32"), netip.MustParsePrefix("198.51.100.0/24"),
		netip.MustParsePrefix("2001:db8::/32"),
	}, c.CallbackAllow)
	require.Equal(t, []netip.Prefix{netip.MustParsePrefix("::1/128")}, c.CallbackProxies)
	for value, fault := range map[string]string{
		"everybody": "must be addresses or networks", "192.0.2.7/33": "must be addresses",
		"192.0.2.7,": "must be addresses", "fe80::1%eth0": "must be addresses",
		"192.0.2.7/24":         "the network is 192.0.2.0/24",
		"::ffff:192.0.2.7":     "written as such",
		"::ffff:192.0.2.0/120": "written as such",
	} {
		_, err := load(map[string]string{"TUMA_CALLBACK_ALLOW": value})
		require.ErrorContains(t, err, `TUMA_CALLBACK_ALLOW="`+value+`": `, value)
		require.ErrorContains(t, err, fault, value)
	}
	_, err = load(map[string]string{"TUMA_CALLBACK_PROXIES": "::1"})
	require.ErrorContains(t, err, "TUMA_CALLBACK_PROXIES: matters only with TUMA_CALLBACK_ALLOW")
}

func TestTLSToRedisIsCheckedAtTheStart(t *testing.T) {
	t.Parallel()
	none := write(t, "no certificate")
	for fault, more := range map[string][]string{
		"TUMA_REDIS_URL must begin with rediss://": {"TUMA_REDIS_URL", "redis://host"},
		`file.gone": no such file`:                 {"TUMA_REDIS_CA_FILE", none + ".gone"},
		`file": holds no certificate`:              {"TUMA_REDIS_CA_FILE", none},
		"TUMA_REDIS_CERT_FILE and TUMA_REDIS_KEY_FILE: set both": {
			"TUMA_REDIS_CERT_FILE", none,
		},
		"TUMA_REDIS_CERT_FILE and TUMA_REDIS_KEY_FILE: tls": {
			"TUMA_REDIS_CERT_FILE", none, "TUMA_REDIS_KEY_FILE", none,
		},
		"must not skip the check": {"TUMA_REDIS_URL", "rediss://u:hush@host?skip_verify=true"},
	} {
		variables := map[string]string{
			"TUMA_REDIS_URL": "rediss://host:6379", "TUMA_REDIS_CA_FILE": none,
		}
		for i := 0; i < len(more); i += 2 {
			variables[more[i]] = more[i+1]
		}
		_, err := load(variables)
		require.ErrorContains(t, err, fault)
		require.NotContains(t, err.Error(), "hush")
	}
}
