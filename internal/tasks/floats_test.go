package tasks_test

import (
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"tuma/internal/airtime"
	"tuma/internal/providers/catalog"
	"tuma/internal/providers/catalog/catalogtest"
	"tuma/internal/sandbox"
	"tuma/internal/state"
	"tuma/internal/tasks"
)

// balancePage is where Africa's Talking shows a balance.
const balancePage = "/version1/user"

// wallet puts money into the simulated wallet at Africa's Talking.
func (h *harness) wallet(t *testing.T, money string) {
	t.Helper()
	r := httptest.NewRequest(http.MethodPatch, "/sandbox/faults?provider="+sandbox.AfricasTalking,
		strings.NewReader(`{"balance":"`+money+`"}`))
	w := httptest.NewRecorder()
	h.simulator.ServeHTTP(w, r)
	require.Equal(t, http.StatusOK, w.Code, w.Body)
}

// TestBalancesAreAskedFor: where a provider shows one, once for all pollers, and not too often.
func TestBalancesAreAskedFor(t *testing.T) {
	t.Parallel()
	h := newHarness(t, func(o *state.Options) { o.Providers = catalog.Known() })
	clock := h.clocked(t)
	h.wallet(t, "1500.00")
	entries := catalog.Build(h.client, catalogtest.Accounts(h.provider.base, "sandbox")...)
	first := &tasks.Floats{Store: h.store, Entries: entries, Timeout: testTimeout, Log: h.log}
	second := &tasks.Floats{Store: h.store, Entries: entries, Timeout: testTimeout, Log: h.log}
	look := func() {
		t.Helper()
		first.Once(t.Context())
		second.Once(t.Context())
	}
	left := func() (all []string) {
		t.Helper()
		list, err := h.store.Floats(t.Context())
		require.NoError(t, err)
		for _, f := range list {
			require.Empty(t, f.Who)
			all = append(all, f.Provider+" "+airtime.FormatMinor(f.Left(), f.Currency))
		}
		return all
	}
	look()
	require.Equal(t, []string{"africastalking 1500.00"}, left())
	require.Len(t, h.provider.times(balancePage), 1)
	require.Empty(t, h.provider.times("v1/oauth/token"), "the others show none")

	h.wallet(t, "20000.50")
	clock.Pass(3 * time.Minute)
	look()
	require.Len(t, h.provider.times(balancePage), 1, "it is not asked all the time")
	clock.Pass(3 * time.Minute)
	look()
	require.Equal(t, []string{"africastalking 20000.50"}, left())

	// What says nothing changes nothing, and is in the log.
	for _, answer := range []http.HandlerFunc{
		func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(http.StatusUnauthorized) },
		func(w http.ResponseWriter, _ *http.Request) {
			_, _ = w.Write([]byte(`{"UserData":{"balance":"KES -3.00"}}`))
		},
	} {
		h.provider.instead(balancePage, answer)
		clock.Pass(6 * time.Minute)
		look()
		require.Equal(t, []string{"africastalking 20000.50"}, left())
	}
	require.Len(t, h.provider.times(balancePage), 4)
	require.Len(t, h.logs.FilterMessage("balance not learnt; the last one stands").All(), 2)
}
