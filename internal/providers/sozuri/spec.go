package sozuri

import "tuma/internal/providers"

// Settings of an account.
const (
	keyProject  = "project"
	keyAPIKey   = "api_key"
	keyCallback = "callback_key"
)

// Spec is what Tuma knows of Sozuri.
func Spec() providers.Spec {
	const title = "Sozuri"
	return providers.Spec{
		Title: title, Capabilities: Capabilities(), CallbackKey: keyCallback,
		Settings: []providers.Setting{
			{
				Key: providers.KeyBaseURL, Form: providers.FormURL,
				What: "Another host than `https://sozuri.net`.",
			},
			{
				Key: keyProject, Needed: true,
				What: "The project. On when it and the key are set.",
			},
			{Key: keyAPIKey, Form: providers.FormSecret, Needed: true, What: "The API key."},
			{
				Key: keyCallback, Form: providers.FormSecret,
				What: "The `authKey` that its callbacks carry, if one is set there.",
			},
		},
		Options: []providers.Option{providers.Networks(title), providers.AccountShared()},
		Routes:  []providers.Route{{Where: "Manage API, Callback URLs"}},
		BaseURL: func(providers.Values) string { return "https://sozuri.net" },
		New: func(v providers.Values, client *providers.Client) providers.Provider {
			return New(Options{
				BaseURL: v.Text(providers.KeyBaseURL), Client: client, Called: v.Called,
				Project: v.Text(keyProject), APIKey: v.Secret(keyAPIKey),
			})
		},
	}
}
