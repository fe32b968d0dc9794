// Package catalogtest gives tests accounts at providers that are simulated.
package catalogtest

import (
	"slices"

	"tuma/internal/providers"
	"tuma/internal/providers/catalog"
)

// Accounts returns an account of each kind, or of those that are named, at one address. Each text
// and each secret but that of callbacks is the same word.
func Accounts(baseURL, word string, kinds ...string) (accounts []catalog.Account) {
	for _, spec := range catalog.Specs() {
		if len(kinds) == 0 || slices.Contains(kinds, spec.Capabilities.Name) {
			accounts = append(accounts, catalog.Account{Spec: spec, Values: values(spec, baseURL, word)})
		}
	}
	return accounts
}

func values(spec providers.Spec, baseURL, word string) providers.Values {
	v := providers.Values{Texts: map[string]string{}, Secrets: map[string]func() string{}}
	for _, s := range spec.Settings {
		switch {
		case s.Form == providers.FormURL:
			v.Texts[s.Key] = baseURL
		case s.Form == providers.FormText:
			v.Texts[s.Key] = word
		case s.Key != spec.CallbackKey:
			v.Secrets[s.Key] = func() string { return word }
		}
	}
	return v
}
