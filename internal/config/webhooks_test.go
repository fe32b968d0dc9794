package config

import (
	"fmt"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

const webhookSecret = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"

// loadWebhooks loads a file whose word SECRET is the path of a file with such a secret.
func loadWebhooks(t *testing.T, text string) (*Config, error) {
	t.Helper()
	text = strings.ReplaceAll(text, "SECRET", write(t, webhookSecret+"\n"))
	return load(map[string]string{nameConfig: write(t, text)})
}

func TestWebhooks(t *testing.T) {
	t.Parallel()
	c, err := loadWebhooks(t, `
webhooks:
  - name: shop
    url: https://shop.example/airtime?token=hush
    secret_file: SECRET
    producers: [shop, shop-2]
    campaigns: [rewards-*, november]
  - {name: local, url: "http://127.0.0.1:8099/", secret_file: SECRET, allow_private: true}
`)
	require.NoError(t, err)
	require.Len(t, c.Webhooks, 2)
	shop, local := c.Webhooks[0], c.Webhooks[1]
	require.Equal(t, "https://shop.example/airtime?token=hush", shop.URL.String())
	require.Equal(t, webhookSecret, shop.Secret.Value())
	require.True(t, local.AllowPrivate)
	for _, row := range []struct {
		producer, campaign string
		shop               bool
	}{
		{"shop", "rewards-1", true},
		{"shop-2", "november", true},
		{"shop", "november-2", false},
		{"bank", "november", false},
		{"", "november", false},
		{"shop", "", false},
	} {
		require.Equal(t, row.shop, shop.Wants(row.producer, row.campaign), row)
		require.True(t, local.Wants(row.producer, row.campaign))
	}
	shown := strings.Join(c.Describe(), "\n")
	require.Contains(t, shown, "webhooks.shop=https://shop.example\n")
	require.NotContains(t, shown, "hush", "what is behind the host may be known to the producer only")
	require.NotContains(t, shown, webhookSecret)
}

// TestASecretThatIsMissing stops pollers only: no other process needs it.
func TestASecretThatIsMissing(t *testing.T) {
	t.Parallel()
	c, err := loadWebhooks(t, "webhooks: [{name: a, url: https://a.example/, secret_file: /none}]")
	require.NoError(t, err)
	require.ErrorContains(t, c.Webhooks[0].Missing, "line 1: webhooks[0].secret_file: read secret:")
}

// TestWebhooksMadeWrong: each problem names the entry, the field and the value, and what to do.
func TestWebhooksMadeWrong(t *testing.T) {
	t.Parallel()
	const good = "name: shop, url: https://shop.example/, secret_file: SECRET"
	wrong := write(t, "not-a-secret-hush")
	for entry, faults := range map[string][]string{
		"{url: https://shop.example/, secret_file: SECRET}": {
			"webhooks[0]: must have name, url, secret_file",
		},
		"{name: Shop, url: https://shop.example/, secret_file: SECRET}": {
			`webhooks[0].name="Shop": must be 1 to 32 lower-case letters`,
		},
		"{" + good + "}, {" + good + "}": {`webhooks[1].name="shop": is there twice`},
		"{name: shop, url: http://shop.example/, secret_file: SECRET}": {
			`webhooks[0].url="http://shop.example/": must be https`,
		},
		"{name: shop, url: https://10.1.2.3/, secret_file: SECRET}": {
			`webhooks[0].url="https://10.1.2.3/": is an address of this machine or of a `,
			"private network: set allow_private: true",
		},
		"{name: shop, url: \"https://ann:hush@shop.example/\", secret_file: SECRET}": {
			"webhooks[0].url=\"[secret]\": must not hold a user or password",
		},
		"{name: shop, url: https://shop.example/, secret_file: " + wrong + "}": {
			"webhooks[0].secret_file=", "lines of whsec_ and 24 to 64 bytes in base64",
		},
		"{name: shop, url: https://shop.example/, secret_file: /}": {"webhooks[0].secret_file"},
		"{" + good + ", secret: hush}": {
			"webhooks[0].secret: belongs into a file: name it with secret_file",
		},
		"{" + good + ", producer: shop}": {
			"webhooks[0].producer: there is no such setting; did you mean producers?",
		},
		"{" + good + ", producers: []}":      {"webhooks[0].producers: must be a list of at least one"},
		"{" + good + ", producers: [a b]}":   {`webhooks[0].producers="a b": must be a producer`},
		"{" + good + ", producers: [a, a]}":  {`webhooks[0].producers="a": is there twice`},
		"{" + good + ", campaigns: [\"*\"]}": {`webhooks[0].campaigns="*": must be a name`},
		"{" + good + ", allow_private: yes}": {`webhooks[0].allow_private="yes": must be true or false`},
		"shop":                               {"webhooks[0]: must be a mapping of names to values"},
		"":                                   {"webhooks: must be a list of 1 to 100 endpoints"},
	} {
		_, err := loadWebhooks(t, "webhooks: ["+entry+"]")
		require.Error(t, err, entry)
		require.Len(t, err, 1, fmt.Sprint(err))
		for _, fault := range faults {
			require.ErrorContains(t, err, fault, entry)
		}
		require.NotContains(t, err.Error(), "hush", entry)
	}
}
