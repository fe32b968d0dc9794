package callback_test

import (
	"net/http"
	"testing"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/stretchr/testify/require"

	"tuma/internal/airtime"
	"tuma/internal/callback"
	"tuma/internal/providers"
	"tuma/internal/providers/catalog"
	"tuma/internal/providers/catalog/catalogtest"
	"tuma/internal/tasks"
)

// named returns the account of a kind under another name.
func (h *harness) named(name, kind string) catalog.Account {
	account := catalogtest.Accounts(h.vendor.base, apiKey, kind)[0]
	account.Spec.Capabilities.Name, account.Spec.Capabilities.Code = name, 0
	return account
}

// TestTwoAccountsOfOneKind: each has an address and a token of its own, and what comes to one says
// nothing about the recipients of the other.
func TestTwoAccountsOfOneKind(t *testing.T) {
	t.Parallel()
	const north, south = "sozuri-north", "sozuri-south"
	h := newHarness(t, nil)
	for _, name := range []string{north, south} {
		h.options.Providers = append(h.options.Providers,
			providers.Capabilities{Name: name, Callbacks: true})
	}
	h.store = h.openStore(t)
	pairs := north + "=token-of-north," + south + "=token-of-south"
	client := providers.NewClient(providers.ClientOptions{Timeout: h.options.SubmitTimeout})
	t.Cleanup(client.Close)
	h.entries = catalog.Build(client, h.named(north, sozuri), h.named(south, sozuri))
	names := []string{north, south}
	h.registry = prometheus.NewRegistry()
	h.metrics = tasks.NewMetrics(h.registry, names)
	h.settings.Store, h.settings.Entries = h.store, h.entries
	h.settings.Metrics = callback.NewMetrics(h.registry, names)
	h.settings.Known = names
	h.settings.Token = func() string { return pairs }
	h.handler = callback.New(h.settings).Handler()

	h.accept(t, disbursal(north, "n", 0, 1))
	h.send(t, north)
	h.accept(t, disbursal(south, "s", 1, 1))
	h.send(t, south)
	ofNorth := sozuriBody(sozText(0), phone(0).Digits(), "KES 10", "success")
	ofSouth := sozuriBody(sozText(1), phone(1).Digits(), "KES 10", "success")
	post := func(secret, name, body string) int {
		return h.post("/callbacks/"+secret+"/"+name, asJSON, body).Code
	}
	require.Equal(t, http.StatusNotFound, post("token-of-north", south, ofSouth))
	require.Equal(t, http.StatusNotFound, post("token-of-south", north, ofSouth))
	require.Equal(t, http.StatusNotFound, post("token-of-south", sozuri, ofSouth), "no such account")
	require.Equal(t, http.StatusOK, post("token-of-north", north, ofSouth), "it is kept")
	h.is(t, "s", airtime.Submitted)
	require.Equal(t, http.StatusOK, post("token-of-north", north, ofNorth))
	h.is(t, "n", airtime.Successful)
	h.is(t, "s", airtime.Submitted)
	require.Equal(t, http.StatusOK, post("token-of-south", south, ofSouth))
	h.is(t, "s", airtime.Successful)
	require.Equal(t, 1, h.count(t, "tuma_callbacks_total", north, "parked"))
	require.Equal(t, 1, h.count(t, "tuma_callbacks_total", south, "applied"))
	h.balanced(t)
}
