package africastalking

import "tuma/internal/providers"

// Settings of an account.
const (
	keyUsername = "username"
	keyAPIKey   = "api_key"
)

// sandbox is the username of everybody at the provider's sandbox.
const sandbox = "sandbox"

// Spec is what Tuma knows of Africa's Talking.
func Spec() providers.Spec {
	return providers.Spec{
		Title: "Africa's Talking", Capabilities: Capabilities(), AirtimeService: true,
		Settings: []providers.Setting{
			{
				Key: providers.KeyBaseURL, Form: providers.FormURL,
				What: "Another host than `https://api.africastalking.com`, and with the username " +
					"`sandbox` than `https://api.sandbox.africastalking.com`.",
			},
			{
				Key: keyUsername, Needed: true,
				What: "The username; `sandbox` is its sandbox. On when it and the key are set.",
			},
			{Key: keyAPIKey, Form: providers.FormSecret, Needed: true, What: "The API key."},
		},
		Options: []providers.Option{providers.AccountShared()},
		Routes: []providers.Route{
			{Path: "status", Where: "Airtime, Callback URLs, Status"},
			{Path: "validation", Asks: true, Where: "Airtime, Callback URLs, Validation"},
		},
		BaseURL:  home,
		Warnings: warnings,
		New: func(v providers.Values, client *providers.Client) providers.Provider {
			return New(Options{
				BaseURL: v.Text(providers.KeyBaseURL), Client: client, Called: v.Called,
				Username: v.Text(keyUsername), APIKey: v.Secret(keyAPIKey),
			})
		},
	}
}

func home(v providers.Values) string {
	if v.Text(keyUsername) == sandbox {
		return "https://api.sandbox.africastalking.com"
	}
	return "https://api.africastalking.com"
}

func warnings(v providers.Values) []providers.Warning {
	if v.Text(keyUsername) != sandbox {
		return nil
	}
	return []providers.Warning{{
		Detail: v.Called(keyUsername) + " is sandbox: Africa's Talking pays no recipient",
		Advice: "set the name of the live application",
	}}
}
