package config

import (
	"errors"
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"

	"gopkg.in/yaml.v3"

	"tuma/internal/airtime"
	"tuma/internal/providers"
	"tuma/internal/providers/catalog"
)

// Instance is one account at a provider: a kind under a name.
type Instance struct {
	// Spec is that of the kind, but for what the account's options change. Its capabilities have the
	// instance's name.
	Spec providers.Spec
	// Kind is the name of its kind.
	Kind string
	// On says that all that it needs is set.
	On bool

	// listed says that it is an entry of the list, and given which settings that has, right or wrong.
	listed  bool
	given   map[string]bool
	texts   map[string]*string
	secrets map[string]*Secret
	choices map[string]string
}

// newInstance returns an instance of which nothing is set.
func newInstance(spec providers.Spec) *Instance {
	i := &Instance{
		Spec: spec, Kind: spec.Capabilities.Name, given: map[string]bool{},
		texts: map[string]*string{}, secrets: map[string]*Secret{}, choices: map[string]string{},
	}
	for _, s := range spec.Settings {
		if s.Form == providers.FormSecret {
			i.secrets[s.Key] = &Secret{}
		} else {
			i.texts[s.Key] = new(string)
		}
	}
	for _, o := range spec.Options {
		i.choices[o.Key] = o.Default
	}
	return i
}

// kindInstances returns an instance of every kind, under the kind's name.
func kindInstances() (list []*Instance) {
	for _, spec := range catalog.Specs() {
		list = append(list, newInstance(spec))
	}
	return list
}

// Name is what everything but the settings calls the instance.
func (i *Instance) Name() string { return i.Spec.Capabilities.Name }

// Text returns a setting that is no secret, or an option.
func (i *Instance) Text(key string) string {
	if text := i.texts[key]; text != nil {
		return *text
	}
	return i.choices[key]
}

// Secret returns a secret, which may not be set.
func (i *Instance) Secret(key string) Secret {
	if secret := i.secrets[key]; secret != nil {
		return *secret
	}
	return Secret{}
}

// Secrets returns all that are set.
func (i *Instance) Secrets() (list []Secret) {
	for _, secret := range i.secrets {
		if secret.IsSet() {
			list = append(list, *secret)
		}
	}
	return list
}

// Called is how messages call a setting.
func (i *Instance) Called(key string) string {
	if !i.listed {
		return providers.VariableName(i.Kind, key)
	}
	if i.secrets[key] != nil {
		key += secretSuffix
	}
	return i.prefix() + key
}

// prefix is what stands before what only the file says.
func (i *Instance) prefix() string {
	if i.listed {
		return keyProviders + "." + i.Name() + "."
	}
	return i.Name() + "."
}

// Listed says that the accounts are those of a list in the file.
func (c *Config) Listed() bool { return len(c.Instances) > 0 && c.Instances[0].listed }

// Credentials names the settings without which the provider does not know us.
func (i *Instance) Credentials() string {
	var names []string
	for _, key := range i.Spec.Credentials() {
		names = append(names, i.Called(key))
	}
	return strings.Join(names, " and ")
}

// Values are the settings and options as an adapter takes them.
func (i *Instance) Values() providers.Values {
	v := providers.Values{
		Texts: map[string]string{}, Secrets: map[string]func() string{}, Called: i.Called,
	}
	for key, word := range i.choices {
		v.Texts[key] = word
	}
	for key, text := range i.texts {
		v.Texts[key] = *text
	}
	for key, secret := range i.secrets {
		v.Secrets[key] = secret.Value
	}
	return v
}

// describe returns what the file says of the instance as name=value.
func (i *Instance) describe() (shown []string) {
	if i.listed {
		shown = append(shown, i.prefix()+keyKind+"="+i.Kind)
		for _, s := range i.Spec.Settings {
			value := i.Text(s.Key)
			if s.Form == providers.FormSecret {
				value = i.Secret(s.Key).String()
			}
			shown = append(shown, i.Called(s.Key)+"="+value)
		}
	}
	for _, o := range i.Spec.Options {
		word := i.choices[o.Key]
		if len(o.Words) == 0 {
			word = networksText(i.Spec.Capabilities.Networks)
		}
		shown = append(shown, i.prefix()+o.Key+"="+word)
	}
	known := i.Spec.Capabilities
	shown = append(shown,
		fmt.Sprintf("batch.max_recipients.%s=%d", known.Name, known.MaxRecipients))
	for _, currency := range slices.Sorted(maps.Keys(known.Limits)) {
		limit := known.Limits[currency]
		shown = append(shown, fmt.Sprintf("limits.%s.%s=%s to %s", known.Name, currency,
			airtime.Money{Minor: limit.Min, Currency: currency}.Short(),
			airtime.Money{Minor: limit.Max, Currency: currency}.Short()))
	}
	if rate := known.Rate; rate.PerSecond > 0 {
		shown = append(shown, fmt.Sprintf("rates.%s=%s per second, burst %d", known.Name,
			strconv.FormatFloat(rate.PerSecond, 'f', -1, 64), rate.Burst))
	}
	return shown
}

func networksText(networks []airtime.Network) string {
	if len(networks) == 0 {
		return "any"
	}
	return providers.NetworkNames(networks)
}

// Instance returns the instance of a name; nil when there is none.
func (c *Config) Instance(name string) *Instance {
	for _, i := range c.Instances {
		if i.Name() == name {
			return i
		}
	}
	return nil
}

// Providers returns the names of the providers that are on.
func (c *Config) Providers() (names []string) {
	for _, i := range c.Instances {
		if i.On {
			names = append(names, i.Name())
		}
	}
	return names
}

// AirtimeProvider is the first provider that the airtime service of the inlet sends through; empty
// when there is none.
func (c *Config) AirtimeProvider() string {
	for _, i := range c.Instances {
		if i.Spec.AirtimeService {
			return i.Name()
		}
	}
	return ""
}

// names lists providers, on or off.
func names(instances []*Instance) (list []string) {
	for _, i := range instances {
		list = append(list, i.Name())
	}
	return list
}

// providerSettings are the variables of all kinds.
func providerSettings() (list []setting) {
	for _, spec := range catalog.Specs() {
		for _, s := range spec.Settings {
			list = append(list, variable(spec.Capabilities.Name, s))
		}
	}
	return list
}

// variable is the setting of a provider as a variable.
func variable(kind string, s providers.Setting) setting {
	v := setting{name: providers.VariableName(kind, s.Key), what: s.What, kind: kind}
	if s.Form == providers.FormSecret {
		v.check = oneLine
		v.secret = func(c *Config) *Secret { return c.Instance(kind).secrets[s.Key] }
		return v
	}
	v.parse = parserOf(s.Form, func(c *Config) *string { return c.Instance(kind).texts[s.Key] })
	return v
}

func parserOf(form providers.Form, field func(*Config) *string) func(*Config, string) error {
	if form == providers.FormURL {
		return baseURL(field)
	}
	return text(field)
}

// optionsOf reads the options of an instance.
func (f *yamlFile) optionsOf(i *Instance) func(key, path string, node *yaml.Node) {
	return func(key, path string, node *yaml.Node) {
		option, known := i.Spec.Option(key)
		switch {
		case !known:
			f.unknown(node, path)
		case len(option.Words) == 0:
			f.networksOf(i, path, node)
		default:
			f.choose(i, option, path, node)
		}
	}
}

// choose reads one word of an option.
func (f *yamlFile) choose(i *Instance, o providers.Option, path string, node *yaml.Node) {
	value, ok := f.plain(node, path)
	if !ok {
		return
	}
	if !slices.Contains(o.Words, value.value) {
		f.report(value, fmt.Errorf("must be %s", strings.Join(o.Words, " or ")))
		return
	}
	i.choices[o.Key] = value.value
	if o.Apply != nil {
		o.Apply(&i.Spec.Capabilities, value.value)
	}
}

// networksOf reads the networks that a provider takes; an empty list is for any.
func (f *yamlFile) networksOf(i *Instance, path string, node *yaml.Node) {
	networks := []airtime.Network{}
	f.list(node, path, "networks", func(value scalar, _ *yaml.Node) {
		network, err := parseNetwork(value.value)
		if err == nil && slices.Contains(networks, network) {
			err = errors.New("is there twice")
		}
		if err != nil {
			f.report(value, err)
			return
		}
		networks = append(networks, network)
	})
	i.Spec.Capabilities.Networks = networks
}

// checkProviders finds out which providers are on, and where they are.
func (l *loader) checkProviders() {
	for _, i := range l.config.Instances {
		i.On = l.on(i)
		base := i.texts[providers.KeyBaseURL]
		if *base == "" && i.Spec.BaseURL != nil {
			*base = i.Spec.BaseURL(i.Values())
		}
	}
	l.defaultProvider()
}

// on reports whether a provider is on: all that it needs is set. Some of it only is a problem, and
// so is a text that makes no sense without it.
func (l *loader) on(i *Instance) bool {
	var missing, set []string
	for _, s := range i.Spec.Settings {
		name := i.Called(s.Key)
		given := i.given[s.Key] || l.given(name) || i.Text(s.Key) != "" || i.Secret(s.Key).IsSet()
		switch {
		case given && (s.Needed || s.Form != providers.FormSecret):
			set = append(set, name)
		case !given && s.Needed:
			missing = append(missing, name)
		}
	}
	if len(set) > 0 && len(missing) > 0 {
		l.problem("%s: missing, while %s is set",
			strings.Join(missing, ", "), strings.Join(set, ", "))
	}
	return len(missing) == 0
}

// given reports whether a variable was given, by the environment or the file, right or wrong.
func (l *loader) given(name string) bool {
	_, inFile := l.file.scalars[setting{name: name}.key()]
	return inFile || l.getenv(name) != ""
}

// defaultProvider finds the first that is on, or checks that the one asked for is. A process that
// only takes jobs in may know no credentials at all and still name the default.
func (l *loader) defaultProvider() {
	c, on := l.config, l.config.Providers()
	switch {
	case c.DefaultProvider == "" && len(on) > 0:
		c.DefaultProvider = on[0]
	case c.DefaultProvider != "" && len(on) > 0 && !slices.Contains(on, c.DefaultProvider):
		l.problem("%s=%q: is not configured; configured are %s",
			nameProvider, c.DefaultProvider, strings.Join(on, ", "))
	}
}

// setRouting says which providers there are. All can be named, on or off here: an inlet needs no
// credentials, and checking a file needs no Redis.
func (c *Config) setRouting() {
	c.Routing.Providers = map[string]providers.Capabilities{}
	c.Routing.DefaultProvider = c.DefaultProvider
	for _, i := range c.Instances {
		if c.Routing.DefaultProvider == "" {
			c.Routing.DefaultProvider = i.Name()
		}
		c.Routing.Providers[i.Name()] = i.Spec.Capabilities
	}
}
