package app

import (
	"fmt"
	"reflect"
	"testing"

	"github.com/stretchr/testify/require"

	"tuma/internal/config"
	"tuma/internal/providers"
	"tuma/internal/providers/catalog"
)

// fill gives every secret of a configuration a value of its own and returns them.
func fill(value reflect.Value) (secrets []string) {
	for i := range value.NumField() {
		field := value.Field(i)
		switch {
		case field.Type() == reflect.TypeFor[config.Secret]():
			text := fmt.Sprintf("secret-%s-%d", value.Type().Field(i).Name, i)
			field.Set(reflect.ValueOf(config.NewSecret(text)))
			secrets = append(secrets, text)
		case field.Kind() == reflect.Struct && field.CanSet():
			secrets = append(secrets, fill(field)...)
		}
	}
	return secrets
}

// TestTheLogsKnowEverySecret that a configuration can have, one that is added tomorrow included.
func TestTheLogsKnowEverySecret(t *testing.T) {
	t.Parallel()
	settings := map[string]string{}
	var accounts []string
	for _, spec := range catalog.Specs() {
		for _, s := range spec.Settings {
			name := providers.VariableName(spec.Capabilities.Name, s.Key)
			switch s.Form {
			case providers.FormURL:
				settings[name] = "https://host.example"
			case providers.FormText:
				settings[name] = "text"
			case providers.FormSecret:
				settings[name] = "secret-" + name
				accounts = append(accounts, settings[name])
			}
		}
	}
	c, err := config.Load(func(name string) string { return settings[name] }, nil)
	require.NoError(t, err)
	secrets := append(fill(reflect.ValueOf(c).Elem()), accounts...)
	require.Greater(t, len(secrets), 8)
	require.Subset(t, secretsOf(c), secrets)
}

func TestTheLogsKnowWhatIsInsideOfSecrets(t *testing.T) {
	t.Parallel()
	c := &config.Config{
		RedisURL:   config.NewSecret("rediss://tuma:pass%2Fword@redis:6379/0"),
		HTTPTokens: config.NewSecret("shop=token-of-shop,bank=token-of-bank"),
	}
	require.Subset(t, secretsOf(c), []string{"pass/word", "token-of-shop", "token-of-bank"})
}
