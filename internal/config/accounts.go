package config

import (
	"errors"
	"fmt"
	"regexp"
	"slices"
	"strings"

	"gopkg.in/yaml.v3"

	"tuma/internal/providers"
	"tuma/internal/providers/catalog"
)

// keyProviders is the key of the list of accounts.
const keyProviders = "providers"

// The keys of an entry that every kind has.
const (
	keyName = "name"
	keyKind = "kind"
)

// secretSuffix is behind the key of a secret, which the list names a file for.
const secretSuffix = "_file"

// instanceName is what an account may be called.
var instanceName = regexp.MustCompile(`^[a-z0-9-]{1,32}$`)

// queueNames are no names of accounts: a queue is called like its provider, and these are taken.
var queueNames = []string{"disbursals", "poll", "webhooks"}

// accounts reads the list of accounts, if there is one, before everything that may name them.
func (f *yamlFile) accounts(root *yaml.Node) {
	list := valueOf(root, keyProviders)
	if list == nil {
		return
	}
	f.listed, f.instances = true, nil
	if list.Kind != yaml.SequenceNode || len(list.Content) == 0 {
		f.problem(list, keyProviders, "must be a list of at least one provider")
		return
	}
	for n, entry := range list.Content {
		r := accountReader{yamlFile: f, node: entry, path: fmt.Sprintf("%s[%d]", keyProviders, n)}
		if i := r.read(); i != nil {
			f.instances = append(f.instances, i)
		}
	}
}

// valueOf returns the value of a key of a mapping; nil when it has none.
func valueOf(mapping *yaml.Node, key string) *yaml.Node {
	if mapping.Kind != yaml.MappingNode {
		return nil
	}
	for i := 0; i+1 < len(mapping.Content); i += 2 {
		if mapping.Content[i].Value == key {
			return mapping.Content[i+1]
		}
	}
	return nil
}

// accountReader reads one entry of the list.
type accountReader struct {
	*yamlFile
	node     *yaml.Node
	path     string
	instance *Instance
}

// read returns nil when nobody can say which provider is meant.
func (r *accountReader) read() *Instance {
	kind, known := r.word(keyKind, func(kind string) error {
		if kinds := names(kindInstances()); !slices.Contains(kinds, kind) {
			return fmt.Errorf("must be one of %s", strings.Join(kinds, ", "))
		}
		return nil
	})
	name, named := r.word(keyName, func(name string) error {
		if !known {
			return r.checkName(name, name)
		}
		return r.checkName(name, kind)
	})
	if !known || !named {
		return nil
	}
	r.instance = newInstance(specOf(kind, name))
	r.instance.Kind, r.instance.listed = kind, true
	r.fields(r.node, r.path+".", r.field)
	return r.instance
}

// specOf returns the spec of a kind under a name. Only the kind's own name has the kind's code.
func specOf(kind, name string) providers.Spec {
	specs := catalog.Specs()
	spec := specs[slices.IndexFunc(specs, func(s providers.Spec) bool {
		return s.Capabilities.Name == kind
	})]
	if name != kind {
		spec.Capabilities.Name, spec.Capabilities.Code = name, 0
	}
	return spec
}

// word reads a field without which nothing else of the entry makes sense.
func (r *accountReader) word(key string, check func(string) error) (string, bool) {
	path := r.path + "." + key
	node := valueOf(r.node, key)
	if node == nil {
		r.problem(r.node, r.path, "must have a %s", key)
		return "", false
	}
	value, ok := r.plain(node, path)
	if !ok {
		return "", false
	}
	if err := check(value.value); err != nil {
		r.report(value, err)
		return "", false
	}
	return value.value, true
}

func (r *accountReader) checkName(name, kind string) error {
	switch {
	case !instanceName.MatchString(name):
		return errors.New("must be 1 to 32 lower-case letters, digits and dashes")
	case slices.Contains(queueNames, name):
		return errors.New("is the name of a queue")
	case name != kind && slices.Contains(names(kindInstances()), name):
		return errors.New("is the name of another kind")
	case slices.Contains(names(r.instances), name):
		return errors.New("is there twice")
	}
	return nil
}

// field reads one setting or option of the account.
func (r *accountReader) field(key, path string, node *yaml.Node) {
	secret, isFile := strings.CutSuffix(key, secretSuffix)
	setting, known := r.instance.Spec.Setting(key)
	ofSecret, knownSecret := r.instance.Spec.Setting(secret)
	_, option := r.instance.Spec.Option(key)
	switch {
	case key == keyName || key == keyKind:
	case option:
		r.optionsOf(r.instance)(key, path, node)
	case known && setting.Form == providers.FormSecret:
		r.problem(node, path, "belongs into a file: name it with %s%s", key, secretSuffix)
	case known:
		r.text(setting, path, node)
	case isFile && knownSecret && ofSecret.Form == providers.FormSecret:
		r.secret(secret, path, node)
	default:
		r.unknownOf(key, path, node, r.keys())
	}
}

// keys are all that an entry of this kind may have.
func (r *accountReader) keys() []string {
	keys := []string{keyName, keyKind}
	for _, s := range r.instance.Spec.Settings {
		if s.Form == providers.FormSecret {
			keys = append(keys, s.Key+secretSuffix)
		} else {
			keys = append(keys, s.Key)
		}
	}
	for _, o := range r.instance.Spec.Options {
		keys = append(keys, o.Key)
	}
	return keys
}

func (r *accountReader) text(s providers.Setting, path string, node *yaml.Node) {
	value, ok := r.plain(node, path)
	if !ok {
		return
	}
	r.instance.given[s.Key] = true
	field := func(*Config) *string { return r.instance.texts[s.Key] }
	if err := parserOf(s.Form, field)(nil, value.value); err != nil {
		r.report(value, err)
	}
}

func (r *accountReader) secret(key, path string, node *yaml.Node) {
	value, ok := r.plain(node, path)
	if !ok {
		return
	}
	r.instance.given[key] = true
	secret, err := SecretFile(value.value)
	if err == nil {
		err = oneLine(secret.Value())
	}
	if err != nil {
		r.report(value, err)
		return
	}
	*r.instance.secrets[key] = secret
}

// refuse reports a variable of an account that the list has taken the place of.
func (l *loader) refuse(s setting) {
	for _, name := range []string{s.name, s.name + fileSuffix} {
		if l.getenv(name) != "" {
			l.problem("%s: is not for a %s with the list %s, whose entries have the settings of "+
				"accounts; remove one of the two", name, nameConfig, keyProviders)
		}
	}
}
