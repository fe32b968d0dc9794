// Package catalog lists every provider that Tuma knows: one line each, no registration behind the
// scenes. A new provider is a package of its own and a line in each of the two lists here.
package catalog

import (
	"tuma/internal/providers"
	"tuma/internal/providers/africastalking"
	"tuma/internal/providers/lipad"
	"tuma/internal/providers/quicksms"
	"tuma/internal/providers/sozuri"
)

// Settings are what the providers are built with. A provider whose settings are nil is off.
type Settings struct {
	// Client carries the requests of all providers.
	Client         *providers.Client
	Lipad          *LipadSettings
	AfricasTalking *AfricasTalkingSettings
	QuickSMS       *QuickSMSSettings
	Sozuri         *SozuriSettings
}

// LipadSettings are where Lipad is and who we are there.
type LipadSettings struct {
	// BaseURL is scheme, host and port.
	BaseURL string
	// Key and Secret are asked whenever they are needed: a mounted secret may change.
	Key, Secret func() string
}

// AfricasTalkingSettings are where Africa's Talking is and who we are there.
type AfricasTalkingSettings struct {
	BaseURL, Username string
	APIKey            func() string
}

// QuickSMSSettings are where QuickSMS is and who we are there.
type QuickSMSSettings struct {
	BaseURL          string
	AppKey, AppToken func() string
	// DoubtRefusals: see quicksms.Options.
	DoubtRefusals bool
}

// SozuriSettings are where Sozuri is and who we are there.
type SozuriSettings struct {
	BaseURL, Project string
	APIKey           func() string
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
}

// Known returns the capabilities of every provider, on or off, in the order in which documents list
// them. No credentials are needed: the inlets validate amounts with it.
func Known() []providers.Capabilities {
	return []providers.Capabilities{
		lipad.Capabilities(),
		africastalking.Capabilities(),
		quicksms.Capabilities(),
		sozuri.Capabilities(),
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
	if at := s.AfricasTalking; at != nil {
		add(on, africastalking.Capabilities(), africastalking.New(africastalking.Options{
			BaseURL: at.BaseURL, Username: at.Username, APIKey: at.APIKey, Client: s.Client,
		}))
	}
	if q := s.QuickSMS; q != nil {
		add(on, quicksms.Capabilities(), quicksms.New(quicksms.Options{
			BaseURL: q.BaseURL, AppKey: q.AppKey, AppToken: q.AppToken, Client: s.Client,
			DoubtRefusals: q.DoubtRefusals,
		}))
	}
	if so := s.Sozuri; so != nil {
		add(on, sozuri.Capabilities(), sozuri.New(sozuri.Options{
			BaseURL: so.BaseURL, Project: so.Project, APIKey: so.APIKey, Client: s.Client,
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
	e.Account, _ = p.(providers.AccountChecker)
	on[c.Name] = e
}
