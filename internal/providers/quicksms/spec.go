package quicksms

import "tuma/internal/providers"

// Settings and choices of an account.
const (
	keyAppKey   = "app_key"
	keyAppToken = "app_token"

	keyRefusal = "whole_refusal"
	noEffect   = "no_effect"
	inDoubt    = "in_doubt"
)

// Spec is what Tuma knows of QuickSMS.
func Spec() providers.Spec {
	return providers.Spec{
		Title: "QuickSMS", Capabilities: Capabilities(),
		Settings: []providers.Setting{
			{
				Key: providers.KeyBaseURL, Form: providers.FormURL,
				What: "Another host than `https://quicksms.advantasms.com`.",
			},
			{
				Key: keyAppKey, Form: providers.FormSecret, Needed: true,
				What: "The application's key. On when it and the token are set.",
			},
			{
				Key: keyAppToken, Form: providers.FormSecret, Needed: true,
				What: "The application's token.",
			},
		},
		Options: []providers.Option{{
			Key: keyRefusal, Words: []string{noEffect, inDoubt}, Default: noEffect, Example: inDoubt,
			What: "What a request that QuickSMS refuses as a whole (400, 422) came to: its page does " +
				"not say that no recipient was paid. no_effect: it is split until the recipient at fault is " +
				"alone.",
		}},
		BaseURL: func(providers.Values) string { return "https://quicksms.advantasms.com" },
		New: func(v providers.Values, client *providers.Client) providers.Provider {
			return New(Options{
				BaseURL: v.Text(providers.KeyBaseURL), Client: client, Called: v.Called,
				AppKey: v.Secret(keyAppKey), AppToken: v.Secret(keyAppToken),
				DoubtRefusals: v.Text(keyRefusal) == inDoubt,
			})
		},
	}
}
