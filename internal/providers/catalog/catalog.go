// Package catalog lists every provider that Tuma knows: one line each, no registration behind the
// scenes. A new provider is a package of its own and a line in each of the two lists here.
package catalog

import (
	"tuma/internal/providers"
	"tuma/internal/providers/lipad"
)

// Settings are what the providers are built with. A provider whose settings are nil is off.
type Settings struct {
	// Client carries the requests of all providers.
	Client *providers.Client
	Lipad  *LipadSettings
}

// LipadSettings are where Lipad is and who we are there.
type LipadSettings struct {
	// BaseURL is scheme, host and port.
	BaseURL string
	// Key and Secret are asked whenever they are needed: a mounted secret may change.
	Key, Secret func() string
}

// Entry is one provider that is on.
type Entry struct {
	Capabilities providers.Capabilities
	Provider     providers.Provider
	// Querier, Callbacks and Validations are nil when the provider has no such ability.
	Querier     providers.Querier
	Callbacks   providers.CallbackReader
	Validations providers.ValidationReader
}

// Known returns the capabilities of every provider, on or off, in the order in which documents list
// them. No credentials are needed: the inlets validate amounts with it.
func Known() []providers.Capabilities {
	return []providers.Capabilities{
		lipad.Capabilities(),
	}
}

// Build constructs the providers that are on, by name.
func Build(s Settings) map[string]Entry {
	on := make(map[string]Entry)
	if s.Lipad != nil {
		add(on, lipad.Capabilities(), lipad.New(lipad.Options{
			BaseURL: s.Lipad.BaseURL, ConsumerKey: s.Lipad.Key, ConsumerSecret: s.Lipad.Secret,
			Client: s.Client,
		}))
	}
	return on
}

// add finds a provider's optional abilities, once.
func add(on map[string]Entry, c providers.Capabilities, p providers.Provider) {
	e := Entry{Capabilities: c, Provider: p}
	e.Querier, _ = p.(providers.Querier)
	e.Callbacks, _ = p.(providers.CallbackReader)
	e.Validations, _ = p.(providers.ValidationReader)
	on[c.Name] = e
}
