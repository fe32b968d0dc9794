package lipad

import "tuma/internal/providers"

// Settings of an account.
const (
	keyConsumer = "consumer_key"
	keySecret   = "consumer_secret"
)

// Spec is what Tuma knows of Lipad. It does not publish its host.
func Spec() providers.Spec {
	const title = "Lipad"
	return providers.Spec{
		Title: title, Capabilities: Capabilities(),
		Settings: []providers.Setting{
			{
				Key: providers.KeyBaseURL, Form: providers.FormURL, Needed: true,
				What: "Lipad's host, which it does not publish; Lipad is on when all three are set.",
			},
			{Key: keyConsumer, Form: providers.FormSecret, Needed: true, What: "The consumer key."},
			{Key: keySecret, Form: providers.FormSecret, Needed: true, What: "The consumer secret."},
		},
		Options: []providers.Option{providers.ResendSameReference(title)},
		Routes:  []providers.Route{{Where: "merchant portal, callback URL"}},
		New: func(v providers.Values, client *providers.Client) providers.Provider {
			return New(Options{
				BaseURL: v.Text(providers.KeyBaseURL), Client: client, Called: v.Called,
				ConsumerKey: v.Secret(keyConsumer), ConsumerSecret: v.Secret(keySecret),
			})
		},
	}
}
