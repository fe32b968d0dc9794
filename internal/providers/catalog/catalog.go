// Package catalog lists every kind of provider that Tuma knows: one line each, no registration
// behind the scenes. A new provider is a package of its own and a line in the list here.
package catalog

import (
	"slices"

	"tuma/internal/providers"
	"tuma/internal/providers/africastalking"
	"tuma/internal/providers/lipad"
	"tuma/internal/providers/quicksms"
	"tuma/internal/providers/sozuri"
)

// Specs are all kinds, in the order in which documents list them and the default is looked for.
func Specs() []providers.Spec {
	return []providers.Spec{
		lipad.Spec(),
		africastalking.Spec(),
		quicksms.Spec(),
		sozuri.Spec(),
	}
}

// Known returns the capabilities of every kind. No credentials are needed: the inlets validate
// amounts with it.
func Known() []providers.Capabilities {
	var known []providers.Capabilities
	for _, spec := range Specs() {
		known = append(known, spec.Capabilities)
	}
	return known
}

// Simulated returns the settings, as NAME=value, that turn all kinds on, or those that are named,
// at a simulator that takes any credentials.
func Simulated(baseURL string, kinds ...string) (variables []string) {
	for _, spec := range Specs() {
		name := spec.Capabilities.Name
		if len(kinds) > 0 && !slices.Contains(kinds, name) {
			continue
		}
		for _, s := range spec.Settings {
			variable := providers.VariableName(name, s.Key)
			switch {
			case s.Form == providers.FormURL:
				variables = append(variables, variable+"="+baseURL)
			case s.Needed:
				variables = append(variables, variable+"=sandbox")
			}
		}
	}
	return variables
}

// Account is one account at a provider of some kind. The name that everything goes by is that of
// the capabilities.
type Account struct {
	Spec   providers.Spec
	Values providers.Values
}

// Entry is one provider that is on.
type Entry struct {
	Capabilities providers.Capabilities
	Provider     providers.Provider
	// Querier, Callbacks, Validations and Account are nil when the provider has no such ability.
	Querier     providers.Querier
	Callbacks   providers.CallbackReader
	Validations providers.ValidationReader
	Account     providers.AccountChecker
	// Routes are where the provider calls us, and CallbackKey returns the key that its callbacks
	// carry; empty where they carry none.
	Routes      []providers.Route
	CallbackKey func() string
}

// Build constructs the providers of accounts, by name. Client carries the requests of all.
func Build(client *providers.Client, accounts ...Account) map[string]Entry {
	on := make(map[string]Entry)
	for _, account := range accounts {
		on[account.Spec.Capabilities.Name] = entry(account, client)
	}
	return on
}

// entry finds a provider's optional abilities, once.
func entry(a Account, client *providers.Client) Entry {
	p := a.Spec.New(a.Values, client)
	e := Entry{
		Capabilities: a.Spec.Capabilities, Provider: p, Routes: a.Spec.Routes,
		CallbackKey: a.Values.Secret(a.Spec.CallbackKey),
	}
	e.Querier, _ = p.(providers.Querier)
	e.Callbacks, _ = p.(providers.CallbackReader)
	e.Validations, _ = p.(providers.ValidationReader)
	e.Account, _ = p.(providers.AccountChecker)
	return e
}
