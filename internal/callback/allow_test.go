package callback_test

import (
	"net/http"
	"net/http/httptest"
	"net/netip"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"tuma/internal/callback"
)

func subnets(texts ...string) []netip.Prefix {
	var list []netip.Prefix
	for _, text := range texts {
		list = append(list, netip.MustParsePrefix(text))
	}
	return list
}

// TestOnlyAllowedAddressesMaySend has every way in which a stranger may lie about where it is.
func TestOnlyAllowedAddressesMaySend(t *testing.T) {
	t.Parallel()
	const (
		provider = "192.0.2.7:40000"
		proxy    = "10.0.0.1:40000"
		second   = "10.0.0.2"
		stranger = "203.0.113.9"
	)
	allow := []string{"192.0.2.0/24", "2001:db8::/32"}
	proxies := []string{"10.0.0.0/8", "fd00::/8"}
	for _, row := range []struct {
		name    string
		proxies []string
		peer    string
		headers []string
		ok      bool
	}{
		{"a provider itself", nil, provider, nil, true},
		{"a provider over IPv6", nil, "[2001:db8::5]:40000", nil, true},
		{"a provider in an IPv6 socket", nil, "[::ffff:192.0.2.7]:40000", nil, true},
		{"a stranger", nil, stranger + ":1", nil, false},
		{"a stranger in an IPv6 socket", nil, "[::ffff:203.0.113.9]:1", nil, false},
		{"a stranger who says a provider", nil, stranger + ":1", []string{"192.0.2.7"}, false},
		{"a proxy that nobody named", nil, proxy, []string{"192.0.2.7"}, false},
		{"the same with proxies", proxies, stranger + ":1", []string{"192.0.2.7"}, false},
		{"a provider who says anything", proxies, provider, []string{stranger}, true},
		{"through a proxy", proxies, proxy, []string{"192.0.2.7"}, true},
		{"through a proxy over IPv6", proxies, "[fd00::1]:1", []string{"2001:db8::5"}, true},
		{"with a port", proxies, proxy, []string{"192.0.2.7:5000"}, true},
		{"with brackets", proxies, proxy, []string{"[2001:db8::5]"}, true},
		{"with both", proxies, proxy, []string{"[2001:db8::5]:5000"}, true},
		{"mapped", proxies, proxy, []string{"::ffff:192.0.2.7"}, true},
		{"through two proxies", proxies, proxy, []string{"192.0.2.7, " + second}, true},
		{"in two headers", proxies, proxy, []string{"192.0.2.7", second}, true},
		{"a stranger through a proxy", proxies, proxy, []string{stranger}, false},
		{"who put a provider before", proxies, proxy, []string{"192.0.2.7, " + stranger}, false},
		{"in a header of its own", proxies, proxy, []string{"192.0.2.7", stranger}, false},
		{"and a proxy, too", proxies, proxy, []string{"192.0.2.7,10.9.9.9," + stranger}, false},
		{"a proxy about nobody", proxies, proxy, nil, false},
		{"a proxy about an empty name", proxies, proxy, []string{""}, false},
		{"a proxy about an unknown one", proxies, proxy, []string{"unknown"}, false},
		{"unknown before a provider", proxies, proxy, []string{"192.0.2.7, unknown"}, false},
		{"nothing behind a provider", proxies, proxy, []string{"192.0.2.7, "}, false},
		{"proxies alone", proxies, proxy, []string{second}, false},
		{"no address at all", proxies, "@", []string{"192.0.2.7"}, false},
	} {
		t.Run(row.name, func(t *testing.T) {
			t.Parallel()
			h := newHarness(t, func(o *callback.Options) {
				o.Networks = callback.Networks{Allow: subnets(allow...), Proxies: subnets(row.proxies...)}
			})
			answer := h.from(row.peer, row.headers)
			if row.ok {
				require.Equal(t, http.StatusOK, answer.Code)
				return
			}
			unknown := h.post("/callbacks/"+token+"/nobody", asJSON, "{}")
			require.Equal(t, unknown.Code, answer.Code)
			require.Equal(t, unknown.Body.String(), answer.Body.String())
			require.Equal(t, unknown.Header(), answer.Header())
			require.Equal(t, 1, h.count(t, "tuma_callbacks_total", at, "unauthorised"))
			require.Zero(t, h.figures(t).Parked, "a stranger has nothing stored")
		})
	}
}

// from posts a good callback as somebody.
func (h *harness) from(peer string, passed []string) *httptest.ResponseRecorder {
	request := httptest.NewRequest(http.MethodPost, "/callbacks/"+token+"/"+atStatus,
		strings.NewReader(documented[atStatus].body))
	request.Header.Set("Content-Type", asJSON)
	request.RemoteAddr = peer
	for _, value := range passed {
		request.Header.Add("X-Forwarded-For", value)
	}
	recorder := httptest.NewRecorder()
	h.handler.ServeHTTP(recorder, request)
	return recorder
}

// TestAnyAddressMaySendByDefault: the list is off until somebody sets it.
func TestAnyAddressMaySendByDefault(t *testing.T) {
	t.Parallel()
	h := newHarness(t, nil)
	for _, peer := range []string{"203.0.113.9:1", "[2001:db8::5]:1", "@"} {
		require.Equal(t, http.StatusOK, h.from(peer, []string{"unknown"}).Code, peer)
	}
}

// TestStrangersAreLoggedOnceInAWhile, with the address that must be allowed if it is no stranger.
func TestStrangersAreLoggedOnceInAWhile(t *testing.T) {
	t.Parallel()
	h := newHarness(t, func(o *callback.Options) {
		o.Networks = callback.Networks{Allow: subnets("192.0.2.0/24")}
	})
	for range 20 {
		require.Equal(t, http.StatusNotFound, h.from("203.0.113.9:1", nil).Code)
	}
	logged := h.logs.FilterMessageSnippet("TUMA_CALLBACK_ALLOW").All()
	require.Len(t, logged, 1)
	require.Equal(t, "203.0.113.9", logged[0].ContextMap()["from"])
	require.Equal(t, 20, h.count(t, "tuma_callbacks_total", at, "unauthorised"))
}
