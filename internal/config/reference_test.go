package config

import (
	"fmt"
	"maps"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
	"gopkg.in/yaml.v3"

	"tuma/internal/airtime"
	"tuma/internal/providers"
	"tuma/internal/routing"
	"tuma/internal/test/pagetest"
)

const pagePath = "docs/configuration.md"

// fileSetting is what only the configuration file can say.
type fileSetting struct {
	// key has names in angle brackets where anything of a kind may stand.
	key, fallback, allowed, what string
	// example is the setting in a file of its own.
	example string
}

// fileSettings are all of them. Rules are one setting here: docs/routing.md explains their fields.
func fileSettings() []fileSetting {
	list := []fileSetting{
		{
			"providers", "–", "a list of accounts",
			"Accounts at providers, each under a name, several of a kind if need be, instead of the " +
				"variables of providers: see [several accounts](providers.md#several-accounts).",
			"providers: [{name: quicksms-agents, kind: quicksms}]",
		}, {
			"routing.rules", "–", "a list of rules",
			"Which providers take whom, and failover: see [routing](routing.md).",
			"routing: {rules: [{name: all, providers: [lipad, sozuri]}]}",
		}, {
			"guards", "none", fmt.Sprintf("a list of at most %d guards", routing.MaxGuards),
			"What may be sent in a period, and duplicates: see [guards](holds.md#guards).",
			"guards: [{name: per-phone, count: 3, per: day, of: phone}]",
		}, {
			"approvals", "none", fmt.Sprintf("a list of at most %d approvals", routing.MaxGuards),
			"Sums that another person must approve: see [approvals](holds.md#approvals).",
			`approvals: [{name: big, above: {KES: "50000"}}]`,
		}, {
			"routing.ported.<number>", "–", "safaricom, airtel, telkom, equitel, other",
			"The network of a number that kept its prefix and changed its network.",
			`routing: {ported: {"254711000000": airtel}}`,
		}, {
			"rates.<provider>.per_second", "no bound", fmt.Sprintf("above 0 and up to %d", maxRate),
			"Requests in a second, from all workers together.",
			"rates: {sozuri: {per_second: 2.5}}",
		}, {
			"rates.<provider>.burst", "`per_second`, rounded up",
			fmt.Sprintf("a whole number from 1 to %d", maxRate),
			"Requests that may go at once after a rest.",
			"rates: {sozuri: {per_second: 2.5, burst: 5}}",
		}, {
			"limits.<provider>.<currency>.min", "the [provider's](providers.md)", "an amount",
			"The least for one recipient.", `limits: {lipad: {KES: {min: "20"}}}`,
		}, {
			"limits.<provider>.<currency>.max", "the [provider's](providers.md)", "an amount",
			"The most for one recipient.", `limits: {lipad: {KES: {max: "500.50"}}}`,
		}, {
			"batch.max_recipients.<provider>", "1000", "a whole number from 1 to 1000",
			"The most recipients of one request.", "batch: {max_recipients: {quicksms: 200}}",
		}, {
			"callbacks.trust", "none", "a list of providers",
			"Whose callbacks are taken at their word, without a query that confirms them.",
			"callbacks: {trust: [lipad]}",
		}, {
			"webhooks", "none", "a list of endpoints",
			"Endpoints of producers that pollers post results to: see [webhooks](producers.md#webhooks).",
			"webhooks: [{name: shop, url: \"https://shop.example/airtime\", secret_file: " +
				"/run/secrets/shop-webhook}]",
		}, {
			"state.min_replicas", "0", "a whole number from 0 to 10",
			"How many replicas of Redis must hold a sending before the request leaves: see " +
				"[there](redis.md#statemin_replicas). With Sentinel or Cluster it must be said.",
			"state: {min_replicas: 1}",
		},
	}
	for _, i := range kindInstances() {
		for _, o := range i.Spec.Options {
			list = append(list, optionSetting(i, o))
		}
	}
	return list
}

// optionSetting is an option of a provider as the page shows it.
func optionSetting(i *Instance, o providers.Option) fileSetting {
	s := fileSetting{
		key: i.Name() + "." + o.Key, fallback: o.Default, allowed: strings.Join(o.Words, " or "),
		what: o.What, example: fmt.Sprintf("%s: {%s: %s}", i.Name(), o.Key, o.Example),
	}
	if len(o.Words) == 0 {
		spaced := strings.NewReplacer(",", ", ")
		s.fallback = spaced.Replace(networksText(i.Spec.Capabilities.Networks))
		s.allowed = "a list of " + spaced.Replace(providers.NetworkNames(airtime.Networks())) +
			"; an empty one is for any"
	}
	return s
}

// pageHead is how the page begins; ~ stands for a backquote.
const pageHead = `# Settings

Every process reads the same settings: environment variables, and a YAML file that ~TUMA_CONFIG~
names. What is set in both is taken from the variable; an empty variable is one that is not set. A
process does not start with a setting that is wrong: it lists every problem at once, and an unknown
~TUMA_~ variable is one. What holds is in the log at the start, secrets hidden.

A name with **~…_FILE~** holds a secret. It may be given as a file instead, whose path is in the
variable of that name with ~_FILE~ behind it (~TUMA_REDIS_URL_FILE~), and is read again when it
changes ([what needs a restart anyway](../SECURITY.md#secrets)). Secrets are refused in the YAML
file. Durations are written like ~90d~, ~1h30m~, ~45s~ or ~250ms~. A provider's base URL must be
https, except on loopback.

This page is written from the code by ~make docs~.

## The file

| variable | default | what |
|---|---|---|
| ~TUMA_CONFIG~ | – | The path of the YAML file; an unknown key in it is refused, with its line. |
`

// shorter leaves out of a range of durations what the page says once, and zeros.
var shorter = strings.NewReplacer("a duration such as 30s, ", "", "h0m0s", "h", "m0s", "m")

// allowed is what a setting's own check says about it: nothing is a path, which may be anything.
func allowed(s setting) string {
	const nobodysValue = "\x00\n"
	check := s.check
	if s.parse != nil {
		check = func(value string) error { return s.parse(&Config{Instances: kindInstances()}, value) }
	}
	err := check(nobodysValue)
	if err == nil {
		return "a path"
	}
	return shorter.Replace(strings.TrimPrefix(err.Error(), "must be "))
}

// inFile is how a setting is called in the file.
func inFile(s setting) string {
	if s.secret != nil {
		return "–"
	}
	for field, key := range pollingKeys {
		if key == s.key() {
			return "`polling." + field + "`"
		}
	}
	return "`" + s.key() + "`"
}

// page is docs/configuration.md.
func page() string {
	page := &strings.Builder{}
	page.WriteString(strings.ReplaceAll(pageHead, "~", "`"))
	for _, g := range groups() {
		fmt.Fprintf(page, "\n## %s\n\n| variable | in the file | default | allowed | what |\n"+
			"|---|---|---|---|---|\n", g.title)
		for _, s := range g.settings {
			name, fallback := "`"+s.name+"`", "–"
			if s.secret != nil {
				name += ", `…" + fileSuffix + "`"
			}
			if s.fallback != "" {
				fallback = "`" + s.fallback + "`"
			}
			row(page, name, inFile(s), fallback, allowed(s), s.what)
		}
	}
	page.WriteString("\n## In the file only\n\nProviders are " +
		strings.Join(names(kindInstances()), ", ") +
		".\n\n| key | default | allowed | what | example |\n|---|---|---|---|---|\n")
	for _, s := range fileSettings() {
		row(page, "`"+s.key+"`", s.fallback, s.allowed, s.what, "`"+s.example+"`")
	}
	return page.String()
}

func row(page *strings.Builder, cells ...string) {
	for i, cell := range cells {
		cells[i] = strings.ReplaceAll(cell, "|", `\|`)
	}
	fmt.Fprintf(page, "| %s |\n", strings.Join(cells, " | "))
}

func TestThePageOfSettingsIsTheCode(t *testing.T) {
	t.Parallel()
	written := page()
	pagetest.Page(t, pagePath, written)
	for _, name := range Variables() {
		shown := strings.Contains(written, "`"+strings.TrimSuffix(name, fileSuffix)+"`") ||
			strings.Contains(written, "`"+name+"`")
		require.True(t, shown, name)
	}
}

func TestEverySettingSaysWhatItIsFor(t *testing.T) {
	t.Parallel()
	for _, s := range settings() {
		require.Regexp(t, `^[A-Z].*\.$`, s.what, s.name)
		require.NotEmpty(t, allowed(s), s.name)
	}
	for _, s := range fileSettings() {
		require.Regexp(t, `^[A-Z].*\.$`, s.what, s.key)
	}
}

// TestTheFilesSettingsAreAllShown reads the page's examples as configuration files: each is taken,
// each changes something, and no section is without one.
func TestTheFilesSettingsAreAllShown(t *testing.T) {
	t.Parallel()
	bare, err := load(nil)
	require.NoError(t, err)
	sections := map[string]bool{"polling": true} // Its fields are variables, too.
	for _, s := range fileSettings() {
		c, err := load(map[string]string{nameConfig: write(t, s.example)})
		require.NoError(t, err, s.key)
		require.NotEqual(t, bare.Describe()[1:], c.Describe()[1:], s.key)
		var parts map[string]yaml.Node
		require.NoError(t, yaml.Unmarshal([]byte(s.example), &parts))
		section, _, _ := strings.Cut(s.key, ".")
		require.Equal(t, []string{section}, slices.Collect(maps.Keys(parts)), s.key)
		sections[section] = true
	}
	delete(sections, keyProviders) // A list: it is read before the sections.
	file := &yamlFile{instances: kindInstances()}
	require.ElementsMatch(t, slices.Concat(
		slices.Collect(maps.Keys(file.sections())), slices.Collect(maps.Keys(file.lists()))),
		slices.Collect(maps.Keys(sections)))
}
