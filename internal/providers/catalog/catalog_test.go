package catalog_test

import (
	"slices"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"tuma/internal/airtime"
	"tuma/internal/providers"
	"tuma/internal/providers/catalog"
	"tuma/internal/providers/catalog/catalogtest"
)

func TestKnownProvidersNeedNoCredentials(t *testing.T) {
	t.Parallel()
	seen, codes := map[string]bool{}, map[byte]bool{}
	for _, c := range catalog.Known() {
		require.NotEmpty(t, c.Name)
		require.False(t, seen[c.Name], "%s is listed twice", c.Name)
		seen[c.Name] = true
		require.Positive(t, c.MaxRecipients)
		require.False(t, codes[c.Code], "%s has the code of another", c.Name)
		codes[c.Code] = true
		require.Equal(t, c.OverdueAfter > 0, !c.Accepted.Settled(), "%s: open has a limit", c.Name)
		require.True(t, c.Accepted.Effect(), "%s: acceptance is evidence", c.Name)
		require.Equal(t, c.Asks != providers.AskByBatch, c.RampsUp,
			"%s: one lost answer must not put a thousand people in doubt", c.Name)
		require.NotEmpty(t, c.Limits)
		for currency, limit := range c.Limits {
			require.True(t, currency.Known(), currency)
			require.Positive(t, limit.Min)
			require.GreaterOrEqual(t, limit.Max, limit.Min)
		}
	}
}

func TestCallersMayChangeTheirLimits(t *testing.T) {
	t.Parallel()
	catalog.Known()[0].Limits["KES"] = providers.Limit{Min: 1, Max: 2}
	require.NotEqual(t, int64(2), catalog.Known()[0].Limits["KES"].Max, "each caller has its own copy")
}

func TestBuildConstructsWhatIsOn(t *testing.T) {
	t.Parallel()
	client := providers.NewClient(providers.ClientOptions{Timeout: time.Second})
	require.Empty(t, catalog.Build(client))
	on := catalog.Build(client, catalogtest.Accounts("http://127.0.0.1:1", "word")...)
	require.Len(t, on, len(catalog.Known()))
	for _, c := range catalog.Known() {
		entry, ok := on[c.Name]
		require.True(t, ok, c.Name)
		require.Equal(t, c, entry.Capabilities)
		require.NotNil(t, entry.Provider)
		require.Equal(t, c.Asks != providers.AskNothing, entry.Querier != nil, c.Name)
		asks := slices.ContainsFunc(entry.Routes, func(r providers.Route) bool { return r.Asks })
		reports := slices.ContainsFunc(entry.Routes, func(r providers.Route) bool { return !r.Asks })
		require.Equal(t, reports, entry.Callbacks != nil, c.Name)
		require.Equal(t, asks, entry.Validations != nil, c.Name)
	}
}

// TestMessagesCallSettingsAsTold: an account in a list has no variables.
func TestMessagesCallSettingsAsTold(t *testing.T) {
	t.Parallel()
	client := providers.NewClient(providers.ClientOptions{Timeout: time.Second})
	batch := providers.Batch{ID: "b", Recipients: []airtime.Recipient{{
		Phone:  airtime.MSISDNFromE164("254711000000"),
		Amount: airtime.Money{Minor: 10_00, Currency: "KES"},
	}}}
	for _, account := range catalogtest.Accounts(":", "word") {
		name := account.Spec.Capabilities.Name
		account.Values.Called = func(key string) string { return "providers.mine." + key }
		_, err := account.Spec.New(account.Values, client).Prepare(t.Context(), batch)
		require.ErrorContains(t, err, "providers.mine.base_url", name)
		require.NotContains(t, err.Error(), providers.VariableName(name, ""), name)
	}
}

// TestSpecsAreWhole: what settings, pages and messages are made of is there, once.
func TestSpecsAreWhole(t *testing.T) {
	t.Parallel()
	for _, spec := range catalog.Specs() {
		name := spec.Capabilities.Name
		require.Regexp(t, `^[a-z]{2,32}$`, name, "variables begin with it")
		require.True(t, spec.Capabilities.Code >= 'A' && spec.Capabilities.Code <= 'Z',
			"%s: other codes are for instances with names of their own", name)
		require.NotEmpty(t, spec.Title, name)
		require.NotEmpty(t, spec.Credentials(), name)
		base, there := spec.Setting(providers.KeyBaseURL)
		require.True(t, there && base.Form == providers.FormURL, name)
		require.Equal(t, base.Needed, spec.BaseURL == nil, "%s: is its address known", name)
		keys := map[string]bool{}
		for _, s := range spec.Settings {
			require.Regexp(t, `^[a-z_]+$`, s.Key, name)
			require.False(t, keys[s.Key], "%s: %s is there twice", name, s.Key)
			keys[s.Key] = true
		}
		for _, o := range spec.Options {
			require.False(t, keys[o.Key], "%s: %s is there twice", name, o.Key)
			keys[o.Key] = true
			require.Equal(t, len(o.Words) > 0, slices.Contains(o.Words, o.Default), o.Key)
		}
		if spec.CallbackKey != "" {
			key, _ := spec.Setting(spec.CallbackKey)
			require.True(t, key.Form == providers.FormSecret && !key.Needed, name)
		}
	}
}
