package tidy

import (
	"fmt"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/stretchr/testify/require"
)

// providerNames are what the providers are called in code and comments, by their folder: a folder
// with a spec is a provider. Its letters may be parted as in Africa's Talking and quick_sms.
var providerNames = sync.OnceValue(func() map[string]*regexp.Regexp {
	names := map[string]*regexp.Regexp{}
	specs, _ := filepath.Glob("../providers/*/spec.go") // Only a bad pattern is an error.
	for _, spec := range specs {
		folder := filepath.Base(filepath.Dir(spec))
		letters := strings.Join(strings.Split(folder, ""), `['_ -]?`)
		names[folder] = regexp.MustCompile("(?i)" + letters)
	}
	return names
})

const (
	adapters = "internal/providers"
	catalog  = adapters + "/catalog"
)

// namers are the folders and files that may name providers, and why.
var namers = map[string]string{
	catalog:                    "it is the list of all providers",
	"internal/sandbox":         "it simulates them",
	"cmd/sandbox":              "it runs the simulator",
	"deploy":                   "it holds what is deployed against them",
	"bench":                    "it measures against one that is simulated",
	"internal/airtime":         "its comments say whose codes the words stand for",
	"internal/test/e2e/doc.go": "it says who takes part in the tests",
	"cmd/enqueuer/channel.go":  "the examples of help must name one",
	"cmd/enqueuer/float.go":    "the examples of help must name one",
	"cmd/poller/main.go":       "the examples of help must name one",
	"cmd/worker/main.go":       "the examples of help must name one",
}

// named refuses the name of a provider outside of its folder: what is true of one belongs into its
// Spec, so that another can be added without a look at the rest.
func named(f file) (found []finding) {
	if !f.is(".go") || f.isTest() || f.foreign() {
		return nil
	}
	for folder := range namers {
		if within(f.path, folder) {
			return nil
		}
	}
	for number, line := range f.lines() {
		for folder, name := range providerNames() {
			if !within(f.path, adapters+"/"+folder) && name.MatchString(line) {
				found = append(found, finding{number + 1, fmt.Sprintf(
					"names %s: what is true of one provider belongs into %s/%[1]s", folder, adapters)})
			}
		}
	}
	return found
}

// TestProvidersAreFoundByTheirFolder: however people write their names.
func TestProvidersAreFoundByTheirFolder(t *testing.T) {
	t.Parallel()
	for name, folder := range map[string]string{
		"Africa's Talking": "africastalking",
		"africas_talking":  "africastalking", //nolint:misspell // It is a name.
		"AfricasTalking":   "africastalking", "QuickSMS": "quicksms", "quick-sms": "quicksms",
	} {
		require.Contains(t, providerNames(), folder)
		require.Regexp(t, providerNames()[folder], name)
	}
}

func TestWhoNamesProvidersIsThere(t *testing.T) {
	t.Parallel()
	var files []string
	for _, f := range tree(t) {
		files = append(files, f.path)
	}
	for namer := range namers {
		there := slices.ContainsFunc(files, func(f string) bool { return within(f, namer) })
		require.True(t, there, "%s is gone", namer)
	}
}
