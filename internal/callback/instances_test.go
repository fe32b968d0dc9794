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
func (w *world) named(name, kind string) catalog.Account {
	account := catalogtest.Accounts(w.vendor.base, apiKey, kind)[0]
	account.Spec.Capabilities.Name, account.Spec.Capabilities.Code = name, 0
	return account
}

// TestTwoAccountsOfOneKind: each has an address and a token of its own, and what comes to one says
// nothing about the recipients of the other.
func TestTwoAccountsOfOneKind(t *testing.T) {
	t.Parallel()
	const north, south = "sozuri-north", "sozuri-south"
	w := newWorld(t, nil)
	for _, name := range []string{north, south} {
		w.options.Providers = append(w.options.Providers,
			providers.Capabilities{Name: name, Callbacks: true})
	}
	w.store = w.openStore(t)
	pairs := north + "=token-of-north," + south + "=token-of-south"
	client := providers.NewClient(providers.ClientOptions{Timeout: w.options.SubmitTimeout})
	t.Cleanup(client.Close)
	w.entries = catalog.Build(client, w.named(north, sozuri), w.named(south, sozuri))
	names := []string{north, south}
	w.registry = prometheus.NewRegistry()
	w.metrics = tasks.NewMetrics(w.registry, names)
	w.settings.Store, w.settings.Entries = w.store, w.entries
	w.settings.Metrics = callback.NewMetrics(w.registry, names)
	w.settings.Known = names
	w.settings.Token = func() string { return pairs }
	w.handler = callback.New(w.settings).Handler()

	w.accept(t, disbursal(north, "n", 0, 1))
	w.send(t, north)
	w.accept(t, disbursal(south, "s", 1, 1))
	w.send(t, south)
	ofNorth := sozuriBody(sozText(0), phone(0).Digits(), "KES 10", "success")
	ofSouth := sozuriBody(sozText(1), phone(1).Digits(), "KES 10", "success")
	post := func(secret, name, body string) int {
		return w.post("/callbacks/"+secret+"/"+name, asJSON, body).Code
	}
	require.Equal(t, http.StatusNotFound, post("token-of-north", south, ofSouth))
	require.Equal(t, http.StatusNotFound, post("token-of-south", north, ofSouth))
	require.Equal(t, http.StatusNotFound, post("token-of-south", sozuri, ofSouth), "no such account")
	require.Equal(t, http.StatusOK, post("token-of-north", north, ofSouth), "it is kept")
	w.is(t, "s", airtime.Submitted)
	require.Equal(t, http.StatusOK, post("token-of-north", north, ofNorth))
	w.is(t, "n", airtime.Successful)
	w.is(t, "s", airtime.Submitted)
	require.Equal(t, http.StatusOK, post("token-of-south", south, ofSouth))
	w.is(t, "s", airtime.Successful)
	require.Equal(t, 1, w.count(t, "tuma_callbacks_total", north, "kept"))
	require.Equal(t, 1, w.count(t, "tuma_callbacks_total", south, "applied"))
	w.balanced(t)
}
