package tidy

import (
	"fmt"
	"path"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

// providerNames are what the providers are called in code and comments, by their folder.
var providerNames = map[string]*regexp.Regexp{
	"africastalking": regexp.MustCompile(`(?i)africa'?s[ _-]?talking`),
	"lipad":          regexp.MustCompile(`(?i)lipad`),
	"quicksms":       regexp.MustCompile(`(?i)quick[ _-]?sms`),
	"sozuri":         regexp.MustCompile(`(?i)sozuri`),
}

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
		for folder, name := range providerNames {
			if !within(f.path, adapters+"/"+folder) && name.MatchString(line) {
				found = append(found, finding{number + 1, fmt.Sprintf(
					"names %s: what is true of one provider belongs into %s/%[1]s", folder, adapters)})
			}
		}
	}
	return found
}

// TestEveryProviderHasAName: a folder with a spec is a provider that the rule looks for.
func TestEveryProviderHasAName(t *testing.T) {
	t.Parallel()
	var folders, files []string
	for _, f := range tree(t) {
		files = append(files, f.path)
		if path.Base(f.path) == "spec.go" && strings.HasPrefix(f.path, adapters+"/") &&
			path.Dir(f.path) != adapters {
			folders = append(folders, path.Base(path.Dir(f.path)))
		}
	}
	for folder := range providerNames {
		require.Contains(t, folders, folder)
	}
	require.Len(t, folders, len(providerNames))
	for namer := range namers {
		there := slices.ContainsFunc(files, func(f string) bool { return within(f, namer) })
		require.True(t, there, "%s is gone", namer)
	}
}
