package config

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"os"
	"regexp"
	"slices"
	"strings"

	"gopkg.in/yaml.v3"

	"tuma/internal/airtime"
	"tuma/internal/providers"
	"tuma/internal/routing"
)

// maxYAML bounds the configuration file, in bytes: room for 200,000 ported numbers.
const maxYAML = 8 << 20

// scalar is a plain value in the file and where it stands there.
type scalar struct {
	value, where string
}

// yamlFile is the optional configuration file. It is walked node by node rather than decoded, so
// that every problem names its line and no amount passes through a floating point number.
type yamlFile struct {
	path     string
	scalars  map[string]scalar // By setting key.
	trust    []string
	replicas *scalar
	routing  routing.Rules
	webhooks []*Webhook
	// windows are the texts of duplicate_within, by the index of the guard.
	windows map[int]scalar
	// instances are the providers that may be named.
	instances []*Instance
	// listed says that they are those of the list.
	listed   bool
	problems *Problems
}

// pollingKeys are the fields of the section polling and the settings that they stand for.
var pollingKeys = map[string]string{
	"initial": "poll_initial", "max": "poll_max", "multiplier": "poll_multiplier",
}

// readYAML reads the file; an empty path means that there is none.
func readYAML(path string, problems *Problems) *yamlFile {
	f := &yamlFile{
		path: path, scalars: map[string]scalar{}, windows: map[int]scalar{},
		instances: kindInstances(), problems: problems,
	}
	if path == "" {
		return f
	}
	root, err := parseYAML(path)
	if err != nil {
		*problems = append(*problems, fmt.Sprintf("%s=%q: %s", nameConfig, path, err))
		return f
	}
	if root != nil {
		f.accounts(root)
		f.fields(root, "", f.top)
	}
	return f
}

// parseYAML returns the file's one document, nil when it is empty.
func parseYAML(path string) (*yaml.Node, error) {
	file, err := os.Open(path)
	if err != nil {
		return nil, err
	}
	defer func() { _ = file.Close() }() // It was only read.
	data, err := io.ReadAll(io.LimitReader(file, maxYAML+1))
	if err != nil {
		return nil, err
	}
	if len(data) > maxYAML {
		return nil, fmt.Errorf("is larger than %d bytes", maxYAML)
	}
	decoder := yaml.NewDecoder(bytes.NewReader(data))
	var document, second yaml.Node
	if err := decoder.Decode(&document); err != nil {
		if errors.Is(err, io.EOF) {
			return nil, nil //nolint:nilnil // An empty file is a file without settings.
		}
		// A secret that begins with an asterisk is an anchor to YAML.
		return nil, errors.New(anchorText.ReplaceAllString(err.Error(), "anchor"))
	}
	if err := decoder.Decode(&second); !errors.Is(err, io.EOF) {
		return nil, errors.New("must hold one YAML document")
	}
	return document.Content[0], nil
}

// anchorText is how YAML's errors name an anchor.
var anchorText = regexp.MustCompile(`anchor '[^']*'`)

// numberText is what could be a phone number among the keys: some are, and some are misplaced.
var numberText = regexp.MustCompile(`\d[\d ()-]{5,}\d`)

func hideNumbers(text string) string { return numberText.ReplaceAllString(text, "…") }

func (f *yamlFile) where(node *yaml.Node, path string) string {
	return fmt.Sprintf("%s line %d: %s", f.path, node.Line, hideNumbers(path))
}

// report adds a problem with a plain value.
func (f *yamlFile) report(s scalar, err error) {
	*f.problems = append(*f.problems, fmt.Sprintf("%s=%q: %s", s.where, shown(s.value), err))
}

func (f *yamlFile) problem(node *yaml.Node, path, format string, values ...any) {
	text := hideNumbers(fmt.Sprintf(format, values...))
	*f.problems = append(*f.problems, f.where(node, path)+": "+text)
}

// fields calls read with every key of a mapping, once.
func (f *yamlFile) fields(node *yaml.Node, path string, read func(key, path string, v *yaml.Node)) {
	if node.Kind != yaml.MappingNode {
		f.problem(node, strings.TrimSuffix(path, "."), "must be a mapping of names to values")
		return
	}
	seen := map[string]bool{}
	for i := 0; i+1 < len(node.Content); i += 2 {
		key, value := node.Content[i], node.Content[i+1]
		if value.Kind == yaml.AliasNode || key.Kind != yaml.ScalarNode {
			f.problem(key, path+key.Value, "aliases and complex keys are not supported")
			continue
		}
		if seen[key.Value] {
			f.problem(key, path+key.Value, "is there twice")
			continue
		}
		seen[key.Value] = true
		read(key.Value, path+key.Value, value)
	}
}

// plain returns a scalar node's text.
func (f *yamlFile) plain(node *yaml.Node, path string) (scalar, bool) {
	if node.Kind != yaml.ScalarNode || node.Tag == "!!null" {
		f.problem(node, path, "must be a plain value")
		return scalar{}, false
	}
	return scalar{node.Value, f.where(node, path)}, true
}

// sections are the keys that hold fields, and what reads one of these.
func (f *yamlFile) sections() map[string]func(key, path string, node *yaml.Node) {
	sections := map[string]func(key, path string, node *yaml.Node){
		"limits": f.limitsOf, "polling": f.polling, "batch": f.batchField, "state": f.stateField,
		"callbacks": f.callbacksField, "routing": f.routingField, "rates": f.rate,
	}
	for _, i := range f.instances {
		if !f.listed && len(i.Spec.Options) > 0 {
			sections[i.Name()] = f.optionsOf(i)
		}
	}
	return sections
}

// lists are the keys that hold lists, and what reads one. The list of accounts is read before all.
func (f *yamlFile) lists() map[string]func(node *yaml.Node) {
	return map[string]func(node *yaml.Node){
		keyWebhooks: f.webhookList, keyGuards: f.guards, keyApprovals: f.approvals,
	}
}

// top reads one key of the file.
func (f *yamlFile) top(key, path string, node *yaml.Node) {
	if read, section := f.sections()[key]; section {
		f.fields(node, path+".", read)
		return
	}
	if key == keyProviders {
		return // It was read first.
	}
	if read, list := f.lists()[key]; list {
		read(node)
		return
	}
	if f.listed && slices.Contains(names(kindInstances()), key) {
		f.problem(node, path, "belongs into the entries of the list %s", keyProviders)
		return
	}
	for _, s := range settings() {
		if s.key() != key {
			continue
		}
		if f.listed && s.kind != "" {
			f.problem(node, path, "belongs into the entries of the list %s", keyProviders)
			return
		}
		if s.secret != nil {
			f.problem(node, path, "belongs into %s or %s%s, not into this file",
				s.name, s.name, fileSuffix)
			return
		}
		f.setting(key, path, node)
		return
	}
	f.unknownOf(key, path, node, f.topKeys())
}

// topKeys are the keys of the file itself, in a fixed order.
func (f *yamlFile) topKeys() []string {
	keys := []string{keyProviders}
	for key := range f.sections() {
		keys = append(keys, key)
	}
	for key := range f.lists() {
		keys = append(keys, key)
	}
	for _, s := range settings() {
		if s.secret == nil && (s.kind == "" || !f.listed) {
			keys = append(keys, s.key())
		}
	}
	slices.Sort(keys)
	return keys
}

func (f *yamlFile) unknown(node *yaml.Node, path string) {
	f.problem(node, path, "there is no such setting")
}

// setting keeps a scalar under the key of the variable that it stands for.
func (f *yamlFile) setting(key, path string, node *yaml.Node) {
	value, ok := f.plain(node, path)
	if _, twice := f.scalars[key]; twice {
		f.problem(node, path, "is there twice")
	} else if ok {
		f.scalars[key] = value
	}
}

func (f *yamlFile) polling(key, path string, node *yaml.Node) {
	if name, known := pollingKeys[key]; known {
		f.setting(name, path, node)
		return
	}
	f.unknown(node, path)
}

func (f *yamlFile) stateField(key, path string, node *yaml.Node) {
	f.single(key, path, node, "min_replicas", &f.replicas)
}

func (f *yamlFile) single(key, path string, node *yaml.Node, known string, field **scalar) {
	if key != known {
		f.unknown(node, path)
		return
	}
	if value, ok := f.plain(node, path); ok {
		*field = &value
	}
}

func (f *yamlFile) batchField(key, path string, node *yaml.Node) {
	if key != "max_recipients" {
		f.unknown(node, path)
		return
	}
	f.fields(node, path+".", func(provider, path string, node *yaml.Node) {
		i, most := f.provider(node, path, provider), 0
		value, ok := f.plain(node, path)
		if !ok || i == nil {
			return
		}
		if err := whole(func(*Config) *int { return &most }, 1, 1000)(nil, value.value); err != nil {
			f.report(value, err)
		}
		i.Spec.Capabilities.MaxRecipients = min(i.Spec.Capabilities.MaxRecipients, most)
	})
}

func (f *yamlFile) callbacksField(key, path string, node *yaml.Node) {
	if key != "trust" {
		f.unknown(node, path)
		return
	}
	f.list(node, path, "providers", func(value scalar, item *yaml.Node) {
		if f.provider(item, path, value.value) != nil {
			f.trust = append(f.trust, value.value)
		}
	})
}

// list calls read with every plain value of a list; things says what it is a list of.
func (f *yamlFile) list(
	node *yaml.Node, path, things string, read func(value scalar, item *yaml.Node),
) {
	if node.Kind != yaml.SequenceNode {
		f.problem(node, path, "must be a list of %s", things)
		return
	}
	for _, item := range node.Content {
		if value, ok := f.plain(item, path); ok {
			read(value, item)
		}
	}
}

// provider returns the instance of a name; nil when there is none, which is reported.
func (f *yamlFile) provider(node *yaml.Node, path, name string) *Instance {
	known := names(f.instances)
	if i := slices.Index(known, name); i >= 0 {
		return f.instances[i]
	}
	f.problem(node, path, "%q is no provider; there are %s", name, strings.Join(known, ", "))
	return nil
}

// limitsOf reads limits.<provider>.<currency>.<min|max>.
func (f *yamlFile) limitsOf(provider, path string, node *yaml.Node) {
	i := f.provider(node, path, provider)
	if i == nil {
		return
	}
	f.fields(node, path+".", func(currency, path string, node *yaml.Node) {
		if !airtime.Currency(currency).Known() {
			f.problem(node, path, "%q is not a known currency", currency)
			return
		}
		i.Spec.Capabilities.Limits[airtime.Currency(currency)] = f.limit(
			i.Spec.Capabilities.Limits[airtime.Currency(currency)], airtime.Currency(currency), path, node)
	})
}

// limit reads the bounds of one currency over those that are known.
func (f *yamlFile) limit(
	known providers.Limit, currency airtime.Currency, path string, node *yaml.Node,
) providers.Limit {
	fields := map[string]*int64{"min": &known.Min, "max": &known.Max}
	given := map[string]scalar{}
	f.fields(node, path+".", func(bound, path string, node *yaml.Node) {
		field, known := fields[bound]
		if !known {
			f.unknown(node, path)
			return
		}
		value, ok := f.plain(node, path)
		if !ok {
			return
		}
		money, err := airtime.ParseAmount(value.value, currency)
		if err != nil {
			f.report(value, err)
			return
		}
		*field, given[bound] = money.Minor, value
	})
	if len(given) == 2 && known.Min > known.Max {
		f.report(given["max"], errors.New("must not be below min"))
	}
	return known
}
